#include "tests/bench/load_request.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    POOL_BYTES = 256 * 1024,
    ITEM_REST_BYTES = 1 + 16 + 1 + 6 + LOAD_FIELDS * 2, /* what of an item is not text of f0..f3 */
    AUTHORIZATION_BYTES_MAX = 4096,
};

static enum err fill_pool(struct load_requests *r, size_t bytes)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    uint8_t *to = buffer_extend(&r->pool, bytes);
    if (to == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)alphabet[random_u64(&r->random) >> 58];
    return ERR_OK;
}

enum err load_requests_init(struct load_requests *r, const struct load_options *options,
                            const struct load_identity *identity)
{
    *r = (struct load_requests){.table = options->table, .is_eventual = options->eventual};
    buffer_init(&r->body, LOAD_REQUEST_BYTES_MAX);
    buffer_init(&r->authorization, AUTHORIZATION_BYTES_MAX);
    buffer_init(&r->pool, LOAD_REQUEST_BYTES_MAX);
    random_init(&r->random, options->seed + 1); /* not the keys' sequence */
    snprintf(r->host, sizeof r->host, "%s:%" PRIu64, options->host, options->port);
    r->field_bytes = ((size_t)options->item_bytes - ITEM_REST_BYTES) / LOAD_FIELDS;
    const struct sigv4_credentials credentials = {
        .access_key_id = slice_from_string(identity->access_key_id),
        .secret = slice_from_string(identity->secret),
        .region = slice_from_string(options->region),
        .service = SLICE_LITERAL("dynamodb"),
    };
    r->signer = sigv4_signer_create(&credentials);
    if (r->signer == NULL)
        return ERR_NO_MEMORY;
    TRY(sha256_init(&r->hash));
    return fill_pool(r, POOL_BYTES + r->field_bytes);
}

void load_requests_deinit(struct load_requests *r)
{
    sigv4_signer_destroy(r->signer);
    sha256_deinit(&r->hash);
    buffer_deinit(&r->body);
    buffer_deinit(&r->authorization);
    buffer_deinit(&r->pool);
}

static struct slice random_text(struct load_requests *r)
{
    return slice_make(r->pool.data + random_below(&r->random, POOL_BYTES), r->field_bytes);
}

static void write_put(struct load_requests *r, uint64_t key)
{
    struct buffer *b = &r->body;
    buffer_append_format(b,
                         "{\"TableName\":\"%s\",\"Item\":{\"k\":{\"S\":\"user%012" PRIu64
                         "\"},\"n\":{\"N\":\"%" PRIu64 "\"}",
                         r->table, key, random_below(&r->random, 10000000000));
    for (unsigned i = 0; i < LOAD_FIELDS; i++) {
        buffer_append_string(b, ",\"f");
        buffer_append_u8(b, (uint8_t)('0' + i));
        buffer_append_string(b, "\":{\"S\":\"");
        buffer_append(b, random_text(r));
        buffer_append_string(b, "\"}");
    }
    buffer_append_string(b, "}}");
}

static void write_get(struct load_requests *r, uint64_t key)
{
    buffer_append_format(&r->body,
                         "{\"TableName\":\"%s\",\"Key\":{\"k\":{\"S\":\"user%012" PRIu64
                         "\"}},\"ConsistentRead\":%s}",
                         r->table, key, r->is_eventual ? "false" : "true");
}

struct head {
    struct slice target;
    char date[SIGV4_DATE_CHARS + 1];
};

static enum err sign(struct load_requests *r, const struct head *head, uint64_t wall_us)
{
    const struct sigv4_header headers[] = {
        {SLICE_LITERAL("content-type"), SLICE_LITERAL("application/x-amz-json-1.0")},
        {SLICE_LITERAL("host"), slice_from_string(r->host)},
        {SLICE_LITERAL("x-amz-date"), slice_make(head->date, SIGV4_DATE_CHARS)},
        {SLICE_LITERAL("x-amz-target"), head->target},
    };
    const struct sigv4_request request = {
        .method = SLICE_LITERAL("POST"),
        .path = SLICE_LITERAL("/"),
        .headers = headers,
        .header_count = sizeof headers / sizeof headers[0],
    };
    uint8_t body_hash[SHA256_BYTES];
    sha256_update(&r->hash, buffer_view(&r->body));
    sha256_final(&r->hash, body_hash);
    buffer_clear(&r->authorization);
    return sigv4_sign(r->signer, &request, body_hash, wall_us, &r->authorization);
}

enum err load_request_write(struct load_requests *r, struct load_operation operation, uint64_t wall_us,
                            struct buffer *to)
{
    struct head head = {.target = operation.is_read ? SLICE_LITERAL("DynamoDB_20120810.GetItem")
                                                    : SLICE_LITERAL("DynamoDB_20120810.PutItem")};
    sigv4_date_format(wall_us, head.date);
    buffer_clear(&r->body);
    if (operation.is_read)
        write_get(r, operation.key);
    else
        write_put(r, operation.key);
    TRY(sign(r, &head, wall_us));
    buffer_clear(to);
    buffer_append_format(to,
                         "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-amz-json-1.0\r\n"
                         "X-Amz-Target: %.*s\r\nX-Amz-Date: %s\r\nContent-Length: %zu\r\nAuthorization: ",
                         r->host, SLICE_PRINTF(head.target), head.date, r->body.length);
    buffer_append(to, buffer_view(&r->authorization));
    buffer_append_string(to, "\r\n\r\n");
    buffer_append(to, buffer_view(&r->body));
    return buffer_has_failed(to) || buffer_has_failed(&r->body) ? ERR_LIMIT : ERR_OK;
}

#include "tests/bench/load_request.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    POOL_BYTES = 256 * 1024,
    ITEM_REST_BYTES = 1 + 16 + 1 + 6 + LOAD_FIELDS * 2, /* what of an item is not text of f0..f3 */
    SORTED_REST_BYTES = 1 + 16 + 1 + 2 + 2,             /* of one with a sort key, what is not f0 */
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
    *r = (struct load_requests){
        .table = options->table, .keys = options->keys, .is_eventual = options->eventual};
    buffer_init(&r->body, LOAD_REQUEST_BYTES_MAX);
    buffer_init(&r->authorization, AUTHORIZATION_BYTES_MAX);
    buffer_init(&r->pool, POOL_BYTES + LOAD_REQUEST_BYTES_MAX);
    random_init(&r->random, options->seed + 1); /* not the keys' sequence */
    snprintf(r->host, sizeof r->host, "%s:%" PRIu64, options->host, options->port);
    r->field_bytes = ((size_t)options->item_bytes - ITEM_REST_BYTES) / LOAD_FIELDS;
    r->sorted_bytes = (size_t)options->item_bytes - SORTED_REST_BYTES;
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
    return fill_pool(r, POOL_BYTES + r->sorted_bytes);
}

void load_requests_deinit(struct load_requests *r)
{
    sigv4_signer_destroy(r->signer);
    sha256_deinit(&r->hash);
    buffer_deinit(&r->body);
    buffer_deinit(&r->authorization);
    buffer_deinit(&r->pool);
}

static void write_text(struct load_requests *r, const char *name, size_t bytes)
{
    buffer_append_format(&r->body, ",\"%s\":{\"S\":\"", name);
    buffer_append(&r->body, slice_make(r->pool.data + random_below(&r->random, POOL_BYTES), bytes));
    buffer_append_string(&r->body, "\"}");
}

static void write_item(struct load_requests *r, uint64_t key)
{
    static const char *const names[LOAD_FIELDS] = {"f0", "f1", "f2", "f3"};
    buffer_append_format(&r->body, "{\"k\":{\"S\":\"user%012" PRIu64 "\"},\"n\":{\"N\":\"%" PRIu64 "\"}", key,
                         random_below(&r->random, 10000000000));
    for (unsigned i = 0; i < LOAD_FIELDS; i++)
        write_text(r, names[i], r->field_bytes);
    buffer_append_string(&r->body, "}");
}

static void write_sorted_item(struct load_requests *r, uint64_t key, uint32_t sort)
{
    buffer_append_format(&r->body, "{\"k\":{\"S\":\"user%012" PRIu64 "\"},\"s\":{\"N\":\"%" PRIu32 "\"}", key,
                         sort);
    write_text(r, "f0", r->sorted_bytes);
    buffer_append_string(&r->body, "}");
}

static void write_batch(struct load_requests *r, const struct load_operation *o)
{
    buffer_append_format(&r->body, "{\"RequestItems\":{\"%s\":[", r->table);
    for (uint32_t i = 0; i < LOAD_BATCH_ITEMS; i++) {
        buffer_append_string(&r->body, i == 0 ? "{\"PutRequest\":{\"Item\":" : ",{\"PutRequest\":{\"Item\":");
        if (o->kind == LOAD_BATCH_SORTED)
            write_sorted_item(r, o->key, o->sort + i);
        else
            write_item(r, (o->key + i * o->stride) % r->keys);
        buffer_append_string(&r->body, "}}");
    }
    buffer_append_string(&r->body, "]}}");
}

static void write_body(struct load_requests *r, const struct load_operation *o, struct slice cursor)
{
    struct buffer *b = &r->body;
    buffer_clear(b);
    if (load_kind_is_batch(o->kind)) {
        write_batch(r, o);
        return;
    }
    buffer_append_format(b, "{\"TableName\":\"%s\"", r->table);
    if (o->kind == LOAD_PUT) {
        buffer_append_string(b, ",\"Item\":");
        write_item(r, o->key);
    } else if (o->kind == LOAD_GET) {
        buffer_append_format(b, ",\"Key\":{\"k\":{\"S\":\"user%012" PRIu64 "\"}}", o->key);
    } else if (o->kind == LOAD_QUERY) {
        buffer_append_format(b,
                             ",\"KeyConditionExpression\":\"k=:k\",\"ExpressionAttributeValues\":"
                             "{\":k\":{\"S\":\"user%012" PRIu64 "\"}},\"Limit\":%d",
                             o->key, LOAD_QUERY_ITEMS);
    } else if (cursor.length > 0) {
        buffer_append_string(b, ",\"ExclusiveStartKey\":");
        buffer_append(b, cursor);
    }
    if (load_kind_is_read(o->kind))
        buffer_append_string(b, r->is_eventual ? ",\"ConsistentRead\":false" : ",\"ConsistentRead\":true");
    buffer_append_string(b, "}");
}

static struct slice target_of(enum load_kind kind)
{
    switch (kind) {
    case LOAD_GET:
        return SLICE_LITERAL("DynamoDB_20120810.GetItem");
    case LOAD_PUT:
        return SLICE_LITERAL("DynamoDB_20120810.PutItem");
    case LOAD_QUERY:
        return SLICE_LITERAL("DynamoDB_20120810.Query");
    case LOAD_SCAN:
        return SLICE_LITERAL("DynamoDB_20120810.Scan");
    case LOAD_BATCH_WRITE:
    case LOAD_BATCH_SORTED:
        break;
    }
    return SLICE_LITERAL("DynamoDB_20120810.BatchWriteItem");
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

enum err load_request_write(struct load_requests *r, const struct load_operation *operation,
                            struct slice cursor, uint64_t wall_us, struct buffer *to)
{
    struct head head = {.target = target_of(operation->kind)};
    sigv4_date_format(wall_us, head.date);
    write_body(r, operation, cursor);
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

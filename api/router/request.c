/* A request's way to its operation: the head's claims, the body's hash, the signature, the operation.
 *
 * Order as DynamoDB's: an unknown target and a body that is not JSON are said before what is wrong with the
 * signature. A body that is long is not read for somebody who has no known key. */
#include <string.h>

#include "api/router/identity.h"
#include "api/router/offload.h"
#include "base/clock.h"

enum { BODY_OF_STRANGERS_MAX = 64 * 1024, FORM_BYTES_MAX = 64 * 1024 };

static const char TARGET_PREFIX[] = "DynamoDB_20120810.";

/* ---- life ---- */

static struct request *request_acquire(struct router *router, struct http_request *http)
{
    struct request *r = router->pool;
    if (r != NULL) {
        router->pool = r->next;
        router->pool_count--;
    } else {
        r = memory_zalloc(sizeof *r);
        if (r == NULL)
            return NULL;
        arena_init(&r->arena, REQUEST_ARENA_BLOCK, REQUEST_ARENA_MAX);
        if (sha256_init(&r->hash) != ERR_OK) {
            memory_free(r);
            return NULL;
        }
    }
    r->router = router;
    r->http = http;
    r->refusal.code = ERR_OK;
    r->operation = NULL;
    r->state = NULL;
    r->scratch = &router->scratch;
    memset(&r->call, 0, sizeof r->call);
    http_request_set_data(http, r);
    return r;
}

void request_release(struct request *r)
{
    struct router *router = r->router;
    arena_reset(&r->arena);
    sha256_reset(&r->hash);
    buffer_deinit(&r->unpacked);
    if (r->charged_bytes > 0)
        offload_refund(r, r->charged_bytes);
    if (router->pool_count < REQUEST_POOL_MAX) {
        r->next = router->pool;
        router->pool = r;
        router->pool_count++;
        return;
    }
    arena_deinit(&r->arena);
    sha256_deinit(&r->hash);
    memory_free(r);
}

/* ---- the head ---- */

static bool is_dynamodb_request(const struct http_request *http)
{
    struct slice parameters = http_request_header(http, "content-type");
    struct slice type = slice_trim(slice_split(&parameters, ';'));
    return slice_equal_string(http_request_method(http), "POST") &&
           (slice_is_word(type, "application/x-amz-json-1.0") || slice_is_word(type, "application/json"));
}

static struct sigv4_request signed_view(struct request *r)
{
    size_t count;
    const struct http_header *headers = http_request_headers(r->http, &count);
    struct sigv4_header *copy = arena_alloc(&r->arena, count * sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++)
        copy[i] = (struct sigv4_header){headers[i].name, headers[i].value};
    return (struct sigv4_request){
        .method = http_request_method(r->http),
        .path = http_request_path(r->http),
        .query = http_request_query(r->http),
        .headers = copy,
        .header_count = copy == NULL ? 0 : count,
    };
}

static void read_claim(struct request *r)
{
    struct router *router = r->router;
    const struct sigv4_request view = signed_view(r);
    const struct sigv4_policy *policy = r->asks_identity ? &router->identity_policy : &router->policy;
    if (sigv4_claim_read(&view, policy, clock_wall_us(), &r->claim, &r->refusal) != ERR_OK)
        return;
    const struct catalog_key *key = catalog_find_key(router->catalog, r->claim.access_key_id);
    if (key == NULL) {
        (void)sigv4_refuse_key(&r->refusal); /* its value is in the refusal */
        return;
    }
    r->refusal.code = ERR_OK;
    memcpy(r->tenant_id, key->tenant_id, sizeof r->tenant_id);
    r->user_name = arena_copy(&r->arena, key->user_name);
}

void request_refuse(struct request *r)
{
    metric_increment(&r->router->metrics.refused_authentication);
    answer_error(r, r->refusal.code, r->refusal.text);
}

static uint64_t announced_length(const struct http_request *http)
{
    struct slice text = http_request_header(http, "content-length");
    uint64_t length = 0;
    if (text.length == 0)
        return UINT64_MAX; /* chunked: any length */
    for (size_t i = 0; i < text.length && length < UINT32_MAX; i++)
        if (text.data[i] >= '0' && text.data[i] <= '9')
            length = length * 10 + (uint64_t)(text.data[i] - '0');
    return length;
}

static void respond_not_found(struct http_request *http)
{
    static const char text[] = "<UnknownOperationException/>\n";
    struct buffer body;
    buffer_init(&body, sizeof text);
    buffer_append_string(&body, text);
    const struct http_response response = {
        .status = 404, .content_type = SLICE_LITERAL("application/xml"), .body = &body};
    http_respond(http, &response);
    buffer_deinit(&body);
}

void request_on_headers(struct http_request *http, void *data)
{
    struct router *router = data;
    bool asks_identity = identity_is_asked(http);
    if (!asks_identity && !is_dynamodb_request(http)) {
        respond_not_found(http);
        return;
    }
    struct request *r = request_acquire(router, http);
    if (r == NULL) {
        http_respond_error(http, ERR_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    r->asks_identity = asks_identity;
    read_claim(r);
    uint64_t length = announced_length(http);
    if (asks_identity && length > FORM_BYTES_MAX)
        answer_error(r, ERR_REQUEST_TOO_LARGE, "");
    else if (r->refusal.code != ERR_OK && length > BODY_OF_STRANGERS_MAX)
        request_refuse(r);
}

void request_on_chunk(struct http_request *http, struct slice bytes, void *data)
{
    struct request *r = http_request_data(http);
    if (r != NULL)
        sha256_update(&r->hash, bytes);
}

void request_on_abort(struct http_request *http, void *data)
{
    struct request *r = http_request_data(http);
    if (r != NULL)
        request_release(r);
}

/* ---- the signature ---- */

static enum err find_secret(void *data, struct slice access_key_id, struct buffer *ret_secret)
{
    struct router *router = data;
    const struct catalog_key *key = catalog_find_key(router->catalog, access_key_id);
    if (key == NULL)
        return ERR_UNRECOGNIZED_CLIENT;
    return secret_open(&router->key, access_key_id, key->sealed_secret, ret_secret);
}

static void authenticate(struct request *r)
{
    uint8_t body_hash[SHA256_BYTES];
    sha256_final(&r->hash, body_hash);
    if (r->refusal.code != ERR_OK)
        return;
    const struct sigv4_request view = signed_view(r);
    struct sigv4_refusal refusal = {.code = ERR_OK};
    enum err err =
        sigv4_verify(r->router->verifier, &view, &r->claim, body_hash, find_secret, r->router, &refusal);
    if (err == ERR_OK)
        return;
    if (refusal.code == ERR_OK) /* the secret did not open, or no memory */
        refusal.code = err_exception(err) == NULL ? ERR_INTERNAL : err;
    if (refusal.text[0] == '\0')
        memcpy(refusal.text, err_sentence(refusal.code), strlen(err_sentence(refusal.code)) + 1);
    r->refusal = refusal;
}

/* ---- the operation ---- */

static struct slice target_operation(const struct http_request *http)
{
    struct slice target = http_request_header(http, "x-amz-target");
    if (!slice_starts_with(target, slice_from_string(TARGET_PREFIX)))
        return SLICE_EMPTY;
    return slice_from(target, sizeof TARGET_PREFIX - 1);
}

void request_on_complete(struct http_request *http, void *data)
{
    struct request *r = http_request_data(http);
    authenticate(r);
    if (r->asks_identity) {
        identity_answer(r);
        return;
    }
    r->operation = operation_find(target_operation(http));
    if (r->operation == NULL) {
        metric_increment(&r->router->metrics.unknown_operations);
        answer_error(r, ERR_UNKNOWN_OPERATION, "");
        return;
    }
    r->model = model_operation_find(slice_from_string(r->operation->name));
    r->model_words = NULL;
    r->deadline_us = clock_boot_us() + r->router->options.request_us;
    request_read(r);
}

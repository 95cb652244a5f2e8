/* The head of a request as a stranger sends it: a line with method, path and query, then a header a line. Its claim is
 * read and its signature checked; then a copy of it is signed by us, and that is taken. */
#include "api/json/json.h"
#include "api/json/json_writer.h"
#include "api/sigv4/sign.h"
#include "api/sigv4/verify.h"
#include "tests/fuzz/fuzz.h"

enum { HEADERS_MAX = 96 };

static const uint64_t NOW_US = 1790000000000000; /* 2026-09-21T14:13:20Z */

static enum err secret(void *data, struct slice access_key_id, struct buffer *ret_secret)
{
    buffer_append_string(ret_secret, "secret");
    return ERR_OK;
}

static struct slice until(struct slice *rest, char separator)
{
    size_t length = 0;
    while (length < rest->length && rest->data[length] != separator)
        length++;
    struct slice text = slice_make(rest->data, length);
    *rest = slice_from(*rest, length + 1);
    return text;
}

static struct sigv4_request read_head(struct slice input, struct sigv4_header headers[HEADERS_MAX])
{
    struct slice first = fuzz_line(&input);
    struct sigv4_request request = {.headers = headers};
    request.method = until(&first, ' ');
    request.path = until(&first, '?');
    request.query = first;
    while (input.length > 0 && request.header_count < HEADERS_MAX) {
        struct slice line = fuzz_line(&input);
        headers[request.header_count].name = until(&line, ':');
        headers[request.header_count++].value = line;
    }
    return request;
}

static bool verify(const struct sigv4_request *request, struct sigv4_refusal *refusal)
{
    static const struct slice services[] = {SLICE_LITERAL("dynamodb"), SLICE_LITERAL("monitoring")};
    const struct sigv4_policy policy = {.region = SLICE_LITERAL("eu-west-1"),
                                        .services = services,
                                        .service_count = 2,
                                        .skew_us = SIGV4_SKEW_US};
    static const uint8_t body_hash[SHA256_BYTES] = {1, 2, 3};
    struct sigv4_claim claim;
    *refusal = (struct sigv4_refusal){.code = ERR_OK};
    if (sigv4_claim_read(request, &policy, NOW_US, &claim, refusal) != ERR_OK)
        return false;
    struct sigv4_verifier *verifier = sigv4_verifier_create(4);
    ASSERT(verifier != NULL);
    enum err err = sigv4_verify(verifier, request, &claim, body_hash, secret, NULL, refusal);
    ASSERT(err == ERR_OK || err == ERR_INVALID_SIGNATURE);
    sigv4_verifier_destroy(verifier);
    return err == ERR_OK;
}

/* Headers that a signer adds himself are left out, and so is a second authorization in the query. */
static bool is_ours(struct slice name)
{
    static const char *const NAMES[] = {"authorization", "host", "x-amz-date", "date"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (name.length == strlen(NAMES[i]) &&
            strncasecmp((const char *)name.data, NAMES[i], name.length) == 0)
            return true;
    return false;
}

/* Only names that HTTP allows come out of a server. */
static bool is_token(struct slice name)
{
    for (size_t i = 0; i < name.length; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~' || strchr("()<>@,;:\\\"/[]?={}", name.data[i]) != NULL)
            return false;
    return name.length > 0;
}

static void check_own_signature(const struct sigv4_request *from)
{
    static const uint8_t body_hash[SHA256_BYTES] = {1, 2, 3};
    struct sigv4_header headers[SIGV4_SIGNED_HEADERS_MAX + 1];
    struct sigv4_request request = {.method = from->method, .path = from->path, .headers = headers};
    char date[SIGV4_DATE_CHARS + 1];
    if (from->query.length > 0 && memmem(from->query.data, from->query.length, "X-Amz-", 6) == NULL)
        request.query = from->query;
    sigv4_date_format(NOW_US, date);
    headers[request.header_count++] = (struct sigv4_header){SLICE_LITERAL("Host"), SLICE_LITERAL("h")};
    headers[request.header_count++] =
        (struct sigv4_header){SLICE_LITERAL("X-Amz-Date"), slice_from_string(date)};
    for (size_t i = 0; i < from->header_count && request.header_count < SIGV4_SIGNED_HEADERS_MAX; i++)
        if (is_token(from->headers[i].name) && !is_ours(from->headers[i].name))
            headers[request.header_count++] = from->headers[i];
    const struct sigv4_credentials credentials = {SLICE_LITERAL("AKID"), SLICE_LITERAL("secret"),
                                                  SLICE_LITERAL("eu-west-1"), SLICE_LITERAL("dynamodb")};
    struct sigv4_signer *signer = sigv4_signer_create(&credentials);
    struct buffer authorization = fuzz_buffer();
    struct sigv4_refusal refusal;
    ASSERT(signer != NULL);
    if (sigv4_sign(signer, &request, body_hash, NOW_US, &authorization) == ERR_OK) {
        headers[request.header_count++] =
            (struct sigv4_header){SLICE_LITERAL("Authorization"), buffer_view(&authorization)};
        ASSERT(verify(&request, &refusal));
    }
    buffer_deinit(&authorization);
    sigv4_signer_destroy(signer);
}

/* They may repeat any bytes of a header, and the answer is JSON all the same. */
static void check_words(const char *text)
{
    struct buffer answer = fuzz_buffer();
    struct json_writer writer;
    struct json json;
    json_writer_init(&writer, &answer);
    json_write_words(&writer, text);
    json_init(&json, buffer_view(&answer));
    ASSERT(json_skip(&json) && json_finish(&json));
    buffer_deinit(&answer);
}

void fuzz_input(struct slice input)
{
    struct sigv4_header headers[HEADERS_MAX];
    struct sigv4_refusal refusal;
    struct sigv4_request request = read_head(input, headers);
    if (!verify(&request, &refusal)) {
        ASSERT(refusal.code != ERR_OK && refusal.text[0] != '\0');
        check_words(refusal.text);
    }
    check_own_signature(&request);
    uint64_t wall_us;
    (void)sigv4_date_parse(input, &wall_us);
}

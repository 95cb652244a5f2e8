#include "api/sigv4/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/sigv4/sign.h"
#include "base/hex.h"
#include "base/memory.h"
#include "base/random.h"

enum { HEADERS_MAX = 32, FIELDS_MAX = 5 + 2 * HEADERS_MAX };

static const char SECRET[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
static const struct slice SERVICES[] = {{(const uint8_t *)"dynamodb", 8},
                                        {(const uint8_t *)"monitoring", 10}};
static const struct sigv4_policy POLICY = {.region = {(const uint8_t *)"eu-west-1", 9},
                                           .services = SERVICES,
                                           .service_count = 2,
                                           .skew_us = SIGV4_SKEW_US};
static const uint64_t NOW_US = 1370772000000000; /* 2013-06-09T10:00:00Z */

struct fixture {
    struct sigv4_verifier *verifier;
    struct sha256 hash;
    struct sigv4_refusal refusal;
    struct sigv4_claim claim;
    unsigned secrets_asked;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->verifier = sigv4_verifier_create(4);
    assert_int_equal(sha256_init(&f->hash), ERR_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sigv4_verifier_destroy(f->verifier);
    sha256_deinit(&f->hash);
    free(f);
    return 0;
}

static enum err give_secret(void *data, struct slice access_key_id, struct buffer *ret_secret)
{
    struct fixture *f = data;
    f->secrets_asked++;
    if (!slice_equal_string(access_key_id, "AKIDEXAMPLE"))
        return ERR_UNRECOGNIZED_CLIENT;
    buffer_append_string(ret_secret, SECRET);
    return ERR_OK;
}

static enum err verify(struct fixture *f, const struct sigv4_request *request, struct slice body,
                       uint64_t now_us)
{
    uint8_t hash[SHA256_BYTES];
    TRY(sigv4_claim_read(request, &POLICY, now_us, &f->claim, &f->refusal));
    sha256_update(&f->hash, body);
    sha256_final(&f->hash, hash);
    return sigv4_verify(f->verifier, request, &f->claim, hash, give_secret, f, &f->refusal);
}

/* A line of botocore_requests.py. */
struct sample {
    uint8_t *bytes;
    struct slice fields[FIELDS_MAX];
    struct sigv4_header headers[HEADERS_MAX];
    struct sigv4_request request;
    struct slice body;
    uint64_t now_us;
};

static void parse_sample(char *line, struct sample *s)
{
    size_t count = 0, used = 0;
    char *save = NULL;
    s->bytes = malloc(strlen(line));
    for (char *word = strtok_r(line, " \n", &save); word != NULL; word = strtok_r(NULL, " \n", &save)) {
        size_t length = strcmp(word, "-") == 0 ? 0 : strlen(word) / 2;
        assert_true(count < FIELDS_MAX);
        assert_int_equal(hex_decode(slice_make(word, 2 * length), s->bytes + used), ERR_OK);
        s->fields[count++] = slice_make(s->bytes + used, length);
        used += length;
    }
    char seconds[32];
    snprintf(seconds, sizeof(seconds), "%.*s", SLICE_PRINTF(s->fields[0]));
    s->now_us = strtoull(seconds, NULL, 10) * 1000000;
    s->body = s->fields[4];
    for (size_t i = 5; i + 1 < count; i += 2)
        s->headers[(i - 5) / 2] = (struct sigv4_header){s->fields[i], s->fields[i + 1]};
    s->request = (struct sigv4_request){.method = s->fields[1],
                                        .path = s->fields[2],
                                        .query = s->fields[3],
                                        .headers = s->headers,
                                        .header_count = (count - 5) / 2};
}

static bool is_signed(const struct sample *s, const struct sigv4_header *header)
{
    char name[64];
    snprintf(name, sizeof(name), "%.*s", SLICE_PRINTF(header->name));
    return strcasecmp(name, "authorization") != 0 && strcasecmp(name, "content-length") != 0 &&
           strcasecmp(name, "user-agent") != 0;
}

/* One bit of what is signed is flipped; never in what the client may leave unsigned. */
static bool tamper(struct sample *s, struct random *r)
{
    struct slice victim = SLICE_EMPTY;
    if (random_one_in(r, 3))
        victim = s->body;
    else if (random_one_in(r, 3))
        victim = s->request.method;
    else {
        const struct sigv4_header *header = &s->headers[random_below(r, s->request.header_count)];
        if (is_signed(s, header))
            victim = header->value;
    }
    if (victim.length == 0)
        return false;
    uint8_t *at = s->bytes + (victim.data - s->bytes) + random_below(r, victim.length);
    if (*at == ' ' || *at == '\t')
        return false;
    *at ^= 1;
    return *at != ' ' && *at != '\t';
}

static void verify_takes_what_botocore_signs_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct random r;
    random_init(&r, 7);
    char command[512];
    snprintf(command, sizeof(command), "/usr/bin/python3 %.*sbotocore_requests.py 300 1",
             (int)(strrchr(__FILE__, '/') + 1 - __FILE__), __FILE__);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    static char line[200000];
    unsigned verified = 0, presigned = 0, tampered = 0;
    while (fgets(line, sizeof(line), pipe) != NULL) {
        struct sample s;
        parse_sample(line, &s);
        enum err err = verify(f, &s.request, s.body, s.now_us);
        if (err != ERR_OK)
            print_message("path %.*s query %.*s: %s\n", SLICE_PRINTF(s.request.path),
                          SLICE_PRINTF(s.request.query), f->refusal.text);
        assert_int_equal(err, ERR_OK);
        verified++;
        presigned += f->claim.is_presigned;
        if (tamper(&s, &r)) {
            assert_int_not_equal(verify(f, &s.request, s.body, s.now_us), ERR_OK);
            tampered++;
        }
        free(s.bytes);
    }
    assert_int_equal(pclose(pipe), 0);
    assert_int_equal(verified, 300);
    assert_true(presigned > 30 && tampered > 60);
    assert_true(f->secrets_asked < tampered); /* the cache serves */
}

/* A request signed by ourselves, to be spoilt piece by piece. */
struct own {
    struct sigv4_header headers[4];
    struct sigv4_request request;
    struct buffer authorization;
    char date[SIGV4_DATE_CHARS + 1];
};

static void own_sign(struct fixture *f, struct own *o, const char *access_key_id, const char *service)
{
    uint8_t hash[SHA256_BYTES];
    sigv4_date_format(NOW_US, o->date);
    o->headers[0] = (struct sigv4_header){SLICE_LITERAL("Host"), SLICE_LITERAL("localhost:8000")};
    o->headers[1] = (struct sigv4_header){SLICE_LITERAL("X-Amz-Date"), slice_from_string(o->date)};
    o->headers[2] =
        (struct sigv4_header){SLICE_LITERAL("X-Amz-Target"), SLICE_LITERAL("DynamoDB_20120810.X")};
    o->request = (struct sigv4_request){.method = SLICE_LITERAL("POST"),
                                        .path = SLICE_LITERAL("/"),
                                        .headers = o->headers,
                                        .header_count = 3};
    struct sigv4_credentials credentials = {slice_from_string(access_key_id), slice_from_string(SECRET),
                                            SLICE_LITERAL("eu-west-1"), slice_from_string(service)};
    struct sigv4_signer *signer = sigv4_signer_create(&credentials);
    sha256_update(&f->hash, SLICE_LITERAL("{}"));
    sha256_final(&f->hash, hash);
    buffer_init(&o->authorization, 4096);
    assert_int_equal(sigv4_sign(signer, &o->request, hash, NOW_US, &o->authorization), ERR_OK);
    sigv4_signer_destroy(signer);
    o->headers[3] = (struct sigv4_header){SLICE_LITERAL("Authorization"), buffer_view(&o->authorization)};
    o->request.header_count = 4;
}

static void verify_takes_what_our_signer_signs(void **state)
{
    struct fixture *f = *state;
    struct own o;
    own_sign(f, &o, "AKIDEXAMPLE", "dynamodb");
    assert_int_equal(verify(f, &o.request, SLICE_LITERAL("{}"), NOW_US), ERR_OK);
    assert_true(slice_equal_string(f->claim.access_key_id, "AKIDEXAMPLE"));
    assert_int_equal(verify(f, &o.request, SLICE_LITERAL("{}"), NOW_US), ERR_OK);
    assert_int_equal(f->secrets_asked, 1);
    assert_int_equal(verify(f, &o.request, SLICE_LITERAL("{} "), NOW_US), ERR_INVALID_SIGNATURE);
    assert_string_equal(f->refusal.text, err_sentence(ERR_INVALID_SIGNATURE));
    buffer_deinit(&o.authorization);
    own_sign(f, &o, "AKIDEXAMPLE", "monitoring");
    assert_int_equal(verify(f, &o.request, SLICE_LITERAL("{}"), NOW_US), ERR_OK);
    assert_true(slice_equal_string(f->claim.service, "monitoring"));
    buffer_deinit(&o.authorization);
}

static void verify_passes_on_that_a_key_is_unknown(void **state)
{
    struct fixture *f = *state;
    struct own o;
    own_sign(f, &o, "AKIDOTHER", "dynamodb");
    assert_int_equal(verify(f, &o.request, SLICE_LITERAL("{}"), NOW_US), ERR_UNRECOGNIZED_CLIENT);
    assert_string_equal(f->refusal.text, "The security token included in the request is invalid.");
    assert_int_equal(sigv4_refuse_key(&f->refusal), ERR_UNRECOGNIZED_CLIENT);
    buffer_deinit(&o.authorization);
}

static void verify_keeps_no_more_keys_than_it_may(void **state)
{
    struct fixture *f = *state;
    struct own o;
    /* The same signature under more scopes than the cache holds; those of other keys are never cached. */
    for (int round = 0; round < 8; round++) {
        own_sign(f, &o, round % 2 ? "AKIDEXAMPLE" : "AKIDOTHER", round % 4 < 2 ? "dynamodb" : "monitoring");
        enum err expected = round % 2 ? ERR_OK : ERR_UNRECOGNIZED_CLIENT;
        assert_int_equal(verify(f, &o.request, SLICE_LITERAL("{}"), NOW_US), expected);
        buffer_deinit(&o.authorization);
    }
    assert_int_equal(f->secrets_asked, 4 + 2);
}

static void expect(struct fixture *f, const char *authorization, const char *date, const char *query,
                   enum err err, const char *text)
{
    struct sigv4_header headers[3] = {{SLICE_LITERAL("Host"), SLICE_LITERAL("h")}};
    struct sigv4_request request = {.method = SLICE_LITERAL("POST"),
                                    .path = SLICE_LITERAL("/"),
                                    .query = slice_from_string(query),
                                    .headers = headers,
                                    .header_count = 1};
    if (authorization != NULL)
        headers[request.header_count++] =
            (struct sigv4_header){SLICE_LITERAL("authorization"), slice_from_string(authorization)};
    if (date != NULL)
        headers[request.header_count++] =
            (struct sigv4_header){SLICE_LITERAL("x-amz-date"), slice_from_string(date)};
    assert_int_equal(sigv4_claim_read(&request, &POLICY, NOW_US, &f->claim, &f->refusal), err);
    if (err != ERR_OK)
        assert_string_equal(f->refusal.text, text);
}

#define GOOD "Credential=a/20130609/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=b"
#define SIGNED ", SignedHeaders=host, Signature=b"
#define DATE "20130609T100000Z"

static void claims_are_refused_for_missing_pieces(void **state)
{
    struct fixture *f = *state;
    const char *missing = "Request is missing Authentication Token";
    expect(f, NULL, DATE, "", ERR_MISSING_AUTHENTICATION_TOKEN, missing);
    expect(f, "Basic abc", DATE, "", ERR_MISSING_AUTHENTICATION_TOKEN, missing);
    expect(f, "AWS4-HMAC-SHA256 " GOOD, DATE, "X-Amz-Algorithm=x", ERR_INVALID_SIGNATURE,
           "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.");
    expect(f, "AWS4-", NULL, "", ERR_INCOMPLETE_SIGNATURE,
           "Authorization header requires 'Credential' parameter. "
           "Authorization header requires 'Signature' parameter. "
           "Authorization header requires 'SignedHeaders' parameter. "
           "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
           "Authorization=AWS4-");
    expect(f, "AWS4- Credential", DATE, "", ERR_INCOMPLETE_SIGNATURE,
           "'Credential' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4- "
           "Credential'.");
    expect(f, NULL, NULL, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=1", ERR_INCOMPLETE_SIGNATURE,
           "AWS query-string parameters must include 'X-Amz-Credential'. "
           "AWS query-string parameters must include 'X-Amz-Signature'. "
           "AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string "
           "parameters.");
}

static void claims_are_refused_for_their_date(void **state)
{
    struct fixture *f = *state;
    expect(f, "AWS4-HMAC-SHA256 " GOOD, "201", "", ERR_INCOMPLETE_SIGNATURE,
           "Date must be in ISO-8601 'basic format'. Got '201'. See http://en.wikipedia.org/wiki/ISO_8601");
    expect(f, "AWS4-HMAC-SHA256 " GOOD, "20130229T000000Z", "", ERR_INCOMPLETE_SIGNATURE,
           "Date must be in ISO-8601 'basic format'. Got '20130229T000000Z'. See "
           "http://en.wikipedia.org/wiki/ISO_8601");
    expect(f, "AWS4-HMAC-SHA256 " GOOD, "20130301T000000Z", "", ERR_INVALID_SIGNATURE,
           "Signature expired: 20130301T000000Z is now earlier than 20130609T094500Z (20130609T100000Z - 15 "
           "min.)");
    expect(f, "AWS4-HMAC-SHA256 " GOOD, "20130609T101501Z", "", ERR_INVALID_SIGNATURE,
           "Signature not yet current: 20130609T101501Z is still later than 20130609T101500Z "
           "(20130609T100000Z + 15 min.)");
    expect(f, "AWS4-HMAC-SHA256 " GOOD, "20130609T094500Z", "", ERR_OK, NULL);
    expect(f, "AWS4-HMAC-SHA256 " GOOD, "20130609T101500Z", "", ERR_OK, NULL);
    expect(f, "AWS4-HMAC-SHA256 " GOOD, "Sun, 09 Jun 2013 10:00:00 GMT", "", ERR_OK, NULL);
}

#define PRESIGNED                                                                              \
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20130609%2Feu-west-1%2Fdynamodb%2F" \
    "aws4_request&X-Amz-SignedHeaders=host&X-Amz-Signature=b&X-Amz-Date="

static void presigned_claims_live_as_long_as_they_say(void **state)
{
    struct fixture *f = *state;
    expect(f, NULL, NULL, PRESIGNED "20130609T090000Z&X-Amz-Expires=3600", ERR_OK, NULL);
    assert_true(f->claim.is_presigned);
    expect(
        f, NULL, NULL, PRESIGNED "20130609T090000Z&X-Amz-Expires=3599", ERR_INVALID_SIGNATURE,
        "Signature expired: 20130609T090000Z is now earlier than 20130609T090001Z (20130609T100000Z - 3599 "
        "sec.)");
    expect(f, NULL, NULL, PRESIGNED "20130609T090000Z", ERR_INVALID_SIGNATURE,
           "Signature expired: 20130609T090000Z is now earlier than 20130609T094500Z (20130609T100000Z - 15 "
           "min.)");
    const char *bad[] = {"0", "-1", "604801", "99999999999999999999", "1x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char query[512];
        snprintf(query, sizeof(query), "%s%s", PRESIGNED "20130609T090000Z&X-Amz-Expires=", bad[i]);
        expect(f, NULL, NULL, query, ERR_INCOMPLETE_SIGNATURE,
               "X-Amz-Expires must be a number of seconds from 1 to 604800.");
    }
}

static void claims_are_refused_for_their_scope(void **state)
{
    struct fixture *f = *state;
    expect(f, "AWS4-HMAC-SHA25 Credential=a, SignedHeaders=date, Signature=b", DATE, "",
           ERR_INVALID_SIGNATURE,
           "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
    expect(f, "AWS4-HMAC-SHA25 Credential=a" SIGNED, DATE, "", ERR_INCOMPLETE_SIGNATURE,
           "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25' (only AWS4-HMAC-SHA256 for now). ");
    expect(
        f, "AWS4-HMAC-SHA256 Credential=a/b/c/d" SIGNED, DATE, "", ERR_INCOMPLETE_SIGNATURE,
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got "
        "'a/b/c/d'");
    expect(
        f, "AWS4-HMAC-SHA256 Credential=a/b/c/d/e/f" SIGNED, DATE, "", ERR_INCOMPLETE_SIGNATURE,
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got "
        "'a/b/c/d/e/f'");
    expect(
        f, "AWS4-HMAC-SHA256 Credential=a/b/c/d/e/" SIGNED, DATE, "", ERR_INVALID_SIGNATURE,
        "Credential should be scoped to a valid region, not 'c'. Credential should be scoped to correct "
        "service: 'dynamodb'. Credential should be scoped with a valid terminator: 'aws4_request', not 'e'. "
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: 'b' != "
        "'20130609', from '20130609T100000Z'.");
    expect(f, "AWS4-HMAC-SHA256 Credential=a/20130609/us-east-1/dynamodb/aws4_request" SIGNED, DATE, "",
           ERR_INVALID_SIGNATURE, "Credential should be scoped to a valid region, not 'us-east-1'. ");
    /* Commas alone, or blanks alone, separate too. */
    expect(f,
           "AWS4-HMAC-SHA256,Credential=a/20130609/eu-west-1/dynamodb/"
           "aws4_request,SignedHeaders=host,Signature=b",
           DATE, "", ERR_OK, NULL);
    expect(f,
           "AWS4-HMAC-SHA256 Credential=a/20130609/eu-west-1/dynamodb/aws4_request SignedHeaders=host "
           "Signature=b",
           DATE, "", ERR_OK, NULL);
}

static void refusals_of_long_headers_are_cut_at_a_character(void **state)
{
    struct fixture *f = *state;
    struct buffer authorization;
    buffer_init(&authorization, 8192);
    buffer_append_string(&authorization, "AWS4- a=");
    while (authorization.length < 4000)
        buffer_append_string(&authorization, "é");
    struct sigv4_header header = {SLICE_LITERAL("Authorization"), buffer_view(&authorization)};
    struct sigv4_request request = {.method = SLICE_LITERAL("POST"), .headers = &header, .header_count = 1};
    assert_int_equal(sigv4_claim_read(&request, &POLICY, NOW_US, &f->claim, &f->refusal),
                     ERR_INCOMPLETE_SIGNATURE);
    size_t length = strlen(f->refusal.text);
    assert_true(length >= SIGV4_TEXT_BYTES - 4 && length < SIGV4_TEXT_BYTES);
    assert_int_equal((uint8_t)f->refusal.text[length - 1] & 0xc0, 0x80);
    buffer_deinit(&authorization);
}

static void garbage_is_refused_without_harm(void **state)
{
    struct fixture *f = *state;
    struct own o;
    own_sign(f, &o, "AKIDEXAMPLE", "dynamodb");
    struct random r;
    random_init(&r, 3);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[512], query[256];
        size_t length = o.authorization.length - random_below(&r, 20);
        memcpy(bytes, o.authorization.data, length);
        for (uint64_t i = 1 + random_below(&r, 4); i > 0; i--)
            bytes[random_below(&r, length)] = (uint8_t)random_u64(&r);
        static const char symbols[] = "X-Amz=&%/a2";
        size_t query_length = random_below(&r, sizeof(query));
        for (size_t i = 0; i < query_length; i++)
            query[i] = (uint8_t)symbols[random_below(&r, sizeof(symbols) - 1)];
        o.headers[3].value = slice_make(bytes, length);
        o.request.query = slice_make(query, query_length);
        enum err err = verify(f, &o.request, SLICE_LITERAL("{}"), NOW_US);
        assert_true(err != ERR_OK || query_length == 0);
    }
    buffer_deinit(&o.authorization);
}

static void verifier_copes_without_memory(void **state)
{
    struct fixture *f = *state;
    for (int64_t n = 0;; n++) {
        memory_fail_after(n);
        struct sigv4_verifier *v = sigv4_verifier_create(4);
        memory_fail_after(-1);
        sigv4_verifier_destroy(v);
        if (v != NULL)
            break;
    }
    struct own o;
    own_sign(f, &o, "AKIDEXAMPLE", "dynamodb");
    enum err err = ERR_NO_MEMORY;
    for (int64_t n = 0; err != ERR_OK; n++) {
        memory_fail_after(n);
        err = verify(f, &o.request, SLICE_LITERAL("{}"), NOW_US);
        memory_fail_after(-1);
        assert_true(n < 50);
    }
    buffer_deinit(&o.authorization);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(verify_takes_what_botocore_signs_and_nothing_else),
        TEST(verify_takes_what_our_signer_signs),
        TEST(verify_passes_on_that_a_key_is_unknown),
        TEST(verify_keeps_no_more_keys_than_it_may),
        TEST(claims_are_refused_for_missing_pieces),
        TEST(claims_are_refused_for_their_date),
        TEST(presigned_claims_live_as_long_as_they_say),
        TEST(claims_are_refused_for_their_scope),
        TEST(refusals_of_long_headers_are_cut_at_a_character),
        TEST(garbage_is_refused_without_harm),
        TEST(verifier_copes_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

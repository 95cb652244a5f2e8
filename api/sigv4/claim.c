/* Reading what a request claims, and refusing what can be refused without a secret. */
#include <stdarg.h>
#include <stdio.h>

#include "api/sigv4/canonical_internal.h"
#include "api/sigv4/verify.h"

static const char ALGORITHM[] = "AWS4-HMAC-SHA256";
static const uint64_t SECOND_US = 1000000;
enum { EXPIRES_S_MAX = 7 * 24 * 3600 };

/* The pieces before they are believed; empty data (NULL) = absent. */
struct pieces {
    struct slice algorithm;
    struct slice credential;
    struct slice signed_headers;
    struct slice signature;
    struct slice date;
    struct slice expires;
    size_t decoded_bytes; /* used of the claim's `decoded` */
};

__attribute__((format(printf, 3, 4))) static enum err refuse(struct sigv4_refusal *to, enum err code,
                                                             const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(to->text, sizeof(to->text), format, arguments);
    va_end(arguments);
    to->code = code;
    if (length < (int)sizeof(to->text))
        return code;
    /* Cut: not in the middle of a UTF-8 sequence. */
    size_t end = sizeof(to->text) - 1;
    while (end > 0 && ((uint8_t)to->text[end - 1] & 0xc0) == 0x80)
        end--;
    if (end > 0 && ((uint8_t)to->text[end - 1] & 0x80) != 0)
        end--;
    to->text[end] = '\0';
    return code;
}

static struct slice find_header(const struct sigv4_request *request, struct slice name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (canonical_is_same_name(request->headers[i].name, name))
            return request->headers[i].value;
    }
    return SLICE_EMPTY;
}

static bool is_separator(uint8_t c)
{
    return c == ',' || c == ' ' || c == '\t';
}

/* DynamoDB takes commas, blanks or both between the pairs. */
static struct slice take_word(struct slice *text)
{
    while (text->length > 0 && is_separator(text->data[0]))
        *text = slice_from(*text, 1);
    struct slice word = *text;
    word.length = 0;
    while (word.length < text->length && !is_separator(text->data[word.length]))
        word.length++;
    *text = slice_from(*text, word.length);
    return word;
}

static enum err read_header(const struct sigv4_request *request, struct slice authorization,
                            struct pieces *to, struct sigv4_refusal *ret_refusal)
{
    struct slice rest = authorization;
    to->algorithm = take_word(&rest);
    for (struct slice word = take_word(&rest); word.length > 0; word = take_word(&rest)) {
        struct slice value = word;
        struct slice name = slice_split(&value, '=');
        if (name.length == word.length)
            return refuse(ret_refusal, ERR_INCOMPLETE_SIGNATURE,
                          "'%.*s' not a valid key=value pair (missing equal-sign) in Authorization header: "
                          "'%.*s'.",
                          SLICE_PRINTF(word), SLICE_PRINTF(authorization));
        if (value.data == NULL) /* nothing after the sign, but there */
            value = slice_make(name.data + name.length, 0);
        if (slice_equal_string(name, "Credential"))
            to->credential = value;
        else if (slice_equal_string(name, "SignedHeaders"))
            to->signed_headers = value;
        else if (slice_equal_string(name, "Signature"))
            to->signature = value;
    }
    to->date = slice_trim(find_header(request, SLICE_LITERAL("x-amz-date")));
    if (to->date.length == 0)
        to->date = slice_trim(find_header(request, SLICE_LITERAL("date")));
    if (to->credential.length > 0 && to->signature.length > 0 && to->signed_headers.data != NULL &&
        to->date.length > 0)
        return ERR_OK;
    return refuse(
        ret_refusal, ERR_INCOMPLETE_SIGNATURE, "%s%s%s%sAuthorization=%.*s",
        to->credential.length == 0 ? "Authorization header requires 'Credential' parameter. " : "",
        to->signature.length == 0 ? "Authorization header requires 'Signature' parameter. " : "",
        to->signed_headers.data == NULL ? "Authorization header requires 'SignedHeaders' parameter. " : "",
        to->date.length == 0
            ? "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
            : "",
        SLICE_PRINTF(authorization));
}

/* The value of one parameter of the query, decoded behind what was decoded before; data NULL: absent, or too
 * long to be one of ours. */
static struct slice find_parameter(struct slice query, const char *name, struct pieces *pieces,
                                   struct sigv4_claim *claim)
{
    while (query.length > 0) {
        struct slice value = slice_split(&query, '&');
        if (!slice_equal_string(slice_split(&value, '='), name))
            continue;
        char *to = claim->decoded + pieces->decoded_bytes;
        size_t length;
        if (!canonical_decode(value, to, sizeof(claim->decoded) - pieces->decoded_bytes, &length))
            return SLICE_EMPTY;
        pieces->decoded_bytes += length;
        return slice_make(to, length);
    }
    return SLICE_EMPTY;
}

static enum err read_query(struct slice query, struct pieces *to, struct sigv4_claim *claim,
                           struct sigv4_refusal *ret_refusal)
{
    const struct {
        const char *name;
        struct slice *value;
    } wanted[] = {{"X-Amz-Algorithm", &to->algorithm},
                  {"X-Amz-Credential", &to->credential},
                  {"X-Amz-Signature", &to->signature},
                  {"X-Amz-SignedHeaders", &to->signed_headers},
                  {"X-Amz-Date", &to->date}};
    char missing[512] = "";
    size_t length = 0;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        *wanted[i].value = find_parameter(query, wanted[i].name, to, claim);
        if (wanted[i].value->length == 0)
            length += (size_t)snprintf(missing + length, sizeof(missing) - length,
                                       "AWS query-string parameters must include '%s'. ", wanted[i].name);
    }
    if (length > 0)
        return refuse(ret_refusal, ERR_INCOMPLETE_SIGNATURE, "%sRe-examine the query-string parameters.",
                      missing);
    to->expires = find_parameter(query, "X-Amz-Expires", to, claim);
    claim->session_token = find_parameter(query, "X-Amz-Security-Token", to, claim);
    return ERR_OK;
}

static bool has_query_authorization(struct slice query)
{
    while (query.length > 0) {
        struct slice pair = slice_split(&query, '&');
        if (slice_equal_string(slice_split(&pair, '='), "X-Amz-Algorithm"))
            return true;
    }
    return false;
}

static enum err read_pieces(const struct sigv4_request *request, struct pieces *to, struct sigv4_claim *claim,
                            struct sigv4_refusal *ret_refusal)
{
    struct slice authorization = slice_trim(find_header(request, SLICE_LITERAL("authorization")));
    claim->is_presigned = request->query.length > 0 && has_query_authorization(request->query);
    if (claim->is_presigned && authorization.length > 0)
        return refuse(ret_refusal, ERR_INVALID_SIGNATURE,
                      "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP "
                      "header.");
    if (claim->is_presigned)
        return read_query(request->query, to, claim, ret_refusal);
    if (!slice_starts_with(authorization, SLICE_LITERAL("AWS4-")))
        return refuse(ret_refusal, ERR_MISSING_AUTHENTICATION_TOKEN, "%s",
                      err_sentence(ERR_MISSING_AUTHENTICATION_TOKEN));
    claim->session_token = slice_trim(find_header(request, SLICE_LITERAL("x-amz-security-token")));
    return read_header(request, authorization, to, ret_refusal);
}

/* How long a signature lives; 0: no number from 1 to a week. */
static uint64_t read_expires_us(struct slice text)
{
    uint64_t seconds = 0;
    for (size_t i = 0; i < text.length && i < 7; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        seconds = seconds * 10 + (uint64_t)(text.data[i] - '0');
    }
    return seconds <= EXPIRES_S_MAX && text.length < 7 ? seconds * SECOND_US : 0;
}

static enum err refuse_expired(const char *timestamp, uint64_t now_us, uint64_t life_us,
                               struct sigv4_refusal *ret_refusal)
{
    char now[SIGV4_DATE_CHARS + 1], bound[SIGV4_DATE_CHARS + 1];
    sigv4_date_format(now_us, now);
    sigv4_date_format(now_us - life_us, bound);
    uint64_t seconds = life_us / SECOND_US;
    bool is_minutes = seconds % 60 == 0;
    return refuse(ret_refusal, ERR_INVALID_SIGNATURE,
                  "Signature expired: %s is now earlier than %s (%s - %u %s.)", timestamp, bound, now,
                  (unsigned)(is_minutes ? seconds / 60 : seconds), is_minutes ? "min" : "sec");
}

static enum err refuse_early(const char *timestamp, uint64_t now_us, uint64_t skew_us,
                             struct sigv4_refusal *ret_refusal)
{
    char now[SIGV4_DATE_CHARS + 1], bound[SIGV4_DATE_CHARS + 1];
    sigv4_date_format(now_us, now);
    sigv4_date_format(now_us + skew_us, bound);
    return refuse(ret_refusal, ERR_INVALID_SIGNATURE,
                  "Signature not yet current: %s is still later than %s (%s + %u min.)", timestamp, bound,
                  now, (unsigned)(skew_us / SECOND_US / 60));
}

static enum err check_date(const struct pieces *pieces, const struct sigv4_policy *policy, uint64_t now_us,
                           struct sigv4_claim *claim, struct sigv4_refusal *ret_refusal)
{
    uint64_t signed_us;
    if (!sigv4_date_parse(pieces->date, &signed_us))
        return refuse(ret_refusal, ERR_INCOMPLETE_SIGNATURE,
                      "Date must be in ISO-8601 'basic format'. Got '%.*s'. See "
                      "http://en.wikipedia.org/wiki/ISO_8601",
                      SLICE_PRINTF(pieces->date));
    sigv4_date_format(signed_us, claim->timestamp);
    uint64_t life_us = policy->skew_us;
    if (pieces->expires.data != NULL && (life_us = read_expires_us(pieces->expires)) == 0)
        return refuse(ret_refusal, ERR_INCOMPLETE_SIGNATURE,
                      "X-Amz-Expires must be a number of seconds from 1 to %u.", (unsigned)EXPIRES_S_MAX);
    if (signed_us + life_us < now_us)
        return refuse_expired(claim->timestamp, now_us, life_us, ret_refusal);
    if (signed_us > now_us + policy->skew_us)
        return refuse_early(claim->timestamp, now_us, policy->skew_us, ret_refusal);
    return ERR_OK;
}

static bool is_host_signed(struct slice names)
{
    while (names.length > 0) {
        if (canonical_is_same_name(slice_split(&names, ';'), SLICE_LITERAL("host")))
            return true;
    }
    return false;
}

static enum err check_form(const struct pieces *pieces, struct sigv4_refusal *ret_refusal)
{
    if (!is_host_signed(pieces->signed_headers))
        return refuse(ret_refusal, ERR_INVALID_SIGNATURE,
                      "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
    if (!slice_equal_string(pieces->algorithm, ALGORITHM))
        return refuse(ret_refusal, ERR_INCOMPLETE_SIGNATURE,
                      "Unsupported AWS 'algorithm': '%.*s' (only AWS4-HMAC-SHA256 for now). ",
                      SLICE_PRINTF(pieces->algorithm));
    return ERR_OK;
}

/* keyid/date/region/service/aws4_request; slashes at the end do not count. */
static enum err split_credential(struct slice credential, struct sigv4_claim *claim,
                                 struct slice *ret_terminator, struct sigv4_refusal *ret_refusal)
{
    struct slice rest = credential, parts[5];
    while (rest.length > 0 && rest.data[rest.length - 1] == '/')
        rest.length--;
    size_t whole = rest.length, count = 0;
    while (rest.length > 0 && count < 5)
        parts[count++] = slice_split(&rest, '/');
    if (count < 5 || rest.length > 0)
        return refuse(ret_refusal, ERR_INCOMPLETE_SIGNATURE,
                      "Credential must have exactly 5 slash-delimited elements, e.g. "
                      "keyid/date/region/service/term, got '%.*s'",
                      SLICE_PRINTF(credential));
    claim->access_key_id = parts[0];
    claim->date = parts[1];
    claim->region = parts[2];
    claim->service = parts[3];
    *ret_terminator = parts[4];
    claim->scope = slice_make(credential.data + parts[0].length + 1, whole - parts[0].length - 1);
    return ERR_OK;
}

static bool is_service(const struct sigv4_policy *policy, struct slice service)
{
    for (size_t i = 0; i < policy->service_count; i++) {
        if (slice_equal(policy->services[i], service))
            return true;
    }
    return false;
}

__attribute__((format(printf, 2, 3))) static void add_words(struct sigv4_refusal *to, const char *format, ...)
{
    size_t length = strlen(to->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(to->text + length, sizeof(to->text) - length, format, arguments);
    va_end(arguments);
}

/* At most 128 bytes, so that all that is wrong with a scope fits. */
static struct slice shorten(struct slice text)
{
    return slice_make(text.data, text.length < 128 ? text.length : 128);
}

/* All that is wrong with the scope, in one text. */
static enum err check_scope(const struct sigv4_claim *claim, struct slice terminator,
                            const struct sigv4_policy *policy, struct sigv4_refusal *ret_refusal)
{
    ret_refusal->text[0] = '\0';
    if (!slice_equal(claim->region, policy->region))
        add_words(ret_refusal, "Credential should be scoped to a valid region, not '%.*s'. ",
                  SLICE_PRINTF(shorten(claim->region)));
    if (!is_service(policy, claim->service))
        add_words(ret_refusal, "Credential should be scoped to correct service: '%.*s'. ",
                  SLICE_PRINTF(shorten(policy->services[0])));
    if (!slice_equal_string(terminator, "aws4_request"))
        add_words(ret_refusal,
                  "Credential should be scoped with a valid terminator: 'aws4_request', not '%.*s'. ",
                  SLICE_PRINTF(shorten(terminator)));
    if (claim->date.length != 8 || memcmp(claim->date.data, claim->timestamp, 8) != 0)
        add_words(ret_refusal,
                  "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
                  "HTTP: '%.*s' != '%.8s', from '%s'.",
                  SLICE_PRINTF(shorten(claim->date)), claim->timestamp, claim->timestamp);
    if (ret_refusal->text[0] == '\0')
        return ERR_OK;
    ret_refusal->code = ERR_INVALID_SIGNATURE;
    return ERR_INVALID_SIGNATURE;
}

enum err sigv4_claim_read(const struct sigv4_request *request, const struct sigv4_policy *policy,
                          uint64_t now_us, struct sigv4_claim *ret_claim, struct sigv4_refusal *ret_refusal)
{
    struct pieces pieces = {0};
    struct slice terminator = SLICE_EMPTY;
    ret_claim->session_token = SLICE_EMPTY;
    TRY(read_pieces(request, &pieces, ret_claim, ret_refusal));
    TRY(check_date(&pieces, policy, now_us, ret_claim, ret_refusal));
    TRY(check_form(&pieces, ret_refusal));
    TRY(split_credential(pieces.credential, ret_claim, &terminator, ret_refusal));
    TRY(check_scope(ret_claim, terminator, policy, ret_refusal));
    ret_claim->signature = pieces.signature;
    ret_claim->signed_headers = pieces.signed_headers;
    return ERR_OK;
}

enum err sigv4_refuse_key(struct sigv4_refusal *ret_refusal)
{
    return refuse(ret_refusal, ERR_UNRECOGNIZED_CLIENT, "%s", err_sentence(ERR_UNRECOGNIZED_CLIENT));
}

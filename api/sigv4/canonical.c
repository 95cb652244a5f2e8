/* AWS General Reference, "Create a canonical request" and "Create a string to sign". */
#include "api/sigv4/canonical_internal.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/hex.h"

enum { TEXT_BYTES_MAX = 1 << 20, PATH_SEGMENTS_MAX = 256 };

static const char HEX_UPPER[] = "0123456789ABCDEF";

enum err canonical_scratch_init(struct canonical_scratch *s)
{
    buffer_init(&s->text, TEXT_BYTES_MAX);
    buffer_init(&s->encoded, TEXT_BYTES_MAX);
    return sha256_init(&s->hash);
}

void canonical_scratch_deinit(struct canonical_scratch *s)
{
    buffer_deinit(&s->text);
    buffer_deinit(&s->encoded);
    sha256_deinit(&s->hash);
}

static uint8_t to_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool canonical_is_same_name(struct slice a, struct slice b)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++) {
        if (to_lower(a.data[i]) != to_lower(b.data[i]))
            return false;
    }
    return true;
}

static bool is_unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static void append_encoded(struct buffer *to, uint8_t c)
{
    if (is_unreserved(c)) {
        buffer_append_u8(to, c);
        return;
    }
    buffer_append_u8(to, '%');
    buffer_append_u8(to, (uint8_t)HEX_UPPER[c >> 4]);
    buffer_append_u8(to, (uint8_t)HEX_UPPER[c & 15]);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character, decoded, off the front of the text; -1 for an escape that is none. A '+' is a blank, as in
 * forms: botocore writes blanks that way and signs them as %20. */
static int take_decoded(struct slice *text)
{
    uint8_t c = text->data[0];
    if (c != '%') {
        *text = slice_from(*text, 1);
        return c == '+' ? ' ' : c;
    }
    if (text->length < 3)
        return -1;
    int high = hex_digit(text->data[1]), low = hex_digit(text->data[2]);
    if (high < 0 || low < 0)
        return -1;
    *text = slice_from(*text, 3);
    return high * 16 + low;
}

bool canonical_decode(struct slice text, char *to, size_t size, size_t *ret_length)
{
    size_t length = 0;
    while (text.length > 0) {
        int c = take_decoded(&text);
        if (c < 0 || length == size)
            return false;
        to[length++] = (char)c;
    }
    *ret_length = length;
    return true;
}

/* Whatever way a client escaped it, the canonical form is escaped in one way. A broken escape is taken
 * literally. */
static void append_normalized(struct buffer *to, struct slice text)
{
    while (text.length > 0) {
        int c = take_decoded(&text);
        if (c < 0) {
            c = text.data[0];
            text = slice_from(text, 1);
        }
        append_encoded(to, (uint8_t)c);
    }
}

/* Dot segments and empty ones are removed; what is left is escaped once more, so that "%41" becomes "%2541".
 * (S3 alone does neither.) */
static enum err append_path(struct buffer *to, struct slice path)
{
    struct slice segments[PATH_SEGMENTS_MAX];
    size_t count = 0;
    bool is_directory = path.length == 0 || path.data[path.length - 1] == '/';
    while (path.length > 0) {
        struct slice segment = slice_split(&path, '/');
        bool is_up = slice_equal_string(segment, "..");
        if (is_up && count > 0)
            count--;
        if (is_up || segment.length == 0 || slice_equal_string(segment, "."))
            continue;
        if (count == PATH_SEGMENTS_MAX)
            return ERR_LIMIT;
        segments[count++] = segment;
    }
    for (size_t i = 0; i < count; i++) {
        buffer_append_u8(to, '/');
        for (size_t j = 0; j < segments[i].length; j++)
            append_encoded(to, segments[i].data[j]);
    }
    if (is_directory || count == 0)
        buffer_append_u8(to, '/');
    buffer_append_u8(to, '\n');
    return ERR_OK;
}

/* Nothing at all was encoded where all names and values are empty. */
static struct slice piece(const struct buffer *encoded, uint32_t from, uint32_t end)
{
    return from == end ? SLICE_EMPTY : slice_make(encoded->data + from, end - from);
}

/* Parameters sort by their escaped name, then value. */
static int compare_parameters(const void *a, const void *b, void *context)
{
    const struct canonical_parameter *p = a, *q = b;
    int order =
        slice_compare(piece(context, p->name_at, p->value_at), piece(context, q->name_at, q->value_at));
    if (order != 0)
        return order;
    return slice_compare(piece(context, p->value_at, p->end), piece(context, q->value_at, q->end));
}

static void encode_parameter(struct buffer *to, struct slice pair, struct canonical_parameter *ret)
{
    struct slice name = slice_split(&pair, '=');
    ret->name_at = (uint32_t)to->length;
    append_normalized(to, name);
    ret->value_at = (uint32_t)to->length;
    append_normalized(to, pair);
    ret->end = (uint32_t)to->length;
}

static enum err append_query(struct canonical_scratch *s, struct slice query)
{
    size_t count = 0;
    buffer_clear(&s->encoded);
    while (query.length > 0) {
        struct slice pair = slice_split(&query, '&');
        if (pair.length == 0 || slice_starts_with(pair, SLICE_LITERAL("X-Amz-Signature=")))
            continue;
        if (count == SIGV4_PARAMETERS_MAX)
            return ERR_LIMIT;
        encode_parameter(&s->encoded, pair, &s->parameters[count++]);
    }
    if (buffer_has_failed(&s->encoded))
        return ERR_LIMIT;
    qsort_r(s->parameters, count, sizeof(s->parameters[0]), compare_parameters, &s->encoded);
    for (size_t i = 0; i < count; i++) {
        const struct canonical_parameter *p = &s->parameters[i];
        if (i > 0)
            buffer_append_u8(&s->text, '&');
        buffer_append(&s->text, piece(&s->encoded, p->name_at, p->value_at));
        buffer_append_u8(&s->text, '=');
        buffer_append(&s->text, piece(&s->encoded, p->value_at, p->end));
    }
    buffer_append_u8(&s->text, '\n');
    return ERR_OK;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Trimmed, runs of white space made one blank. Most values have none, so pieces are copied whole. */
static void append_value(struct buffer *to, struct slice value)
{
    bool is_first = true;
    size_t at = 0;
    while (at < value.length) {
        size_t from = at;
        while (at < value.length && !is_space(value.data[at]))
            at++;
        if (at > from) {
            if (!is_first)
                buffer_append_u8(to, ' ');
            buffer_append(to, slice_make(value.data + from, at - from));
            is_first = false;
        }
        while (at < value.length && is_space(value.data[at]))
            at++;
    }
}

/* A header that was sent several times counts once, its values joined with commas. */
static void append_header(struct buffer *to, const struct sigv4_request *request, struct slice name)
{
    bool is_first = true;
    uint8_t *lower = buffer_extend(to, name.length + 1);
    if (lower == NULL)
        return;
    for (size_t i = 0; i < name.length; i++)
        lower[i] = to_lower(name.data[i]);
    lower[name.length] = ':';
    for (size_t i = 0; i < request->header_count; i++) {
        if (!canonical_is_same_name(request->headers[i].name, name))
            continue;
        if (!is_first)
            buffer_append_u8(to, ',');
        append_value(to, request->headers[i].value);
        is_first = false;
    }
    buffer_append_u8(to, '\n');
}

static enum err append_headers(struct buffer *to, const struct sigv4_request *request, struct slice names)
{
    size_t count = 0;
    for (struct slice rest = names; rest.length > 0;) {
        if (++count > SIGV4_SIGNED_HEADERS_MAX)
            return ERR_LIMIT;
        append_header(to, request, slice_split(&rest, ';'));
    }
    buffer_append_u8(to, '\n');
    buffer_append(to, names);
    buffer_append_u8(to, '\n');
    return ERR_OK;
}

static void append_hex(struct buffer *to, const uint8_t hash[SHA256_BYTES])
{
    char hex[SHA256_HEX_CHARS + 1];
    hex_encode(slice_make(hash, SHA256_BYTES), hex);
    buffer_append(to, slice_make(hex, SHA256_HEX_CHARS));
}

static enum err build_request(struct canonical_scratch *s, const struct sigv4_request *request,
                              struct slice signed_headers, const uint8_t body_hash[SHA256_BYTES])
{
    struct buffer *to = &s->text;
    buffer_clear(to);
    buffer_append(to, request->method);
    buffer_append_u8(to, '\n');
    TRY(append_path(to, request->path));
    TRY(append_query(s, request->query));
    TRY(append_headers(to, request, signed_headers));
    append_hex(to, body_hash);
    return buffer_has_failed(to) ? ERR_LIMIT : ERR_OK;
}

static enum err build_string_to_sign(struct canonical_scratch *s, const struct canonical_signing *signing)
{
    uint8_t hash[SHA256_BYTES];
    sha256_update(&s->hash, buffer_view(&s->text));
    sha256_final(&s->hash, hash);
    struct buffer *to = &s->text;
    buffer_clear(to);
    buffer_append(to, SLICE_LITERAL("AWS4-HMAC-SHA256\n"));
    buffer_append(to, signing->timestamp);
    buffer_append_u8(to, '\n');
    buffer_append(to, signing->scope);
    buffer_append_u8(to, '\n');
    append_hex(to, hash);
    return buffer_has_failed(to) ? ERR_LIMIT : ERR_OK;
}

enum err canonical_sign(struct canonical_scratch *s, const struct sigv4_request *request,
                        const struct canonical_signing *signing, const uint8_t body_hash[SHA256_BYTES],
                        char ret_signature[SHA256_HEX_CHARS + 1])
{
    TRY(build_request(s, request, signing->signed_headers, body_hash));
    TRY(build_string_to_sign(s, signing));
    uint8_t mac[SHA256_BYTES];
    sha256_hmac(&s->hash, slice_make(signing->key, SHA256_BYTES), buffer_view(&s->text), mac);
    hex_encode(slice_make(mac, SHA256_BYTES), ret_signature);
    return ERR_OK;
}

void canonical_derive_key(struct sha256 *hash, struct slice secret, struct slice date, struct slice region,
                          struct slice service, uint8_t ret_key[SHA256_BYTES])
{
    uint8_t first[4 + 256] = "AWS4";
    size_t secret_bytes = secret.length < 256 ? secret.length : 256;
    if (secret_bytes > 0)
        memcpy(first + 4, secret.data, secret_bytes);
    struct slice key = slice_make(ret_key, SHA256_BYTES);
    sha256_hmac(hash, slice_make(first, 4 + secret_bytes), date, ret_key);
    sha256_hmac(hash, key, region, ret_key);
    sha256_hmac(hash, key, service, ret_key);
    sha256_hmac(hash, key, SLICE_LITERAL("aws4_request"), ret_key);
    OPENSSL_cleanse(first, sizeof(first));
}

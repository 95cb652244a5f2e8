#include "api/sigv4/sign.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "api/sigv4/canonical_internal.h"
#include "base/memory.h"

enum { PART_BYTES_MAX = 256, NAMES_BYTES_MAX = 8192 };

struct sigv4_signer {
    struct canonical_scratch scratch;
    struct buffer access_key_id;
    struct buffer secret;
    struct buffer region;
    struct buffer service;
    struct buffer scope;
    struct buffer names; /* SignedHeaders */
    char date[9];        /* the key's, empty at first */
    uint8_t key[SHA256_BYTES];
};

static bool copy_part(struct buffer *to, struct slice from, size_t bytes_max)
{
    buffer_init(to, bytes_max);
    buffer_append(to, from);
    return !buffer_has_failed(to);
}

struct sigv4_signer *sigv4_signer_create(const struct sigv4_credentials *credentials)
{
    struct sigv4_signer *s = memory_zalloc(sizeof(*s));
    if (s == NULL)
        return NULL;
    bool is_ready = copy_part(&s->access_key_id, credentials->access_key_id, PART_BYTES_MAX) &&
                    copy_part(&s->secret, credentials->secret, PART_BYTES_MAX) &&
                    copy_part(&s->region, credentials->region, PART_BYTES_MAX) &&
                    copy_part(&s->service, credentials->service, PART_BYTES_MAX);
    buffer_init(&s->scope, 3 * PART_BYTES_MAX);
    buffer_init(&s->names, NAMES_BYTES_MAX);
    if (is_ready && canonical_scratch_init(&s->scratch) == ERR_OK)
        return s;
    sigv4_signer_destroy(s);
    return NULL;
}

void sigv4_signer_destroy(struct sigv4_signer *s)
{
    if (s == NULL)
        return;
    if (s->secret.data != NULL)
        OPENSSL_cleanse(s->secret.data, s->secret.length);
    OPENSSL_cleanse(s->key, sizeof(s->key));
    buffer_deinit(&s->access_key_id);
    buffer_deinit(&s->secret);
    buffer_deinit(&s->region);
    buffer_deinit(&s->service);
    buffer_deinit(&s->scope);
    buffer_deinit(&s->names);
    canonical_scratch_deinit(&s->scratch);
    memory_free(s);
}

/* The key of a new day. */
static void roll_key(struct sigv4_signer *s, const char *timestamp)
{
    if (memcmp(s->date, timestamp, 8) == 0)
        return;
    memcpy(s->date, timestamp, 8);
    buffer_clear(&s->scope);
    buffer_append(&s->scope, slice_make(timestamp, 8));
    buffer_append_u8(&s->scope, '/');
    buffer_append(&s->scope, buffer_view(&s->region));
    buffer_append_u8(&s->scope, '/');
    buffer_append(&s->scope, buffer_view(&s->service));
    buffer_append_string(&s->scope, "/aws4_request");
    canonical_derive_key(&s->scratch.hash, buffer_view(&s->secret), slice_make(timestamp, 8),
                         buffer_view(&s->region), buffer_view(&s->service), s->key);
}

static int compare_lower(struct slice a, struct slice b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    for (size_t i = 0; i < common; i++) {
        int x = a.data[i] >= 'A' && a.data[i] <= 'Z' ? a.data[i] | 0x20 : a.data[i];
        int y = b.data[i] >= 'A' && b.data[i] <= 'Z' ? b.data[i] | 0x20 : b.data[i];
        if (x != y)
            return x - y;
    }
    return a.length < b.length ? -1 : a.length > b.length;
}

static int compare_names(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    return compare_lower(*x, *y);
}

/* Every header's name, lower case, sorted, once. */
static enum err list_names(struct sigv4_signer *s, const struct sigv4_request *request)
{
    struct slice names[SIGV4_SIGNED_HEADERS_MAX];
    if (request->header_count > SIGV4_SIGNED_HEADERS_MAX)
        return ERR_LIMIT;
    for (size_t i = 0; i < request->header_count; i++)
        names[i] = request->headers[i].name;
    qsort(names, request->header_count, sizeof(names[0]), compare_names);
    buffer_clear(&s->names);
    for (size_t i = 0; i < request->header_count; i++) {
        if (i > 0 && compare_lower(names[i - 1], names[i]) == 0)
            continue;
        if (s->names.length > 0)
            buffer_append_u8(&s->names, ';');
        uint8_t *to = buffer_extend(&s->names, names[i].length);
        for (size_t j = 0; to != NULL && j < names[i].length; j++) {
            uint8_t c = names[i].data[j];
            to[j] = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
        }
    }
    return buffer_has_failed(&s->names) ? ERR_LIMIT : ERR_OK;
}

enum err sigv4_sign(struct sigv4_signer *s, const struct sigv4_request *request,
                    const uint8_t body_hash[SHA256_BYTES], uint64_t now_us, struct buffer *to)
{
    char timestamp[SIGV4_DATE_CHARS + 1], signature[SHA256_HEX_CHARS + 1];
    sigv4_date_format(now_us, timestamp);
    roll_key(s, timestamp);
    TRY(list_names(s, request));
    struct canonical_signing signing = {.key = s->key,
                                        .timestamp = slice_make(timestamp, SIGV4_DATE_CHARS),
                                        .scope = buffer_view(&s->scope),
                                        .signed_headers = buffer_view(&s->names)};
    TRY(canonical_sign(&s->scratch, request, &signing, body_hash, signature));
    buffer_append_string(to, "AWS4-HMAC-SHA256 Credential=");
    buffer_append(to, buffer_view(&s->access_key_id));
    buffer_append_u8(to, '/');
    buffer_append(to, buffer_view(&s->scope));
    buffer_append_string(to, ", SignedHeaders=");
    buffer_append(to, buffer_view(&s->names));
    buffer_append_string(to, ", Signature=");
    buffer_append(to, slice_make(signature, SHA256_HEX_CHARS));
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

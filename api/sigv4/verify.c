#include "api/sigv4/verify.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "api/sigv4/canonical_internal.h"
#include "api/sigv4/key_cache.h"
#include "base/memory.h"

enum { SECRET_BYTES_MAX = 256 };

struct sigv4_verifier {
    struct canonical_scratch scratch;
    struct key_cache *keys;
};

struct sigv4_verifier *sigv4_verifier_create(size_t cached_keys)
{
    struct sigv4_verifier *v = memory_zalloc(sizeof(*v));
    if (v == NULL)
        return NULL;
    v->keys = key_cache_create(cached_keys);
    if (v->keys != NULL && canonical_scratch_init(&v->scratch) == ERR_OK)
        return v;
    sigv4_verifier_destroy(v);
    return NULL;
}

void sigv4_verifier_destroy(struct sigv4_verifier *v)
{
    if (v == NULL)
        return;
    key_cache_destroy(v->keys);
    canonical_scratch_deinit(&v->scratch);
    memory_free(v);
}

/* The credential without its terminator: what a signing key depends on. */
static struct slice key_name(const struct sigv4_claim *claim)
{
    return slice_make(claim->access_key_id.data,
                      (size_t)(claim->service.data + claim->service.length - claim->access_key_id.data));
}

static enum err derive_key(struct sigv4_verifier *v, const struct sigv4_claim *claim, sigv4_secret_cb secret,
                           void *data, uint8_t ret_key[SHA256_BYTES])
{
    struct buffer bytes;
    buffer_init(&bytes, SECRET_BYTES_MAX);
    enum err err = secret(data, claim->access_key_id, &bytes);
    if (err == ERR_OK && buffer_has_failed(&bytes))
        err = ERR_NO_MEMORY;
    if (err == ERR_OK)
        canonical_derive_key(&v->scratch.hash, buffer_view(&bytes), claim->date, claim->region,
                             claim->service, ret_key);
    if (bytes.data != NULL)
        OPENSSL_cleanse(bytes.data, bytes.length);
    buffer_deinit(&bytes);
    return err;
}

static enum err refuse_with(struct sigv4_refusal *ret_refusal, enum err code)
{
    ret_refusal->code = code;
    snprintf(ret_refusal->text, sizeof(ret_refusal->text), "%s", err_sentence(code));
    return code;
}

static enum err check_signature(struct sigv4_verifier *v, const struct sigv4_request *request,
                                const struct sigv4_claim *claim, const uint8_t *key,
                                const uint8_t body_hash[SHA256_BYTES])
{
    struct canonical_signing signing = {.key = key,
                                        .timestamp = slice_make(claim->timestamp, SIGV4_DATE_CHARS),
                                        .scope = claim->scope,
                                        .signed_headers = claim->signed_headers};
    char expected[SHA256_HEX_CHARS + 1];
    if (claim->signature.length != SHA256_HEX_CHARS)
        return ERR_INVALID_SIGNATURE;
    enum err err = canonical_sign(&v->scratch, request, &signing, body_hash, expected);
    if (err == ERR_LIMIT)
        return ERR_INVALID_SIGNATURE;
    TRY(err);
    bool is_right = CRYPTO_memcmp(expected, claim->signature.data, SHA256_HEX_CHARS) == 0;
    return is_right ? ERR_OK : ERR_INVALID_SIGNATURE;
}

enum err sigv4_verify(struct sigv4_verifier *v, const struct sigv4_request *request,
                      const struct sigv4_claim *claim, const uint8_t body_hash[SHA256_BYTES],
                      sigv4_secret_cb secret, void *data, struct sigv4_refusal *ret_refusal)
{
    struct slice name = key_name(claim);
    uint8_t derived[SHA256_BYTES];
    const uint8_t *key = key_cache_get(v->keys, name);
    enum err err = ERR_OK;
    if (key == NULL) {
        err = derive_key(v, claim, secret, data, derived);
        if (err != ERR_OK)
            return refuse_with(ret_refusal, err);
        key = derived;
    }
    err = check_signature(v, request, claim, key, body_hash);
    /* Only what proved right is kept, so that strangers cannot push others' keys out. */
    if (err == ERR_OK && key == derived)
        key_cache_put(v->keys, name, derived);
    if (key == derived)
        OPENSSL_cleanse(derived, sizeof(derived));
    return err == ERR_OK ? ERR_OK : refuse_with(ret_refusal, err);
}

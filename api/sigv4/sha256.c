#include "api/sigv4/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/assert.h"

enum { BLOCK_BYTES = 64 };

enum err sha256_init(struct sha256 *h)
{
    h->context = EVP_MD_CTX_new();
    if (h->context == NULL)
        return ERR_NO_MEMORY;
    EVP_MD *digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    bool is_ready = digest != NULL && EVP_DigestInit_ex(h->context, digest, NULL) == 1;
    EVP_MD_free(digest); /* the context keeps its own reference, and with it what fetching costs */
    if (is_ready)
        return ERR_OK;
    sha256_deinit(h);
    return ERR_NO_MEMORY;
}

void sha256_deinit(struct sha256 *h)
{
    EVP_MD_CTX_free(h->context);
    h->context = NULL;
}

/* These three cannot fail on a context that is set up: they allocate nothing. */
void sha256_reset(struct sha256 *h)
{
    ASSERT(EVP_DigestInit_ex(h->context, NULL, NULL) == 1);
}

void sha256_update(struct sha256 *h, struct slice bytes)
{
    ASSERT(EVP_DigestUpdate(h->context, bytes.data, bytes.length) == 1);
}

void sha256_final(struct sha256 *h, uint8_t ret_hash[SHA256_BYTES])
{
    unsigned length = 0;
    ASSERT(EVP_DigestFinal_ex(h->context, ret_hash, &length) == 1);
    ASSERT(length == SHA256_BYTES);
    sha256_reset(h);
}

static void hash_padded(struct sha256 *h, const uint8_t key[BLOCK_BYTES], uint8_t pad, struct slice text,
                        uint8_t ret_hash[SHA256_BYTES])
{
    uint8_t block[BLOCK_BYTES];
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        block[i] = key[i] ^ pad;
    sha256_update(h, slice_make(block, BLOCK_BYTES));
    sha256_update(h, text);
    sha256_final(h, ret_hash);
    OPENSSL_cleanse(block, sizeof(block));
}

void sha256_hmac(struct sha256 *h, struct slice key, struct slice text, uint8_t ret_mac[SHA256_BYTES])
{
    uint8_t block[BLOCK_BYTES] = {0};
    if (key.length > BLOCK_BYTES) {
        sha256_update(h, key);
        sha256_final(h, block);
    } else if (key.length > 0) {
        memcpy(block, key.data, key.length);
    }
    uint8_t inner[SHA256_BYTES];
    hash_padded(h, block, 0x36, text, inner);
    hash_padded(h, block, 0x5c, slice_make(inner, SHA256_BYTES), ret_mac);
    OPENSSL_cleanse(block, sizeof(block));
}

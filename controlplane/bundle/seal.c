#include "controlplane/bundle/seal.h"

#include <openssl/evp.h>

#include "base/random.h"

static void free_context(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context);
}

enum err secret_seal(const struct cluster_key *key, struct slice id, struct slice secret, struct buffer *to)
{
    if (secret.length > SECRET_BYTES_MAX)
        return ERR_LIMIT;
    CLEANUP(free_context) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t *sealed = context == NULL ? NULL : buffer_extend(to, SEAL_OVERHEAD_BYTES + secret.length);
    if (sealed == NULL)
        return ERR_NO_MEMORY;
    random_secret(sealed, SEAL_NONCE_BYTES);
    uint8_t *tag = sealed + SEAL_NONCE_BYTES;
    uint8_t *body = tag + SEAL_TAG_BYTES;
    int length = 0;
    bool is_good = EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key->sealing, sealed) == 1 &&
                   EVP_EncryptUpdate(context, NULL, &length, id.data, (int)id.length) == 1 &&
                   EVP_EncryptUpdate(context, body, &length, secret.data, (int)secret.length) == 1 &&
                   EVP_EncryptFinal_ex(context, body + length, &length) == 1 &&
                   EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, SEAL_TAG_BYTES, tag) == 1;
    if (is_good)
        return ERR_OK;
    to->length -= SEAL_OVERHEAD_BYTES + secret.length;
    return ERR_NO_MEMORY; /* the only way for these calls to fail */
}

enum err secret_open(const struct cluster_key *key, struct slice id, struct slice sealed, struct buffer *to)
{
    if (sealed.length < SEAL_OVERHEAD_BYTES || sealed.length > SEAL_OVERHEAD_BYTES + SECRET_BYTES_MAX)
        return ERR_CORRUPT;
    struct slice body = slice_from(sealed, SEAL_OVERHEAD_BYTES);
    uint8_t tag[SEAL_TAG_BYTES];
    memcpy(tag, sealed.data + SEAL_NONCE_BYTES, sizeof tag);
    CLEANUP(free_context) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t *secret = context == NULL ? NULL : buffer_extend(to, body.length);
    if (secret == NULL)
        return ERR_NO_MEMORY;
    int length = 0;
    bool is_good = EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key->sealing, sealed.data) == 1 &&
                   EVP_DecryptUpdate(context, NULL, &length, id.data, (int)id.length) == 1 &&
                   EVP_DecryptUpdate(context, secret, &length, body.data, (int)body.length) == 1 &&
                   EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, SEAL_TAG_BYTES, tag) == 1 &&
                   EVP_DecryptFinal_ex(context, secret + length, &length) == 1;
    if (is_good)
        return ERR_OK;
    memset(secret, 0, body.length);
    to->length -= body.length;
    return ERR_CORRUPT;
}

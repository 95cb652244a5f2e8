#include "controlplane/bundle/object.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/assert.h"

bool bundle_object_is_valid(const struct bundle_object *object)
{
    return (unsigned)object->kind < BUNDLE_KIND_COUNT && object->version != 0 && object->id.length > 0 &&
           object->id.length <= BUNDLE_ID_BYTES_MAX && object->body.length <= BUNDLE_BODY_BYTES_MAX &&
           object->signature.length == BUNDLE_SIGNATURE_BYTES;
}

static void put_be(uint8_t *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

void bundle_object_sign(const struct cluster_key *key, const struct bundle_object *object,
                        uint8_t ret_signature[BUNDLE_SIGNATURE_BYTES])
{
    uint8_t head[12];
    head[0] = (uint8_t)object->kind;
    head[1] = object->is_deleted;
    put_be(head + 2, object->version, 8);
    put_be(head + 10, object->id.length, 2);

    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(algorithm);
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
    size_t length = 0;
    bool is_good = mac != NULL && EVP_MAC_init(mac, key->signing, CLUSTER_KEY_BYTES, parameters) == 1 &&
                   EVP_MAC_update(mac, head, sizeof head) == 1 &&
                   EVP_MAC_update(mac, object->id.data, object->id.length) == 1 &&
                   EVP_MAC_update(mac, object->body.data, object->body.length) == 1 &&
                   EVP_MAC_final(mac, ret_signature, &length, BUNDLE_SIGNATURE_BYTES) == 1;
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(algorithm);
    ASSERT(is_good && length == BUNDLE_SIGNATURE_BYTES); /* fails only without memory or without SHA-256 */
}

enum err bundle_object_verify(const struct cluster_key *key, const struct bundle_object *object)
{
    if (!bundle_object_is_valid(object))
        return ERR_CORRUPT;
    uint8_t expected[BUNDLE_SIGNATURE_BYTES];
    bundle_object_sign(key, object, expected);
    return CRYPTO_memcmp(expected, object->signature.data, sizeof expected) == 0 ? ERR_OK : ERR_CORRUPT;
}

void bundle_object_append(struct buffer *to, const struct bundle_object *object)
{
    buffer_append_u8(to, (uint8_t)object->kind);
    buffer_append_u8(to, object->is_deleted);
    buffer_append_varint(to, object->version);
    buffer_append_prefixed(to, object->id);
    buffer_append_prefixed(to, object->body);
    buffer_append(to, object->signature);
}

struct bundle_object bundle_object_read(struct reader *r)
{
    struct bundle_object object = {0};
    uint8_t kind = reader_u8(r);
    uint8_t is_deleted = reader_u8(r);
    object.kind = (enum bundle_kind)kind;
    object.is_deleted = is_deleted == 1;
    object.version = reader_varint(r);
    object.id = reader_prefixed(r);
    object.body = reader_prefixed(r);
    object.signature = reader_bytes(r, BUNDLE_SIGNATURE_BYTES);
    if (is_deleted > 1 || !bundle_object_is_valid(&object))
        r->has_failed = true;
    return object;
}

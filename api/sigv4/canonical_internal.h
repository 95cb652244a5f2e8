/* The canonical form of a request and the signature over it; shared by verify.c and sign.c. */
#pragma once

#include "api/sigv4/sigv4.h"
#include "base/buffer.h"

struct canonical_parameter {
    uint32_t name_at; /* offsets into the encoded text */
    uint32_t value_at;
    uint32_t end;
};

/* Reused from request to request: in a steady state nothing is allocated. */
struct canonical_scratch {
    struct buffer text;
    struct buffer encoded; /* of the query's parameters */
    struct canonical_parameter parameters[SIGV4_PARAMETERS_MAX];
    struct sha256 hash;
};

/* Who signs what, when. */
struct canonical_signing {
    const uint8_t *key; /* SHA256_BYTES: the signing key */
    struct slice timestamp;
    struct slice scope;          /* date/region/service/aws4_request */
    struct slice signed_headers; /* names, lower case, joined with ';' */
};

enum err canonical_scratch_init(struct canonical_scratch *s) MUST_CHECK;
void canonical_scratch_deinit(struct canonical_scratch *s);

/* Lower-case hexadecimal and a NUL.
 * ERR_LIMIT  too many parameters or headers, or a text over 1 MiB    ERR_NO_MEMORY */
enum err canonical_sign(struct canonical_scratch *s, const struct sigv4_request *request,
                        const struct canonical_signing *signing, const uint8_t body_hash[SHA256_BYTES],
                        char ret_signature[SHA256_HEX_CHARS + 1]) MUST_CHECK;

/* The key of a day, region and service. */
void canonical_derive_key(struct sha256 *hash, struct slice secret, struct slice date, struct slice region,
                          struct slice service, uint8_t ret_key[SHA256_BYTES]);

/* Percent-decoding, for the values of a presigned query. False on a broken escape or when `size` is too small. */
bool canonical_decode(struct slice text, char *to, size_t size, size_t *ret_length);

bool canonical_is_same_name(struct slice a, struct slice b); /* in any case */

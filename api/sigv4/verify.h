/* Verifying signatures, in two steps, so that a request can be refused before its body is read:
 *
 *   headers arrive   sigv4_claim_read    all that needs no secret: form, date, scope   -> whose key it claims
 *   router           looks the key up    unknown: sigv4_refuse_key
 *   body is hashed   sigv4_verify        the signature itself
 *
 * Checks come in DynamoDB's order and words: authorization in both header and query, in neither, missing
 * pieces, form of the date, expired or not yet current, Host unsigned, algorithm, five parts of the credential,
 * scope (all that is wrong with it in one sentence), unknown key, signature.
 *
 * The payload hash of the canonical request is always that of the body that arrived. So a wrong
 * X-Amz-Content-Sha256 fails, and so does UNSIGNED-PAYLOAD, which DynamoDB does not take. */
#pragma once

#include "api/sigv4/sigv4.h"
#include "base/buffer.h"

/* What the endpoint accepts; borrowed. */
struct sigv4_policy {
    struct slice region;
    const struct slice *services; /* the first is named in refusals */
    size_t service_count;
    uint64_t skew_us; /* how far a clock may be off; AWS: 15 minutes */
};

enum { SIGV4_SKEW_US = 15 * 60 * 1000000 };

/* What a request says about itself. Points into the request's bytes, except where a query had to be decoded:
 * those bytes are in `decoded`, so a claim must not be moved. Valid as long as the request. */
struct sigv4_claim {
    struct slice access_key_id;
    struct slice session_token; /* empty when there is none */
    struct slice service;       /* which of the policy's */
    bool is_presigned;
    /* Leave alone. */
    struct slice scope; /* date/region/service/aws4_request */
    struct slice date;  /* the scope's, YYYYMMDD */
    struct slice region;
    struct slice signature;
    struct slice signed_headers;
    char timestamp[SIGV4_DATE_CHARS + 1];
    char decoded[SIGV4_TEXT_BYTES];
};

/* ERR_OK, or the refusal's code with its words in ret_refusal (may not be NULL):
 * ERR_INVALID_SIGNATURE, ERR_MISSING_AUTHENTICATION_TOKEN, ERR_INCOMPLETE_SIGNATURE
 * now_us  wall clock */
enum err sigv4_claim_read(const struct sigv4_request *request, const struct sigv4_policy *policy,
                          uint64_t now_us, struct sigv4_claim *ret_claim,
                          struct sigv4_refusal *ret_refusal) MUST_CHECK;
/* The refusal of a key that nobody has, or that was revoked: ERR_UNRECOGNIZED_CLIENT. */
enum err sigv4_refuse_key(struct sigv4_refusal *ret_refusal);

/* Scratch, a hash and a cache of signing keys, which cost five times the rest; one per loop. */
struct sigv4_verifier;

/* cached_keys: signing keys kept, the least recently used goes first. NULL when there is no memory. */
struct sigv4_verifier *sigv4_verifier_create(size_t cached_keys);
/* Clears the keys from memory. */
void sigv4_verifier_destroy(struct sigv4_verifier *v);

/* Called only when the signing key is not cached. Writes the secret of this key into `ret_secret` (at most 256
 * bytes); wiped afterwards. Any error is passed on, as ERR_UNRECOGNIZED_CLIENT for a key that has gone. */
typedef enum err (*sigv4_secret_cb)(void *data, struct slice access_key_id, struct buffer *ret_secret);

/* Compare in constant time. Whoever calls has checked that the key is still known: revoking a key needs no word
 * to this cache, as an access key id never gets another secret.
 * ERR_INVALID_SIGNATURE  not signed with this secret, or not this request, or over SIGV4_..._MAX
 * ERR_NO_MEMORY, and whatever `secret` returned */
enum err sigv4_verify(struct sigv4_verifier *v, const struct sigv4_request *request,
                      const struct sigv4_claim *claim, const uint8_t body_hash[SHA256_BYTES],
                      sigv4_secret_cb secret, void *data, struct sigv4_refusal *ret_refusal) MUST_CHECK;

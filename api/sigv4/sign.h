/* Making signatures: the command line, the load generator and tests. */
#pragma once

#include "api/sigv4/sigv4.h"
#include "base/buffer.h"

/* A caller's identity, with the signing key of the day; one thread at a time. */
struct sigv4_signer;

struct sigv4_credentials {
    struct slice access_key_id;
    struct slice secret;
    struct slice region;
    struct slice service;
};

/* Copies the credentials. NULL when there is no memory. */
struct sigv4_signer *sigv4_signer_create(const struct sigv4_credentials *credentials);
void sigv4_signer_destroy(struct sigv4_signer *s);

/* Append the value of the Authorization header. All of request's headers are signed: Host must be among them,
 * and X-Amz-Date with what sigv4_date_format makes of the same now_us.
 * body_hash  SHA-256 of the body
 * ERR_LIMIT  more than SIGV4_SIGNED_HEADERS_MAX headers or SIGV4_PARAMETERS_MAX parameters   ERR_NO_MEMORY */
enum err sigv4_sign(struct sigv4_signer *s, const struct sigv4_request *request,
                    const uint8_t body_hash[SHA256_BYTES], uint64_t now_us, struct buffer *to) MUST_CHECK;

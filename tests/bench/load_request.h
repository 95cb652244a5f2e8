/* Signed PutItem and GetItem requests, as bytes for a socket.
 *
 * An item is {k: "user000000000042" (S, the key), n: a number (N), f0..f3: text (S)}, random printable bytes
 * from a pool, so that compression gains little. */
#pragma once

#include "api/sigv4/sign.h"
#include "base/buffer.h"
#include "base/random.h"
#include "tests/bench/load_options.h"
#include "tests/bench/load_workload.h"

enum { LOAD_REQUEST_BYTES_MAX = 1024 * 1024, LOAD_FIELDS = 4 };

struct load_requests {
    /* Leave alone. */
    struct sigv4_signer *signer;
    struct sha256 hash;
    struct random random;
    char host[80]; /* of the Host header */
    const char *table;
    size_t field_bytes;
    bool is_eventual;
    struct buffer body;
    struct buffer authorization;
    struct buffer pool;
};

struct load_identity {
    const char *access_key_id;
    const char *secret;
};

/* Borrows options' strings. ERR_NO_MEMORY. */
enum err load_requests_init(struct load_requests *r, const struct load_options *options,
                            const struct load_identity *identity) MUST_CHECK;
void load_requests_deinit(struct load_requests *r);
/* Replace what `to` holds with a whole request. wall_us: the date it is signed with.
 * ERR_LIMIT: `to` cannot hold it. ERR_NO_MEMORY. */
enum err load_request_write(struct load_requests *r, struct load_operation operation, uint64_t wall_us,
                            struct buffer *to) MUST_CHECK;

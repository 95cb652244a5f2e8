/* Signed requests, as bytes for a socket.
 *
 * An item is {k: "user000000000042" (S, the key), n: a number (N), f0..f3: text (S)}, random printable bytes
 * from a pool, so that compression gains little. One of a query's hundred is {k: as above, s: 0..99 (N, the sort
 * key), f0: text}. */
#pragma once

#include "api/sigv4/sign.h"
#include "base/buffer.h"
#include "base/random.h"
#include "tests/bench/load_options.h"
#include "tests/bench/load_workload.h"

enum { LOAD_REQUEST_BYTES_MAX = 16 * 1024 * 1024, LOAD_CURSOR_BYTES_MAX = 8192, LOAD_FIELDS = 4 };

struct load_requests {
    /* Leave alone. */
    struct sigv4_signer *signer;
    struct sha256 hash;
    struct random random;
    char host[80]; /* of the Host header */
    const char *table;
    uint64_t keys;
    size_t field_bytes;  /* of an item with four texts */
    size_t sorted_bytes; /* of the one text of an item with a sort key */
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
/* Replace what `to` holds with a whole request.
 * cursor   a scan's: the key, as JSON, to go on behind; empty: from the beginning
 * wall_us  the date it is signed with
 * ERR_LIMIT: `to` cannot hold it. ERR_NO_MEMORY. */
enum err load_request_write(struct load_requests *r, const struct load_operation *operation,
                            struct slice cursor, uint64_t wall_us, struct buffer *to) MUST_CHECK;

/* SHA-256 and HMAC-SHA256 at the pace of the item path: the digest is fetched once per process and a hashing
 * context is used again and again, as OpenSSL's one-shot calls cost up to four times the hashing itself. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

enum { SHA256_BYTES = 32, SHA256_HEX_CHARS = 64 };

/* A running hash. Use again after sha256_final; one thread at a time. */
struct sha256 {
    /* Leave alone. */
    struct evp_md_ctx_st *context;
};

/* ERR_NO_MEMORY. */
enum err sha256_init(struct sha256 *h) MUST_CHECK;
/* Copes with a zeroed struct. */
void sha256_deinit(struct sha256 *h);
/* Forget what was hashed so far; also needed before a hash is abandoned half-way and begun anew. */
void sha256_reset(struct sha256 *h);
void sha256_update(struct sha256 *h, struct slice bytes);
/* The hash of everything since the last reset or final; begins a new one. */
void sha256_final(struct sha256 *h, uint8_t ret_hash[SHA256_BYTES]);

/* HMAC-SHA256, RFC 2104. `h` is used as scratch and must have nothing pending. */
void sha256_hmac(struct sha256 *h, struct slice key, struct slice text, uint8_t ret_mac[SHA256_BYTES]);

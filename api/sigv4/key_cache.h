/* Signing keys by scope, the least recently used goes first. Deriving one costs four HMACs and the unsealing of a
 * secret; most requests of a day use the same. */
#pragma once

#include "api/sigv4/sha256.h"
#include "base/error.h"
#include "base/slice.h"

struct key_cache;

/* NULL when there is no memory. */
struct key_cache *key_cache_create(size_t capacity);
/* Wipes the keys. */
void key_cache_destroy(struct key_cache *c);

/* name: keyid/date/region/service. NULL: not cached. Valid until the next put. */
const uint8_t *key_cache_get(struct key_cache *c, struct slice name);
/* Does nothing for names over 256 bytes, or when there is no memory: the next request derives it again. */
void key_cache_put(struct key_cache *c, struct slice name, const uint8_t key[SHA256_BYTES]);

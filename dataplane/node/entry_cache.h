/* The end of a group's log in memory: what is not applied yet, and what followers are likely to ask for.
 *
 * A body is the bytes that travelled (type byte and payload); the partition core and outgoing messages view
 * them here. Indexes are contiguous. One loop owns it. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

struct cached_entry {
    uint64_t term;
    struct slice body; /* owned by the cache */
};

struct entry_cache {
    /* Leave alone. */
    struct cached_entry *ring;
    uint64_t first_index; /* of the first entry; meaningless when empty */
    size_t count;
    size_t start; /* of the first in the ring */
    size_t capacity;
    size_t bytes; /* of all bodies */
};

void entry_cache_init(struct entry_cache *c);
void entry_cache_deinit(struct entry_cache *c);

/* Put entry `index` (the body is copied) behind the last one, or in the place of an older one with which all
 * behind it go. A gap empties the cache first.
 * ERR_NO_MEMORY  unchanged */
enum err entry_cache_put(struct entry_cache *c, uint64_t index, uint64_t term, struct slice body) MUST_CHECK;
/* NULL when not there; valid until the entry is replaced or dropped. */
const struct cached_entry *entry_cache_find(const struct entry_cache *c, uint64_t index);
/* Drop entries >= index. */
void entry_cache_truncate(struct entry_cache *c, uint64_t index);
/* Drop from the front what is <= `index` while more than `bytes_max` are held. */
void entry_cache_trim(struct entry_cache *c, uint64_t index, size_t bytes_max);

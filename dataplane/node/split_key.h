/* Where a partition is split: a key that leaves about half of its bytes on each side, found by walking its rows in order.
 *
 *     split_key_init -> split_key_add for each row, until it has seen enough -> split_key_chosen
 *
 * A place between two partition keys is taken if one leaves at least a quarter on either side, so that items of one partition key
 * stay together; else the place nearest to the middle. The key is as short as can be: so much of the row that comes after it
 * as tells it from the row before. Pure. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"

enum { SPLIT_KEY_BYTES_MAX = 1024 };

struct split_key {
    /* Leave alone. */
    uint64_t total_bytes;
    uint64_t seen_bytes;
    struct buffer previous; /* the last row's key */
    struct buffer nearest;  /* to the middle, ... */
    struct buffer between;  /* ... and of those between partition keys */
    uint64_t nearest_distance;
    uint64_t between_distance;
};

/* total_bytes: of all rows, as those will be given to split_key_add. */
void split_key_init(struct split_key *k, uint64_t total_bytes);
void split_key_deinit(struct split_key *k);
/* The next row. False: what comes after it changes nothing. */
bool split_key_add(struct split_key *k, struct slice key, uint64_t bytes);
/* Empty: there is no such place: one row, no memory, or keys that differ only behind SPLIT_KEY_BYTES_MAX. A view, until deinit. */
struct slice split_key_chosen(const struct split_key *k);

/* The middle of the hashes between two boundaries of ranges, for a partition that is to be split whatever is in it.
 * False: they lie in one hash. */
bool split_key_halfway(struct slice start, struct slice end, struct buffer *to) MUST_CHECK;

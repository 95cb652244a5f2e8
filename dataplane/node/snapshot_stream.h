/* A snapshot on its way: what both ends count and check alike. Pure.
 *
 *     BEGIN   who, of which entry, how many items        -> taken | busy | unwanted
 *     CHUNK   number, rows, checksum                     -> taken | damaged | ...    (a few under way at a time)
 *     END     totals over all chunks                     -> taken, and being installed
 *
 * Chunks have checksums of their own, made where the rows are read and checked where they are written: a connection's checksums end at the
 * connection. Whatever is not as it should be ends the snapshot; another one begins from the front.
 *
 * Bytes: docs/formats/snapshot.md. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    SNAPSHOT_FORMAT = 1,
    SNAPSHOT_CHUNK_BYTES = 256 * 1024,           /* a chunk ends with the row that crosses this */
    SNAPSHOT_CHUNK_BYTES_MAX = 16 * 1024 * 1024, /* no row is larger */
    SNAPSHOT_WINDOW = 4,                         /* chunks not yet acknowledged */
};

/* So far. */
struct snapshot_totals {
    uint32_t chunks;
    uint64_t rows;
    uint64_t bytes;    /* of payloads */
    uint32_t checksum; /* over all payloads in order */
};

struct snapshot_chunk {
    uint32_t number; /* from 0 */
    uint32_t row_count;
    uint32_t checksum;
    struct slice payload;
};

/* One more row behind those of a payload. */
void snapshot_row_append(struct buffer *payload, struct slice key, struct slice value);
uint32_t snapshot_checksum(struct slice payload);
void snapshot_totals_add(struct snapshot_totals *totals, const struct snapshot_chunk *chunk);
bool snapshot_totals_equal(const struct snapshot_totals *a, const struct snapshot_totals *b);

/* The chunk is the next one, and whole.
 * ERR_STALE    it is not the next one
 * ERR_CORRUPT  the checksum is wrong */
enum err snapshot_chunk_check(const struct snapshot_totals *so_far,
                              const struct snapshot_chunk *chunk) MUST_CHECK;
/* Each of its rows. Ends with the first error of `each`. ERR_CORRUPT: not exactly row_count rows. */
enum err snapshot_chunk_each(const struct snapshot_chunk *chunk,
                             enum err (*each)(void *data, struct slice key, struct slice value),
                             void *data) MUST_CHECK;

/* No more than so many bytes a second, however they come. */
struct snapshot_pace {
    uint64_t bytes_per_s;
    uint64_t free_us; /* when what was sent is paid for */
};
/* 0: go now; else wait until then. */
uint64_t snapshot_pace_wait(const struct snapshot_pace *pace, uint64_t now_us);
void snapshot_pace_spend(struct snapshot_pace *pace, uint64_t bytes, uint64_t now_us);

/* The ordered store of one loop: the current state of its replicas, in RocksDB.
 *
 * RocksDB's own log is off: the shared log (dataplane/log) is the only one. What is written becomes
 * durable by a flush, in the order of the writes, so that after a crash the store holds a prefix of them;
 * each batch carries the applied index of its group, which says where to go on from the log.
 *
 * Calls are of two kinds, and the comments say which:
 *   LOOP  never waits for the disk: reads of what is in memory, writes that refuse to be slowed down
 *   POOL  may block: a thread of the pool, or start-up
 * All calls may be made from any thread, except that batches and cursors have one user at a time.
 *
 * Rows: 'i' + item key, and 'm' + group id + name for what a group keeps beside its items.
 * Format: docs/formats/store.md. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

struct store;
struct store_batch;
struct store_snapshot;

struct store_options {
    const char *directory;           /* created when absent */
    uint64_t block_cache_bytes;      /* 0: 256 MiB */
    uint64_t write_buffer_bytes;     /* per write buffer; 0: 64 MiB */
    uint32_t write_buffers_max;      /* 0: 4 */
    uint64_t rate_limit_bytes_per_s; /* of flushes and compactions; 0: 64 MiB/s; UINT64_MAX: none */
    uint32_t background_threads;     /* 0: 2 */
    bool must_exist;                 /* ERR_NOT_FOUND instead of creating it */
};

/* ---- Life cycle (POOL) ---- */

/* ERR_CORRUPT, ERR_IO, ERR_NO_SPACE, ERR_NOT_FOUND, ERR_NO_MEMORY; ERR_INVALID: made by another version */
enum err store_open(struct store **ret_store, const struct store_options *options,
                    struct error *error) MUST_CHECK;
/* Flushes what it can. The process's last moments need no close: the log has what is missing. NULL does
 * nothing. */
void store_close(struct store *store);
/* Delete a closed store's files. */
enum err store_destroy_files(const char *directory, struct error *error) MUST_CHECK;

/* ---- Reading ---- */

enum store_lookup {
    STORE_HIT,
    STORE_MISS,       /* there is no such row */
    STORE_INCOMPLETE, /* not in memory: ask again in the pool with store_get */
};

/* A row's bytes, pinned where they are; release in any thread. */
struct store_value {
    struct slice bytes;
    /* Leave alone. */
    void *pin;
};
void store_value_release(struct store_value *value);

/* LOOP. Look an item up in write buffers and block cache only. ret_value is set on STORE_HIT.
 * ERR_CORRUPT, ERR_IO */
enum err store_get_cached(struct store *store, struct slice item_key, enum store_lookup *ret_lookup,
                          struct store_value *ret_value) MUST_CHECK;
/* POOL. snapshot may be NULL: the newest. ret_lookup: STORE_HIT or STORE_MISS. */
enum err store_get(struct store *store, const struct store_snapshot *snapshot, struct slice item_key,
                   enum store_lookup *ret_lookup, struct store_value *ret_value) MUST_CHECK;

/* LOOP. A view of this moment; holds old versions back from being dropped, so be quick. NULL: no memory. */
struct store_snapshot *store_snapshot_open(struct store *store);
void store_snapshot_close(struct store *store, struct store_snapshot *snapshot);

/* One slice of an ordered walk over items in [begin, end). */
struct store_scan {
    struct slice begin;
    struct slice end; /* exclusive; empty: no end */
    const struct store_snapshot *snapshot;
    size_t bytes_max;     /* of keys and values in this slice; 0: 64 KiB */
    uint64_t time_us_max; /* of this slice; 0: 1 ms */
    bool is_reverse;      /* from the largest key below `end` down to `begin` */
    bool is_cached_only;  /* LOOP: stop where the disk would be needed */
    bool keeps_blocks;    /* what is read from disk goes to the cache, which a long walk would only empty */
};
enum store_scan_end {
    STORE_SCAN_DONE,       /* the range is exhausted */
    STORE_SCAN_MORE,       /* budget spent; or `each` returned false */
    STORE_SCAN_INCOMPLETE, /* is_cached_only, and the next row is not in memory, or behind many deleted ones */
};
/* LOOP with is_cached_only, else POOL. Calls `each` for at least one row if there is one, unless INCOMPLETE.
 * ret_next: unless DONE, the key to go on with: `begin` of the next slice (or `end`, if is_reverse).
 * ERR_CORRUPT, ERR_IO, ERR_NO_MEMORY */
enum err store_scan_slice(struct store *store, const struct store_scan *scan,
                          bool (*each)(void *data, struct slice item_key, struct slice value), void *data,
                          enum store_scan_end *ret_end, struct buffer *ret_next) MUST_CHECK;

/* ---- Writing (LOOP) ---- */

struct store_batch *store_batch_create(void); /* NULL: no memory */
void store_batch_destroy(struct store_batch *batch);
void store_batch_clear(struct store_batch *batch);
size_t store_batch_bytes(const struct store_batch *batch);
void store_batch_put(struct store_batch *batch, struct slice item_key, struct slice value);
void store_batch_delete(struct store_batch *batch, struct slice item_key);
/* What a group keeps beside its items: membership, schema, request ids, marks... names: docs/formats/store.md
 */
void store_batch_put_meta(struct store_batch *batch, uint64_t group_id, struct slice name,
                          struct slice value);
void store_batch_delete_meta(struct store_batch *batch, uint64_t group_id, struct slice name);

/* The last log entry whose effects are here, and how many items they left and what these weigh. */
struct store_applied {
    uint64_t replica_id;
    uint64_t index;
    uint64_t term;
    uint64_t item_count;
    uint64_t item_bytes;
};
/* Every batch that applies log entries of a group says up to which one. */
void store_batch_set_applied(struct store_batch *batch, uint64_t group_id,
                             const struct store_applied *applied);

/* Write all of it or nothing; the batch stays the caller's, unchanged.
 * ERR_BUSY  the store cannot take writes without a pause now: nothing was written, try again shortly and
 *           push back on proposals
 * ERR_IO, ERR_NO_SPACE, ERR_CORRUPT  a background error: nothing was written; see store_health */
enum err store_write(struct store *store, const struct store_batch *batch) MUST_CHECK;
/* POOL. As store_write, but waits where that one refuses. For rebuilding from the log at start. */
enum err store_write_waiting(struct store *store, const struct store_batch *batch) MUST_CHECK;

/* ---- A group's rows beside its items ---- */

/* POOL (the row is usually in memory). ERR_NOT_FOUND: the group never applied anything here. */
enum err store_applied(struct store *store, uint64_t group_id, struct store_applied *ret_applied) MUST_CHECK;
/* POOL. As above, but what would be found after a power cut now: the log is needed only beyond this. */
enum err store_applied_durable(struct store *store, uint64_t group_id,
                               struct store_applied *ret_applied) MUST_CHECK;
/* POOL. The group's rows whose names begin with `prefix`, in their order; slices are valid during the call. Ends with the
 * first error of `each`. snapshot may be NULL: the newest.
 * ERR_CORRUPT, ERR_IO, ERR_NO_MEMORY */
enum err store_each_meta(struct store *store, const struct store_snapshot *snapshot, uint64_t group_id,
                         struct slice prefix,
                         enum err (*each)(void *data, struct slice name, struct slice value),
                         void *data) MUST_CHECK;
/* POOL. ERR_NOT_FOUND */
enum err store_get_meta(struct store *store, uint64_t group_id, struct slice name,
                        struct store_value *ret_value) MUST_CHECK;
/* POOL. Each group that has applied something, in order of group id; at start. */
enum err store_each_group(struct store *store,
                          void (*each)(void *data, uint64_t group_id, const struct store_applied *applied),
                          void *data) MUST_CHECK;

/* ---- Durability and upkeep (POOL) ---- */

/* Make all that was written before the call durable. Afterwards store_applied_durable of each group is at
 * least what store_applied was before: truncate the log up to there. */
enum err store_flush(struct store *store) MUST_CHECK;

/* Drop items in [begin, end) and, unless group_id is 0, all rows of that group, at once and with their
 * space. Not atomic with regard to a crash: do it again after one (the log says so). */
enum err store_drop(struct store *store, struct slice begin, struct slice end, uint64_t group_id) MUST_CHECK;

/* Another replica's rows in the place of a range: files are written beside the store and then taken over in one moment, in which
 * all that was in the range goes, with all rows of the group. A crash leaves the one or the other. All POOL, one user at a
 * time. */
struct store_import;
struct store_import_options {
    const char *
        directory; /* on the store's file system, for these files alone: what an earlier one left there is removed */
    uint64_t group_id;
    struct slice begin, end; /* as in store_drop */
    uint64_t file_bytes_max; /* 0: 1 GiB */
};
/* ERR_IO, ERR_NO_SPACE, ERR_NO_MEMORY, ERR_LIMIT */
enum err store_import_create(struct store *store, const struct store_import_options *options,
                             struct store_import **ret_import) MUST_CHECK;
/* Removes what files are left. NULL does nothing. */
void store_import_destroy(struct store_import *import);
/* What one that was interrupted by a crash has left, and the directory. */
void store_import_remove_files(const char *directory);
/* Keys ascending, in the range. ERR_CORRUPT: they are not. ERR_IO, ERR_NO_SPACE, ERR_NO_MEMORY, ERR_LIMIT */
enum err store_import_put(struct store_import *import, struct slice item_key, struct slice value) MUST_CHECK;
/* After the last item, the group's rows in the order of their names. Errors as above. */
enum err store_import_put_meta(struct store_import *import, struct slice name, struct slice value) MUST_CHECK;
enum err store_import_put_applied(struct store_import *import,
                                  const struct store_applied *applied) MUST_CHECK;
/* All rows are there, and durable. */
enum err store_import_finish(struct store_import *import) MUST_CHECK;
/* They take their place, durably. Nobody may write the range or the group's rows meanwhile; snapshots that are open see what was. */
enum err store_import_ingest(struct store_import *import) MUST_CHECK;

/* A consistent copy in a new directory, by hard links; flushes first. ERR_EXISTS */
enum err store_checkpoint(struct store *store, const char *directory, struct error *error) MUST_CHECK;

/* ---- Watching ---- */

struct store_health {
    bool has_background_error;       /* hand over, close, open again; else rebuild under new replica ids */
    bool is_write_stopped;           /* store_write answers ERR_BUSY */
    uint64_t memory_unflushed_bytes; /* in write buffers: what a flush would write */
    uint64_t disk_bytes;
    uint64_t cache_bytes;
};
/* LOOP. */
struct store_health store_health(struct store *store);

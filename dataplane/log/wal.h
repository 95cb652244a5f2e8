/* The node's write-ahead log: one for all its replication groups, shared by all its loops.
 *
 *     loop: wal_append ... wal_append --(end of turn)--> queue --> log thread: write, fdatasync --+
 *        ^                                                                                      |
 *        +---------------- callbacks, in the order of the appends <----- wake <--------------- +
 *
 * Group commit: the log thread takes all that was queued while its last fdatasync ran, writes it with one
 * call and syncs once. A second thread prepares the next segment file (zero-filled, or recycled and
 * renamed) before it is needed, so that no append waits for the file system's journal.
 *
 * What is durable is reported, in order, per append. After a failed write or sync the log has FAILED:
 * that append and all later ones get ERR_IO, and nothing is ever acknowledged from that file again; hand
 * over leadership, close, and open again (recovery copies what it could read but not prove synced into a
 * new file). A full disk is met when the next segment is prepared: appends get ERR_NO_SPACE before a byte
 * of theirs is written, and succeed again when there is room.
 *
 * Records and damage: dataplane/log/segment.h. Files: docs/formats/wal.md.
 *
 * Threads: wal_open and wal_close block; call them before the loops run and after they end (or in the pool).
 * A port and its groups belong to one loop. */
#pragma once

#include <uv.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/metrics.h"
#include "dataplane/log/segment.h"

struct wal;
struct wal_port;
struct wal_group;

/* Of the log thread, which alone writes them. */
struct wal_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "dataplane/log/wal_metrics.def"
#undef METRIC
};

extern const struct metric_table wal_metric_table;

struct wal_options {
    const char *directory;         /* created when absent */
    uint32_t segment_bytes;        /* multiple of 4096, >= 64 KiB; 0: 64 MiB */
    uint32_t segments_max;         /* files in use; appends get ERR_NO_SPACE beyond; 0: 64 */
    uint32_t queue_bytes_max;      /* per port, not yet on disk; appends get ERR_BUSY beyond; 0: 32 MiB */
    uint32_t batch_bytes_max;      /* written and synced at once; 0: a quarter of a segment, at most 4 MiB */
    uint32_t index_entries_max;    /* entries that can be read back, over all groups, 8 bytes each; 0: 16 M */
    uint32_t sync_interval_us;     /* least time between two syncs under load, to gather writers; 0: none */
    struct wal_metrics *metrics;   /* outlives the log; NULL: nobody looks */
    uint32_t synced_mark_delay_us; /* idle time after which the log marks its end as synced; 0: 100 ms */
};

/* What recovery found to be lost. Replicas that are concerned are quarantined (wal_replica.is_damaged). */
struct wal_damage {
    uint64_t generation;
    struct segment_damage where; /* begin == end == 0: the whole segment is missing */
};

/* What recovery says while it reads, in the log's order. Every member is optional. */
struct wal_recovery {
    /* Each record of each group, once. The body is valid during the call. Anything but ERR_OK ends wal_open
     * with that error. */
    enum err (*on_record)(void *data, const struct segment_record *record);
    void (*on_damage)(void *data, const struct wal_damage *damage);
    void *data;
};

/* A replica as the log knows it. */
struct wal_replica {
    uint64_t group_id;
    uint64_t replica_id;
    uint64_t first_index; /* of the entries present; last_index + 1 when there are none */
    uint64_t last_index;
    uint64_t first_previous_term; /* term of entry first_index - 1 */
    uint64_t hard_state_term;
    struct slice hard_state; /* body of the last HARD_STATE; valid until the next append of one */
    bool is_damaged;         /* records of it may be lost: come back only under a new replica id */
    bool is_installing;      /* SNAPSHOT_INSTALLING without INSTALLED; index, term and body below */
    uint64_t snapshot_index;
    uint64_t snapshot_term;
    struct slice snapshot;
};

/* ---- Life cycle ---- */

/* Recover what is in the directory, start the threads. Blocking: reads every segment in use.
 *
 * When it returns, all that was streamed is durable.
 *
 * ERR_IO        a system call failed (also: reading), or another process has it open
 * ERR_NO_SPACE  there is no room for one new segment
 * ERR_CORRUPT   never for damaged records (see on_damage), only for a directory that is not a log's
 * ERR_NO_MEMORY, ERR_CONFIG (an option out of bounds), what on_record returned */
enum err wal_open(struct wal **ret_wal, const struct wal_options *options,
                  const struct wal_recovery *recovery, struct error *error) MUST_CHECK;
/* Sync what is queued, stop the threads, free. All ports must be closed. NULL does nothing. */
void wal_close(struct wal *wal);

/* A write or sync has failed; see above. From any thread. */
bool wal_has_failed(const struct wal *wal);

/* Replicas that recovery found and no port has opened yet. */
void wal_recovered_each(struct wal *wal, void (*each)(void *data, const struct wal_replica *replica),
                        void *data);
/* A tombstone exists: this replica was removed here and must never act again. From any thread. */
bool wal_is_removed(struct wal *wal, uint64_t group_id, uint64_t replica_id);

/* ---- A loop's end of the log ---- */

enum err wal_port_open(struct wal_port **ret_port, struct wal *wal, uv_loop_t *loop) MUST_CHECK;
/* Asynchronous: outstanding appends are reported first, groups closed; then `closed` runs, may be NULL. */
void wal_port_close(struct wal_port *port, void (*closed)(void *data), void *data);

/* ---- Groups ---- */

/* Begin a replica: appends its CREATED record (durable no later than whatever is appended next).
 * A group has one replica here at a time.
 * ERR_EXISTS  the group has a replica in the log; remove that first
 * ERR_STALE   that replica id was removed here
 * ERR_NO_MEMORY, ERR_BUSY and the errors of wal_append */
enum err wal_group_create(struct wal_group **ret_group, struct wal_port *port, uint64_t group_id,
                          uint64_t replica_id) MUST_CHECK;
/* Take over a recovered replica. ERR_NOT_FOUND: none is there or it was opened already. */
enum err wal_group_open(struct wal_group **ret_group, struct wal_port *port, uint64_t group_id) MUST_CHECK;
/* The durable state. The view is valid until control returns to the loop. */
struct wal_replica wal_group_replica(const struct wal_group *group);

/* err: ERR_OK, durable; ERR_IO, the log has failed: may or may not come back on recovery;
 * ERR_NO_SPACE: not written. After an error every append of this port that was made before the callback
 * fails as well, so there is never a gap. */
typedef void (*wal_append_cb)(void *cookie, enum err err);

/* Append records of this group, all in one batch; group_id and replica_id are filled in here. Bodies are
 * copied. `done` (may be NULL) runs on the loop after they are durable, never inside this call. Types:
 *   ENTRY              index: last + 1, or below it (replaces all from there on)
 *   TRUNCATE_SUFFIX, HARD_STATE, SNAPSHOT_INSTALLING, SNAPSHOT_INSTALLED
 *   LOG_START          see wal_group_truncate_prefix
 * GROUP_REMOVED: use wal_group_remove.
 *
 * ERR_BUSY   queue_bytes_max is reached
 * ERR_LIMIT  the records exceed batch_bytes_max, or index_entries_max is reached: truncate first
 * ERR_IO     the log has failed
 * ERR_NO_MEMORY, ERR_CLOSED (the port is closing). Nothing was queued then. */
enum err wal_append(struct wal_group *group, const struct segment_record *records, size_t count,
                    wal_append_cb done, void *cookie) MUST_CHECK;

/* Entries below first_index are not needed any more (they are in a durable store, and no follower needs
 * them from here). previous_term: of entry first_index - 1. Beyond last_index the log is emptied and goes
 * on at first_index. Segments that no group needs are recycled. Errors as wal_append. */
enum err wal_group_truncate_prefix(struct wal_group *group, uint64_t first_index,
                                   uint64_t previous_term) MUST_CHECK;

/* Where the entries of segment `generation` and later ones begin; last_index + 1 when there are none. What lies
 * before may be truncated by whoever wants to keep a certain amount of log, not a certain number of entries. */
uint64_t wal_group_index_from(const struct wal_group *group, uint64_t generation);

/* Remove the replica: a durable tombstone, then its log is dropped. Frees the group, unless it fails. */
enum err wal_group_remove(struct wal_group *group, wal_append_cb done, void *cookie) MUST_CHECK;

/* ---- Reading back ---- */

struct wal_read;
/* entries: for each, its record in order (views into the request, valid during the call). Fewer than asked
 * when bytes_max is reached, never none with ERR_OK.
 * ERR_CORRUPT  what is on disk is not what was written: quarantine the replica
 * ERR_NOT_FOUND  an entry is not (any more) in the log; ERR_IO, ERR_NO_MEMORY */
typedef void (*wal_read_cb)(void *cookie, enum err err, const struct segment_record *entries, size_t count);

/* Read entries [first, last] from disk in the thread pool, for a follower that is behind what the caller
 * still has in memory. At least one entry is returned however large, else at most bytes_max of bodies.
 * ERR_NOT_FOUND  not all of them are durable and in the log; ERR_NO_MEMORY. `done` does not run then. */
enum err wal_group_read(struct wal_group *group, uint64_t first, uint64_t last, size_t bytes_max,
                        wal_read_cb done, void *cookie) MUST_CHECK;

/* ---- Watching ---- */

struct wal_figures {
    uint64_t appends, records, bytes, batches; /* since open, durable */
    uint64_t sync_us_sum, sync_us_max;         /* time in write + fdatasync per batch */
    uint64_t segments_in_use, segments_spare;
    uint64_t current_generation, oldest_generation;
    uint64_t index_entries;
    uint64_t last_sync_boot_us; /* when the last batch completed: proof of progress for heartbeats */
};
/* From any thread. */
struct wal_figures wal_figures(struct wal *wal);

/* Groups of this port whose entries keep the oldest segment from being recycled: flush their store and
 * truncate them. Returns how many were written to `group_ids`. */
size_t wal_port_oldest_groups(struct wal_port *port, uint64_t *group_ids, size_t count_max);

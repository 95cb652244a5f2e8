/* What the files of the log share. Reading order: wal_internal.h, wal_group.c (state of a replica),
 * wal_files.c (the directory), wal_recover.c, wal_thread.c (writing), wal_prepare.c (the next file),
 * wal_port.c (the loop's end), wal_read.c, wal.c.
 *
 * Locks: wal->mutex guards everything below "Shared" in struct wal and the lists of a port below its own
 * "Shared". A group's state belongs to its port's loop, or to the mutex while no port has it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "base/wake.h"
#include "dataplane/log/wal.h"

enum {
    WAL_GROUP_BUCKETS = 4096,
    WAL_SPARES_MAX = 2,
    WAL_IOV_MAX = 256,
};

/* Generations fit 32 bits in memory: 2^32 segments are never written. */
struct wal_location {
    uint32_t generation;
    uint32_t offset;
};

struct wal_bytes {
    uint8_t *data;
    size_t length;
    size_t capacity;
};

/* Which segment holds the newest record of each kind that must outlive its segment. */
enum wal_meta { WAL_META_START, WAL_META_HARD_STATE, WAL_META_SNAPSHOT, WAL_META_COUNT };

struct wal_group {
    struct wal *wal;
    struct wal_port *port; /* NULL: recovered, opened by nobody yet */
    struct wal_group *hash_next;
    struct wal_group *port_next, *port_previous;
    uint64_t group_id, replica_id;
    /* Durable state: the records up to the last one reported. */
    /* During recovery, where older segments are gone: has any record told where the log stands; and where it
     * starts according to the last LOG_START and its like, 0: nothing has said so yet. */
    bool has_position;
    uint64_t declared_start, declared_term;
    uint64_t first_index, last_index, first_previous_term;
    uint64_t hard_state_term;
    struct wal_bytes hard_state;
    bool is_damaged, is_installing, is_removing;
    uint64_t snapshot_index, snapshot_term;
    struct wal_bytes snapshot;
    uint32_t meta_generation[WAL_META_COUNT]; /* 0: none */
    struct wal_location *locations;           /* of first_index at locations_begin, and so on */
    size_t locations_begin, locations_capacity;
    /* As it will be when all that is queued is durable. */
    uint64_t queued_first_index, queued_last_index;
    uint32_t queued_meta_count; /* records other than entries: while > 0, nothing is carried forward */
    uint32_t queued_count;
    struct wal_tombstone *tombstone; /* allocated when the removal is queued */
};

struct wal_tombstone {
    struct wal_tombstone *next;
    uint64_t group_id, replica_id;
    uint32_t generation; /* of the record that says so */
};

/* A segment in use. */
struct wal_file {
    uint64_t generation;
    uint32_t bytes;
    uint32_t readers;
    int fd;
};

/* One append call in a batch. */
struct wal_pending {
    struct wal_group *group;
    size_t end; /* of its records in the batch's bytes */
    wal_append_cb done;
    void *cookie;
};

/* What a port hands over: records laid out as on disk, written in one go, reported in one go. */
struct wal_batch {
    struct wal_batch *next;
    struct wal_port *port;
    struct buffer bytes;
    struct wal_pending *appends;
    size_t append_count, append_capacity;
    uint32_t record_count;
    uint64_t epoch;
    bool is_upkeep; /* only records that help to free space: may use the reserve at a segment's end */
    enum err err;
    struct wal_location at;
};

struct wal_batch_list {
    struct wal_batch *first, *last;
};

struct wal_port {
    struct wal *wal;
    uv_loop_t *loop;
    struct wake wake;
    uv_check_t check;
    uv_prepare_t prepare;
    unsigned handles_open;
    struct wal_group *groups;
    struct wal_batch *filling; /* not handed over yet */
    struct wal_batch *idle;    /* kept for reuse */
    size_t queued_bytes;       /* handed over or filling, not reported yet */
    uint64_t epoch;            /* goes up when a refusal was reported: later appends count again */
    uint64_t outstanding;      /* batches handed over and reads, not reported yet */
    uint64_t outstanding_batches;
    uint32_t reported_generation; /* of the last batch reported: outstanding ones lie no earlier */
    bool is_closing, is_closing_handles;
    bool is_needs_stale; /* some group's needs have changed */
    void (*closed)(void *data);
    void *closed_data;
    /* Shared. */
    struct wal_port *next;
    struct wal_batch_list done;
    uint64_t refused_epoch; /* batches of this epoch and before are refused with refused_err */
    enum err refused_err;
    uint32_t needed_generation; /* oldest that this port's groups need */
    bool must_compute_needs;
};

enum wal_next_state { WAL_NEXT_WANTED, WAL_NEXT_READY, WAL_NEXT_REFUSED };

struct wal {
    struct wal_options options;
    struct wal_metrics own_metrics;
    uint32_t upkeep_reserve_bytes;
    int directory_fd;
    pthread_t log_thread, prepare_thread;
    bool has_log_thread, has_prepare_thread;
    atomic_bool has_failed;
    atomic_uint_fast64_t index_entries;
    /* The log thread's own. */
    struct wal_file *current;
    uint32_t offset;        /* next byte to write */
    uint32_t synced_offset; /* of the current segment */
    bool is_marked;         /* a SYNCED record is the last thing written */
    uint64_t last_batch_us;
    uint64_t sync_began_us, sync_gap_us; /* the last write, and how long after the one before */
    uint64_t oldest_recorded;            /* in the last SYNCED or START */
    /* Shared. */
    pthread_mutex_t mutex;
    pthread_cond_t work;     /* to the log thread */
    pthread_cond_t prepared; /* to the log thread, from the preparing one */
    pthread_cond_t prepare;  /* to the preparing thread */
    bool is_pacing;          /* the log thread sleeps and will look into the queue by itself */
    bool must_stop, must_stop_preparing;
    struct wal_batch_list queue;
    struct wal_port *ports;
    struct wal_group *groups[WAL_GROUP_BUCKETS];
    struct wal_tombstone *tombstones[WAL_GROUP_BUCKETS];
    struct wal_file **files; /* in use, by generation */
    size_t file_count, file_capacity;
    uint64_t next_generation;
    enum wal_next_state next_state;
    enum err next_err;
    struct wal_file *next;
    uint64_t recyclable_below; /* segments of lower generations may go */
    uint32_t spare_count;
    uint64_t spare_numbers[WAL_SPARES_MAX];
    bool must_consider_recycling;
    struct wal_figures figures;
};

/* ---- wal_group.c ---- */
struct wal_group *wal_group_find(struct wal *wal, uint64_t group_id);
struct wal_group *wal_group_add(struct wal *wal, uint64_t group_id, uint64_t replica_id);
void wal_group_forget(struct wal_group *group); /* out of the table, freed */
struct wal_tombstone *wal_tombstone_find(struct wal *wal, uint64_t group_id, uint64_t replica_id);
void wal_tombstone_add(struct wal *wal, struct wal_tombstone *tombstone);
/* Memory for what a record will need when it is applied. ERR_NO_MEMORY */
enum err wal_group_reserve(struct wal_group *group, uint64_t last_index,
                           const struct segment_record *record) MUST_CHECK;
/* Recovery, before apply: adopt the log's place from the record as far as only older segments told it. */
void wal_group_take_position(struct wal_group *group, const struct segment_record *record);
/* An entry leaves no gap behind it and does not lie before the log's start. */
bool wal_group_follows(const struct wal_group *group, const struct segment_record *record);
/* Take a durable record that follows into the state; wal_group_reserve was called. */
void wal_group_apply(struct wal_group *group, const struct segment_record *record, struct wal_location at);
struct wal_location wal_group_location(const struct wal_group *group, uint64_t index);
/* The oldest segment needed for its entries, UINT32_MAX: none. */
uint32_t wal_group_entries_generation(const struct wal_group *group);
uint32_t wal_group_meta_generation(const struct wal_group *group);
enum err wal_bytes_reserve(struct wal_bytes *bytes, size_t length) MUST_CHECK;

/* ---- wal_files.c ---- */
enum err wal_directory_open(struct wal *wal, struct error *error) MUST_CHECK;
struct wal_listing {
    uint64_t *segments; /* generations, ascending */
    size_t segment_count;
    uint64_t *spares;
    size_t spare_count;
};
enum err wal_directory_list(struct wal *wal, struct wal_listing *ret_listing) MUST_CHECK;
void wal_listing_deinit(struct wal_listing *listing);
enum err wal_file_open(struct wal *wal, uint64_t generation, struct wal_file **ret_file) MUST_CHECK;
/* A zero-filled or recycled file under its final name, durable. ERR_NO_SPACE, ERR_IO, ERR_NO_MEMORY */
enum err wal_file_make(struct wal *wal, uint64_t generation, uint32_t bytes,
                       struct wal_file **ret_file) MUST_CHECK;
/* Keep it as a spare, or delete it. Failure does no harm: the next open finds it unused. */
enum err wal_file_retire(struct wal *wal, uint64_t generation);
void wal_file_close(struct wal_file *file);
enum err wal_file_append(struct wal_file *file, struct iovec *iov, int count, uint32_t offset) MUST_CHECK;
enum err wal_file_sync(struct wal_file *file) MUST_CHECK;
enum err wal_file_read(const struct wal_file *file, uint8_t *to, size_t bytes, uint32_t offset) MUST_CHECK;
enum err wal_files_add(struct wal *wal, struct wal_file *file) MUST_CHECK;
struct wal_file *wal_files_find(struct wal *wal, uint64_t generation);

/* ---- wal_recover.c ---- */
enum err wal_recover(struct wal *wal, const struct wal_recovery *recovery, struct error *error) MUST_CHECK;

/* ---- wal_thread.c, wal_prepare.c ---- */
void *wal_log_thread(void *wal);
void *wal_prepare_thread(void *wal);
uint32_t wal_needed_generation(struct wal *wal); /* mutex held */
void wal_batch_list_push(struct wal_batch_list *list, struct wal_batch *batch);

/* ---- wal_port.c ---- */
/* A read begins (1) or was reported (-1); may finish the closing of the port. */
void wal_port_outstanding_add(struct wal_port *port, int change);
enum err wal_port_append(struct wal_port *port, struct wal_group *group, const struct segment_record *records,
                         size_t count, bool is_upkeep, wal_append_cb done, void *cookie) MUST_CHECK;
/* ---- wal_needs.c ---- */
/* Recompute what this port's groups need, carry forward what stands in the way, tell the log thread. */
void wal_port_compute_needs(struct wal_port *port);

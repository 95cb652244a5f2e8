/* The storage node: replicas of many groups on one or several loops, one shared log, a store per loop, and the talk with
 * peers, routers, MemDS and control. See README.md beside this file for threads and invariants. */
#pragma once

#include "base/loop.h"
#include "base/mailbox.h"
#include "base/metrics.h"

struct node;

enum { NODE_LOOPS_MAX = 64 };

struct node_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "dataplane/node/node_metrics.def"
#undef METRIC
};
extern const struct metric_table node_metric_table;

/* Strings are borrowed for the node's life. */
struct node_options {
    const char *name;
    const char *zone;
    const char *host; /* numeric: listened on and told to others */
    uint16_t port;    /* of the first loop; the others' follow */
    uint32_t
        loops; /* of a new data directory, at most NODE_LOOPS_MAX; an old one keeps its number. 0: one for each CPU */
    struct mailbox *mailbox; /* into the loop of node_create; outlives the node's life there */
    uint64_t cluster_id;
    const char *data_dir;
    const char *control; /* "host:port,..." */
    const char *memds;
    uint64_t lease_us;
    uint64_t heartbeat_us;
    uint64_t flush_interval_us;
    uint64_t log_retention_bytes;  /* log kept for followers that were away */
    uint64_t snapshot_bytes_per_s; /* to other nodes, of all loops together */
    uint64_t log_segment_bytes;
    uint64_t log_sync_interval_us;
    uint64_t split_bytes;          /* of a partition's items, from which on its leader wants it split */
    bool has_heat_splits;          /* ... and when it is hot */
    uint64_t partition_read_units; /* caps, per second, unless a goal says otherwise; 0: none */
    uint64_t partition_write_units;
    uint64_t block_cache_bytes; /* of all loops together, as the next */
    uint64_t write_buffer_bytes;
    void (*on_ready)(void *data);   /* serving */
    void (*on_failed)(void *data);  /* going on is not safe: end the process */
    void (*on_restart)(void *data); /* control's order: drain, stop, start again; perhaps more than once */
    void *data;
};

/* Recovers from data_dir (blocking) and begins to act on the loop, and on loops of its own.
 * ERR_CONFIG, ERR_IO, ERR_NO_SPACE, ERR_CORRUPT, ERR_NO_MEMORY, with words. */
enum err node_create(struct loop *loop, struct metrics *metrics, const struct node_options *options,
                     struct node **ret_node, struct error *error) MUST_CHECK;
/* Hand leaderships over; `drained` runs when none is left or nobody takes them within a second. */
void node_drain(struct node *n, void (*drained)(void *data), void *data);
/* Asynchronous: all handles close and the other loops' threads end, so that the loop ends. */
void node_close(struct node *n);
/* After the loop has ended: close log and stores, free; not when some thread of it has not ended, for then the process
 * must. NULL does nothing. */
void node_destroy(struct node *n);
/* For the admin port, on its thread: one line per replica of all loops. ERR_BUSY, ERR_TIMEOUT: a loop did not answer within
 * timeout_us; ERR_NO_MEMORY. */
enum err node_show(struct node *n, uint64_t timeout_us, struct buffer *to) MUST_CHECK;

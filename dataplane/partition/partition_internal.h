/* Shared by partition.c (applied state) and partition_evaluate.c (the leader's decisions). */
#pragma once

#include "base/hash.h"
#include "dataplane/partition/partition.h"

/* A proposed write: newest first for its key, and known by its request id. */
struct pending_write {
    uint64_t index;
    struct write_entry entry;  /* views into the proposer's payload */
    UT_hash_handle hh;         /* in by_request, all of them, in log order */
    UT_hash_handle key_handle; /* in by_key, when it is its key's newest */
    bool is_newest;
};

struct partition {
    uint64_t applied_index;
    uint64_t replayed_index;    /* request ids are complete up to here; below applied only during recovery */
    uint64_t commit_time_us;    /* highest in the applied log */
    uint64_t id_clock_us;       /* highest in the applied log */
    struct partition_size size; /* after applied_index */
    uint64_t schema_version;
    struct buffer schema;
    uint64_t split_index; /* 0: it is not split */
    struct buffer split;  /* the entry's payload */
    struct request_ids *ids;

    /* The leader's. */
    uint64_t proposed_commit_time_us; /* highest given out */
    uint64_t lead_id_clock_us;        /* the clock's reading when this term began, ... */
    uint64_t lead_boot_us;            /* ... and the boot clock's */
    struct pending_write *by_request;
    struct pending_write *by_key;
    struct buffer watched_key; /* of a split to come; empty: none */
    int64_t watched_count;     /* what entries have added below it since the watch began */
    int64_t watched_bytes;
};

/* The key's newest pending write, or NULL. */
const struct pending_write *pending_find(const struct partition *p, struct slice key);

/* ---- partition_split.c ---- */

enum { SPLIT_BYTES_MAX = 64 * 1024 }; /* of an entry: a key and some numbers */

/* A write was applied: count it if it lies below the watched key. */
void watch_apply(struct partition *p, const struct write_entry *entry);
enum err apply_split(struct partition *p, uint64_t index, struct slice payload,
                     struct partition_effect *ret_effect) MUST_CHECK;

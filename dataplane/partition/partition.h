/* One group's state machine, pure: how a leader decides about a write, and how every replica applies one.
 *
 * The leader evaluates a request against the applied row plus the key's pending writes (proposed, not yet
 * applied), so that the log holds outcomes and writes to one key need not wait for each other:
 *
 *     request -> partition_evaluate -> PROPOSE: entry bytes -> group_step(propose) ->
 * partition_proposed(index)
 *                                   -> REFUSE:  answer, once `after_index` is applied
 *                                   -> REPEAT:  answer of the first attempt, once `after_index` is applied
 *                                   -> ELSEWHERE: too much work here; again with its outcome (write_outcome.h)
 *     committed entry -> partition_apply -> what to change in the store; the shell answers who waited for it
 *
 * Rules
 * - Every answer that rests on a pending write, a refusal included, waits until that write is applied
 *   (`after_index`). If the term is lost first, a proposed write's outcome is UNKNOWN, a refusal's
 *   NOT_APPLIED, and the overlay of pending writes is dropped: `partition_drop_pending`.
 * - An outcome that was computed beforehand counts only for the version of the row that it was computed from.
 * - A leader evaluates only after its term's no-op is applied (the caller asks group_* for that).
 * - Applied state is a function of the log alone: rows, their number and size, request ids, schema, clocks, split. Replicas
 *   are equal at equal applied index.
 * - Behind a split nothing changes: the group is closed, its children go on from a copy of its state there.
 *
 * No clock, no I/O: rows come from the shell, times are numbers. Not thread-safe. */
#pragma once

#include "base/arena.h"
#include "dataplane/partition/request_ids.h"
#include "dataplane/partition/write_outcome.h"

struct partition;

/* The row as applied in the store; ignored by evaluate where the key has a pending write. */
struct partition_row {
    bool exists;
    struct slice envelope;
};

/* How many rows there are, and what they weigh together: the sum of item_size_bytes. */
struct partition_size {
    uint64_t item_count;
    uint64_t item_bytes;
};

struct partition_times {
    uint64_t wall_us; /* for commit times */
    uint64_t boot_us; /* for the request ids' clock; never earlier than before */
};

enum write_verdict {
    WRITE_VERDICT_PROPOSE,
    WRITE_VERDICT_REFUSE,
    WRITE_VERDICT_REPEAT,
    WRITE_VERDICT_ELSEWHERE,
};

enum write_status { WRITE_STATUS_OK, WRITE_STATUS_CONDITION_FAILED, WRITE_STATUS_INVALID };

struct write_answer {
    enum write_status status;
    bool has_attributes;
    struct slice attributes; /* item bytes, in the arena given to evaluate */
    uint32_t write_units_milli;
    uint64_t after_index;   /* the answer may leave once this entry is applied; 0 = at once */
    const char *error_text; /* words for WRITE_STATUS_INVALID, in the arena; else NULL */
    /* Of ELSEWHERE only: what to compute with; the attributes are the row's image, a view to be copied at once. */
    struct row_version version;
};

/* What the shell writes to the store in the batch that carries the new applied index. */
struct partition_effect {
    enum partition_effect_kind {
        PARTITION_EFFECT_NONE,
        PARTITION_EFFECT_PUT,
        PARTITION_EFFECT_DELETE,
        PARTITION_EFFECT_SCHEMA,
        PARTITION_EFFECT_SPLIT, /* partition_split and partition_encode_child say what comes of it */
    } kind;
    struct slice key;        /* PUT, DELETE */
    struct slice envelope;   /* PUT */
    struct slice request_id; /* of a write: whom to answer */
};

/* Entry kinds that carry a payload for us; the replication core's own kinds are applied as NONE. */
enum partition_entry_kind {
    PARTITION_ENTRY_NONE,
    PARTITION_ENTRY_WRITE,
    PARTITION_ENTRY_SCHEMA,
    PARTITION_ENTRY_SPLIT,
};

/* Empty state at applied index `applied_index` (the group's first index). NULL without memory. */
struct partition *partition_create(uint64_t applied_index);
void partition_destroy(struct partition *p);

/* ---- any replica ---- */

/* Apply the entry at `index`.
 *
 * index <= applied: the store has it already (recovery replays from the last checkpoint); only request ids
 *   and clocks are taken up, the effect is NONE.
 * index == applied + 1: ordinary. A gap is our mistake (asserted).
 * payload  views in the effect point into it.
 *
 * ERR_CORRUPT    the payload does not decode, takes away what is not there, or comes after a split; nothing has changed:
 *                quarantine the replica.
 * ERR_NO_MEMORY  nothing has changed: apply again later. */
enum err partition_apply(struct partition *p, uint64_t index, enum partition_entry_kind kind,
                         struct slice payload, struct partition_effect *ret_effect) MUST_CHECK;

uint64_t partition_applied_index(const struct partition *p);
struct partition_size partition_size(const struct partition *p);
uint64_t partition_schema_version(const struct partition *p);
/* Encoded key schema, empty before the first SCHEMA entry; valid until the next one is applied. */
struct slice partition_schema(const struct partition *p);
/* To look ids up, and for the shell to save them in the batch that carries the new applied index; entries change
 * them through partition_apply alone. */
struct request_ids *partition_request_ids(const struct partition *p);

/* All but the rows, for another replica. */
void partition_checkpoint_encode(const struct partition *p, struct buffer *to);
/* For this replica's own restart, stored beside a flush: without the request ids, all of which must be saved. */
void partition_checkpoint_encode_own(const struct partition *p, struct buffer *to);
/* Into a partition fresh from create; `applied_index` of the checkpoint becomes ours.
 * ERR_CORRUPT, ERR_NO_MEMORY  destroy it. */
enum err partition_checkpoint_decode(struct partition *p, struct slice bytes) MUST_CHECK;
/* After a restart the store may have applied more than the checkpoint covers, and says what size that left: entries up
 * to `applied_index` are then replayed for their request ids only. An index below the checkpoint's changes nothing. */
void partition_set_stored(struct partition *p, uint64_t applied_index, struct partition_size size);

/* ---- a split (docs/decisions/0014) ---- */

enum partition_side { PARTITION_LEFT, PARTITION_RIGHT };

/* Whether the group was split. Its applied state is then that at the split's index, but for applied_index. */
bool partition_is_split(const struct partition *p);
/* The entry, as applied: views that live as long as `p`. False: not split. */
bool partition_split(const struct partition *p, uint64_t *ret_index, struct split_entry *ret_entry);
struct partition_size partition_child_size(const struct partition *p, enum partition_side side);
/* A child's first checkpoint: clocks, schema and request ids of the parent, the size of its side; its log goes on
 * behind the split's index. The partition is split. */
void partition_encode_child(const struct partition *p, enum partition_side side, struct buffer *to);

/* Leader: begin to follow how much lies below `key`, from the applied index on; whoever calls this takes a snapshot of the
 * store at just this index and counts there. A watch before this one ends. ERR_NO_MEMORY; ERR_CLOSED  it is split. */
enum err partition_split_watch(struct partition *p, struct slice key) MUST_CHECK;
void partition_split_unwatch(struct partition *p);
/* Append the payload of a SPLIT entry at the watched key: exact if it is the next entry in the log, so propose it at once,
 * as no-op and writes before it are all applied or pending here.
 *
 * counted    below the key in the snapshot
 *
 * ERR_UNAVAILABLE  nothing is watched (a restart, a snapshot): begin again
 * ERR_INVALID      the count cannot be true; one of the sides is not the snapshot's
 * ERR_NO_MEMORY */
enum err partition_split_encode(const struct partition *p, uint64_t range_epoch, const uint64_t group_ids[2],
                                struct partition_size counted, struct buffer *to) MUST_CHECK;

/* ---- the leader ---- */

/* A term begins here; boot_us starts the request ids' clock for it. Pending must be empty. */
void partition_lead(struct partition *p, uint64_t boot_us);

/* Whether evaluate will use a pending write instead of the applied row of this key (no read needed). */
bool partition_has_pending(const struct partition *p, struct slice key);

/* Whether a write of this request id is applied or pending: evaluate will say REPEAT. */
bool partition_knows_request(const struct partition *p, const uint8_t request_id[REQUEST_ID_BYTES]);

/* Decide about a write; changes nothing in `p`.
 *
 * entry   on PROPOSE the payload for a WRITE entry is appended to it; propose it, then call
 *         partition_proposed before the next evaluate.
 * arena   for the answer's attributes and scratch.
 *
 * ERR_CORRUPT    the stored row or a program does not decode.
 * ERR_NO_MEMORY  arena or buffer exhausted. */
enum err partition_evaluate(struct partition *p, const struct write_request *request,
                            const struct partition_row *row, struct partition_times now, struct arena *arena,
                            struct buffer *entry, enum write_verdict *ret_verdict,
                            struct write_answer *ret_answer) MUST_CHECK;

/* The evaluated entry became entry `index` of the log. `payload` is viewed until it is applied or dropped.
 * ERR_NO_MEMORY  the write cannot be tracked: the caller must treat the term as lost (step down). */
enum err partition_proposed(struct partition *p, uint64_t index, struct slice payload) MUST_CHECK;

/* The term is lost: forget all pending writes. */
void partition_drop_pending(struct partition *p);
uint64_t partition_pending_count(const struct partition *p);

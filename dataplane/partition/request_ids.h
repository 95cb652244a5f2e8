/* The request ids of the last 30 seconds, with what repeats each answer: part of a group's applied state.
 *
 * A router that got no answer sends the write again with the same id; whoever leads by then finds the id
 * here and repeats the answer instead of writing twice. The table must be the same on every replica, so it
 * is changed by applied entries only, and forgets by the entries' own clock, `id_clock_us`: the sum of the
 * time that each leader measured on its boot clock between its entries. That clock stands still while
 * nobody leads and never jumps, hence never forgets an id earlier than 30 real seconds after its write.
 * (A wall clock set forward by a minute would: and the retry would be a second write.)
 *
 * Answers (a row each, for ALL_OLD and the like) are kept up to REQUEST_ID_ANSWER_BYTES_MAX; beyond it the oldest
 * are forgotten, their ids are not: a retry of theirs does not write twice, but cannot be answered either. What is
 * forgotten depends on the log alone.
 *
 * At thousands of writes a second the table is large, and to write it out takes longer than a loop may be held. So
 * the shell saves it as it grows, in chunks that stay as they are until all in them is forgotten; what came after the last
 * chunk is found in the log (docs/formats/entry.md).
 *
 * Routers retry for less than REQUEST_ID_LIFE_US (docs/limits.md). */
#pragma once

#include "dataplane/partition/entry.h"

enum { REQUEST_ID_LIFE_US = 30 * 1000 * 1000, REQUEST_ID_ANSWER_BYTES_MAX = 16 * 1024 * 1024 };

struct request_ids;

struct request_id_record {
    uint8_t request_id[REQUEST_ID_BYTES];
    uint64_t index;       /* of the entry that applied it */
    uint64_t id_clock_us; /* of that entry */
    uint32_t write_units_milli;
    bool has_answer;
    bool is_answer_forgotten; /* it had one */
    struct slice answer;      /* item bytes; owned by the table, valid until the next apply */
};

/* NULL without memory. */
struct request_ids *request_ids_create(void);
void request_ids_destroy(struct request_ids *ids);

/* Remember an applied write (the record is copied) and forget what is older than 30 s by its clock.
 * Entries come in the order of the log; one that is no later than the last changes nothing (a replay).
 * An id that is already there keeps its first record.
 * ERR_NO_MEMORY  nothing was remembered: the replica must stop applying. */
enum err request_ids_add(struct request_ids *ids, const struct request_id_record *record) MUST_CHECK;
/* NULL when not there. */
const struct request_id_record *request_ids_find(const struct request_ids *ids,
                                                 const uint8_t request_id[REQUEST_ID_BYTES]);
uint64_t request_ids_count(const struct request_ids *ids);

/* How many are in no chunk yet. */
size_t request_ids_unsaved_count(const struct request_ids *ids);
/* Append the oldest of these, at most `max` and at least one, as a chunk.
 * ret_name  the index of the last entry in it: chunks are loaded in the order of their names.
 * ERR_NO_MEMORY  they are still unsaved. */
enum err request_ids_save(struct request_ids *ids, size_t max, struct buffer *to,
                          uint64_t *ret_name) MUST_CHECK;
/* The next chunk of which everything is forgotten: told once, to be deleted. */
bool request_ids_next_expired(struct request_ids *ids, uint64_t *ret_name);
/* After a restart: what was saved under this name. Ids that are there already are passed over.
 * ERR_CORRUPT, ERR_NO_MEMORY  the table is to be destroyed. */
enum err request_ids_load(struct request_ids *ids, uint64_t name, struct slice bytes) MUST_CHECK;

/* All of them, oldest first; for snapshots and splits (docs/formats/entry.md). */
void request_ids_encode(const struct request_ids *ids, struct buffer *to);
/* ERR_CORRUPT, ERR_NO_MEMORY  the table is to be destroyed. */
enum err request_ids_decode(struct request_ids *ids, struct slice bytes) MUST_CHECK;

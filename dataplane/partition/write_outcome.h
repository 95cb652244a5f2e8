/* What a write comes to on one image of its row: is the condition met, what is the new item. The part of a decision that takes
 * long on large items, and that rests on nothing but the request and that image: any thread may compute it.
 *
 *     partition_evaluate -> ELSEWHERE, with the image and its version -> write_compute, on a copy, wherever
 *     partition_evaluate with that outcome: counts while the row is still that version; else ELSEWHERE again
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "dataplane/partition/entry.h"

enum write_kind { WRITE_PUT, WRITE_DELETE, WRITE_UPDATE };

/* As DynamoDB's ReturnValues; the numbers are those of dataplane.proto. */
enum return_values { RETURN_NONE, RETURN_ALL_OLD, RETURN_UPDATED_OLD, RETURN_ALL_NEW, RETURN_UPDATED_NEW };

/* Which image of a row. Times are different for each write of a term; an image that a lost term had proposed, and that nobody
 * may see any more, has another term. */
struct row_version {
    uint64_t term_boot_us;  /* when the leader's term began */
    uint64_t write_time_us; /* of the image; 0: there is none */
};

struct write_outcome {
    struct row_version version; /* for the caller to set */
    bool is_met;
    bool has_new;
    struct slice new_item;
    size_t old_bytes;       /* of the old item, as DynamoDB counts; 0: there is none */
    size_t new_bytes;       /* of the new one; of a PUT also when it is refused */
    const char *error_text; /* words, when request and item do not fit; else NULL */
};

struct write_request {
    uint8_t request_id[REQUEST_ID_BYTES];
    enum write_kind kind;
    enum return_values return_values;
    bool return_old_on_condition_failure;
    struct slice key;
    struct slice item;      /* PUT: the item; UPDATE: the key attributes; DELETE: empty */
    struct slice condition; /* program (dataplane/expression/program.h), or empty */
    struct slice update;    /* program of an UPDATE, or empty: create or touch */
    /* What takes more is to be computed elsewhere (write_work_bytes); 0: nothing is. */
    uint64_t work_bytes_max;
    const struct write_outcome *outcome; /* computed before, or NULL */
};

/* old_item  empty: there is none (has_old says so)
 * arena     what the outcome points to, beside the request and the old item
 * ret_outcome  its version stays as it is
 *
 * ERR_CORRUPT    the old item or a program does not decode.
 * ERR_NO_MEMORY  arena exhausted. */
enum err write_compute(const struct write_request *request, bool has_old, struct slice old_item,
                       struct arena *arena, struct write_outcome *ret_outcome) MUST_CHECK;

/* An upper bound of the bytes that write_compute looks at, as program_work_bytes; of a large program it is a coarse one, as opening
 * that would be work, too. */
uint64_t write_work_bytes(const struct write_request *request, size_t old_bytes);

/* A batch under way, and its answer. */
#pragma once

#include "api/router/batch_parameters.h"
#include "base/loop.h"

struct batch {
    struct batch_parameters p;
    size_t next; /* of the entries, to begin */
    size_t in_flight;
    size_t in_flight_bytes; /* of items that are being written */
    struct loop_task later; /* goes on in a turn that has room */
    size_t done_count;
    size_t found_bytes; /* of items, as they are stored */
    size_t found_largest;
    bool is_full;         /* no room for another item */
    bool is_closing;      /* the router is */
    enum err failure;     /* why one was not done */
    char *refusal;        /* a node's word on a write that it will never take */
    struct arena scratch; /* for one item */
    struct buffer body;
    size_t item_bytes; /* of all tables' items in it, as DynamoDB counts them */
    size_t json_bytes; /* of the same as JSON */
};

/* Write the answer into r->state's body, perhaps on a worker: what was found, as far as there is room for it, and what was
 * not done.
 * ERR_CORRUPT, ERR_NO_MEMORY  from a projection */
enum err batch_answer_write(struct request *r) MUST_CHECK;

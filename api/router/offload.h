/* What is large in a request is done by workers (base/workers.h): its body unpacked and read, its answer written.
 *
 *     whole -> read: here, or by a worker -> tables, nodes, control: here -> answer: written here, or by a worker
 *
 * A worker has the request to itself: arena, body, parameters and state, and scratch of its own. It does not touch the
 * router: catalog, metrics, log and the loop's scratch are the loop's. What has up to WORKERS_BYTES_MIN is done at once,
 * as if there were no workers. */
#pragma once

#include "api/router/router_internal.h"

enum {
    /* Of all requests together, beside bodies, answers, and the bodies that are being read: WORKERS_RUNNING_MAX, and as
     * many that have just been. */
    OFFLOAD_BUDGET_BYTES = 512 * 1024 * 1024,
    /* A large body takes so many times its length: its parts encoded, the builder that encodes them, what of it is
     * told as unprocessed. */
    OFFLOAD_READ_FACTOR = 3,
    /* What nodes sent: as it came, and as JSON, which may be longer. */
    OFFLOAD_ANSWER_FACTOR = 3,
};

static inline bool offload_is_due(size_t bytes)
{
    return bytes > WORKERS_BYTES_MIN;
}

/* On the loop; until the request ends. False: over the budget. */
bool offload_charge(struct request *r, size_t bytes) MUST_CHECK;
void offload_refund(struct request *r, size_t bytes);

/* One at a time for each request. Late or cancelled work is not begun: done gets ERR_TIMEOUT or ERR_CLOSED then.
 * deadline_us  boot clock: to be begun before that */
void offload_run(struct request *r, uint64_t deadline_us, void (*work)(struct request *r),
                 void (*done)(struct request *r, enum err err));

/* Write an answer from what is kept in the request: `bytes` of it. write() is the worker's half; done() is called with
 * what it returned, or with why it was not done. Both at once when bytes are few. */
void offload_answer(struct request *r, size_t bytes, enum err (*write)(struct request *r),
                    void (*done)(struct request *r, enum err err));

/* What the files of a write's course share: request_write.c (its order), request_compute.c (what is too much for a loop). */
#pragma once

#include "dataplane/node/node_internal.h"

struct incoming {
    struct wire_call call;
    uint64_t arrived_us;
    struct slice header;
    struct slice payload;
    uint32_t pool_rounds;
    const struct write_outcome *outcome; /* computed in the background, or NULL */
    uint32_t outcome_rounds;
};

/* From the beginning, once more: the row, the lead, everything may have changed. */
void request_handle_write(struct shard *s, struct incoming *in);
/* NULL: malformed. The request's slices are in the arena and the payload. */
const Sluice__Dataplane__WriteRequest *request_decode_write(const struct incoming *in, struct arena *arena,
                                                            struct write_request *ret_request);
/* Not applied; r may be NULL. */
void request_send_back(struct shard *s, struct wire_call call, Sluice__Dataplane__Status status,
                       struct replica *r);

/* The verdict was ELSEWHERE: compute the outcome on a copy of what `decided` shows, in the background, and begin again
 * with that. */
void request_compute(struct replica *r, const struct incoming *in, const struct write_answer *decided);

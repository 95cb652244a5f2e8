/* The most that a replica gives of its partition per second, of reads or of writes: a bucket says whether a request may start, and what
 * it has cost is taken from there and noted for the partition's heat. docs/decisions/0019. */
#pragma once

#include "admission/bucket.h"
#include "dataplane/node/heat.h"

struct cap {
    struct bucket bucket;
    struct heat heat;
};

static inline void cap_init(struct cap *c, struct capacity per_s, uint64_t now_us)
{
    *c = (struct cap){.heat = {.samples = NULL}};
    bucket_init(&c->bucket, per_s, now_us);
}

static inline void cap_deinit(struct cap *c)
{
    heat_unwatch(&c->heat);
}

/* Whether a request may start. */
static inline bool cap_admits(struct cap *c, uint64_t now_us)
{
    return bucket_has_any(&c->bucket, now_us);
}

/* What a request that was admitted has cost, with the key of its item; of a range the last one evaluated, if there is one. */
static inline void cap_charge(struct cap *c, struct slice key, struct capacity cost, uint64_t now_us)
{
    bucket_charge(&c->bucket, cost, now_us);
    heat_note(&c->heat, key, cost, bucket_rate(&c->bucket), now_us);
}

/* A replica's split, from the leader's wish to the children's birth (docs/decisions/0014, 0016).
 *
 *     leader    wish (size, heat) --> control gives two group ids --> watch and count in the background --> flush --> propose
 *     everyone  applied: children's rows in the same batch --> checkpoint and flush --> children in the log --> they act
 *
 * The order of what becomes durable is the one that tests/sim/split.c runs. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"

struct splitting;

/* Of a leader's wish, as controlplane.proto numbers them. */
enum split_reason { SPLIT_REASON_NONE, SPLIT_REASON_SIZE, SPLIT_REASON_HEAT };

enum split_birth {
    SPLIT_UNBORN,  /* not split, or not applied here, or not yet begun */
    SPLIT_BEARING, /* the store is being flushed */
    SPLIT_BORN,    /* the log knows of them */
};

struct replica_split {
    /* From control. */
    uint64_t group_ids[2]; /* of the children; 0: it has given none */
    bool is_ordered;       /* now, at order_key; empty: wherever the leader finds best */
    struct buffer order_key;
    /* The leader's. */
    struct buffer wished_key; /* empty: it has no wish */
    enum split_reason wished_reason;
    struct splitting *under_way;
    uint64_t not_before_us; /* boot clock: the next try */
    /* Anyone's. */
    enum split_birth birth;
    uint64_t parent_group; /* born of it; 0: of no group that is still here */
    /* A log replica's: the split in its log, perhaps not committed. */
    struct buffer entry;
    uint64_t entry_index;
};

/* Where the replicas of a new partition go: three zones, in each the node with the fewest replicas. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { REPLICAS_PER_PARTITION = 3, PLACEMENT_ZONES_MAX = 64 };

/* What counts about a node that is alive. */
struct placement_node {
    uint32_t node_id;
    const char *zone;
    uint32_t replica_count;
    uint32_t leader_count; /* partitions that should be led from there */
};

/* Indexes into the array of nodes. */
struct placement {
    size_t nodes[REPLICAS_PER_PARTITION];
    size_t leader; /* one of 0..2: which of the three should lead: where the fewest leaders are */
};

/* Choose, and count the choice in `nodes`, so that calling again spreads further.
 * Ties go to the lower node id. With more than three zones, those whose best node is emptiest.
 * ERR_UNAVAILABLE  the nodes are in fewer than three zones */
enum err placement_choose(struct placement_node *nodes, size_t count,
                          struct placement *ret_placement) MUST_CHECK;

/* Where replicas go: to the nodes that have least, in zones apart. Pure.
 *
 * How full a node is: the sum of its shares of all replicas, all bytes and all that is consumed, each in units of what the
 * average node has. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { REPLICAS_PER_PARTITION = 3, PLACEMENT_ZONES_MAX = 64 };

/* What counts about a node that replicas may be given to. */
struct placement_node {
    uint32_t node_id;
    const char *zone;
    uint32_t replica_count;
    uint32_t leader_count;       /* partitions that should be led from there */
    uint64_t bytes;              /* of all replicas' items */
    uint64_t milli_per_s;        /* capacity consumed by all of them, in thousandths of a unit */
    uint64_t leader_milli_per_s; /* of those that should lead */
};

/* Sums over nodes. */
struct placement_totals {
    uint64_t nodes;
    uint64_t replica_count;
    uint64_t leader_count;
    uint64_t bytes;
    uint64_t milli_per_s;
    uint64_t leader_milli_per_s;
};

/* PLACEMENT_SHARE is what the average node has; 0: nothing. What is too little to matter for any machine counts as little:
 * below a GiB, or a hundred units a second, for each node on average. */
enum { PLACEMENT_SHARE = 1 << 20 };
enum placement_what {
    PLACEMENT_REPLICAS,
    PLACEMENT_BYTES,
    PLACEMENT_CONSUMED,
    PLACEMENT_LEADS,
    PLACEMENT_LED_CONSUMED,
    PLACEMENT_WHATS
};
struct placement_shares {
    uint64_t of[PLACEMENT_WHATS];
};

void placement_count(struct placement_totals *totals, const struct placement_node *node);
struct placement_shares placement_shares(const struct placement_node *node,
                                         const struct placement_totals *totals);
/* The sum of what it holds, and of what it leads. */
uint64_t placement_fill(const struct placement_shares *shares);
uint64_t placement_leads(const struct placement_shares *shares);
/* The node as it would be with one replica more, or less, of so much. */
struct placement_node placement_with(const struct placement_node *node, uint64_t bytes, uint64_t milli_per_s);
struct placement_node placement_without(const struct placement_node *node, uint64_t bytes,
                                        uint64_t milli_per_s);
bool placement_is_zone(const struct placement_node *a, const struct placement_node *b);

/* A new partition's. Indexes into the array of nodes. */
struct placement {
    size_t nodes[REPLICAS_PER_PARTITION];
    size_t leader; /* one of 0..2: which of the three should lead: where the fewest leaders are */
};

/* Choose, and count the choice in `nodes`, so that calling again spreads further.
 * Ties go to the lower node id. With more than three zones, those whose best node is emptiest.
 * ERR_UNAVAILABLE  the nodes are in fewer than three zones */
enum err placement_choose(struct placement_node *nodes, size_t count,
                          struct placement *ret_placement) MUST_CHECK;

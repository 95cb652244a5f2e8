/* What repair.c looks at before it decides: how each replica stands, what is missing, which nodes are free. */
#pragma once

#include "controlplane/control/repair.h"

enum { STORAGE_WANTED = REPLICAS_PER_PARTITION, NOWHERE = 0x7fffffff /* an index of nothing */ };

/* What a wanted replica is good for. */
enum standing {
    STANDING_OUT,      /* not wanted */
    STANDING_GOOD,     /* a storage voter */
    STANDING_LEAVING,  /* the same, for now */
    STANDING_AWAY,     /* a storage voter of a node that may be back */
    STANDING_BUILDING, /* a storage replica that does not vote yet */
    STANDING_LOG,      /* a log replica, voting or soon */
    STANDING_BAD,      /* a voter that will not be back */
    STANDING_FAILED,   /* a newcomer that will not become a voter, or should not */
    STANDINGS
};

/* How many stand how. */
struct census {
    uint32_t of[STANDINGS];
    uint32_t living_voters; /* wanted or not */
    uint32_t in_place;      /* wanted, living, and known to the leader */
};

static inline const struct repair_node *repair_node_of(const struct repair_fleet *fleet,
                                                       const struct repair_replica *r)
{
    return &fleet->nodes[r->node];
}

enum standing repair_standing(const struct repair_fleet *fleet, const struct repair_replica *r);
struct census repair_count(const struct repair_group *group, const struct repair_fleet *fleet);
bool repair_has_quorum(const struct repair_group *group, const struct census *census);
/* Log replicas with which one voter more lives than a quorum needs. */
uint32_t repair_logs_needed(const struct census *census);
/* Storage replicas that have yet to be begun. */
uint32_t repair_storage_missing(const struct census *census);

/* Nodes that could be given a replica of the group. */
uint32_t repair_count_free(const struct repair_group *group, const struct repair_fleet *fleet);
/* There is none, and nobody is on the way out of a node that lives: none will be free in a moment. */
bool repair_is_all_taken(const struct repair_group *group, const struct repair_fleet *fleet);
/* A storage replica that is to stay, other than `except`, is in that node's zone. */
bool repair_is_zone_taken(const struct repair_group *group, const struct repair_fleet *fleet, size_t node,
                          const struct repair_replica *except);
/* A free node is in a zone that is not taken. */
bool repair_has_free_zone(const struct repair_group *group, const struct repair_fleet *fleet,
                          const struct repair_replica *except);

struct repair_choice {
    bool is_zone_wanted; /* a zone that no storage replica is in, or none */
    bool is_build;       /* the node must have room for a build */
};

/* The emptiest free node, or NOWHERE. */
size_t repair_choose_node(const struct repair_group *group, const struct repair_fleet *fleet,
                          struct repair_choice choice);

/* A replica that stands so, or NOWHERE; the worst one is that whose going leaves zones apart, else the one on the fullest
 * node. */
size_t repair_find(const struct repair_group *group, const struct repair_fleet *fleet,
                   enum standing standing);
size_t repair_find_worst(const struct repair_group *group, const struct repair_fleet *fleet,
                         enum standing standing);

/* What becomes of a partition's replicas: from what is, the next change of what should be.
 *
 *     its replicas as stored, the membership as its leader reported it, the nodes' lives --> one step, and so on until none
 *
 * A group wants three storage voters in three zones, on nodes that stay, and one voter more alive than a quorum needs.
 *
 *     node DEAD        log replicas on two other nodes: 4 of 5 voters live, one more may fail. The dead voter stays a member:
 *                      a node that is back after a restart has all that it had, and the log replicas go again
 *     node ABANDONED,  the dead voter is not wanted any more, nor more than one log replica; a storage replica is built on
 *     disk lost,       another node, in another zone than the others if there is one. When it votes, the last log replica goes
 *     quarantined
 *     leaving          (its node drains, or the balance wants it elsewhere) another one is built first, then it goes
 *
 * Why two log replicas: with one, 3 of 4 voters would live and each of them be needed.
 *
 * A replica that is not wanted stays PRESENT until it cannot be a voter any more: its id is below the reported membership's
 * floor, or all who may lead have heard that it is not wanted. Then it is told ABSENT, and forgotten when its node says that
 * it is gone. It is never wanted again: ids do not come back. Nothing is decided
 * where no leader has said what the membership is, or where no quorum of it lives. Pure (docs/decisions/0018). */
#pragma once

#include "controlplane/control/node_life.h"
#include "controlplane/control/placement.h"

enum { REPAIR_REPLICAS_MAX = 16, REPAIR_STEPS_MAX = 12 };

struct repair_node {
    struct placement_node place;
    enum node_life life;
    bool is_draining;
    uint32_t builds; /* storage replicas that are being built there */
    /* By repair_weigh. */
    struct placement_shares shares;
    uint64_t fill;
    uint64_t leads;
};

/* The nodes, and how much may be begun. Steps that are taken are counted here. */
struct repair_fleet {
    struct repair_node *nodes;
    size_t count;
    struct placement_totals totals; /* of nodes that can be given replicas */
    uint32_t node_builds_max;       /* of each node */
    uint32_t builds_left;           /* in all */
};

/* How full each node is and how much it leads, by `totals`; to be called before the first step. */
void repair_weigh(struct repair_fleet *fleet);

enum repair_membership { REPAIR_NO_MEMBER, REPAIR_LEARNER, REPAIR_VOTER };

struct repair_replica {
    uint64_t replica_id;
    size_t node; /* index */
    bool is_log;
    bool is_absent;    /* its goal */
    bool is_wanted;    /* as a member */
    bool is_created;   /* its creation is stored: leaders have been told to add it */
    bool is_forgotten; /* not wanted, and whoever may lead has been told so */
    bool is_leaving;
    bool is_leader_wanted;
    bool is_damaged;                   /* quarantined, or another creation than the one that may act */
    bool is_removed;                   /* reported gone */
    enum repair_membership membership; /* as the leader reported it */
};

struct repair_group {
    struct repair_replica replicas[REPAIR_REPLICAS_MAX];
    size_t count;
    size_t replicas_max; /* as many may be stored */
    /* Of the membership that a leader reported. */
    uint64_t id_floor; /* who has a lower id and is no member will never be one; 0: nothing was reported */
    uint32_t voters;   /* also those that are not stored here */
    uint64_t bytes;
    uint64_t milli_per_s;
};

enum repair_kind {
    REPAIR_NOTHING,
    REPAIR_ADD_STORAGE, /* on `node` */
    REPAIR_ADD_LOG,     /* on `node` */
    REPAIR_LEAVE,       /* `replica` is to be built elsewhere */
    REPAIR_STAY,        /* ... and is not any more */
    REPAIR_UNWANT,      /* `replica` should not be a member */
    REPAIR_ABSENT,      /* `replica` is none: its node may remove it */
    REPAIR_FORGET,      /* `replica` is gone */
    REPAIR_LEAD,        /* `replica` should lead */
};

struct repair_step {
    enum repair_kind kind;
    size_t replica; /* index */
    size_t node;    /* index */
};

/* The next step; REPAIR_NOTHING: it is as it should be, or has to wait for its leader, its nodes or for builds. */
struct repair_step repair_next(const struct repair_group *group, const struct repair_fleet *fleet);
/* The group and the fleet after it. new_id: of an ADD; above all that the group had. */
void repair_take(struct repair_group *group, struct repair_fleet *fleet, const struct repair_step *step,
                 uint64_t new_id);

/* What is missing, for metrics. */
struct repair_need {
    bool is_short;   /* fewer than three storage voters live */
    bool is_waiting; /* a storage replica should be built, and is not yet */
    bool is_covered; /* log replicas stand in */
    bool is_stuck;   /* no quorum lives */
};
struct repair_need repair_look(const struct repair_group *group, const struct repair_fleet *fleet);

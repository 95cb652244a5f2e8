/* How a group's membership becomes what is wanted, one change at a time. Pure.
 *
 * Whoever looks after the fleet says only which voters a group should have in the end. The group's leader compares that
 * with the membership that counts and asks here for the next step; when that is committed, it asks again. Nothing is
 * remembered in between, so a new leader, or another wish, goes on from wherever the membership is.
 *
 *     a dead voter    newcomer as learner, caught up, remove the dead one, promote
 *     a live voter    newcomer as learner, caught up, promote, remove the live one
 *     ourselves       last of all: hand over; who leads then removes us
 *
 * Rules
 * - Never to fewer living voters than a quorum of the membership that follows, never to none with rows.
 * - A dead voter goes only when its replacement stands by (or none is wanted): it may come back meanwhile, and count.
 * - A node has one replica of a group: a newcomer where an old one has to go waits for that.
 * - Ids are added in their order, as a later one would make an earlier one impossible (membership.h). */
#pragma once

#include "dataplane/replication/membership.h"

struct membership_view {
    const struct membership *current; /* counts now, and is committed */
    uint64_t self;                    /* the leader, who asks */
    const struct member *wanted;      /* voters; their roles are not looked at */
    uint32_t wanted_count;            /* 0: as it is */
    uint64_t preferred;               /* replica that should lead, 0 = any */
    /* Bit i is about current->members[i]. */
    uint32_t alive;     /* acts, as far as we see; ourselves too */
    uint32_t caught_up; /* a learner that holds nothing back as a voter */
    /* Bit i is about wanted[i]. */
    uint32_t reachable; /* its node lives */
};

enum membership_step_kind {
    MEMBERSHIP_STEP_DONE,     /* it is as wanted */
    MEMBERSHIP_STEP_WAIT,     /* something has to come first: a learner, a node, another wish */
    MEMBERSHIP_STEP_CHANGE,   /* `change` */
    MEMBERSHIP_STEP_TRANSFER, /* hand over to `transfer_to` */
};

struct membership_step {
    enum membership_step_kind kind;
    struct membership_change change;
    uint64_t transfer_to;
};

struct membership_step membership_plan(const struct membership_view *view);

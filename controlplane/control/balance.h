/* Evens out what nodes hold and lead, one small step at a time: for one group, is there a better place for a replica or
 * for the lead? Better is what lessens the sum of the squares of the nodes' shares; so it ends. Only for groups that lack nothing; a few moves at once, and none that would be taken back soon: a step must
 * gain more than BALANCE_HYSTERESIS. Pure. */
#pragma once

#include "controlplane/control/repair.h"

/* Beyond what the step itself moves, two nodes must differ by a fifth of an average node's share. */
enum { BALANCE_HYSTERESIS = PLACEMENT_SHARE / 5 };

struct balance_step {
    struct repair_step step; /* LEAVE, LEAD, or NOTHING */
    uint64_t gain;           /* to compare groups by */
};

/* Three storage voters on nodes that live and stay, and nothing else. */
bool balance_is_settled(const struct repair_group *group, const struct repair_fleet *fleet);

/* A replica that should leave its node for an emptier one in its own zone, or in one that the group is not in; where it
 * goes is decided by repair_next. NOTHING also when the group is not settled. */
struct balance_step balance_move(const struct repair_group *group, const struct repair_fleet *fleet);
/* Who should lead so that leads, weighted by what their groups consume, are spread over the nodes. */
struct balance_step balance_lead(const struct repair_group *group, const struct repair_fleet *fleet);

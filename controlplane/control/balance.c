#include "controlplane/control/balance.h"

static const struct balance_step nothing = {.step = {.kind = REPAIR_NOTHING}};

static bool is_staying(const struct repair_replica *r, const struct repair_node *node)
{
    return r->is_wanted && !r->is_absent && !r->is_leaving && !r->is_damaged && !r->is_log &&
           r->membership == REPAIR_VOTER && node->life == NODE_ALIVE && !node->is_draining;
}

bool balance_is_settled(const struct repair_group *group, const struct repair_fleet *fleet)
{
    if (group->count != REPLICAS_PER_PARTITION || group->voters != REPLICAS_PER_PARTITION ||
        group->id_floor == 0)
        return false;
    for (size_t i = 0; i < group->count; i++) {
        if (!is_staying(&group->replicas[i], &fleet->nodes[group->replicas[i].node]))
            return false;
    }
    return true;
}

/* How far two nodes are apart once `weight` has gone over, on average over what it weighs; 0: not worth it. In shares
 * of nodes it is half of what the squares lose, for each unit of weight. */
static uint64_t gain(const struct repair_node *from, const struct repair_node *to,
                     const struct placement_shares *weight)
{
    __int128 lost = 0;
    __int128 sum = 0;
    for (size_t i = 0; i < PLACEMENT_WHATS; i++) {
        __int128 w = weight->of[i];
        lost += w * ((__int128)from->shares.of[i] - (__int128)to->shares.of[i] - w);
        sum += w;
    }
    __int128 gained = sum == 0 ? 0 : lost / sum - BALANCE_HYSTERESIS;
    return gained > 0 ? (uint64_t)gained : 0;
}

/* ---- replicas ---- */

/* Not where the group is, and in a zone where no other of its replicas is. */
static bool may_go(const struct repair_group *group, const struct repair_fleet *fleet, size_t replica,
                   size_t to)
{
    const struct repair_node *node = &fleet->nodes[to];
    if (node->life != NODE_ALIVE || node->is_draining || node->builds >= fleet->node_builds_max)
        return false;
    for (size_t i = 0; i < group->count; i++) {
        if (group->replicas[i].node == to)
            return false;
        if (i != replica && placement_is_zone(&fleet->nodes[group->replicas[i].node].place, &node->place))
            return false;
    }
    return true;
}

struct balance_step balance_move(const struct repair_group *group, const struct repair_fleet *fleet)
{
    struct balance_step best = nothing;
    if (!balance_is_settled(group, fleet))
        return nothing;
    const struct placement_node replica_alone = {
        .replica_count = 1, .bytes = group->bytes, .milli_per_s = group->milli_per_s};
    const struct placement_shares weight = placement_shares(&replica_alone, &fleet->totals);
    for (size_t i = 0; i < group->count; i++) {
        const struct repair_node *from = &fleet->nodes[group->replicas[i].node];
        for (size_t to = 0; to < fleet->count; to++) {
            uint64_t gained = gain(from, &fleet->nodes[to], &weight);
            if (gained > best.gain && may_go(group, fleet, i, to))
                best = (struct balance_step){{.kind = REPAIR_LEAVE, .replica = i, .node = to}, gained};
        }
    }
    return best;
}

/* ---- leads ---- */

struct balance_step balance_lead(const struct repair_group *group, const struct repair_fleet *fleet)
{
    struct balance_step best = nothing;
    size_t leader = 0;
    if (!balance_is_settled(group, fleet))
        return nothing;
    while (leader < group->count && !group->replicas[leader].is_leader_wanted)
        leader++;
    if (leader == group->count)
        return nothing; /* repair_next gives it one */
    const struct placement_node lead_alone = {.leader_count = 1, .leader_milli_per_s = group->milli_per_s};
    const struct placement_shares weight = placement_shares(&lead_alone, &fleet->totals);
    const struct repair_node *from = &fleet->nodes[group->replicas[leader].node];
    for (size_t i = 0; i < group->count; i++) {
        uint64_t gained = i == leader ? 0 : gain(from, &fleet->nodes[group->replicas[i].node], &weight);
        if (gained > best.gain)
            best = (struct balance_step){{.kind = REPAIR_LEAD, .replica = i}, gained};
    }
    return best;
}

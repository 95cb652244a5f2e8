#include "controlplane/control/repair_internal.h"

/* ---- what there is ---- */

static bool is_living(const struct repair_fleet *fleet, const struct repair_replica *r)
{
    return !r->is_damaged && !node_life_is_silent(repair_node_of(fleet, r)->life);
}

static bool is_leaving(const struct repair_fleet *fleet, const struct repair_replica *r)
{
    return r->is_leaving || repair_node_of(fleet, r)->is_draining;
}

static enum standing standing_of_storage(const struct repair_fleet *fleet, const struct repair_replica *r)
{
    enum node_life life = repair_node_of(fleet, r)->life;
    if (!r->is_damaged && (life == NODE_DEAD || life == NODE_RETURNING))
        return STANDING_AWAY;
    if (!is_living(fleet, r))
        return STANDING_BAD;
    return is_leaving(fleet, r) ? STANDING_LEAVING : STANDING_GOOD;
}

enum standing repair_standing(const struct repair_fleet *fleet, const struct repair_replica *r)
{
    bool is_voter = r->membership == REPAIR_VOTER;
    if (r->is_absent || !r->is_wanted)
        return STANDING_OUT;
    if (is_voter && !r->is_log)
        return standing_of_storage(fleet, r);
    if (is_voter)
        return is_living(fleet, r) ? STANDING_LOG : STANDING_BAD;
    if (r->is_damaged || repair_node_of(fleet, r)->life == NODE_ABANDONED || is_leaving(fleet, r) ||
        (r->is_log && !is_living(fleet, r)))
        return STANDING_FAILED;
    return r->is_log ? STANDING_LOG : STANDING_BUILDING;
}

struct census repair_count(const struct repair_group *group, const struct repair_fleet *fleet)
{
    struct census census = {0};
    for (size_t i = 0; i < group->count; i++) {
        const struct repair_replica *r = &group->replicas[i];
        enum standing standing = repair_standing(fleet, r);
        census.of[standing]++;
        census.living_voters += r->membership == REPAIR_VOTER && is_living(fleet, r);
        census.in_place += standing != STANDING_OUT && r->membership != REPAIR_NO_MEMBER &&
                           repair_node_of(fleet, r)->life != NODE_RETURNING && is_living(fleet, r);
    }
    return census;
}

bool repair_has_quorum(const struct repair_group *group, const struct census *census)
{
    return group->voters > 0 && census->living_voters >= group->voters / 2 + 1;
}

uint32_t repair_logs_needed(const struct census *census)
{
    uint32_t living = census->of[STANDING_GOOD] + census->of[STANDING_LEAVING];
    uint32_t away = census->of[STANDING_AWAY];
    uint32_t logs = 0;
    while (living + logs < (living + away + logs) / 2 + 2)
        logs++;
    return logs;
}

uint32_t repair_storage_missing(const struct census *census)
{
    uint32_t there = census->of[STANDING_GOOD] + census->of[STANDING_AWAY] + census->of[STANDING_BUILDING];
    return there < STORAGE_WANTED ? STORAGE_WANTED - there : 0;
}

/* ---- nodes ---- */

static bool has_replica(const struct repair_group *group, size_t node)
{
    for (size_t i = 0; i < group->count; i++) {
        if (group->replicas[i].node == node)
            return true;
    }
    return false;
}

static bool is_free(const struct repair_group *group, const struct repair_fleet *fleet, size_t node)
{
    const struct repair_node *n = &fleet->nodes[node];
    return n->life == NODE_ALIVE && !n->is_draining && !has_replica(group, node);
}

uint32_t repair_count_free(const struct repair_group *group, const struct repair_fleet *fleet)
{
    uint32_t free_nodes = 0;
    for (size_t i = 0; i < fleet->count; i++)
        free_nodes += is_free(group, fleet, i);
    return free_nodes;
}

bool repair_is_all_taken(const struct repair_group *group, const struct repair_fleet *fleet)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct repair_replica *r = &group->replicas[i];
        if (repair_standing(fleet, r) == STANDING_OUT && repair_node_of(fleet, r)->life == NODE_ALIVE)
            return false;
    }
    return repair_count_free(group, fleet) == 0;
}

bool repair_is_zone_taken(const struct repair_group *group, const struct repair_fleet *fleet, size_t node,
                          const struct repair_replica *except)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct repair_replica *r = &group->replicas[i];
        enum standing standing = repair_standing(fleet, r);
        bool is_staying =
            standing == STANDING_GOOD || standing == STANDING_AWAY || standing == STANDING_BUILDING;
        if (r != except && is_staying &&
            placement_is_zone(&repair_node_of(fleet, r)->place, &fleet->nodes[node].place))
            return true;
    }
    return false;
}

size_t repair_choose_node(const struct repair_group *group, const struct repair_fleet *fleet,
                          struct repair_choice choice)
{
    size_t best = NOWHERE;
    uint64_t best_fill = 0;
    for (size_t i = 0; i < fleet->count; i++) {
        if (!is_free(group, fleet, i) ||
            (choice.is_zone_wanted && repair_is_zone_taken(group, fleet, i, NULL)) ||
            (choice.is_build && fleet->nodes[i].builds >= fleet->node_builds_max))
            continue;
        if (best != NOWHERE && fleet->nodes[i].fill >= best_fill)
            continue;
        best = i;
        best_fill = fleet->nodes[i].fill;
    }
    return best;
}

bool repair_has_free_zone(const struct repair_group *group, const struct repair_fleet *fleet,
                          const struct repair_replica *except)
{
    for (size_t i = 0; i < fleet->count; i++) {
        if (is_free(group, fleet, i) && !repair_is_zone_taken(group, fleet, i, except))
            return true;
    }
    return false;
}

/* ---- one of them ---- */

size_t repair_find(const struct repair_group *group, const struct repair_fleet *fleet, enum standing standing)
{
    for (size_t i = 0; i < group->count; i++) {
        if (repair_standing(fleet, &group->replicas[i]) == standing)
            return i;
    }
    return NOWHERE;
}

size_t repair_find_worst(const struct repair_group *group, const struct repair_fleet *fleet,
                         enum standing standing)
{
    size_t worst = NOWHERE;
    uint64_t worst_fill = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct repair_replica *r = &group->replicas[i];
        if (repair_standing(fleet, r) != standing)
            continue;
        uint64_t fill = repair_node_of(fleet, r)->fill / 2;
        if (repair_is_zone_taken(group, fleet, r->node, r))
            fill += UINT64_MAX / 2;
        if (worst != NOWHERE && fill <= worst_fill)
            continue;
        worst = i;
        worst_fill = fill;
    }
    return worst;
}

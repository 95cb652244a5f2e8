#include "controlplane/control/repair.h"

#include "base/assert.h"
#include "controlplane/control/repair_internal.h"

static const struct repair_step nothing = {.kind = REPAIR_NOTHING};

static struct repair_step about(enum repair_kind kind, size_t replica)
{
    return (struct repair_step){.kind = kind, .replica = replica};
}

static struct repair_step add(enum repair_kind kind, size_t node)
{
    return node == NOWHERE ? nothing : (struct repair_step){.kind = kind, .node = node};
}

/* The last words about replicas that are members no more, or never will be. */
static struct repair_step clear(const struct repair_group *group, const struct repair_fleet *fleet)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct repair_replica *r = &group->replicas[i];
        if (r->is_absent && r->is_removed)
            return about(REPAIR_FORGET, i);
        if (r->is_absent || group->id_floor == 0)
            continue;
        bool is_impossible =
            r->replica_id < group->id_floor || (!r->is_wanted && (!r->is_created || r->is_forgotten));
        if (r->membership == REPAIR_NO_MEMBER && is_impossible)
            return about(REPAIR_ABSENT, i);
        if (repair_standing(fleet, r) == STANDING_FAILED)
            return about(REPAIR_UNWANT, i);
    }
    return nothing;
}

/* Somebody who can should lead; whose node is dead for a moment leads again when it is back. */
static struct repair_step lead(const struct repair_group *group, const struct repair_fleet *fleet)
{
    size_t best = NOWHERE;
    for (size_t i = 0; i < group->count; i++) {
        const struct repair_replica *r = &group->replicas[i];
        enum standing standing = repair_standing(fleet, r);
        if (r->is_leader_wanted && (standing == STANDING_GOOD || standing == STANDING_AWAY))
            return nothing;
        if (standing == STANDING_GOOD &&
            (best == NOWHERE ||
             repair_node_of(fleet, r)->leads < repair_node_of(fleet, &group->replicas[best])->leads))
            best = i;
    }
    return best == NOWHERE ? nothing : about(REPAIR_LEAD, best);
}

/* Storage replicas beyond three. */
static struct repair_step unwant_storage(const struct repair_group *group, const struct repair_fleet *fleet,
                                         const struct census *census)
{
    static const enum standing order[] = {STANDING_BUILDING, STANDING_LEAVING, STANDING_AWAY};
    uint32_t good = census->of[STANDING_GOOD];
    if (good < STORAGE_WANTED)
        return nothing;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (census->of[order[i]] > 0)
            return about(REPAIR_UNWANT, repair_find_worst(group, fleet, order[i]));
    }
    return good > STORAGE_WANTED ? about(REPAIR_UNWANT, repair_find_worst(group, fleet, STANDING_GOOD))
                                 : nothing;
}

/* Voters that will not be back, once others are in their place. Where only the node of the damaged one is left to build
 * on, it goes before that: it counts for nothing but stands in the way. */
static struct repair_step unwant_bad(const struct repair_group *group, const struct repair_fleet *fleet,
                                     const struct census *census)
{
    size_t bad = repair_find(group, fleet, STANDING_BAD);
    bool has_turn = fleet->builds_left > 0 || repair_storage_missing(census) == 0;
    if (bad == NOWHERE || (!has_turn && !group->replicas[bad].is_log))
        return nothing; /* as long as nothing can be built in its place, it may as well come back */
    bool is_in_the_way = repair_node_of(fleet, &group->replicas[bad])->life == NODE_ALIVE &&
                         repair_storage_missing(census) > 0 && repair_is_all_taken(group, fleet) &&
                         census->living_voters >= (group->voters - 1) / 2 + 1;
    /* A disk that only is away may be the last but one with rows. */
    bool is_spare = group->replicas[bad].is_log || group->replicas[bad].is_damaged ||
                    census->of[STANDING_GOOD] + census->of[STANDING_LEAVING] >= 2;
    bool is_replaced = census->in_place >= STORAGE_WANTED && is_spare;
    return is_replaced || is_in_the_way ? about(REPAIR_UNWANT, bad) : nothing;
}

/* The log replica whose node a storage replica would like best. */
static size_t find_log(const struct repair_group *group, const struct repair_fleet *fleet)
{
    size_t best = NOWHERE;
    for (size_t i = 0; i < group->count; i++) {
        const struct repair_replica *r = &group->replicas[i];
        if (repair_standing(fleet, r) != STANDING_LOG)
            continue;
        bool is_better =
            best == NOWHERE || (!repair_is_zone_taken(group, fleet, r->node, NULL) &&
                                repair_is_zone_taken(group, fleet, group->replicas[best].node, NULL));
        if (is_better)
            best = i;
    }
    return best;
}

static struct repair_step unwant_logs(const struct repair_group *group, const struct repair_fleet *fleet,
                                      const struct census *census)
{
    uint32_t logs = census->of[STANDING_LOG];
    if (logs == 0 || census->of[STANDING_BAD] > 0)
        return nothing;
    /* With no other node left, the last one makes room: two voters and a build are better than no build. */
    bool is_in_the_way = repair_storage_missing(census) > 0 && census->of[STANDING_BUILDING] == 0 &&
                         census->of[STANDING_LEAVING] == 0 && repair_is_all_taken(group, fleet) &&
                         census->of[STANDING_AWAY] == 0 && census->of[STANDING_GOOD] >= 2;
    if (logs <= repair_logs_needed(census) && !is_in_the_way)
        return nothing;
    return about(REPAIR_UNWANT, find_log(group, fleet));
}

static struct repair_step add_storage(const struct repair_group *group, const struct repair_fleet *fleet,
                                      const struct census *census)
{
    if (repair_storage_missing(census) == 0 || fleet->builds_left == 0)
        return nothing;
    size_t node =
        repair_choose_node(group, fleet, (struct repair_choice){.is_zone_wanted = true, .is_build = true});
    /* Two in one zone are better than two in all; who only leaves can wait for a better place. */
    bool is_urgent = repair_storage_missing(census) > census->of[STANDING_LEAVING] &&
                     !repair_has_free_zone(group, fleet, NULL);
    if (node == NOWHERE && is_urgent)
        node = repair_choose_node(group, fleet, (struct repair_choice){.is_build = true});
    return add(REPAIR_ADD_STORAGE, node);
}

static struct repair_step add_log(const struct repair_group *group, const struct repair_fleet *fleet,
                                  const struct census *census)
{
    uint32_t needed = repair_logs_needed(census);
    uint32_t logs = census->of[STANDING_LOG];
    uint32_t free_nodes = repair_count_free(group, fleet);
    uint32_t kept_free = repair_storage_missing(census); /* for storage replicas that wait for their turn */
    if (needed <= logs || free_nodes < kept_free + needed - logs)
        return nothing; /* fewer would make the group need more voters without giving it one to lose */
    size_t node = repair_choose_node(group, fleet, (struct repair_choice){.is_zone_wanted = true});
    if (node == NOWHERE)
        node = repair_choose_node(group, fleet, (struct repair_choice){0});
    return add(REPAIR_ADD_LOG, node);
}

/* All is there, but two storage replicas share a zone while another zone has a place; or a move has nowhere to go. */
static struct repair_step tidy(const struct repair_group *group, const struct repair_fleet *fleet,
                               const struct census *census)
{
    if (census->of[STANDING_LEAVING] > 0) {
        size_t leaving = repair_find(group, fleet, STANDING_LEAVING);
        bool is_waiting = repair_storage_missing(census) > 0 && group->replicas[leaving].is_leaving &&
                          !repair_has_free_zone(group, fleet, NULL);
        return is_waiting ? about(REPAIR_STAY, leaving) : nothing;
    }
    if (census->of[STANDING_GOOD] != STORAGE_WANTED || census->of[STANDING_BUILDING] > 0)
        return nothing;
    for (size_t i = 0; i < group->count; i++) {
        const struct repair_replica *r = &group->replicas[i];
        if (repair_standing(fleet, r) == STANDING_GOOD && repair_is_zone_taken(group, fleet, r->node, r) &&
            repair_has_free_zone(group, fleet, r))
            return about(REPAIR_LEAVE, i);
    }
    return nothing;
}

static struct repair_step first_of(const struct repair_group *group, const struct repair_fleet *fleet,
                                   const struct census *census)
{
    static struct repair_step (*const parts[])(const struct repair_group *, const struct repair_fleet *,
                                               const struct census *) = {
        unwant_storage, unwant_bad, unwant_logs, add_storage, add_log, tidy};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct repair_step step = parts[i](group, fleet, census);
        bool is_addition = step.kind == REPAIR_ADD_STORAGE || step.kind == REPAIR_ADD_LOG;
        if (step.kind != REPAIR_NOTHING && (!is_addition || group->count < group->replicas_max))
            return step;
    }
    return nothing;
}

struct repair_step repair_next(const struct repair_group *group, const struct repair_fleet *fleet)
{
    struct repair_step step = clear(group, fleet);
    if (step.kind != REPAIR_NOTHING || group->id_floor == 0)
        return step;
    struct census census = repair_count(group, fleet);
    if (!repair_has_quorum(group, &census))
        return nothing;
    step = lead(group, fleet);
    return step.kind != REPAIR_NOTHING ? step : first_of(group, fleet, &census);
}

/* ---- after a step ---- */

static void weigh(const struct repair_fleet *fleet, struct repair_node *node)
{
    node->shares = placement_shares(&node->place, &fleet->totals);
    node->fill = placement_fill(&node->shares);
    node->leads = placement_leads(&node->shares);
}

void repair_weigh(struct repair_fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++)
        weigh(fleet, &fleet->nodes[i]);
}

static void take_add(struct repair_group *group, struct repair_fleet *fleet, const struct repair_step *step,
                     uint64_t new_id)
{
    ASSERT(group->count < REPAIR_REPLICAS_MAX);
    struct repair_node *node = &fleet->nodes[step->node];
    bool is_log = step->kind == REPAIR_ADD_LOG;
    group->replicas[group->count++] = (struct repair_replica){
        .replica_id = new_id, .node = step->node, .is_log = is_log, .is_wanted = true};
    if (is_log)
        return;
    node->place = placement_with(&node->place, group->bytes, group->milli_per_s);
    weigh(fleet, node);
    node->builds++;
    fleet->builds_left -= fleet->builds_left > 0;
}

static void take_lead(struct repair_group *group, struct repair_fleet *fleet, size_t replica)
{
    for (size_t i = 0; i < group->count; i++) {
        struct placement_node *place = &fleet->nodes[group->replicas[i].node].place;
        if (group->replicas[i].is_leader_wanted) {
            place->leader_count -= place->leader_count > 0;
            place->leader_milli_per_s -= place->leader_milli_per_s < group->milli_per_s
                                             ? place->leader_milli_per_s
                                             : group->milli_per_s;
        }
        group->replicas[i].is_leader_wanted = i == replica;
        if (i == replica) {
            place->leader_count++;
            place->leader_milli_per_s += group->milli_per_s;
        }
        weigh(fleet, &fleet->nodes[group->replicas[i].node]);
    }
}

void repair_take(struct repair_group *group, struct repair_fleet *fleet, const struct repair_step *step,
                 uint64_t new_id)
{
    struct repair_replica *r = &group->replicas[step->replica];
    switch (step->kind) {
    case REPAIR_NOTHING:
        return;
    case REPAIR_ADD_STORAGE:
    case REPAIR_ADD_LOG:
        take_add(group, fleet, step, new_id);
        return;
    case REPAIR_LEAVE:
    case REPAIR_STAY:
        r->is_leaving = step->kind == REPAIR_LEAVE;
        return;
    case REPAIR_UNWANT:
        r->is_wanted = false;
        return;
    case REPAIR_ABSENT:
        r->is_wanted = false;
        r->is_absent = true;
        return;
    case REPAIR_FORGET:
        *r = group->replicas[--group->count];
        return;
    case REPAIR_LEAD:
        take_lead(group, fleet, step->replica);
        return;
    }
}

struct repair_need repair_look(const struct repair_group *group, const struct repair_fleet *fleet)
{
    struct census census = repair_count(group, fleet);
    uint32_t good = census.of[STANDING_GOOD] + census.of[STANDING_LEAVING];
    if (group->id_floor == 0)
        return (struct repair_need){.is_short = false};
    return (struct repair_need){
        .is_short = good<(uint32_t)STORAGE_WANTED, .is_waiting = repair_storage_missing(&census)> 0,
        .is_covered = census.of[STANDING_LOG] > 0,
        .is_stuck = !repair_has_quorum(group, &census),
    };
}

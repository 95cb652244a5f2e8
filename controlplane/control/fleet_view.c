/* The catalog as the pure cores of repair and balance want to see it. */
#include "base/assert.h"
#include "base/memory.h"
#include "controlplane/control/fleet_internal.h"

STATIC_ASSERT((int)PARTITION_REPLICAS_MAX <= (int)REPAIR_REPLICAS_MAX,
              "a partition's replicas fit into a repair_group");

bool fleet_can_take(const struct node *node)
{
    bool is_there = node->life == NODE_ALIVE || node->life == NODE_SUSPECT;
    return is_there && !node->is_lost && !node->is_draining;
}

/* What each of its replicas costs its node: the largest size that was reported, as followers may lag, and all that is
 * consumed, as each may have to serve it. */
static void weigh_partition(const struct partition *partition, uint64_t *ret_bytes, uint64_t *ret_milli_per_s)
{
    *ret_bytes = 0;
    *ret_milli_per_s = 0;
    for (size_t i = 0; i < partition->replica_count; i++) {
        const struct replica *r = partition->replicas[i];
        *ret_milli_per_s += r->milli_per_s;
        if (r->item_bytes > *ret_bytes)
            *ret_bytes = r->item_bytes;
    }
}

struct placement_node fleet_weigh_node(const struct node *node)
{
    struct placement_node place = {
        .node_id = node->node_id, .zone = node->zone, .leader_count = node->leader_count};
    for (const struct replica *r = node->oldest_goal; r != NULL; r = r->newer_goal) {
        uint64_t bytes, milli_per_s;
        if (r->goal != GOAL_PRESENT || !r->is_wanted || r->is_leaving)
            continue;
        place.replica_count++;
        weigh_partition(r->partition, &bytes, &milli_per_s);
        place.bytes += r->kind == REPLICA_STORAGE ? bytes : 0;
        place.milli_per_s += milli_per_s;
        place.leader_milli_per_s += r->is_leader_wanted ? milli_per_s : 0;
    }
    return place;
}

bool fleet_is_build(const struct replica *r)
{
    return r->goal == GOAL_PRESENT && r->is_wanted && r->is_newcomer && r->kind == REPLICA_STORAGE &&
           r->membership != REPLICA_VOTER;
}

static struct repair_node view_node(const struct node *node, struct fleet_view *view)
{
    struct repair_node to = {
        .place = fleet_weigh_node(node), .life = node->life, .is_draining = node->is_draining};
    for (const struct replica *r = node->oldest_goal; r != NULL; r = r->newer_goal) {
        to.builds += fleet_is_build(r);
        view->moves += r->goal == GOAL_PRESENT && r->is_wanted && r->is_leaving;
    }
    return to;
}

enum err fleet_view_init(struct fleet_view *view, const struct control *control)
{
    const struct control_options *options = &control->options;
    size_t nodes = HASH_COUNT(control->catalog.nodes);
    uint32_t builds = 0;
    *view = (struct fleet_view){.fleet.node_builds_max = options->node_builds_max};
    view->fleet.nodes = memory_alloc((nodes + 1) * sizeof *view->fleet.nodes);
    view->origins = memory_alloc((nodes + 1) * sizeof *view->origins);
    if (view->fleet.nodes == NULL || view->origins == NULL) {
        fleet_view_deinit(view);
        return ERR_NO_MEMORY;
    }
    for (struct node *node = control->catalog.nodes; node != NULL; node = node->hh.next) {
        struct repair_node *to = &view->fleet.nodes[view->fleet.count];
        *to = view_node(node, view);
        builds += to->builds;
        if (fleet_can_take(node))
            placement_count(&view->fleet.totals, &to->place);
        node->view_index = view->fleet.count;
        view->origins[view->fleet.count++] = node;
    }
    view->fleet.builds_left = options->builds_max > builds ? (uint32_t)(options->builds_max - builds) : 0;
    repair_weigh(&view->fleet);
    return ERR_OK;
}

void fleet_view_deinit(struct fleet_view *view)
{
    memory_free(view->fleet.nodes);
    memory_free(view->origins);
}

/* Whoever may lead the group has heard that this one is not wanted: all others' nodes have taken up their newest goals. What
 * they did before that, their reports have said (docs/decisions/0010, 3). */
static bool is_forgotten(const struct replica *replica)
{
    const struct partition *partition = replica->partition;
    for (size_t i = 0; i < partition->replica_count; i++) {
        const struct replica *r = partition->replicas[i];
        if (r != replica && r->goal == GOAL_PRESENT && r->creation_id != 0 &&
            r->node->goals_taken < r->goal_version)
            return false;
    }
    return !replica->is_wanted;
}

static struct repair_replica view_replica(const struct replica *r)
{
    static const enum repair_membership memberships[] = {
        [REPLICA_NO_MEMBER] = REPAIR_NO_MEMBER,
        [REPLICA_LEARNER] = REPAIR_LEARNER,
        [REPLICA_VOTER] = REPAIR_VOTER,
    };
    return (struct repair_replica){
        .replica_id = r->key.replica_id,
        .node = r->node->view_index,
        .is_log = r->kind == REPLICA_LOG,
        .is_absent = r->goal == GOAL_ABSENT,
        .is_wanted = r->is_wanted,
        .is_created = r->creation_id != 0,
        .is_forgotten = is_forgotten(r),
        .is_leaving = r->is_leaving,
        .is_leader_wanted = r->is_leader_wanted,
        .is_damaged = r->role == ROLE_QUARANTINED,
        .is_removed = replica_is_gone(r),
        .membership = memberships[r->membership],
    };
}

void fleet_view_group(const struct partition *partition, struct repair_group *to)
{
    to->count = partition->replica_count;
    to->replicas_max = PARTITION_REPLICAS_MAX;
    to->id_floor = partition->membership_version == 0 ? 0 : partition->replica_id_floor;
    to->voters = partition->voter_count;
    weigh_partition(partition, &to->bytes, &to->milli_per_s);
    for (size_t i = 0; i < partition->replica_count; i++)
        to->replicas[i] = view_replica(partition->replicas[i]);
}

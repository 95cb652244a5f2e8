/* Who is in a goal: the first membership, for a replica that begins its group with others; who is wanted, for leaders; the
 * newcomer alone, for one that joins a group. */
#include "base/proto.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/proto/controlplane.pb-c.h"

typedef Sluice__Controlplane__MemberGoal member_goal; /* protobuf-c's names, shorter */
typedef Sluice__Controlplane__ReplicaGoal replica_goal;

static char *text(const char *constant)
{
    union {
        const char *in;
        char *out;
    } pointer = {.in = constant};
    return pointer.out; /* protobuf-c does not write through it */
}

member_goal *control_make_member(const struct node *node, uint64_t replica_id, uint32_t kind,
                                 struct arena *arena)
{
    member_goal *member = arena_alloc(arena, sizeof *member);
    if (member == NULL)
        return NULL;
    sluice__controlplane__member_goal__init(member);
    member->replica_id = replica_id;
    member->node_id = node->node_id;
    member->zone = text(node->zone);
    member->host = text(node->host);
    member->port = node->port;
    member->loops = node->loops;
    member->kind = kind;
    return member;
}

static void add(member_goal **members, size_t *count, const struct replica *replica, struct arena *arena)
{
    member_goal *member = control_make_member(replica->node, replica->key.replica_id, replica->kind, arena);
    if (member != NULL)
        members[(*count)++] = member;
}

/* An original that was never created joins like a newcomer once the membership may have changed. */
static bool is_newcomer(const struct replica *replica)
{
    return replica->is_newcomer || replica->partition->wanted_version > 0;
}

static void fill_first(replica_goal *goal, const struct replica *replica, struct arena *arena)
{
    const struct partition *partition = replica->partition;
    goal->first_members = arena_alloc(arena, PARTITION_REPLICAS_MAX * sizeof *goal->first_members);
    for (size_t i = 0; i < partition->replica_count && goal->first_members != NULL; i++) {
        const struct replica *other = partition->replicas[i];
        if (goal->is_newcomer ? other == replica : !other->is_newcomer)
            add(goal->first_members, &goal->n_first_members, other, arena);
    }
}

/* Members join in the order of their ids, as a later one would make an earlier one impossible: who is not created yet keeps
 * those back that came after him. */
static uint64_t first_uncreated(const struct partition *partition)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < partition->replica_count; i++) {
        const struct replica *r = partition->replicas[i];
        if (r->is_wanted && r->is_newcomer && r->creation_id == 0 && r->key.replica_id < first)
            first = r->key.replica_id;
    }
    return first;
}

static void fill_wanted(replica_goal *goal, const struct partition *partition, struct arena *arena)
{
    uint64_t end = first_uncreated(partition);
    goal->wanted_version = partition->wanted_version;
    goal->wanted_members = arena_alloc(arena, PARTITION_REPLICAS_MAX * sizeof *goal->wanted_members);
    for (size_t i = 0; i < partition->replica_count && goal->wanted_members != NULL; i++) {
        const struct replica *r = partition->replicas[i];
        if (r->is_wanted && r->goal == GOAL_PRESENT && r->key.replica_id < end)
            add(goal->wanted_members, &goal->n_wanted_members, r, arena);
    }
}

void control_fill_members(replica_goal *goal, const struct replica *replica, struct arena *arena)
{
    const struct partition *partition = replica->partition;
    goal->is_newcomer = is_newcomer(replica);
    fill_first(goal, replica, arena);
    if (partition->wanted_version > 0)
        fill_wanted(goal, partition, arena);
    for (size_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i]->is_leader_wanted)
            goal->leader_preference = partition->replicas[i]->key.replica_id;
    }
}

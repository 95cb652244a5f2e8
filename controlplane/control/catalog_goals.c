/* Changes of the catalog that repair and balance make: who is wanted, who should lead, nodes that go. */
#include "base/assert.h"
#include "base/memory.h"
#include "controlplane/control/catalog_internal.h"

void catalog_touch_partition(struct catalog *c, struct partition *partition)
{
    for (size_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i]->goal == GOAL_PRESENT)
            catalog_touch_goal(c, partition->replicas[i]);
    }
}

void catalog_change_wanted(struct catalog *c, struct partition *partition)
{
    partition->wanted_version++;
    catalog_touch_partition(c, partition);
}

static void set_leading(struct replica *replica, bool is_leader_wanted)
{
    if (replica->goal == GOAL_PRESENT) {
        replica->node->leader_count -= replica->is_leader_wanted;
        replica->node->leader_count += is_leader_wanted;
    }
    replica->is_leader_wanted = is_leader_wanted;
}

void catalog_set_unwanted(struct catalog *c, struct replica *replica)
{
    if (!replica->is_wanted)
        return;
    set_leading(replica, false);
    replica->is_wanted = false;
    catalog_change_wanted(c, replica->partition);
}

void catalog_set_leader(struct catalog *c, struct replica *replica)
{
    struct partition *partition = replica->partition;
    for (size_t i = 0; i < partition->replica_count; i++)
        set_leading(partition->replicas[i], partition->replicas[i] == replica);
    catalog_touch_partition(c, partition);
}

void catalog_give_up_node(struct catalog *c, struct node *node)
{
    catalog_lose_node(node);
    node->is_removed = true;
    c->node_version = ++c->goal_version;
}

void catalog_remove_node(struct catalog *c, struct node *node)
{
    ASSERT(node->oldest_goal == NULL);
    HASH_DEL(c->nodes, node);
    memory_free(node);
    c->node_version = ++c->goal_version;
}

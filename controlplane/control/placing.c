#include "base/memory.h"
#include "controlplane/control/control_internal.h"

struct candidates {
    struct placement_node *nodes;
    struct node **origins; /* same order */
    size_t count;
};

static enum err collect(struct control *control, struct candidates *to)
{
    size_t nodes = HASH_COUNT(control->catalog.nodes);
    to->nodes = memory_alloc((nodes + 1) * sizeof *to->nodes);
    to->origins = memory_alloc((nodes + 1) * sizeof *to->origins);
    if (to->nodes == NULL || to->origins == NULL)
        return ERR_NO_MEMORY;
    for (struct node *node = control->catalog.nodes; node != NULL; node = node->hh.next) {
        if (!fleet_can_take(node))
            continue;
        to->nodes[to->count] = fleet_weigh_node(node);
        to->origins[to->count++] = node;
    }
    return ERR_OK;
}

static enum err place_one(struct control *control, const struct candidates *from, struct placed_replica *to)
{
    struct placement placement;
    TRY(placement_choose(from->nodes, from->count, &placement));
    for (size_t i = 0; i < REPLICAS_PER_PARTITION; i++)
        to[i] = (struct placed_replica){.node = from->origins[placement.nodes[i]],
                                        .replica_id = ++control->catalog.counters.replica_id,
                                        .is_leader_wanted = i == placement.leader};
    return ERR_OK;
}

enum err control_place(struct control *control, size_t count, struct placed_replica **ret_replicas)
{
    struct candidates candidates = {0};
    struct placed_replica *replicas = memory_alloc(count * REPLICAS_PER_PARTITION * sizeof *replicas);
    enum err err = replicas == NULL ? ERR_NO_MEMORY : collect(control, &candidates);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = place_one(control, &candidates, replicas + i * REPLICAS_PER_PARTITION);
    memory_free(candidates.nodes);
    memory_free(candidates.origins);
    if (err == ERR_OK)
        *ret_replicas = replicas;
    else
        memory_free(replicas);
    return err;
}

void control_insert_replicas(const struct placed_replica *replicas, uint64_t group_id,
                             struct sql_batch *batch)
{
    for (size_t i = 0; i < REPLICAS_PER_PARTITION; i++) {
        sql_begin(batch, "INSERT INTO replicas (replica_id, group_id, node_id, kind, goal, is_leader_wanted) "
                         "VALUES ($1, $2, $3, 0, 0, $4)");
        sql_u64(batch, replicas[i].replica_id);
        sql_u64(batch, group_id);
        sql_u64(batch, replicas[i].node->node_id);
        sql_bool(batch, replicas[i].is_leader_wanted);
    }
}

/* Steps of repair and balance: as rows, and in the catalog. */
#include "controlplane/control/fleet_internal.h"

static void name_replica(const struct fleet_step *step, struct sql_batch *batch)
{
    sql_u64(batch, step->partition->group_id);
    sql_u64(batch, step->replica->key.replica_id);
}

static void store_add(const struct fleet_step *step, struct sql_batch *batch)
{
    sql_begin(batch, "INSERT INTO replicas (group_id, replica_id, node_id, kind, goal, is_leader_wanted, "
                     "is_newcomer) VALUES ($1, $2, $3, $4, 0, false, true)");
    sql_u64(batch, step->partition->group_id);
    sql_u64(batch, step->new_id);
    sql_u64(batch, step->node->node_id);
    sql_u64(batch, step->kind == REPAIR_ADD_LOG ? REPLICA_LOG : REPLICA_STORAGE);
}

static void store_unwant(const struct fleet_step *step, struct sql_batch *batch)
{
    sql_begin(batch, "UPDATE replicas SET is_wanted = false, is_leader_wanted = false "
                     "WHERE group_id = $1 AND replica_id = $2");
    name_replica(step, batch);
    control_store_wanted(step->partition, batch);
}

void control_store_wanted(const struct partition *partition, struct sql_batch *batch)
{
    sql_begin(batch, "UPDATE partitions SET wanted_version = wanted_version + 1 WHERE group_id = $1");
    sql_u64(batch, partition->group_id);
}

void fleet_step_store(const struct fleet_step *step, struct sql_batch *batch)
{
    switch (step->kind) {
    case REPAIR_NOTHING:
        return;
    case REPAIR_ADD_STORAGE:
    case REPAIR_ADD_LOG:
        store_add(step, batch);
        return;
    case REPAIR_UNWANT:
        store_unwant(step, batch);
        return;
    case REPAIR_LEAVE:
        sql_begin(batch, "UPDATE replicas SET is_leaving = true WHERE group_id = $1 AND replica_id = $2");
        break;
    case REPAIR_STAY:
        sql_begin(batch, "UPDATE replicas SET is_leaving = false WHERE group_id = $1 AND replica_id = $2");
        break;
    case REPAIR_ABSENT:
        if (step->replica->is_wanted)
            control_store_wanted(step->partition, batch);
        sql_begin(batch, "UPDATE replicas SET goal = 1, is_wanted = false, is_leader_wanted = false "
                         "WHERE group_id = $1 AND replica_id = $2");
        break;
    case REPAIR_FORGET:
        sql_begin(batch, "DELETE FROM replicas WHERE group_id = $1 AND replica_id = $2");
        break;
    case REPAIR_LEAD:
        sql_begin(batch, "UPDATE replicas SET is_leader_wanted = (replica_id = $2) WHERE group_id = $1");
        break;
    }
    name_replica(step, batch);
}

static enum err apply_add(struct control *control, const struct fleet_step *step)
{
    uint32_t kind = step->kind == REPAIR_ADD_LOG ? REPLICA_LOG : REPLICA_STORAGE;
    struct replica *replica = catalog_add_replica(&control->catalog, step->partition, step->node,
                                                  step->new_id, kind, GOAL_PRESENT, false);
    if (replica == NULL)
        return ERR_NO_MEMORY;
    replica->is_newcomer = true;
    return ERR_OK;
}

static void apply_absent(struct control *control, struct replica *replica)
{
    if (replica->is_wanted)
        catalog_set_unwanted(&control->catalog, replica);
    catalog_set_absent(&control->catalog, replica);
}

enum err fleet_step_apply(struct control *control, const struct fleet_step *step)
{
    switch (step->kind) {
    case REPAIR_NOTHING:
        break;
    case REPAIR_ADD_STORAGE:
    case REPAIR_ADD_LOG:
        return apply_add(control, step);
    case REPAIR_LEAVE:
    case REPAIR_STAY:
        step->replica->is_leaving = step->kind == REPAIR_LEAVE;
        break;
    case REPAIR_UNWANT:
        catalog_set_unwanted(&control->catalog, step->replica);
        break;
    case REPAIR_ABSENT:
        apply_absent(control, step->replica);
        break;
    case REPAIR_FORGET:
        catalog_remove_replica(&control->catalog, step->replica);
        break;
    case REPAIR_LEAD:
        catalog_set_leader(&control->catalog, step->replica);
        break;
    }
    return ERR_OK;
}

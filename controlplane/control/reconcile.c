/* Moves tables on, one transaction for all that is possible now. Each step depends only on what is stored and reported, so
 * that it may be taken again by whoever is control next.
 *
 *     CREATING, not placed --(three zones alive)--> placed --(each group leads, schema applied)--> ACTIVE
 *     UPDATING --(each group leads)--> ACTIVE
 *     DELETING --(replicas removed, or their nodes away, or 1 s)--> GONE --(each replica removed)--> no row any more  */
#include "base/clock.h"
#include "base/memory.h"
#include "controlplane/control/control_internal.h"

enum { DELETING_US_MAX = 1000000, STEPS_MAX = 64, HEARTBEAT_STORED_US = 10000000 };

enum step_kind { STEP_PLACE, STEP_ACTIVATE, STEP_GONE, STEP_FORGET };

struct step {
    enum step_kind kind;
    struct table *table;
    struct placed_replica *replicas; /* PLACE: for each partition three */
    struct staged_object object;     /* ACTIVATE, GONE */
};

/* One at a time, as changes are. */
struct reconciliation {
    struct change change;
    struct step steps[STEPS_MAX];
    size_t count;
    bool has_more;
    bool is_queued;
};

static struct reconciliation *reconciliation_of(struct change *change)
{
    return (struct reconciliation *)change;
}

static bool is_placed(const struct table *table)
{
    for (size_t i = 0; i < table->partition_count; i++) {
        if (table->partitions[i]->replica_count == 0)
            return false;
    }
    return true;
}

/* A group serves: a leader is there and has applied the schema. */
static bool is_serving(const struct partition *partition)
{
    for (size_t i = 0; i < partition->replica_count; i++) {
        const struct replica *replica = partition->replicas[i];
        if (replica->role == ROLE_LEADER && replica->schema_version >= partition->table->schema_version)
            return true;
    }
    return false;
}

static bool is_all_serving(const struct table *table)
{
    for (size_t i = 0; i < table->partition_count; i++) {
        if (!is_serving(table->partitions[i]))
            return false;
    }
    return true;
}

/* The replicas that still are somewhere. */
static size_t count_left(const struct table *table)
{
    size_t left = 0;
    for (size_t i = 0; i < table->partition_count; i++) {
        for (size_t k = 0; k < table->partitions[i]->replica_count; k++)
            left += !replica_is_gone(table->partitions[i]->replicas[k]);
    }
    return left;
}

static bool may_go(struct control *control, struct table *table)
{
    uint64_t now_us = loop_now_us(control->loop);
    if (table->deleted_at_us == 0)
        table->deleted_at_us = now_us; /* another control began this */
    return count_left(table) == 0 || now_us >= table->deleted_at_us + DELETING_US_MAX;
}

static void set_status(const struct table *table, enum table_status status, struct sql_batch *batch)
{
    sql_begin(batch, "UPDATE tables SET status = $2 WHERE space_id = $1");
    sql_u64(batch, table->space_id);
    sql_u64(batch, (uint64_t)status);
}

static enum err step_place(struct control *control, struct step *step, struct sql_batch *batch)
{
    struct table *table = step->table;
    if (is_placed(table))
        return ERR_STALE;
    enum err err = control_place(control, table->partition_count, &step->replicas);
    if (err != ERR_OK)
        return err == ERR_UNAVAILABLE ? ERR_STALE : err;
    step->kind = STEP_PLACE;
    for (size_t i = 0; i < table->partition_count; i++)
        control_insert_replicas(step->replicas + i * REPLICAS_PER_PARTITION, table->partitions[i]->group_id,
                                batch);
    sql_begin(batch, "UPDATE workflows SET step = 'wait_for_leaders', updated_us = $2 WHERE space_id = $1");
    sql_u64(batch, table->space_id);
    sql_u64(batch, clock_wall_us());
    return ERR_OK;
}

static enum err step_activate(struct control *control, struct step *step, struct sql_batch *batch)
{
    step->kind = STEP_ACTIVATE;
    set_status(step->table, TABLE_ACTIVE, batch);
    sql_begin(batch, "DELETE FROM workflows WHERE space_id = $1");
    sql_u64(batch, step->table->space_id);
    return control_stage_table(control, step->table, TABLE_ACTIVE, batch, &step->object);
}

static enum err step_gone(struct control *control, struct step *step, struct sql_batch *batch)
{
    step->kind = STEP_GONE;
    set_status(step->table, TABLE_GONE, batch);
    return control_stage_table(control, step->table, TABLE_GONE, batch, &step->object);
}

static void step_forget(struct step *step, struct sql_batch *batch)
{
    static const char *const deletions[] = {
        "DELETE FROM workflows WHERE space_id = $1",
        ("DELETE FROM replicas USING partitions WHERE partitions.group_id = replicas.group_id AND "
         "partitions.space_id = $1"),
        "DELETE FROM partitions WHERE space_id = $1",
        "DELETE FROM tables WHERE space_id = $1",
    };
    step->kind = STEP_FORGET;
    for (size_t i = 0; i < sizeof deletions / sizeof deletions[0]; i++) {
        sql_begin(batch, deletions[i]);
        sql_u64(batch, step->table->space_id);
    }
}

/* ERR_STALE: this table has to wait. */
static enum err next_step(struct control *control, struct step *step, struct sql_batch *batch)
{
    struct table *table = step->table;
    switch (table->status) {
    case TABLE_CREATING:
        if (!is_placed(table))
            return step_place(control, step, batch);
        return is_all_serving(table) ? step_activate(control, step, batch) : ERR_STALE;
    case TABLE_UPDATING:
        return is_all_serving(table) ? step_activate(control, step, batch) : ERR_STALE;
    case TABLE_DELETING:
        return may_go(control, table) ? step_gone(control, step, batch) : ERR_STALE;
    case TABLE_GONE:
        if (count_left(table) > 0)
            return ERR_STALE;
        step_forget(step, batch);
        return ERR_OK;
    case TABLE_ACTIVE:
        break;
    }
    return ERR_STALE;
}

/* When each node was last heard, for people: not worth a transaction of its own each time. */
static void store_heartbeats(struct control *control, struct sql_batch *batch)
{
    for (struct node *node = control->catalog.nodes; node != NULL; node = node->hh.next) {
        if (node->heard_wall_us < node->stored_wall_us + HEARTBEAT_STORED_US)
            continue;
        node->stored_wall_us = node->heard_wall_us;
        sql_begin(batch, "UPDATE nodes SET last_heartbeat_us = $2 WHERE node_id = $1");
        sql_u64(batch, node->node_id);
        sql_u64(batch, node->heard_wall_us);
    }
}

static enum err reconcile_prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct reconciliation *r = reconciliation_of(change);
    r->count = 0;
    r->has_more = false;
    store_heartbeats(control, batch);
    struct table *table = control->catalog.unsettled;
    struct table *end = table;
    while (table != NULL) {
        if (r->count == STEPS_MAX) {
            r->has_more = true;
            break;
        }
        struct step *step = &r->steps[r->count];
        *step = (struct step){.table = table};
        enum err err = next_step(control, step, batch);
        if (err != ERR_OK && err != ERR_STALE)
            return err;
        r->count += err == ERR_OK;
        table = table->next_unsettled == end ? NULL : table->next_unsettled;
    }
    if (r->count > 0)
        control_save_counters(control, batch);
    return batch->count == 0 ? ERR_STALE : ERR_OK;
}

static enum err apply_place(struct control *control, const struct step *step)
{
    for (size_t i = 0; i < step->table->partition_count; i++) {
        for (size_t k = 0; k < REPLICAS_PER_PARTITION; k++) {
            const struct placed_replica *placed = &step->replicas[i * REPLICAS_PER_PARTITION + k];
            if (catalog_add_replica(&control->catalog, step->table->partitions[i], placed->node,
                                    placed->replica_id, 0, GOAL_PRESENT, placed->is_leader_wanted) == NULL)
                return ERR_NO_MEMORY;
        }
    }
    return ERR_OK;
}

static void apply_forget(struct control *control, struct table *table)
{
    for (size_t i = 0; i < table->partition_count; i++) {
        while (table->partitions[i]->replica_count > 0)
            catalog_remove_replica(&control->catalog, table->partitions[i]->replicas[0]);
    }
    catalog_remove_table(&control->catalog, table);
}

static enum err apply_step(struct control *control, struct step *step)
{
    switch (step->kind) {
    case STEP_PLACE:
        return apply_place(control, step);
    case STEP_ACTIVATE:
        catalog_set_status(&control->catalog, step->table, TABLE_ACTIVE);
        return control_object_apply(control, &step->object);
    case STEP_GONE:
        catalog_set_status(&control->catalog, step->table, TABLE_GONE);
        return control_object_apply(control, &step->object);
    case STEP_FORGET:
        apply_forget(control, step->table);
        break;
    }
    return ERR_OK;
}

static enum err reconcile_apply(struct control *control, struct change *change)
{
    struct reconciliation *r = reconciliation_of(change);
    for (size_t i = 0; i < r->count; i++)
        TRY(apply_step(control, &r->steps[i]));
    control_tell_nodes(control);
    return ERR_OK;
}

static void reconcile_done(struct control *control, struct change *change, enum err err)
{
    struct reconciliation *r = reconciliation_of(change);
    r->is_queued = false;
    for (size_t i = 0; i < STEPS_MAX; i++) {
        memory_free(r->steps[i].replicas);
        staged_object_drop(&r->steps[i].object);
        r->steps[i] = (struct step){0};
    }
    if (err == ERR_OK && (r->has_more || r->count > 0))
        control_wake_reconcile(control);
    r->count = 0;
}

enum err control_reconcile_init(struct control *control)
{
    struct reconciliation *r = memory_zalloc(sizeof *r);
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->change =
        (struct change){.prepare = reconcile_prepare, .apply = reconcile_apply, .done = reconcile_done};
    control->reconciliation = r;
    return ERR_OK;
}

void control_reconcile_deinit(struct control *control)
{
    memory_free(control->reconciliation);
    control->reconciliation = NULL;
}

void control_wake_reconcile(struct control *control)
{
    struct reconciliation *r = control->reconciliation;
    if (r->is_queued || control->state != CONTROL_ACTIVE)
        return;
    r->is_queued = true;
    control_submit(control, &r->change);
}

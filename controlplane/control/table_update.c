/* UpdateTable: one transaction stores what changes and says UPDATING; controlplane/control/reconcile.c makes the table
 * ACTIVE again as soon as every partition serves. */
#include <jansson.h>

#include "base/clock.h"
#include "base/memory.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/control/table_description.h"
#include "controlplane/control/table_update_request.h"

struct update_change {
    struct change change;
    char tenant_id[TENANT_ID_BYTES + 1];
    struct table_update update;
    struct table *table;
    struct table_spec spec; /* as it will be; its tags are the table's */
    struct staged_object object;
    struct answer *answer;
    answer_cb done;
    void *data;
};

static enum err check(struct update_change *update, const struct table *table)
{
    static const char *const what[] = {
        [TABLE_CREATING] = "created", [TABLE_UPDATING] = "updated", [TABLE_DELETING] = "deleted"};
    const char *name = update->update.name;
    if (table == NULL)
        return answer_refuse(update->answer, ERR_RESOURCE_NOT_FOUND,
                             "Requested resource not found: Table: %s not found", name);
    if (table->status != TABLE_ACTIVE)
        return answer_refuse(update->answer, ERR_RESOURCE_IN_USE,
                             "Attempt to change a resource which is still in use: Table is being %s: %s",
                             what[table->status], name);
    return ERR_OK;
}

static void store(const struct table *table, const struct table_spec *spec, struct sql_batch *batch)
{
    const struct table_history *history = &spec->history;
    sql_begin(batch,
              "UPDATE tables SET status = $2, billing_mode = $3, read_units = $4, write_units = $5, "
              "max_read_units = $6, max_write_units = $7, table_class = $8, is_deletion_protected = $9, "
              "on_demand_us = $10, table_class_us = $11, increase_us = $12, decrease_us = $13, "
              "decrease_count = $14, decreases_left = $15 WHERE space_id = $1");
    sql_u64(batch, table->space_id);
    sql_u64(batch, TABLE_UPDATING);
    sql_u64(batch, spec->is_on_demand);
    sql_u64(batch, spec->read_units);
    sql_u64(batch, spec->write_units);
    sql_u64(batch, spec->max_read_units);
    sql_u64(batch, spec->max_write_units);
    sql_u64(batch, (uint64_t)spec->table_class);
    sql_bool(batch, spec->is_deletion_protected);
    sql_u64(batch, history->on_demand_us);
    sql_u64(batch, history->table_class_us);
    sql_u64(batch, history->increase_us);
    sql_u64(batch, history->decrease_us);
    sql_u64(batch, history->decrease_count);
    sql_u64(batch, history->decreases_left);
}

static void insert_workflow(struct control *control, const struct table *table, uint64_t now_us,
                            struct sql_batch *batch)
{
    sql_begin(batch, "INSERT INTO workflows (workflow_id, kind, space_id, step, started_us, updated_us) "
                     "VALUES ($1, 'update_table', $2, 'wait_for_leaders', $3, $3)");
    sql_u64(batch, ++control->catalog.counters.workflow_id);
    sql_u64(batch, table->space_id);
    sql_u64(batch, now_us);
}

static enum err update_prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct update_change *update = (struct update_change *)change;
    const struct tenant *tenant = catalog_tenant(&control->catalog, update->tenant_id);
    struct table *table = tenant == NULL ? NULL : tenant_table(tenant, update->update.name);
    uint64_t now_us = clock_wall_us();
    TRY(check(update, table));
    update->table = table;
    update->spec = table->spec;
    enum err err = table_update_apply(&update->update, now_us, &update->spec, update->answer);
    if (err == ERR_STALE)
        (void)answer_json(update->answer, json_pack("{s:o}", "TableDescription",
                                                    table_description(table, table->status))); /* says so */
    TRY(err);
    TRY(control_check_units(tenant, table, &update->spec, update->answer));
    store(table, &update->spec, batch);
    insert_workflow(control, table, now_us, batch);
    struct table updated = *table;
    updated.spec = update->spec;
    TRY(control_stage_table(control, &updated, TABLE_UPDATING, batch, &update->object));
    control_save_counters(control, batch);
    return ERR_OK;
}

/* As DynamoDB does, the answer shows the units as they were, unless the billing mode changes. */
static void take_spec(struct table *table, const struct table_spec *spec, struct answer *answer)
{
    bool is_same_mode = table->spec.is_on_demand == spec->is_on_demand;
    uint64_t read_units = is_same_mode ? table->spec.read_units : spec->read_units;
    uint64_t write_units = is_same_mode ? table->spec.write_units : spec->write_units;
    table->spec = *spec;
    table->spec.read_units = read_units;
    table->spec.write_units = write_units;
    (void)answer_json(answer, json_pack("{s:o}", "TableDescription",
                                        table_description(table, TABLE_UPDATING))); /* says so itself */
    table->spec = *spec;
}

static enum err update_apply(struct control *control, struct change *change)
{
    struct update_change *update = (struct update_change *)change;
    update->answer->bundle_version = update->object.object.version;
    take_spec(update->table, &update->spec, update->answer);
    catalog_set_status(&control->catalog, update->table, TABLE_UPDATING);
    update->table->updating_at_us = loop_now_us(control->loop);
    control_wake_splits(control);
    control_wake_reconcile(control);
    return control_object_apply(control, &update->object);
}

static void update_done(struct control *control, struct change *change, enum err err)
{
    struct update_change *update = (struct update_change *)change;
    if (err != ERR_OK && update->answer->code == ERR_OK)
        answer_refuse(update->answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
    update->done(update->answer, update->data);
    staged_object_drop(&update->object);
    memory_free(update);
}

void control_update_table(struct control *control, struct tenant *tenant, const struct table_update *wanted,
                          struct answer *answer, answer_cb done, void *data)
{
    struct update_change *update = memory_zalloc(sizeof *update);
    if (update == NULL) {
        answer_refuse(answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
        done(answer, data);
        return;
    }
    update->change = (struct change){.prepare = update_prepare, .apply = update_apply, .done = update_done};
    memcpy(update->tenant_id, tenant->id, sizeof update->tenant_id);
    update->update = *wanted;
    update->answer = answer;
    update->done = done;
    update->data = data;
    control_submit(control, &update->change);
}

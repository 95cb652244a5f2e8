/* DeleteTable: one transaction records DELETING and every replica's goal ABSENT; from then on nothing brings the table
 * back, whoever dies. controlplane/control/reconcile.c does the rest. */
#include <jansson.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/memory.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/control/table_description.h"

struct delete_change {
    struct change change;
    char tenant_id[TENANT_ID_BYTES + 1];
    char name[TABLE_NAME_BYTES_MAX + 1];
    struct table *table;
    struct staged_object object;
    struct answer *answer;
    answer_cb done;
    void *data;
};

static void answer_description(struct delete_change *delete, const struct table *table)
{
    (void)answer_json(delete->answer,
                      json_pack("{s:o}", "TableDescription",
                                table_description(table, TABLE_DELETING))); /* says so itself */
}

static enum err check(struct delete_change *delete, const struct table *table)
{
    if (table == NULL)
        return answer_refuse(delete->answer, ERR_RESOURCE_NOT_FOUND,
                             "Requested resource not found: Table: %s not found", delete->name);
    if (table->status == TABLE_CREATING)
        return answer_refuse(delete->answer, ERR_RESOURCE_IN_USE,
                             "Attempt to change a resource which is still in use: Table is being created: %s",
                             delete->name);
    if (table->status == TABLE_UPDATING)
        return answer_refuse(delete->answer, ERR_RESOURCE_IN_USE,
                             "Attempt to change a resource which is still in use: Table is being updated: %s",
                             delete->name);
    if (table->spec.is_deletion_protected && table->status != TABLE_DELETING)
        return answer_refuse(
            delete->answer, ERR_VALIDATION,
            "Resource cannot be deleted as it is currently protected against deletion. Disable deletion "
            "protection first.");
    return ERR_OK;
}

static enum err delete_prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct delete_change *delete = (struct delete_change *)change;
    const struct tenant *tenant = catalog_tenant(&control->catalog, delete->tenant_id);
    struct table *table = tenant == NULL ? NULL : tenant_table(tenant, delete->name);
    TRY(check(delete, table));
    if (table->status == TABLE_DELETING) {
        answer_description(delete, table);
        return ERR_STALE; /* DynamoDB: deleting again is no error */
    }
    delete->table = table;
    sql_begin(batch, "UPDATE tables SET status = $2 WHERE space_id = $1");
    sql_u64(batch, table->space_id);
    sql_u64(batch, TABLE_DELETING);
    sql_begin(batch, "UPDATE replicas SET goal = 1 FROM partitions "
                     "WHERE partitions.group_id = replicas.group_id AND partitions.space_id = $1");
    sql_u64(batch, table->space_id);
    sql_begin(batch, "INSERT INTO workflows (workflow_id, kind, space_id, step, started_us, updated_us) "
                     "VALUES ($1, 'delete_table', $2, 'remove_replicas', $3, $3)");
    sql_u64(batch, ++control->catalog.counters.workflow_id);
    sql_u64(batch, table->space_id);
    sql_u64(batch, clock_wall_us());
    TRY(control_stage_table(control, table, TABLE_DELETING, batch, &delete->object));
    control_save_counters(control, batch);
    return ERR_OK;
}

static enum err delete_apply(struct control *control, struct change *change)
{
    struct delete_change *delete = (struct delete_change *)change;
    struct table *table = delete->table;
    delete->answer->bundle_version = delete->object.object.version;
    catalog_set_status(&control->catalog, table, TABLE_DELETING);
    table->deleted_at_us = loop_now_us(control->loop);
    for (size_t i = 0; i < table->partition_count; i++) {
        for (size_t k = 0; k < table->partitions[i]->replica_count; k++)
            catalog_set_absent(&control->catalog, table->partitions[i]->replicas[k]);
    }
    answer_description(delete, table);
    for (size_t i = 0; i < control->publisher_count; i++)
        publisher_remove_groups(control->publishers[i], table);
    control_tell_nodes(control);
    control_wake_reconcile(control);
    return control_object_apply(control, &delete->object);
}

static void delete_done(struct control *control, struct change *change, enum err err)
{
    struct delete_change *delete = (struct delete_change *)change;
    if (err != ERR_OK && delete->answer->code == ERR_OK)
        answer_refuse(delete->answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
    delete->done(delete->answer, delete->data);
    staged_object_drop(&delete->object);
    memory_free(delete);
}

void control_delete_table(struct control *control, struct tenant *tenant, const char *name,
                          struct answer *answer, answer_cb done, void *data)
{
    struct delete_change *delete = memory_zalloc(sizeof *delete);
    if (delete == NULL) {
        answer_refuse(answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
        done(answer, data);
        return;
    }
    delete->change = (struct change){.prepare = delete_prepare, .apply = delete_apply, .done = delete_done};
    memcpy(delete->tenant_id, tenant->id, sizeof delete->tenant_id);
    (void)snprintf(delete->name, sizeof delete->name, "%s", name); /* its length was checked */
    delete->answer = answer;
    delete->done = done;
    delete->data = data;
    control_submit(control, &delete->change);
}

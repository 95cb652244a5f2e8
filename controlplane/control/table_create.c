/* CreateTable: one transaction writes the table, its partitions, replicas (when three zones are alive) and its bundle
 * object; the answer says CREATING. Nodes then get their goals, and controlplane/control/reconcile.c makes it ACTIVE. */
#include <jansson.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/control/table_description.h"

enum { ARN_BYTES_MAX = 512, FIRST_SCHEMA_VERSION = 1, FIRST_RANGE_EPOCH = 1 };

struct create_change {
    struct change change;
    char tenant_id[TENANT_ID_BYTES + 1];
    struct table draft; /* the table to be; its partitions and lists stay empty */
    char arn[ARN_BYTES_MAX];
    size_t partition_count;
    uint64_t first_group_id;
    struct placed_replica *replicas; /* NULL = place later */
    struct staged_object object;
    struct answer *answer;
    answer_cb done;
    void *data;
};

static void make_uuid(char *to, size_t bytes)
{
    uint8_t r[16];
    random_secret(r, sizeof r);
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    (void)snprintf(to, bytes, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0],
                   r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14],
                   r[15]); /* 36 */
}

enum err control_check_units(const struct tenant *tenant, const struct table *instead_of,
                             const struct table_spec *spec, struct answer *answer)
{
    uint64_t read_units = spec->read_units;
    uint64_t write_units = spec->write_units;
    for (size_t i = 0; i < tenant->table_count; i++) {
        if (tenant->tables[i] == instead_of)
            continue;
        read_units += tenant->tables[i]->spec.read_units;
        write_units += tenant->tables[i]->spec.write_units;
    }
    if (read_units <= TENANT_READ_UNITS_MAX && write_units <= TENANT_WRITE_UNITS_MAX)
        return ERR_OK;
    return answer_refuse(
        answer, ERR_LIMIT_EXCEEDED,
        "Subscriber limit exceeded: Provisioned throughput of an account is limited to %d read and %d "
        "write capacity units",
        TENANT_READ_UNITS_MAX, TENANT_WRITE_UNITS_MAX);
}

static enum err check_quotas(const struct tenant *tenant, const struct table_spec *spec,
                             struct answer *answer)
{
    if (tenant->table_count >= TENANT_TABLES_MAX)
        return answer_refuse(answer, ERR_LIMIT_EXCEEDED,
                             "Subscriber limit exceeded: There is a limit of %d tables per subscriber",
                             TENANT_TABLES_MAX);
    return control_check_units(tenant, NULL, spec, answer);
}

static void insert_table(const struct table *table, struct sql_batch *batch)
{
    const struct table_spec *spec = &table->spec;
    sql_begin(
        batch,
        "INSERT INTO tables (space_id, tenant_id, name, table_id, arn, hash_name, hash_type, sort_name, "
        "sort_type, schema_version, billing_mode, read_units, write_units, table_class, "
        "is_deletion_protected, tags, status, created_us, max_read_units, max_write_units, on_demand_us) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, "
        "$21)");
    sql_u64(batch, table->space_id);
    sql_text(batch, table->tenant->id);
    sql_text(batch, spec->name);
    sql_text(batch, table->table_id);
    sql_text(batch, table->arn);
    sql_text(batch, spec->hash.name);
    sql_u64(batch, spec->hash.type);
    if (table_spec_has_sort(spec)) {
        sql_text(batch, spec->sort.name);
        sql_u64(batch, spec->sort.type);
    } else {
        sql_null(batch);
        sql_null(batch);
    }
    sql_u64(batch, table->schema_version);
    sql_u64(batch, spec->is_on_demand);
    sql_u64(batch, spec->read_units);
    sql_u64(batch, spec->write_units);
    sql_u64(batch, (uint64_t)spec->table_class);
    sql_bool(batch, spec->is_deletion_protected);
    sql_text(batch, spec->tags == NULL ? "[]" : spec->tags);
    sql_u64(batch, TABLE_CREATING);
    sql_u64(batch, table->created_us);
    sql_u64(batch, spec->max_read_units);
    sql_u64(batch, spec->max_write_units);
    sql_u64(batch, spec->history.on_demand_us);
}

static void insert_partitions(const struct create_change *create, struct sql_batch *batch)
{
    for (size_t i = 0; i < create->partition_count; i++) {
        struct key_bound start, end;
        key_range(create->draft.space_id, (uint32_t)i, (uint32_t)create->partition_count, &start, &end);
        sql_begin(batch, "INSERT INTO partitions (group_id, space_id, range_start, range_end, range_epoch) "
                         "VALUES ($1, $2, $3, $4, $5)");
        sql_u64(batch, create->first_group_id + i);
        sql_u64(batch, create->draft.space_id);
        sql_bytes(batch, key_bound_view(&start));
        sql_bytes(batch, key_bound_view(&end));
        sql_u64(batch, FIRST_RANGE_EPOCH);
        if (create->replicas != NULL)
            control_insert_replicas(create->replicas + i * REPLICAS_PER_PARTITION, create->first_group_id + i,
                                    batch);
    }
}

static void insert_workflow(struct control *control, const struct create_change *create,
                            struct sql_batch *batch)
{
    sql_begin(batch, "INSERT INTO workflows (workflow_id, kind, space_id, step, started_us, updated_us) "
                     "VALUES ($1, 'create_table', $2, $3, $4, $4)");
    sql_u64(batch, ++control->catalog.counters.workflow_id);
    sql_u64(batch, create->draft.space_id);
    sql_text(batch, create->replicas == NULL ? "place" : "wait_for_leaders");
    sql_u64(batch, create->draft.created_us);
}

static void complete_draft(struct control *control, struct create_change *create, struct tenant *tenant)
{
    struct table *draft = &create->draft;
    draft->tenant = tenant;
    draft->space_id = ++control->catalog.counters.space_id;
    draft->schema_version = FIRST_SCHEMA_VERSION;
    draft->created_us = clock_wall_us();
    draft->spec.history.on_demand_us = draft->spec.is_on_demand ? draft->created_us : 0;
    draft->arn = create->arn;
    make_uuid(draft->table_id, sizeof draft->table_id);
    (void)snprintf(create->arn, sizeof create->arn, "arn:aws:dynamodb:%s:%s:table/%s",
                   control->options.region, tenant->id, draft->spec.name); /* fits */
    create->partition_count = table_spec_partition_count(&draft->spec);
    create->first_group_id = control->catalog.counters.group_id + 1;
    control->catalog.counters.group_id += create->partition_count;
}

static enum err create_prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct create_change *create = (struct create_change *)change;
    struct tenant *tenant = catalog_tenant(&control->catalog, create->tenant_id);
    if (tenant == NULL)
        return answer_refuse(create->answer, ERR_UNRECOGNIZED_CLIENT, "%s",
                             err_sentence(ERR_UNRECOGNIZED_CLIENT));
    if (tenant_table(tenant, create->draft.spec.name) != NULL)
        return answer_refuse(create->answer, ERR_RESOURCE_IN_USE, "Table already exists: %s",
                             create->draft.spec.name);
    TRY(check_quotas(tenant, &create->draft.spec, create->answer));
    complete_draft(control, create, tenant);
    enum err err = control_place(control, create->partition_count, &create->replicas);
    if (err != ERR_OK && err != ERR_UNAVAILABLE)
        return err;
    insert_table(&create->draft, batch);
    insert_partitions(create, batch);
    insert_workflow(control, create, batch);
    TRY(control_stage_table(control, &create->draft, TABLE_CREATING, batch, &create->object));
    control_save_counters(control, batch);
    return ERR_OK;
}

static enum err add_partitions(struct control *control, const struct create_change *create,
                               struct table *table)
{
    for (size_t i = 0; i < create->partition_count; i++) {
        struct key_bound start, end;
        key_range(table->space_id, (uint32_t)i, (uint32_t)create->partition_count, &start, &end);
        struct partition *partition =
            catalog_add_partition(&control->catalog, table, create->first_group_id + i,
                                  key_bound_view(&start), key_bound_view(&end), FIRST_RANGE_EPOCH);
        if (partition == NULL)
            return ERR_NO_MEMORY;
        for (size_t k = 0; k < REPLICAS_PER_PARTITION && create->replicas != NULL; k++) {
            const struct placed_replica *placed = &create->replicas[i * REPLICAS_PER_PARTITION + k];
            if (catalog_add_replica(&control->catalog, partition, placed->node, placed->replica_id, 0,
                                    GOAL_PRESENT, placed->is_leader_wanted) == NULL)
                return ERR_NO_MEMORY;
        }
    }
    return ERR_OK;
}

static enum err create_apply(struct control *control, struct change *change)
{
    struct create_change *create = (struct create_change *)change;
    struct table *draft = &create->draft;
    create->answer->bundle_version = create->object.object.version;
    (void)answer_json(create->answer,
                      json_pack("{s:o}", "TableDescription",
                                table_description(draft, TABLE_CREATING))); /* says so itself */
    struct table *table = catalog_add_table(&control->catalog, draft->tenant, draft->space_id,
                                            draft->table_id, draft->arn, &draft->spec, TABLE_CREATING);
    if (table == NULL)
        return ERR_NO_MEMORY;
    table->schema_version = draft->schema_version;
    table->created_us = draft->created_us;
    TRY(add_partitions(control, create, table));
    TRY(control_object_apply(control, &create->object));
    control_tell_nodes(control);
    return ERR_OK;
}

static void create_done(struct control *control, struct change *change, enum err err)
{
    struct create_change *create = (struct create_change *)change;
    if (err != ERR_OK && create->answer->code == ERR_OK)
        answer_refuse(create->answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
    create->done(create->answer, create->data);
    table_spec_deinit(&create->draft.spec);
    staged_object_drop(&create->object);
    memory_free(create->replicas);
    memory_free(create);
}

void control_create_table(struct control *control, struct tenant *tenant, struct table_spec *spec,
                          struct answer *answer, answer_cb done, void *data)
{
    struct create_change *create = memory_zalloc(sizeof *create);
    if (create == NULL) {
        table_spec_deinit(spec);
        answer_refuse(answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
        done(answer, data);
        return;
    }
    create->change = (struct change){.prepare = create_prepare, .apply = create_apply, .done = create_done};
    memcpy(create->tenant_id, tenant->id, sizeof create->tenant_id);
    create->draft.spec = *spec;
    create->answer = answer;
    create->done = done;
    create->data = data;
    control_submit(control, &create->change);
}

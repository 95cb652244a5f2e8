/* Fills the catalog and the bundle from the database, in one transaction, as one control's view of the world. */
#include <stdio.h>

#include "base/memory.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/control/fleet_restart.h"

enum statement { COUNTERS, TENANTS, NODES, TABLES, PARTITIONS, REPLICAS, OBJECTS, RESTART, STATEMENT_COUNT };

static const char *const statements[STATEMENT_COUNT] = {
    [COUNTERS] = "SELECT name, value FROM counters",
    [TENANTS] = "SELECT tenant_id, name, is_suspended, created_us FROM tenants",
    [NODES] =
        "SELECT node_id, name, zone, host, port, last_heartbeat_us, is_lost, loops, is_draining, is_removed "
        "FROM nodes",
    [TABLES] =
        ("SELECT t.space_id, t.tenant_id, t.name, t.table_id, t.arn, t.hash_name, t.hash_type, t.sort_name, "
         "t.sort_type, t.schema_version, t.billing_mode, t.read_units, t.write_units, t.table_class, "
         "t.is_deletion_protected, t.tags, t.status, t.created_us, t.max_read_units, t.max_write_units, "
         "t.on_demand_us, t.table_class_us, t.increase_us, t.decrease_us, t.decrease_count, "
         "t.decreases_left FROM tables t"),
    [PARTITIONS] = ("SELECT group_id, space_id, range_start, range_end, range_epoch, wanted_version, "
                    "split_left_group, split_right_group, is_split FROM partitions ORDER BY group_id"),
    [REPLICAS] = ("SELECT replica_id, group_id, node_id, kind, goal, is_leader_wanted, creation_id, "
                  "is_wanted, is_newcomer, "
                  "is_leaving FROM replicas ORDER BY group_id, replica_id"),
    [OBJECTS] = "SELECT kind, id, version, is_deleted, body FROM bundle_objects ORDER BY version",
    [RESTART] = "SELECT value FROM settings WHERE name = 'fleet_restart'",
};

struct load_run {
    struct control *control;
    control_step_cb done;
    struct sql_batch batch;
};

/* A row of one statement. */
struct row {
    const struct db_results *results;
    size_t statement;
    size_t row;
};

static const char *text(const struct row *r, size_t column)
{
    return db_field(r->results, r->statement, r->row, column);
}

static uint64_t number(const struct row *r, size_t column)
{
    return db_field_u64(r->results, r->statement, r->row, column);
}

static bool truth(const struct row *r, size_t column)
{
    return db_field_bool(r->results, r->statement, r->row, column);
}

static enum err load_counter(struct control *control, const struct row *r)
{
    struct catalog_counters *counters = &control->catalog.counters;
    const struct {
        const char *name;
        uint64_t *to;
    } rows[] = {
        {"tenant_id", &counters->tenant_id},     {"space_id", &counters->space_id},
        {"group_id", &counters->group_id},       {"replica_id", &counters->replica_id},
        {"node_id", &counters->node_id},         {"bundle_version", &counters->bundle_version},
        {"workflow_id", &counters->workflow_id},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, text(r, 0)) == 0)
            *rows[i].to = number(r, 1);
    }
    return ERR_OK;
}

static enum err load_tenant(struct control *control, const struct row *r)
{
    struct tenant *tenant = catalog_add_tenant(&control->catalog, text(r, 0), text(r, 1), number(r, 3));
    if (tenant == NULL)
        return ERR_NO_MEMORY;
    tenant->is_suspended = truth(r, 2);
    return ERR_OK;
}

static enum err load_node(struct control *control, const struct row *r)
{
    struct node *node = catalog_add_node(&control->catalog, (uint32_t)number(r, 0));
    if (node == NULL)
        return ERR_NO_MEMORY;
    (void)snprintf(node->name, sizeof node->name, "%s", text(r, 1)); /* bounded when stored */
    (void)snprintf(node->zone, sizeof node->zone, "%s", text(r, 2)); /* bounded when stored */
    (void)snprintf(node->host, sizeof node->host, "%s", text(r, 3)); /* likewise */
    node->port = (uint32_t)number(r, 4);
    node->heard_wall_us = number(r, 5);
    node->stored_wall_us = node->heard_wall_us;
    node->is_lost = truth(r, 6);
    node->loops = (uint32_t)number(r, 7);
    node->is_draining = truth(r, 8);
    node->is_removed = truth(r, 9);
    return ERR_OK;
}

static enum err read_spec(const struct row *r, struct table_spec *spec)
{
    (void)snprintf(spec->name, sizeof spec->name, "%s", text(r, 2));           /* bounded when stored */
    (void)snprintf(spec->hash.name, sizeof spec->hash.name, "%s", text(r, 5)); /* likewise */
    (void)snprintf(spec->sort.name, sizeof spec->sort.name, "%s", text(r, 7)); /* likewise */
    spec->hash.type = (uint8_t)number(r, 6);
    spec->sort.type = (uint8_t)number(r, 8);
    spec->is_on_demand = number(r, 10) == 1;
    spec->read_units = number(r, 11);
    spec->write_units = number(r, 12);
    spec->table_class = (enum table_class)number(r, 13);
    spec->is_deletion_protected = truth(r, 14);
    spec->max_read_units = number(r, 18);
    spec->max_write_units = number(r, 19);
    spec->history = (struct table_history){
        .on_demand_us = number(r, 20),
        .table_class_us = number(r, 21),
        .increase_us = number(r, 22),
        .decrease_us = number(r, 23),
        .decrease_count = (uint32_t)number(r, 24),
        .decreases_left = (uint32_t)number(r, 25),
    };
    spec->tags = memory_alloc(strlen(text(r, 15)) + 1);
    if (spec->tags == NULL)
        return ERR_NO_MEMORY;
    memcpy(spec->tags, text(r, 15), strlen(text(r, 15)) + 1);
    return ERR_OK;
}

static enum err load_table(struct control *control, const struct row *r)
{
    struct tenant *tenant = catalog_tenant(&control->catalog, text(r, 1));
    struct table_spec spec = {0};
    if (tenant == NULL)
        return ERR_CORRUPT;
    TRY(read_spec(r, &spec));
    struct table *table = catalog_add_table(&control->catalog, tenant, number(r, 0), text(r, 3), text(r, 4),
                                            &spec, (enum table_status)number(r, 16));
    table_spec_deinit(&spec);
    if (table == NULL)
        return ERR_NO_MEMORY;
    table->schema_version = number(r, 9);
    table->created_us = number(r, 17);
    return ERR_OK;
}

static enum err load_partition(struct control *control, const struct row *r)
{
    struct table *table = catalog_table(&control->catalog, number(r, 1));
    struct slice start, end;
    if (table == NULL)
        return ERR_CORRUPT;
    TRY(db_field_bytes(r->results, r->statement, r->row, 2, &control->scratch, &start));
    TRY(db_field_bytes(r->results, r->statement, r->row, 3, &control->scratch, &end));
    struct partition *partition =
        catalog_add_partition(&control->catalog, table, number(r, 0), start, end, number(r, 4));
    if (partition == NULL)
        return ERR_NO_MEMORY;
    partition->wanted_version = number(r, 5);
    partition->split.left_group = number(r, 6);
    partition->split.right_group = number(r, 7);
    if (truth(r, 8))
        catalog_set_split(&control->catalog, partition);
    return ERR_OK;
}

static enum err load_replica(struct control *control, const struct row *r)
{
    struct partition *partition = catalog_partition(&control->catalog, number(r, 1));
    struct node *node = catalog_node(&control->catalog, (uint32_t)number(r, 2));
    if (partition == NULL || node == NULL)
        return ERR_CORRUPT;
    struct replica *replica =
        catalog_add_replica(&control->catalog, partition, node, number(r, 0), (uint32_t)number(r, 3),
                            (enum goal)number(r, 4), truth(r, 5));
    if (replica == NULL)
        return ERR_NO_MEMORY;
    replica->creation_id = number(r, 6);
    replica->is_wanted = truth(r, 7);
    replica->is_newcomer = truth(r, 8);
    replica->is_leaving = truth(r, 9);
    return ERR_OK;
}

static enum err load_object(struct control *control, const struct row *r)
{
    struct bundle_object object = {
        .kind = (enum bundle_kind)number(r, 0),
        .id = slice_from_string(text(r, 1)),
        .version = number(r, 2),
        .is_deleted = truth(r, 3),
    };
    TRY(db_field_bytes(r->results, r->statement, r->row, 4, &control->scratch, &object.body));
    return control_bundle_put(control, &object);
}

static enum err load_restart(struct control *control, const struct row *r)
{
    return control_restart_load(control, text(r, 0));
}

static enum err load_rows(struct control *control, const struct db_results *results)
{
    static enum err (*const loaders[STATEMENT_COUNT])(struct control *, const struct row *) = {
        [COUNTERS] = load_counter, [TENANTS] = load_tenant,       [NODES] = load_node,
        [TABLES] = load_table,     [PARTITIONS] = load_partition, [REPLICAS] = load_replica,
        [OBJECTS] = load_object,   [RESTART] = load_restart,
    };
    catalog_clear(&control->catalog);
    bundle_store_clear(control->bundle);
    TRY(control_restart_load(control, NULL));
    for (size_t s = 0; s < STATEMENT_COUNT; s++) {
        for (size_t i = 0; i < db_row_count(results, s); i++) {
            enum err err = loaders[s](control, &(struct row){results, s, i});
            arena_reset(&control->scratch);
            if (err != ERR_OK)
                return err;
        }
    }
    bundle_store_advance(control->bundle, control->catalog.counters.bundle_version);
    return ERR_OK;
}

static void on_rows(enum err err, const char *words, const struct db_results *results, void *data)
{
    struct load_run *run = data;
    struct control *control = run->control;
    if (err == ERR_OK)
        err = load_rows(control, results);
    if (err != ERR_OK)
        log_error("load_failed", "err=%s text=%s", err_name(err), words);
    control_step_cb done = run->done;
    sql_batch_deinit(&run->batch);
    memory_free(run);
    done(control, err);
}

void control_load(struct control *control, control_step_cb done)
{
    struct load_run *run = memory_zalloc(sizeof *run);
    if (run == NULL) {
        done(control, ERR_NO_MEMORY);
        return;
    }
    run->control = control;
    run->done = done;
    sql_batch_init(&run->batch);
    for (size_t s = 0; s < STATEMENT_COUNT; s++)
        sql_begin(&run->batch, statements[s]);
    db_run(control->db, &run->batch, on_rows, run);
}

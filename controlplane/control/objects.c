#include <stdio.h>

#include "base/memory.h"
#include "base/proto.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/proto/controlplane.pb-c.h"

enum { OBJECT_BYTES_MAX = BUNDLE_ID_BYTES_MAX + BUNDLE_BODY_BYTES_MAX };

void control_save_counters(struct control *control, struct sql_batch *batch)
{
    const struct catalog_counters *counters = &control->catalog.counters;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"tenant_id", counters->tenant_id},     {"space_id", counters->space_id},
        {"group_id", counters->group_id},       {"replica_id", counters->replica_id},
        {"node_id", counters->node_id},         {"bundle_version", counters->bundle_version},
        {"workflow_id", counters->workflow_id},
    };
    sql_begin(
        batch,
        "UPDATE counters SET value = new.value FROM (VALUES ($1, $2::bigint), ($3, $4::bigint), "
        "($5, $6::bigint), ($7, $8::bigint), ($9, $10::bigint), ($11, $12::bigint), ($13, $14::bigint)) "
        "AS new (name, value) WHERE counters.name = new.name");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sql_text(batch, rows[i].name);
        sql_u64(batch, rows[i].value);
    }
}

/* Take the next version, write the row, keep a copy for the store. */
static enum err stage(struct control *control, enum bundle_kind kind, const char *id, bool is_deleted,
                      struct slice body, struct sql_batch *batch, struct staged_object *ret_object)
{
    struct buffer bytes;
    buffer_init(&bytes, OBJECT_BYTES_MAX);
    size_t id_bytes = strlen(id);
    buffer_append_string(&bytes, id);
    buffer_append(&bytes, body);
    if (buffer_has_failed(&bytes)) {
        buffer_deinit(&bytes);
        return ERR_NO_MEMORY;
    }
    uint8_t *data = buffer_detach(&bytes, &(size_t){0});
    *ret_object = (struct staged_object){
        .bytes = data,
        .object = {.kind = kind,
                   .is_deleted = is_deleted,
                   .version = ++control->catalog.counters.bundle_version,
                   .id = slice_make(data, id_bytes),
                   .body = slice_make(data + id_bytes, body.length)},
    };
    sql_begin(batch,
              "INSERT INTO bundle_objects (kind, id, version, is_deleted, body) VALUES ($1, $2, $3, $4, $5) "
              "ON CONFLICT (kind, id) DO UPDATE SET version = EXCLUDED.version, "
              "is_deleted = EXCLUDED.is_deleted, body = EXCLUDED.body");
    sql_u64(batch, (uint64_t)kind);
    sql_text(batch, id);
    sql_u64(batch, ret_object->object.version);
    sql_bool(batch, is_deleted);
    sql_bytes(batch, body);
    return ERR_OK;
}

static enum err stage_message(struct control *control, enum bundle_kind kind, const char *id,
                              const ProtobufCMessage *message, struct sql_batch *batch,
                              struct staged_object *ret_object)
{
    struct buffer body;
    buffer_init(&body, BUNDLE_BODY_BYTES_MAX);
    proto_append(&body, message);
    enum err err = buffer_has_failed(&body)
                       ? ERR_NO_MEMORY
                       : stage(control, kind, id, false, buffer_view(&body), batch, ret_object);
    buffer_deinit(&body);
    return err;
}

static char *text(const char *constant)
{
    union {
        const char *in;
        char *out;
    } pointer = {.in = constant};
    return pointer.out; /* protobuf-c does not write through it */
}

enum err control_stage_tenant(struct control *control, const struct tenant *tenant, struct sql_batch *batch,
                              struct staged_object *ret_object)
{
    Sluice__Controlplane__TenantBody body;
    sluice__controlplane__tenant_body__init(&body);
    body.tenant_id = text(tenant->id);
    body.name = text(tenant->name);
    body.is_suspended = tenant->is_suspended;
    return stage_message(control, BUNDLE_TENANT, tenant->id, &body.base, batch, ret_object);
}

enum err control_stage_key(struct control *control, const char *access_key_id, struct slice body,
                           struct sql_batch *batch, struct staged_object *ret_object)
{
    return stage(control, BUNDLE_ACCESS_KEY, access_key_id, false, body, batch, ret_object);
}

enum err control_stage_table(struct control *control, const struct table *table, enum table_status status,
                             struct sql_batch *batch, struct staged_object *ret_object)
{
    char id[TENANT_ID_BYTES + 1 + TABLE_NAME_BYTES_MAX + 1];
    (void)snprintf(id, sizeof id, "%s/%s", table->tenant->id, table->spec.name); /* fits */
    if (status == TABLE_GONE)
        return stage(control, BUNDLE_TABLE, id, true, SLICE_EMPTY, batch, ret_object);
    struct buffer schema;
    buffer_init(&schema, BUNDLE_BODY_BYTES_MAX);
    table_spec_append_schema(&table->spec, table->schema_version, &schema);
    Sluice__Controlplane__TableBody body;
    sluice__controlplane__table_body__init(&body);
    body.tenant_id = text(table->tenant->id);
    body.name = text(table->spec.name);
    body.table_id = text(table->table_id);
    body.arn = table->arn;
    body.space_id = table->space_id;
    body.status = (uint32_t)status;
    body.schema = proto_bytes(buffer_view(&schema));
    body.schema_version = table->schema_version;
    body.billing_mode = table->spec.is_on_demand;
    body.read_units = table->spec.read_units;
    body.write_units = table->spec.write_units;
    enum err err = buffer_has_failed(&schema)
                       ? ERR_NO_MEMORY
                       : stage_message(control, BUNDLE_TABLE, id, &body.base, batch, ret_object);
    buffer_deinit(&schema);
    return err;
}

void staged_object_drop(struct staged_object *object)
{
    memory_free(object->bytes);
    *object = (struct staged_object){0};
}

enum err control_bundle_put(struct control *control, struct bundle_object *object)
{
    uint8_t signature[BUNDLE_SIGNATURE_BYTES];
    object->signature = slice_make(signature, sizeof signature);
    bundle_object_sign(&control->options.key, object, signature);
    enum err err = bundle_store_put(control->bundle, object);
    object->signature = SLICE_EMPTY;
    if (err == ERR_OK)
        bundle_store_advance(control->bundle, object->version);
    return err;
}

enum err control_object_apply(struct control *control, struct staged_object *object)
{
    enum err err = control_bundle_put(control, &object->object);
    staged_object_drop(object);
    for (size_t i = 0; i < control->publisher_count; i++)
        publisher_wake(control->publishers[i]);
    return err;
}

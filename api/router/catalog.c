#include "api/router/catalog.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/proto.h"
#include "controlplane/proto/controlplane.pb-c.h"

enum { ARENA_BLOCK = 4096, ARENA_MAX = 1 << 20 };

/* Objects of the three kinds, each under its bundle id ("tenant/table" for tables). The bytes that views point
 * to are the row's own. */
struct tenant_row {
    bool is_suspended;
    UT_hash_handle hh;
    char id[TENANT_ID_BYTES];
};

struct key_row {
    struct catalog_key key;
    UT_hash_handle hh;
    uint8_t bytes[];
};

struct table_row {
    struct catalog_table table;
    UT_hash_handle hh;
    struct slice id;
    uint8_t bytes[];
};

struct catalog {
    struct tenant_row *tenants;
    struct key_row *keys;
    struct table_row *tables;
    struct arena arena;
};

struct catalog *catalog_create(void)
{
    struct catalog *c = memory_zalloc(sizeof *c);
    if (c != NULL)
        arena_init(&c->arena, ARENA_BLOCK, ARENA_MAX);
    return c;
}

void catalog_destroy(struct catalog *c)
{
    if (c == NULL)
        return;
    while (c->tenants != NULL) {
        struct tenant_row *row = c->tenants;
        HASH_DEL(c->tenants, row);
        memory_free(row);
    }
    while (c->keys != NULL) {
        struct key_row *row = c->keys;
        HASH_DEL(c->keys, row);
        memory_free(row);
    }
    while (c->tables != NULL) {
        struct table_row *row = c->tables;
        HASH_DEL(c->tables, row);
        memory_free(row);
    }
    arena_deinit(&c->arena);
    memory_free(c);
}

/* Copy bytes to *at and move it on. */
static struct slice place(uint8_t **at, struct slice bytes)
{
    struct slice placed = slice_make(*at, bytes.length);
    if (bytes.length > 0)
        memcpy(*at, bytes.data, bytes.length);
    *at += bytes.length;
    return placed;
}

/* ---- tenants ---- */

static struct tenant_row *find_tenant(const struct catalog *c, const char *id)
{
    struct tenant_row *row;
    HASH_FIND(hh, c->tenants, id, strlen(id), row);
    return row;
}

static enum err take_tenant(struct catalog *c, const struct bundle_object *object)
{
    char id[TENANT_ID_BYTES];
    snprintf(id, sizeof id, "%.*s", SLICE_PRINTF(object->id));
    struct tenant_row *row = find_tenant(c, id);
    if (object->is_deleted) {
        if (row != NULL) {
            HASH_DEL(c->tenants, row);
            memory_free(row);
        }
        return ERR_OK;
    }
    const Sluice__Controlplane__TenantBody *body =
        proto_unpack(&sluice__controlplane__tenant_body__descriptor, object->body, &c->arena);
    if (body == NULL)
        return ERR_INVALID;
    if (row == NULL) {
        row = memory_zalloc(sizeof *row);
        if (row == NULL)
            return ERR_NO_MEMORY;
        snprintf(row->id, sizeof row->id, "%s", id);
        HASH_ADD_KEYPTR(hh, c->tenants, row->id, strlen(row->id), row);
        if (HASH_ADD_FAILED(row)) {
            memory_free(row);
            return ERR_NO_MEMORY;
        }
    }
    row->is_suspended = body->is_suspended;
    return ERR_OK;
}

/* ---- access keys ---- */

static struct key_row *find_key(const struct catalog *c, struct slice id)
{
    struct key_row *row;
    HASH_FIND(hh, c->keys, id.data, id.length, row);
    return row;
}

static enum err take_key(struct catalog *c, const struct bundle_object *object)
{
    struct key_row *old = find_key(c, object->id);
    const Sluice__Controlplane__AccessKeyBody *body = NULL;
    if (!object->is_deleted) {
        body = proto_unpack(&sluice__controlplane__access_key_body__descriptor, object->body, &c->arena);
        if (body == NULL || strlen(body->tenant_id) >= TENANT_ID_BYTES)
            return ERR_INVALID;
    }
    if (old != NULL) {
        HASH_DEL(c->keys, old);
        memory_free(old);
    }
    if (body == NULL || body->is_revoked)
        return ERR_OK;
    struct slice secret = proto_slice(body->sealed_secret), user = slice_from_string(body->user_name);
    struct key_row *row = memory_zalloc(sizeof *row + object->id.length + secret.length + user.length);
    if (row == NULL)
        return ERR_NO_MEMORY;
    uint8_t *at = row->bytes;
    row->key.access_key_id = place(&at, object->id);
    row->key.sealed_secret = place(&at, secret);
    row->key.user_name = place(&at, user);
    snprintf(row->key.tenant_id, sizeof row->key.tenant_id, "%s", body->tenant_id);
    HASH_ADD_KEYPTR(hh, c->keys, row->key.access_key_id.data, row->key.access_key_id.length, row);
    if (HASH_ADD_FAILED(row)) {
        memory_free(row);
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

const struct catalog_key *catalog_find_key(const struct catalog *c, struct slice access_key_id)
{
    const struct key_row *row = find_key(c, access_key_id);
    if (row == NULL)
        return NULL;
    const struct tenant_row *tenant = find_tenant(c, row->key.tenant_id);
    return tenant == NULL || tenant->is_suspended ? NULL : &row->key;
}

/* ---- tables ---- */

static struct table_row *find_table(const struct catalog *c, struct slice id)
{
    struct table_row *row;
    HASH_FIND(hh, c->tables, id.data, id.length, row);
    return row;
}

enum { BILLING_ON_DEMAND = 1 }; /* of TableBody */

static enum err make_table(const struct bundle_object *object, const Sluice__Controlplane__TableBody *body,
                           struct table_row **ret_row)
{
    struct slice name = slice_from_string(body->name), arn = slice_from_string(body->arn);
    struct slice schema = proto_slice(body->schema);
    struct table_row *row =
        memory_zalloc(sizeof *row + object->id.length + name.length + arn.length + schema.length);
    if (row == NULL)
        return ERR_NO_MEMORY;
    uint8_t *at = row->bytes;
    row->id = place(&at, object->id);
    row->table.name = place(&at, name);
    row->table.arn = place(&at, arn);
    row->table.space_id = body->space_id;
    row->table.is_on_demand = body->billing_mode == BILLING_ON_DEMAND;
    row->table.status = (enum catalog_table_status)body->status;
    if (body->status > TABLE_DELETING ||
        key_schema_decode(place(&at, schema), &row->table.schema) != ERR_OK) {
        memory_free(row);
        return ERR_INVALID;
    }
    *ret_row = row;
    return ERR_OK;
}

static enum err take_table(struct catalog *c, const struct bundle_object *object)
{
    struct table_row *old = find_table(c, object->id);
    struct table_row *row = NULL;
    if (!object->is_deleted) {
        const Sluice__Controlplane__TableBody *body =
            proto_unpack(&sluice__controlplane__table_body__descriptor, object->body, &c->arena);
        if (body == NULL)
            return ERR_INVALID;
        TRY(make_table(object, body, &row));
    }
    if (old != NULL) {
        HASH_DEL(c->tables, old);
        memory_free(old);
    }
    if (row == NULL)
        return ERR_OK;
    HASH_ADD_KEYPTR(hh, c->tables, row->id.data, row->id.length, row);
    if (HASH_ADD_FAILED(row)) {
        memory_free(row);
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

const struct catalog_table *catalog_find_table(const struct catalog *c, const char *tenant_id,
                                               struct slice name)
{
    uint8_t id[BUNDLE_ID_BYTES_MAX];
    size_t tenant_length = strlen(tenant_id);
    if (tenant_length + 1 + name.length > sizeof id)
        return NULL;
    memcpy(id, tenant_id, tenant_length);
    id[tenant_length] = '/';
    if (name.length > 0)
        memcpy(id + tenant_length + 1, name.data, name.length);
    const struct table_row *row = find_table(c, slice_make(id, tenant_length + 1 + name.length));
    return row == NULL ? NULL : &row->table;
}

/* ---- all ---- */

enum err catalog_take(struct catalog *c, const struct bundle_object *object)
{
    enum err err = ERR_OK;
    arena_reset(&c->arena);
    switch (object->kind) {
    case BUNDLE_TENANT:
        err = take_tenant(c, object);
        break;
    case BUNDLE_ACCESS_KEY:
        err = take_key(c, object);
        break;
    case BUNDLE_TABLE:
        err = take_table(c, object);
        break;
    case BUNDLE_POLICY:
    case BUNDLE_SETTING:
    case BUNDLE_KIND_COUNT:
        break; /* for later versions of this router */
    }
    if (err == ERR_INVALID) {
        log_error("bundle_object_not_understood", "kind=%d version=%llu", (int)object->kind,
                  (unsigned long long)object->version);
        err = ERR_OK;
    }
    return err;
}

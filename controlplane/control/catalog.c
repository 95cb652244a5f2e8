#include "controlplane/control/catalog.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/memory.h"
#include "controlplane/control/catalog_internal.h"

void catalog_init(struct catalog *c)
{
    *c = (struct catalog){0};
}

static void table_free(struct table *table)
{
    table_spec_deinit(&table->spec);
    memory_free(table->arn);
    memory_free(table->partitions);
    memory_free(table);
}

void catalog_clear(struct catalog *c)
{
    struct replica *replica, *next_replica;
    HASH_ITER(hh, c->replicas, replica, next_replica)
    {
        HASH_DEL(c->replicas, replica);
        memory_free(replica);
    }
    struct partition *partition, *next_partition;
    HASH_ITER(hh, c->partitions, partition, next_partition)
    {
        HASH_DEL(c->partitions, partition);
        memory_free(partition);
    }
    struct table *table, *next_table;
    HASH_ITER(hh, c->tables, table, next_table)
    {
        HASH_DEL(c->tables, table);
        table_free(table);
    }
    struct tenant *tenant, *next_tenant;
    HASH_ITER(hh, c->tenants, tenant, next_tenant)
    {
        HASH_DEL(c->tenants, tenant);
        memory_free(tenant->tables);
        memory_free(tenant);
    }
    struct node *node, *next_node;
    HASH_ITER(hh, c->nodes, node, next_node)
    {
        HASH_DEL(c->nodes, node);
        memory_free(node);
    }
    *c = (struct catalog){.goal_version = c->goal_version};
}

/* ---- look-ups ---- */

struct tenant *catalog_tenant(const struct catalog *c, const char *id)
{
    struct tenant *tenant;
    HASH_FIND_STR(c->tenants, id, tenant);
    return tenant;
}

struct tenant *catalog_tenant_by_name(const struct catalog *c, const char *name)
{
    for (struct tenant *tenant = c->tenants; tenant != NULL; tenant = tenant->hh.next) {
        if (strcmp(tenant->name, name) == 0)
            return tenant;
    }
    return NULL;
}

struct table *catalog_table(const struct catalog *c, uint64_t space_id)
{
    struct table *table;
    HASH_FIND(hh, c->tables, &space_id, sizeof space_id, table);
    return table;
}

struct partition *catalog_partition(const struct catalog *c, uint64_t group_id)
{
    struct partition *partition;
    HASH_FIND(hh, c->partitions, &group_id, sizeof group_id, partition);
    return partition;
}

struct replica *catalog_replica(const struct catalog *c, uint64_t group_id, uint64_t replica_id)
{
    const struct replica_key key = {.group_id = group_id, .replica_id = replica_id};
    struct replica *replica;
    HASH_FIND(hh, c->replicas, &key, sizeof key, replica);
    return replica;
}

struct node *catalog_node(const struct catalog *c, uint32_t node_id)
{
    struct node *node;
    HASH_FIND(hh, c->nodes, &node_id, sizeof node_id, node);
    return node;
}

struct node *catalog_node_by_name(const struct catalog *c, const char *name)
{
    for (struct node *node = c->nodes; node != NULL; node = node->hh.next) {
        if (!node->is_lost && strcmp(node->name, name) == 0)
            return node;
    }
    return NULL;
}

size_t tenant_table_after(const struct tenant *t, const char *name)
{
    size_t low = 0;
    size_t high = t->table_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(t->tables[middle]->spec.name, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct table *tenant_table(const struct tenant *t, const char *name)
{
    size_t after = tenant_table_after(t, name);
    if (after == 0 || strcmp(t->tables[after - 1]->spec.name, name) != 0)
        return NULL;
    return t->tables[after - 1];
}

/* ---- adding ---- */

struct tenant *catalog_add_tenant(struct catalog *c, const char *id, const char *name, uint64_t created_us)
{
    struct tenant *tenant = memory_zalloc(sizeof *tenant);
    if (tenant == NULL || strlen(id) != TENANT_ID_BYTES || catalog_tenant(c, id) != NULL) {
        memory_free(tenant);
        return NULL;
    }
    (void)snprintf(tenant->id, sizeof tenant->id, "%s", id);
    (void)snprintf(tenant->name, sizeof tenant->name, "%s", name);
    tenant->created_us = created_us;
    HASH_ADD_STR(c->tenants, id, tenant);
    if (!HASH_ADD_FAILED(tenant))
        return tenant;
    memory_free(tenant);
    return NULL;
}

struct node *catalog_add_node(struct catalog *c, uint32_t node_id)
{
    struct node *node = memory_zalloc(sizeof *node);
    if (node == NULL || catalog_node(c, node_id) != NULL) {
        memory_free(node);
        return NULL;
    }
    node->node_id = node_id;
    HASH_ADD(hh, c->nodes, node_id, sizeof node->node_id, node);
    if (!HASH_ADD_FAILED(node))
        return node;
    memory_free(node);
    return NULL;
}

static struct table *table_create(uint64_t space_id, const char *arn)
{
    struct table *table = memory_zalloc(sizeof *table);
    if (table == NULL)
        return NULL;
    table->space_id = space_id;
    table->arn = memory_alloc(strlen(arn) + 1);
    if (table->arn == NULL) {
        table_free(table);
        return NULL;
    }
    memcpy(table->arn, arn, strlen(arn) + 1);
    return table;
}

struct table *catalog_add_table(struct catalog *c, struct tenant *tenant, uint64_t space_id,
                                const char *table_id, const char *arn, struct table_spec *spec,
                                enum table_status status)
{
    struct table *table = table_create(space_id, arn);
    if (table == NULL)
        return NULL;
    table->tenant = tenant;
    table->spec = *spec;
    table->spec.tags = NULL;
    (void)snprintf(table->table_id, sizeof table->table_id, "%s", table_id);
    table->status = status;
    HASH_ADD(hh, c->tables, space_id, sizeof table->space_id, table);
    if (HASH_ADD_FAILED(table)) {
        table_free(table);
        return NULL;
    }
    if (status != TABLE_GONE && !tenant_insert(tenant, table)) {
        HASH_DEL(c->tables, table);
        table_free(table);
        return NULL;
    }
    table->spec.tags = spec->tags;
    spec->tags = NULL;
    if (status != TABLE_ACTIVE)
        catalog_unsettle(c, table);
    return table;
}

static struct slice copy_bound(uint8_t *to, struct slice bytes)
{
    if (bytes.length > 0)
        memcpy(to, bytes.data, bytes.length);
    return slice_make(to, bytes.length);
}

struct partition *catalog_add_partition(struct catalog *c, struct table *table, uint64_t group_id,
                                        struct slice start, struct slice end, uint64_t range_epoch)
{
    struct partition *partition = memory_zalloc(sizeof *partition + start.length + end.length);
    if (partition == NULL || catalog_partition(c, group_id) != NULL)
        goto undo_alloc;
    partition->group_id = group_id;
    partition->table = table;
    partition->range_epoch = range_epoch;
    partition->start = copy_bound(partition->bounds, start);
    partition->end = copy_bound(partition->bounds + start.length, end);
    if (!table_insert(table, partition))
        goto undo_alloc;
    HASH_ADD(hh, c->partitions, group_id, sizeof partition->group_id, partition);
    if (HASH_ADD_FAILED(partition))
        goto undo_insert;
    return partition;

undo_insert:
    table_forget(table, partition);
undo_alloc:
    memory_free(partition);
    return NULL;
}

struct replica *catalog_add_replica(struct catalog *c, struct partition *partition, struct node *node,
                                    uint64_t replica_id, uint32_t kind, enum goal goal, bool is_leader_wanted)
{
    struct replica *replica = memory_zalloc(sizeof *replica);
    if (replica == NULL || partition->replica_count == PARTITION_REPLICAS_MAX ||
        catalog_replica(c, partition->group_id, replica_id) != NULL) {
        memory_free(replica);
        return NULL;
    }
    replica->key = (struct replica_key){.group_id = partition->group_id, .replica_id = replica_id};
    replica->partition = partition;
    replica->node = node;
    replica->kind = kind;
    replica->goal = goal;
    replica->is_leader_wanted = is_leader_wanted;
    replica->is_wanted = goal == GOAL_PRESENT;
    replica->role = ROLE_NOT_REPORTED;
    HASH_ADD(hh, c->replicas, key, sizeof replica->key, replica);
    if (HASH_ADD_FAILED(replica)) {
        memory_free(replica);
        return NULL;
    }
    partition->replicas[partition->replica_count++] = replica;
    if (goal == GOAL_PRESENT) {
        node->replica_count++;
        node->leader_count += is_leader_wanted;
    }
    catalog_touch_goal(c, replica);
    return replica;
}

/* ---- changing ---- */

void catalog_set_status(struct catalog *c, struct table *table, enum table_status status)
{
    if (status == TABLE_GONE && table->status != TABLE_GONE)
        tenant_forget(table->tenant, table);
    table->status = status;
    if (status == TABLE_ACTIVE)
        catalog_settle(c, table);
    else
        catalog_unsettle(c, table);
}

static void discount(struct replica *replica)
{
    if (replica->goal != GOAL_PRESENT)
        return;
    replica->node->replica_count--;
    replica->node->leader_count -= replica->is_leader_wanted;
}

void catalog_set_absent(struct catalog *c, struct replica *replica)
{
    if (replica->goal == GOAL_ABSENT)
        return;
    discount(replica);
    replica->goal = GOAL_ABSENT;
    catalog_touch_goal(c, replica);
}

void catalog_lose_node(struct node *node)
{
    node->is_lost = true;
    node->boot_epoch = 0;
    node->is_reported = false;
    for (struct replica *r = node->oldest_goal; r != NULL; r = r->newer_goal)
        r->role = ROLE_NOT_REPORTED;
}

void catalog_name_node(struct catalog *c, struct node *node, const char *name)
{
    struct node *before = catalog_node_by_name(c, name);
    if (before != NULL && before != node)
        catalog_lose_node(before);
    node->is_lost = false;
    (void)snprintf(node->name, sizeof node->name, "%s", name);
}

void catalog_remove_replica(struct catalog *c, struct replica *replica)
{
    struct partition *partition = replica->partition;
    discount(replica);
    catalog_unlink_goal(replica);
    for (size_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i] != replica)
            continue;
        partition->replicas[i] = partition->replicas[--partition->replica_count];
        break;
    }
    HASH_DEL(c->replicas, replica);
    memory_free(replica);
}

void catalog_remove_partition(struct catalog *c, struct partition *partition)
{
    ASSERT(partition->replica_count == 0);
    table_forget(partition->table, partition);
    HASH_DEL(c->partitions, partition);
    memory_free(partition);
}

void catalog_remove_table(struct catalog *c, struct table *table)
{
    ASSERT(table->status == TABLE_GONE);
    while (table->partition_count > 0)
        catalog_remove_partition(c, table->partitions[table->partition_count - 1]);
    catalog_settle(c, table);
    HASH_DEL(c->tables, table);
    table_free(table);
}

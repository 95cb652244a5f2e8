/* The lists of the catalog: what is sorted, and what waits. */
#include "base/assert.h"
#include "base/memory.h"
#include "controlplane/control/catalog_internal.h"

void catalog_unsettle(struct catalog *c, struct table *table)
{
    if (table->is_unsettled)
        return;
    table->is_unsettled = true;
    if (c->unsettled == NULL) {
        c->unsettled = table->next_unsettled = table->previous_unsettled = table;
        return;
    }
    table->next_unsettled = c->unsettled;
    table->previous_unsettled = c->unsettled->previous_unsettled;
    table->previous_unsettled->next_unsettled = table;
    c->unsettled->previous_unsettled = table;
}

void catalog_settle(struct catalog *c, struct table *table)
{
    if (!table->is_unsettled)
        return;
    table->is_unsettled = false;
    if (table->next_unsettled == table) {
        c->unsettled = NULL;
        return;
    }
    table->previous_unsettled->next_unsettled = table->next_unsettled;
    table->next_unsettled->previous_unsettled = table->previous_unsettled;
    if (c->unsettled == table)
        c->unsettled = table->next_unsettled;
}

bool tenant_insert(struct tenant *t, struct table *table)
{
    if (t->table_count == t->table_capacity) {
        size_t capacity = t->table_capacity == 0 ? 8 : 2 * t->table_capacity;
        struct table **tables = memory_resize(t->tables, capacity * sizeof *tables);
        if (tables == NULL)
            return false;
        t->tables = tables;
        t->table_capacity = capacity;
    }
    size_t at = tenant_table_after(t, table->spec.name);
    memmove(t->tables + at + 1, t->tables + at, (t->table_count - at) * sizeof *t->tables);
    t->tables[at] = table;
    t->table_count++;
    return true;
}

void tenant_forget(struct tenant *t, const struct table *table)
{
    size_t after = tenant_table_after(t, table->spec.name);
    ASSERT(after > 0 && t->tables[after - 1] == table);
    memmove(t->tables + after - 1, t->tables + after, (t->table_count - after) * sizeof *t->tables);
    t->table_count--;
}

/* The position of the first partition that comes after these bounds. */
static size_t table_after(const struct table *t, struct slice start, uint64_t range_epoch)
{
    size_t low = 0;
    size_t high = t->partition_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_compare(t->partitions[middle]->start, start);
        if (order < 0 || (order == 0 && t->partitions[middle]->range_epoch <= range_epoch))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool table_insert(struct table *t, struct partition *partition)
{
    if (t->partition_count == t->partition_capacity) {
        size_t capacity = t->partition_capacity == 0 ? 4 : 2 * t->partition_capacity;
        struct partition **partitions = memory_resize(t->partitions, capacity * sizeof *partitions);
        if (partitions == NULL)
            return false;
        t->partitions = partitions;
        t->partition_capacity = capacity;
    }
    size_t at = table_after(t, partition->start, partition->range_epoch);
    memmove(t->partitions + at + 1, t->partitions + at, (t->partition_count - at) * sizeof *t->partitions);
    t->partitions[at] = partition;
    t->partition_count++;
    return true;
}

void table_forget(struct table *t, const struct partition *partition)
{
    size_t after = table_after(t, partition->start, partition->range_epoch);
    ASSERT(after > 0 && t->partitions[after - 1] == partition);
    memmove(t->partitions + after - 1, t->partitions + after,
            (t->partition_count - after) * sizeof *t->partitions);
    t->partition_count--;
}

void catalog_unlink_goal(struct replica *replica)
{
    struct node *node = replica->node;
    if (replica->older_goal == NULL && node->oldest_goal != replica)
        return;
    *(replica->older_goal == NULL ? &node->oldest_goal : &replica->older_goal->newer_goal) =
        replica->newer_goal;
    *(replica->newer_goal == NULL ? &node->newest_goal : &replica->newer_goal->older_goal) =
        replica->older_goal;
    replica->older_goal = NULL;
    replica->newer_goal = NULL;
}

void catalog_touch_goal(struct catalog *c, struct replica *replica)
{
    struct node *node = replica->node;
    catalog_unlink_goal(replica);
    replica->goal_version = ++c->goal_version;
    replica->older_goal = node->newest_goal;
    *(node->newest_goal == NULL ? &node->oldest_goal : &node->newest_goal->newer_goal) = replica;
    node->newest_goal = replica;
}

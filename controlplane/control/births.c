/* What a split has made becomes known to control (docs/decisions/0016). A replica of one of the two groups is reported by a node that
 * still has the one that was split, so the split is committed, and with it both groups and who belongs to them. Their replicas are the
 * creations of the parent's: who has that one may act, and who has lost it is never made again (docs/decisions/0009). */
#include "base/proto.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/proto/controlplane.pb-c.h"

typedef Sluice__Controlplane__ReplicaReport replica_report; /* protobuf-c's name, shorter */

static bool is_inside(const struct partition *parent, struct slice key)
{
    return key.length <= KEY_BYTES_MAX && slice_compare(key, parent->start) > 0 &&
           (parent->end.length == 0 || slice_compare(key, parent->end) < 0);
}

/* Where the parent was split, as one of the two says; empty: that cannot be. */
static struct slice split_key(const struct partition *parent, const replica_report *report)
{
    struct slice start = proto_slice(report->range_start);
    struct slice end = proto_slice(report->range_end);
    bool is_left = report->group_id == parent->split.left_group;
    struct slice key = is_left ? end : start;
    bool is_whole = is_left ? slice_equal(start, parent->start) : slice_equal(end, parent->end);
    return is_whole && is_inside(parent, key) ? key : SLICE_EMPTY;
}

static bool is_its_child(const struct partition *parent, const replica_report *report)
{
    bool has_members = report->n_born_replicas > 0 && report->n_born_replicas <= PARTITION_REPLICAS_MAX;
    return report->group_id != 0 && has_members && parent->split.left_group != 0 && !parent->is_split &&
           (report->group_id == parent->split.left_group || report->group_id == parent->split.right_group) &&
           report->range_epoch == parent->range_epoch + 1;
}

bool control_is_birth(const struct control *control, const struct node *node, const replica_report *report)
{
    if (report->parent_group_id == 0 || node == NULL ||
        catalog_partition(&control->catalog, report->group_id) != NULL)
        return false;
    const struct partition *parent = catalog_partition(&control->catalog, report->parent_group_id);
    const struct replica *replica =
        catalog_replica(&control->catalog, report->parent_group_id, report->replica_id);
    return parent != NULL && replica != NULL && replica->node == node && replica->creation_id != 0 &&
           replica->creation_id == report->creation_id && is_its_child(parent, report) &&
           split_key(parent, report).length > 0;
}

/* ---- storing: it may be stored already, by the other one's report in the same heartbeat ---- */

static void store_partition(const struct partition *parent, uint64_t group_id, struct slice start,
                            struct slice end, struct sql_batch *batch)
{
    sql_begin(batch, "INSERT INTO partitions (group_id, space_id, range_start, range_end, range_epoch, "
                     "wanted_version) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING");
    sql_u64(batch, group_id);
    sql_u64(batch, parent->table->space_id);
    sql_bytes(batch, start);
    sql_bytes(batch, end);
    sql_u64(batch, parent->range_epoch + 1);
    sql_u64(batch, parent->wanted_version);
}

static void store_replicas(const struct partition *parent, uint64_t group_id, const replica_report *report,
                           struct sql_batch *batch)
{
    for (size_t i = 0; i < report->n_born_replicas; i++) {
        sql_begin(
            batch,
            "INSERT INTO replicas (replica_id, group_id, node_id, kind, goal, is_leader_wanted, creation_id, "
            "is_wanted, is_leaving) SELECT replica_id, $2, node_id, kind, goal, is_leader_wanted, "
            "creation_id, "
            "is_wanted, is_leaving FROM replicas WHERE group_id = $1 AND replica_id = $3 ON CONFLICT DO "
            "NOTHING");
        sql_u64(batch, parent->group_id);
        sql_u64(batch, group_id);
        sql_u64(batch, report->born_replicas[i]);
    }
}

void control_store_birth(const struct control *control, const replica_report *report, struct sql_batch *batch)
{
    const struct partition *parent = catalog_partition(&control->catalog, report->parent_group_id);
    struct slice key = split_key(parent, report);
    store_partition(parent, parent->split.left_group, parent->start, key, batch);
    store_partition(parent, parent->split.right_group, key, parent->end, batch);
    store_replicas(parent, parent->split.left_group, report, batch);
    store_replicas(parent, parent->split.right_group, report, batch);
    sql_begin(batch, "UPDATE partitions SET is_split = true WHERE group_id = $1");
    sql_u64(batch, parent->group_id);
}

/* ---- the catalog after it ---- */

/* Until its own leader reports, it has what is left of the parent's items. */
static void estimate_size(const struct partition *parent, const replica_report *report,
                          const struct partition *child)
{
    const struct replica *whole = partition_authority(parent);
    bool is_reported = child->group_id == report->group_id;
    uint64_t count = report->item_count, bytes = report->item_bytes;
    if (!is_reported) {
        count = whole->item_count > count ? whole->item_count - count : 0;
        bytes = whole->item_bytes > bytes ? whole->item_bytes - bytes : 0;
    }
    for (size_t i = 0; i < child->replica_count; i++) {
        child->replicas[i]->item_count = count;
        child->replicas[i]->item_bytes = bytes;
    }
}

static enum err add_child(struct control *control, const struct partition *parent,
                          const replica_report *report, uint64_t group_id, struct slice start,
                          struct slice end)
{
    struct catalog *c = &control->catalog;
    struct partition *child =
        catalog_add_partition(c, parent->table, group_id, start, end, parent->range_epoch + 1);
    if (child == NULL)
        return ERR_NO_MEMORY;
    child->wanted_version = parent->wanted_version;
    for (size_t i = 0; i < report->n_born_replicas; i++) {
        const struct replica *from = catalog_replica(c, parent->group_id, report->born_replicas[i]);
        if (from == NULL || catalog_replica(c, group_id, report->born_replicas[i]) != NULL)
            continue;
        struct replica *to = catalog_add_replica(c, child, from->node, from->key.replica_id, from->kind,
                                                 from->goal, from->is_leader_wanted);
        if (to == NULL)
            return ERR_NO_MEMORY;
        to->creation_id = from->creation_id;
        to->is_wanted = from->is_wanted;
        to->is_leaving = from->is_leaving;
    }
    estimate_size(parent, report, child);
    return ERR_OK;
}

enum err control_apply_birth(struct control *control, const replica_report *report)
{
    struct partition *parent = catalog_partition(&control->catalog, report->parent_group_id);
    struct slice key = split_key(parent, report);
    TRY(add_child(control, parent, report, parent->split.left_group, parent->start, key));
    TRY(add_child(control, parent, report, parent->split.right_group, key, parent->end));
    catalog_set_split(&control->catalog, parent);
    log_info("partition_split", "group=%llu left=%llu right=%llu space=%llu",
             (unsigned long long)parent->group_id, (unsigned long long)parent->split.left_group,
             (unsigned long long)parent->split.right_group, (unsigned long long)parent->table->space_id);
    if (parent->table->status == TABLE_DELETING || parent->table->status == TABLE_GONE)
        for (size_t i = 0; i < control->publisher_count; i++)
            publisher_remove_groups(control->publishers[i], parent->table);
    control_wake_splits(control);
    return ERR_OK;
}

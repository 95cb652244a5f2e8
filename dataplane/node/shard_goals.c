/* Goals from control become replicas (creation: shard_create.c); what replicas are goes back as reports (shard_report.c).
 * Every step may be repeated. */
#include "dataplane/node/node_internal.h"

/* ---- removing ---- */

enum { READS_CHECK_US = 20 * 1000 };

struct removal {
    uv_work_t work;
    struct loop_timer reads; /* its rows are still being read: they are dropped after that */
    struct shard *shard;
    struct replica *replica;
    bool keeps_rows; /* in its range: they are those of the groups that it was split into */
    enum err err;
};

static void drop_in_pool(uv_work_t *work)
{
    struct removal *removal = work->data;
    struct replica *r = removal->replica;
    struct slice end = removal->keeps_rows ? r->range_start : r->range_end;
    removal->err = store_drop(removal->shard->store, r->range_start, end, r->group_id);
}

static void after_drop(uv_work_t *work, int status)
{
    struct removal *removal = work->data;
    struct shard *s = removal->shard;
    struct replica *r = removal->replica;
    if (s->is_closing) { /* the next start finds the tombstone and drops the rows again */
        memory_free(removal);
        return;
    }
    if (removal->err != ERR_OK)
        log_warn("rows_not_dropped", "group=%llu error=%s", (unsigned long long)r->group_id,
                 err_name(removal->err));
    if (partition_is_split(r->partition))
        metric_increment(&s->metrics.parents_dropped);
    shard_report_removed(s, r->group_id, r->replica_id);
    replica_destroy(r);
    memory_free(removal);
}

static void drop_rows(struct removal *removal)
{
    struct shard *s = removal->shard;
    const struct replica *r = removal->replica;
    if (s->is_closing) { /* as in after_drop */
        memory_free(removal);
        return;
    }
    if (r->pool_reads_in_flight > 0 || r->log_reads_in_flight > 0) {
        loop_timer_start(s->loop, &removal->reads, loop_now_us(s->loop) + READS_CHECK_US);
        return;
    }
    removal->keeps_rows = split_keeps_rows(r);
    if (uv_queue_work(&s->loop->uv, &removal->work, drop_in_pool, after_drop) == 0)
        return;
    memory_free(removal);
    node_fail(s->node, "pool", ERR_BUSY);
}

static void on_reads_check(struct loop_timer *timer)
{
    drop_rows(timer->data);
}

static void on_tombstone(void *cookie, enum err err)
{
    struct removal *removal = cookie;
    struct shard *s = removal->shard;
    shard_append_ends(s);
    if (err == ERR_OK && !s->is_closing) {
        drop_rows(removal);
        return;
    }
    memory_free(removal);
    if (err != ERR_OK)
        node_fail(s->node, "log", err);
}

bool replica_remove(struct replica *r)
{
    struct shard *s = r->shard;
    struct removal *removal = memory_zalloc(sizeof *removal);
    if (removal == NULL)
        return false;
    *removal = (struct removal){.shard = s, .replica = r};
    removal->work.data = removal;
    removal->reads = (struct loop_timer){.fire = on_reads_check, .data = removal};
    if (r->state == REPLICA_QUARANTINED)
        metric_set(&s->metrics.groups_quarantined, metric_value(&s->metrics.groups_quarantined) - 1);
    replica_stop(r, REPLICA_REMOVING);
    if (r->log == NULL) { /* its log was lost: there is nowhere to put a tombstone */
        drop_rows(removal);
        return true;
    }
    enum err err = wal_group_remove(r->log, on_tombstone, removal);
    if (err != ERR_OK) {
        memory_free(removal);
        node_fail(s->node, "log", err);
        return false;
    }
    shard_append_begins(s);
    return true;
}

/* ---- goals ---- */

static bool take_schema(struct replica *r, const Sluice__Controlplane__ReplicaGoal *goal)
{
    replica_prefer(r, goal->leader_preference);
    if (goal->schema_version <= r->goal_schema_version)
        return true;
    buffer_clear(&r->goal_schema);
    buffer_append(&r->goal_schema, proto_slice(goal->schema));
    if (buffer_has_failed(&r->goal_schema)) {
        r->goal_schema_version = 0;
        return false;
    }
    r->goal_schema_version = goal->schema_version;
    if (r->state == REPLICA_ACTIVE)
        loop_defer(r->shard->loop, &r->work);
    return true;
}

static bool take_goal(struct shard *s, const Sluice__Controlplane__ReplicaGoal *goal,
                      struct creation *creation)
{
    struct replica *r = replica_find(s, goal->group_id);
    if (r == NULL && split_is_waiting(s, goal->group_id, proto_slice(goal->range_start),
                                      proto_slice(goal->range_end), goal->range_epoch))
        return false; /* it comes with the split of what is here, or its rows are free when that is gone */
    if (goal->state == SLUICE__CONTROLPLANE__GOAL_STATE__ABSENT) {
        if (r == NULL || r->replica_id != goal->replica_id) {
            shard_report_removed(s, goal->group_id, goal->replica_id);
            return true;
        }
        if (r->state == REPLICA_REMOVING)
            return true;
        return r->state != REPLICA_CREATING && !split_is_bearing(r) && replica_remove(r);
    }
    if (r != NULL && r->replica_id != goal->replica_id)
        return false; /* the old one must go first */
    if (r == NULL && !creation_add(creation, goal))
        return false;
    r = replica_find(s, goal->group_id);
    if (r == NULL)
        return true;
    replica_confirm(r, goal->creation_id);
    replica_caps_take(r, goal);
    bool is_taken = take_schema(r, goal);
    replica_take_wanted(r, goal);
    split_take_order(r, goal);
    return is_taken;
}

static void take_node(struct shard *s, const Sluice__Controlplane__MemberGoal *m)
{
    if (m->port == 0) {
        if (m->node_id != s->node->node_id)
            peers_remove(s->peers, m->node_id);
        return;
    }
    struct peer_address address = {.node_id = m->node_id};
    enum err err =
        peer_address_set(&address, slice_from_string(m->zone), slice_from_string(m->host), m->port, m->loops);
    if (err == ERR_OK)
        err = peers_set(s->peers, &address);
    if (err != ERR_OK)
        log_warn("peer_not_kept", "node=%u error=%s", m->node_id, err_name(err));
}

static void take_nodes(struct shard *s, const Sluice__Controlplane__NodeGoals *goals)
{
    for (size_t i = 0; i < goals->n_nodes; i++)
        take_node(s, goals->nodes[i]);
    if (goals->n_nodes > 0 && s->index == 0)
        node_keep_peers(s->node);
}

bool shard_take_goals(struct shard *s, const Sluice__Controlplane__NodeGoals *goals)
{
    take_nodes(s, goals);
    struct creation *creation = creation_begin(s, goals->n_goals);
    if (creation == NULL)
        return false;
    bool are_all_taken = true;
    for (size_t i = 0; i < goals->n_goals; i++)
        if (node_shard_of(s->node, goals->goals[i]->group_id) == s)
            are_all_taken &= take_goal(s, goals->goals[i], creation);
    creation_end(creation);
    /* Control takes a replica that a full report leaves out for gone, when we have taken up its removal. */
    return shard_report_all(s) && are_all_taken;
}

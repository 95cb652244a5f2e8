/* Goals from control become replicas (creation: node_create.c); what replicas are goes back as reports. Every step may be
 * repeated. */
#include "base/clock.h"
#include "dataplane/node/node_internal.h"

/* ---- removing ---- */

struct removal {
    uv_work_t work;
    struct node *node;
    struct replica *replica;
    enum err err;
};

static void report_removed(struct node *n, uint64_t group_id, uint64_t replica_id)
{
    struct removed_replica *gone = memory_zalloc(sizeof *gone);
    if (gone == NULL)
        return; /* control repeats the goal */
    *gone = (struct removed_replica){n->removed, group_id, replica_id, ++n->report_version};
    n->removed = gone;
    goals_report(n->goals);
}

static void drop_in_pool(uv_work_t *work)
{
    struct removal *removal = work->data;
    struct replica *r = removal->replica;
    removal->err = store_drop(removal->node->store, r->range_start, r->range_end, r->group_id);
}

static void after_drop(uv_work_t *work, int status)
{
    struct removal *removal = work->data;
    struct node *n = removal->node;
    struct replica *r = removal->replica;
    if (n->is_closing) { /* the next start finds the tombstone and drops the rows again */
        memory_free(removal);
        return;
    }
    if (r->pool_reads_in_flight > 0 || r->log_reads_in_flight > 0) { /* let them end first */
        if (uv_queue_work(&n->loop->uv, &removal->work, drop_in_pool, after_drop) == 0)
            return;
    }
    if (removal->err != ERR_OK)
        log_warn("rows_not_dropped", "group=%llu error=%s", (unsigned long long)r->group_id,
                 err_name(removal->err));
    report_removed(n, r->group_id, r->replica_id);
    replica_destroy(r);
    memory_free(removal);
}

static void drop_rows(struct removal *removal)
{
    struct node *n = removal->node;
    if (uv_queue_work(&n->loop->uv, &removal->work, drop_in_pool, after_drop) == 0)
        return;
    memory_free(removal);
    node_fail(n, "pool", ERR_BUSY);
}

static void on_tombstone(void *cookie, enum err err)
{
    struct removal *removal = cookie;
    struct node *n = removal->node;
    n->appends_in_flight--;
    n->append_progress_us = clock_boot_us();
    if (err == ERR_OK && !n->is_closing) {
        drop_rows(removal);
        return;
    }
    memory_free(removal);
    if (err != ERR_OK)
        node_fail(n, "log", err);
}

static bool begin_removal(struct replica *r)
{
    struct node *n = r->node;
    struct removal *removal = memory_zalloc(sizeof *removal);
    if (removal == NULL)
        return false;
    *removal = (struct removal){.node = n, .replica = r};
    removal->work.data = removal;
    if (r->state == REPLICA_QUARANTINED)
        metric_set(&n->metrics.groups_quarantined, metric_value(&n->metrics.groups_quarantined) - 1);
    replica_stop(r, REPLICA_REMOVING);
    if (r->log == NULL) { /* its log was lost: there is nowhere to put a tombstone */
        drop_rows(removal);
        return true;
    }
    enum err err = wal_group_remove(r->log, on_tombstone, removal);
    if (err != ERR_OK) {
        memory_free(removal);
        node_fail(n, "log", err);
        return false;
    }
    if (n->appends_in_flight++ == 0)
        n->append_progress_us = clock_boot_us();
    return true;
}

/* ---- goals ---- */

static bool take_schema(struct replica *r, const Sluice__Controlplane__ReplicaGoal *goal)
{
    r->leader_preference = goal->leader_preference;
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
        loop_defer(r->node->loop, &r->work);
    return true;
}

static bool take_goal(struct node *n, const Sluice__Controlplane__ReplicaGoal *goal,
                      struct creation *creation)
{
    struct replica *r = replica_find(n, goal->group_id);
    if (goal->state == SLUICE__CONTROLPLANE__GOAL_STATE__ABSENT) {
        if (r == NULL || r->replica_id != goal->replica_id) {
            report_removed(n, goal->group_id, goal->replica_id);
            return true;
        }
        if (r->state == REPLICA_REMOVING)
            return true;
        return r->state != REPLICA_CREATING && begin_removal(r);
    }
    if (r != NULL && r->replica_id != goal->replica_id)
        return false; /* the old one must go first */
    if (r == NULL && !node_create_replica(n, goal, creation))
        return false;
    r = replica_find(n, goal->group_id);
    if (r == NULL)
        return true;
    replica_confirm(r, goal->creation_id);
    return take_schema(r, goal);
}

static void take_nodes(struct node *n, const Sluice__Controlplane__NodeGoals *goals)
{
    for (size_t i = 0; i < goals->n_nodes; i++) {
        const Sluice__Controlplane__MemberGoal *m = goals->nodes[i];
        if (m->port > UINT16_MAX)
            continue;
        if (m->port == 0) {
            if (m->node_id != n->node_id)
                peers_remove(n->peers, m->node_id);
            continue;
        }
        enum err err = peers_set(n->peers, m->node_id, slice_from_string(m->zone), slice_from_string(m->host),
                                 (uint16_t)m->port);
        if (err != ERR_OK)
            log_warn("peer_not_kept", "node=%u error=%s", m->node_id, err_name(err));
    }
    if (goals->n_nodes > 0)
        node_keep_peers(n);
}

static bool become(struct node *n, uint32_t node_id)
{
    if (n->node_id == node_id)
        return true;
    if (n->node_id != 0) {
        log_error("node_id_changed", "old=%u new=%u", n->node_id, node_id);
        return false;
    }
    struct error error = {.code = ERR_OK};
    n->node_id = node_id;
    enum err err = node_begin_serving(n, &error);
    if (err != ERR_OK) {
        log_error("node_not_started", "reason=\"%s\"", error.text);
        node_fail(n, "start", err);
    }
    return err == ERR_OK;
}

bool node_on_goals(const Sluice__Controlplane__NodeGoals *goals, void *data)
{
    struct node *n = data;
    if (goals->node_id == 0 || !become(n, goals->node_id))
        return false;
    take_nodes(n, goals);
    struct creation *creation = node_create_begin(n, goals->n_goals);
    if (creation == NULL)
        return false;
    bool are_all_taken = true;
    for (size_t i = 0; i < goals->n_goals; i++)
        are_all_taken &= take_goal(n, goals->goals[i], creation);
    node_create_end(creation);
    return are_all_taken;
}

/* ---- reports ---- */

static uint32_t role_of(const struct replica *r)
{
    if (r->state == REPLICA_QUARANTINED)
        return 3;
    switch (group_status(r->group).role) {
    case GROUP_LEADER:
        return r->is_leading ? 2 : 1;
    case GROUP_PRE_CANDIDATE:
    case GROUP_CANDIDATE:
        return 1;
    case GROUP_FOLLOWER:
        break;
    }
    return 0;
}

static Sluice__Controlplane__ReplicaReport *report_of(const struct replica *r, struct arena *arena)
{
    Sluice__Controlplane__ReplicaReport *report = arena_alloc(arena, sizeof *report);
    if (report == NULL)
        return NULL;
    sluice__controlplane__replica_report__init(report);
    report->replica_id = r->replica_id;
    report->group_id = r->group_id;
    report->role = role_of(r);
    report->term = group_status(r->group).term;
    report->membership_version = group_membership(r->group)->version;
    report->applied_index = partition_applied_index(r->partition);
    report->schema_version = partition_schema_version(r->partition);
    report->range_epoch = r->range_epoch;
    report->creation_id = r->creation_id;
    return report;
}

static Sluice__Controlplane__ReplicaReport *report_of_removed(const struct removed_replica *gone,
                                                              struct arena *arena)
{
    Sluice__Controlplane__ReplicaReport *report = arena_alloc(arena, sizeof *report);
    if (report == NULL)
        return NULL;
    sluice__controlplane__replica_report__init(report);
    report->replica_id = gone->replica_id;
    report->group_id = gone->group_id;
    report->role = 4;
    return report;
}

/* Control has heard of what it acknowledged. */
static void forget_removed(struct node *n, uint64_t version)
{
    for (struct removed_replica **at = &n->removed; *at != NULL;) {
        struct removed_replica *gone = *at;
        if (gone->report_version > version) {
            at = &gone->next;
            continue;
        }
        *at = gone->next;
        memory_free(gone);
    }
}

void node_fill_report(uint64_t since_version, Sluice__Controlplane__NodeHeartbeat *heartbeat,
                      struct arena *arena, void *data)
{
    struct node *n = data;
    forget_removed(n, since_version);
    size_t count = 0;
    for (struct replica *r = n->replicas; r != NULL; r = r->hh.next)
        count += r->report_version > since_version;
    for (struct removed_replica *gone = n->removed; gone != NULL; gone = gone->next)
        count++;
    heartbeat->replicas = arena_alloc(arena, count * sizeof *heartbeat->replicas);
    if (heartbeat->replicas == NULL)
        return;
    for (struct replica *r = n->replicas; r != NULL; r = r->hh.next) {
        Sluice__Controlplane__ReplicaReport *report =
            r->report_version > since_version ? report_of(r, arena) : NULL;
        if (report != NULL)
            heartbeat->replicas[heartbeat->n_replicas++] = report;
    }
    for (struct removed_replica *gone = n->removed; gone != NULL; gone = gone->next) {
        Sluice__Controlplane__ReplicaReport *report = report_of_removed(gone, arena);
        if (report != NULL)
            heartbeat->replicas[heartbeat->n_replicas++] = report;
    }
}

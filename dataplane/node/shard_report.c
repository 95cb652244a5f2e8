/* What control is to hear: shards collect the reports that have changed in a turn and hand them to the first shard, whose
 * heartbeats to control carry them until they are acknowledged.
 *
 *     replica_report --(end of turn)--> message --> node.reports --> node_fill_report
 *
 * Reports travel by value, so nobody looks into another loop's replicas. */
#include "base/assert.h"
#include "base/clock.h"
#include "dataplane/node/node_internal.h"

enum { ROLE_REMOVED = 4, REPORT_RETRY_US = 100 * 1000 };

struct reports_message {
    struct mailbox_message message;
    struct node *node;
    size_t count;
    struct report reports[];
};

/* ---- a shard's side ---- */

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

static struct report report_of(const struct replica *r)
{
    const struct membership *membership = group_membership_committed(r->group);
    struct report report = {
        .key = {.group_id = r->group_id, .replica_id = r->replica_id},
        .role = role_of(r),
        .term = group_status(r->group).term,
        .membership_version = membership->version,
        .applied_index = group_status(r->group).applied_index,
        .schema_version = partition_schema_version(r->partition),
        .size = partition_size(r->partition),
        .reads_per_s = r->reported_reads,
        .writes_per_s = r->reported_writes,
        .range_epoch = r->range_epoch,
        .creation_id = r->creation_id,
        .is_settled = split_is_settled(r),
    };
    report.replica_id_floor = r->is_leading ? membership->replica_id_floor : 0;
    for (; r->is_leading && report.member_count < membership->count; report.member_count++)
        report.members[report.member_count] = membership->members[report.member_count];
    return report;
}

void replica_report(struct replica *r)
{
    struct shard *s = r->shard;
    if (r->is_unreported)
        return;
    r->is_unreported = true;
    r->next_unreported = s->unreported;
    s->unreported = r;
    loop_defer(s->loop, &s->report);
}

/* Followers' would say the same a little later. */
void replica_report_size(struct replica *r)
{
    if (!r->is_leading)
        return;
    struct partition_size size = partition_size(r->partition);
    bool has_settled = r->is_reported_settled != split_is_settled(r);
    if (has_settled || size.item_count != r->reported_size.item_count ||
        size.item_bytes != r->reported_size.item_bytes)
        replica_report(r);
}

void replica_unreport(struct replica *r)
{
    if (!r->is_unreported)
        return;
    struct replica **at = &r->shard->unreported;
    while (*at != r)
        at = &(*at)->next_unreported;
    *at = r->next_unreported;
    r->is_unreported = false;
}

void shard_report_removed(struct shard *s, uint64_t group_id, uint64_t replica_id)
{
    struct removed_replica *gone = memory_alloc(sizeof *gone);
    if (gone == NULL)
        return; /* control repeats the goal */
    *gone = (struct removed_replica){s->removed, group_id, replica_id};
    s->removed = gone;
    loop_defer(s->loop, &s->report);
}

static void forget_removed(struct shard *s)
{
    while (s->removed != NULL) {
        struct removed_replica *gone = s->removed;
        s->removed = gone->next;
        memory_free(gone);
    }
}

static void fill(struct shard *s, struct reports_message *message)
{
    for (; s->unreported != NULL; s->unreported = s->unreported->next_unreported) {
        s->unreported->is_unreported = false;
        s->unreported->reported_size = partition_size(s->unreported->partition);
        s->unreported->reported_membership = group_membership_committed(s->unreported->group)->version;
        s->unreported->is_reported_settled = split_is_settled(s->unreported);
        struct report *report = &message->reports[message->count++];
        *report = report_of(s->unreported);
        if (split_report_create(s->unreported, &report->split) != ERR_OK)
            node_fail(s->node, "memory", ERR_NO_MEMORY); /* as in on_reports */
    }
    for (const struct removed_replica *gone = s->removed; gone != NULL; gone = gone->next)
        message->reports[message->count++] =
            (struct report){.key = {gone->group_id, gone->replica_id}, .role = ROLE_REMOVED};
    forget_removed(s);
}

static size_t count_changed(const struct shard *s)
{
    size_t count = 0;
    for (const struct replica *r = s->unreported; r != NULL; r = r->next_unreported)
        count++;
    for (const struct removed_replica *gone = s->removed; gone != NULL; gone = gone->next)
        count++;
    return count;
}

static void on_reports(struct mailbox_message *delivered);

/* While the other shards' threads do not run, their reports go straight on: the first heartbeat must have all. */
bool shard_report_all(struct shard *s)
{
    struct node *n = s->node;
    bool is_ours = s->index == 0 || !s->is_running;
    size_t count = count_changed(s);
    if (count == 0)
        return true;
    struct reports_message *message = memory_zalloc(sizeof *message + count * sizeof message->reports[0]);
    if (message == NULL) {
        loop_timer_start(s->loop, &s->report_retry, loop_now_us(s->loop) + REPORT_RETRY_US);
        return false;
    }
    message->message.deliver = on_reports;
    message->node = n;
    fill(s, message);
    ASSERT(message->count == count);
    if (is_ours) {
        on_reports(&message->message);
        return true;
    }
    if (mailbox_post(n->shards[0]->mailbox, &message->message) == ERR_OK)
        return true;
    memory_free(message);
    node_fail(n, "reports", ERR_BUSY); /* the first loop stands still */
    return false;
}

static void on_report_task(struct loop_task *task)
{
    (void)shard_report_all(task->data); /* a timer tries again */
}

static void on_report_retry(struct loop_timer *timer)
{
    (void)shard_report_all(timer->data); /* likewise */
}

void shard_report_init(struct shard *s)
{
    s->report = (struct loop_task){.run = on_report_task, .data = s};
    s->report_retry = (struct loop_timer){.fire = on_report_retry, .data = s};
}

void shard_report_close(struct shard *s)
{
    loop_undefer(s->loop, &s->report);
    loop_timer_stop(s->loop, &s->report_retry);
    forget_removed(s);
}

/* ---- the node's side, on the first shard's loop ---- */

static struct report *find(struct node *n, const struct report_key *key)
{
    struct report *report;
    HASH_FIND(hh, n->reports, key, sizeof *key, report);
    return report;
}

static enum err take(struct node *n, const struct report *changed)
{
    struct report *report = find(n, &changed->key);
    if (report == NULL) {
        report = memory_zalloc(sizeof *report);
        if (report == NULL)
            return ERR_NO_MEMORY;
        report->key = changed->key;
        HASH_ADD(hh, n->reports, key, sizeof report->key, report);
        if (HASH_ADD_FAILED(report)) {
            memory_free(report);
            return ERR_NO_MEMORY;
        }
    }
    UT_hash_handle hh = report->hh;
    memory_free(report->split);
    *report = *changed;
    report->hh = hh;
    report->version = ++n->report_version;
    return ERR_OK;
}

static void on_reports(struct mailbox_message *delivered)
{
    struct reports_message *message = (struct reports_message *)delivered;
    struct node *n = message->node;
    enum err err = ERR_OK;
    for (size_t i = 0; i < message->count && err == ERR_OK; i++)
        err = take(n, &message->reports[i]);
    memory_free(message);
    if (err != ERR_OK)
        node_fail(n, "memory", err); /* control would never hear of a replica */
    else if (n->goals != NULL)
        goals_report(n->goals);
}

static void forget(struct node *n, struct report *report)
{
    HASH_DEL(n->reports, report);
    memory_free(report->split);
    memory_free(report);
}

/* Control has heard of what it acknowledged. */
static void forget_acknowledged(struct node *n, uint64_t version)
{
    struct report *next;
    for (struct report *report = n->reports; report != NULL; report = next) {
        next = report->hh.next;
        if (report->role == ROLE_REMOVED && report->version <= version)
            forget(n, report);
    }
}

void node_forget_reports(struct node *n)
{
    while (n->reports != NULL)
        forget(n, n->reports);
}

static bool add_members(const struct report *from, Sluice__Controlplane__ReplicaReport *to,
                        struct arena *arena)
{
    to->members = arena_alloc(arena, from->member_count * sizeof *to->members);
    for (uint32_t i = 0; to->members != NULL && i < from->member_count; i++) {
        Sluice__Controlplane__ReportedMember *m = arena_alloc(arena, sizeof *m);
        if (m == NULL)
            return false;
        sluice__controlplane__reported_member__init(m);
        m->replica_id = from->members[i].replica_id;
        m->node_id = from->members[i].node_id;
        m->kind = (uint32_t)from->members[i].kind;
        m->is_learner = from->members[i].role == MEMBER_LEARNER;
        to->members[to->n_members++] = m;
    }
    return from->member_count == to->n_members;
}

static Sluice__Controlplane__ReplicaReport *to_message(const struct report *from, struct arena *arena)
{
    Sluice__Controlplane__ReplicaReport *to = arena_alloc(arena, sizeof *to);
    if (to == NULL)
        return NULL;
    sluice__controlplane__replica_report__init(to);
    to->replica_id = from->key.replica_id;
    to->group_id = from->key.group_id;
    to->role = from->role;
    to->term = from->term;
    to->membership_version = from->membership_version;
    to->replica_id_floor = from->replica_id_floor;
    to->applied_index = from->applied_index;
    to->schema_version = from->schema_version;
    to->item_count = from->size.item_count;
    to->item_bytes = from->size.item_bytes;
    to->read_milli_per_s = (uint64_t)from->reads_per_s.milli;
    to->write_milli_per_s = (uint64_t)from->writes_per_s.milli;
    to->range_epoch = from->range_epoch;
    to->creation_id = from->creation_id;
    to->is_settled = from->is_settled;
    split_report_fill(from->split, to, arena);
    return add_members(from, to, arena) ? to : NULL;
}

static bool has_caught_up(struct node *n)
{
    if (n->support == NULL)
        return false; /* nobody yet */
    for (uint32_t i = 0; i < n->shard_count; i++)
        if (!atomic_load(&n->shards[i]->has_caught_up))
            return false;
    bool can_vote = support_can_vote(node_support_lock(n), clock_boot_us());
    node_support_unlock(n);
    return can_vote;
}

void node_fill_report(uint64_t since_version, Sluice__Controlplane__NodeHeartbeat *heartbeat,
                      struct arena *arena, void *data)
{
    struct node *n = data;
    heartbeat->is_caught_up = has_caught_up(n);
    if (since_version == n->report_version && n->forgotten_version == since_version)
        return; /* as mostly: there may be thousands of reports, and none is new */
    forget_acknowledged(n, since_version);
    n->forgotten_version = since_version;
    size_t count = 0;
    for (const struct report *report = n->reports; report != NULL; report = report->hh.next)
        count += report->version > since_version;
    heartbeat->replicas = arena_alloc(arena, count * sizeof *heartbeat->replicas);
    if (heartbeat->replicas == NULL)
        return;
    for (const struct report *report = n->reports; report != NULL; report = report->hh.next) {
        Sluice__Controlplane__ReplicaReport *to =
            report->version > since_version ? to_message(report, arena) : NULL;
        if (to != NULL)
            heartbeat->replicas[heartbeat->n_replicas++] = to;
    }
}

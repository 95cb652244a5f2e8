/* A leader makes its group's membership what control wants, one change at a time (dataplane/replication/membership_plan.h
 * decides which). Looked at when a wish comes, when a change is committed, and from time to time until it is done.
 *
 * Log replicas. Such a one can bring another replica up to date only from where its own log begins. So it says where that is with
 * each acknowledgement, and is promoted when every storage voter has what comes before; and the leader tells it with each
 * APPEND how far all living storage voters have the log: it lets go of no more. */
#include "base/clock.h"
#include "dataplane/node/node_internal.h"

enum {
    CHECK_US = 100 * 1000,     /* while something is left to do */
    LOG_BEGIN_US = 500 * 1000, /* between two tries to tell a log replica where to begin */
    LOG_BEGIN_ENTRIES = 256,   /* fewer than these are simply sent */
    KEPT_ENTRIES = 128,        /* by log replicas, for a voter that was promoted a little behind */
};

/* ---- the wish ---- */

void replica_take_wanted(struct replica *r, const Sluice__Controlplane__ReplicaGoal *goal)
{
    if (goal->n_wanted_members > MEMBERS_MAX || goal->wanted_version < r->wanted_version)
        return;
    r->wanted_version = goal->wanted_version;
    r->wanted_count = (uint32_t)goal->n_wanted_members;
    for (uint32_t i = 0; i < r->wanted_count; i++) {
        const Sluice__Controlplane__MemberGoal *m = goal->wanted_members[i];
        r->wanted[i] = (struct member){.replica_id = m->replica_id,
                                       .node_id = m->node_id,
                                       .kind = m->kind == 1 ? MEMBER_LOG : MEMBER_STORAGE};
    }
    replica_drive_membership(r);
}

/* ---- log replicas ---- */

static void note_log_start(struct replica *r, uint64_t replica_id, uint64_t first_index)
{
    for (uint32_t i = 0; i < LOG_STARTS_MAX; i++) {
        struct log_start *known = &r->log_starts[i];
        if (known->replica_id == replica_id || known->replica_id == 0) {
            *known = (struct log_start){replica_id, first_index};
            return;
        }
    }
    r->log_starts[r->next_log_start++ % LOG_STARTS_MAX] = (struct log_start){replica_id, first_index};
}

void replica_note_log_bounds(struct replica *r, uint64_t from_replica, uint64_t first_index,
                             uint64_t kept_index)
{
    if (first_index != 0)
        note_log_start(r, from_replica, first_index);
    if (kept_index > r->kept_index)
        r->kept_index = kept_index;
}

/* 0: it has not said. */
static uint64_t log_start_of(const struct replica *r, uint64_t replica_id)
{
    for (uint32_t i = 0; i < LOG_STARTS_MAX; i++)
        if (r->log_starts[i].replica_id == replica_id)
            return r->log_starts[i].first_index;
    return 0;
}

/* Whether its log begins at what all have. */
static bool can_repair_from(const struct replica *r, const struct member *log_replica, uint64_t kept)
{
    uint64_t first = log_start_of(r, log_replica->replica_id);
    return first != 0 && first <= kept + 1;
}

/* A learner that is far behind shall not be sent all of our log: its own begins where all have come to. */
static void begin_logs(struct replica *r)
{
    const struct membership *m = group_membership(r->group);
    uint64_t now_us = clock_boot_us();
    if (now_us < r->log_begun_us + LOG_BEGIN_US)
        return;
    uint64_t kept = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct member *member = &m->members[i];
        if (member->role != MEMBER_LEARNER || member->kind != MEMBER_LOG)
            continue;
        kept = kept != 0 ? kept : replica_kept_index(r);
        if (group_match_index(r->group, member->replica_id) + LOG_BEGIN_ENTRIES >= kept)
            continue;
        r->log_begun_us = now_us;
        snapshot_send(r, member);
    }
}

/* A storage voter that is to be repaired from wherever it is. One whose node is away, or that has not confirmed our lead for long though its
 * node lives (it is quarantined, say), is not waited for. */
static bool must_be_repairable(const struct replica *r, const struct support *support,
                               const struct member *member, uint64_t now_us)
{
    if (member->kind != MEMBER_STORAGE || member->role != MEMBER_VOTER)
        return false;
    bool is_new = !r->is_leading || now_us < r->led_since_us + 2 * support_lease_us(support);
    return group_counts_on(r->group, support, member->replica_id, now_us) ||
           (is_new && support_held_epoch(support, member->node_id, now_us) != 0);
}

static uint64_t kept_index(const struct replica *r, const struct support *support, uint64_t now_us)
{
    const struct membership *m = group_membership(r->group);
    uint64_t kept = group_match_index(r->group, r->replica_id);
    for (uint32_t i = 0; i < m->count; i++) {
        uint64_t match = group_match_index(r->group, m->members[i].replica_id);
        if (must_be_repairable(r, support, &m->members[i], now_us) && match < kept)
            kept = match;
    }
    return kept;
}

uint64_t replica_kept_index(struct replica *r)
{
    struct node *n = r->shard->node;
    uint64_t kept = kept_index(r, node_support_lock(n), clock_boot_us());
    node_support_unlock(n);
    return kept;
}

uint64_t replica_spare_index(const struct replica *r)
{
    if (r->kind == MEMBER_STORAGE)
        return r->checkpoint_index;
    uint64_t applied = group_status(r->group).applied_index;
    uint64_t spare = r->kept_index > KEPT_ENTRIES ? r->kept_index - KEPT_ENTRIES : 0;
    return spare < applied ? spare : applied;
}

/* ---- the next step ---- */

static struct membership_view look(struct replica *r)
{
    struct node *n = r->shard->node;
    const struct membership *m = group_membership(r->group);
    struct membership_view view = {.current = m,
                                   .self = r->replica_id,
                                   .wanted = r->wanted,
                                   .wanted_count = r->wanted_count,
                                   .preferred = r->leader_preference};
    uint64_t now_us = clock_boot_us();
    const struct support *support = node_support_lock(n);
    uint64_t kept = kept_index(r, support, now_us);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct member *member = &m->members[i];
        bool is_caught_up = group_is_caught_up(r->group, member->replica_id) &&
                            (member->kind == MEMBER_STORAGE || can_repair_from(r, member, kept));
        view.alive |= (uint32_t)group_counts_on(r->group, support, member->replica_id, now_us) << i;
        view.caught_up |= (uint32_t)is_caught_up << i;
    }
    for (uint32_t i = 0; i < r->wanted_count; i++) {
        bool is_ours = r->wanted[i].node_id == n->node_id;
        bool is_reachable = is_ours || support_held_epoch(support, r->wanted[i].node_id, now_us) != 0;
        view.reachable |= (uint32_t)is_reachable << i;
    }
    node_support_unlock(n);
    return view;
}

static const char *change_name(enum membership_change_kind kind)
{
    switch (kind) {
    case MEMBERSHIP_ADD_LEARNER:
        return "add";
    case MEMBERSHIP_PROMOTE:
        return "promote";
    case MEMBERSHIP_REMOVE:
        return "remove";
    }
    return "unknown";
}

/* When it is refused, something else is under way: the next look sees what came of that. */
static void change(struct replica *r, const struct membership_change *wanted)
{
    struct group_event event = {.kind = GROUP_EVENT_CHANGE, .change = wanted};
    struct group_update update;
    if (replica_step(r, &event, &update) != ERR_OK)
        return;
    metric_increment(&r->shard->metrics.membership_changes);
    log_info("membership_changes", "group=%llu change=%s replica=%llu node=%u version=%llu",
             (unsigned long long)r->group_id, change_name(wanted->kind),
             (unsigned long long)wanted->member.replica_id, wanted->member.node_id,
             (unsigned long long)wanted->expected_version + 1);
}

static void hand_over(struct replica *r, uint64_t to_replica)
{
    struct group_event event = {.kind = GROUP_EVENT_TRANSFER, .replica_id = to_replica};
    struct group_update update;
    (void)replica_step(r, &event,
                       &update); /* when refused, it goes on leading, and the next look tries again */
}

static bool is_settled(const struct replica *r)
{
    return group_membership(r->group)->index <= group_status(r->group).commit_index;
}

static void look_again(struct replica *r)
{
    struct shard *s = r->shard;
    if (!loop_timer_is_started(&r->membership_check))
        loop_timer_start(s->loop, &r->membership_check, loop_now_us(s->loop) + CHECK_US);
}

void replica_drive_membership(struct replica *r)
{
    if (r->state != REPLICA_ACTIVE || !r->is_leading || r->wanted_count == 0)
        return;
    struct membership_step step = {.kind = MEMBERSHIP_STEP_WAIT};
    if (is_settled(r)) {
        begin_logs(r);
        struct membership_view view = look(r);
        step = membership_plan(&view);
    }
    if (step.kind == MEMBERSHIP_STEP_CHANGE)
        change(r, &step.change);
    else if (step.kind == MEMBERSHIP_STEP_TRANSFER)
        hand_over(r, step.transfer_to);
    if (step.kind != MEMBERSHIP_STEP_DONE && r->state == REPLICA_ACTIVE)
        look_again(r);
}

#include "dataplane/replication/group.h"

#include "base/memory.h"
#include "dataplane/replication/group_internal.h"

/* ---- Life cycle ---- */

static void defaults_fill(struct group_options *o)
{
    o->inflight_bytes_max = o->inflight_bytes_max == 0 ? 1024 * 1024 : o->inflight_bytes_max;
    o->uncommitted_bytes_max = o->uncommitted_bytes_max == 0 ? 8 * 1024 * 1024 : o->uncommitted_bytes_max;
    o->jitter_us = o->jitter_us == 0 ? 300 * 1000 : o->jitter_us;
    o->retry_us = o->retry_us == 0 ? 200 * 1000 : o->retry_us;
}

struct group *group_create(const struct group_options *options)
{
    ASSERT(options->replica_id != 0);
    struct group *g = memory_zalloc(sizeof(*g));
    if (g == NULL)
        return NULL;
    g->options = *options;
    defaults_fill(&g->options);
    random_init(&g->random, options->seed);
    group_log_init(&g->log);
    buffer_init(&g->own_body, 1 + MEMBERSHIP_BYTES_MAX);
    buffer_init(&g->hard_state, GROUP_HARD_STATE_BYTES_MAX);
    if (!buffer_reserve(&g->own_body, 1 + MEMBERSHIP_BYTES_MAX) ||
        !buffer_reserve(&g->hard_state, GROUP_HARD_STATE_BYTES_MAX) ||
        group_log_reserve(&g->log, 4) != ERR_OK) {
        group_destroy(g);
        return NULL;
    }
    return g;
}

void group_destroy(struct group *g)
{
    if (g == NULL)
        return;
    group_log_deinit(&g->log);
    memory_free(g->restored);
    buffer_deinit(&g->own_body);
    buffer_deinit(&g->hard_state);
    memory_free(g);
}

/* ---- What an update carries ---- */

struct group_message *group_say(struct group *g, enum message_kind kind, uint64_t to_replica,
                                uint32_t to_node)
{
    ASSERT(g->update->message_count < GROUP_MESSAGES_MAX);
    struct group_message *m = &g->update->messages[g->update->message_count++];
    *m = (struct group_message){.kind = kind,
                                .from_replica = g->options.replica_id,
                                .to_replica = to_replica,
                                .from_node = g->options.node_id,
                                .to_node = to_node,
                                .term = g->term};
    return m;
}

void group_push_membership(struct group *g, const struct membership *m, uint64_t index, uint64_t term)
{
    g->previous = g->latest;
    g->latest = *m;
    g->latest.index = index;
    g->latest.term = term;
    if (g->update != NULL)
        g->update->is_membership_changed = true;
}

static void membership_append(struct group *g, const struct membership *m)
{
    buffer_append_u64(&g->hard_state, m->index);
    buffer_append_u64(&g->hard_state, m->term);
    size_t at = g->hard_state.length;
    buffer_append_u8(&g->hard_state, 0);
    if (m->version != 0)
        membership_encode(m, &g->hard_state);
    g->hard_state.data[at] = (uint8_t)(g->hard_state.length - at - 1);
}

/* docs/formats/replication.md. The commit index only helps to notice at a restart that the log lost something. */
void group_hard_state_encode(struct group *g)
{
    buffer_clear(&g->hard_state);
    buffer_append_u8(&g->hard_state, HARD_STATE_FORMAT);
    buffer_append_u64(&g->hard_state, g->term);
    buffer_append_u64(&g->hard_state, g->vote);
    buffer_append_u64(&g->hard_state, g->commit_index < g->stable_index ? g->commit_index : g->stable_index);
    membership_append(g, &g->stable_latest);
    membership_append(g, &g->stable_previous);
    ASSERT(!buffer_has_failed(&g->hard_state));
}

static void persist_finish(struct group *g)
{
    struct group_persist *persist = &g->update->persist;
    if (g->is_hard_state_dirty) {
        g->is_hard_state_dirty = false;
        group_hard_state_encode(g);
        persist->has_hard_state = true;
        persist->hard_state_term = g->term;
        persist->hard_state = buffer_view(&g->hard_state);
    }
    persist->is_needed = persist->has_hard_state || persist->truncate_from != 0 || persist->entry_count != 0;
    persist->token = (struct group_persist_token){
        .term = g->term, .vote = g->vote, .last_index = g->log.last_index, .truncations = g->truncations};
}

/* ---- The step ---- */

/* The memberships whose entries are on disk by now go into the hard state, before those entries leave the log. */
static void memberships_stabilise(struct group *g)
{
    const struct membership *latest = g->latest.index <= g->stable_index ? &g->latest : &g->previous;
    if (latest->index > g->stable_index ||
        (latest->index == g->stable_latest.index && latest->term == g->stable_latest.term))
        return;
    g->stable_latest = *latest;
    g->stable_previous = g->previous;
    g->is_hard_state_dirty = true;
}

static void on_persisted(struct group *g, const struct group_persist_token *token)
{
    g->stable_term = token->term;
    g->stable_vote = token->vote;
    if (token->truncations == g->truncations) {
        if (token->last_index > g->stable_index)
            g->stable_index = token->last_index;
        memberships_stabilise(g);
    }
    group_on_vote_stable(g);
    if (g->role == GROUP_LEADER)
        group_maybe_commit(g);
    else if (g->is_ack_due)
        group_acknowledge(g);
}

static void on_applied(struct group *g, uint64_t index)
{
    ASSERT(index <= g->commit_index);
    if (index > g->applied_index)
        g->applied_index = index;
}

static void on_truncated(struct group *g, uint64_t first_index)
{
    ASSERT(first_index <= g->applied_index + 1 && (g->split_index == 0 || first_index <= g->split_index));
    group_log_truncate_prefix(&g->log, first_index);
}

static void on_tick(struct group *g)
{
    switch (g->role) {
    case GROUP_FOLLOWER:
        group_tick_follower(g);
        break;
    case GROUP_PRE_CANDIDATE:
    case GROUP_CANDIDATE:
        group_tick_candidate(g);
        break;
    case GROUP_LEADER:
        group_tick_leader(g);
        break;
    }
}

/* Rule 13: to us, and not from an id that was removed. Those are told so, once that is certain. */
static enum err check_addresses(struct group *g, const struct group_message *m)
{
    if (m->to_replica != g->options.replica_id || m->from_replica == g->options.replica_id ||
        m->from_replica == 0)
        return ERR_INVALID;
    /* By what is committed: a removal that is not may still be undone. */
    const struct membership *committed = g->latest.index <= g->commit_index ? &g->latest : &g->previous;
    if (!membership_is_removed(committed, m->from_replica))
        return ERR_OK;
    if (m->kind != MESSAGE_REMOVED) {
        struct group_message *reply = group_say(g, MESSAGE_REMOVED, m->from_replica, m->from_node);
        reply->membership_version = committed->version;
    }
    return ERR_STALE;
}

static void on_removed(struct group *g, const struct group_message *m)
{
    if (m->membership_version <= g->latest.version)
        return;
    group_become_follower(g, g->term, 0, 0);
    g->is_halted = true;
    g->update->is_removed = true;
}

static void on_message(struct group *g, const struct group_message *m)
{
    g->update->err = check_addresses(g, m);
    if (g->update->err != ERR_OK)
        return;
    switch (m->kind) {
    case MESSAGE_PRE_VOTE:
        group_on_pre_vote(g, m);
        break;
    case MESSAGE_PRE_VOTE_RESPONSE:
        group_on_pre_vote_response(g, m);
        break;
    case MESSAGE_VOTE:
        group_on_vote(g, m);
        break;
    case MESSAGE_VOTE_RESPONSE:
        group_on_vote_response(g, m);
        break;
    case MESSAGE_APPEND:
        group_on_append(g, m);
        break;
    case MESSAGE_APPEND_RESPONSE:
        group_on_append_response(g, m);
        break;
    case MESSAGE_TRANSFER:
        group_on_transfer(g, m);
        break;
    case MESSAGE_RELINQUISHED:
        group_on_relinquished(g, m);
        break;
    case MESSAGE_REMOVED:
        on_removed(g, m);
        break;
    default:
        g->update->err = ERR_INVALID;
    }
}

static void on_halt(struct group *g)
{
    if (g->role == GROUP_LEADER)
        g->farewells = GROUP_FAREWELLS;
    group_become_follower(g, g->term, 0, 0);
    g->is_halted = true;
    g->farewell_us = g->now_us + GROUP_FAREWELL_US;
}

/* As long as our node lives the others wait for us: make sure that they hear of it. */
static void tick_halted(struct group *g)
{
    if (g->farewells == 0 || g->now_us < g->farewell_us)
        return;
    g->farewells--;
    g->farewell_us = g->now_us + GROUP_FAREWELL_US;
    group_say_relinquished(g);
}

static void dispatch(struct group *g, const struct group_event *event)
{
    switch (event->kind) {
    case GROUP_EVENT_TICK:
        if (event->held_us > g->lease_seen_us)
            g->lease_seen_us = event->held_us;
        on_tick(g);
        break;
    case GROUP_EVENT_MESSAGE:
        on_message(g, event->message);
        break;
    case GROUP_EVENT_PROPOSE:
        g->update->err = group_propose(g, event->body);
        g->is_sending = !event->is_more;
        break;
    case GROUP_EVENT_FLUSH:
        break;
    case GROUP_EVENT_PERSISTED:
        on_persisted(g, &event->token);
        break;
    case GROUP_EVENT_APPLIED:
        on_applied(g, event->index);
        break;
    case GROUP_EVENT_CHANGE:
        g->update->err = group_change(g, event->change);
        break;
    case GROUP_EVENT_TRANSFER:
        g->update->err = group_transfer(g, event->replica_id);
        break;
    case GROUP_EVENT_TRUNCATED:
        on_truncated(g, event->index);
        break;
    case GROUP_EVENT_INSTALLING:
        group_on_installing(g, event);
        break;
    case GROUP_EVENT_INSTALLED:
        group_on_installed(g, event);
        break;
    case GROUP_EVENT_INHERIT:
        group_inherit(g, event->replica_id);
        break;
    case GROUP_EVENT_HALT:
        on_halt(g);
        break;
    }
}

static uint64_t apply_up_to(const struct group *g)
{
    return g->commit_index < g->stable_index ? g->commit_index : g->stable_index;
}

void group_step(struct group *g, const struct group_event *event, struct group_update *ret_update)
{
    ASSERT(g->is_started);
    ret_update->err = ERR_OK;
    ret_update->index = 0;
    ret_update->persist = (struct group_persist){0};
    ret_update->message_count = 0;
    ret_update->is_elected = ret_update->is_term_lost = ret_update->is_leader_known_changed = false;
    ret_update->is_membership_changed = ret_update->is_removed = false;
    ret_update->snapshot_count = 0;
    g->update = ret_update;
    g->now_us = event->now_us;
    g->support = event->support;
    g->is_sending = true;
    uint64_t apply_before = apply_up_to(g);
    uint64_t leader_before = g->leader_replica;
    bool was_leader = g->role == GROUP_LEADER;
    uint64_t term_before = g->term;

    if (!g->is_halted)
        dispatch(g, event);
    else if (event->kind == GROUP_EVENT_TICK)
        tick_halted(g);
    else
        ret_update->err = ERR_CLOSED;
    if (g->role == GROUP_LEADER && g->is_sending && !g->is_halted)
        group_send_appends(g);
    persist_finish(g);

    bool is_leader = g->role == GROUP_LEADER;
    ret_update->term = g->term;
    ret_update->commit_index = apply_up_to(g);
    ret_update->is_commit_advanced = ret_update->commit_index > apply_before;
    ret_update->is_elected = is_leader && (!was_leader || g->term != term_before);
    ret_update->is_term_lost = was_leader && (!is_leader || g->term != term_before);
    ret_update->is_leader_known_changed = g->leader_replica != leader_before;
    g->update = NULL;
    g->support = NULL;
}

uint64_t group_wake_us(const struct group *g, const struct support *support, uint64_t now_us)
{
    if (g->is_halted)
        return g->farewells > 0 ? g->farewell_us : UINT64_MAX;
    if (g->role == GROUP_LEADER) {
        uint64_t wake = group_leader_wake(g);
        uint64_t half_lease = now_us + support_lease_us(support) / 2;
        return wake < half_lease ? wake : half_lease;
    }
    if (g->role != GROUP_FOLLOWER)
        return g->election_us;
    if (!group_may_campaign(g))
        return UINT64_MAX;
    uint64_t wake = g->campaign_us != 0 ? g->campaign_us : group_leader_alive_until(g, support);
    uint64_t vote_from = support_vote_from(support);
    return wake < vote_from ? vote_from : wake;
}

/* ---- Gates ---- */

bool group_can_serve_strong(const struct group *g, const struct support *support, uint64_t now_us)
{
    return g->role == GROUP_LEADER && g->options.kind == MEMBER_STORAGE && !g->is_relinquished &&
           !g->is_halted && g->applied_index >= g->noop_index && group_has_lease(g, support, now_us) &&
           !group_is_split(g);
}

bool group_can_serve_eventual(const struct group *g, const struct support *support, uint64_t now_us)
{
    if (g->options.kind != MEMBER_STORAGE || g->is_halted || g->is_installing || group_is_split(g))
        return false;
    if (g->role == GROUP_LEADER)
        return g->applied_index >= g->noop_index && group_has_lease(g, support, now_us);
    uint64_t heard = g->leader_commit > g->commit_index ? g->leader_commit : g->commit_index;
    return g->leader_commit != 0 && g->applied_index + GROUP_EVENTUAL_LAG_ENTRIES >= heard &&
           group_leader_alive_until(g, support) > now_us;
}

bool group_can_propose(const struct group *g)
{
    return g->role == GROUP_LEADER && g->options.kind == MEMBER_STORAGE && !g->is_relinquished &&
           !g->is_transferring && !g->is_halted && g->applied_index >= g->noop_index;
}

bool group_is_split(const struct group *g)
{
    return g->split_index != 0 && g->commit_index >= g->split_index;
}

/* ---- Looking ---- */

struct group_status group_status(const struct group *g)
{
    return (struct group_status){.group_id = g->options.group_id,
                                 .replica_id = g->options.replica_id,
                                 .role = g->role,
                                 .term = g->term,
                                 .vote = g->vote,
                                 .leader_replica = g->leader_replica,
                                 .first_index = g->log.first_index,
                                 .last_index = g->log.last_index,
                                 .commit_index = g->commit_index,
                                 .applied_index = g->applied_index,
                                 .noop_index = g->noop_index,
                                 .split_index = g->split_index,
                                 .is_relinquished = g->is_relinquished,
                                 .is_halted = g->is_halted};
}

const struct membership *group_membership(const struct group *g)
{
    return &g->latest;
}

const struct membership *group_membership_committed(const struct group *g)
{
    return g->latest.index <= g->applied_index ? &g->latest : &g->previous;
}

bool group_entry_term(const struct group *g, uint64_t index, uint64_t *ret_term)
{
    return group_log_term(&g->log, index, ret_term);
}

uint64_t group_match_index(const struct group *g, uint64_t replica_id)
{
    if (g->role != GROUP_LEADER)
        return 0;
    if (replica_id == g->options.replica_id)
        return g->stable_index;
    for (uint32_t i = 0; i < g->progress_count; i++)
        if (g->progress[i].replica_id == replica_id)
            return g->progress[i].match_index;
    return 0;
}

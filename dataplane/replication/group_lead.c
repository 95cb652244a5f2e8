/* A leader's side: what each follower has and is sent, commit, stepping down, handing over, proposals. */
#include "dataplane/replication/group_internal.h"

static struct progress *progress_find(struct group *g, uint64_t replica_id)
{
    for (uint32_t i = 0; i < g->progress_count; i++)
        if (g->progress[i].replica_id == replica_id)
            return &g->progress[i];
    return NULL;
}

static void progress_reset(struct group *g, struct progress *p, uint64_t next_index)
{
    p->state = PROGRESS_PROBE;
    p->is_probe_out = false;
    p->next_index = next_index;
    p->reset_sequence = g->sequence + 1;
}

/* One for each other member; those of members that stay are kept. */
static void progress_rebuild(struct group *g)
{
    struct progress kept[MEMBERS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->latest.count; i++) {
        uint64_t id = g->latest.members[i].replica_id;
        if (id == g->options.replica_id)
            continue;
        struct progress *old = progress_find(g, id);
        kept[count] = old != NULL ? *old : (struct progress){.replica_id = id, .must_send = true};
        if (old == NULL)
            progress_reset(g, &kept[count], g->log.last_index + 1);
        count++;
    }
    for (uint32_t i = 0; i < count; i++)
        g->progress[i] = kept[i];
    g->progress_count = count;
}

/* Append an entry of our own term; room for its term must be there. */
static void append_own(struct group *g, struct slice body)
{
    group_log_append(&g->log, g->term, body.length);
    g->own_entry = (struct group_entry){.term = g->term, .body = body};
    g->update->persist.first_index = g->log.last_index;
    g->update->persist.entry_count = 1;
    g->update->persist.entries = &g->own_entry;
    g->update->index = g->log.last_index;
    group_note_entry(g, body);
}

void group_become_leader(struct group *g)
{
    if (group_log_reserve(&g->log, 1) != ERR_OK) {
        group_become_follower(g, g->term, 0, 0);
        return;
    }
    g->role = GROUP_LEADER;
    g->leader_replica = g->options.replica_id;
    g->leader_node = g->options.node_id;
    g->confirmed_replica = 0; /* no earlier leader has a lease any more: README.md */
    g->lease_seen_us = g->now_us;
    g->is_relinquished = g->is_transferring = g->has_leaving = false;
    g->sequence = 0;
    g->progress_count = 0;
    progress_rebuild(g);
    buffer_clear(&g->own_body);
    buffer_append_u8(&g->own_body, ENTRY_NOOP);
    append_own(g, buffer_view(&g->own_body));
    g->noop_index = g->log.last_index;
}

/* ---- Commit ---- */

static void tell_leaving(struct group *g)
{
    if (!g->has_leaving || g->latest.index > g->commit_index)
        return;
    g->has_leaving = false;
    group_say(g, MESSAGE_REMOVED, g->leaving.replica_id, g->leaving.node_id)->membership_version =
        g->latest.version;
}

/* The highest index that a quorum of voters has on disk. */
static uint64_t quorum_index(struct group *g)
{
    uint64_t matches[MEMBERS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->latest.count; i++) {
        const struct member *member = &g->latest.members[i];
        if (member->role != MEMBER_VOTER)
            continue;
        uint64_t match = group_match_index(g, member->replica_id);
        uint32_t at = count++;
        for (; at > 0 && matches[at - 1] < match; at--)
            matches[at] = matches[at - 1];
        matches[at] = match;
    }
    return matches[membership_quorum(&g->latest) - 1];
}

void group_maybe_commit(struct group *g)
{
    uint64_t index = quorum_index(g);
    uint64_t term;
    if (index <= g->commit_index || !group_log_term(&g->log, index, &term))
        return;
    bool was_split = group_is_split(g);
    /* Rule 1: an older term's entry that a quorum has may still be replaced; ours, and all before it, may not. */
    if (term != g->term)
        return;
    group_set_commit(g, index);
    tell_leaving(g);
    /* Nobody serves the range until the followers know, too: no entry comes that could carry it. */
    for (uint32_t i = 0; i < g->progress_count && !was_split && group_is_split(g); i++)
        g->progress[i].must_send = true;
}

/* ---- Sending ---- */

/* How many entries to send now from p->next_index on. */
static uint32_t count_to_send(const struct group *g, const struct progress *p)
{
    uint64_t left = g->log.last_index + 1 - p->next_index;
    uint64_t in_flight;
    uint64_t bytes;
    if (!group_log_bytes(&g->log, p->match_index, p->next_index - 1, &in_flight) ||
        !group_log_bytes(&g->log, p->next_index - 1, g->log.last_index, &bytes))
        return left < GROUP_CATCH_UP_ENTRIES ? (uint32_t)left : GROUP_CATCH_UP_ENTRIES;
    if (in_flight >= g->options.inflight_bytes_max)
        return 0;
    uint64_t count = left < GROUP_BATCH_ENTRIES ? left : GROUP_BATCH_ENTRIES;
    while (count > 1 && group_log_bytes(&g->log, p->next_index - 1, p->next_index - 1 + count, &bytes) &&
           bytes > GROUP_BATCH_BYTES)
        count = count / 2;
    return (uint32_t)count;
}

static void send_append(struct group *g, struct progress *p, const struct member *member, uint32_t count)
{
    struct group_message *m = group_say(g, MESSAGE_APPEND, member->replica_id, member->node_id);
    /* One that waits for a snapshot only has to know that we lead: it will refuse this, and that is all right. */
    m->previous_index = p->state == PROGRESS_SNAPSHOT ? g->log.last_index : p->next_index - 1;
    bool is_known = group_log_term(&g->log, m->previous_index, &m->previous_term);
    ASSERT(is_known);
    m->entry_count = count;
    m->commit_index = g->commit_index;
    m->sequence = ++g->sequence;
    m->incarnation = support_incarnation(g->support);
    p->commit_sent = g->commit_index;
    p->sent_us = g->now_us;
    p->must_send = false;
    if (p->state == PROGRESS_STREAM)
        p->next_index += count;
    else if (p->state == PROGRESS_PROBE)
        p->is_probe_out = true;
}

static void ask_snapshot(struct group *g, struct progress *p, const struct member *member)
{
    if (p->state == PROGRESS_SNAPSHOT)
        return;
    p->state = PROGRESS_SNAPSHOT;
    p->is_probe_out = false;
    p->snapshot_us = g->now_us;
    g->update->snapshots[g->update->snapshot_count++] = *member;
}

static void send_to(struct group *g, struct progress *p)
{
    const struct member *member = membership_find(&g->latest, p->replica_id);
    if (p->next_index < g->log.first_index) {
        ask_snapshot(g, p, member);
        if (p->must_send)
            send_append(g, p, member, 0);
        return;
    }
    if (p->is_probe_out && !p->must_send)
        return;
    uint32_t count = p->is_probe_out ? 0 : count_to_send(g, p);
    if (count > 0 || p->must_send)
        send_append(g, p, member, count);
}

void group_send_appends(struct group *g)
{
    for (uint32_t i = 0; i < g->progress_count; i++)
        send_to(g, &g->progress[i]);
}

void group_show_up(struct group *g, uint64_t replica_id)
{
    struct progress *p = progress_find(g, replica_id);
    if (p == NULL)
        return;
    p->must_send = true;
    p->retries = 0;
}

/* ---- Responses ---- */

static void on_granted(struct group *g, struct progress *p, const struct group_message *m)
{
    if (m->match_index > g->log.last_index) {
        g->update->err = ERR_INVALID;
        return;
    }
    if (m->match_index > p->match_index)
        p->match_index = m->match_index;
    if (m->commit_index > p->commit_known)
        p->commit_known = m->commit_index;
    if (p->next_index <= p->match_index)
        p->next_index = p->match_index + 1;
    if (p->state != PROGRESS_STREAM) {
        uint64_t bytes;
        p->is_probe_out = false;
        p->next_index = p->match_index + 1;
        p->state = group_log_bytes(&g->log, p->match_index, g->log.last_index, &bytes) ? PROGRESS_STREAM
                                                                                       : PROGRESS_PROBE;
    }
    group_maybe_commit(g);
}

/* The next index to try after a refusal. */
static uint64_t next_after_refusal(const struct group *g, const struct progress *p,
                                   const struct group_message *m)
{
    uint64_t hint = m->hint_index < g->log.last_index ? m->hint_index : g->log.last_index;
    uint64_t term;
    while (hint > p->match_index && group_log_term(&g->log, hint, &term) && term > m->hint_term &&
           hint >= g->log.first_index)
        hint = group_log_run_begin(&g->log, hint) - 1;
    uint64_t next = (hint > p->match_index ? hint : p->match_index) + 1;
    /* The hint steps over a whole run of terms, and may so step over our log's start although the follower has what
     * comes before that: only its own refusal proves that it needs a snapshot. */
    return next < g->log.first_index && g->log.first_index < p->next_index ? g->log.first_index : next;
}

static void on_refused(struct group *g, struct progress *p, const struct group_message *m)
{
    if (p->state == PROGRESS_SNAPSHOT) {
        /* It is there and not installing: if that was long ago, the snapshot is lost, or it refused it as it has
         * what is in it. */
        if (g->now_us > p->snapshot_us + GROUP_SNAPSHOT_RETRY_US)
            progress_reset(g, p, g->log.first_index);
        return;
    }
    if (m->sequence >= p->reset_sequence)
        progress_reset(g, p, next_after_refusal(g, p, m));
}

static void relinquish_to(struct group *g, struct progress *p)
{
    const struct member *member = membership_find(&g->latest, p->replica_id);
    g->is_relinquished = true;
    g->relinquished_term = g->term;
    g->transfer_until_us = g->now_us + GROUP_TRANSFER_US;
    group_say(g, MESSAGE_TRANSFER, member->replica_id, member->node_id)->relinquished_term = g->term;
}

static void transfer_advance(struct group *g)
{
    if (!g->is_transferring || g->is_relinquished)
        return;
    struct progress *p = progress_find(g, g->transfer_to);
    if (p == NULL)
        g->is_transferring = false; /* removed meanwhile */
    else if (p->match_index == g->log.last_index)
        relinquish_to(g, p);
}

void group_on_append_response(struct group *g, const struct group_message *m)
{
    if (m->term > g->term) {
        group_become_follower(g, m->term, 0, 0);
        group_schedule_campaign(g, g->now_us);
        return;
    }
    struct progress *p =
        g->role == GROUP_LEADER && m->term == g->term ? progress_find(g, m->from_replica) : NULL;
    if (p == NULL) {
        g->update->err = ERR_STALE;
        return;
    }
    p->heard_us = g->now_us;
    p->retries = 0;
    if (m->support_epoch != 0)
        p->confirmed_epoch = m->support_epoch;
    if (m->is_granted)
        on_granted(g, p, m);
    else
        on_refused(g, p, m);
    transfer_advance(g);
}

/* ---- Time ---- */

void group_relinquish(struct group *g)
{
    group_become_follower(g, g->term, 0, 0); /* says so to everyone */
    group_schedule_campaign(g, g->now_us);
}

/* What was on its way is lost, more likely than not: begin again where we were. */
static void progress_retry(struct group *g, struct progress *p)
{
    if (p->state != PROGRESS_SNAPSHOT)
        progress_reset(g, p, p->state == PROGRESS_STREAM ? p->match_index + 1 : p->next_index);
}

/* Whether this follower owes us an answer. */
static bool is_waiting(const struct progress *p)
{
    if (p->state == PROGRESS_SNAPSHOT)
        return true;
    return p->is_probe_out || p->next_index - 1 > p->match_index || p->commit_known < p->commit_sent;
}

static uint64_t retry_at(const struct group *g, const struct progress *p)
{
    if (p->state == PROGRESS_SNAPSHOT)
        return p->sent_us + GROUP_SNAPSHOT_ASK_US;
    uint32_t times = 1U << (p->retries < 3 ? p->retries : 3);
    return p->sent_us + g->options.retry_us * times;
}

static void tick_progress(struct group *g, struct progress *p)
{
    const struct member *member = membership_find(&g->latest, p->replica_id);
    uint64_t epoch = support_held_epoch(g->support, member->node_id, g->now_us);
    bool must_confirm = epoch != 0 && epoch != p->confirmed_epoch;
    if (must_confirm && g->now_us >= p->sent_us + GROUP_COMMIT_NOTICE_US) {
        if (is_waiting(p))
            progress_retry(g, p); /* its node came back to us */
        p->must_send = true;
    }
    if (p->commit_sent < g->commit_index && g->now_us >= p->sent_us + GROUP_COMMIT_NOTICE_US)
        p->must_send = true;
    if (is_waiting(p) && g->now_us >= retry_at(g, p)) {
        p->retries++;
        progress_retry(g, p);
        p->must_send = true;
    }
}

/* The storage voter that is furthest. */
static uint64_t best_successor(const struct group *g)
{
    uint64_t best = 0;
    uint64_t best_match = 0;
    uint64_t best_heard_us = 0;
    for (uint32_t i = 0; i < g->progress_count; i++) {
        const struct progress *p = &g->progress[i];
        const struct member *member = membership_find(&g->latest, p->replica_id);
        if (member->role != MEMBER_VOTER || member->kind != MEMBER_STORAGE)
            continue;
        if (best == 0 || p->match_index > best_match ||
            (p->match_index == best_match && p->heard_us > best_heard_us)) {
            best = p->replica_id;
            best_match = p->match_index;
            best_heard_us = p->heard_us;
        }
    }
    return best;
}

/* Rules 8 and 9: who leads only to end a deadlock, and not to serve. */
static bool is_caretaker(const struct group *g)
{
    return g->options.kind == MEMBER_LOG || !group_is_voter(g);
}

static void tick_transfer(struct group *g)
{
    if (!g->is_transferring && is_caretaker(g) && g->commit_index >= g->noop_index) {
        enum err err = group_transfer(g, 0);
        if (err != ERR_OK)
            return;
    }
    if (!g->is_transferring || g->now_us < g->transfer_until_us)
        return;
    if (g->is_relinquished)
        group_relinquish(g); /* rule 11: it did not win, but the term is given up for good */
    else
        g->is_transferring = false;
}

void group_tick_leader(struct group *g)
{
    if (group_has_lease(g, g->support, g->now_us))
        g->lease_seen_us = g->now_us;
    else if (g->now_us > g->lease_seen_us + support_lease_us(g->support)) {
        group_relinquish(g); /* rule 5 */
        return;
    }
    for (uint32_t i = 0; i < g->progress_count; i++)
        tick_progress(g, &g->progress[i]);
    tick_transfer(g);
}

uint64_t group_leader_wake(const struct group *g)
{
    uint64_t wake = g->is_transferring ? g->transfer_until_us : UINT64_MAX;
    for (uint32_t i = 0; i < g->progress_count; i++) {
        const struct progress *p = &g->progress[i];
        uint64_t at = UINT64_MAX;
        if (p->commit_sent < g->commit_index)
            at = p->sent_us + GROUP_COMMIT_NOTICE_US;
        else if (is_waiting(p))
            at = retry_at(g, p);
        wake = at < wake ? at : wake;
    }
    if (is_caretaker(g) && !g->is_transferring && g->commit_index >= g->noop_index)
        wake = g->now_us + GROUP_COMMIT_NOTICE_US;
    return wake;
}

/* ---- Proposals ---- */

static bool is_full(const struct group *g)
{
    uint64_t bytes;
    return g->log.last_index - g->commit_index >= GROUP_TAIL_ENTRIES_MAX - 1 ||
           (group_log_bytes(&g->log, g->commit_index, g->log.last_index, &bytes) &&
            bytes >= g->options.uncommitted_bytes_max);
}

enum err group_propose(struct group *g, struct slice body)
{
    if (g->role != GROUP_LEADER || g->is_relinquished || g->is_transferring)
        return ERR_NOT_LEADER;
    if (g->options.kind != MEMBER_STORAGE || body.length == 0 ||
        (body.data[0] != ENTRY_WRITE && body.data[0] != ENTRY_SCHEMA && body.data[0] != ENTRY_SPLIT))
        return ERR_INVALID;
    if (g->applied_index < g->noop_index)
        return ERR_UNAVAILABLE;
    if (g->split_index != 0 || is_full(g))
        return ERR_BUSY;
    if (body.data[0] == ENTRY_SPLIT && g->latest.index > g->commit_index)
        return ERR_BUSY; /* rule 15 */
    append_own(g, body);
    return ERR_OK;
}

/* A learner becomes a voter only when it does not hold back commits. It has at least acknowledged that it is a member: one
 * that never answered may not even exist. */
bool group_is_caught_up(const struct group *g, uint64_t replica_id)
{
    uint64_t match = group_match_index(g, replica_id);
    return match >= g->latest.index && match + GROUP_PROMOTE_LAG_ENTRIES >= g->log.last_index;
}

enum err group_change(struct group *g, const struct membership_change *change)
{
    if (g->role != GROUP_LEADER || g->is_relinquished || g->is_transferring)
        return ERR_NOT_LEADER;
    if (g->commit_index < g->noop_index)
        return ERR_UNAVAILABLE;
    if (g->latest.index > g->commit_index || is_full(g))
        return ERR_BUSY;
    if (g->split_index != 0)
        return ERR_BUSY; /* rule 15: the children's voters are those of now */
    struct membership to;
    TRY(membership_apply(&g->latest, change, &to));
    uint64_t id = change->member.replica_id;
    if ((change->kind == MEMBERSHIP_REMOVE && id == g->options.replica_id) ||
        (change->kind == MEMBERSHIP_PROMOTE && !group_is_caught_up(g, id)))
        return ERR_BUSY;
    if (change->kind == MEMBERSHIP_REMOVE) {
        g->has_leaving = true;
        g->leaving = *membership_find(&g->latest, id);
    }
    buffer_clear(&g->own_body);
    buffer_append_u8(&g->own_body, ENTRY_MEMBERSHIP);
    membership_encode(&to, &g->own_body);
    ASSERT(!buffer_has_failed(&g->own_body));
    append_own(g, buffer_view(&g->own_body));
    group_push_membership(g, &to, g->log.last_index, g->term);
    progress_rebuild(g);
    return ERR_OK;
}

enum err group_transfer(struct group *g, uint64_t to)
{
    if (g->role != GROUP_LEADER || g->is_transferring)
        return ERR_NOT_LEADER;
    to = to == 0 ? best_successor(g) : to;
    const struct member *member = membership_find(&g->latest, to);
    if (member == NULL || member->role != MEMBER_VOTER || to == g->options.replica_id)
        return ERR_NOT_FOUND;
    g->is_transferring = true;
    g->transfer_to = to;
    g->transfer_until_us = g->now_us + GROUP_TRANSFER_US;
    transfer_advance(g);
    return ERR_OK;
}

/* A follower's side of the log: taking entries, acknowledging what is on disk, snapshots. */
#include "dataplane/replication/group_internal.h"

void group_set_commit(struct group *g, uint64_t index)
{
    ASSERT(index <= g->log.last_index);
    if (index > g->commit_index)
        g->commit_index = index;
}

/* Rule 3: only what is on disk, and only as far as it is known to be the leader's log. The acknowledgement
 * confirms our node's support in this term (rule 10). */
void group_acknowledge(struct group *g)
{
    g->is_ack_due = false;
    if (g->leader_replica == 0 || g->stable_term != g->term || group_is_leader_dead(g, g->support))
        return;
    struct group_message *m = group_say(g, MESSAGE_APPEND_RESPONSE, g->leader_replica, g->leader_node);
    m->is_granted = true;
    m->match_index = g->stable_index < g->verified_index ? g->stable_index : g->verified_index;
    m->commit_index = g->commit_index;
    m->sequence = g->leader_sequence;
    m->support_epoch = support_given_epoch(g->support, g->leader_node);
    if (m->support_epoch == 0)
        return;
    g->confirmed_replica = g->leader_replica;
    g->confirmed_node = g->leader_node;
    g->confirmed_term = g->term;
    g->confirmed_epoch = m->support_epoch;
}

static void refuse(struct group *g, const struct group_message *m, uint64_t hint_index)
{
    struct group_message *reply = group_say(g, MESSAGE_APPEND_RESPONSE, m->from_replica, m->from_node);
    reply->sequence = m->sequence;
    reply->hint_index = hint_index;
    reply->commit_index = g->commit_index;
    if (!group_log_term(&g->log, hint_index, &reply->hint_term))
        reply->hint_term = 0;
}

/* Whether our log has the entry that the message builds on; tells the leader if not. */
static bool has_previous(struct group *g, const struct group_message *m)
{
    if (m->previous_index <= g->commit_index)
        return true; /* committed entries are the same everywhere */
    if (m->previous_index > g->log.last_index) {
        refuse(g, m, g->log.last_index);
        return false;
    }
    uint64_t term;
    bool is_known = group_log_term(&g->log, m->previous_index, &term);
    ASSERT(is_known);
    if (term == m->previous_term)
        return true;
    /* Go back over the whole run of that term, as it is not the leader's. */
    uint64_t hint = group_log_run_begin(&g->log, m->previous_index) - 1;
    refuse(g, m, hint < g->commit_index ? g->commit_index : hint);
    return false;
}

/* How many of the message's entries our log has already. */
static uint32_t count_known(const struct group *g, const struct group_message *m)
{
    uint32_t known = 0;
    while (known < m->entry_count) {
        uint64_t index = m->previous_index + 1 + known;
        uint64_t term;
        if (index > g->commit_index && (index > g->log.last_index || !group_log_term(&g->log, index, &term) ||
                                        term != m->entries[known].term))
            break;
        known++;
    }
    return known;
}

static void truncate_from(struct group *g, uint64_t index)
{
    ASSERT(index > g->commit_index);
    group_log_truncate_suffix(&g->log, index);
    group_note_cut(g);
    g->truncations++;
    if (g->stable_index >= index)
        g->stable_index = index - 1;
    g->update->persist.truncate_from = index;
    if (g->latest.index >= index) {
        g->latest = g->previous;
        g->update->is_membership_changed = true;
    }
}

/* Terms must not fall, memberships must decode: checked before anything changes, as these are foreign bytes. */
static enum err check_entries(struct group *g, const struct group_message *m, uint32_t from)
{
    uint64_t term = m->previous_term;
    uint32_t runs = 0;
    for (uint32_t i = from; i < m->entry_count; i++) {
        const struct group_entry *entry = &m->entries[i];
        if (entry->body.length == 0 || entry->term > m->term ||
            (i > 0 && entry->term < m->entries[i - 1].term))
            return ERR_INVALID;
        runs += entry->term != term;
        term = entry->term;
        struct membership membership;
        if (entry->body.data[0] == ENTRY_MEMBERSHIP)
            TRY(membership_decode(slice_from(entry->body, 1), &membership));
    }
    return group_log_reserve(&g->log, runs + 1);
}

static void append_entries(struct group *g, const struct group_message *m, uint32_t from)
{
    uint64_t first = m->previous_index + 1 + from;
    if (first <= g->log.last_index)
        truncate_from(g, first);
    for (uint32_t i = from; i < m->entry_count; i++) {
        const struct group_entry *entry = &m->entries[i];
        group_log_append(&g->log, entry->term, entry->body.length);
        group_note_entry(g, entry->body);
        if (entry->body.data[0] != ENTRY_MEMBERSHIP)
            continue;
        struct membership membership;
        enum err err = membership_decode(slice_from(entry->body, 1), &membership);
        ASSERT(err == ERR_OK); /* check_entries */
        group_push_membership(g, &membership, g->log.last_index, entry->term);
    }
    g->update->persist.first_index = first;
    g->update->persist.entry_count = m->entry_count - from;
    g->update->persist.entries = m->entries + from;
}

static void take_entries(struct group *g, const struct group_message *m)
{
    uint32_t known = count_known(g, m);
    if (known < m->entry_count) {
        if (m->previous_index + known < g->verified_index)
            g->update->err = ERR_INVALID; /* a leader's log only grows: no leader says this */
        else
            g->update->err = check_entries(g, m, known);
        if (g->update->err != ERR_OK)
            return;
        append_entries(g, m, known);
    }
    uint64_t verified = m->previous_index + m->entry_count;
    if (verified > g->log.last_index)
        verified = g->log.last_index; /* a message from before our snapshot */
    if (verified < g->commit_index)
        verified = g->commit_index;
    if (verified > g->verified_index)
        g->verified_index = verified;
    if (m->sequence > g->leader_sequence)
        g->leader_sequence = m->sequence;
    group_set_commit(g, m->commit_index < g->verified_index ? m->commit_index : g->verified_index);
    if (g->stable_index >= g->verified_index && g->stable_term == g->term)
        group_acknowledge(g);
    else
        g->is_ack_due = true;
}

void group_on_append(struct group *g, const struct group_message *m)
{
    if (m->term < g->term) {
        g->update->err = ERR_STALE;
        refuse(g, m, g->log.last_index); /* our term tells it */
        return;
    }
    if ((m->term == g->term && g->role == GROUP_LEADER) || (m->entry_count > 0 && m->entries == NULL)) {
        g->update->err = ERR_INVALID;
        return;
    }
    if (m->incarnation < support_peer_incarnation(g->support, m->from_node)) {
        g->update->err = ERR_STALE; /* its sender is dead: nobody must wait for it */
        return;
    }
    if (g->role == GROUP_PRE_CANDIDATE && m->term <= g->relinquished_term) {
        g->update->err =
            ERR_STALE; /* said before it gave up, or a repetition: we are to take over, not to follow */
        return;
    }
    group_become_follower(g, m->term, m->from_replica, m->from_node);
    g->leader_heard_us = g->now_us;
    g->leader_incarnation = m->incarnation;
    if (m->commit_index >
        g->leader_commit) /* known even where the entries are not taken: what comes may be a snapshot */
        g->leader_commit = m->commit_index;
    if (g->is_installing)
        return;
    if (has_previous(g, m))
        take_entries(g, m);
}

/* ---- Snapshots ---- */

/* Replacing the store and emptying the log must not lose what was acknowledged: refused where the log has it. */
static bool wants_snapshot(const struct group *g, uint64_t index, uint64_t term)
{
    uint64_t own_term;
    if (g->role == GROUP_LEADER || index <= g->commit_index)
        return false;
    return !(group_log_term(&g->log, index, &own_term) && own_term == term);
}

void group_on_installing(struct group *g, const struct group_event *event)
{
    if (!wants_snapshot(g, event->index, event->term)) {
        g->update->err = ERR_STALE;
        return;
    }
    group_become_follower(g, g->term, g->leader_replica, g->leader_node);
    g->is_installing = true;
    g->installing_index = event->index;
    g->installing_term = event->term;
}

void group_on_installed(struct group *g, const struct group_event *event)
{
    struct membership membership;
    if (!g->is_installing || event->index != g->installing_index || event->term != g->installing_term) {
        g->update->err = ERR_STALE;
        return;
    }
    g->update->err = membership_decode(event->membership, &membership);
    if (g->update->err != ERR_OK)
        return;
    g->is_installing = false;
    if (event->term > g->term)
        group_become_follower(g, event->term, 0, 0);
    group_log_reset(&g->log, event->index, event->term);
    group_note_cut(g);
    g->truncations++;
    g->stable_index = g->commit_index = g->applied_index = event->index;
    uint64_t membership_term = 0; /* only compared for entries in the log */
    group_push_membership(g, &membership, event->membership_index, membership_term);
    g->previous = g->stable_latest = g->stable_previous = g->latest;
    g->is_hard_state_dirty = true;
    if (g->leader_replica != 0 && g->verified_index < event->index)
        g->verified_index = event->index;
    if (g->verified_index > event->index)
        g->verified_index = event->index;
    g->is_ack_due = g->leader_replica != 0;
}

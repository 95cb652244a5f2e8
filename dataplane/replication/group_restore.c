/* Back from the log: each function mirrors one record type, in the order in which they were written. */
#include "base/reader.h"
#include "dataplane/replication/group_internal.h"

static enum err membership_read(struct reader *r, struct membership *ret_membership)
{
    struct membership m = {0};
    uint64_t index = reader_u64(r);
    uint64_t term = reader_u64(r);
    struct slice bytes = reader_bytes(r, reader_u8(r));
    if (reader_has_failed(r))
        return ERR_CORRUPT;
    if (bytes.length != 0)
        TRY(membership_decode(bytes, &m));
    m.index = index;
    m.term = term;
    *ret_membership = m;
    return ERR_OK;
}

enum err group_restore_hard_state(struct group *g, struct slice body)
{
    struct reader r;
    reader_init(&r, body);
    uint8_t format = reader_u8(&r);
    uint64_t term = reader_u64(&r);
    uint64_t vote = reader_u64(&r);
    uint64_t commit = reader_u64(&r);
    struct membership latest;
    struct membership previous;
    if (reader_has_failed(&r) || format != HARD_STATE_FORMAT)
        return ERR_CORRUPT;
    TRY(membership_read(&r, &latest));
    TRY(membership_read(&r, &previous));
    if (!reader_is_done(&r))
        return ERR_CORRUPT;
    g->term = term;
    g->vote = vote;
    g->commit_index = commit;
    g->latest = latest;
    g->previous = previous;
    return ERR_OK;
}

enum err group_restore_truncate_suffix(struct group *g, uint64_t from_index)
{
    if (from_index < g->log.first_index)
        return ERR_CORRUPT;
    group_log_truncate_suffix(&g->log, from_index);
    if (g->latest.index >= from_index)
        g->latest = g->previous;
    return ERR_OK;
}

enum err group_restore_entry(struct group *g, uint64_t index, uint64_t term, struct slice body)
{
    if (index < g->log.first_index)
        return ERR_OK; /* void by a LOG_START or a snapshot; the same record read again */
    if (index > g->log.last_index + 1 || body.length == 0)
        return ERR_CORRUPT;
    TRY(group_log_reserve(&g->log, 1));
    struct membership membership;
    bool is_membership = body.data[0] == ENTRY_MEMBERSHIP;
    if (is_membership)
        TRY(membership_decode(slice_from(body, 1), &membership));
    bool is_known = is_membership && g->latest.index == index && g->latest.term == term;
    group_log_truncate_suffix(&g->log, index);
    group_log_append(&g->log, term, body.length);
    if (g->latest.index >= index && !is_known && g->latest.index <= g->log.last_index)
        g->latest = g->previous;
    if (is_membership && index > g->latest.index)
        group_push_membership(g, &membership, index, term);
    return ERR_OK;
}

enum err group_restore_log_start(struct group *g, uint64_t first_index, uint64_t previous_term)
{
    if (first_index > g->log.last_index + 1)
        group_log_reset(&g->log, first_index - 1, previous_term);
    else
        group_log_truncate_prefix(&g->log, first_index);
    return ERR_OK;
}

enum err group_restore_snapshot(struct group *g, uint64_t index, uint64_t term, struct slice membership)
{
    struct membership m;
    TRY(membership_decode(membership, &m));
    group_log_reset(&g->log, index, term);
    if (term > g->term) {
        g->term = term; /* a newcomer may get a snapshot before it hears of any term */
        g->vote = 0;
    }
    g->latest = m;
    g->previous = m;
    return ERR_OK;
}

/* The memberships of the hard state, as far as their entries are really there. */
static enum err memberships_settle(struct group *g)
{
    for (int i = 0; i < 2; i++) {
        uint64_t term;
        bool is_in_log = g->latest.index >= g->log.first_index && g->latest.index <= g->log.last_index;
        bool is_lost = g->latest.index > g->log.last_index;
        if (is_in_log)
            is_lost = !group_log_term(&g->log, g->latest.index, &term) || term != g->latest.term;
        if (!is_lost)
            return ERR_OK;
        g->latest = g->previous;
    }
    return ERR_CORRUPT;
}

enum err group_start(struct group *g, uint64_t applied_index, uint64_t applied_term, uint64_t now_us)
{
    ASSERT(!g->is_started);
    uint64_t term;
    if (applied_index > g->log.last_index || g->commit_index > g->log.last_index ||
        applied_index + 1 < g->log.first_index || g->term < group_log_last_term(&g->log))
        return ERR_CORRUPT;
    if (applied_term != 0 && group_log_term(&g->log, applied_index, &term) && term != applied_term)
        return ERR_CORRUPT;
    TRY(memberships_settle(g));
    g->applied_index = applied_index;
    if (g->commit_index < applied_index)
        g->commit_index = applied_index;
    g->stable_index = g->log.last_index;
    g->stable_term = g->term;
    g->stable_vote = g->vote;
    g->is_hard_state_dirty = false;
    g->now_us = now_us;
    g->is_started = true;
    return ERR_OK;
}

enum err group_bootstrap(struct group *g, const struct member *members, uint32_t count,
                         struct group_update *ret_update)
{
    struct membership m;
    TRY(membership_init(&m, members, count));
    if (membership_find(&m, g->options.replica_id) == NULL)
        return ERR_INVALID;
    *ret_update = (struct group_update){0};
    g->latest = m;
    g->previous = m;
    group_hard_state_encode(g);
    ret_update->persist.is_needed = true;
    ret_update->persist.has_hard_state = true;
    ret_update->persist.hard_state = buffer_view(&g->hard_state);
    return ERR_OK;
}

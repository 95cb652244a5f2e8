/* Back from the log: each function mirrors one record type, in the order in which they were written.
 *
 * The records of the log's older files may be gone, with entries that were needed when a record that is still
 * here was written and are not any more; the LOG_START that says so may come later, among the records that were
 * repeated before those files went. So an entry that does not follow what we have is taken as the first one
 * (dataplane/log does the same), and group_start sees whether the entries begin where the log says. */
#include "base/memory.h"
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
    if (reader_has_failed(&r) || format != HARD_STATE_FORMAT || term > TERM_MAX)
        return ERR_CORRUPT;
    TRY(membership_read(&r, &latest));
    TRY(membership_read(&r, &previous));
    if (!reader_is_done(&r))
        return ERR_CORRUPT;
    g->term = term;
    g->vote = vote;
    g->commit_index = commit;
    g->stable_latest = latest;
    g->stable_previous = previous;
    return ERR_OK;
}

static void restored_cut(struct group *g, uint64_t from_index)
{
    while (g->restored_count > 0 && g->restored[0].index >= from_index) {
        g->restored_count--;
        for (uint32_t i = 0; i < g->restored_count; i++)
            g->restored[i] = g->restored[i + 1];
    }
}

/* ERR_NO_MEMORY */
static enum err restored_push(struct group *g, const struct membership *m, uint64_t index, uint64_t term)
{
    if (g->restored == NULL)
        g->restored = memory_zalloc(RESTORED_MAX * sizeof *g->restored);
    if (g->restored == NULL)
        return ERR_NO_MEMORY;
    if (g->restored_count == RESTORED_MAX)
        g->restored_count--;
    for (uint32_t i = g->restored_count; i > 0; i--)
        g->restored[i] = g->restored[i - 1];
    g->restored_count++;
    g->restored[0] = *m;
    g->restored[0].index = index;
    g->restored[0].term = term;
    return ERR_OK;
}

static void empty_at(struct group *g, uint64_t first_index)
{
    bool is_declared = first_index - 1 == g->restored_start_index;
    group_log_reset(&g->log, first_index - 1, is_declared ? g->restored_start_term : 0);
    group_note_cut(g);
}

static void declare_start(struct group *g, uint64_t previous_index, uint64_t previous_term)
{
    if (previous_index < g->restored_start_index)
        return;
    g->restored_start_index = previous_index;
    g->restored_start_term = previous_term;
    if (previous_index + 1 == g->log.first_index)
        g->log.previous_term = previous_term;
}

enum err group_restore_truncate_suffix(struct group *g, uint64_t from_index)
{
    if (from_index <= g->restored_start_index)
        return ERR_CORRUPT;
    if (from_index < g->log.first_index)
        empty_at(g, from_index);
    group_log_truncate_suffix(&g->log, from_index);
    group_note_cut(g);
    restored_cut(g, from_index);
    return ERR_OK;
}

/* No log was ever that long; so what is behind an index is one, too. */
static const uint64_t INDEX_MAX = UINT64_MAX / 2;

enum err group_restore_entry(struct group *g, uint64_t index, uint64_t term, struct slice body)
{
    if (index == 0 || index > INDEX_MAX)
        return ERR_CORRUPT;
    if (index <= g->restored_start_index)
        return ERR_OK; /* void by a LOG_START or a snapshot; the same record read again */
    if (body.length == 0)
        return ERR_CORRUPT;
    TRY(group_log_reserve(&g->log, 1));
    struct membership membership;
    bool is_membership = body.data[0] == ENTRY_MEMBERSHIP;
    if (is_membership)
        TRY(membership_decode(slice_from(body, 1), &membership));
    if (index < g->log.first_index || index > g->log.last_index + 1)
        empty_at(g, index);
    group_log_truncate_suffix(&g->log, index);
    group_note_cut(g);
    restored_cut(g, index);
    group_log_append(&g->log, term, body.length);
    group_note_entry(g, body);
    if (is_membership)
        return restored_push(g, &membership, index, term);
    return ERR_OK;
}

enum err group_restore_log_start(struct group *g, uint64_t first_index, uint64_t previous_term)
{
    if (first_index == 0 || first_index > INDEX_MAX)
        return ERR_CORRUPT;
    if (first_index > g->log.last_index + 1)
        group_log_reset(&g->log, first_index - 1, previous_term);
    else
        group_log_truncate_prefix(&g->log, first_index);
    group_note_cut(g);
    declare_start(g, first_index - 1, previous_term);
    return ERR_OK;
}

enum err group_restore_snapshot(struct group *g, uint64_t index, uint64_t term, struct slice membership)
{
    struct membership m;
    TRY(membership_decode(membership, &m));
    if (term > TERM_MAX || index > INDEX_MAX)
        return ERR_CORRUPT;
    group_log_reset(&g->log, index, term);
    group_note_cut(g);
    declare_start(g, index, term);
    if (term > g->term) {
        g->term = term; /* a newcomer may get a snapshot before it hears of any term */
        g->vote = 0;
    }
    g->stable_latest = m;
    g->stable_previous = m;
    g->restored_count = 0;
    return ERR_OK;
}

/* Its entry is in the log, or has left it at the front. */
static bool is_membership_valid(const struct group *g, const struct membership *m)
{
    uint64_t term;
    if (m->index > g->log.last_index)
        return false;
    return m->index < g->log.first_index || (group_log_term(&g->log, m->index, &term) && term == m->term);
}

/* The two newest that are valid, from the hard state and from the log's entries. */
static enum err memberships_settle(struct group *g)
{
    const struct membership *known[RESTORED_MAX + 2];
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->restored_count; i++)
        known[count++] = &g->restored[i];
    known[count++] = &g->stable_latest;
    known[count++] = &g->stable_previous;
    const struct membership *latest = NULL;
    const struct membership *previous = NULL;
    for (uint32_t i = 0; i < count; i++)
        if (is_membership_valid(g, known[i]) && (latest == NULL || known[i]->index > latest->index))
            latest = known[i];
    if (latest == NULL)
        return ERR_CORRUPT;
    for (uint32_t i = 0; i < count; i++)
        if (is_membership_valid(g, known[i]) && known[i]->index < latest->index &&
            (previous == NULL || known[i]->index > previous->index))
            previous = known[i];
    g->latest = *latest;
    g->previous = previous == NULL ? *latest : *previous;
    g->stable_latest = g->latest;
    g->stable_previous = g->previous;
    return ERR_OK;
}

enum err group_start(struct group *g, uint64_t applied_index, uint64_t applied_term, uint64_t now_us)
{
    ASSERT(!g->is_started);
    uint64_t term;
    if (g->log.first_index != g->restored_start_index + 1)
        return ERR_CORRUPT;
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
    g->is_hard_state_dirty = g->restored_count > 0; /* their entries may leave the log */
    memory_free(g->restored);
    g->restored = NULL;
    g->now_us = now_us;
    g->is_started = true;
    return ERR_OK;
}

static void bootstrap_persist(struct group *g, const struct membership *m, struct group_update *ret_update)
{
    g->stable_latest = *m;
    g->stable_previous = *m;
    group_hard_state_encode(g);
    ret_update->persist.is_needed = true;
    ret_update->persist.has_hard_state = true;
    ret_update->persist.hard_state = buffer_view(&g->hard_state);
}

enum err group_bootstrap(struct group *g, const struct member *members, uint32_t count,
                         struct group_update *ret_update)
{
    struct membership m;
    TRY(membership_init(&m, members, count));
    if (membership_find(&m, g->options.replica_id) == NULL)
        return ERR_INVALID;
    *ret_update = (struct group_update){0};
    bootstrap_persist(g, &m, ret_update);
    return ERR_OK;
}

void group_bootstrap_newcomer(struct group *g, struct group_update *ret_update)
{
    *ret_update = (struct group_update){0};
    bootstrap_persist(g, &(struct membership){0}, ret_update);
}

enum err group_bootstrap_split(struct group *g, uint64_t index, uint64_t term,
                               const struct membership *membership, struct group_update *ret_update)
{
    if (membership_find(membership, g->options.replica_id) == NULL)
        return ERR_INVALID;
    *ret_update = (struct group_update){0};
    group_log_reset(&g->log, index, term);
    declare_start(g, index, term);
    g->term = term;
    g->commit_index = g->stable_index = index;
    bootstrap_persist(g, membership, ret_update);
    ret_update->persist.hard_state_term = term;
    return ERR_OK;
}

/* What control hears of splits, beside the rest of a replica's report: the leader's wish; whose child a replica is, while what was
 * split is still here; whether the group needs its parent any more. */
#include "dataplane/node/node_internal.h"

/* It owns its bytes. */
struct report_split {
    enum split_reason reason;
    struct slice wished_key;
    uint64_t parent_group;
    struct slice range_start, range_end;
    size_t born_count;
    uint64_t born[MEMBERS_MAX];
    uint8_t bytes[];
};

static struct slice put(uint8_t **at, struct slice bytes)
{
    struct slice copy = slice_make(*at, bytes.length);
    if (bytes.length > 0)
        memcpy(*at, bytes.data, bytes.length);
    *at += bytes.length;
    return copy;
}

/* The parent has the membership that its children were born with, for good. */
static void add_born(struct report_split *to, const struct replica *parent)
{
    const struct membership *m = group_membership(parent->group);
    for (uint32_t i = 0; i < m->count; i++)
        to->born[to->born_count++] = m->members[i].replica_id;
}

enum err split_report_create(const struct replica *r, struct report_split **ret_report)
{
    const struct replica *parent =
        r->split.parent_group == 0 ? NULL : replica_find(r->shard, r->split.parent_group);
    bool has_wish = r->is_leading && r->split.wished_key.length > 0;
    *ret_report = NULL;
    if (parent == NULL && !has_wish)
        return ERR_OK;
    struct slice wish = has_wish ? buffer_view(&r->split.wished_key) : SLICE_EMPTY;
    struct report_split *report =
        memory_zalloc(sizeof *report + wish.length + r->range_start.length + r->range_end.length);
    if (report == NULL)
        return ERR_NO_MEMORY;
    uint8_t *at = report->bytes;
    report->reason = has_wish ? r->split.wished_reason : SPLIT_REASON_NONE;
    report->wished_key = put(&at, wish);
    if (parent != NULL) {
        report->parent_group = parent->group_id;
        report->range_start = put(&at, r->range_start);
        report->range_end = put(&at, r->range_end);
        add_born(report, parent);
    }
    *ret_report = report;
    return ERR_OK;
}

void split_report_fill(const struct report_split *from, Sluice__Controlplane__ReplicaReport *to,
                       struct arena *arena)
{
    if (from == NULL)
        return;
    to->wanted_split_reason = (uint32_t)from->reason;
    to->wanted_split_key = proto_bytes(arena_copy(arena, from->wished_key));
    to->parent_group_id = from->parent_group;
    to->range_start = proto_bytes(arena_copy(arena, from->range_start));
    to->range_end = proto_bytes(arena_copy(arena, from->range_end));
    to->born_replicas = arena_alloc(arena, (from->born_count + 1) * sizeof *to->born_replicas);
    for (size_t i = 0; to->born_replicas != NULL && i < from->born_count; i++)
        to->born_replicas[to->n_born_replicas++] = from->born[i];
}

bool split_is_settled(const struct replica *r)
{
    const struct membership *m = group_membership(r->group);
    struct group_status status = group_status(r->group);
    if (!r->is_leading || m->index > status.commit_index)
        return false;
    for (uint32_t i = 0; i < m->count; i++)
        if (m->members[i].kind == MEMBER_STORAGE && m->members[i].role == MEMBER_VOTER &&
            group_match_index(r->group, m->members[i].replica_id) < status.noop_index)
            return false;
    return true;
}

#include "dataplane/replication/membership.h"

#include "base/reader.h"

enum { MEMBERSHIP_FORMAT = 1 };

const struct member *membership_find(const struct membership *m, uint64_t replica_id)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->members[i].replica_id == replica_id)
            return &m->members[i];
    return NULL;
}

bool membership_is_removed(const struct membership *m, uint64_t replica_id)
{
    return replica_id < m->replica_id_floor && membership_find(m, replica_id) == NULL;
}

uint32_t membership_voter_count(const struct membership *m)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->count; i++)
        count += m->members[i].role == MEMBER_VOTER;
    return count;
}

uint32_t membership_quorum(const struct membership *m)
{
    return membership_voter_count(m) / 2 + 1;
}

enum err membership_init(struct membership *m, const struct member *members, uint32_t count)
{
    if (count == 0)
        return ERR_INVALID;
    if (count > MEMBERS_MAX)
        return ERR_INVALID;
    struct membership made = {.version = 1, .count = count};
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].replica_id < made.replica_id_floor || members[i].replica_id == 0)
            return ERR_INVALID;
        made.members[i] = members[i];
        made.members[i].role = MEMBER_VOTER;
        made.replica_id_floor = members[i].replica_id + 1;
    }
    *m = made;
    return ERR_OK;
}

static enum err add_learner(struct membership *to, const struct member *member)
{
    if (membership_find(to, member->replica_id) != NULL)
        return ERR_EXISTS;
    for (uint32_t i = 0; i < to->count; i++)
        if (to->members[i].node_id == member->node_id)
            return ERR_EXISTS;
    if (member->replica_id < to->replica_id_floor)
        return ERR_INVALID;
    if (to->count == MEMBERS_MAX)
        return ERR_LIMIT;
    struct member *added = &to->members[to->count];
    *added = *member;
    added->role = MEMBER_LEARNER;
    to->count++;
    to->replica_id_floor = member->replica_id + 1;
    return ERR_OK;
}

static enum err promote(struct membership *to, uint64_t replica_id)
{
    for (uint32_t i = 0; i < to->count; i++) {
        if (to->members[i].replica_id == replica_id && to->members[i].role == MEMBER_LEARNER) {
            to->members[i].role = MEMBER_VOTER;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

static enum err remove_member(struct membership *to, uint64_t replica_id)
{
    const struct member *found = membership_find(to, replica_id);
    if (found == NULL)
        return ERR_NOT_FOUND;
    if (found->role == MEMBER_VOTER && membership_voter_count(to) == 1)
        return ERR_INVALID;
    uint32_t at = (uint32_t)(found - to->members);
    for (uint32_t i = at; i + 1 < to->count; i++)
        to->members[i] = to->members[i + 1];
    to->count--;
    return ERR_OK;
}

enum err membership_apply(const struct membership *from, const struct membership_change *change,
                          struct membership *ret_to)
{
    if (change->expected_version != from->version)
        return ERR_STALE;
    struct membership to = *from;
    to.version++;
    switch (change->kind) {
    case MEMBERSHIP_ADD_LEARNER:
        TRY(add_learner(&to, &change->member));
        break;
    case MEMBERSHIP_PROMOTE:
        TRY(promote(&to, change->member.replica_id));
        break;
    case MEMBERSHIP_REMOVE:
        TRY(remove_member(&to, change->member.replica_id));
        break;
    }
    *ret_to = to;
    return ERR_OK;
}

void membership_encode(const struct membership *m, struct buffer *to)
{
    buffer_append_u8(to, MEMBERSHIP_FORMAT);
    buffer_append_u64(to, m->version);
    buffer_append_u64(to, m->replica_id_floor);
    buffer_append_u8(to, (uint8_t)m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        buffer_append_u64(to, m->members[i].replica_id);
        buffer_append_u32(to, m->members[i].node_id);
        buffer_append_u8(to, (uint8_t)m->members[i].kind);
        buffer_append_u8(to, (uint8_t)m->members[i].role);
    }
}

enum err membership_decode(struct slice bytes, struct membership *ret_membership)
{
    struct reader r;
    reader_init(&r, bytes);
    if (reader_u8(&r) != MEMBERSHIP_FORMAT)
        return ERR_CORRUPT;
    struct membership m = {
        .version = reader_u64(&r), .replica_id_floor = reader_u64(&r), .count = reader_u8(&r)};
    if (reader_has_failed(&r) || m.count > MEMBERS_MAX)
        return ERR_CORRUPT;
    uint64_t previous_id = 0;
    for (uint32_t i = 0; i < m.count; i++) {
        struct member *member = &m.members[i];
        member->replica_id = reader_u64(&r);
        member->node_id = reader_u32(&r);
        uint8_t kind = reader_u8(&r);
        uint8_t role = reader_u8(&r);
        if (kind > MEMBER_LOG || role > MEMBER_LEARNER || member->replica_id <= previous_id)
            return ERR_CORRUPT;
        member->kind = (enum member_kind)kind;
        member->role = (enum member_role)role;
        previous_id = member->replica_id;
    }
    if (!reader_is_done(&r) || previous_id >= m.replica_id_floor || membership_voter_count(&m) == 0)
        return ERR_CORRUPT;
    *ret_membership = m;
    return ERR_OK;
}

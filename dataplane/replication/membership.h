/* Who belongs to a group: the payload of MEMBERSHIP entries, and the answers that the core needs from it.
 *
 * A membership is complete (not a difference) and counts from the moment its entry is in a log, committed or
 * not. Two successive ones differ in one voter at most, so their quorums always meet.
 *
 * Replica ids of a group are added in increasing order only. `replica_id_floor` is above every id that ever
 * was a member; an id below it that is not a member was removed and must never act again: one number in
 * place of a growing list of tombstones.
 *
 * Bytes: docs/formats/replication.md. Pure. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

enum { MEMBERS_MAX = 9, MEMBERSHIP_BYTES_MAX = 1 + 8 + 8 + 1 + MEMBERS_MAX * 14 };

enum member_kind {
    MEMBER_STORAGE = 0, /* log and data */
    MEMBER_LOG = 1,     /* recent log only: votes and persists, never serves, as leader hands over */
};

enum member_role {
    MEMBER_VOTER = 0,
    MEMBER_LEARNER = 1, /* receives the log; its acknowledgements and support count for nothing */
};

struct member {
    uint64_t replica_id;
    uint32_t node_id;
    enum member_kind kind;
    enum member_role role;
};

struct membership {
    uint64_t version;          /* counts up by one with each change */
    uint64_t replica_id_floor; /* see above */
    uint32_t count;
    struct member members[MEMBERS_MAX]; /* by replica_id, ascending */
    /* Where it stands in the log; not part of the bytes. */
    uint64_t index;
    uint64_t term;
};

/* NULL when not a member. */
const struct member *membership_find(const struct membership *m, uint64_t replica_id);
bool membership_is_removed(const struct membership *m, uint64_t replica_id);
uint32_t membership_voter_count(const struct membership *m);
/* Voters needed to elect and to commit. */
uint32_t membership_quorum(const struct membership *m);

/* Version 1 of a new group, at index 0. Replica ids ascending, all voters.
 * ERR_INVALID  none, too many, or out of order. */
enum err membership_init(struct membership *m, const struct member *members, uint32_t count) MUST_CHECK;

enum membership_change_kind {
    MEMBERSHIP_ADD_LEARNER, /* member: id, node, kind */
    MEMBERSHIP_PROMOTE,     /* member: id */
    MEMBERSHIP_REMOVE,      /* member: id */
};

struct membership_change {
    enum membership_change_kind kind;
    uint64_t expected_version; /* compare-and-set: the version that the caller looked at */
    struct member member;
};

/* The membership after a change.
 * ERR_STALE      another version counts now
 * ERR_NOT_FOUND  no such member; PROMOTE: it is a voter already
 * ERR_EXISTS     it is a member, or the node already has one of this group
 * ERR_INVALID    an id below the floor (it was removed, or ids were given out of order); the last voter
 * ERR_LIMIT      MEMBERS_MAX */
enum err membership_apply(const struct membership *from, const struct membership_change *change,
                          struct membership *ret_to) MUST_CHECK;

/* Append its bytes. */
void membership_encode(const struct membership *m, struct buffer *to);
/* index and term are left 0. ERR_CORRUPT. */
enum err membership_decode(struct slice bytes, struct membership *ret_membership) MUST_CHECK;

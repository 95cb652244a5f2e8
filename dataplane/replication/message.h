/* What replicas of a group say to each other, and how it is written.
 *
 * Header fields are encoded by `message_encode` into the `fields` of the Replication frame; entries follow as
 * the frame's payload (`append_entry_encode`, `append_entries_next`). Bytes: docs/formats/replication.md.
 * Numbers of kinds are on the wire: only ever added to. Pure. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

enum message_kind {
    MESSAGE_PRE_VOTE = 1,          /* would you vote for me in `term`, and do you hear the leader? */
    MESSAGE_PRE_VOTE_RESPONSE = 2, /* is_granted, hears_leader */
    MESSAGE_VOTE = 3,
    MESSAGE_VOTE_RESPONSE = 4,
    MESSAGE_APPEND = 5, /* entries after (previous_index, previous_term), or none: a probe, a new commit */
    MESSAGE_APPEND_RESPONSE = 6,
    MESSAGE_TRANSFER = 7,     /* I have given up `relinquished_term`: campaign at once */
    MESSAGE_RELINQUISHED = 8, /* the leader of relinquished_term (the sender) has given it up */
    MESSAGE_REMOVED = 9,      /* you are not a member any more, and that is committed */
};

/* On which of a node pair's connections. */
enum message_lane { MESSAGE_LANE_VOTES, MESSAGE_LANE_LOG };

/* One entry of a log. `body` is a type byte (enum entry_type) and the payload, in one piece: the same bytes
 * on the wire, in the log's ENTRY record and in memory. */
struct group_entry {
    uint64_t term;
    struct slice body;
};

/* First byte of an entry's body; on disk: only ever added to. */
enum entry_type {
    ENTRY_NOOP = 1,       /* empty; first entry of each term */
    ENTRY_MEMBERSHIP = 2, /* membership.h */
    ENTRY_WRITE = 3,      /* dataplane/partition/entry.h */
    ENTRY_SCHEMA = 4,     /* dataplane/partition/entry.h */
    ENTRY_SPLIT = 5,      /* dataplane/partition/entry.h; nothing but no-ops comes after it */
    ENTRY_SCRUB = 6,      /* reserved */
};

struct group_message {
    enum message_kind kind;
    uint64_t from_replica;
    uint64_t to_replica;
    uint32_t from_node; /* filled in by the sender's core; the receiver checks it against the connection */
    uint32_t to_node;   /* where to send it; not on the wire */
    uint64_t term;      /* the sender's; PRE_VOTE: the one it would campaign in */

    uint64_t last_index; /* PRE_VOTE, VOTE: the sender's log */
    uint64_t last_term;
    uint64_t relinquished_term; /* PRE_VOTE, VOTE, TRANSFER, RELINQUISHED: that term's leader has given up */

    bool is_granted;   /* responses; APPEND_RESPONSE: the previous entry was there */
    bool hears_leader; /* PRE_VOTE_RESPONSE */

    uint64_t previous_index; /* APPEND: entries begin at previous_index + 1 */
    uint64_t previous_term;
    uint64_t commit_index; /* APPEND: the leader's; APPEND_RESPONSE: the follower's */
    uint64_t sequence;     /* APPEND, PRE_VOTE: chosen by the sender, comes back in the response */

    uint64_t match_index; /* APPEND_RESPONSE: on disk and equal to the leader's log up to here ... */
    uint64_t hint_index;  /* ... or, not granted: try from here */
    uint64_t hint_term;
    uint64_t
        support_epoch; /* APPEND_RESPONSE: in which the sender's node supports the leader's (support.h) */

    uint64_t membership_version; /* REMOVED */
    uint64_t
        incarnation; /* APPEND: of the leader's node (support.h); what a dead process sent counts no more */

    /* APPEND, received: the entries, views valid during the step. To be sent: the shell attaches
     * entries previous_index + 1 .. previous_index + entry_count, fewer (at least one) where a frame or a
     * read from disk has to be bounded; the core goes on from what is acknowledged. */
    uint32_t entry_count;
    const struct group_entry *entries;
};

/* Terms count up from 1: one above this is a lie, and to believe it would make the next one wrap to 0. */
static const uint64_t TERM_MAX = UINT64_MAX / 2;

enum message_lane message_lane(enum message_kind kind);

/* Header fields of the message; from, to, kind and term included. */
void message_encode(const struct group_message *message, struct buffer *to);
/* entries is left NULL with entry_count as sent.
 * ERR_CORRUPT  unknown version or kind, a term above TERM_MAX, or lengths that do not add up. */
enum err message_decode(struct slice fields, struct group_message *ret_message) MUST_CHECK;

/* Append one entry to an APPEND's payload. */
void append_entry_encode(const struct group_entry *entry, struct buffer *to);
/* Bytes of an entry in the payload. */
static inline size_t append_entry_bytes(size_t body_bytes)
{
    return 12 + body_bytes;
}
/* Views of all entries of a payload, into `entries`.
 * ERR_CORRUPT  not exactly `count` well-formed entries. */
enum err append_entries_decode(struct slice payload, uint32_t count, struct group_entry *entries) MUST_CHECK;

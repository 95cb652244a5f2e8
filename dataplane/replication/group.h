/* The replication core: Multi-Paxos in its Raft formulation, as a function from an event to an update.
 *
 *     struct group_update update;
 *     group_step(group, &event, &update);
 *     -> persist update.persist (one batch of the log), report it later with GROUP_EVENT_PERSISTED
 *     -> send update.messages now: whatever must be on disk first is not among them, it comes with PERSISTED
 *     -> apply entries up to update.commit_index, report with GROUP_EVENT_APPLIED
 *
 * Pure: no clock (now_us comes with the event), no I/O, no allocation after create except for the first
 * entries of more terms than ever before. The core knows index, term and size of entries, never their bytes:
 * the shell keeps those, and hands the log back after a restart (group_restore_*).
 *
 * The same object code runs in the node and in the simulator (tests/sim), where for each rule below there is
 * a mutant that breaks it.
 *
 * Rules (Ongaro, "Consensus: Bridging Theory and Practice", 2014, by section; leases: support.h, README.md)
 *  1. Only entries of the current term commit by counting replicas (3.6.2; figure 8 of the Raft paper).
 *  2. A term begins with a no-op; nothing is served or proposed before it is applied (6.4).
 *  3. Term and vote are on disk before a vote leaves, entries before they are acknowledged; a candidate asks
 * for votes only when its own is on disk; a leader counts itself only up to what is on its disk (3.8).
 *  4. One vote per term, for a log at least as long as one's own (3.4, 3.6.1).
 *  5. Check-quorum: a leader without a lease for longer than one lease steps down and says so (6.2).
 *  6. Pre-vote: a campaign changes no term before a quorum would vote and nobody hears the leader (9.6; the
 *     question to the peers: DynamoDB, USENIX ATC 2022, 5.2).
 *  7. One membership change at a time, by compare-and-set on the version, after the term's no-op (4.1 and the
 *     correction to it on raft-dev, 2015). A membership counts once it is in the log, committed or not.
 *  8. Learners count for nothing: not in elections, commits or leases (4.2.1). One that hears of no leader for long
 *     campaigns all the same, as a promotion that is not in its log may need its vote (4.2.2 says so of the removed).
 *  9. A log replica votes and persists and never serves; as leader it commits its no-op and hands over, and so does
 *     a learner.
 * 10. Lease: a quorum of the voters' nodes support the leader's node in the epoch which they confirmed in
 * this term. Whoever votes against a leader first lets its promise run out and withdraws it, unless that
 * leader has relinquished. After a restart: no vote and no campaign for a lease plus margin.
 * 11. Relinquishing is final for a term: no strong read and no proposal after it, whatever becomes of it.
 * 12. Bounded: entries and bytes in flight per follower, entries and bytes not yet committed.
 * 13. Identity: a message counts only if it is addressed to this replica id and comes from a member or from
 * an id above the floor (a member-to-be that we have not heard of); removed ids are refused and told so.
 * 14. Committed entries are never truncated (asserted), the log's prefix only after it is applied.
 * 15. A split ends a group (docs/decisions/0014): it is refused while a membership change is open; from the moment it is in
 * the log there are no proposals and no membership changes; from the moment a leader knows it to be committed, no strong
 * reads. It stays in the log. The groups that begin there go on after its index and term.
 *
 * Idle groups are silent: when every reachable follower has everything and knows the commit index, nothing is
 * sent and nothing wakes but once per lease. That the leader lives is known from its node's heartbeats.
 *
 * One group belongs to one loop. struct support is passed with each event (see there about threads). */
#pragma once

#include "base/error.h"
#include "base/slice.h"
#include "dataplane/replication/membership.h"
#include "dataplane/replication/message.h"
#include "dataplane/replication/support.h"

struct group;

enum {
    GROUP_MESSAGES_MAX = 2 * MEMBERS_MAX,
    /* Entries of which sizes are known; also the most that may be proposed and not yet committed. */
    GROUP_TAIL_ENTRIES_MAX = 512,
    GROUP_HARD_STATE_BYTES_MAX = 64 + 2 * (MEMBERSHIP_BYTES_MAX + 24),
};

struct group_options {
    uint64_t group_id;
    uint64_t replica_id;
    uint32_t node_id;
    enum member_kind kind; /* of this replica; a log replica says so even before it has heard a membership */
    uint64_t seed;         /* of the jitter; give each replica another */
    uint32_t inflight_bytes_max;    /* per follower; 0: 1 MiB */
    uint32_t uncommitted_bytes_max; /* 0: 8 MiB */
    uint64_t jitter_us;             /* most that a campaign waits after the leader is lost; 0: 300,000 */
    uint64_t retry_us;              /* unanswered messages are sent again after; 0: 200,000 */
};

enum group_role { GROUP_FOLLOWER, GROUP_PRE_CANDIDATE, GROUP_CANDIDATE, GROUP_LEADER };

/* ---- Life cycle and restart ---- */

/* A replica with an empty log and no membership: a newcomer, or one that is about to be restored.
 * NULL without memory. */
struct group *group_create(const struct group_options *options);
void group_destroy(struct group *g);

/* First replicas of a new group: the membership at index 0. Persist update.persist before anything is sent
 * (the shell makes a GROUP_CREATED record and then this hard state). Then group_start. ERR_INVALID  see
 * membership_init; or we are not among the members. */
struct group_update;
enum err group_bootstrap(struct group *g, const struct member *members, uint32_t count,
                         struct group_update *ret_update) MUST_CHECK;

/* A replica of a group that exists: no membership yet, it hears that from the leader. Persist update.persist as above. */
void group_bootstrap_newcomer(struct group *g, struct group_update *ret_update);

/* First replicas of a group that a split makes: it goes on after the parent's entry `index` of `term`, with the parent's
 * membership there. The shell makes a GROUP_CREATED record, LOG_START at index + 1, this hard state; then group_start with
 * `index` and `term` as applied, and GROUP_EVENT_INHERIT. ERR_INVALID  we are not among the members. */
enum err group_bootstrap_split(struct group *g, uint64_t index, uint64_t term,
                               const struct membership *membership,
                               struct group_update *ret_update) MUST_CHECK;

/* After a restart: what the log streams for this replica, in its order, then group_start. Each mirrors one
 * record type of dataplane/log/segment.h; applying a record twice in order leads to the same state.
 * ERR_CORRUPT    does not decode or does not fit: quarantine the replica
 * ERR_NO_MEMORY  destroy and try again */
enum err group_restore_hard_state(struct group *g, struct slice body) MUST_CHECK;
enum err group_restore_entry(struct group *g, uint64_t index, uint64_t term, struct slice body) MUST_CHECK;
enum err group_restore_truncate_suffix(struct group *g, uint64_t from_index) MUST_CHECK;
enum err group_restore_log_start(struct group *g, uint64_t first_index, uint64_t previous_term) MUST_CHECK;
enum err group_restore_snapshot(struct group *g, uint64_t index, uint64_t term,
                                struct slice membership) MUST_CHECK;

/* Begin to act.
 * applied_index  what the store holds; beyond the log's end, the log starts after it (with applied_term, the
 * term of that entry, which the store keeps beside applied_index). ERR_CORRUPT    what was restored
 * contradicts itself (a hard state whose commit is beyond log and store, say): quarantine. */
enum err group_start(struct group *g, uint64_t applied_index, uint64_t applied_term,
                     uint64_t now_us) MUST_CHECK;

/* ---- The step ---- */

enum group_event_kind {
    GROUP_EVENT_TICK,      /* time has passed (group_wake_us), or support has changed */
    GROUP_EVENT_MESSAGE,   /* from another replica */
    GROUP_EVENT_PROPOSE,   /* leader: append an entry of type WRITE, SCHEMA or SPLIT */
    GROUP_EVENT_FLUSH,     /* leader: send what was proposed with is_more */
    GROUP_EVENT_PERSISTED, /* a persist of an earlier update is durable; in their order */
    GROUP_EVENT_APPLIED,   /* the store has applied up to `index` */
    GROUP_EVENT_CHANGE,    /* leader: change the membership */
    GROUP_EVENT_TRANSFER,  /* leader: hand over to replica_id, 0 = the best storage voter */
    GROUP_EVENT_TRUNCATED, /* entries below `index` left the log's front; index <= applied + 1 */
    GROUP_EVENT_INSTALLING, /* a snapshot up to `index`, `term` is about to replace the store: asks whether it may */
    GROUP_EVENT_INSTALLED, /* it has replaced store and log, and is durable */
    GROUP_EVENT_INHERIT, /* once, after the start of what a split made: replica_id led the parent, so it leads here too */
    GROUP_EVENT_HALT, /* the log has failed: act no more (nothing is voted, acknowledged or led) */
};

/* What a persist made durable; give it back as it was in GROUP_EVENT_PERSISTED. */
struct group_persist_token {
    uint64_t term;
    uint64_t vote;
    uint64_t last_index;
    uint64_t truncations;
};

struct group_event {
    enum group_event_kind kind;
    uint64_t now_us;                        /* CLOCK_BOOTTIME, read fresh (support.h) */
    struct support *support;                /* this node's */
    const struct group_message *message;    /* MESSAGE */
    struct group_persist_token token;       /* PERSISTED */
    struct slice body;                      /* PROPOSE: type byte and payload */
    bool is_more;                           /* PROPOSE: others follow in this turn, then FLUSH */
    uint64_t index;                         /* APPLIED, TRUNCATED, INSTALLED */
    uint64_t term;                          /* INSTALLED */
    struct slice membership;                /* INSTALLED: encoded (membership.h) */
    uint64_t membership_index;              /* INSTALLED: of the entry that it came from */
    const struct membership_change *change; /* CHANGE */
    uint64_t replica_id;                    /* TRANSFER, INHERIT */
    uint64_t
        held_us; /* TICK: until then a leader at rest (group_rest) is known to have had its lease; 0: not known */
};

/* Records for the log, all in one batch and in this order; then the token comes back. */
struct group_persist {
    bool is_needed;
    bool has_hard_state;
    uint64_t hard_state_term; /* for the record's header */
    struct slice hard_state;  /* owned by the group, valid until its next step */
    uint64_t truncate_from;   /* entries >= this are void; 0 = none. first_index alone replaces as well */
    uint64_t first_index;     /* index of entries[0] */
    uint32_t entry_count;
    const struct group_entry *entries; /* views: into the event, or owned by the group until its next step */
    struct group_persist_token token;
};

struct group_update {
    /* PROPOSE, CHANGE, TRANSFER: what became of it; otherwise ERR_OK or why the event was dropped.
     *
     * ERR_NOT_LEADER   we do not lead, or have relinquished, or are handing over
     * ERR_UNAVAILABLE  the term's no-op is not applied yet
     * ERR_BUSY         too much is uncommitted; CHANGE and SPLIT: a membership change is open; PROMOTE: the learner is
     *                  behind; REMOVE: of the leader itself, transfer first; a split is in the log
     * ERR_STALE        CHANGE: see membership_apply; a message of an older term or from a removed id; INSTALLING,
     *                  INSTALLED: the log has what the snapshot has, leave the store alone
     * ERR_INVALID      a malformed message, or for another replica
     * ERR_NO_MEMORY    dropped, nothing has changed
     * ERR_CLOSED       halted */
    enum err err;
    uint64_t index; /* PROPOSE, CHANGE: of the new entry */
    uint64_t term;  /* of the group, after the step */

    struct group_persist persist;
    uint32_t message_count;
    struct group_message messages[GROUP_MESSAGES_MAX];

    uint64_t
        commit_index; /* apply up to here: committed, and in our own log on disk, which the store so never outruns */
    bool is_commit_advanced;
    bool is_elected;   /* we lead a new term: partition_lead once its no-op is applied */
    bool is_term_lost; /* we led and do not any more: outcomes pending are UNKNOWN, drop the overlay */
    bool is_leader_known_changed;
    bool is_membership_changed; /* another one counts now */
    bool is_removed;            /* a member tells that our removal is committed: leave a tombstone and go */

    /* Followers whose next entry is not in our log any more: send each a snapshot. Asked for again when the follower
     * shows, 5 s later or more, that it is not installing one (INSTALLING silences it). */
    uint32_t snapshot_count;
    struct member snapshots[MEMBERS_MAX];
};

void group_step(struct group *g, const struct group_event *event, struct group_update *ret_update);

/* When to send the next TICK, on the clock of now_us. Ask again after each step; earlier ticks do no harm. */
uint64_t group_wake_us(const struct group *g, const struct support *support, uint64_t now_us);

/* Most groups of a node are idle, and each would wake once or twice per lease to see that nothing has changed. A group at rest
 * needs no TICK while that is known of its nodes: one look at a node's support serves all of its groups. */
enum group_rest {
    GROUP_RESTS_NOT, /* TICK at group_wake_us */
    GROUP_RESTS_FOLLOWING, /* TICK when the promise to *ret_node, in the epoch of now, has run out or changed its epoch */
    GROUP_RESTS_LEADING, /* TICK when the support of any node is lost or changes its epoch, with held_us */
};
/* Until the next step. */
enum group_rest group_rest(const struct group *g, const struct support *support, uint64_t now_us,
                           uint32_t *ret_node);

/* ---- Gates ---- */

/* Rule 10: leader, storage, not relinquished, no-op applied, lease holds at now_us. Read the clock after the
 * request has arrived, then ask, then read the applied state. */
bool group_can_serve_strong(const struct group *g, const struct support *support, uint64_t now_us);
/* A storage replica that is caught up with what it has heard, and has heard the leader lately. */
bool group_can_serve_eventual(const struct group *g, const struct support *support, uint64_t now_us);
/* Proposals are welcome (evaluate first, with group_can_serve_strong for answers that rest on applied state).
 */
bool group_can_propose(const struct group *g);
/* Rule 15: a split is in the log and known to be committed. */
bool group_is_split(const struct group *g);
/* The lease alone, without rules 2, 9 and 11. */
bool group_has_lease(const struct group *g, const struct support *support, uint64_t now_us);

/* ---- Looking ---- */

struct group_status {
    uint64_t group_id;
    uint64_t replica_id;
    enum group_role role;
    uint64_t term;
    uint64_t vote;           /* in that term; 0 = none */
    uint64_t leader_replica; /* 0 = not known */
    uint64_t first_index;
    uint64_t last_index;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t noop_index;  /* of the term that we lead */
    uint64_t split_index; /* of the SPLIT in the log, committed or not; 0 = none */
    bool is_relinquished;
    bool is_halted;
};

struct group_status group_status(const struct group *g);
/* The one that counts; valid until the next step. */
const struct membership *group_membership(const struct group *g);
/* The latest that is committed: what a snapshot at the applied index carries (its own index <= applied
 * index). */
const struct membership *group_membership_committed(const struct group *g);
/* Term of an entry in the log or just before its front. false: not there. */
bool group_entry_term(const struct group *g, uint64_t index, uint64_t *ret_term);
/* Leader: how far a member has acknowledged; 0 when unknown. */
uint64_t group_match_index(const struct group *g, uint64_t replica_id);
/* Leader: the member acts and hears us: its node supports ours, in the epoch that it confirmed in this term. Ourselves:
 * always. */
bool group_counts_on(const struct group *g, const struct support *support, uint64_t replica_id,
                     uint64_t now_us);
/* Leader: a learner that GROUP_EVENT_CHANGE would promote. */
bool group_is_caught_up(const struct group *g, uint64_t replica_id);

/* Shared by the files of the core: state, and what one file offers the others.
 *
 *     group.c             life cycle, the step, gates, status
 *     group_log.c         index, term and size of entries
 *     group_restore.c     back from the log's records
 *     group_election.c    campaigns, votes, stepping down
 *     group_follow.c      a follower's side of the log
 *     group_lead.c        a leader's side: followers, commit, transfer, membership changes
 *     group_lease.c       promises and leases */
#pragma once

#include "base/assert.h"
#include "base/buffer.h"
#include "base/random.h"
#include "dataplane/replication/group.h"

enum {
    GROUP_BATCH_BYTES = 256 * 1024, /* of entries in one message */
    GROUP_BATCH_ENTRIES = 256,
    GROUP_CATCH_UP_ENTRIES = 64,                 /* in one message, where sizes are not known */
    GROUP_EVENTUAL_LAG_ENTRIES = 512,            /* a replica that is further behind serves no reads */
    GROUP_PROMOTE_LAG_ENTRIES = 64,              /* a learner that is further behind is not made a voter */
    GROUP_LEARNER_PATIENCE_US = 3 * 1000 * 1000, /* before a learner campaigns */
    GROUP_ELECTION_US = 100 * 1000, /* a campaign without a quorum is given up after this and up to twice */
    GROUP_COMMIT_NOTICE_US = 20 * 1000, /* a commit index that no entry carried is sent alone after this */
    GROUP_TRANSFER_US = 500 * 1000,     /* for a target to catch up, and again for it to win */
    GROUP_RETRY_BACKOFF_MAX = 8,        /* times retry_us, for followers that do not answer */
    GROUP_FAREWELL_US = 1000 * 1000,
    GROUP_FAREWELLS = 10,
    GROUP_SNAPSHOT_ASK_US = 1000 * 1000,       /* how often to see whether a snapshot is on its way in */
    GROUP_SNAPSHOT_RETRY_US = 5 * 1000 * 1000, /* a follower that refuses entries after this has not got it */
    HARD_STATE_FORMAT = 1,
    RESTORED_MAX = 4,       /* one can be truncated at a time */
    GROUP_WINDOW_FIRST = 8, /* entries of which sizes are known, while a group has had no more */
};

/* Terms come in runs: entries first_index .. (the next run's first_index - 1) have this term. */
struct term_run {
    uint64_t first_index;
    uint64_t term;
};

struct group_log {
    uint64_t first_index; /* of the entries present; last_index + 1 when there are none */
    uint64_t last_index;
    uint64_t previous_term; /* of entry first_index - 1; 0 for the beginning of time */
    uint32_t run_count;
    uint32_t run_capacity;
    struct term_run *runs;
    uint64_t window_first; /* from this index on sums of body bytes are known */
    /* Sum of body bytes up to and including index i, at i % window_entries; grows to GROUP_TAIL_ENTRIES_MAX as it is filled,
     * as most groups of a node are idle. */
    uint64_t first_window[GROUP_WINDOW_FIRST];
    uint64_t *grown_window; /* NULL: the first one still does */
    uint32_t window_entries;
};

enum progress_state {
    PROGRESS_PROBE,    /* one message at a time, until one is granted (or sizes are known again) */
    PROGRESS_STREAM,   /* messages follow each other without waiting, up to the bytes in flight */
    PROGRESS_SNAPSHOT, /* its next entry is not in our log any more */
};

/* What a leader knows of another member. */
struct progress {
    uint64_t replica_id;
    enum progress_state state;
    bool is_probe_out;
    uint64_t match_index;
    uint64_t next_index;   /* to send */
    uint64_t commit_known; /* of its own commit index */
    uint64_t commit_sent;
    uint64_t reset_sequence;  /* refusals of earlier messages are stale */
    uint64_t sent_us;         /* last message */
    uint64_t heard_us;        /* last response */
    uint32_t retries;         /* without a response */
    uint64_t confirmed_epoch; /* of its node's support, in this term; 0 = not confirmed */
    bool must_send;           /* something to ask or tell even without entries */
    uint64_t snapshot_us;     /* when we asked for one */
};

struct group {
    struct group_options options;
    struct random random;
    struct group_log log;

    /* Hard state, and what of it is on disk. */
    uint64_t term;
    uint64_t vote;
    struct membership latest;   /* counts now */
    struct membership previous; /* counts again if latest is truncated; always committed */
    /* What the hard state says: only memberships whose entries are on disk, as the entries of a torn batch are lost and
     * its hard state may not be. */
    struct membership stable_latest;
    struct membership stable_previous;
    struct membership *restored; /* restart: RESTORED_MAX memberships among the log's entries, newest first */
    uint32_t restored_count;
    uint64_t restored_start_index; /* restart: the entry before the log's start, as the log says */
    uint64_t restored_start_term;
    uint64_t stable_term;
    uint64_t stable_vote;
    uint64_t stable_index; /* entries up to here are on disk */
    uint64_t truncations;  /* persists from before the last one say nothing about the log */

    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t split_index; /* rule 15: of the SPLIT in the log; 0 = none */

    enum group_role role;
    bool is_started;
    bool is_halted;
    uint32_t farewells; /* halted: how often to say again that our term is relinquished */
    uint64_t farewell_us;
    bool is_installing;
    uint64_t installing_index;
    uint64_t installing_term;

    /* Follower. */
    uint64_t leader_replica;
    uint32_t leader_node;
    uint64_t leader_heard_us;    /* last APPEND of this term */
    uint64_t leader_incarnation; /* of its node, then */
    uint64_t leader_commit;      /* highest it told us */
    uint64_t leader_sequence;    /* of its newest APPEND */
    uint64_t verified_index;     /* our log equals the leader's up to here */
    bool is_ack_due;             /* an APPEND waits for the disk */
    bool is_vote_due;            /* a granted vote waits for the disk */
    uint32_t vote_node;          /* of the candidate */
    uint64_t campaign_us;        /* when to campaign; 0 = not decided */

    /* Rule 10: to whom our node's support was last confirmed, by an acknowledgement in confirmed_term. */
    uint64_t confirmed_replica;
    uint32_t confirmed_node;
    uint64_t confirmed_term;
    uint64_t confirmed_epoch;
    uint64_t relinquished_term; /* the highest of which we know that its leader has given up */

    /* Candidate. */
    uint64_t voters[MEMBERS_MAX]; /* who granted */
    uint32_t voter_count;
    uint64_t campaigns;   /* so far: tells answers to this one from late ones */
    uint64_t election_us; /* give up then */
    bool is_asked;        /* VOTE was sent: our own vote is on disk */

    /* Leader. */
    uint64_t noop_index;
    uint64_t lease_seen_us; /* when we last had the lease, or were elected */
    bool is_relinquished;
    bool is_transferring;
    uint64_t transfer_to;
    uint64_t transfer_until_us;
    uint64_t sequence;
    bool has_leaving;
    struct member leaving; /* removed, to be told once that is committed */
    uint32_t progress_count;
    struct progress progress[MEMBERS_MAX];

    /* The step under way. */
    struct group_update *update;
    uint64_t now_us;
    struct support *support;
    bool is_hard_state_dirty;
    bool is_sending; /* a leader sends at the end of this step */
    struct group_entry own_entry;
    struct buffer own_body;
    struct buffer hard_state;
};

/* ---- group_log.c ---- */

void group_log_init(struct group_log *log);
void group_log_deinit(struct group_log *log);
/* false: not in the log, nor just before its front. */
bool group_log_term(const struct group_log *log, uint64_t index, uint64_t *ret_term);
uint64_t group_log_last_term(const struct group_log *log);
/* First index of the run of equal terms that `index` is in, not below first_index. */
uint64_t group_log_run_begin(const struct group_log *log, uint64_t index);
/* Room for `runs` more terms. ERR_NO_MEMORY. */
enum err group_log_reserve(struct group_log *log, uint32_t runs) MUST_CHECK;
/* Room must have been reserved when the term is new. */
void group_log_append(struct group_log *log, uint64_t term, size_t body_bytes);
void group_log_truncate_suffix(struct group_log *log, uint64_t from_index);
void group_log_truncate_prefix(struct group_log *log, uint64_t first_index);
/* Empty, going on after (index, term). */
void group_log_reset(struct group_log *log, uint64_t index, uint64_t term);
/* Body bytes of entries after .. up_to; false where they are too long ago. */
bool group_log_bytes(const struct group_log *log, uint64_t after, uint64_t up_to, uint64_t *ret_bytes);
/* An entry was appended at the log's end, or entries have left it: whether a split is in it. */
void group_note_entry(struct group *g, struct slice body);
void group_note_cut(struct group *g);

/* ---- group_lease.c ---- */

/* Its node has restarted since it was heard: it leads no more. */
bool group_is_leader_dead(const struct group *g, const struct support *support);
/* Until when the leader counts as alive, on our clock; 0 = not known or lost. */
uint64_t group_leader_alive_until(const struct group *g, const struct support *support);
/* Rule 10: nothing binds us against this candidate. */
bool group_may_vote_for(const struct group *g, uint64_t candidate, uint64_t relinquished_term);
/* ... and makes sure that nothing we promised earlier is counted on again. Before every vote. */
void group_withdraw(struct group *g, uint64_t candidate);

/* ---- group_election.c ---- */

/* Follow `leader_replica` (0: nobody known) in `term`. A leader that does so has relinquished its term, whatever the
 * reason: it says so to everyone, as their nodes' support for its node would else bind them. */
void group_become_follower(struct group *g, uint64_t term, uint64_t leader_replica, uint32_t leader_node);
/* Tell every other member that the term which we know of is given up. */
void group_say_relinquished(struct group *g);
void group_tick_follower(struct group *g);
void group_tick_candidate(struct group *g);
/* A vote of our own has reached the disk. */
void group_on_vote_stable(struct group *g);
void group_on_pre_vote(struct group *g, const struct group_message *m);
void group_on_pre_vote_response(struct group *g, const struct group_message *m);
void group_on_vote(struct group *g, const struct group_message *m);
void group_on_vote_response(struct group *g, const struct group_message *m);
void group_on_transfer(struct group *g, const struct group_message *m);
void group_on_relinquished(struct group *g, const struct group_message *m);
bool group_is_voter(const struct group *g);
bool group_may_campaign(const struct group *g);
void group_schedule_campaign(struct group *g, uint64_t from_us);
void group_inherit(struct group *g, uint64_t leader_replica);

/* ---- group_follow.c ---- */

void group_on_append(struct group *g, const struct group_message *m);
void group_acknowledge(struct group *g);
void group_set_commit(struct group *g, uint64_t index);
void group_on_installing(struct group *g, const struct group_event *event);
void group_on_installed(struct group *g, const struct group_event *event);

/* ---- group_lead.c ---- */

void group_become_leader(struct group *g);
/* Give up leading this term, for good. */
void group_relinquish(struct group *g);
void group_tick_leader(struct group *g);
void group_maybe_commit(struct group *g);
/* End of a leader's step: whatever has to go to followers. */
void group_send_appends(struct group *g);
void group_on_append_response(struct group *g, const struct group_message *m);
enum err group_propose(struct group *g, struct slice body);
enum err group_change(struct group *g, const struct membership_change *change);
enum err group_transfer(struct group *g, uint64_t to);
/* A follower does not know us: send it something. */
void group_show_up(struct group *g, uint64_t replica_id);
uint64_t group_leader_wake(const struct group *g);

/* ---- group.c ---- */

/* The hard state as it is now, into g->hard_state. */
void group_hard_state_encode(struct group *g);
/* A message to a member, filled in as far as all kinds need; the caller completes it. */
struct group_message *group_say(struct group *g, enum message_kind kind, uint64_t to_replica,
                                uint32_t to_node);
/* The membership in an entry that was just appended at `index` counts from now on. */
void group_push_membership(struct group *g, const struct membership *m, uint64_t index, uint64_t term);

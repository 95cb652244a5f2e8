/*
 * Lease, restart and transfer of one replication group of three nodes.
 *
 * A node supports another node for LEASE ticks after each heartbeat that it receives, under an epoch that the
 * supporter owns. A follower confirms a leader in a term under the epoch in force; until that support has expired it
 * neither votes nor campaigns, and it withdraws the support (a new epoch) before it votes. A leader holds the lease
 * while a quorum - itself and one other - supports its node in the epoch confirmed in this term. The leader counts
 * from the moment of sending and less DRIFT, the follower from the moment of receipt.
 *
 * Time is discrete; every timer is a countdown. The slowest admissible clock is the reference, and every supporter has
 * the fastest one, which loses DRIFT ticks per lease. That is the worst case: the end of a promise only permits, it
 * never forces, so whatever a slower clock does is among what is searched.
 *
 * Broken variants (-D): NO_RESTART_WAIT, FORGOTTEN_WITHDRAWAL, NO_WITHDRAWAL, NO_DRIFT_MARGIN, COUNT_FROM_ANSWER,
 * SERVE_AFTER_RELINQUISH, CONFIRMED_IN_ANY_EPOCH, READ_BEFORE_NO_OP, ACK_BEFORE_QUORUM.
 */
#ifndef TERMS
#define TERMS 3
#endif
#ifndef RESTARTS
#define RESTARTS 1
#endif
#ifndef LEASE
#define LEASE 3
#endif
#define DRIFT 1
#define NOBODY 3

#ifdef NO_DRIFT_MARGIN
#define LEADER_LEASE LEASE
#else
#define LEADER_LEASE (LEASE - DRIFT)
#endif
#define PROMISE (LEASE - DRIFT) /* in ticks of the reference, on the fastest admissible clock */

/* Nodes 0 and 1 may lead, node 2 only votes: PAIR(leader, other) indexes what holds between two nodes. */
#define PAIR(leader, other) ((leader) * 3 + (other))
#define OTHER(leader) (1 - (leader))

#define FOLLOWER 0
#define CANDIDATE 1
#define LEADER 2

/* Durable: term, vote, log, and in effect the epochs, which never return to a value once withdrawn. */
byte term[3] = 1;
byte voted[3];
byte entries[12]; /* LOG(node, term): 0 nothing of that term, 1 its no-op, 2 its no-op and a write */
#define LOG(node, of_term) entries[(node) * 4 + (of_term)]

/* What the supporter knows. */
byte epoch[6] = 1;
byte promise[6];
byte restart_wait[3];
byte confirmed_leader[3]; /* in the node's current term */
byte confirmed_by[3];     /* the epoch under which it was confirmed */

/* What the leader knows. */
byte role[3];
bool relinquished[3];
byte committed[3];  /* of its own term: 0 nothing, 1 the no-op, 2 the write too */
byte support[6];    /* ticks left */
byte support_epoch[6];
byte confirmed[6];  /* the epoch confirmed in this term, 0 if none */
bool applied[8];    /* APPLIED(node, term): the write of that term is in the state that reads see */
#define APPLIED(node, of_term) applied[(node) * 4 + (of_term)]

/* Under way: a request to take over. */
byte handover[2]; /* to this node, the term released; 0 if none */
bool released[3]; /* this candidate's votes are asked for with the release of the term before */

byte restarts_left = RESTARTS;
bool acknowledged[4]; /* the write of that term was acknowledged to its client */

hidden byte at;
hidden byte withdrawn;
hidden byte two_leases_at_once;
hidden byte acknowledged_write_missed;

#ifdef CONFIRMED_IN_ANY_EPOCH
#define SUPPORTED(j, i) (confirmed[PAIR(j, i)] != 0 && support[PAIR(j, i)] > 0)
#else
#define SUPPORTED(j, i) (confirmed[PAIR(j, i)] != 0 && support[PAIR(j, i)] > 0 && \
                         confirmed[PAIR(j, i)] == support_epoch[PAIR(j, i)])
#endif

#ifdef SERVE_AFTER_RELINQUISH
#define MAY_SERVE(j) (role[j] == LEADER)
#else
#define MAY_SERVE(j) (role[j] == LEADER && !relinquished[j])
#endif

#define HOLDS(j) (MAY_SERVE(j) && (SUPPORTED(j, OTHER(j)) || SUPPORTED(j, 2)))

#ifdef READ_BEFORE_NO_OP
#define READS(j) HOLDS(j)
#else
#define READS(j) (HOLDS(j) && committed[j] > 0)
#endif

#define MISSES(j, of_term) (acknowledged[of_term] && !APPLIED(j, of_term))

/* A node that confirmed a leader is bound until the support it gave in that epoch has expired. */
#define BOUND_TO(i, j) (confirmed_leader[i] == j && epoch[PAIR(j, i)] == confirmed_by[i] && promise[PAIR(j, i)] > 0)
#define IS_FREE(i) (restart_wait[i] == 0 && !BOUND_TO(i, 0) && !BOUND_TO(i, 1))
#define IS_RELEASED(i, k) (restart_wait[i] == 0 && released[k] && term[i] + 1 == term[k])

#define LAST(i) (LOG(i, 3) > 0 -> 12 + LOG(i, 3) : (LOG(i, 2) > 0 -> 8 + LOG(i, 2) : 4 + LOG(i, 1)))

/* Of the group; what the node promised to that leader's node stands. */
inline confirmed_leader_forget(i)
{
    confirmed_leader[i] = NOBODY;
    confirmed_by[i] = 0
}

/* The node leaves its confirmed leader; unless that one relinquished, under a new epoch, so that no later heartbeat
 * revives what this group's old leader counts on. */
inline leave_leader(i, is_released)
{
#ifndef NO_WITHDRAWAL
    if
    :: confirmed_leader[i] != NOBODY && !(is_released) ->
        withdrawn = PAIR(confirmed_leader[i], i);
        if
        :: epoch[withdrawn] == confirmed_by[i] -> epoch[withdrawn] = epoch[withdrawn] + 1
        :: else
        fi;
        withdrawn = 0
    :: else
    fi;
#endif
    confirmed_leader_forget(i)
}

inline pair_forget(pair)
{
    confirmed[pair] = 0;
    support[pair] = 0;
    support_epoch[pair] = 0
}

inline leadership_forget(j)
{
    relinquished[j] = 0;
    committed[j] = 0;
    pair_forget(PAIR(j, OTHER(j)));
    pair_forget(PAIR(j, 2));
    released[j] = 0
}

inline step_down(i)
{
    role[i] = FOLLOWER;
    if
    :: i < 2 -> leadership_forget(i)
    :: else
    fi
}

inline timer_tick(timer)
{
    if
    :: timer > 0 -> timer = timer - 1
    :: else
    fi
}

inline pair_tick(pair)
{
    timer_tick(promise[pair]);
    timer_tick(support[pair]);
    if
    :: support[pair] == 0 -> support_epoch[pair] = 0
    :: else
    fi
}

inline tick()
{
    d_step {
        true ->
        printf("tick\n");
        timer_tick(restart_wait[0]);
        timer_tick(restart_wait[1]);
        timer_tick(restart_wait[2]);
        pair_tick(PAIR(0, 1));
        pair_tick(PAIR(0, 2));
        pair_tick(PAIR(1, 0));
        pair_tick(PAIR(1, 2))
    }
}

/* A heartbeat and its answer, between nodes, whatever has become of the group. Delay on the way only shortens what the
 * leader may count on, so none is the worst case; support from before the leader's term is worth no more than that of
 * its first heartbeat in it, so only leaders beat. */
inline beat(j, i)
{
    d_step {
        role[j] == LEADER ->
        printf("beat %d %d\n", j, i);
        promise[PAIR(j, i)] = PROMISE;
#ifdef COUNT_FROM_ANSWER
        promise[PAIR(j, i)] = PROMISE - 1; /* the answer took a tick */
#endif
        support[PAIR(j, i)] = LEADER_LEASE;
        support_epoch[PAIR(j, i)] = epoch[PAIR(j, i)]
    }
}

inline leader_confirm(j, i)
{
    d_step {
        role[j] == LEADER && term[i] == term[j] && confirmed[PAIR(j, i)] != epoch[PAIR(j, i)] ->
        printf("leader_confirm %d %d\n", j, i);
        confirmed_leader[i] = j;
        confirmed_by[i] = epoch[PAIR(j, i)];
        confirmed[PAIR(j, i)] = epoch[PAIR(j, i)]
    }
}

/* The follower takes over the leader's log; with one acknowledgement the leader has its quorum. */
inline entries_append(j, i)
{
    d_step {
        role[j] == LEADER && (term[i] < term[j] || (term[i] == term[j] && LAST(i) != LAST(j))) ->
        printf("entries_append %d %d\n", j, i);
        if
        :: term[i] < term[j] ->
            step_down(i);
            confirmed_leader_forget(i);
            voted[i] = NOBODY
        :: else -> role[i] = FOLLOWER
        fi;
        term[i] = term[j];
        LOG(i, 1) = LOG(j, 1);
        LOG(i, 2) = LOG(j, 2);
        LOG(i, 3) = LOG(j, 3);
        leader_commit(j)
    }
}

inline leader_commit(j)
{
    committed[j] = LOG(j, term[j]);
    at = 1;
    do
    :: at <= TERMS ->
        APPLIED(j, at) = (LOG(j, at) == 2);
        at = at + 1
    :: else -> break
    od;
    if
    :: committed[j] == 2 -> acknowledged[term[j]] = 1
    :: else
    fi
}

inline write_begin(j)
{
    d_step {
        role[j] == LEADER && LOG(j, term[j]) == 1 ->
        printf("write_begin %d\n", j);
        LOG(j, term[j]) = 2;
#ifdef ACK_BEFORE_QUORUM
        acknowledged[term[j]] = 1;
        APPLIED(j, term[j]) = 1
#endif
    }
}

inline candidacy(k)
{
    step_down(k);
    role[k] = CANDIDATE;
    term[k] = term[k] + 1;
    voted[k] = k;
    handover[k] = 0
}

inline campaign(k)
{
    d_step {
        role[k] != LEADER && term[k] < TERMS && IS_FREE(k) ->
        printf("campaign %d\n", k);
        leave_leader(k, false);
        candidacy(k)
    }
}

inline relinquish(j)
{
    d_step {
        role[j] == LEADER && !relinquished[j] && term[j] < TERMS ->
        printf("relinquish %d\n", j);
        relinquished[j] = 1;
        handover[OTHER(j)] = term[j]
    }
}

inline campaign_released(k)
{
    d_step {
        handover[k] != 0 && handover[k] == term[k] && role[k] == FOLLOWER && restart_wait[k] == 0 ->
        printf("campaign_released %d\n", k);
        leave_leader(k, true);
        candidacy(k);
        released[k] = 1
    }
}

/* One vote besides its own makes the candidate leader; its no-op is in its log at once. */
inline vote(k, i)
{
    d_step {
        role[k] == CANDIDATE && LAST(k) >= LAST(i) && (IS_FREE(i) || IS_RELEASED(i, k)) &&
            (term[i] < term[k] || (term[i] == term[k] && voted[i] == NOBODY)) ->
        printf("vote %d %d\n", k, i);
        leave_leader(i, IS_RELEASED(i, k));
        step_down(i);
        term[i] = term[k];
        voted[i] = k;
        leadership_forget(k);
        role[k] = LEADER;
        LOG(k, term[k]) = 1
    }
}

inline promises_forget(i, j)
{
#ifdef FORGOTTEN_WITHDRAWAL
    epoch[PAIR(j, i)] = 1;
#else
    epoch[PAIR(j, i)] = epoch[PAIR(j, i)] + 1;
#endif
    promise[PAIR(j, i)] = 0
}

/* All that is volatile is gone; the node acts as if it had just heard a heartbeat. */
inline restart(i)
{
    d_step {
        restarts_left > 0 ->
        printf("restart %d\n", i);
        restarts_left = restarts_left - 1;
        step_down(i);
        confirmed_leader_forget(i);
        if
        :: i == 0 ->
            promises_forget(0, 1);
            handover[0] = 0
        :: i == 1 ->
            promises_forget(1, 0);
            handover[1] = 0
        :: else ->
            promises_forget(2, 0);
            promises_forget(2, 1)
        fi;
#ifndef NO_RESTART_WAIT
        restart_wait[i] = PROMISE
#endif
    }
}

#define EACH_PAIR(action) :: action(0, 1) :: action(0, 2) :: action(1, 0) :: action(1, 2)
#define EACH_LEADER(action) :: action(0) :: action(1)
#define EACH_NODE(action) :: action(0) :: action(1) :: action(2)

/* Node 0 leads term 1, elected by everybody, its no-op committed. */
init {
    d_step {
        role[0] = LEADER;
        committed[0] = 1;
        at = 0;
        do
        :: at < 3 ->
            confirmed_leader[at] = NOBODY;
            LOG(at, 1) = 1;
            at = at + 1
        :: else -> break
        od
    };
    do
    :: tick()
    EACH_PAIR(beat)
    EACH_PAIR(leader_confirm)
    EACH_PAIR(entries_append)
    EACH_PAIR(vote)
    EACH_LEADER(write_begin)
    EACH_LEADER(campaign)
    EACH_LEADER(campaign_released)
    EACH_LEADER(relinquish)
    EACH_NODE(restart)
    :: d_step {
           HOLDS(0) && HOLDS(1) ->
           two_leases_at_once = 1;
           assert(!two_leases_at_once)
       }
    :: d_step {
           (READS(0) && (MISSES(0, 1) || MISSES(0, 2) || MISSES(0, 3))) ||
               (READS(1) && (MISSES(1, 1) || MISSES(1, 2) || MISSES(1, 3))) ->
           acknowledged_write_missed = 1;
           assert(!acknowledged_write_missed)
       }
    od
}

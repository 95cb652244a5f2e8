/*
 * Elections, the log, single-server membership changes and a log replica.
 *
 * Replicas 0, 1 and 2 are the first voters; 3 is the newcomer, a learner until promoted. Which of them is a log replica
 * is chosen at the start: none, one of the first voters, or the newcomer. A log replica votes and persists; as leader
 * it only commits its no-op and hands over. A leader changes the membership by one replica, after its no-op is
 * committed and no change is open. A replica that lost its disk never comes back under its id.
 *
 * A step is a whole exchange: the receiver persists before it answers. What was received but not persisted when a
 * replica crashed equals what was not received. Answers are remembered by the leader, so they may be counted late.
 * Compare-and-set on the membership version means that a change was decided on the very membership that the leader
 * holds; the broken variant without it lets a decision stand that was made on an earlier one.
 *
 * Broken variants (-D): TWO_CHANGES, NO_NO_OP_FIRST, NO_COMPARE_AND_SET, ID_REUSED, VOTE_TWICE, ACK_UNPERSISTED,
 * LOG_REPLICA_SERVES, STALE_LOG_ELECTED, COUNT_OLD_TERM.
 */
#ifndef TERMS
#define TERMS 3
#endif
#ifndef ENTRIES
#define ENTRIES 5
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#define REPLICAS 4
#define NOBODY 4
#define FIRST_VOTERS 7

#define FOLLOWER 0
#define CANDIDATE 1
#define LEADER 2

/* An entry: its term, and for a membership change the voters from here on (else 0: the term's no-op). */
#define ENTRY(of_term, voters) ((of_term) * 16 + (voters))
#define TERM_OF(entry) ((entry) >> 4)
#define VOTERS_OF(entry) ((entry) & 15)

#define LOG(i, n) entries[(i) * ENTRIES + (n)]

/* Durable. */
byte term[REPLICAS];
byte voted[REPLICAS] = NOBODY;
byte entries[REPLICAS * ENTRIES];
byte count[REPLICAS];

/* Volatile. */
byte role[REPLICAS];
byte votes[REPLICAS];               /* of this candidate, as a set */
byte answered[REPLICAS * REPLICAS]; /* by leader and follower: entries that the follower acknowledged in this term */
#define ANSWERED(j, i) answered[(j) * REPLICAS + (i)]
byte committed[REPLICAS];           /* as this leader knows */

byte log_replica = NOBODY;
byte lost; /* replicas whose disk is gone, as a set */
byte losses_left = LOSSES;

/* What an outside observer writes down. */
byte leader_of[TERMS + 1] = NOBODY;
byte decided[ENTRIES];
byte decided_in[ENTRIES]; /* the earliest term in which a leader committed it */
byte decided_count;

hidden byte at;
hidden byte n;
hidden byte at_leader;
hidden byte voters;
hidden byte voters_before;
hidden byte common;
hidden byte one_leader_per_term;
hidden byte committed_entries_survive;
hidden byte quorums_intersect;
hidden byte enough_voters_remain;
hidden byte only_storage_replicas_serve;

#define HAS(set, i) (((set) >> (i)) & 1)
#define SIZE(set) (HAS(set, 0) + HAS(set, 1) + HAS(set, 2) + HAS(set, 3))
#define QUORUM(set) (SIZE(set) / 2 + 1)
#define IS_UP(i) (!HAS(lost, i))
#define LAST_TERM(i) (count[i] == 0 -> 0 : TERM_OF(LOG(i, count[i] - 1)))

/* A quorum of one and a quorum of the other that have nobody in common: as many as possible of the first are taken from
 * outside the second. */
#define OUTSIDE(a, b) SIZE((a) & (15 - (b)))
#define TAKEN_FROM(a, b) (QUORUM(a) > OUTSIDE(a, b) -> QUORUM(a) - OUTSIDE(a, b) : 0)
#define DISJOINT_POSSIBLE(a, b) (SIZE(b) - TAKEN_FROM(a, b) >= QUORUM(b))

inline membership_of_log(ret_voters, i, entry_count)
{
    ret_voters = FIRST_VOTERS;
    at = 0;
    do
    :: at < entry_count ->
        if
        :: VOTERS_OF(LOG(i, at)) != 0 -> ret_voters = VOTERS_OF(LOG(i, at))
        :: else
        fi;
        at = at + 1
    :: else -> break
    od;
    at = 0
}

/* As a leader of this term must find it. */
inline membership_decided_before(ret_voters, of_term)
{
    ret_voters = FIRST_VOTERS;
    at = 0;
    do
    :: at < decided_count ->
        if
        :: VOTERS_OF(decided[at]) != 0 && decided_in[at] < of_term -> ret_voters = VOTERS_OF(decided[at])
        :: else
        fi;
        at = at + 1
    :: else -> break
    od;
    at = 0
}

inline leadership_forget(i)
{
    votes[i] = 0;
    committed[i] = 0;
    ANSWERED(i, 0) = 0;
    ANSWERED(i, 1) = 0;
    ANSWERED(i, 2) = 0;
    ANSWERED(i, 3) = 0
}

inline term_adopt(i, newer)
{
    if
    :: term[i] < newer ->
        term[i] = newer;
        voted[i] = NOBODY;
        role[i] = FOLLOWER;
        leadership_forget(i)
    :: else
    fi
}

inline entry_add(j, voters_new)
{
    LOG(j, count[j]) = ENTRY(term[j], voters_new);
    count[j] = count[j] + 1;
    ANSWERED(j, j) = count[j];
    commit(j)
}

/* Whatever its role was: leadership is volatile, so a campaign also stands for a restart, a hand-over or a leader that
 * gave up before it. */
inline campaign(k)
{
    d_step {
        IS_UP(k) && term[k] < TERMS && count[k] < ENTRIES ->
        printf("campaign %d\n", k);
        membership_of_log(voters, k, count[k]);
        if
        :: HAS(voters, k) ->
            term[k] = term[k] + 1;
            role[k] = CANDIDATE;
            leadership_forget(k);
            voted[k] = k;
            votes[k] = 1 << k
        :: else
        fi
    }
}

#ifdef STALE_LOG_ELECTED
#define LOG_IS_GOOD(k, i) true
#else
#define LOG_IS_GOOD(k, i) \
    (LAST_TERM(k) > LAST_TERM(i) || (LAST_TERM(k) == LAST_TERM(i) && count[k] >= count[i]))
#endif
#ifdef VOTE_TWICE
#define MAY_VOTE(i, k) (term[i] <= term[k])
#else
#define MAY_VOTE(i, k) (term[i] < term[k] || (term[i] == term[k] && voted[i] == NOBODY))
#endif

inline vote(k, i)
{
    d_step {
        role[k] == CANDIDATE && IS_UP(k) && IS_UP(i) && !HAS(votes[k], i) && MAY_VOTE(i, k) && LOG_IS_GOOD(k, i) ->
        printf("vote %d %d\n", k, i);
        term_adopt(i, term[k]);
        voted[i] = k;
        votes[k] = votes[k] | (1 << i)
    }
}

inline elected(k)
{
    d_step {
        role[k] == CANDIDATE && IS_UP(k) && SIZE(votes[k]) > 1 ->
        printf("elected %d\n", k);
        membership_of_log(voters, k, count[k]);
        if
        :: SIZE(votes[k] & voters) >= QUORUM(voters) ->
            one_leader_per_term = (leader_of[term[k]] == NOBODY);
            assert(one_leader_per_term);
            leader_of[term[k]] = k;
            committed_entries_survive = 1;
            at = 0;
            do
            :: at < decided_count && committed_entries_survive ->
                committed_entries_survive = (decided_in[at] >= term[k] || LOG(k, at) == decided[at]);
                at = at + 1
            :: else -> break
            od;
            assert(committed_entries_survive);
            membership_decided_before(voters_before, term[k]);
            quorums_intersect = !DISJOINT_POSSIBLE(voters, voters_before);
            assert(quorums_intersect);
            role[k] = LEADER;
            leadership_forget(k);
            entry_add(k, 0)
        :: else
        fi
    }
}

/* The next entry that the follower lacks, or after a conflict the one at its place; learners receive it too. */
inline entry_send(j, i)
{
    d_step {
        role[j] == LEADER && IS_UP(j) && IS_UP(i) && term[i] <= term[j] && ANSWERED(j, i) < count[j] ->
        printf("entry_send %d %d\n", j, i);
        term_adopt(i, term[j]);
        role[i] = FOLLOWER;
        leadership_forget(i);
        at = 0;
        do
        :: at < count[i] && at < count[j] && LOG(i, at) == LOG(j, at) -> at = at + 1
        :: else -> break
        od;
        if
        :: at < count[j] ->
#ifdef ACK_UNPERSISTED
            if
            :: i == log_replica -> at = at + 1
            :: else -> entry_store(j, i)
            fi
#else
            entry_store(j, i)
#endif
        :: else
        fi;
        ANSWERED(j, i) = at;
        commit(j)
    }
}

inline entry_store(j, i)
{
    LOG(i, at) = LOG(j, at);
    at = at + 1;
    count[i] = at;
    at_leader = at;
    do
    :: at_leader < ENTRIES ->
        LOG(i, at_leader) = 0;
        at_leader = at_leader + 1
    :: else -> break
    od;
    at_leader = 0
}

#define ANSWERERS(j, n) ((ANSWERED(j, 0) >= (n)) + (ANSWERED(j, 1) >= (n)) * 2 + (ANSWERED(j, 2) >= (n)) * 4 + \
                         (ANSWERED(j, 3) >= (n)) * 8)
#ifdef COUNT_OLD_TERM
#define MAY_COUNT(j, n) true
#else
#define MAY_COUNT(j, n) (TERM_OF(LOG(j, (n) - 1)) == term[j])
#endif

/* Commit what a quorum of the membership in force holds, as soon as it does: counting later commits no more. */
inline commit(j)
{
    membership_of_log(voters, j, count[j]);
    n = count[j];
    do
    :: n > committed[j] && !(MAY_COUNT(j, n) && SIZE(ANSWERERS(j, n) & voters) >= QUORUM(voters)) -> n = n - 1
    :: else -> break
    od;
    if
    :: n > committed[j] ->
        committed[j] = n;
        decide(j)
    :: else
    fi;
    n = 0
}

inline decide(j)
{
    at = 0;
    do
    :: at < committed[j] ->
        membership_decided_until(voters_before, at);
        committed_entries_survive = (at >= decided_count || decided[at] == LOG(j, at));
        assert(committed_entries_survive);
        if
        :: VOTERS_OF(LOG(j, at)) != 0 ->
            quorums_intersect = !DISJOINT_POSSIBLE(VOTERS_OF(LOG(j, at)), voters_before);
            assert(quorums_intersect);
            enough_voters_remain = (SIZE(VOTERS_OF(LOG(j, at))) >= 3);
            assert(enough_voters_remain)
        :: else
        fi;
        decided[at] = LOG(j, at);
        if
        :: decided_in[at] == 0 || decided_in[at] > term[j] -> decided_in[at] = term[j]
        :: else
        fi;
        at = at + 1
    :: else -> break
    od;
    at = 0;
    if
    :: decided_count < committed[j] -> decided_count = committed[j]
    :: else
    fi
}

inline membership_decided_until(ret_voters, entry_count)
{
    ret_voters = FIRST_VOTERS;
    at_leader = 0;
    do
    :: at_leader < entry_count ->
        if
        :: VOTERS_OF(decided[at_leader]) != 0 -> ret_voters = VOTERS_OF(decided[at_leader])
        :: else
        fi;
        at_leader = at_leader + 1
    :: else -> break
    od;
    at_leader = 0
}

#define NO_OP_COMMITTED(j) (committed[j] > 0 && TERM_OF(LOG(j, committed[j] - 1)) == term[j])
#ifdef NO_NO_OP_FIRST
#define MAY_CHANGE(j) (voters == voters_before)
#elif defined(TWO_CHANGES)
#define MAY_CHANGE(j) NO_OP_COMMITTED(j)
#else
#define MAY_CHANGE(j) (NO_OP_COMMITTED(j) && voters == voters_before)
#endif

/* Promote the newcomer into three, or remove one of four. NO_NO_OP_FIRST takes for committed what its log began with. */
inline change(j, i)
{
    d_step {
        role[j] == LEADER && IS_UP(j) && j != log_replica && count[j] < ENTRIES ->
        printf("change %d %d\n", j, i);
        membership_of_log(voters, j, count[j]);
#ifdef NO_NO_OP_FIRST
        at_leader = 0;
        do
        :: at_leader < count[j] && TERM_OF(LOG(j, at_leader)) < term[j] -> at_leader = at_leader + 1
        :: else -> break
        od;
        if
        :: committed[j] > at_leader -> at_leader = committed[j]
        :: else
        fi;
        membership_of_log(voters_before, j, at_leader);
        at_leader = 0;
#else
        membership_of_log(voters_before, j, committed[j]);
#endif
        if
        :: MAY_CHANGE(j) && i == 3 && voters == FIRST_VOTERS -> entry_add(j, 15)
        :: MAY_CHANGE(j) && HAS(voters, i) && voters == 15 -> entry_add(j, 15 - (1 << i))
#ifdef NO_COMPARE_AND_SET
        :: MAY_CHANGE(j) && HAS(voters, i) && SIZE(voters) == 3 && voters != FIRST_VOTERS ->
            entry_add(j, voters - (1 << i))
#endif
        :: else
        fi
    }
}

inline serve(j)
{
    d_step {
#ifdef LOG_REPLICA_SERVES
        role[j] == LEADER && NO_OP_COMMITTED(j) ->
#else
        role[j] == LEADER && NO_OP_COMMITTED(j) && j != log_replica ->
#endif
        printf("serve %d\n", j);
        only_storage_replicas_serve = (j != log_replica);
        assert(only_storage_replicas_serve)
    }
}

inline disk_lose(i)
{
    d_step {
        losses_left > 0 && IS_UP(i) ->
        printf("disk_lose %d\n", i);
        losses_left = losses_left - 1;
        role[i] = FOLLOWER;
        leadership_forget(i);
        term[i] = 0;
        voted[i] = NOBODY;
        count[i] = 0;
        at = 0;
        do
        :: at < ENTRIES ->
            LOG(i, at) = 0;
            at = at + 1
        :: else -> break
        od;
        at = 0;
#ifndef ID_REUSED
        lost = lost | (1 << i)
#endif
    }
}

#define EACH(action) :: action(0) :: action(1) :: action(2) :: action(3)
#define EACH_PAIR(action) \
    :: action(0, 1) :: action(0, 2) :: action(0, 3) :: action(1, 0) :: action(1, 2) :: action(1, 3) \
    :: action(2, 0) :: action(2, 1) :: action(2, 3) :: action(3, 0) :: action(3, 1) :: action(3, 2)
#define EACH_SELF(action) :: action(0, 0) :: action(1, 1) :: action(2, 2) :: action(3, 3)

/* Replica 0 leads term 1; its no-op is everywhere and committed. */
init {
    d_step {
        at = 0;
        do
        :: at < REPLICAS ->
            term[at] = 1;
            LOG(at, 0) = ENTRY(1, 0);
            count[at] = 1;
            ANSWERED(0, at) = 1;
            at = at + 1
        :: else -> break
        od;
        at = 0;
        voted[0] = 0;
        role[0] = LEADER;
        committed[0] = 1;
        leader_of[1] = 0;
        decided[0] = ENTRY(1, 0);
        decided_in[0] = 1;
        decided_count = 1
    };
    if
    :: log_replica = 2
    :: log_replica = 3
    :: log_replica = NOBODY
    fi;
    do
    EACH(campaign)
    EACH_PAIR(vote)
    EACH(elected)
    EACH_PAIR(entry_send)
    EACH_PAIR(change)
    EACH_SELF(change)
    EACH(serve)
    EACH(disk_lose)
    od
}

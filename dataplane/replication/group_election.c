/* Campaigns: who asks for votes and when, who grants them, who steps down.
 *
 *              leader lost, jitter            quorum would            own vote on disk, quorum
 *     FOLLOWER ------------------> PRE_CANDIDATE ------> CANDIDATE -------------------------> LEADER
 *        ^  somebody hears the leader, or time is up |       |  time is up, a higher term        |
 *        +-------------------------------------------+-------+-----------------------------------+ */
#include "dataplane/replication/group_internal.h"

static bool has_role(const struct group *g, enum member_role role)
{
    const struct member *self = membership_find(&g->latest, g->options.replica_id);
    return self != NULL && self->role == role;
}

bool group_is_voter(const struct group *g)
{
    return has_role(g, MEMBER_VOTER);
}

/* Learners too: others may need the vote of one whose promotion it has not heard of, and cannot get it while its log
 * is the longest. So it is given to itself, after a time in which voters would have found a leader. */
bool group_may_campaign(const struct group *g)
{
    return has_role(g, MEMBER_VOTER) || has_role(g, MEMBER_LEARNER);
}

void group_schedule_campaign(struct group *g, uint64_t from_us)
{
    uint64_t patience_us = group_is_voter(g) ? 0 : GROUP_LEARNER_PATIENCE_US;
    g->campaign_us = from_us + patience_us + 1 + random_below(&g->random, g->options.jitter_us);
}

static void set_term(struct group *g, uint64_t term)
{
    ASSERT(term >= g->term);
    if (term == g->term)
        return;
    g->term = term;
    g->vote = 0;
    g->is_vote_due = false;
    g->is_hard_state_dirty = true;
}

void group_say_relinquished(struct group *g)
{
    for (uint32_t i = 0; i < g->latest.count; i++) {
        const struct member *member = &g->latest.members[i];
        if (member->replica_id != g->options.replica_id)
            group_say(g, MESSAGE_RELINQUISHED, member->replica_id, member->node_id)->relinquished_term =
                g->relinquished_term;
    }
}

void group_become_follower(struct group *g, uint64_t term, uint64_t leader_replica, uint32_t leader_node)
{
    bool is_new = term != g->term || g->leader_replica != leader_replica || g->role == GROUP_LEADER;
    if (g->role == GROUP_LEADER) {
        g->relinquished_term = g->term;
        group_say_relinquished(g);
    }
    set_term(g, term);
    g->role = GROUP_FOLLOWER;
    g->campaign_us = 0;
    if (!is_new)
        return;
    g->leader_replica = leader_replica;
    g->leader_node = leader_node;
    g->leader_heard_us = 0;
    g->leader_sequence = 0;
    g->verified_index = 0;
    g->is_ack_due = false;
    /* A leader was elected in this term: no earlier one has a lease any more (README.md), so what we confirmed
     * to those binds us no longer. */
    if (leader_replica != 0 && g->confirmed_term < term)
        g->confirmed_replica = 0;
}

/* ---- Asking ---- */

static void add_voter(struct group *g, uint64_t replica_id)
{
    const struct member *member = membership_find(&g->latest, replica_id);
    if (member == NULL || member->role != MEMBER_VOTER)
        return;
    for (uint32_t i = 0; i < g->voter_count; i++)
        if (g->voters[i] == replica_id)
            return;
    g->voters[g->voter_count++] = replica_id;
}

static bool has_quorum(const struct group *g)
{
    return g->voter_count >= membership_quorum(&g->latest);
}

static void ask_voters(struct group *g, enum message_kind kind, uint64_t term)
{
    for (uint32_t i = 0; i < g->latest.count; i++) {
        const struct member *member = &g->latest.members[i];
        if (member->role != MEMBER_VOTER || member->replica_id == g->options.replica_id)
            continue;
        struct group_message *m = group_say(g, kind, member->replica_id, member->node_id);
        m->term = term;
        m->last_index = g->log.last_index;
        m->last_term = group_log_last_term(&g->log);
        m->relinquished_term = g->relinquished_term;
        m->sequence = g->campaigns;
    }
}

static void election_begin(struct group *g, enum group_role role)
{
    g->role = role;
    g->leader_replica = 0;
    g->voter_count = 0;
    g->is_asked = false;
    g->campaigns++;
    g->campaign_us = 0;
    g->election_us = g->now_us + GROUP_ELECTION_US + random_below(&g->random, GROUP_ELECTION_US);
}

/* A new term, with our own vote; others are asked once it is on disk (rule 3). */
static void campaign(struct group *g)
{
    if (!group_may_vote_for(g, g->options.replica_id, g->relinquished_term)) {
        group_become_follower(g, g->term, 0, 0);
        group_schedule_campaign(g, g->now_us);
        return;
    }
    group_withdraw(g, g->options.replica_id);
    set_term(g, g->term + 1);
    election_begin(g, GROUP_CANDIDATE);
    g->vote = g->options.replica_id;
    g->is_hard_state_dirty = true;
}

static void pre_campaign(struct group *g)
{
    election_begin(g, GROUP_PRE_CANDIDATE);
    add_voter(g, g->options.replica_id);
    if (has_quorum(g))
        campaign(g);
    else
        ask_voters(g, MESSAGE_PRE_VOTE, g->term + 1);
}

static void on_own_vote_stable(struct group *g)
{
    g->is_asked = true;
    add_voter(g, g->options.replica_id);
    if (has_quorum(g))
        group_become_leader(g);
    else
        ask_voters(g, MESSAGE_VOTE, g->term);
}

void group_tick_follower(struct group *g)
{
    if (!group_may_campaign(g) || g->is_installing || !support_can_vote(g->support, g->now_us))
        return;
    uint64_t alive_until_us = group_leader_alive_until(g, g->support);
    if (alive_until_us > g->now_us) {
        g->campaign_us = 0;
        return;
    }
    if (g->campaign_us == 0)
        group_schedule_campaign(g, g->now_us);
    else if (g->now_us >= g->campaign_us &&
             group_may_vote_for(g, g->options.replica_id, g->relinquished_term))
        pre_campaign(g);
    else if (g->now_us >= g->campaign_us)
        group_schedule_campaign(g, g->now_us);
}

void group_tick_candidate(struct group *g)
{
    if (g->now_us < g->election_us)
        return;
    group_become_follower(g, g->term, 0, 0);
    group_schedule_campaign(g, g->now_us);
}

/* ---- Answering ---- */

static bool is_log_long_enough(const struct group *g, const struct group_message *m)
{
    uint64_t last_term = group_log_last_term(&g->log);
    return m->last_term > last_term || (m->last_term == last_term && m->last_index >= g->log.last_index);
}

static void learn_relinquished(struct group *g, const struct group_message *m)
{
    if (m->relinquished_term > g->relinquished_term)
        g->relinquished_term = m->relinquished_term;
    if (g->role == GROUP_FOLLOWER && g->leader_replica != 0 && g->term <= g->relinquished_term) {
        g->leader_replica = 0;
        group_schedule_campaign(g, g->now_us);
    }
    /* Who campaigns in a later term does not lead any more: a leader that has restarted, say. */
    if (g->role == GROUP_FOLLOWER && g->leader_replica == m->from_replica && m->term > g->term) {
        g->leader_replica = 0;
        group_schedule_campaign(g, g->now_us);
    }
}

static bool hears_leader(const struct group *g)
{
    if (g->role == GROUP_LEADER)
        return !g->is_relinquished && group_has_lease(g, g->support, g->now_us);
    return group_leader_alive_until(g, g->support) > g->now_us;
}

void group_on_pre_vote(struct group *g, const struct group_message *m)
{
    learn_relinquished(g, m);
    bool is_hearing = hears_leader(g);
    if (g->role == GROUP_LEADER)
        group_show_up(g, m->from_replica);
    struct group_message *reply = group_say(g, MESSAGE_PRE_VOTE_RESPONSE, m->from_replica, m->from_node);
    reply->sequence = m->sequence;
    reply->hears_leader = is_hearing;
    reply->is_granted = !is_hearing && m->term > g->term && is_log_long_enough(g, m) &&
                        group_may_vote_for(g, m->from_replica, m->relinquished_term);
    if (reply->is_granted)
        reply->term = m->term;
}

void group_on_pre_vote_response(struct group *g, const struct group_message *m)
{
    if (!m->is_granted && m->term > g->term) {
        group_become_follower(g, m->term, 0, 0);
        group_schedule_campaign(g, g->now_us);
        return;
    }
    /* What somebody heard or would do a while ago counts no more. */
    if (g->role != GROUP_PRE_CANDIDATE || m->sequence != g->campaigns || g->now_us >= g->election_us)
        return;
    if (m->hears_leader) {
        group_become_follower(g, g->term, 0, 0);
        group_schedule_campaign(g, g->now_us + GROUP_ELECTION_US);
        return;
    }
    if (!m->is_granted || m->term != g->term + 1)
        return;
    add_voter(g, m->from_replica);
    if (has_quorum(g))
        campaign(g);
}

static void reply_vote(struct group *g, uint64_t to_replica, uint32_t to_node, bool is_granted)
{
    struct group_message *reply = group_say(g, MESSAGE_VOTE_RESPONSE, to_replica, to_node);
    reply->is_granted = is_granted;
}

static bool is_vote_stable(const struct group *g)
{
    return g->vote != 0 && g->stable_term == g->term && g->stable_vote == g->vote;
}

/* Whether to vote for the candidate in its term, which is ours by now. */
static bool vote_decide(struct group *g, const struct group_message *m)
{
    if (g->vote != 0)
        return g->vote == m->from_replica;
    if (g->leader_replica != 0 || !is_log_long_enough(g, m))
        return false;
    group_withdraw(g, m->from_replica);
    g->vote = m->from_replica;
    g->is_hard_state_dirty = true;
    g->is_vote_due = true;
    group_schedule_campaign(g, g->now_us + GROUP_ELECTION_US);
    return true;
}

void group_on_vote(struct group *g, const struct group_message *m)
{
    learn_relinquished(g, m);
    bool may_vote = m->term >= g->term && !(g->role == GROUP_LEADER && hears_leader(g)) &&
                    group_may_vote_for(g, m->from_replica, m->relinquished_term);
    if (may_vote && m->term > g->term) {
        group_become_follower(g, m->term, 0, 0);
        group_schedule_campaign(g, g->now_us);
    }
    if (g->role == GROUP_PRE_CANDIDATE && may_vote)
        group_become_follower(g, g->term, 0, 0);
    bool is_granted = may_vote && m->term == g->term && g->role == GROUP_FOLLOWER && vote_decide(g, m);
    g->vote_node = m->from_node;
    if (!is_granted)
        reply_vote(g, m->from_replica, m->from_node, false);
    else if (is_vote_stable(g))
        reply_vote(g, m->from_replica, m->from_node, true);
}

void group_on_vote_stable(struct group *g)
{
    if (!is_vote_stable(g))
        return;
    if (g->role == GROUP_CANDIDATE && g->vote == g->options.replica_id && !g->is_asked)
        on_own_vote_stable(g);
    if (!g->is_vote_due)
        return;
    g->is_vote_due = false;
    reply_vote(g, g->vote, g->vote_node, true);
}

void group_on_vote_response(struct group *g, const struct group_message *m)
{
    if (m->term > g->term) {
        group_become_follower(g, m->term, 0, 0);
        group_schedule_campaign(g, g->now_us);
        return;
    }
    if (g->role != GROUP_CANDIDATE || m->term != g->term || !m->is_granted || !g->is_asked)
        return;
    add_voter(g, m->from_replica);
    if (has_quorum(g))
        group_become_leader(g);
}

/* ---- Giving up ---- */

/* The leader chose us, and has relinquished, so nobody hears it any more. Asked nevertheless: this message may have
 * been long on its way, and another leader be there by now. */
void group_on_transfer(struct group *g, const struct group_message *m)
{
    if (m->term != g->term || m->relinquished_term != m->term || g->role == GROUP_LEADER ||
        !group_is_voter(g) || g->is_installing)
        return;
    learn_relinquished(g, m);
    if (group_may_vote_for(g, g->options.replica_id, g->relinquished_term))
        pre_campaign(g);
}

void group_on_relinquished(struct group *g, const struct group_message *m)
{
    learn_relinquished(g, m);
}

/* After a split (rule 15). The parent's leader leads the child as soon as it is asked to; everybody else waits for it as
 * for a leader that was just heard. It did not lead here: as it campaigns, it is not taken for alive any more. */
void group_inherit(struct group *g, uint64_t leader_replica)
{
    const struct member *leader = membership_find(&g->latest, leader_replica);
    if (leader == NULL || g->role != GROUP_FOLLOWER || g->leader_replica != 0 || g->log.run_count > 0)
        return;
    if (leader_replica == g->options.replica_id) {
        if (group_is_voter(g) && group_may_vote_for(g, leader_replica, g->relinquished_term))
            pre_campaign(g);
        return;
    }
    g->leader_replica = leader_replica;
    g->leader_node = leader->node_id;
    g->leader_heard_us = g->now_us;
    g->leader_incarnation = support_peer_incarnation(g->support, leader->node_id);
}

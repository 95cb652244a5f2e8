/* Promises and leases; why two leases never overlap: README.md. */
#include "dataplane/replication/group_internal.h"

bool group_is_leader_dead(const struct group *g, const struct support *support)
{
    return support_peer_incarnation(support, g->leader_node) > g->leader_incarnation;
}

uint64_t group_leader_alive_until(const struct group *g, const struct support *support)
{
    if (g->leader_replica == 0 || g->term <= g->relinquished_term || group_is_leader_dead(g, support))
        return 0;
    bool is_confirmed = g->confirmed_term == g->term && g->confirmed_replica == g->leader_replica;
    if (!is_confirmed)
        return g->leader_heard_us + support_lease_us(support);
    if (support_given_epoch(support, g->leader_node) != g->confirmed_epoch)
        return 0; /* its node was lost or restarted since */
    return support_promised_until(support, g->leader_node);
}

/* Whether our node's support may still be counted on by the leader to whom we confirmed it. */
static bool is_bound(const struct group *g, uint64_t candidate, uint64_t relinquished_term)
{
    if (g->confirmed_replica == 0)
        return false;
    /* The candidate itself was that leader, and leads no more: it has moved on to another term. */
    if (g->confirmed_replica == candidate)
        return false;
    if (g->confirmed_term <= g->relinquished_term || g->confirmed_term <= relinquished_term)
        return false;
    return support_given_epoch(g->support, g->confirmed_node) == g->confirmed_epoch;
}

bool group_may_vote_for(const struct group *g, uint64_t candidate, uint64_t relinquished_term)
{
    if (!support_can_vote(g->support, g->now_us))
        return false;
    if (!is_bound(g, candidate, relinquished_term))
        return true;
    return support_promised_until(g->support, g->confirmed_node) <= g->now_us;
}

void group_withdraw(struct group *g, uint64_t candidate)
{
    if (is_bound(g, candidate, g->relinquished_term))
        support_withdraw(g->support, g->confirmed_node, g->now_us);
}

bool group_counts_on(const struct group *g, const struct support *support, uint64_t replica_id,
                     uint64_t now_us)
{
    const struct member *member = membership_find(&g->latest, replica_id);
    if (g->role != GROUP_LEADER || member == NULL)
        return false;
    if (replica_id == g->options.replica_id)
        return true;
    for (uint32_t i = 0; i < g->progress_count; i++) {
        const struct progress *p = &g->progress[i];
        if (p->replica_id == replica_id)
            return p->confirmed_epoch != 0 &&
                   support_is_held(support, member->node_id, p->confirmed_epoch, now_us);
    }
    return false;
}

bool group_has_lease(const struct group *g, const struct support *support, uint64_t now_us)
{
    if (g->role != GROUP_LEADER)
        return false;
    uint32_t supporters = 0;
    for (uint32_t i = 0; i < g->latest.count; i++) {
        const struct member *member = &g->latest.members[i];
        if (member->role != MEMBER_VOTER)
            continue;
        supporters += group_counts_on(g, support, member->replica_id, now_us);
    }
    return supporters >= membership_quorum(&g->latest);
}

/* As group_wake_us has it: then its leader's promise is all that it waits for. */
static bool rests_following(const struct group *g, const struct support *support, uint64_t now_us)
{
    return g->role == GROUP_FOLLOWER && g->campaign_us == 0 && g->leader_replica != 0 &&
           g->confirmed_term == g->term && g->confirmed_replica == g->leader_replica &&
           group_may_campaign(g) && support_can_vote(support, now_us) &&
           group_leader_alive_until(g, support) > now_us;
}

enum group_rest group_rest(const struct group *g, const struct support *support, uint64_t now_us,
                           uint32_t *ret_node)
{
    if (g->is_halted)
        return GROUP_RESTS_NOT;
    if (g->role == GROUP_LEADER)
        return group_leader_wake(g) == UINT64_MAX && group_has_lease(g, support, now_us) ? GROUP_RESTS_LEADING
                                                                                         : GROUP_RESTS_NOT;
    if (!rests_following(g, support, now_us))
        return GROUP_RESTS_NOT;
    *ret_node = g->leader_node;
    return GROUP_RESTS_FOLLOWING;
}

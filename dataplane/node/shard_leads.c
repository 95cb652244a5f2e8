/* Leaders where control wants them: when a leader hands over, and to whom. */
#include "base/clock.h"
#include "dataplane/node/node_internal.h"

/* A follower that lacks no more than this gets it within a round trip or two, before the leader gives up its term. */
enum { HAND_OVER_LAG_ENTRIES = 64 };

void replica_hand_over(struct replica *r, uint64_t to_replica)
{
    struct group_event event = {.kind = GROUP_EVENT_TRANSFER, .replica_id = to_replica};
    struct group_update update;
    (void)replica_step(r, &event, &update); /* when refused, it goes on leading */
}

/* ---- which nodes have been there for long ---- */

static uint64_t held_epoch(struct node *n, uint32_t node_id)
{
    uint64_t epoch = support_held_epoch(node_support_lock(n), node_id, clock_boot_us());
    node_support_unlock(n);
    return epoch;
}

static struct steady_peer *find_steady(struct shard *s, uint32_t node_id)
{
    for (uint32_t i = 0; i < s->steady_peer_count; i++)
        if (s->steady_peers[i].node_id == node_id)
            return &s->steady_peers[i];
    return NULL;
}

/* A peer beyond the table's size is never steady: support has no room for it either. */
static void look_at_peer(const struct peer_address *address, void *data)
{
    struct shard *s = data;
    struct steady_peer *peer = find_steady(s, address->node_id);
    if (peer == NULL && s->steady_peer_count < STEADY_PEERS_MAX) {
        peer = &s->steady_peers[s->steady_peer_count++];
        *peer = (struct steady_peer){.node_id = address->node_id};
    }
    if (peer == NULL)
        return;
    uint64_t epoch = held_epoch(s->node, address->node_id);
    if (epoch != peer->epoch) {
        peer->epoch = epoch;
        peer->since_us = clock_boot_us();
    }
}

void shard_look_at_peers(struct shard *s)
{
    peers_each(s->peers, look_at_peer, s);
}

/* A restarted replica may not campaign for a lease and its margin: who hands over to it at once leaves the group
 * without a leader until then. So its node must have supported us, in one epoch, for longer than that. */
static bool is_steady(struct shard *s, uint32_t node_id)
{
    const struct steady_peer *peer = find_steady(s, node_id);
    return peer != NULL && peer->epoch != 0 && held_epoch(s->node, node_id) == peer->epoch &&
           clock_boot_us() - peer->since_us >= 2 * support_lease_us(s->node->support);
}

/* ---- whether another node may go ---- */

/* A group that has split has nothing to come any more, and a log replica no rows. */
static bool has_caught_up(struct replica *r)
{
    if (r->state == REPLICA_QUARANTINED || r->state == REPLICA_REMOVING)
        return true;
    return r->state == REPLICA_ACTIVE &&
           (r->kind != MEMBER_STORAGE || group_is_split(r->group) || replica_can_serve_eventual(r));
}

void shard_look_caught_up(struct shard *s)
{
    if (atomic_load(&s->has_caught_up))
        return;
    for (struct replica *r = s->replicas; r != NULL; r = r->hh.next)
        if (!has_caught_up(r))
            return;
    atomic_store(&s->has_caught_up, true);
}

/* ---- the leader's own view ---- */

static bool may_lead(const struct member *member)
{
    return member != NULL && member->role == MEMBER_VOTER && member->kind == MEMBER_STORAGE;
}

bool replica_wants_to_hand_over(struct replica *r)
{
    if (!r->is_leading || r->leader_preference == 0 || r->leader_preference == r->replica_id)
        return false;
    const struct member *preferred = membership_find(group_membership(r->group), r->leader_preference);
    return may_lead(preferred) && !node_pace_forbids(r->shard->node, preferred->node_id) &&
           is_steady(r->shard, preferred->node_id) &&
           group_match_index(r->group, r->leader_preference) + HAND_OVER_LAG_ENTRIES >=
               group_status(r->group).last_index;
}

void replica_prefer(struct replica *r, uint64_t leader_preference)
{
    bool is_new = r->leader_preference != leader_preference;
    r->leader_preference = leader_preference;
    if (is_new && r->state == REPLICA_ACTIVE && replica_wants_to_hand_over(r))
        replica_hand_over(r, leader_preference);
}

/* How fast nodes' disks are, and leaders that leave a slow one (log_pace.h decides; docs/decisions/0020).
 *
 * The first loop looks at the log once a second and at what peers say of theirs in heartbeats; the others read what it found. Each
 * loop hands its own leads over. */
#include "base/assert.h"
#include "base/clock.h"
#include "dataplane/node/node_internal.h"

/* A hand-over to a follower that is further behind would first wait for it. */
enum { NEARLY_CAUGHT_UP = 64 };

STATIC_ASSERT((int)MEMBERS_MAX <= (int)LOG_PACE_VOTERS_MAX, "all others of a group have room");

/* ---- what is known of peers ---- */

static struct peer_pace *find(struct node_pace *pace, uint32_t node_id)
{
    for (uint32_t i = 0; i < NODE_PACE_PEERS_MAX; i++)
        if (atomic_load_explicit(&pace->peers[i].node_id, memory_order_acquire) == node_id)
            return &pace->peers[i];
    return NULL;
}

void node_pace_heard(struct node *n, uint32_t node_id, uint64_t incarnation, uint32_t sync_us)
{
    struct peer_pace *peer = find(&n->pace, node_id);
    if (peer == NULL && (peer = find(&n->pace, 0)) == NULL)
        return; /* more nodes than there may be: as one that says nothing */
    uint64_t now_us = clock_boot_us();
    if (peer->incarnation != incarnation) {
        peer->incarnation = incarnation;
        atomic_store_explicit(&peer->alive_since_us, now_us, memory_order_relaxed);
    }
    atomic_store_explicit(&peer->heard_us, now_us, memory_order_relaxed);
    atomic_store_explicit(&peer->sync_us, sync_us, memory_order_relaxed);
    atomic_store_explicit(&peer->node_id, node_id, memory_order_release);
}

/* 0: not known, or not heard for a lease. */
static uint64_t pace_of(struct node *n, uint32_t node_id, uint64_t now_us)
{
    const struct peer_pace *peer = find(&n->pace, node_id);
    if (peer == NULL)
        return 0;
    uint64_t heard_us = atomic_load_explicit(&peer->heard_us, memory_order_relaxed);
    bool is_alive = now_us < heard_us + support_lease_us(n->support);
    return is_alive ? atomic_load_explicit(&peer->sync_us, memory_order_relaxed) : 0;
}

/* A restarted replica may not campaign for a lease and its margin. */
static bool may_lead(struct node *n, const struct member *member, uint64_t now_us)
{
    const struct peer_pace *peer = find(&n->pace, member->node_id);
    return peer != NULL && member->kind == MEMBER_STORAGE &&
           now_us - atomic_load_explicit(&peer->alive_since_us, memory_order_relaxed) >=
               2 * support_lease_us(n->support);
}

/* ---- ourselves ---- */

static uint64_t longest_wait_us(const struct node *n, uint64_t now_us)
{
    uint64_t longest_us = 0;
    for (uint32_t i = 0; i < n->shard_count; i++) {
        uint64_t since_us = atomic_load_explicit(&n->shards[i]->log_waits_since_us, memory_order_relaxed);
        if (since_us != 0 && now_us > since_us + longest_us)
            longest_us = now_us - since_us;
    }
    return longest_us;
}

void node_pace_sample(struct node *n)
{
    struct log_pace *own = &n->pace.own;
    struct wal_figures figures = wal_figures(n->wal);
    uint64_t wait_us = longest_wait_us(n, clock_boot_us());
    if (log_pace_sample(own, figures.batches, figures.sync_us_sum, wait_us))
        log_warn(own->is_slow ? "disk_slow" : "disk_well", "sync_us=%llu",
                 (unsigned long long)own->typical_us);
    uint64_t us = log_pace_us(own);
    atomic_store_explicit(&n->pace.own_us, us > UINT32_MAX ? UINT32_MAX : us, memory_order_relaxed);
    atomic_store_explicit(&n->pace.is_slow, own->is_slow, memory_order_relaxed);
    metric_set(&n->shards[0]->metrics.disk_slow, own->is_slow);
}

uint32_t node_pace_us(const struct node *n)
{
    return (uint32_t)atomic_load_explicit(&n->pace.own_us, memory_order_relaxed);
}

/* ---- leads ---- */

bool node_pace_forbids(struct node *n, uint32_t node_id)
{
    return log_pace_is_much_slower(pace_of(n, node_id, clock_boot_us()), node_pace_us(n));
}

uint64_t replica_better_leader(struct replica *r)
{
    struct node *n = r->shard->node;
    if (!r->is_leading || !atomic_load_explicit(&n->pace.is_slow, memory_order_relaxed))
        return 0;
    const struct membership *membership = group_membership(r->group);
    uint64_t now_us = clock_boot_us(), last_index = group_status(r->group).last_index;
    struct log_pace_voter others[LOG_PACE_VOTERS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < membership->count; i++) {
        const struct member *member = &membership->members[i];
        if (member->role != MEMBER_VOTER || member->replica_id == r->replica_id)
            continue;
        others[count++] = (struct log_pace_voter){
            .replica_id = member->replica_id,
            .sync_us = pace_of(n, member->node_id, now_us),
            .may_lead = may_lead(n, member, now_us) &&
                        group_match_index(r->group, member->replica_id) + NEARLY_CAUGHT_UP >= last_index,
        };
    }
    return log_pace_better_leader(node_pace_us(n), others, count, membership_quorum(membership));
}

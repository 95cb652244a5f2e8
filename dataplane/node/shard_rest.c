/* Replicas at rest (group_rest): they have no timer of their own, but are in a list, by the node whose promise they wait for,
 * or, if they lead, in one for all. Each list has one timer, so that thousands of idle groups cost no more than a few.
 *
 *     follower of node 2 --+
 *     follower of node 2 --+--> when the promise to node 2 may have run out: has it, or has its epoch changed? TICK all
 *     leader --------------+--> twice per lease: has any node's support been lost, or another epoch? TICK all
 */
#include "base/clock.h"
#include "dataplane/node/node_internal.h"

enum { LEADERS = 0 /* in the place of a node's id */ };

static struct rest_list *find_list(struct shard *s, uint32_t node_id)
{
    for (uint32_t i = 0; i < s->rest_list_count; i++)
        if (s->rest_lists[i].node_id == node_id)
            return &s->rest_lists[i];
    return NULL;
}

static void on_timer(struct loop_timer *timer);

/* NULL: no room; whoever does not rest has a timer of his own. */
static struct rest_list *list_of(struct shard *s, uint32_t node_id)
{
    struct rest_list *list = find_list(s, node_id);
    if (list != NULL || s->rest_list_count == REST_LISTS_MAX)
        return list;
    list = &s->rest_lists[s->rest_list_count++];
    *list = (struct rest_list){.shard = s, .node_id = node_id, .timer = {.fire = on_timer, .data = list}};
    return list;
}

/* ---- what is known of nodes ---- */

struct known_support {
    bool is_there;
    uint64_t epoch; /* of nodes: all of theirs, mixed */
    uint64_t until_us;
};

static struct known_support promise_to(struct node *n, uint32_t node_id, uint64_t now_us)
{
    const struct support *support = node_support_lock(n);
    struct known_support known = {.epoch = support_given_epoch(support, node_id),
                                  .until_us = support_promised_until(support, node_id)};
    node_support_unlock(n);
    known.is_there = known.until_us > now_us;
    return known;
}

struct mixing {
    struct node *node;
    uint64_t now_us;
    struct known_support known;
};

static void mix(const struct peer_address *address, void *data)
{
    struct mixing *m = data;
    if (address->node_id == m->node->node_id)
        return;
    uint64_t epoch = support_held_epoch(m->node->support, address->node_id, m->now_us);
    m->known.is_there = m->known.is_there && epoch != 0;
    m->known.epoch = (m->known.epoch ^ epoch ^ address->node_id) * 0x9e3779b97f4a7c15U;
}

static struct known_support support_of_all(struct shard *s, uint64_t now_us)
{
    struct mixing m = {.node = s->node, .now_us = now_us, .known = {.is_there = true}};
    (void)node_support_lock(s->node);
    peers_each(s->peers, mix, &m);
    m.known.until_us = now_us + support_lease_us(s->node->support) / 2;
    node_support_unlock(s->node);
    return m.known;
}

static struct known_support look(const struct rest_list *list, uint64_t now_us)
{
    return list->node_id == LEADERS ? support_of_all(list->shard, now_us)
                                    : promise_to(list->shard->node, list->node_id, now_us);
}

/* ---- lists ---- */

void replica_unrest(struct replica *r)
{
    if (r->rest_link == NULL)
        return;
    *r->rest_link = r->rest_next;
    if (r->rest_next != NULL)
        r->rest_next->rest_link = r->rest_link;
    r->rest_next = NULL;
    r->rest_link = NULL;
    r->rest_list = NULL;
}

static void push(struct rest_list *list, struct replica *r)
{
    r->rest_list = list;
    r->rest_next = list->first;
    r->rest_link = &list->first;
    if (list->first != NULL)
        list->first->rest_link = &r->rest_next;
    list->first = r;
}

bool replica_rest(struct replica *r, enum group_rest rest, uint32_t node_id)
{
    struct shard *s = r->shard;
    struct rest_list *list =
        rest == GROUP_RESTS_NOT ? NULL : list_of(s, rest == GROUP_RESTS_LEADING ? LEADERS : node_id);
    if (list != NULL && r->rest_list == list)
        return true;
    replica_unrest(r);
    if (list == NULL)
        return false;
    uint64_t now_us = clock_boot_us();
    r->rested_us = now_us;
    push(list, r);
    if (!loop_timer_is_started(&list->timer)) {
        struct known_support known = look(list, now_us);
        list->epoch = known.epoch;
        list->held_us = now_us;
        loop_timer_start(s->loop, &list->timer, known.until_us);
    }
    return true;
}

uint64_t replica_held_us(const struct replica *r)
{
    if (r->rest_list == NULL || r->rest_list->node_id != LEADERS)
        return 0;
    return r->rest_list->held_us > r->rested_us ? r->rest_list->held_us : r->rested_us;
}

/* Each goes back into a list by itself, if it rests on. */
static void tick_all(struct rest_list *list)
{
    struct replica *all = list->first;
    list->first = NULL;
    if (all != NULL)
        all->rest_link = &all;
    while (all != NULL) {
        struct replica *r = all;
        uint64_t held_us = replica_held_us(r);
        replica_unrest(r);
        replica_tick_held(r, held_us);
    }
}

static void on_timer(struct loop_timer *timer)
{
    struct rest_list *list = timer->data;
    uint64_t now_us = clock_boot_us();
    struct known_support known = look(list, now_us);
    bool is_unchanged = known.is_there && known.epoch == list->epoch;
    if (!is_unchanged)
        tick_all(list);
    list->epoch = known.epoch;
    if (known.is_there)
        list->held_us = now_us;
    if (list->first != NULL && !loop_timer_is_started(timer)) {
        uint64_t least_us = now_us + REST_LEAST_US; /* a promise that is over is not looked at without end */
        loop_timer_start(list->shard->loop, timer, known.until_us > least_us ? known.until_us : least_us);
    }
}

void shard_rest_close(struct shard *s)
{
    for (uint32_t i = 0; i < s->rest_list_count; i++)
        loop_timer_stop(s->loop, &s->rest_lists[i].timer);
}

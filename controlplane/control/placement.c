#include "controlplane/control/placement.h"

#include <string.h>

/* What a node may have of something before it counts as the average does. */
static const uint64_t bytes_noticed = UINT64_C(1) << 30;
static const uint64_t milli_noticed = 100 * 1000;

/* ---- how full ---- */

void placement_count(struct placement_totals *totals, const struct placement_node *node)
{
    totals->nodes++;
    totals->replica_count += node->replica_count;
    totals->leader_count += node->leader_count;
    totals->bytes += node->bytes;
    totals->milli_per_s += node->milli_per_s;
    totals->leader_milli_per_s += node->leader_milli_per_s;
}

/* mine / (sum / nodes), with an average of at least `noticed`. */
static uint64_t share(uint64_t mine, uint64_t sum, uint64_t nodes, uint64_t noticed)
{
    uint64_t average = nodes == 0 ? 0 : sum / nodes;
    return (uint64_t)((unsigned __int128)mine * PLACEMENT_SHARE / (average > noticed ? average : noticed));
}

struct placement_shares placement_shares(const struct placement_node *node,
                                         const struct placement_totals *totals)
{
    uint64_t n = totals->nodes;
    return (struct placement_shares){{
        [PLACEMENT_REPLICAS] = share(node->replica_count, totals->replica_count, n, 1),
        [PLACEMENT_BYTES] = share(node->bytes, totals->bytes, n, bytes_noticed),
        [PLACEMENT_CONSUMED] = share(node->milli_per_s, totals->milli_per_s, n, milli_noticed),
        [PLACEMENT_LEADS] = share(node->leader_count, totals->leader_count, n, 1),
        [PLACEMENT_LED_CONSUMED] =
            share(node->leader_milli_per_s, totals->leader_milli_per_s, n, milli_noticed),
    }};
}

uint64_t placement_fill(const struct placement_shares *shares)
{
    return shares->of[PLACEMENT_REPLICAS] + shares->of[PLACEMENT_BYTES] + shares->of[PLACEMENT_CONSUMED];
}

uint64_t placement_leads(const struct placement_shares *shares)
{
    return shares->of[PLACEMENT_LEADS] + shares->of[PLACEMENT_LED_CONSUMED];
}

struct placement_node placement_with(const struct placement_node *node, uint64_t bytes, uint64_t milli_per_s)
{
    struct placement_node with = *node;
    with.replica_count++;
    with.bytes += bytes;
    with.milli_per_s += milli_per_s;
    return with;
}

static uint64_t less(uint64_t from, uint64_t what)
{
    return from < what ? 0 : from - what;
}

struct placement_node placement_without(const struct placement_node *node, uint64_t bytes,
                                        uint64_t milli_per_s)
{
    struct placement_node without = *node;
    without.replica_count -= without.replica_count > 0;
    without.bytes = less(without.bytes, bytes);
    without.milli_per_s = less(without.milli_per_s, milli_per_s);
    return without;
}

bool placement_is_zone(const struct placement_node *a, const struct placement_node *b)
{
    return strcmp(a->zone, b->zone) == 0;
}

/* ---- a new partition ---- */

struct candidates {
    const struct placement_node *nodes;
    const struct placement_totals *totals;
    size_t best[PLACEMENT_ZONES_MAX]; /* the emptiest node of each zone */
    size_t zones;
};

static bool is_emptier(const struct candidates *c, size_t a, size_t b)
{
    struct placement_shares shares_a = placement_shares(&c->nodes[a], c->totals);
    struct placement_shares shares_b = placement_shares(&c->nodes[b], c->totals);
    uint64_t fill_a = placement_fill(&shares_a);
    uint64_t fill_b = placement_fill(&shares_b);
    return fill_a != fill_b ? fill_a < fill_b : c->nodes[a].node_id < c->nodes[b].node_id;
}

static void add_candidate(struct candidates *c, size_t node)
{
    size_t zone = 0;
    while (zone < c->zones && !placement_is_zone(&c->nodes[c->best[zone]], &c->nodes[node]))
        zone++;
    if (zone < c->zones && is_emptier(c, node, c->best[zone]))
        c->best[zone] = node;
    else if (zone == c->zones && zone < PLACEMENT_ZONES_MAX)
        c->best[c->zones++] = node;
}

/* Move the emptiest of the remaining zones to position `to`. */
static void select_emptiest(struct candidates *c, size_t to)
{
    size_t emptiest = to;
    for (size_t i = to + 1; i < c->zones; i++) {
        if (is_emptier(c, c->best[i], c->best[emptiest]))
            emptiest = i;
    }
    size_t chosen = c->best[emptiest];
    c->best[emptiest] = c->best[to];
    c->best[to] = chosen;
}

static size_t fewest_leaders(const struct placement_node *nodes, const size_t *chosen)
{
    size_t leader = 0;
    for (size_t i = 1; i < REPLICAS_PER_PARTITION; i++) {
        if (nodes[chosen[i]].leader_count < nodes[chosen[leader]].leader_count)
            leader = i;
    }
    return leader;
}

enum err placement_choose(struct placement_node *nodes, size_t count, struct placement *ret_placement)
{
    struct placement_totals totals = {0};
    struct candidates candidates = {.nodes = nodes, .totals = &totals};
    for (size_t i = 0; i < count; i++)
        placement_count(&totals, &nodes[i]);
    for (size_t i = 0; i < count; i++)
        add_candidate(&candidates, i);
    if (candidates.zones < REPLICAS_PER_PARTITION)
        return ERR_UNAVAILABLE;
    for (size_t i = 0; i < REPLICAS_PER_PARTITION; i++) {
        select_emptiest(&candidates, i);
        ret_placement->nodes[i] = candidates.best[i];
    }
    for (size_t i = 0; i < REPLICAS_PER_PARTITION; i++)
        nodes[ret_placement->nodes[i]].replica_count++;
    ret_placement->leader = fewest_leaders(nodes, ret_placement->nodes);
    nodes[ret_placement->nodes[ret_placement->leader]].leader_count++;
    return ERR_OK;
}

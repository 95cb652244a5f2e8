#include "controlplane/control/placement.h"

#include <stdbool.h>
#include <string.h>

static bool is_emptier(const struct placement_node *a, const struct placement_node *b)
{
    if (a->replica_count != b->replica_count)
        return a->replica_count < b->replica_count;
    return a->node_id < b->node_id;
}

/* The emptiest node of each zone. Returns the number of zones. */
static size_t best_of_zones(const struct placement_node *nodes, size_t count, size_t *ret_best)
{
    size_t zones = 0;
    for (size_t i = 0; i < count; i++) {
        size_t zone = 0;
        while (zone < zones && strcmp(nodes[ret_best[zone]].zone, nodes[i].zone) != 0)
            zone++;
        if (zone < zones && is_emptier(&nodes[i], &nodes[ret_best[zone]]))
            ret_best[zone] = i;
        else if (zone == zones && zones < PLACEMENT_ZONES_MAX)
            ret_best[zones++] = i;
    }
    return zones;
}

/* Move the emptiest of the remaining zones to position `to`. */
static void select_emptiest(const struct placement_node *nodes, size_t *best, size_t zones, size_t to)
{
    size_t emptiest = to;
    for (size_t i = to + 1; i < zones; i++) {
        if (is_emptier(&nodes[best[i]], &nodes[best[emptiest]]))
            emptiest = i;
    }
    size_t chosen = best[emptiest];
    best[emptiest] = best[to];
    best[to] = chosen;
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
    size_t best[PLACEMENT_ZONES_MAX];
    size_t zones = best_of_zones(nodes, count, best);
    if (zones < REPLICAS_PER_PARTITION)
        return ERR_UNAVAILABLE;
    for (size_t i = 0; i < REPLICAS_PER_PARTITION; i++) {
        select_emptiest(nodes, best, zones, i);
        ret_placement->nodes[i] = best[i];
        nodes[best[i]].replica_count++;
    }
    ret_placement->leader = fewest_leaders(nodes, ret_placement->nodes);
    nodes[ret_placement->nodes[ret_placement->leader]].leader_count++;
    return ERR_OK;
}

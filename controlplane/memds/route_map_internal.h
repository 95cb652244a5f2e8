/* What the two files of the route map share: groups, and the segments in which their ranges lie side by side. */
#pragma once

#include "base/arena.h"
#include "base/hash.h"
#include "controlplane/memds/digest_tree.h"
#include "controlplane/memds/route_map.h"

/* What is known of one group. */
struct group {
    uint64_t group_id;
    const Sluice__Controlplane__GroupRoute *route; /* in the arena; NULL = removed, or not there yet */
    struct arena arena;
    size_t segment_count;
    bool is_hidden;             /* others may lie over a part of its range */
    struct group *next_covered; /* while a painting looks for groups that it left without a segment */
    bool is_covered;
    struct digest_entry digest; /* in the tree when something is known */
    UT_hash_handle hh;
};

/* A part of a group's range, or all of it. Owns its bounds. */
struct segment {
    struct slice start;
    struct slice end; /* empty = no end */
    struct group *group;
};

struct route_map {
    struct group *groups;
    struct segment *segments; /* sorted by start, not overlapping */
    size_t count;
    size_t capacity;
    size_t group_count;
    size_t hidden_count; /* groups that are hidden */
    struct digest_tree *digests;
};

/* ---- route_map.c ---- */
/* Forget the group, whose segments are gone, and free it. */
void route_map_drop_group(struct route_map *map, struct group *group);

/* ---- route_paint.c ---- */
bool route_map_ends_after(struct slice end, struct slice key);
/* The first segment that ends after `key`. */
size_t route_map_first_ending_after(const struct route_map *map, struct slice key);
/* Give the group the keys of the route's range that no stronger group holds: of the higher range epoch, of equals the
 * higher id. Groups that are left without a key are dropped; not this one.
 * ERR_NO_MEMORY  nothing was changed */
enum err route_map_paint(struct route_map *map, struct group *group,
                         const Sluice__Controlplane__GroupRoute *route) MUST_CHECK;
/* The group's segments vanish: of nobody then. */
void route_map_erase(struct route_map *map, struct group *group);
void route_map_free_segment(struct segment *segment);

/* Which group holds a key: ranges in memory, as the groups' leaders publish them.
 *
 *     segments, sorted by start:   [a ------ c)[c -- f)          [m ----- r)
 *     each points to its group:      group 7    group 9             group 4
 *
 * A publication newer than what is known of its group - by (range epoch, membership version, term) - replaces it. A
 * group's range is painted over those of lower range epochs, of equal ones over those of lower ids, so that after a split
 * the children win whoever publishes last, and the parent keeps what no child has claimed yet. Who holds a key follows
 * from the groups that are known, not from the order in which they came. Removed groups are remembered by their id, as
 * a leader may publish once more before it hears of its end.
 *
 * What is known of each group is in a tree of digests too, so that two copies find what differs (exchange.h).
 *
 * Pure; one thread. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "controlplane/memds/digest_tree.h"
#include "controlplane/proto/controlplane.pb-c.h"

enum { ROUTE_REPLICAS_MAX = 16, ROUTE_BOUND_BYTES_MAX = 1024 /* as SPLIT_KEY_BYTES_MAX of nodes */ };

struct route_map;

/* NULL when there is no memory. */
struct route_map *route_map_create(void);
void route_map_destroy(struct route_map *map);
/* Groups that hold at least one key. */
size_t route_map_count(const struct route_map *map);

/* Take what a leader says, or control's word that the group is removed.
 * ERR_STALE      something as new is known, newer groups hold all of its range, or it was removed
 * ERR_INVALID    no group id, start not below end, too long a bound or too many replicas
 * ERR_NO_MEMORY  the group may be unknown now, until its leader publishes again */
enum err route_map_publish(struct route_map *map, const Sluice__Controlplane__GroupRoute *route) MUST_CHECK;

/* The route of the group that holds `key`, or NULL. Valid until the next publication. */
const Sluice__Controlplane__GroupRoute *route_map_find(const struct route_map *map, struct slice key);

/* How new something said of a group is; once removed, only the id counts. */
struct route_version {
    uint64_t group_id;
    uint64_t range_epoch;
    uint64_t membership_version;
    uint64_t term;
    bool is_removed;
};
struct route_version route_version_of(const Sluice__Controlplane__GroupRoute *route);
/* Of one group: below 0 when a is older, 0 when both say the same. Removed is newest. */
int route_version_compare(const struct route_version *a, const struct route_version *b);

/* The digests of all that is known, removed groups included. */
const struct digest_tree *route_map_digests(const struct route_map *map);
/* Each group of one part of that tree; its route is NULL when it is removed. Views, until the next publication. */
typedef void (*route_version_cb)(const struct route_version *version,
                                 const Sluice__Controlplane__GroupRoute *route, void *data);
void route_map_walk(const struct route_map *map, uint32_t part, route_version_cb visit, void *data);
/* ERR_NOT_FOUND  nothing is known of this group */
enum err route_map_version(const struct route_map *map, uint64_t group_id, struct route_version *ret_version,
                           const Sluice__Controlplane__GroupRoute **ret_route) MUST_CHECK;

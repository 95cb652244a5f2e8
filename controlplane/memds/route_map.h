/* Which group holds a key: ranges in memory, as the groups' leaders publish them.
 *
 *     segments, sorted by start:   [a ------ c)[c -- f)          [m ----- r)
 *     each points to its group:      group 7    group 9             group 4
 *
 * A publication newer than what is known of its group - by (range epoch, membership version, term) - replaces it. A
 * group's range is painted over those of lower range epochs, so that after a split the children win whoever
 * publishes last, and the parent keeps what no child has claimed yet. Removed groups are remembered by their id, as a
 * leader may publish once more before it hears of its end.
 *
 * Pure; one thread. The structure is private to route_map.c, so that it can become a prefix tree with digests when
 * several instances compare their copies. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "controlplane/proto/controlplane.pb-c.h"

enum { ROUTE_REPLICAS_MAX = 16, ROUTE_BOUND_BYTES_MAX = 256 };

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

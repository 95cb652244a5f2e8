#include "controlplane/memds/route_map.h"

#include "base/hash.h"
#include "base/proto.h"

enum { CAPACITY_FIRST = 64, OVERLAPS_MAX_EXTRA = 2, ROUTE_BYTES_MAX = 16 * 1024, ROUTE_BLOCK_BYTES = 512 };

/* What is known of one group. */
struct group {
    uint64_t group_id;
    const Sluice__Controlplane__GroupRoute *route; /* in the arena; NULL = removed */
    struct arena arena;
    size_t segment_count;
    struct group *next_covered; /* while a painting looks for groups that it left without a segment */
    bool is_covered;
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
};

struct route_map *route_map_create(void)
{
    return memory_zalloc(sizeof(struct route_map));
}

static void segment_free(struct segment *segment)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } pointer = {.in = segment->start.data};
    memory_free(pointer.out); /* start and end are one block */
}

static void group_free(struct group *group)
{
    arena_deinit(&group->arena);
    memory_free(group);
}

void route_map_destroy(struct route_map *map)
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->count; i++)
        segment_free(&map->segments[i]);
    struct group *group, *next;
    HASH_ITER(hh, map->groups, group, next)
    {
        HASH_DEL(map->groups, group);
        group_free(group);
    }
    memory_free(map->segments);
    memory_free(map);
}

size_t route_map_count(const struct route_map *map)
{
    return map->group_count;
}

/* ---- order ---- */

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static bool is_newer(const Sluice__Controlplane__GroupRoute *a, const Sluice__Controlplane__GroupRoute *b)
{
    int order = compare_u64(a->range_epoch, b->range_epoch);
    if (order == 0)
        order = compare_u64(a->membership_version, b->membership_version);
    if (order == 0)
        order = compare_u64(a->term, b->term);
    return order > 0;
}

/* Ends sort after everything when empty. */
static int compare_ends(struct slice a, struct slice b)
{
    if (a.length == 0 || b.length == 0)
        return (a.length == 0) - (b.length == 0);
    return slice_compare(a, b);
}

static bool ends_after(struct slice end, struct slice key)
{
    return end.length == 0 || slice_compare(key, end) < 0;
}

/* The first segment that ends after `key`. */
static size_t first_ending_after(const struct route_map *map, struct slice key)
{
    size_t low = 0;
    size_t high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ends_after(map->segments[middle].end, key))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

const Sluice__Controlplane__GroupRoute *route_map_find(const struct route_map *map, struct slice key)
{
    size_t at = first_ending_after(map, key);
    if (at == map->count || slice_compare(map->segments[at].start, key) > 0)
        return NULL;
    return map->segments[at].group->route;
}

/* ---- painting ---- */

/* The segments that shall take the place of those from `first` to `last`. */
struct painting {
    struct segment *segments;
    size_t count;
    size_t capacity;
    bool has_failed;
};

static void add(struct painting *p, struct slice start, struct slice end, struct group *group)
{
    if (p->has_failed || p->count == p->capacity) {
        p->has_failed = true;
        return;
    }
    uint8_t *bytes = memory_alloc(start.length + end.length + 1);
    if (bytes == NULL) {
        p->has_failed = true;
        return;
    }
    if (start.length > 0)
        memcpy(bytes, start.data, start.length);
    if (end.length > 0)
        memcpy(bytes + start.length, end.data, end.length);
    p->segments[p->count++] = (struct segment){.start = slice_make(bytes, start.length),
                                               .end = slice_make(bytes + start.length, end.length),
                                               .group = group};
}

static void painting_drop(struct painting *p)
{
    for (size_t i = 0; i < p->count; i++)
        segment_free(&p->segments[i]);
    memory_free(p->segments);
}

/* Paint [start, end) for `group` over the segments [first, last): it wins against lower range epochs. */
static void paint(const struct route_map *map, size_t first, size_t last, struct slice start,
                  struct slice end, uint64_t range_epoch, struct group *group, struct painting *p)
{
    struct slice at = start; /* painted up to here */
    bool is_at_end = false;
    for (size_t i = first; i < last; i++) {
        const struct segment *old = &map->segments[i];
        bool is_ours = old->group == group || old->group->route->range_epoch < range_epoch;
        if (slice_compare(old->start, start) < 0)
            add(p, old->start, is_ours ? start : old->end, old->group);
        if (!is_ours) {
            if (slice_compare(at, old->start) < 0)
                add(p, at, old->start, group);
            if (slice_compare(old->start, start) >= 0)
                add(p, old->start, old->end, old->group);
            at = old->end;
            is_at_end = old->end.length == 0;
        }
        bool is_over_end = end.length != 0 && compare_ends(old->end, end) > 0;
        if (is_ours && is_over_end) {
            add(p, at, end, group);
            add(p, end, old->end, old->group);
            is_at_end = true;
        }
    }
    if (!is_at_end && (end.length == 0 || slice_compare(at, end) < 0))
        add(p, at, end, group);
}

static void count_segments(struct segment *segments, size_t count, bool is_added)
{
    for (size_t i = 0; i < count; i++)
        segments[i].group->segment_count += is_added ? 1 : (size_t)-1;
}

static bool make_room(struct route_map *map, size_t count)
{
    if (count <= map->capacity)
        return true;
    size_t capacity = map->capacity == 0 ? CAPACITY_FIRST : map->capacity;
    while (capacity < count)
        capacity *= 2;
    struct segment *segments = memory_resize(map->segments, capacity * sizeof *segments);
    if (segments == NULL)
        return false;
    map->segments = segments;
    map->capacity = capacity;
    return true;
}

/* Groups that others have painted over hold no key: forget them. */
static void drop_group(struct route_map *map, struct group *group)
{
    map->group_count -= group->route != NULL;
    HASH_DEL(map->groups, group);
    group_free(group);
}

static void drop_covered(struct route_map *map, struct group *covered)
{
    while (covered != NULL) {
        struct group *next = covered->next_covered;
        drop_group(map, covered);
        covered = next;
    }
}

static struct group *collect_covered(struct segment *segments, size_t count, const struct group *painter)
{
    struct group *covered = NULL;
    for (size_t i = 0; i < count; i++) {
        struct group *group = segments[i].group;
        if (group->segment_count > 0 || group->is_covered || group == painter)
            continue;
        group->is_covered = true;
        group->next_covered = covered;
        covered = group;
    }
    return covered;
}

/* Put the painting in the place of segments [first, last). */
static bool replace(struct route_map *map, size_t first, size_t last, struct painting *p,
                    const struct group *painter)
{
    size_t count = map->count - (last - first) + p->count;
    if (p->has_failed || !make_room(map, count))
        return false;
    count_segments(map->segments + first, last - first, false);
    count_segments(p->segments, p->count, true);
    struct group *covered = collect_covered(map->segments + first, last - first, painter);
    for (size_t i = first; i < last; i++)
        segment_free(&map->segments[i]);
    if (map->count > last)
        memmove(map->segments + first + p->count, map->segments + last,
                (map->count - last) * sizeof *map->segments);
    if (p->count > 0)
        memcpy(map->segments + first, p->segments, p->count * sizeof *p->segments);
    map->count = count;
    memory_free(p->segments);
    drop_covered(map, covered);
    return true;
}

static enum err paint_range(struct route_map *map, struct group *group,
                            const Sluice__Controlplane__GroupRoute *route)
{
    struct slice start = proto_slice(route->range_start);
    struct slice end = proto_slice(route->range_end);
    size_t first = first_ending_after(map, start);
    size_t last = first;
    while (last < map->count && ends_after(end, map->segments[last].start))
        last++;
    struct painting p = {.capacity = 2 * (last - first) + OVERLAPS_MAX_EXTRA + 1};
    p.segments = memory_alloc(p.capacity * sizeof *p.segments);
    p.has_failed = p.segments == NULL;
    if (!p.has_failed)
        paint(map, first, last, start, end, route->range_epoch, group, &p);
    if (replace(map, first, last, &p, group))
        return ERR_OK;
    painting_drop(&p);
    return ERR_NO_MEMORY;
}

/* ---- groups ---- */

static struct group *find_group(const struct route_map *map, uint64_t group_id)
{
    struct group *group;
    HASH_FIND(hh, map->groups, &group_id, sizeof group_id, group);
    return group;
}

static struct group *add_group(struct route_map *map, uint64_t group_id)
{
    struct group *group = memory_zalloc(sizeof *group);
    if (group == NULL)
        return NULL;
    group->group_id = group_id;
    arena_init(&group->arena, ROUTE_BLOCK_BYTES, ROUTE_BYTES_MAX);
    HASH_ADD(hh, map->groups, group_id, sizeof group->group_id, group);
    if (!HASH_ADD_FAILED(group))
        return group;
    group_free(group);
    return NULL;
}

static const Sluice__Controlplane__GroupRoute *copy_route(const Sluice__Controlplane__GroupRoute *route,
                                                          struct arena *arena)
{
    struct slice packed = proto_pack(&route->base, arena);
    return packed.data == NULL ? NULL : proto_unpack(route->base.descriptor, packed, arena);
}

/* Segments of the group vanish: of nobody then. */
static void erase_segments(struct route_map *map, const struct group *group)
{
    size_t kept = 0;
    for (size_t i = 0; i < map->count; i++) {
        if (map->segments[i].group == group)
            segment_free(&map->segments[i]);
        else
            map->segments[kept++] = map->segments[i];
    }
    map->count = kept;
}

static enum err remove_group(struct route_map *map, uint64_t group_id)
{
    struct group *group = find_group(map, group_id);
    if (group != NULL && group->route == NULL)
        return ERR_STALE;
    if (group == NULL && (group = add_group(map, group_id)) == NULL)
        return ERR_NO_MEMORY;
    if (group->route != NULL) {
        if (group->segment_count > 0)
            erase_segments(map, group);
        map->group_count--;
    }
    group->route = NULL;
    group->segment_count = 0;
    arena_deinit(&group->arena);
    arena_init(&group->arena, ROUTE_BLOCK_BYTES, ROUTE_BYTES_MAX);
    return ERR_OK;
}

static bool is_sound(const Sluice__Controlplane__GroupRoute *route)
{
    struct slice start = proto_slice(route->range_start);
    struct slice end = proto_slice(route->range_end);
    return start.length <= ROUTE_BOUND_BYTES_MAX && end.length <= ROUTE_BOUND_BYTES_MAX &&
           (end.length == 0 || slice_compare(start, end) < 0) && route->n_replicas <= ROUTE_REPLICAS_MAX;
}

static bool has_same_range(const Sluice__Controlplane__GroupRoute *a,
                           const Sluice__Controlplane__GroupRoute *b)
{
    return a->range_epoch == b->range_epoch &&
           slice_equal(proto_slice(a->range_start), proto_slice(b->range_start)) &&
           slice_equal(proto_slice(a->range_end), proto_slice(b->range_end));
}

/* Exchange the group's route for the new one, whose memory is `arena`. */
static void set_route(struct route_map *map, struct group *group,
                      const Sluice__Controlplane__GroupRoute *route, const struct arena *arena)
{
    map->group_count += group->route == NULL;
    arena_deinit(&group->arena);
    group->arena = *arena;
    group->route = route;
}

static enum err take_route(struct route_map *map, struct group *group,
                           const Sluice__Controlplane__GroupRoute *route, const struct arena *arena)
{
    bool is_in_place = group->route != NULL && has_same_range(group->route, route);
    if (!is_in_place) {
        if (group->segment_count > 0)
            erase_segments(map, group);
        group->segment_count = 0;
        TRY(paint_range(map, group, route));
        if (group->segment_count == 0) {
            drop_group(map, group);
            return ERR_STALE;
        }
    }
    set_route(map, group, route, arena);
    return ERR_OK;
}

enum err route_map_publish(struct route_map *map, const Sluice__Controlplane__GroupRoute *route)
{
    if (route->group_id == 0 || !is_sound(route))
        return ERR_INVALID;
    if (route->is_removed)
        return remove_group(map, route->group_id);
    struct group *group = find_group(map, route->group_id);
    if (group != NULL && (group->route == NULL || !is_newer(route, group->route)))
        return ERR_STALE;
    struct arena arena;
    arena_init(&arena, ROUTE_BLOCK_BYTES, ROUTE_BYTES_MAX);
    const Sluice__Controlplane__GroupRoute *copy = copy_route(route, &arena);
    bool is_new = group == NULL;
    if (copy != NULL && is_new)
        group = add_group(map, route->group_id);
    enum err err = copy == NULL || group == NULL ? ERR_NO_MEMORY : take_route(map, group, copy, &arena);
    if (err == ERR_NO_MEMORY && is_new && group != NULL)
        drop_group(map, group);
    if (err != ERR_OK)
        arena_deinit(&arena);
    return err;
}

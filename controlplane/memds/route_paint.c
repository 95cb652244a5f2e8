#include "controlplane/memds/route_map_internal.h"

#include "base/proto.h"

enum { CAPACITY_FIRST = 64, OVERLAPS_MAX_EXTRA = 2 };

/* ---- order ---- */

/* Ends sort after everything when empty. */
static int compare_ends(struct slice a, struct slice b)
{
    if (a.length == 0 || b.length == 0)
        return (a.length == 0) - (b.length == 0);
    return slice_compare(a, b);
}

bool route_map_ends_after(struct slice end, struct slice key)
{
    return end.length == 0 || slice_compare(key, end) < 0;
}

size_t route_map_first_ending_after(const struct route_map *map, struct slice key)
{
    size_t low = 0;
    size_t high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (route_map_ends_after(map->segments[middle].end, key))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void route_map_free_segment(struct segment *segment)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } pointer = {.in = segment->start.data};
    memory_free(pointer.out); /* start and end are one block */
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
        route_map_free_segment(&p->segments[i]);
    memory_free(p->segments);
}

/* Who holds a key must follow from what is known, not from the order in which it came: copies would differ. */
static bool is_stronger(uint64_t range_epoch, const struct group *group, const struct group *old)
{
    if (range_epoch != old->route->range_epoch)
        return range_epoch > old->route->range_epoch;
    return group->group_id > old->group_id;
}

static void hide(struct route_map *map, struct group *group)
{
    map->hidden_count += !group->is_hidden;
    group->is_hidden = true;
}

/* Paint [start, end) for `group` over the segments [first, last). */
static void paint(struct route_map *map, size_t first, size_t last, struct slice start, struct slice end,
                  uint64_t range_epoch, struct group *group, struct painting *p)
{
    struct slice at = start; /* painted up to here */
    bool is_at_end = false;
    for (size_t i = first; i < last; i++) {
        const struct segment *old = &map->segments[i];
        bool is_ours = old->group == group || is_stronger(range_epoch, group, old->group);
        if (old->group != group)
            hide(map, is_ours ? old->group : group);
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
static void drop_covered(struct route_map *map, struct group *covered)
{
    while (covered != NULL) {
        struct group *next = covered->next_covered;
        route_map_drop_group(map, covered);
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
        route_map_free_segment(&map->segments[i]);
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

enum err route_map_paint(struct route_map *map, struct group *group,
                         const Sluice__Controlplane__GroupRoute *route)
{
    struct slice start = proto_slice(route->range_start);
    struct slice end = proto_slice(route->range_end);
    size_t first = route_map_first_ending_after(map, start);
    size_t last = first;
    while (last < map->count && route_map_ends_after(end, map->segments[last].start))
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

void route_map_erase(struct route_map *map, struct group *group)
{
    size_t left = group->segment_count;
    size_t at = left == 0 ? 0 : route_map_first_ending_after(map, proto_slice(group->route->range_start));
    size_t kept = at;
    for (; left > 0; at++) {
        if (map->segments[at].group == group) {
            route_map_free_segment(&map->segments[at]);
            left--;
        } else {
            map->segments[kept++] = map->segments[at];
        }
    }
    if (kept < at && at < map->count)
        memmove(map->segments + kept, map->segments + at, (map->count - at) * sizeof *map->segments);
    map->count -= at - kept;
    group->segment_count = 0;
    map->hidden_count -= group->is_hidden;
    group->is_hidden = false;
}

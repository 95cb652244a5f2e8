#include "dataplane/client/route_cache.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/proto.h"

/* Sorted by start. Routers know at most some ten thousand ranges, and ranges change rarely: a sorted array
 * is found in by halving and costs a memmove per change. */
struct route_cache {
    struct route **routes;
    size_t count;
    size_t capacity;
};

struct route_cache *route_cache_create(void)
{
    return memory_zalloc(sizeof(struct route_cache));
}

void route_cache_destroy(struct route_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < cache->count; i++)
        memory_free(cache->routes[i]);
    memory_free(cache->routes);
    memory_free(cache);
}

/* How many routes start at or below the key. */
static size_t count_starting_below(const struct route_cache *cache, struct slice key)
{
    size_t low = 0, high = cache->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(cache->routes[middle]->start, key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool ends_above(const struct route *route, struct slice key)
{
    return route->end.length == 0 || slice_compare(key, route->end) < 0;
}

static size_t find(const struct route_cache *cache, struct slice key)
{
    size_t below = count_starting_below(cache, key);
    return below > 0 && ends_above(cache->routes[below - 1], key) ? below - 1 : SIZE_MAX;
}

struct route *route_cache_find(struct route_cache *cache, struct slice key)
{
    size_t at = find(cache, key);
    return at == SIZE_MAX ? NULL : cache->routes[at];
}

static void remove_at(struct route_cache *cache, size_t at)
{
    memory_free(cache->routes[at]);
    cache->count--;
    memmove(cache->routes + at, cache->routes + at + 1, (cache->count - at) * sizeof *cache->routes);
}

void route_cache_forget(struct route_cache *cache, struct slice key, uint64_t group_id)
{
    size_t at = find(cache, key);
    if (at != SIZE_MAX && cache->routes[at]->group_id == group_id)
        remove_at(cache, at);
}

static bool is_newer(const Sluice__Dataplane__Route *a, const struct route *b)
{
    if (a->range_epoch != b->range_epoch)
        return a->range_epoch > b->range_epoch;
    if (a->membership_version != b->membership_version)
        return a->membership_version > b->membership_version;
    return a->term != b->term ? a->term > b->term : b->leader_replica_id == 0;
}

static bool overlaps(const struct route *route, struct slice start, struct slice end)
{
    return ends_above(route, start) && (end.length == 0 || slice_compare(route->start, end) < 0);
}

static bool is_sensible(const Sluice__Dataplane__Route *route)
{
    if (route->group_id == 0 || route->n_replicas > ROUTE_REPLICAS_MAX)
        return false;
    for (size_t i = 0; i < route->n_replicas; i++) {
        const Sluice__Dataplane__ReplicaAddress *r = route->replicas[i];
        if (strlen(r->host) >= ROUTE_HOST_BYTES || strlen(r->zone) >= ROUTE_ZONE_BYTES ||
            r->port > UINT16_MAX)
            return false;
    }
    struct slice start = proto_slice(route->range_start), end = proto_slice(route->range_end);
    return end.length == 0 || slice_compare(start, end) < 0;
}

static struct route *copy(const Sluice__Dataplane__Route *from)
{
    struct slice start = proto_slice(from->range_start), end = proto_slice(from->range_end);
    struct route *route = memory_zalloc(sizeof *route + start.length + end.length);
    if (route == NULL)
        return NULL;
    uint8_t *bytes = (uint8_t *)(route + 1);
    if (start.length > 0)
        memcpy(bytes, start.data, start.length);
    if (end.length > 0)
        memcpy(bytes + start.length, end.data, end.length);
    route->group_id = from->group_id;
    route->range_epoch = from->range_epoch;
    route->membership_version = from->membership_version;
    route->term = from->term;
    route->leader_replica_id = from->leader_replica_id;
    route->start = slice_make(bytes, start.length);
    route->end = slice_make(bytes + start.length, end.length);
    route->replica_count = (uint32_t)from->n_replicas;
    for (uint32_t i = 0; i < route->replica_count; i++) {
        const Sluice__Dataplane__ReplicaAddress *r = from->replicas[i];
        struct route_replica *to = &route->replicas[i];
        to->replica_id = r->replica_id;
        to->node_id = r->node_id;
        to->port = (uint16_t)r->port;
        to->kind = (uint8_t)r->kind;
        snprintf(to->host, sizeof to->host, "%s", r->host);
        snprintf(to->zone, sizeof to->zone, "%s", r->zone);
    }
    return route;
}

/* The same with another range. */
static struct route *piece(const struct route *of, struct slice start, struct slice end)
{
    struct route *route = memory_zalloc(sizeof *route + start.length + end.length);
    if (route == NULL)
        return NULL;
    *route = *of;
    uint8_t *bytes = (uint8_t *)(route + 1);
    if (start.length > 0)
        memcpy(bytes, start.data, start.length);
    if (end.length > 0)
        memcpy(bytes + start.length, end.data, end.length);
    route->start = slice_make(bytes, start.length);
    route->end = slice_make(bytes + start.length, end.length);
    return route;
}

static bool reserve(struct route_cache *cache, size_t count)
{
    if (count <= cache->capacity)
        return true;
    size_t capacity = cache->capacity * 2 > count + 64 ? cache->capacity * 2 : count + 64;
    struct route **routes = memory_resize(cache->routes, capacity * sizeof(struct route *));
    if (routes == NULL)
        return false;
    cache->routes = routes;
    cache->capacity = capacity;
    return true;
}

/* A route laid over those that it overlaps: what takes their place, in order. Kept ones are the same objects. */
struct painting {
    struct route **routes;
    size_t count;
    bool has_failed;
};

static void paint(struct painting *to, struct route *route)
{
    to->has_failed |= route == NULL;
    if (route != NULL)
        to->routes[to->count++] = route;
}

static bool is_below(struct slice key, struct slice end)
{
    return end.length == 0 || slice_compare(key, end) < 0;
}

/* Newer ones keep what they have; the new route gets the rest of its range, and of the older ones stays what is outside of it: after
 * a split one child is known before the other, and the parent still knows more of its half than nobody. */
static void lay_over(struct painting *to, const struct route *fresh, struct route *const *below, size_t count,
                     const Sluice__Dataplane__Route *route)
{
    struct slice from = fresh->start;
    bool is_to_its_end = false;
    const struct route *last = NULL;
    for (size_t i = 0; i < count; i++) {
        struct route *other = below[i];
        if (is_newer(route, other)) {
            if (slice_compare(other->start, fresh->start) < 0)
                paint(to, piece(other, other->start, fresh->start));
            last = other;
            continue;
        }
        if (slice_compare(from, other->start) < 0)
            paint(to, piece(fresh, from, other->start));
        paint(to, other);
        from = other->end;
        is_to_its_end = other->end.length == 0;
        last = NULL;
    }
    if (!is_to_its_end && is_below(from, fresh->end))
        paint(to, piece(fresh, from, fresh->end));
    if (last != NULL && fresh->end.length > 0 && is_below(fresh->end, last->end))
        paint(to, piece(last, fresh->end, last->end));
}

/* What a refresh says, most of the time. */
static bool is_known(const struct route *known, const Sluice__Dataplane__Route *route)
{
    return !is_newer(route, known) && slice_equal(known->start, proto_slice(route->range_start)) &&
           slice_equal(known->end, proto_slice(route->range_end));
}

static bool is_kept(const struct painting *painting, const struct route *route)
{
    for (size_t i = 0; i < painting->count; i++)
        if (painting->routes[i] == route)
            return true;
    return false;
}

/* Free those of `routes` that are not kept in `painting`. */
static void free_others(struct route *const *routes, size_t count, const struct painting *painting)
{
    for (size_t i = 0; i < count; i++)
        if (!is_kept(painting, routes[i]))
            memory_free(routes[i]);
}

static void replace(struct route_cache *cache, size_t first, size_t last, const struct painting *by)
{
    free_others(cache->routes + first, last - first, by);
    memmove(cache->routes + first + by->count, cache->routes + last,
            (cache->count - last) * sizeof *cache->routes);
    memcpy(cache->routes + first, by->routes, by->count * sizeof *by->routes);
    cache->count += by->count - (last - first);
}

enum err route_cache_put(struct route_cache *cache, const Sluice__Dataplane__Route *route)
{
    if (!is_sensible(route))
        return ERR_OK;
    struct slice start = proto_slice(route->range_start), end = proto_slice(route->range_end);
    size_t first = count_starting_below(cache, start);
    if (first > 0 && ends_above(cache->routes[first - 1], start))
        first--;
    size_t last = first;
    bool is_used = false;
    for (; last < cache->count && overlaps(cache->routes[last], start, end); last++)
        is_used |= is_newer(route, cache->routes[last]) && cache->routes[last]->is_used;
    if (last == first + 1 && is_known(cache->routes[first], route))
        return ERR_OK;
    struct route *fresh = copy(route);
    struct painting painting = {.routes = memory_alloc((2 * (last - first) + 2) * sizeof(struct route *))};
    if (fresh != NULL && painting.routes != NULL) {
        fresh->is_used = is_used;
        lay_over(&painting, fresh, cache->routes + first, last - first, route);
    }
    bool is_done = fresh != NULL && painting.routes != NULL && !painting.has_failed &&
                   reserve(cache, cache->count + painting.count);
    if (is_done) {
        replace(cache, first, last, &painting);
    } else {
        const struct painting kept = {.routes = cache->routes + first, .count = last - first};
        free_others(painting.routes, painting.count, &kept);
    }
    memory_free(painting.routes);
    memory_free(fresh);
    return is_done ? ERR_OK : ERR_NO_MEMORY;
}

void route_cache_age(struct route_cache *cache, uint32_t rounds_max)
{
    size_t kept = 0;
    for (size_t i = 0; i < cache->count; i++) {
        struct route *route = cache->routes[i];
        route->unused_rounds = route->is_used ? 0 : route->unused_rounds + 1;
        if (route->unused_rounds >= rounds_max)
            memory_free(route);
        else
            cache->routes[kept++] = route;
    }
    cache->count = kept;
}

size_t route_cache_count(const struct route_cache *cache)
{
    return cache->count;
}

struct route *route_cache_at(struct route_cache *cache, size_t index)
{
    return cache->routes[index];
}

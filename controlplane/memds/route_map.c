#include "controlplane/memds/route_map.h"

#include <xxhash.h>

#include "base/proto.h"
#include "controlplane/memds/route_map_internal.h"

enum { ROUTE_BYTES_MAX = 16 * 1024, ROUTE_BLOCK_BYTES = 512 };

struct route_map *route_map_create(void)
{
    struct route_map *map = memory_zalloc(sizeof *map);
    if (map == NULL)
        return NULL;
    map->digests = digest_tree_create();
    if (map->digests != NULL)
        return map;
    memory_free(map);
    return NULL;
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
        route_map_free_segment(&map->segments[i]);
    struct group *group, *next;
    HASH_ITER(hh, map->groups, group, next)
    {
        HASH_DEL(map->groups, group);
        group_free(group);
    }
    memory_free(map->segments);
    digest_tree_destroy(map->digests);
    memory_free(map);
}

size_t route_map_count(const struct route_map *map)
{
    return map->group_count;
}

/* ---- versions and their digests ---- */

struct route_version route_version_of(const Sluice__Controlplane__GroupRoute *route)
{
    return (struct route_version){.group_id = route->group_id,
                                  .range_epoch = route->range_epoch,
                                  .membership_version = route->membership_version,
                                  .term = route->term,
                                  .is_removed = route->is_removed};
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int route_version_compare(const struct route_version *a, const struct route_version *b)
{
    if (a->is_removed || b->is_removed)
        return (int)a->is_removed - (int)b->is_removed;
    int order = compare_u64(a->range_epoch, b->range_epoch);
    if (order == 0)
        order = compare_u64(a->membership_version, b->membership_version);
    if (order == 0)
        order = compare_u64(a->term, b->term);
    return order;
}

/* docs/formats/exchange.md; of a removed group only its id counts. */
static uint64_t digest_of(const struct route_version *version)
{
    const uint64_t words[] = {version->group_id, version->range_epoch, version->membership_version,
                              version->term};
    uint8_t bytes[sizeof words + 1] = {0};
    for (size_t i = 0; i < (version->is_removed ? sizeof words[0] : sizeof words); i++)
        bytes[i] = (uint8_t)(words[i / 8] >> 8 * (i % 8));
    bytes[sizeof words] = version->is_removed;
    return XXH3_64bits(bytes, sizeof bytes);
}

static struct route_version version_of(const struct group *group)
{
    if (group->route == NULL)
        return (struct route_version){.group_id = group->group_id, .is_removed = true};
    return route_version_of(group->route);
}

static void set_digest(struct route_map *map, struct group *group)
{
    const struct route_version version = version_of(group);
    digest_tree_set(map->digests, &group->digest, group->group_id, digest_of(&version));
}

const struct digest_tree *route_map_digests(const struct route_map *map)
{
    return map->digests;
}

struct versions_walk {
    route_version_cb visit;
    void *data;
};

static void on_entry(const struct digest_entry *entry, void *data)
{
    const struct versions_walk *walk = data;
    const struct group *group =
        (const void *)((const char *)(const void *)entry - offsetof(struct group, digest));
    const struct route_version version = version_of(group);
    walk->visit(&version, group->route, walk->data);
}

void route_map_walk(const struct route_map *map, uint32_t part, route_version_cb visit, void *data)
{
    struct versions_walk walk = {visit, data};
    digest_tree_walk(map->digests, part, on_entry, &walk);
}

/* ---- groups ---- */

const Sluice__Controlplane__GroupRoute *route_map_find(const struct route_map *map, struct slice key)
{
    size_t at = route_map_first_ending_after(map, key);
    if (at == map->count || slice_compare(map->segments[at].start, key) > 0)
        return NULL;
    return map->segments[at].group->route;
}

static struct group *find_group(const struct route_map *map, uint64_t group_id)
{
    struct group *group;
    HASH_FIND(hh, map->groups, &group_id, sizeof group_id, group);
    return group;
}

enum err route_map_version(const struct route_map *map, uint64_t group_id, struct route_version *ret_version,
                           const Sluice__Controlplane__GroupRoute **ret_route)
{
    const struct group *group = find_group(map, group_id);
    if (group == NULL)
        return ERR_NOT_FOUND;
    *ret_version = version_of(group);
    *ret_route = group->route;
    return ERR_OK;
}

void route_map_drop_group(struct route_map *map, struct group *group)
{
    map->group_count -= group->route != NULL;
    map->hidden_count -= group->is_hidden;
    digest_tree_remove(map->digests, &group->digest);
    HASH_DEL(map->groups, group);
    group_free(group);
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

/* ---- what lies below ---- */

static bool overlaps(const Sluice__Controlplane__GroupRoute *a, const Sluice__Controlplane__GroupRoute *b)
{
    return route_map_ends_after(proto_slice(a->range_end), proto_slice(b->range_start)) &&
           route_map_ends_after(proto_slice(b->range_end), proto_slice(a->range_start));
}

/* The group's keys go to those over whom it lay. Ids first: a painting may drop groups. */
static enum err uncover(struct route_map *map, struct group *group)
{
    route_map_erase(map, group);
    if (map->hidden_count == 0)
        return ERR_OK;
    uint64_t *ids = memory_alloc(map->hidden_count * sizeof *ids);
    size_t count = 0;
    if (ids == NULL)
        return ERR_NO_MEMORY;
    for (struct group *below = map->groups; below != NULL; below = below->hh.next)
        if (below->is_hidden && below->route != NULL && overlaps(below->route, group->route))
            ids[count++] = below->group_id;
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        struct group *below = find_group(map, ids[i]);
        if (below != NULL)
            err = route_map_paint(map, below, below->route);
    }
    memory_free(ids);
    return err;
}

/* ---- publications ---- */

static enum err remove_group(struct route_map *map, uint64_t group_id)
{
    struct group *group = find_group(map, group_id);
    if (group != NULL && group->route == NULL)
        return ERR_STALE;
    if (group == NULL && (group = add_group(map, group_id)) == NULL)
        return ERR_NO_MEMORY;
    enum err err = ERR_OK;
    if (group->route != NULL) {
        err = uncover(map, group);
        map->group_count--;
    }
    group->route = NULL;
    arena_deinit(&group->arena);
    arena_init(&group->arena, ROUTE_BLOCK_BYTES, ROUTE_BYTES_MAX);
    set_digest(map, group);
    return err;
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
    set_digest(map, group);
}

static enum err take_route(struct route_map *map, struct group *group,
                           const Sluice__Controlplane__GroupRoute *route, const struct arena *arena)
{
    bool is_in_place = group->route != NULL && has_same_range(group->route, route);
    if (!is_in_place) {
        enum err err = group->route == NULL ? ERR_OK : uncover(map, group);
        if (err == ERR_OK)
            err = route_map_paint(map, group, route);
        if (err == ERR_OK && group->segment_count == 0)
            err = ERR_STALE;
        if (err != ERR_OK) {
            route_map_drop_group(map, group);
            return err;
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
    const struct route_version version = route_version_of(route);
    if (group != NULL) {
        const struct route_version known = version_of(group);
        if (route_version_compare(&version, &known) <= 0)
            return ERR_STALE;
    }
    struct arena arena;
    arena_init(&arena, ROUTE_BLOCK_BYTES, ROUTE_BYTES_MAX);
    const Sluice__Controlplane__GroupRoute *copy = copy_route(route, &arena);
    if (copy != NULL && group == NULL)
        group = add_group(map, route->group_id);
    enum err err = copy == NULL || group == NULL ? ERR_NO_MEMORY : take_route(map, group, copy, &arena);
    if (err != ERR_OK)
        arena_deinit(&arena);
    return err;
}

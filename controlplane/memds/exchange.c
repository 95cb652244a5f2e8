#include "controlplane/memds/exchange.h"

#include "base/memory.h"
#include "controlplane/memds/route_message.h"

struct exchange {
    struct route_map *map;
    uint32_t *parts; /* to be compared, the next one last */
    size_t count;
    size_t capacity;
    uint32_t asked[EXCHANGE_PARTS_MAX];
    size_t asked_count;
    size_t listed_count; /* groups in the question */
    size_t taken;
    bool is_at_root; /* the digest of everything comes next, or was asked for */
};

struct exchange *exchange_create(struct route_map *map)
{
    struct exchange *x = memory_zalloc(sizeof *x);
    if (x != NULL)
        x->map = map;
    return x;
}

void exchange_destroy(struct exchange *x)
{
    if (x == NULL)
        return;
    memory_free(x->parts);
    memory_free(x);
}

void exchange_begin(struct exchange *x)
{
    x->count = x->asked_count = x->listed_count = x->taken = 0;
    x->is_at_root = true;
}

size_t exchange_taken(const struct exchange *x)
{
    return x->taken;
}

static bool push(struct exchange *x, uint32_t part)
{
    if (x->count == x->capacity) {
        size_t capacity = x->capacity == 0 ? DIGEST_FANOUT : x->capacity * 2;
        uint32_t *parts = memory_resize(x->parts, capacity * sizeof *parts);
        if (parts == NULL)
            return false;
        x->parts = parts;
        x->capacity = capacity;
    }
    x->parts[x->count++] = part;
    return true;
}

/* ---- asking ---- */

struct listing {
    struct arena *arena;
    Sluice__Controlplane__RoutePart *part;
};

static void list_group(const struct route_version *version, const Sluice__Controlplane__GroupRoute *route,
                       void *data)
{
    struct listing *listing = data;
    Sluice__Controlplane__RouteVersion *to = arena_alloc(listing->arena, sizeof *to);
    if (to == NULL)
        return;
    sluice__controlplane__route_version__init(to);
    to->group_id = version->group_id;
    to->range_epoch = version->range_epoch;
    to->membership_version = version->membership_version;
    to->term = version->term;
    to->is_removed = version->is_removed;
    listing->part->groups[listing->part->n_groups++] = to;
}

static void list_digests(const struct digest_tree *tree, struct arena *arena,
                         Sluice__Controlplane__RoutePart *part)
{
    part->digests = arena_alloc(arena, DIGEST_FANOUT * sizeof *part->digests);
    for (uint32_t i = 0; part->digests != NULL && i < DIGEST_FANOUT; i++)
        part->digests[part->n_digests++] = digest_tree_digest(tree, digest_part_child(part->part) + i);
}

static Sluice__Controlplane__RoutePart *describe(struct exchange *x, uint32_t number, struct arena *arena)
{
    const struct digest_tree *tree = route_map_digests(x->map);
    size_t count = digest_tree_count(tree, number);
    Sluice__Controlplane__RoutePart *part = arena_alloc(arena, sizeof *part);
    if (part == NULL)
        return NULL;
    sluice__controlplane__route_part__init(part);
    part->part = number;
    if (count > EXCHANGE_LISTED_MAX && !digest_part_is_leaf(number)) {
        list_digests(tree, arena, part);
        return part;
    }
    struct listing listing = {arena, part};
    part->groups = arena_alloc(arena, (count + 1) * sizeof *part->groups);
    if (part->groups != NULL)
        route_map_walk(x->map, number, list_group, &listing);
    x->listed_count += part->n_groups;
    return part;
}

bool exchange_ask(struct exchange *x, struct arena *arena, Sluice__Controlplane__CompareRoutes *ret_question)
{
    x->asked_count = x->listed_count = 0;
    if (x->is_at_root) {
        ret_question->digest = digest_tree_digest(route_map_digests(x->map), 0);
        return true;
    }
    if (x->count == 0)
        return false;
    ret_question->parts = arena_alloc(arena, EXCHANGE_PARTS_MAX * sizeof *ret_question->parts);
    while (ret_question->parts != NULL && x->count > 0 && x->asked_count < EXCHANGE_PARTS_MAX) {
        uint32_t number = x->parts[--x->count];
        Sluice__Controlplane__RoutePart *part = describe(x, number, arena);
        if (part == NULL)
            break;
        x->asked[x->asked_count++] = number;
        ret_question->parts[ret_question->n_parts++] = part;
    }
    return true;
}

/* ---- taking the answer ---- */

static bool was_asked(const struct exchange *x, uint32_t part)
{
    for (size_t i = 0; i < x->asked_count; i++)
        if (!digest_part_is_leaf(x->asked[i]) && (part - 1) / DIGEST_FANOUT == x->asked[i])
            return true;
    return false;
}

static enum err take_different(struct exchange *x, const Sluice__Controlplane__CompareRoutesReply *reply)
{
    if (x->is_at_root) {
        x->is_at_root = false;
        return reply->is_equal || push(x, 0) ? ERR_OK : ERR_NO_MEMORY;
    }
    /* An answer that leads elsewhere, or to a part again and again, could keep the walk busy for ever. */
    if (reply->n_different > DIGEST_FANOUT * x->asked_count)
        return ERR_INVALID;
    for (size_t i = 0; i < reply->n_different; i++) {
        uint32_t part = reply->different[i];
        if (part == 0 || part >= DIGEST_PART_COUNT || !was_asked(x, part))
            return ERR_INVALID;
        if (!push(x, part))
            return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

static enum err take_newer(struct exchange *x, const Sluice__Controlplane__CompareRoutesReply *reply)
{
    for (size_t i = 0; i < reply->n_newer; i++) {
        enum err err = route_map_publish(x->map, reply->newer[i]);
        if (err != ERR_OK && err != ERR_STALE)
            return err;
        x->taken += err == ERR_OK;
    }
    return ERR_OK;
}

static enum err collect_wanted(const struct exchange *x,
                               const Sluice__Controlplane__CompareRoutesReply *reply, struct arena *arena,
                               Sluice__Controlplane__PublishRoutes *to)
{
    if (reply->n_wanted > x->listed_count)
        return ERR_INVALID;
    to->routes = arena_alloc(arena, (reply->n_wanted + 1) * sizeof(Sluice__Controlplane__GroupRoute *));
    for (size_t i = 0; to->routes != NULL && i < reply->n_wanted; i++) {
        struct route_version version;
        const Sluice__Controlplane__GroupRoute *route;
        if (route_map_version(x->map, reply->wanted[i], &version, &route) != ERR_OK)
            continue; /* something newer has covered it meanwhile */
        to->routes[to->n_routes] = route_message(&version, route, arena);
        to->n_routes += to->routes[to->n_routes] != NULL;
    }
    return arena_has_failed(arena) ? ERR_NO_MEMORY : ERR_OK;
}

enum err exchange_take(struct exchange *x, const Sluice__Controlplane__CompareRoutesReply *reply,
                       struct arena *arena, Sluice__Controlplane__PublishRoutes *ret_wanted)
{
    enum err err = take_different(x, reply);
    if (err == ERR_OK)
        err = take_newer(x, reply);
    if (err == ERR_OK)
        err = collect_wanted(x, reply, arena, ret_wanted);
    if (err != ERR_OK) {
        x->count = 0;
        x->is_at_root = false;
    }
    return err;
}

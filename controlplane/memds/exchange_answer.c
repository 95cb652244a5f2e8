/* The answerer's side of exchange.h. */
#include <stdlib.h>

#include "controlplane/memds/exchange.h"
#include "controlplane/memds/route_message.h"

/* One part of the question, while our groups in it are held against those listed. */
struct comparison {
    const Sluice__Controlplane__RoutePart *part;
    Sluice__Controlplane__RouteVersion **listed; /* sorted by group */
    Sluice__Controlplane__CompareRoutesReply *reply;
    struct arena *arena;
};

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = (*(Sluice__Controlplane__RouteVersion *const *)a)->group_id;
    uint64_t right = (*(Sluice__Controlplane__RouteVersion *const *)b)->group_id;
    return left < right ? -1 : left > right;
}

static const Sluice__Controlplane__RouteVersion *find(const struct comparison *c, uint64_t group_id)
{
    Sluice__Controlplane__RouteVersion key = {.group_id = group_id};
    Sluice__Controlplane__RouteVersion *pointer = &key;
    Sluice__Controlplane__RouteVersion **found =
        bsearch(&pointer, c->listed, c->part->n_groups, sizeof *c->listed, compare_ids);
    return found == NULL ? NULL : *found;
}

static struct route_version version_of(const Sluice__Controlplane__RouteVersion *said)
{
    return (struct route_version){.group_id = said->group_id,
                                  .range_epoch = said->range_epoch,
                                  .membership_version = said->membership_version,
                                  .term = said->term,
                                  .is_removed = said->is_removed};
}

static void compare_ours(const struct route_version *ours, const Sluice__Controlplane__GroupRoute *route,
                         void *data)
{
    const struct comparison *c = data;
    const Sluice__Controlplane__RouteVersion *said = find(c, ours->group_id);
    if (said != NULL) {
        const struct route_version theirs = version_of(said);
        if (route_version_compare(ours, &theirs) <= 0)
            return;
    }
    Sluice__Controlplane__GroupRoute *message = route_message(ours, route, c->arena);
    if (message != NULL)
        c->reply->newer[c->reply->n_newer++] = message;
}

static void want_theirs(const struct route_map *map, const struct comparison *c)
{
    for (size_t i = 0; i < c->part->n_groups; i++) {
        const struct route_version theirs = version_of(c->listed[i]);
        struct route_version ours;
        const Sluice__Controlplane__GroupRoute *route;
        enum err err = route_map_version(map, theirs.group_id, &ours, &route);
        if (err == ERR_NOT_FOUND || route_version_compare(&theirs, &ours) > 0)
            c->reply->wanted[c->reply->n_wanted++] = theirs.group_id;
    }
}

static void compare_list(const struct route_map *map, struct comparison *c)
{
    size_t count = c->part->n_groups;
    c->listed = arena_alloc(c->arena, (count + 1) * sizeof *c->listed);
    if (c->listed == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        c->listed[i] = c->part->groups[i];
    qsort(c->listed, count, sizeof *c->listed, compare_ids);
    route_map_walk(map, c->part->part, compare_ours, c);
    want_theirs(map, c);
}

static void compare_digests(const struct digest_tree *tree, const struct comparison *c)
{
    uint32_t first = digest_part_child(c->part->part);
    for (uint32_t i = 0; i < DIGEST_FANOUT; i++)
        if (c->part->n_digests == 0 || c->part->digests[i] != digest_tree_digest(tree, first + i))
            c->reply->different[c->reply->n_different++] = first + i;
}

static bool is_sound(const Sluice__Controlplane__CompareRoutes *question)
{
    if (question->n_parts > EXCHANGE_PARTS_MAX)
        return false;
    for (size_t i = 0; i < question->n_parts; i++) {
        const Sluice__Controlplane__RoutePart *part = question->parts[i];
        if (part->part >= DIGEST_PART_COUNT)
            return false;
        if (part->n_digests != 0 && (part->n_digests != DIGEST_FANOUT || digest_part_is_leaf(part->part)))
            return false;
    }
    return true;
}

/* Whether the part is small enough to say what is in it. */
static bool is_listed(const struct digest_tree *tree, const Sluice__Controlplane__RoutePart *part)
{
    return part->n_digests == 0 &&
           (digest_part_is_leaf(part->part) || digest_tree_count(tree, part->part) <= EXCHANGE_ANSWERED_MAX);
}

/* Room for all that the answer can hold. */
static bool make_room(const struct digest_tree *tree, const Sluice__Controlplane__CompareRoutes *question,
                      struct arena *arena, Sluice__Controlplane__CompareRoutesReply *reply)
{
    size_t ours = 1;
    size_t theirs = 1;
    for (size_t i = 0; i < question->n_parts; i++) {
        const Sluice__Controlplane__RoutePart *part = question->parts[i];
        ours += is_listed(tree, part) ? digest_tree_count(tree, part->part) : 0;
        theirs += part->n_groups;
    }
    reply->different = arena_alloc(arena, (question->n_parts + 1) * DIGEST_FANOUT * sizeof *reply->different);
    reply->newer = arena_alloc(arena, ours * sizeof *reply->newer);
    reply->wanted = arena_alloc(arena, theirs * sizeof *reply->wanted);
    return reply->different != NULL && reply->newer != NULL && reply->wanted != NULL;
}

enum err exchange_answer(const struct route_map *map, const Sluice__Controlplane__CompareRoutes *question,
                         struct arena *arena, Sluice__Controlplane__CompareRoutesReply *ret_reply)
{
    const struct digest_tree *tree = route_map_digests(map);
    if (!is_sound(question))
        return ERR_INVALID;
    if (!make_room(tree, question, arena, ret_reply))
        return ERR_NO_MEMORY;
    ret_reply->is_equal = question->n_parts == 0 && question->digest == digest_tree_digest(tree, 0);
    for (size_t i = 0; i < question->n_parts; i++) {
        struct comparison c = {.part = question->parts[i], .reply = ret_reply, .arena = arena};
        if (is_listed(tree, c.part))
            compare_list(map, &c);
        else
            compare_digests(tree, &c);
    }
    return arena_has_failed(arena) ? ERR_NO_MEMORY : ERR_OK;
}

/* What one MemDS says to another: questions to a copy of the routes, answers to a walk, and two copies that a recipe makes
 * and that must become equal. The first byte chooses. */
#include "base/proto.h"
#include "controlplane/memds/exchange.h"
#include "tests/fuzz/fuzz.h"

enum { RECIPES_MAX = 40, ROUNDS_MAX = 8, QUESTIONS_MAX = 200, LETTERS = 26, ARENA_BYTES = 1 << 24 };

/* group(1) epoch, membership and term(1): the range of a group follows from its epoch. */
static void publish(struct route_map *map, uint8_t group, uint8_t version)
{
    Sluice__Controlplane__GroupRoute route = SLUICE__CONTROLPLANE__GROUP_ROUTE__INIT;
    uint8_t bounds[2];
    route.group_id = 1 + group % 20;
    route.is_removed = version == 0xFF;
    route.range_epoch = version >> 6;
    route.membership_version = version >> 3 & 7;
    route.term = version & 7;
    bounds[0] = (uint8_t)('a' + (route.group_id * 7 + route.range_epoch * 3) % 20);
    bounds[1] = (uint8_t)(bounds[0] + 1 + (route.group_id + route.range_epoch) % 6);
    route.range_start = proto_bytes(slice_make(&bounds[0], 1));
    route.range_end = proto_bytes(slice_make(&bounds[1], 1));
    enum err err = route_map_publish(map, &route);
    ASSERT(err == ERR_OK || err == ERR_STALE);
}

static struct route_map *make_map(struct slice *input)
{
    struct route_map *map = route_map_create();
    ASSERT(map != NULL);
    for (uint8_t left = fuzz_byte(input) % RECIPES_MAX; left > 0; left--) {
        uint8_t group = fuzz_byte(input);
        publish(map, group, fuzz_byte(input));
    }
    return map;
}

static void check_question(struct slice input)
{
    struct route_map *map = make_map(&input);
    struct arena arena;
    arena_init(&arena, 1 << 14, ARENA_BYTES);
    const void *question = proto_unpack(&sluice__controlplane__compare_routes__descriptor, input, &arena);
    Sluice__Controlplane__CompareRoutesReply reply = SLUICE__CONTROLPLANE__COMPARE_ROUTES_REPLY__INIT;
    if (question != NULL) {
        enum err err = exchange_answer(map, question, &arena, &reply);
        ASSERT(err == ERR_OK || err == ERR_INVALID);
        if (err == ERR_OK)
            ASSERT(proto_pack(&reply.base, &arena).data != NULL);
    }
    arena_deinit(&arena);
    route_map_destroy(map);
}

/* The same answer to each question: the walk ends all the same, or goes no deeper than the tree. */
static void check_answer(struct slice input)
{
    struct route_map *map = make_map(&input);
    struct exchange *x = exchange_create(map);
    ASSERT(x != NULL);
    exchange_begin(x);
    for (int i = 0; i < QUESTIONS_MAX; i++) {
        struct arena arena;
        arena_init(&arena, 1 << 14, ARENA_BYTES);
        Sluice__Controlplane__CompareRoutes question = SLUICE__CONTROLPLANE__COMPARE_ROUTES__INIT;
        Sluice__Controlplane__PublishRoutes wanted = SLUICE__CONTROLPLANE__PUBLISH_ROUTES__INIT;
        const void *reply =
            proto_unpack(&sluice__controlplane__compare_routes_reply__descriptor, input, &arena);
        bool goes_on = reply != NULL && exchange_ask(x, &arena, &question);
        if (goes_on) {
            enum err err = exchange_take(x, reply, &arena, &wanted);
            ASSERT(err == ERR_OK || err == ERR_INVALID);
            goes_on = err == ERR_OK;
            ASSERT(goes_on || !exchange_ask(x, &arena, &question));
        }
        arena_deinit(&arena);
        if (!goes_on)
            break;
    }
    exchange_destroy(x);
    route_map_destroy(map);
}

static void walk(struct route_map *asker, struct route_map *answerer)
{
    struct exchange *x = exchange_create(asker);
    ASSERT(x != NULL);
    exchange_begin(x);
    for (bool goes_on = true; goes_on;) {
        struct arena arena;
        arena_init(&arena, 1 << 14, ARENA_BYTES);
        Sluice__Controlplane__CompareRoutes question = SLUICE__CONTROLPLANE__COMPARE_ROUTES__INIT;
        Sluice__Controlplane__CompareRoutesReply reply = SLUICE__CONTROLPLANE__COMPARE_ROUTES_REPLY__INIT;
        Sluice__Controlplane__PublishRoutes wanted = SLUICE__CONTROLPLANE__PUBLISH_ROUTES__INIT;
        goes_on = exchange_ask(x, &arena, &question);
        if (goes_on) {
            ASSERT(exchange_answer(answerer, &question, &arena, &reply) == ERR_OK);
            ASSERT(exchange_take(x, &reply, &arena, &wanted) == ERR_OK);
            for (size_t i = 0; i < wanted.n_routes; i++)
                ASSERT(route_map_publish(answerer, wanted.routes[i]) != ERR_INVALID);
        }
        arena_deinit(&arena);
    }
    exchange_destroy(x);
}

static uint64_t holder(const struct route_map *map, size_t letter)
{
    const uint8_t key = (uint8_t)('a' + letter);
    const Sluice__Controlplane__GroupRoute *route = route_map_find(map, slice_make(&key, 1));
    return route == NULL ? 0 : route->group_id;
}

static void check_two(struct slice input)
{
    struct route_map *a = make_map(&input);
    struct route_map *b = make_map(&input);
    int rounds = 0;
    while (digest_tree_digest(route_map_digests(a), 0) != digest_tree_digest(route_map_digests(b), 0)) {
        walk(rounds % 2 == 0 ? a : b, rounds % 2 == 0 ? b : a);
        ASSERT(++rounds <= ROUNDS_MAX);
    }
    for (size_t letter = 0; letter < LETTERS; letter++)
        ASSERT(holder(a, letter) == holder(b, letter));
    route_map_destroy(a);
    route_map_destroy(b);
}

void fuzz_input(struct slice input)
{
    static void (*const CHECKS[])(struct slice) = {check_question, check_answer, check_two};
    uint8_t choice = fuzz_byte(&input);
    CHECKS[choice % (sizeof CHECKS / sizeof CHECKS[0])](input);
}

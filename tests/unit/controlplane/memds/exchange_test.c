/* Copies of the map that compare themselves, message by message, as bytes. */
#include "controlplane/memds/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/proto.h"
#include "base/random.h"

enum { LETTERS = 26, ROUNDS_MAX = 8, ARENA_BYTES = 64 << 20 };

struct traffic {
    size_t bytes;
    size_t questions;
};

/* The message as the other side gets it. */
static const void *carry(const ProtobufCMessage *message, struct arena *arena, struct traffic *traffic)
{
    struct slice packed = proto_pack(message, arena);
    traffic->bytes += packed.length;
    const void *unpacked = proto_unpack(message->descriptor, packed, arena);
    assert_non_null(unpacked);
    return unpacked;
}

static void give(struct route_map *to, const Sluice__Controlplane__PublishRoutes *wanted, struct arena *arena,
                 struct traffic *traffic)
{
    const Sluice__Controlplane__PublishRoutes *routes = carry(&wanted->base, arena, traffic);
    for (size_t i = 0; i < routes->n_routes; i++) {
        enum err err = route_map_publish(to, routes->routes[i]);
        assert_true(err == ERR_OK || err == ERR_STALE);
    }
}

/* One walk, asked by `asker`. */
static struct traffic walk(struct route_map *asker, struct route_map *answerer)
{
    struct traffic traffic = {0};
    struct exchange *x = exchange_create(asker);
    assert_non_null(x);
    exchange_begin(x);
    for (bool goes_on = true; goes_on;) {
        struct arena arena;
        arena_init(&arena, 65536, ARENA_BYTES);
        Sluice__Controlplane__CompareRoutes question = SLUICE__CONTROLPLANE__COMPARE_ROUTES__INIT;
        goes_on = exchange_ask(x, &arena, &question);
        if (goes_on) {
            Sluice__Controlplane__CompareRoutesReply reply = SLUICE__CONTROLPLANE__COMPARE_ROUTES_REPLY__INIT;
            Sluice__Controlplane__PublishRoutes wanted = SLUICE__CONTROLPLANE__PUBLISH_ROUTES__INIT;
            const void *heard = carry(&question.base, &arena, &traffic);
            assert_int_equal(exchange_answer(answerer, heard, &arena, &reply), ERR_OK);
            heard = carry(&reply.base, &arena, &traffic);
            assert_int_equal(exchange_take(x, heard, &arena, &wanted), ERR_OK);
            give(answerer, &wanted, &arena, &traffic);
            traffic.questions++;
        }
        arena_deinit(&arena);
    }
    exchange_destroy(x);
    return traffic;
}

static uint64_t digest(const struct route_map *map)
{
    return digest_tree_digest(route_map_digests(map), 0);
}

static uint64_t holder(const struct route_map *map, size_t letter)
{
    const char key[] = {(char)('a' + letter), 'x', '\0'};
    const Sluice__Controlplane__GroupRoute *route = route_map_find(map, slice_from_string(key));
    return route == NULL ? 0 : route->group_id;
}

/* ---- random histories ---- */

struct publication {
    Sluice__Controlplane__GroupRoute route;
    char bounds[2];
};

/* Of a few groups: created, moved, split, led by others, removed, in no order. A group's range follows from its epoch, or
 * copies could not agree on anything. */
static void draw(struct random *random, struct publication *p)
{
    sluice__controlplane__group_route__init(&p->route);
    p->route.group_id = 1 + random_below(random, 30);
    p->route.is_removed = random_one_in(random, 12);
    if (p->route.is_removed)
        return;
    p->route.range_epoch = 1 + random_below(random, 4);
    p->route.membership_version = 1 + random_below(random, 3);
    p->route.term = 1 + random_below(random, 3);
    p->bounds[0] = (char)('a' + (p->route.group_id * 7 + p->route.range_epoch * 3) % 20);
    p->bounds[1] = (char)(p->bounds[0] + 1 + (p->route.group_id + p->route.range_epoch) % 6);
    p->route.range_start = proto_bytes(slice_make((const uint8_t *)&p->bounds[0], 1));
    p->route.range_end = proto_bytes(slice_make((const uint8_t *)&p->bounds[1], 1));
}

static void publish(struct route_map *map, const struct publication *p)
{
    enum err err = route_map_publish(map, &p->route);
    assert_true(err == ERR_OK || err == ERR_STALE);
}

static void copies_with_different_histories_become_equal(void **state)
{
    enum { COPIES = 3, HISTORIES = 300, PUBLICATIONS = 60 };
    struct random random;
    random_init(&random, 7);
    for (int history = 0; history < HISTORIES; history++) {
        struct route_map *maps[COPIES];
        for (int i = 0; i < COPIES; i++)
            maps[i] = route_map_create();
        for (int i = 0; i < PUBLICATIONS; i++) {
            struct publication p;
            draw(&random, &p);
            for (int at = 0; at < COPIES; at++)
                if (!random_one_in(&random, 3))
                    publish(maps[at], &p);
        }
        int rounds = 0;
        while (digest(maps[0]) != digest(maps[1]) || digest(maps[1]) != digest(maps[2])) {
            for (int i = 0; i < COPIES; i++)
                (void)walk(maps[i], maps[(i + 1) % COPIES]);
            assert_in_range(++rounds, 1, ROUNDS_MAX);
        }
        for (size_t letter = 0; letter < LETTERS; letter++)
            for (int i = 1; i < COPIES; i++)
                assert_int_equal(holder(maps[i], letter), holder(maps[0], letter));
        for (int i = 0; i < COPIES; i++)
            route_map_destroy(maps[i]);
    }
}

/* ---- what it costs ---- */

/* Groups side by side, with three replicas as a real one has. */
static void publish_group(struct route_map *map, uint64_t group_id, uint64_t term)
{
    char bounds[2][9];
    Sluice__Controlplane__RouteReplica replicas[3];
    Sluice__Controlplane__RouteReplica *pointers[3];
    char host[] = "127.0.0.1", zone[] = "zone-a";
    Sluice__Controlplane__GroupRoute route = SLUICE__CONTROLPLANE__GROUP_ROUTE__INIT;
    for (unsigned i = 0; i < 3; i++) {
        sluice__controlplane__route_replica__init(&replicas[i]);
        replicas[i].replica_id = 3 * group_id + i;
        replicas[i].node_id = i + 1;
        replicas[i].host = host;
        replicas[i].zone = zone;
        replicas[i].port = 8020 + i;
        pointers[i] = &replicas[i];
    }
    for (unsigned i = 0; i < 2; i++)
        (void)snprintf(bounds[i], sizeof bounds[i], "%08u", (unsigned)(group_id + i));
    route.group_id = group_id;
    route.range_start = proto_bytes(slice_make((const uint8_t *)bounds[0], 8));
    route.range_end = proto_bytes(slice_make((const uint8_t *)bounds[1], 8));
    route.range_epoch = route.membership_version = 1;
    route.term = term;
    route.n_replicas = 3;
    route.replicas = pointers;
    assert_int_equal(route_map_publish(map, &route), ERR_OK);
}

static void bytes_grow_with_the_differences_not_with_the_map(void **state)
{
    enum { GROUPS = 20000, BYTES_PER_DIFFERENCE = 1200, BYTES_WHEN_EQUAL = 64 };
    struct route_map *a = route_map_create();
    struct route_map *b = route_map_create();
    struct random random;
    random_init(&random, 3);
    for (uint64_t group_id = 1; group_id <= GROUPS; group_id++) {
        publish_group(a, group_id, 1);
        publish_group(b, group_id, 1);
    }
    struct traffic equal = walk(a, b);
    assert_int_equal(equal.questions, 1);
    assert_in_range(equal.bytes, 1, BYTES_WHEN_EQUAL);
    uint64_t term = 2;
    for (size_t differences = 1; differences <= 1000; differences *= 10) {
        for (size_t i = 0; i < differences; i++)
            publish_group(random_one_in(&random, 2) ? a : b, 1 + random_below(&random, GROUPS), term++);
        struct traffic t = walk(a, b);
        assert_int_equal(digest(a), digest(b));
        assert_in_range(t.bytes, differences, differences * BYTES_PER_DIFFERENCE + BYTES_WHEN_EQUAL);
        print_message("%zu differences of %d groups: %zu questions, %zu bytes\n", differences, GROUPS,
                      t.questions, t.bytes);
    }
    route_map_destroy(a);
    route_map_destroy(b);
}

static void empty_copy_learns_everything_in_either_direction(void **state)
{
    enum { GROUPS = 5000 };
    for (int direction = 0; direction < 2; direction++) {
        struct route_map *full = route_map_create();
        struct route_map *empty = route_map_create();
        for (uint64_t group_id = 1; group_id <= GROUPS; group_id++)
            publish_group(full, group_id, group_id);
        struct traffic t = direction == 0 ? walk(empty, full) : walk(full, empty);
        assert_int_equal(route_map_count(empty), GROUPS);
        assert_int_equal(digest(empty), digest(full));
        print_message("%d groups to an empty copy: %zu questions, %zu bytes\n", GROUPS, t.questions, t.bytes);
        route_map_destroy(full);
        route_map_destroy(empty);
    }
}

/* ---- nonsense ---- */

static enum err answer(const struct route_map *map, Sluice__Controlplane__RoutePart *part, size_t times)
{
    Sluice__Controlplane__RoutePart *parts[EXCHANGE_PARTS_MAX + 1];
    Sluice__Controlplane__CompareRoutes question = SLUICE__CONTROLPLANE__COMPARE_ROUTES__INIT;
    Sluice__Controlplane__CompareRoutesReply reply = SLUICE__CONTROLPLANE__COMPARE_ROUTES_REPLY__INIT;
    struct arena arena;
    arena_init(&arena, 4096, ARENA_BYTES);
    for (size_t i = 0; i < times; i++)
        parts[i] = part;
    question.parts = parts;
    question.n_parts = times;
    enum err err = exchange_answer(map, &question, &arena, &reply);
    arena_deinit(&arena);
    return err;
}

static void question_without_sense_is_refused(void **state)
{
    struct route_map *map = route_map_create();
    uint64_t digests[DIGEST_FANOUT] = {0};
    Sluice__Controlplane__RoutePart part = SLUICE__CONTROLPLANE__ROUTE_PART__INIT;
    assert_int_equal(answer(map, &part, EXCHANGE_PARTS_MAX), ERR_OK);
    assert_int_equal(answer(map, &part, EXCHANGE_PARTS_MAX + 1), ERR_INVALID);
    part.part = DIGEST_PART_COUNT;
    assert_int_equal(answer(map, &part, 1), ERR_INVALID);
    part.part = DIGEST_LEAF_FIRST - 1;
    part.digests = digests;
    part.n_digests = DIGEST_FANOUT - 1;
    assert_int_equal(answer(map, &part, 1), ERR_INVALID);
    part.n_digests = DIGEST_FANOUT;
    assert_int_equal(answer(map, &part, 1), ERR_OK);
    part.part = DIGEST_LEAF_FIRST;
    assert_int_equal(answer(map, &part, 1), ERR_INVALID);
    route_map_destroy(map);
}

/* After the root, which differs: this answer to the question about it. */
static enum err take(struct route_map *map, uint32_t *different, size_t count, uint64_t *wanted,
                     size_t wanted_count)
{
    struct exchange *x = exchange_create(map);
    struct arena arena;
    enum err err = ERR_OK;
    arena_init(&arena, 4096, ARENA_BYTES);
    exchange_begin(x);
    for (int step = 0; step < 2; step++) {
        Sluice__Controlplane__CompareRoutes question = SLUICE__CONTROLPLANE__COMPARE_ROUTES__INIT;
        Sluice__Controlplane__CompareRoutesReply reply = SLUICE__CONTROLPLANE__COMPARE_ROUTES_REPLY__INIT;
        Sluice__Controlplane__PublishRoutes ask = SLUICE__CONTROLPLANE__PUBLISH_ROUTES__INIT;
        assert_true(exchange_ask(x, &arena, &question));
        if (step == 1) {
            reply.different = different;
            reply.n_different = count;
            reply.wanted = wanted;
            reply.n_wanted = wanted_count;
        }
        err = exchange_take(x, &reply, &arena, &ask);
    }
    if (err != ERR_OK) {
        Sluice__Controlplane__CompareRoutes question = SLUICE__CONTROLPLANE__COMPARE_ROUTES__INIT;
        assert_false(exchange_ask(x, &arena, &question));
    }
    arena_deinit(&arena);
    exchange_destroy(x);
    return err;
}

static void answer_without_sense_ends_the_walk(void **state)
{
    struct route_map *map = route_map_create();
    uint32_t children[DIGEST_FANOUT + 1];
    uint64_t wanted[] = {1};
    for (uint32_t i = 0; i <= DIGEST_FANOUT; i++)
        children[i] = 1 + i % DIGEST_FANOUT;
    assert_int_equal(take(map, children, DIGEST_FANOUT, NULL, 0), ERR_OK);
    assert_int_equal(take(map, children, DIGEST_FANOUT + 1, NULL, 0), ERR_INVALID);
    assert_int_equal(take(map, &(uint32_t){0}, 1, NULL, 0), ERR_INVALID);
    assert_int_equal(take(map, &(uint32_t){17}, 1, NULL, 0), ERR_INVALID);
    assert_int_equal(take(map, &(uint32_t){DIGEST_PART_COUNT}, 1, NULL, 0), ERR_INVALID);
    assert_int_equal(take(map, NULL, 0, wanted, 1), ERR_INVALID);
    route_map_destroy(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_with_different_histories_become_equal),
        cmocka_unit_test(bytes_grow_with_the_differences_not_with_the_map),
        cmocka_unit_test(empty_copy_learns_everything_in_either_direction),
        cmocka_unit_test(question_without_sense_is_refused),
        cmocka_unit_test(answer_without_sense_ends_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

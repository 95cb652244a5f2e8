#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/proto.h"
#include "base/random.h"
#include "controlplane/memds/route_map.h"

/* Bounds are single letters; "" is no end. */
struct publication {
    uint64_t group_id;
    const char *start;
    const char *end;
    uint64_t range_epoch;
    uint64_t membership_version;
    uint64_t term;
};

static enum err publish(struct route_map *map, struct publication p)
{
    Sluice__Controlplane__GroupRoute route;
    sluice__controlplane__group_route__init(&route);
    route.group_id = p.group_id;
    route.range_start = proto_bytes(slice_from_string(p.start));
    route.range_end = proto_bytes(slice_from_string(p.end));
    route.range_epoch = p.range_epoch;
    route.membership_version = p.membership_version;
    route.term = p.term;
    return route_map_publish(map, &route);
}

static enum err remove_group(struct route_map *map, uint64_t group_id)
{
    Sluice__Controlplane__GroupRoute route;
    sluice__controlplane__group_route__init(&route);
    route.group_id = group_id;
    route.is_removed = true;
    return route_map_publish(map, &route);
}

static uint64_t holder(const struct route_map *map, const char *key)
{
    const Sluice__Controlplane__GroupRoute *route = route_map_find(map, slice_from_string(key));
    return route == NULL ? 0 : route->group_id;
}

static void key_is_found_in_its_range_only(void **state)
{
    struct route_map *map = route_map_create();
    assert_int_equal(publish(map, (struct publication){7, "b", "d", 1, 1, 1}), ERR_OK);
    assert_int_equal(publish(map, (struct publication){8, "f", "", 1, 1, 1}), ERR_OK);
    assert_int_equal(holder(map, "a"), 0);
    assert_int_equal(holder(map, "b"), 7);
    assert_int_equal(holder(map, "czzz"), 7);
    assert_int_equal(holder(map, "d"), 0);
    assert_int_equal(holder(map, "zzz"), 8);
    assert_int_equal(route_map_count(map), 2);
    route_map_destroy(map);
}

static void newer_word_of_a_group_wins_by_epoch_membership_and_term(void **state)
{
    struct route_map *map = route_map_create();
    assert_int_equal(publish(map, (struct publication){7, "b", "d", 1, 2, 3}), ERR_OK);
    assert_int_equal(publish(map, (struct publication){7, "b", "d", 1, 2, 3}), ERR_STALE);
    assert_int_equal(publish(map, (struct publication){7, "b", "d", 1, 1, 9}), ERR_STALE);
    assert_int_equal(publish(map, (struct publication){7, "b", "d", 1, 2, 4}), ERR_OK);
    assert_int_equal(publish(map, (struct publication){7, "b", "d", 1, 3, 1}), ERR_OK);
    assert_int_equal(publish(map, (struct publication){7, "b", "c", 2, 1, 1}), ERR_OK);
    assert_int_equal(publish(map, (struct publication){7, "b", "d", 1, 9, 9}), ERR_STALE);
    assert_int_equal(holder(map, "c"), 0);
    route_map_destroy(map);
}

static void children_of_a_split_win_in_any_order(void **state)
{
    struct route_map *map = route_map_create();
    assert_int_equal(publish(map, (struct publication){1, "a", "m", 1, 1, 1}), ERR_OK);
    assert_int_equal(publish(map, (struct publication){3, "g", "m", 2, 1, 1}), ERR_OK);
    assert_int_equal(holder(map, "b"), 1); /* the parent keeps what no child has claimed */
    assert_int_equal(publish(map, (struct publication){1, "a", "m", 1, 1, 2}), ERR_OK);
    assert_int_equal(holder(map, "h"), 3);
    assert_int_equal(publish(map, (struct publication){2, "a", "g", 2, 1, 1}), ERR_OK);
    assert_int_equal(holder(map, "b"), 2);
    assert_int_equal(route_map_count(map), 2);
    assert_int_equal(publish(map, (struct publication){1, "a", "m", 1, 1, 3}), ERR_STALE);
    assert_int_equal(holder(map, "b"), 2);
    route_map_destroy(map);
}

static void removed_group_stays_removed(void **state)
{
    struct route_map *map = route_map_create();
    assert_int_equal(publish(map, (struct publication){7, "b", "d", 1, 1, 1}), ERR_OK);
    assert_int_equal(remove_group(map, 7), ERR_OK);
    assert_int_equal(holder(map, "b"), 0);
    assert_int_equal(publish(map, (struct publication){7, "b", "d", 1, 1, 2}), ERR_STALE);
    assert_int_equal(remove_group(map, 7), ERR_STALE);
    assert_int_equal(remove_group(map, 9), ERR_OK);
    assert_int_equal(publish(map, (struct publication){9, "b", "d", 1, 1, 1}), ERR_STALE);
    assert_int_equal(route_map_count(map), 0);
    route_map_destroy(map);
}

static void what_lay_below_comes_back_when_the_upper_group_goes_or_shrinks(void **state)
{
    struct route_map *map = route_map_create();
    assert_int_equal(publish(map, (struct publication){1, "a", "m", 1, 1, 1}), ERR_OK);
    assert_int_equal(publish(map, (struct publication){2, "c", "k", 2, 1, 1}), ERR_OK);
    assert_int_equal(publish(map, (struct publication){2, "c", "e", 3, 1, 1}), ERR_OK);
    assert_int_equal(holder(map, "d"), 2);
    assert_int_equal(holder(map, "f"), 1);
    assert_int_equal(remove_group(map, 2), ERR_OK);
    assert_int_equal(holder(map, "d"), 1);
    assert_int_equal(route_map_count(map), 1);
    route_map_destroy(map);
}

static void equal_epochs_are_decided_by_id_whoever_comes_first(void **state)
{
    for (uint64_t first = 1; first <= 2; first++) {
        struct route_map *map = route_map_create();
        assert_int_equal(publish(map, (struct publication){first, "a", "m", 1, 1, 1}), ERR_OK);
        enum err err = publish(map, (struct publication){3 - first, "c", "z", 1, 1, 1});
        assert_int_equal(err, ERR_OK);
        assert_int_equal(holder(map, "d"), 2);
        assert_int_equal(holder(map, first == 1 ? "b" : "y"), 1);
        route_map_destroy(map);
    }
}

static void nonsense_is_refused(void **state)
{
    struct route_map *map = route_map_create();
    assert_int_equal(publish(map, (struct publication){0, "b", "d", 1, 1, 1}), ERR_INVALID);
    assert_int_equal(publish(map, (struct publication){7, "d", "b", 1, 1, 1}), ERR_INVALID);
    assert_int_equal(publish(map, (struct publication){7, "d", "d", 1, 1, 1}), ERR_INVALID);
    route_map_destroy(map);
}

static void every_failed_allocation_is_an_error(void **state)
{
    enum err err = ERR_NO_MEMORY;
    for (int n = 0; err != ERR_OK; n++) {
        struct route_map *map = route_map_create();
        assert_int_equal(publish(map, (struct publication){7, "b", "d", 1, 1, 1}), ERR_OK);
        memory_fail_after(n);
        err = publish(map, (struct publication){8, "c", "f", 2, 1, 1});
        memory_fail_after(-1);
        assert_int_equal(holder(map, "b"), 7);
        assert_int_equal(holder(map, "e"), err == ERR_OK ? 8 : 0);
        route_map_destroy(map);
    }
}

enum { LETTERS = 26, ROUNDS = 300, PUBLICATIONS = 60 };

/* For one letter: the group of the highest range epoch that was painted there, of equals the one of the highest id. */
struct model {
    uint64_t holders[LETTERS];
    uint64_t epochs[LETTERS];
};

static void random_ranges_agree_with_a_model_by_letters(void **state)
{
    struct random random;
    random_init(&random, 42);
    for (int round = 0; round < ROUNDS; round++) {
        struct route_map *map = route_map_create();
        struct model model = {{0}, {0}};
        for (uint64_t group = 1; group <= PUBLICATIONS; group++) {
            size_t start = random_below(&random, LETTERS);
            size_t end = start + 1 + random_below(&random, LETTERS - start);
            uint64_t epoch = 1 + random_below(&random, 6);
            const char from[] = {(char)('a' + start), '\0'};
            const char to[] = {end == LETTERS ? '\0' : (char)('a' + end), '\0'};
            enum err err = publish(map, (struct publication){group, from, to, epoch, 1, 1});
            bool is_anywhere = false;
            for (size_t i = start; i < end; i++) {
                if (model.holders[i] != 0 && model.epochs[i] > epoch) /* ids grow */
                    continue;
                model.holders[i] = group;
                model.epochs[i] = epoch;
                is_anywhere = true;
            }
            assert_int_equal(err, is_anywhere ? ERR_OK : ERR_STALE);
            for (size_t i = 0; i < LETTERS; i++) {
                const char key[] = {(char)('a' + i), 'x', '\0'};
                assert_int_equal(holder(map, key), model.holders[i]);
            }
        }
        route_map_destroy(map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_is_found_in_its_range_only),
        cmocka_unit_test(newer_word_of_a_group_wins_by_epoch_membership_and_term),
        cmocka_unit_test(children_of_a_split_win_in_any_order),
        cmocka_unit_test(removed_group_stays_removed),
        cmocka_unit_test(what_lay_below_comes_back_when_the_upper_group_goes_or_shrinks),
        cmocka_unit_test(equal_epochs_are_decided_by_id_whoever_comes_first),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(every_failed_allocation_is_an_error),
        cmocka_unit_test(random_ranges_agree_with_a_model_by_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

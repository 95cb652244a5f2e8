#include "dataplane/client/route_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/proto.h"

static Sluice__Dataplane__Route route(uint64_t group, const char *start, const char *end, uint64_t epoch,
                                      uint64_t term)
{
    Sluice__Dataplane__Route r = SLUICE__DATAPLANE__ROUTE__INIT;
    r.group_id = group;
    r.range_start = proto_bytes(slice_from_string(start));
    r.range_end = proto_bytes(slice_from_string(end));
    r.range_epoch = epoch;
    r.term = term;
    r.leader_replica_id = group * 10 + term;
    return r;
}

static uint64_t group_at(struct route_cache *cache, const char *key)
{
    const struct route *found = route_cache_find(cache, slice_from_string(key));
    return found == NULL ? 0 : found->group_id;
}

static void put(struct route_cache *cache, Sluice__Dataplane__Route r)
{
    assert_int_equal(route_cache_put(cache, &r), ERR_OK);
}

static void a_key_is_found_in_its_range_only(void **state)
{
    struct route_cache *cache = route_cache_create();
    assert_int_equal(group_at(cache, "a"), 0);
    put(cache, route(2, "m", "", 1, 1));
    put(cache, route(1, "c", "m", 1, 1));
    assert_int_equal(group_at(cache, "b"), 0);
    assert_int_equal(group_at(cache, "c"), 1);
    assert_int_equal(group_at(cache, "lzzz"), 1);
    assert_int_equal(group_at(cache, "m"), 2);
    assert_int_equal(group_at(cache, "zzz"), 2);
    route_cache_destroy(cache);
}

static void only_a_newer_route_replaces(void **state)
{
    struct route_cache *cache = route_cache_create();
    put(cache, route(1, "a", "z", 1, 5));
    put(cache, route(1, "a", "z", 1, 4));
    assert_int_equal(route_cache_find(cache, SLICE_LITERAL("b"))->term, 5);
    put(cache, route(1, "a", "z", 1, 6));
    assert_int_equal(route_cache_find(cache, SLICE_LITERAL("b"))->term, 6);
    assert_int_equal(route_cache_count(cache), 1);
    route_cache_destroy(cache);
}

static void a_split_replaces_its_parent_and_the_parent_does_not_come_back(void **state)
{
    struct route_cache *cache = route_cache_create();
    put(cache, route(1, "a", "z", 1, 5));
    put(cache, route(2, "a", "m", 2, 1));
    assert_int_equal(group_at(cache, "b"), 2);
    assert_int_equal(group_at(cache, "n"), 1); /* it knows more of the other one than nobody */
    put(cache, route(3, "m", "z", 2, 1));
    put(cache, route(1, "a", "z", 1, 9));
    assert_int_equal(group_at(cache, "b"), 2);
    assert_int_equal(group_at(cache, "n"), 3);
    assert_int_equal(route_cache_count(cache), 2);
    route_cache_destroy(cache);
}

static void a_parent_keeps_what_no_child_has_claimed(void **state)
{
    struct route_cache *cache = route_cache_create();
    put(cache, route(1, "a", "z", 1, 5));
    put(cache, route(2, "f", "m", 3, 1));
    assert_int_equal(route_cache_count(cache), 3);
    assert_int_equal(group_at(cache, "a"), 1);
    assert_int_equal(group_at(cache, "f"), 2);
    assert_int_equal(group_at(cache, "m"), 1);
    put(cache, route(1, "a", "z", 1, 6)); /* it goes around the newer one */
    assert_int_equal(route_cache_count(cache), 3);
    assert_int_equal(route_cache_find(cache, SLICE_LITERAL("b"))->term, 6);
    assert_int_equal(route_cache_find(cache, SLICE_LITERAL("n"))->term, 6);
    assert_int_equal(group_at(cache, "g"), 2);
    assert_int_equal(group_at(cache, "z"), 0);
    route_cache_destroy(cache);
}

static void a_late_parent_fills_the_gap_that_its_children_leave(void **state)
{
    struct route_cache *cache = route_cache_create();
    put(cache, route(2, "c", "f", 2, 1));
    put(cache, route(3, "t", "", 3, 1));
    put(cache, route(1, "a", "", 1, 5));
    assert_int_equal(route_cache_count(cache), 4);
    assert_int_equal(group_at(cache, "b"), 1);
    assert_int_equal(group_at(cache, "d"), 2);
    assert_int_equal(group_at(cache, "f"), 1);
    assert_int_equal(group_at(cache, "s"), 1);
    assert_int_equal(group_at(cache, "t"), 3);
    put(cache, route(4, "a", "", 4, 1));
    assert_int_equal(route_cache_count(cache), 1);
    assert_int_equal(group_at(cache, "d"), 4);
    route_cache_destroy(cache);
}

static void a_forgotten_route_is_gone_only_for_its_group(void **state)
{
    struct route_cache *cache = route_cache_create();
    put(cache, route(1, "a", "z", 1, 5));
    route_cache_forget(cache, SLICE_LITERAL("b"), 2);
    assert_int_equal(group_at(cache, "b"), 1);
    route_cache_forget(cache, SLICE_LITERAL("b"), 1);
    assert_int_equal(group_at(cache, "b"), 0);
    route_cache_destroy(cache);
}

static void a_route_that_nobody_uses_goes_after_a_while(void **state)
{
    struct route_cache *cache = route_cache_create();
    put(cache, route(1, "a", "c", 1, 1));
    put(cache, route(2, "c", "e", 1, 1));
    put(cache, route(3, "e", "g", 1, 1));
    for (int round = 0; round < 5; round++) {
        route_cache_find(cache, SLICE_LITERAL("c"))->is_used = true;
        assert_int_equal(route_cache_count(cache), 3);
        route_cache_find(cache, SLICE_LITERAL("e"))->is_used = round == 3;
        route_cache_age(cache, 5);
    }
    assert_int_equal(group_at(cache, "a"), 0);
    assert_int_equal(group_at(cache, "c"), 2);
    assert_int_equal(group_at(cache, "e"), 3);
    route_cache_destroy(cache);
}

static void nonsense_is_ignored(void **state)
{
    struct route_cache *cache = route_cache_create();
    put(cache, route(0, "a", "z", 1, 1));
    put(cache, route(1, "z", "a", 1, 1));
    assert_int_equal(route_cache_count(cache), 0);
    route_cache_destroy(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_found_in_its_range_only),
        cmocka_unit_test(only_a_newer_route_replaces),
        cmocka_unit_test(a_split_replaces_its_parent_and_the_parent_does_not_come_back),
        cmocka_unit_test(a_parent_keeps_what_no_child_has_claimed),
        cmocka_unit_test(a_late_parent_fills_the_gap_that_its_children_leave),
        cmocka_unit_test(a_forgotten_route_is_gone_only_for_its_group),
        cmocka_unit_test(a_route_that_nobody_uses_goes_after_a_while),
        cmocka_unit_test(nonsense_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "dataplane/node/entry_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/memory.h"

static void put(struct entry_cache *c, uint64_t index, uint64_t term)
{
    char text[32];
    int length = snprintf(text, sizeof text, "entry %llu", (unsigned long long)index);
    assert_int_equal(entry_cache_put(c, index, term, slice_make(text, (size_t)length)), ERR_OK);
}

static void entries_are_found_by_index_across_the_rings_end(void **state)
{
    struct entry_cache c;
    entry_cache_init(&c);
    for (uint64_t i = 1; i <= 1000; i++) {
        put(&c, i, 1);
        if (i > 20)
            entry_cache_trim(&c, i - 10, 150);
    }
    const struct cached_entry *last = entry_cache_find(&c, 1000);
    assert_non_null(last);
    assert_true(slice_equal_string(last->body, "entry 1000"));
    assert_non_null(entry_cache_find(&c, 991));
    assert_null(entry_cache_find(&c, 500));
    assert_null(entry_cache_find(&c, 1001));
    entry_cache_deinit(&c);
}

static void a_replaced_entry_takes_all_behind_it_along(void **state)
{
    struct entry_cache c;
    entry_cache_init(&c);
    for (uint64_t i = 5; i <= 9; i++)
        put(&c, i, 1);
    put(&c, 7, 2);
    assert_int_equal(entry_cache_find(&c, 7)->term, 2);
    assert_null(entry_cache_find(&c, 8));
    assert_non_null(entry_cache_find(&c, 5));
    entry_cache_deinit(&c);
}

static void a_gap_empties_it_first(void **state)
{
    struct entry_cache c;
    entry_cache_init(&c);
    put(&c, 1, 1);
    put(&c, 10, 1);
    assert_null(entry_cache_find(&c, 1));
    assert_non_null(entry_cache_find(&c, 10));
    assert_int_equal(c.bytes, strlen("entry 10"));
    entry_cache_deinit(&c);
}

static void without_memory_it_stays_as_it_was(void **state)
{
    struct entry_cache c;
    entry_cache_init(&c);
    for (uint64_t i = 1; i <= 8; i++)
        put(&c, i, 1);
    for (int64_t successes = 0; successes < 2; successes++) {
        memory_fail_after(successes);
        enum err err = entry_cache_put(&c, 9, 1, SLICE_LITERAL("x"));
        memory_fail_after(-1);
        assert_int_equal(err, ERR_NO_MEMORY);
        assert_null(entry_cache_find(&c, 9));
        assert_non_null(entry_cache_find(&c, 8));
    }
    entry_cache_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found_by_index_across_the_rings_end),
        cmocka_unit_test(a_replaced_entry_takes_all_behind_it_along),
        cmocka_unit_test(a_gap_empties_it_first),
        cmocka_unit_test(without_memory_it_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

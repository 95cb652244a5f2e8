#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"

static void small_things_are_aligned_and_apart(void **state)
{
    struct arena a;
    arena_init(&a, 256, 100000);
    uint8_t *last = NULL;
    for (size_t i = 0; i < 200; i++) {
        uint8_t *p = arena_alloc(&a, i % 40);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_ptr_not_equal(p, last);
        memset(p, (int)i, i % 40);
        last = p;
    }
    assert_false(arena_has_failed(&a));
    arena_deinit(&a);
}

static void a_spent_arena_remembers_it(void **state)
{
    struct arena a;
    arena_init(&a, 64, 256);
    while (arena_alloc(&a, 48) != NULL)
        ;
    assert_true(arena_has_failed(&a));
    assert_true(a.used_bytes <= 256);
    assert_null(
        arena_copy(&a, SLICE_LITERAL("a text of more than forty-eight bytes, which is not there")).data);
    arena_reset(&a);
    assert_false(arena_has_failed(&a));
    assert_non_null(arena_alloc(&a, 48));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 8));
    assert_true(arena_has_failed(&a));
    arena_deinit(&a);
}

static void copies_and_strings_belong_to_the_arena(void **state)
{
    struct arena a;
    arena_init(&a, 64, 4096);
    assert_string_equal(arena_string(&a, SLICE_LITERAL("abc")), "abc");
    assert_string_equal(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
    assert_true(slice_equal_string(arena_copy(&a, SLICE_LITERAL("copy")), "copy"));
    assert_non_null(arena_copy(&a, SLICE_EMPTY).data);
    const uint8_t *zeroed = arena_zalloc(&a, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(zeroed[i], 0);
    arena_deinit(&a);
}

static void running_out_of_memory_is_remembered(void **state)
{
    struct arena a;
    arena_init(&a, 64, 4096);
    memory_fail_after(0);
    assert_null(arena_alloc(&a, 10));
    memory_fail_after(-1);
    assert_true(arena_has_failed(&a));
    assert_non_null(arena_alloc(&a, 10));
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_things_are_aligned_and_apart),
        cmocka_unit_test(a_spent_arena_remembers_it),
        cmocka_unit_test(copies_and_strings_belong_to_the_arena),
        cmocka_unit_test(running_out_of_memory_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

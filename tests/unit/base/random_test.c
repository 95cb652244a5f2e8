#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void the_same_seed_gives_the_same_numbers(void **state)
{
    /* xoshiro256** with splitmix64(42) as its seed, computed apart from this code. */
    static const uint64_t expected[] = {0x15780B2E0C2EC716, 0x6104D9866D113A7E, 0xAE17533239E499A1,
                                        0xECB8AD4703B360A1, 0xFDE6DC7FE2EC5E64};
    struct random r;
    random_init(&r, 42);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_int_equal(random_u64(&r), expected[i]);
}

static void numbers_below_a_bound_are_even(void **state)
{
    struct random r;
    random_init(&r, 1);
    int counts[10] = {0};
    for (int i = 0; i < 100000; i++)
        counts[random_below(&r, 10)]++;
    for (int i = 0; i < 10; i++)
        assert_in_range(counts[i], 9500, 10500);
    int hits = 0;
    for (int i = 0; i < 100000; i++)
        hits += random_one_in(&r, 100);
    assert_in_range(hits, 850, 1150);
    assert_int_equal(random_below(&r, 1), 0);
}

static void secrets_differ(void **state)
{
    uint8_t a[32] = {0}, b[32] = {0};
    random_secret(a, sizeof a);
    random_secret(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_numbers),
        cmocka_unit_test(numbers_below_a_bound_are_even),
        cmocka_unit_test(secrets_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

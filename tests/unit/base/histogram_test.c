#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void quantiles_are_at_most_a_32nd_above_the_truth(void **state)
{
    enum { COUNT = 20000 };
    struct histogram *h = memory_zalloc(sizeof *h);
    uint64_t *values = memory_alloc(COUNT * sizeof *values);
    struct random random;
    random_init(&random, 3);
    for (int i = 0; i < COUNT; i++) {
        values[i] = random_u64(&random) >> (25 + random_below(&random, 38));
        histogram_record(h, values[i]);
    }
    qsort(values, COUNT, sizeof *values, compare);
    for (uint64_t permille = 1; permille <= 1000; permille++) {
        uint64_t truth = values[(COUNT * permille + 999) / 1000 - 1];
        uint64_t found = histogram_quantile(h, permille, 1000);
        assert_true(found >= truth && found <= truth + truth / 32);
    }
    memory_free(h);
    memory_free(values);
}

static void small_values_are_exact_and_large_ones_are_cut(void **state)
{
    for (uint64_t value = 0; value < 64; value++) {
        struct histogram h = {0};
        histogram_record(&h, value);
        histogram_record(&h, 1000);
        assert_int_equal(histogram_quantile(&h, 1, 2), value);
    }
    struct histogram h = {0};
    histogram_record(&h, UINT64_MAX);
    assert_int_equal(histogram_quantile(&h, 1, 1), (UINT64_C(1) << 40) - 1);
}

static void merging_is_recording_in_one(void **state)
{
    struct histogram a = {0}, b = {0}, both = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        histogram_record(i % 3 == 0 ? &a : &b, i * i);
        histogram_record_many(&both, i * i, 1);
    }
    histogram_merge(&a, &b);
    assert_memory_equal(&a, &both, sizeof a);
}

static void an_empty_histogram_gives_zero(void **state)
{
    struct histogram h = {0};
    histogram_record_many(&h, 7, 0);
    assert_int_equal(histogram_quantile(&h, 99, 100), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_at_most_a_32nd_above_the_truth),
        cmocka_unit_test(small_values_are_exact_and_large_ones_are_cut),
        cmocka_unit_test(merging_is_recording_in_one),
        cmocka_unit_test(an_empty_histogram_gives_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "admission/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"

enum { US_PER_S = 1000 * 1000, SEEDS = 50 };

static struct capacity units(int64_t units)
{
    return (struct capacity){units * 1000};
}

static void a_bucket_begins_with_one_second_of_its_rate(void **state)
{
    struct bucket b;
    bucket_init(&b, units(10), 5);
    for (int i = 0; i < 10; i++) {
        assert_true(bucket_has_any(&b, 5));
        bucket_charge(&b, units(1), 5);
    }
    assert_false(bucket_has_any(&b, 5));
    assert_true(bucket_has_any(&b, 6)); /* a hundred-thousandth of a unit */
}

static void debts_are_paid_before_the_next_one_starts(void **state)
{
    struct bucket b;
    bucket_init(&b, units(10), 0);
    bucket_charge(&b, units(400), 0); /* 390 too much: 39 s */
    assert_false(bucket_has_any(&b, 39ull * US_PER_S));
    assert_true(bucket_has_any(&b, 39ull * US_PER_S + 1));
}

static void what_is_not_used_is_kept_for_one_second_only(void **state)
{
    struct bucket b;
    bucket_init(&b, units(10), 0);
    assert_true(bucket_has_any(&b, 1000ull * US_PER_S));
    bucket_charge(&b, units(10), 1000ull * US_PER_S);
    assert_false(bucket_has_any(&b, 1000ull * US_PER_S));
}

/* A long read is charged at its end: what was earned beyond the brim meanwhile is not set against it. */
static void a_late_charge_counts_in_full(void **state)
{
    struct bucket b;
    bucket_init(&b, units(10), 0);
    assert_true(bucket_has_any(&b, 0));
    bucket_charge(&b, units(10), 5ull * US_PER_S);
    assert_false(bucket_has_any(&b, 5ull * US_PER_S));
}

static void short_steps_lose_nothing(void **state)
{
    for (uint64_t step_us = 1; step_us <= 1000; step_us *= 10) {
        struct bucket b;
        bucket_init(&b, (struct capacity){7}, 0); /* a unit in 143 s */
        bucket_charge(&b, (struct capacity){14}, 0);
        for (uint64_t now_us = 0; now_us <= US_PER_S; now_us += step_us)
            assert_false(bucket_has_any(&b, now_us));
        assert_true(bucket_has_any(&b, US_PER_S + 1));
    }
}

static void a_clock_that_goes_back_earns_nothing(void **state)
{
    struct bucket b;
    bucket_init(&b, units(1), 10ull * US_PER_S);
    bucket_charge(&b, units(1), 10ull * US_PER_S);
    assert_false(bucket_has_any(&b, 0));
    assert_false(bucket_has_any(&b, 10ull * US_PER_S));
    assert_true(bucket_has_any(&b, 10ull * US_PER_S + 1));
}

static void no_rate_is_no_limit(void **state)
{
    struct bucket b;
    bucket_init(&b, units(0), 0);
    bucket_charge(&b, units(1000000), 0);
    assert_true(bucket_has_any(&b, 0));
    bucket_set_rate(&b, units(5), 1);
    bucket_charge(&b, units(4), 1);
    assert_true(bucket_has_any(&b, 1));
    bucket_charge(&b, units(1), 1);
    assert_false(bucket_has_any(&b, 1));
    bucket_set_rate(&b, units(0), 1);
    assert_true(bucket_has_any(&b, 1));
}

static void another_rate_keeps_debts_and_what_fits(void **state)
{
    struct bucket b;
    bucket_init(&b, units(10), 0);
    bucket_charge(&b, units(30), 0); /* owes 20 */
    bucket_set_rate(&b, units(20), 0);
    assert_false(bucket_has_any(&b, US_PER_S));
    assert_true(bucket_has_any(&b, US_PER_S + 1));
    assert_true(bucket_has_any(&b, 10ull * US_PER_S)); /* 20 */
    bucket_set_rate(&b, units(5), 10ull * US_PER_S);
    bucket_charge(&b, units(5), 10ull * US_PER_S);
    assert_false(bucket_has_any(&b, 10ull * US_PER_S));
    bucket_set_rate(&b, units(5), 10ull * US_PER_S); /* the same one again changes nothing */
    assert_false(bucket_has_any(&b, 10ull * US_PER_S));
}

static void extremes_do_not_overflow(void **state)
{
    struct bucket b;
    bucket_init(&b, (struct capacity){INT64_MAX}, 0);
    assert_int_equal(bucket_rate(&b).milli, BUCKET_MILLI_PER_S_MAX);
    for (int i = 0; i < 10; i++)
        bucket_charge(&b, (struct capacity){INT64_MAX}, UINT64_MAX / 2);
    assert_false(bucket_has_any(&b, UINT64_MAX / 2));
    assert_true(bucket_has_any(&b, UINT64_MAX));
    bucket_init(&b, (struct capacity){-1}, 0);
    assert_int_equal(bucket_rate(&b).milli, 0);
    bucket_init(&b, (struct capacity){1}, 0);
    bucket_charge(&b, (struct capacity){-5}, 0);
    bucket_charge(&b, (struct capacity){1}, 0);
    assert_false(bucket_has_any(&b, 0));
}

/* The obvious model, microsecond by microsecond. */
struct model {
    int64_t rate;
    int64_t nano;
    uint64_t now_us;
};

static void model_move(struct model *m, uint64_t now_us)
{
    for (; m->now_us < now_us; m->now_us++) {
        m->nano += m->rate;
        if (m->nano > m->rate * US_PER_S)
            m->nano = m->rate * US_PER_S;
    }
}

static void random_arrivals_are_as_the_model_says(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random random;
        random_init(&random, seed);
        struct capacity rate = {1 + (int64_t)random_below(&random, 3000000)};
        struct model model = {.rate = rate.milli, .nano = rate.milli * US_PER_S};
        struct bucket b;
        bucket_init(&b, rate, 0);
        uint64_t now_us = 0;
        for (int i = 0; i < 500; i++) {
            now_us += random_below(&random, random_one_in(&random, 50) ? 100000 : 1000);
            model_move(&model, now_us);
            assert_int_equal(bucket_has_any(&b, now_us), model.nano > 0);
            struct capacity cost = {500 *
                                    (int64_t)random_below(&random, random_one_in(&random, 20) ? 800 : 8)};
            if (model.nano <= 0)
                continue;
            bucket_charge(&b, cost, now_us);
            model.nano -= cost.milli * US_PER_S;
        }
    }
}

/* What a client gets that asks all the time, and one that asks at random times. */
static void the_average_is_the_rate_and_not_more(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random random;
        random_init(&random, seed);
        struct capacity rate = units(1 + (int64_t)random_below(&random, 3000));
        int64_t cost_max = 1000 * (1 + (int64_t)random_below(&random, 400));
        uint64_t pause_us = 1 + random_below(&random, 200), seconds = 100;
        struct bucket b;
        bucket_init(&b, rate, 0);
        int64_t charged = 0, last = 0;
        for (uint64_t now_us = 0; now_us <= seconds * US_PER_S;
             now_us += 1 + random_below(&random, 2 * pause_us)) {
            if (!bucket_has_any(&b, now_us))
                continue;
            last = 500 + (int64_t)random_below(&random, (uint64_t)cost_max);
            bucket_charge(&b, (struct capacity){last}, now_us);
            charged += last;
        }
        int64_t earned = rate.milli * (int64_t)seconds;
        assert_true(charged - last <= earned + rate.milli);
        if (rate.milli * 200 * (int64_t)pause_us / US_PER_S < cost_max) /* it asked often enough */
            assert_true(charged * 100 >= earned * 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_begins_with_one_second_of_its_rate),
        cmocka_unit_test(debts_are_paid_before_the_next_one_starts),
        cmocka_unit_test(what_is_not_used_is_kept_for_one_second_only),
        cmocka_unit_test(a_late_charge_counts_in_full),
        cmocka_unit_test(short_steps_lose_nothing),
        cmocka_unit_test(a_clock_that_goes_back_earns_nothing),
        cmocka_unit_test(no_rate_is_no_limit),
        cmocka_unit_test(another_rate_keeps_debts_and_what_fits),
        cmocka_unit_test(extremes_do_not_overflow),
        cmocka_unit_test(random_arrivals_are_as_the_model_says),
        cmocka_unit_test(the_average_is_the_rate_and_not_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

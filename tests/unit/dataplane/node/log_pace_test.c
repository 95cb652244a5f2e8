/* When a disk is slow, and who should lead then. */
#include "dataplane/node/log_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MS = 1000, FAST_US = 500, SLOW_US = 100 * MS, SYNCS = 10 };

/* A second with so many syncs, each of sync_us. */
static bool second(struct log_pace *p, uint64_t syncs, uint64_t sync_us, uint64_t wait_us)
{
    return log_pace_sample(p, p->syncs + syncs, p->sync_us + syncs * sync_us, wait_us);
}

static void make_slow(struct log_pace *p)
{
    for (int i = 0; i < LOG_PACE_SLOW_SAMPLES; i++)
        (void)second(p, SYNCS, SLOW_US, 0);
    assert_true(p->is_slow);
}

static void a_disk_is_slow_after_three_slow_seconds(void **state)
{
    struct log_pace p = {0};
    assert_int_equal(log_pace_us(&p), 0);
    assert_false(second(&p, SYNCS, SLOW_US, 0));
    assert_false(second(&p, SYNCS, SLOW_US, 0));
    assert_true(second(&p, SYNCS, SLOW_US, 0));
    assert_true(p.is_slow);
    assert_int_equal(log_pace_us(&p), SLOW_US);
}

static void a_slow_second_now_and_then_is_none(void **state)
{
    struct log_pace p = {0};
    for (int i = 0; i < 20; i++) {
        (void)second(&p, SYNCS, SLOW_US, 0);
        (void)second(&p, SYNCS, SLOW_US, 0);
        (void)second(&p, SYNCS, FAST_US, 0);
        assert_false(p.is_slow);
    }
}

static void an_append_that_waits_is_as_good_as_a_slow_sync(void **state)
{
    struct log_pace p = {0};
    for (uint64_t i = 1; i <= LOG_PACE_SLOW_SAMPLES; i++)
        (void)second(&p, 0, 0, i * 1000 * MS);
    assert_true(p.is_slow);
    assert_int_equal(log_pace_us(&p), LOG_PACE_SLOW_SAMPLES * 1000 * MS);
}

static void it_is_well_after_ten_fast_seconds_in_a_row(void **state)
{
    struct log_pace p = {0};
    make_slow(&p);
    for (int i = 0; i < LOG_PACE_WELL_SAMPLES - 1; i++)
        assert_false(second(&p, SYNCS, FAST_US, 0));
    assert_int_equal(log_pace_us(&p), LOG_PACE_SLOW_US); /* not yet believed */
    (void)second(&p, SYNCS, SLOW_US, 0);
    for (int i = 0; i < LOG_PACE_WELL_SAMPLES - 1; i++)
        assert_false(second(&p, SYNCS, FAST_US, 0));
    assert_true(second(&p, SYNCS, FAST_US, 0));
    assert_false(p.is_slow);
    assert_int_equal(log_pace_us(&p), FAST_US);
}

static void a_second_without_syncs_says_nothing(void **state)
{
    struct log_pace p = {0};
    make_slow(&p);
    for (int i = 0; i < 3 * LOG_PACE_WELL_SAMPLES; i++)
        assert_false(second(&p, 0, 0, 0));
    assert_true(p.is_slow);
    assert_int_equal(log_pace_us(&p), SLOW_US);
}

static void between_slow_and_half_of_it_nothing_changes(void **state)
{
    struct log_pace p = {0};
    make_slow(&p);
    for (int i = 0; i < 3 * LOG_PACE_WELL_SAMPLES; i++)
        assert_false(second(&p, SYNCS, LOG_PACE_SLOW_US * 3 / 4, 0));
    assert_true(p.is_slow);
}

enum { A = 11, B = 12, C = 13, D = 14, TWO = 2, THREE = 3 };

static void the_fastest_follower_should_lead(void **state)
{
    const struct log_pace_voter others[] = {{A, 3 * MS, true}, {B, 2 * MS, true}};
    assert_int_equal(log_pace_better_leader(SLOW_US, others, 2, TWO), B);
}

static void nobody_should_when_all_are_slow(void **state)
{
    const struct log_pace_voter others[] = {{A, SLOW_US / 2, true}, {B, SLOW_US, true}};
    assert_int_equal(log_pace_better_leader(SLOW_US, others, 2, TWO), 0);
    assert_int_equal(log_pace_better_leader(3 * LOG_PACE_SLOW_US / 4, others, 2, TWO), 0);
}

/* A leader on A would wait for B or for us, which are both slow: nothing is gained. */
static void one_fast_follower_of_two_is_not_enough(void **state)
{
    const struct log_pace_voter others[] = {{A, FAST_US, true}, {B, SLOW_US, true}};
    assert_int_equal(log_pace_better_leader(SLOW_US, others, 2, TWO), 0);
    const struct log_pace_voter unknown[] = {{A, FAST_US, true}, {B, 0, true}};
    assert_int_equal(log_pace_better_leader(SLOW_US, unknown, 2, TWO), 0);
}

static void two_fast_ones_of_four_are_not_enough_three_are(void **state)
{
    struct log_pace_voter others[] = {
        {A, FAST_US, true}, {B, SLOW_US, true}, {C, FAST_US, true}, {D, SLOW_US, true}};
    assert_int_equal(log_pace_better_leader(SLOW_US, others, 4, THREE), 0);
    others[3].sync_us = 2 * FAST_US;
    assert_int_equal(log_pace_better_leader(SLOW_US, others, 4, THREE), A);
}

static void who_may_not_lead_helps_the_one_who_may(void **state)
{
    const struct log_pace_voter others[] = {{A, FAST_US, false}, {B, 2 * FAST_US, true}};
    assert_int_equal(log_pace_better_leader(SLOW_US, others, 2, TWO), B);
    const struct log_pace_voter none[] = {{A, FAST_US, false}, {B, FAST_US, false}};
    assert_int_equal(log_pace_better_leader(SLOW_US, none, 2, TWO), 0);
    assert_int_equal(log_pace_better_leader(SLOW_US, none, 0, 1), 0);
}

static void much_slower_means_slow_and_four_times(void **state)
{
    assert_true(log_pace_is_much_slower(SLOW_US, SLOW_US / 4));
    assert_false(log_pace_is_much_slower(SLOW_US, SLOW_US / 4 + 1));
    assert_true(log_pace_is_much_slower(LOG_PACE_SLOW_US, 0));
    assert_false(log_pace_is_much_slower(LOG_PACE_SLOW_US - 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_is_slow_after_three_slow_seconds),
        cmocka_unit_test(a_slow_second_now_and_then_is_none),
        cmocka_unit_test(an_append_that_waits_is_as_good_as_a_slow_sync),
        cmocka_unit_test(it_is_well_after_ten_fast_seconds_in_a_row),
        cmocka_unit_test(a_second_without_syncs_says_nothing),
        cmocka_unit_test(between_slow_and_half_of_it_nothing_changes),
        cmocka_unit_test(the_fastest_follower_should_lead),
        cmocka_unit_test(nobody_should_when_all_are_slow),
        cmocka_unit_test(one_fast_follower_of_two_is_not_enough),
        cmocka_unit_test(two_fast_ones_of_four_are_not_enough_three_are),
        cmocka_unit_test(who_may_not_lead_helps_the_one_who_may),
        cmocka_unit_test(much_slower_means_slow_and_four_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

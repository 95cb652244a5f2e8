#include "controlplane/control/restart_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { PROCESSES = 3 };

struct fleet {
    struct restart_step steps[PROCESSES];
    struct restart_seen seen[PROCESSES];
};

static int set_up(void **state)
{
    static struct fleet fleet;
    for (uint64_t i = 0; i < PROCESSES; i++) {
        fleet.steps[i] = (struct restart_step){.role = "node", .boot = i + 1};
        fleet.seen[i] = (struct restart_seen){.is_there = true, .is_ready = true, .boot = i + 1};
    }
    *state = &fleet;
    return 0;
}

static struct restart_verdict decide(const struct fleet *f, bool is_whole)
{
    return restart_decide(f->steps, f->seen, PROCESSES, is_whole);
}

static void assert_told(const struct fleet *f, size_t index)
{
    struct restart_verdict verdict = decide(f, true);
    assert_true(verdict.is_order);
    assert_int_equal(verdict.current, index);
    assert_false(verdict.is_finished);
}

static void one_follows_the_other_to_the_end(void **state)
{
    struct fleet *f = *state;
    for (size_t i = 0; i < PROCESSES; i++) {
        assert_told(f, i);
        f->seen[i] = (struct restart_seen){.is_there = true, .boot = 100 + i};
        assert_false(decide(f, true).is_order); /* it is back and does not serve yet */
        assert_int_equal(decide(f, true).current, i);
        f->seen[i].is_ready = true;
    }
    struct restart_verdict verdict = decide(f, true);
    assert_true(verdict.is_finished);
    assert_false(verdict.is_order);
    assert_false(decide(f, false).is_finished);
}

static void nobody_goes_while_a_partition_is_short(void **state)
{
    struct fleet *f = *state;
    assert_false(decide(f, false).is_order);
}

static void nobody_goes_while_another_is_away_or_not_ready(void **state)
{
    struct fleet *f = *state;
    f->seen[2].is_there = false;
    assert_false(decide(f, true).is_order);
    f->seen[2] = (struct restart_seen){.is_there = true, .boot = 3};
    assert_false(decide(f, true).is_order);
    f->seen[2].is_ready = true;
    assert_told(f, 0);
}

static void one_that_is_away_is_waited_for(void **state)
{
    struct fleet *f = *state;
    f->seen[0].is_there = false;
    assert_int_equal(decide(f, true).current, 0);
    assert_false(decide(f, true).is_order);
    assert_int_equal(restart_state(&f->steps[0], &f->seen[0]), RESTART_RETURNING);
}

/* It crashed and came back: that was its turn. */
static void one_in_another_life_is_done_already(void **state)
{
    struct fleet *f = *state;
    f->seen[0].boot = 50;
    f->seen[1].boot = 51;
    assert_told(f, 2);
}

/* Whoever is control next knows only the list and what it sees. */
static void a_restart_goes_on_where_it_was(void **state)
{
    struct fleet *f = *state;
    f->seen[0].boot = 50;
    for (size_t i = 1; i < PROCESSES; i++)
        f->seen[i] = (struct restart_seen){0};
    assert_false(decide(f, true).is_order);
    for (size_t i = 1; i < PROCESSES; i++)
        f->seen[i] = (struct restart_seen){.is_there = true, .is_ready = true, .boot = i + 1};
    assert_told(f, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(one_follows_the_other_to_the_end),
        TEST(nobody_goes_while_a_partition_is_short),
        TEST(nobody_goes_while_another_is_away_or_not_ready),
        TEST(one_that_is_away_is_waited_for),
        TEST(one_in_another_life_is_done_already),
        TEST(a_restart_goes_on_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

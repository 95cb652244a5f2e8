/* Breakers and retries towards nodes. */
#include "dataplane/client/node_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/breaker.h"

enum { S = 1000 * 1000, RETRIES_AT_ONCE = 1000, CALLS_PER_RETRY = 5, RETRIES_PER_S = 200 };

struct fixture {
    struct dependency_metrics metrics;
    struct node_guard *guard;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.guard = NULL};
    f.guard = node_guard_create(&f.metrics, S);
    assert_non_null(f.guard);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    node_guard_destroy(((struct fixture *)*state)->guard);
    return 0;
}

static void fail_often(struct fixture *f, uint32_t node, unsigned times, uint64_t now_us)
{
    for (unsigned i = 0; i < times; i++) {
        node_guard_ask(f->guard, node, false, now_us);
        node_guard_failed(f->guard, node, now_us);
    }
}

static void a_node_that_only_fails_is_asked_once_a_second_until_it_answers(void **state)
{
    struct fixture *f = *state;
    fail_often(f, 1, breaker_item_path.failures_max - 1, S);
    assert_true(node_guard_allows(f->guard, 1, S));
    fail_often(f, 1, 1, S);
    assert_false(node_guard_allows(f->guard, 1, S));
    assert_int_equal(metric_value(&f->metrics.breakers_open), 1);
    assert_true(node_guard_allows(f->guard, 1, 2 * S));
    node_guard_ask(f->guard, 1, false, 2 * S);
    assert_false(node_guard_allows(f->guard, 1, 2 * S + 1));
    node_guard_answered(f->guard, 1);
    assert_true(node_guard_allows(f->guard, 1, 2 * S + 1));
    assert_int_equal(metric_value(&f->metrics.breakers_open), 0);
    assert_int_equal(metric_read(&f->metrics.breaker_opened), 1);
}

static void one_failing_node_does_not_stop_another(void **state)
{
    struct fixture *f = *state;
    node_guard_ask(f->guard, 2, false, S);
    node_guard_answered(f->guard, 2);
    fail_often(f, 1, 10 * breaker_item_path.failures_max, S);
    assert_false(node_guard_allows(f->guard, 1, S));
    assert_true(node_guard_allows(f->guard, 2, S));
    assert_true(node_guard_allows(f->guard, 3, S)); /* never asked */
    assert_int_equal(metric_read(&f->metrics.breaker_opened), 1);
}

static void any_answer_ends_a_row_of_failures(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        fail_often(f, 1, breaker_item_path.failures_max - 1, S);
        node_guard_answered(f->guard, 1);
    }
    assert_true(node_guard_allows(f->guard, 1, S));
}

static void retries_are_a_share_of_the_calls(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < RETRIES_AT_ONCE; i++)
        assert_true(node_guard_take_retry(f->guard, S));
    assert_false(node_guard_take_retry(f->guard, S));
    for (int i = 0; i < CALLS_PER_RETRY; i++)
        node_guard_earn(f->guard);
    assert_true(node_guard_take_retry(f->guard, S));
    assert_false(node_guard_take_retry(f->guard, S));
    assert_int_equal(metric_read(&f->metrics.calls), CALLS_PER_RETRY);
}

static void time_alone_gives_a_few_retries(void **state)
{
    struct fixture *f = *state;
    while (node_guard_take_retry(f->guard, S))
        ;
    int taken = 0;
    while (node_guard_take_retry(f->guard, 2 * S))
        taken++;
    assert_int_equal(taken, RETRIES_PER_S);
}

static void nodes_that_nobody_asks_are_forgotten(void **state)
{
    struct fixture *f = *state;
    fail_often(f, 1, breaker_item_path.failures_max, S);
    fail_often(f, 2, breaker_item_path.failures_max, S);
    for (int i = 0; i < 3; i++) {
        node_guard_ask(f->guard, 2, true, S);
        node_guard_age(f->guard, 2);
    }
    assert_true(node_guard_allows(f->guard, 1, S));
    assert_false(node_guard_allows(f->guard, 2, S));
    assert_int_equal(metric_value(&f->metrics.breakers_open), 1);
    assert_int_equal(metric_read(&f->metrics.retries), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_node_that_only_fails_is_asked_once_a_second_until_it_answers),
        TEST(one_failing_node_does_not_stop_another),
        TEST(any_answer_ends_a_row_of_failures),
        TEST(retries_are_a_share_of_the_calls),
        TEST(time_alone_gives_a_few_retries),
        TEST(nodes_that_nobody_asks_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

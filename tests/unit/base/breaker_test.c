#include "base/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct breaker_options options = {.failures_max = 3, .open_us = 1000};

static struct breaker opened(uint64_t now_us)
{
    struct breaker b;
    breaker_init(&b, &options);
    assert_false(breaker_failed(&b, now_us));
    assert_false(breaker_failed(&b, now_us));
    assert_false(breaker_is_open(&b));
    assert_true(breaker_failed(&b, now_us));
    return b;
}

static void breaker_opens_after_failures_in_a_row(void **state)
{
    struct breaker b = opened(5);
    assert_true(breaker_is_open(&b));
    assert_false(breaker_allows(&b, 5));
    assert_false(breaker_allows(&b, 1004));
    assert_true(breaker_allows(&b, 1005));
}

static void a_success_between_begins_the_count_anew(void **state)
{
    struct breaker b;
    breaker_init(&b, &options);
    for (int i = 0; i < 10; i++) {
        assert_false(breaker_failed(&b, 1));
        assert_false(breaker_failed(&b, 1));
        breaker_succeeded(&b);
    }
    assert_true(breaker_allows(&b, 1));
}

static void half_open_lets_one_call_through(void **state)
{
    struct breaker b = opened(0);
    assert_true(breaker_allows(&b, 1000));
    breaker_ask(&b, 1000);
    assert_false(breaker_allows(&b, 1000));
    assert_false(breaker_allows(&b, 1999));
    assert_true(breaker_allows(&b, 2000)); /* its end was lost */
}

static void probe_decides(void **state)
{
    struct breaker b = opened(0);
    breaker_ask(&b, 1000);
    assert_false(breaker_failed(&b, 1500)); /* is open already */
    assert_false(breaker_allows(&b, 1999));
    breaker_ask(&b, 2000);
    breaker_succeeded(&b);
    assert_false(breaker_is_open(&b));
    assert_true(breaker_allows(&b, 2000));
    assert_false(breaker_failed(&b, 2000));
}

static void failures_of_old_calls_do_not_keep_it_open(void **state)
{
    struct breaker b = opened(0);
    assert_false(breaker_failed(&b, 900));
    assert_true(breaker_allows(&b, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(breaker_opens_after_failures_in_a_row),
        cmocka_unit_test(a_success_between_begins_the_count_anew),
        cmocka_unit_test(half_open_lets_one_call_through),
        cmocka_unit_test(probe_decides),
        cmocka_unit_test(failures_of_old_calls_do_not_keep_it_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

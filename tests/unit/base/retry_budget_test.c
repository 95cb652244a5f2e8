#include "base/retry_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct retry_budget_options options = {
    .capacity_milli = 3000, .per_call_milli = 100, .per_s_milli = 2000};

static unsigned take_all(struct retry_budget *b, uint64_t now_us)
{
    unsigned count = 0;
    while (retry_budget_take(b, now_us))
        count++;
    return count;
}

static void budget_begins_full_and_ends(void **state)
{
    struct retry_budget b;
    retry_budget_init(&b, &options, 0);
    assert_int_equal(take_all(&b, 0), 3);
    assert_false(retry_budget_take(&b, 0));
}

static void calls_earn_a_tenth(void **state)
{
    struct retry_budget b;
    retry_budget_init(&b, &options, 0);
    (void)take_all(&b, 0);
    for (int i = 0; i < 19; i++)
        retry_budget_earn(&b);
    assert_int_equal(take_all(&b, 0), 1);
    retry_budget_earn(&b); /* the twentieth: nothing was lost */
    assert_int_equal(take_all(&b, 0), 1);
}

static void time_earns_in_whatever_steps_it_is_read(void **state)
{
    for (uint64_t step_us = 1; step_us <= 10000; step_us *= 10) {
        struct retry_budget b;
        retry_budget_init(&b, &options, 0);
        unsigned count = take_all(&b, 0);
        for (uint64_t now_us = 0; now_us <= 1000000; now_us += step_us)
            count += take_all(&b, now_us);
        assert_int_equal(count, 3 + 2);
    }
}

static void it_never_holds_more_than_its_capacity(void **state)
{
    struct retry_budget b;
    retry_budget_init(&b, &options, 0);
    for (int i = 0; i < 1000; i++)
        retry_budget_earn(&b);
    assert_int_equal(take_all(&b, UINT64_MAX / 2), 3);
    retry_budget_give_back(&b);
    assert_int_equal(take_all(&b, UINT64_MAX / 2), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget_begins_full_and_ends),
        cmocka_unit_test(calls_earn_a_tenth),
        cmocka_unit_test(time_earns_in_whatever_steps_it_is_read),
        cmocka_unit_test(it_never_holds_more_than_its_capacity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "admission/consumption.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { US_PER_S = 1000 * 1000 };

/* One unit each ten milliseconds. */
static void consume(struct consumption *c, uint64_t from_s, uint64_t to_s)
{
    for (uint64_t now_us = from_s * US_PER_S; now_us < to_s * US_PER_S; now_us += 10000)
        consumption_add(c, (struct capacity){1000}, now_us);
}

static int64_t units_per_s(const struct consumption *c, uint64_t now_s)
{
    return consumption_per_s(c, now_s * US_PER_S).milli / 1000;
}

static void nothing_was_consumed_at_first(void **state)
{
    struct consumption c = {0};
    assert_int_equal(consumption_total(&c, 0).milli, 0);
    assert_int_equal(consumption_total(&c, UINT64_MAX).milli, 0);
}

static void a_steady_rate_is_told_after_ten_seconds(void **state)
{
    struct consumption c = {0};
    consume(&c, 100, 105);
    assert_int_equal(units_per_s(&c, 105), 50);
    assert_int_equal(consumption_total(&c, 105ull * US_PER_S).milli, 500000);
    consume(&c, 105, 110);
    for (uint64_t now_s = 110; now_s < 150; now_s++) {
        assert_int_equal(units_per_s(&c, now_s), 100);
        consume(&c, now_s, now_s + 1);
    }
}

static void it_is_forgotten_after_twenty(void **state)
{
    struct consumption c = {0};
    consume(&c, 100, 110);
    assert_int_equal(units_per_s(&c, 115), 50);
    assert_int_equal(units_per_s(&c, 119), 10);
    assert_int_equal(units_per_s(&c, 120), 0);
    assert_int_equal(units_per_s(&c, 1000), 0);
    consumption_add(&c, (struct capacity){1000}, 130ull * US_PER_S);
    assert_int_equal(consumption_total(&c, 130ull * US_PER_S).milli, 1000);
}

static void a_clock_that_goes_back_loses_nothing(void **state)
{
    struct consumption c = {0};
    consume(&c, 100, 110);
    consumption_add(&c, (struct capacity){1000}, 50ull * US_PER_S);
    assert_int_equal(consumption_total(&c, 50ull * US_PER_S).milli, 1001000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_was_consumed_at_first),
        cmocka_unit_test(a_steady_rate_is_told_after_ten_seconds),
        cmocka_unit_test(it_is_forgotten_after_twenty),
        cmocka_unit_test(a_clock_that_goes_back_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "dataplane/item/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct number number(const char *text)
{
    struct number n;
    assert_int_equal(number_parse(slice_from_string(text), &n), NUMBER_OK);
    return n;
}

static void assert_prints(const char *text, const char *wanted)
{
    struct number n = number(text);
    char plain[NUMBER_TEXT_BYTES_MAX + 1];
    plain[number_print(number_view(&n), plain)] = '\0';
    assert_string_equal(plain, wanted);
}

static void number_prints_plain_decimal(void **state)
{
    assert_prints("0", "0");
    assert_prints("-0.000", "0");
    assert_prints("00042", "42");
    assert_prints("+1.50", "1.5");
    assert_prints("1e3", "1000");
    assert_prints("-12.5E-3", "-0.0125");
    assert_prints(".5", "0.5");
    assert_prints("5.", "5");
    assert_prints("12345678901234567890123456789012345678", "12345678901234567890123456789012345678");
    struct number smallest = number("-1.2345678901234567890123456789012345678e-130");
    char plain[NUMBER_TEXT_BYTES_MAX];
    assert_int_equal(number_print(number_view(&smallest), plain), NUMBER_TEXT_BYTES_MAX);
}

static void number_refuses_each_kind_of_wrong_text(void **state)
{
    struct number n = {.length = 77};
    assert_int_equal(number_parse(SLICE_EMPTY, &n), NUMBER_NOT_NUMERIC);
    assert_int_equal(number_parse(SLICE_LITERAL("1e"), &n), NUMBER_NOT_NUMERIC);
    assert_int_equal(number_parse(SLICE_LITERAL("1 "), &n), NUMBER_NOT_NUMERIC);
    assert_int_equal(number_parse(SLICE_LITERAL("NaN"), &n), NUMBER_NOT_NUMERIC);
    assert_int_equal(number_parse(SLICE_LITERAL("123456789012345678901234567890123456789"), &n),
                     NUMBER_TOO_PRECISE);
    assert_int_equal(number_parse(SLICE_LITERAL("1e126"), &n), NUMBER_OVERFLOW);
    assert_int_equal(number_parse(SLICE_LITERAL("1e99999999999999999999"), &n), NUMBER_OVERFLOW);
    assert_int_equal(number_parse(SLICE_LITERAL("1e-131"), &n), NUMBER_UNDERFLOW);
    assert_int_equal(number_parse(SLICE_LITERAL("-1e-99999999999999999999"), &n), NUMBER_UNDERFLOW);
    assert_int_equal(n.length, 77);
}

static void zero_with_a_large_exponent_overflows_as_written(void **state)
{
    struct number n;
    assert_int_equal(number_parse(SLICE_LITERAL("0e126"), &n), NUMBER_OVERFLOW);
    assert_int_equal(number_parse(SLICE_LITERAL("0.0e126"), &n), NUMBER_OK);
    assert_int_equal(number_parse(SLICE_LITERAL("0e-400"), &n), NUMBER_OK);
}

static void number_orders_by_bytes(void **state)
{
    static const char *const ASCENDING[] = {
        "-9.9e125", "-1e125", "-101", "-100.5", "-100", "-10", "-9.99", "-9.9", "-1",    "-0.5", "-1e-130",
        "0",        "1e-130", "0.5",  "1",      "1.01", "1.1", "9.9",   "10",   "10.01", "100",  "1e125",
    };
    for (size_t i = 0; i + 1 < sizeof(ASCENDING) / sizeof(ASCENDING[0]); i++) {
        struct number a = number(ASCENDING[i]), b = number(ASCENDING[i + 1]);
        /* Whatever follows in a key must not change the order. */
        struct buffer x, y;
        buffer_init(&x, 100);
        buffer_init(&y, 100);
        buffer_append(&x, number_view(&a));
        buffer_append_u8(&x, 0xFF);
        buffer_append(&y, number_view(&b));
        buffer_append_u8(&y, 0);
        assert_true(slice_compare(buffer_view(&x), buffer_view(&y)) < 0);
        assert_true(number_compare(number_view(&a), number_view(&b)) < 0);
        buffer_deinit(&x);
        buffer_deinit(&y);
    }
}

static void sums_are_exact_or_refused(void **state)
{
    struct number a = number("1e50"), one = number("1"), tiny = number("1.1e-130"), result;
    struct number big = number("9e125"), unit = number("1e-130");
    assert_int_equal(number_add(number_view(&a), number_view(&one), &result), NUMBER_TOO_PRECISE);
    assert_int_equal(number_add(number_view(&big), number_view(&big), &result), NUMBER_OVERFLOW);
    assert_int_equal(number_subtract(number_view(&tiny), number_view(&unit), &result), NUMBER_UNDERFLOW);
    assert_int_equal(number_subtract(number_view(&a), number_view(&a), &result), NUMBER_OK);
    assert_int_equal(result.length, 1);
    struct number zero = result;
    assert_int_equal(number_add(number_view(&zero), number_view(&unit), &result), NUMBER_OK);
    assert_true(slice_equal(number_view(&result), number_view(&unit)));
}

static void integers_go_both_ways(void **state)
{
    static const int64_t VALUES[] = {0,   1,      -1,        10,        99,
                                     100, -12300, INT64_MAX, INT64_MIN, 1000000000000000000};
    for (size_t i = 0; i < sizeof(VALUES) / sizeof(VALUES[0]); i++) {
        struct number n = number_from_int64(VALUES[i]);
        int64_t back = 7;
        assert_true(number_is_valid(number_view(&n)));
        assert_true(number_to_int64(number_view(&n), &back));
        assert_int_equal(back, VALUES[i]);
    }
    int64_t value;
    struct number fraction = number("0.5"), large = number("9223372036854775808");
    assert_false(number_to_int64(number_view(&fraction), &value));
    assert_false(number_to_int64(number_view(&large), &value));
}

static void sizes_follow_the_byte_exact_form(void **state)
{
    static const struct {
        const char *text;
        size_t bytes;
    } CASES[] = {{"0", 1},    {"1", 2},    {"-1", 3},  {"10", 2},  {"12", 2},   {"1.2", 3}, {"123", 3},
                 {"12.3", 3}, {"1.23", 3}, {"100", 2}, {"0.1", 2}, {"0.01", 2}, {"-12", 3}, {"1e125", 2}};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct number n = number(CASES[i].text);
        assert_int_equal(number_size_bytes(number_view(&n)), CASES[i].bytes);
    }
}

static void only_normal_forms_are_valid(void **state)
{
    assert_false(number_is_valid(SLICE_EMPTY));
    assert_false(number_is_valid(SLICE_LITERAL("\x00")));
    assert_true(number_is_valid(SLICE_LITERAL("\x02")));
    assert_false(number_is_valid(SLICE_LITERAL("\x02\x02")));
    assert_false(number_is_valid(SLICE_LITERAL("\x03")));
    assert_false(number_is_valid(SLICE_LITERAL("\x03\x82")));
    assert_true(number_is_valid(SLICE_LITERAL("\x03\x82\x14")));      /* 1: pair 10 */
    assert_false(number_is_valid(SLICE_LITERAL("\x03\x82\x12")));     /* pair 09: a leading zero */
    assert_false(number_is_valid(SLICE_LITERAL("\x03\x82\x15\x00"))); /* a trailing pair of zeros */
    assert_false(number_is_valid(SLICE_LITERAL("\x03\x82\xC8")));     /* pair 100 */
    assert_false(number_is_valid(SLICE_LITERAL("\x03\x82\x15")));     /* more to come, but nothing comes */
    uint8_t endless[NUMBER_BYTES_MAX + 1];
    memset(endless, 0x15, sizeof(endless));
    endless[0] = 3;
    assert_int_equal(number_length(slice_make(endless, sizeof(endless))), 0);
}

static void errors_are_told_in_dynamodbs_words(void **state)
{
    struct error error;
    assert_int_equal(number_parse_error(NUMBER_NOT_NUMERIC, SLICE_LITERAL("x"), &error), ERR_VALIDATION);
    assert_string_equal(error.text, "The parameter cannot be converted to a numeric value: x");
    assert_int_equal(number_parse_error(NUMBER_NOT_NUMERIC, SLICE_EMPTY, &error), ERR_VALIDATION);
    assert_string_equal(error.text, "The parameter cannot be converted to a numeric value");
    assert_int_equal(number_parse_error(NUMBER_TOO_PRECISE, SLICE_EMPTY, &error), ERR_VALIDATION);
    assert_string_equal(error.text, "Attempting to store more than 38 significant digits in a Number");
    assert_int_equal(number_arithmetic_error(NUMBER_TOO_PRECISE, &error), ERR_VALIDATION);
    assert_string_equal(error.text,
                        "Number overflow. Attempting to store a number with magnitude larger than "
                        "supported range");
    assert_int_equal(number_arithmetic_error(NUMBER_UNDERFLOW, &error), ERR_VALIDATION);
    assert_string_equal(error.text,
                        "Number underflow. Attempting to store a number with magnitude smaller than "
                        "supported range");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_prints_plain_decimal),
        cmocka_unit_test(number_refuses_each_kind_of_wrong_text),
        cmocka_unit_test(zero_with_a_large_exponent_overflows_as_written),
        cmocka_unit_test(number_orders_by_bytes),
        cmocka_unit_test(sums_are_exact_or_refused),
        cmocka_unit_test(integers_go_both_ways),
        cmocka_unit_test(sizes_follow_the_byte_exact_form),
        cmocka_unit_test(only_normal_forms_are_valid),
        cmocka_unit_test(errors_are_told_in_dynamodbs_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

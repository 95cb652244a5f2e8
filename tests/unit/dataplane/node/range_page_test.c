#include "dataplane/node/range_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/reader.h"
#include "dataplane/expression/program_builder.h"
#include "dataplane/item/envelope.h"
#include "dataplane/item/item_builder.h"
#include "dataplane/item/number.h"
#include "dataplane/item/size.h"

static struct range_page page;
static struct buffer filter;

static int setup(void **state)
{
    range_page_init(&page);
    page.items_max = 1000;
    page.bytes_max = 1 << 20;
    buffer_init(&filter, 4096);
    return 0;
}

static int teardown(void **state)
{
    range_page_deinit(&page);
    buffer_deinit(&filter);
    return 0;
}

/* A row {n: value, pad: `bytes` of x}. */
static bool add(int64_t value, size_t bytes)
{
    static char pad[4096];
    struct item_builder builder;
    struct buffer stored;
    char key[32];
    memset(pad, 'x', sizeof pad);
    struct number n = number_from_int64(value);
    item_builder_init(&builder, ITEM_ENCODED_BYTES_MAX);
    item_builder_begin(&builder, VALUE_M);
    item_builder_attribute(&builder, SLICE_LITERAL("n"), (struct value_view){VALUE_N, number_view(&n)});
    item_builder_attribute(&builder, SLICE_LITERAL("pad"),
                           (struct value_view){VALUE_S, slice_make(pad, bytes)});
    item_builder_end(&builder);
    buffer_init(&stored, ITEM_ENCODED_BYTES_MAX);
    const struct envelope envelope = {.body = item_builder_view(&builder)};
    envelope_encode(&envelope, &stored);
    int length = snprintf(key, sizeof key, "key %lld", (long long)value);
    bool goes_on = range_page_add(&page, slice_make(key, (size_t)length), buffer_view(&stored));
    item_builder_deinit(&builder);
    buffer_deinit(&stored);
    return goes_on;
}

/* n > value */
static void filter_greater(int64_t value)
{
    struct program_builder b;
    struct buffer encoded;
    struct number n = number_from_int64(value);
    buffer_init(&encoded, 100);
    value_append((struct value_view){VALUE_N, number_view(&n)}, &encoded);
    program_builder_init(&b, PROGRAM_CONDITION);
    program_builder_path_name(&b, program_builder_name(&b, SLICE_LITERAL("n")));
    uint16_t path = program_builder_path_end(&b);
    uint16_t number = program_builder_value(&b, buffer_view(&encoded));
    buffer_append_u8(&b.code, CONDITION_GREATER);
    program_builder_operand(&b, OPERAND_PATH, path);
    program_builder_operand(&b, OPERAND_VALUE, number);
    assert_int_equal(program_builder_finish(&b, &filter), ERR_OK);
    program_builder_deinit(&b);
    buffer_deinit(&encoded);
    page.has_filter = true;
    assert_int_equal(program_open(buffer_view(&filter), PROGRAM_CONDITION, &page.filter), ERR_OK);
}

static size_t item_count_of_page(void)
{
    struct reader at;
    size_t count = 0;
    reader_init(&at, buffer_view(&page.items));
    while (reader_left(&at) > 0) {
        assert_int_equal(item_check(reader_prefixed(&at)), ERR_OK);
        count++;
    }
    assert_true(reader_is_done(&at));
    return count;
}

static void the_limit_counts_what_is_evaluated_not_what_matches(void **state)
{
    filter_greater(3);
    page.items_max = 5;
    for (int64_t i = 1; i < 5; i++)
        assert_true(add(i, 10));
    assert_false(add(5, 10));
    assert_true(page.is_full);
    assert_int_equal(page.evaluated_count, 5);
    assert_int_equal(page.matched_count, 2);
    assert_int_equal(item_count_of_page(), 2);
    assert_true(slice_equal_string(buffer_view(&page.last_key), "key 5"));
}

static void the_row_that_crosses_the_line_of_bytes_is_in(void **state)
{
    page.bytes_max = 1000;
    assert_true(add(1, 600)); /* with names and number 606 */
    assert_int_equal(page.evaluated_bytes, 606);
    assert_false(add(2, 600));
    assert_int_equal(page.evaluated_count, 2);
    assert_int_equal(page.evaluated_bytes, 1212);
}

static void the_first_row_is_taken_whatever_its_size(void **state)
{
    page.bytes_max = 1;
    assert_false(add(1, 4000));
    assert_int_equal(page.matched_count, 1);
    assert_int_equal(item_count_of_page(), 1);
}

static void counting_keeps_no_items(void **state)
{
    page.counts_only = true;
    assert_true(add(1, 100));
    assert_true(add(2, 100));
    assert_int_equal(page.matched_count, 2);
    assert_int_equal(page.items.length, 0);
}

static void damage_ends_it(void **state)
{
    assert_true(add(1, 10));
    assert_false(range_page_add(&page, SLICE_LITERAL("k"), SLICE_LITERAL("\xFF nonsense")));
    assert_int_equal(page.err, ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_limit_counts_what_is_evaluated_not_what_matches, setup, teardown),
        cmocka_unit_test_setup_teardown(the_row_that_crosses_the_line_of_bytes_is_in, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_row_is_taken_whatever_its_size, setup, teardown),
        cmocka_unit_test_setup_teardown(counting_keeps_no_items, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_ends_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "dataplane/item/size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "dataplane/item/item_builder.h"
#include "dataplane/item/number.h"

static void sizes_are_dynamodbs(void **state)
{
    struct item_builder b;
    item_builder_init(&b, ITEM_ENCODED_BYTES_MAX);
    item_builder_begin(&b, VALUE_M);
    item_builder_attribute(&b, SLICE_LITERAL("shirt-color"),
                           (struct value_view){VALUE_S, SLICE_LITERAL("R")});
    item_builder_attribute(&b, SLICE_LITERAL("shirt-size"), (struct value_view){VALUE_S, SLICE_LITERAL("M")});
    item_builder_end(&b);
    assert_int_equal(item_size_bytes(item_builder_view(&b)), 23);

    /* {m: {k: [true, null]}, s: {"a", "bc"}, n: {10, 0}} */
    struct number ten = number_from_int64(10), zero = number_from_int64(0);
    item_builder_clear(&b);
    item_builder_begin(&b, VALUE_M);
    item_builder_name(&b, SLICE_LITERAL("m"));
    item_builder_begin(&b, VALUE_M);
    item_builder_name(&b, SLICE_LITERAL("k"));
    item_builder_begin(&b, VALUE_L);
    item_builder_bool(&b, true);
    item_builder_scalar(&b, VALUE_NULL, SLICE_EMPTY);
    item_builder_end(&b);
    item_builder_end(&b);
    item_builder_name(&b, SLICE_LITERAL("s"));
    item_builder_begin(&b, VALUE_SS);
    item_builder_member(&b, SLICE_LITERAL("a"));
    item_builder_member(&b, SLICE_LITERAL("bc"));
    item_builder_end(&b);
    item_builder_name(&b, SLICE_LITERAL("n"));
    item_builder_begin(&b, VALUE_NS);
    item_builder_member(&b, number_view(&ten));
    item_builder_member(&b, number_view(&zero));
    item_builder_end(&b);
    item_builder_end(&b);
    size_t list = 3 + 2 * (1 + 1), map = 3 + 1 + 1 + list;
    assert_int_equal(item_size_bytes(item_builder_view(&b)), 1 + map + 1 + 3 + 1 + (2 + 1));
    item_builder_deinit(&b);

    assert_int_equal(value_size_bytes((struct value_view){VALUE_L, SLICE_EMPTY}), 3);
    assert_int_equal(value_size_bytes((struct value_view){VALUE_M, SLICE_EMPTY}), 3);
}

static void units_round_up_and_cost_at_least_one(void **state)
{
    assert_int_equal(capacity_read(0, READ_EVENTUAL).milli, 500);
    assert_int_equal(capacity_read(0, READ_STRONG).milli, 1000);
    assert_int_equal(capacity_read(4096, READ_STRONG).milli, 1000);
    assert_int_equal(capacity_read(4097, READ_STRONG).milli, 2000);
    assert_int_equal(capacity_read(41780, READ_STRONG).milli, 11000); /* 40.8 KB is read as 44 KB */
    assert_int_equal(capacity_read(4097, READ_TRANSACTIONAL).milli, 4000);
    assert_int_equal(capacity_write(0, WRITE_COST_PLAIN).milli, 1000);
    assert_int_equal(capacity_write(1024, WRITE_COST_PLAIN).milli, 1000);
    assert_int_equal(capacity_write(1025, WRITE_COST_PLAIN).milli, 2000);
    assert_int_equal(capacity_write(1025, WRITE_COST_TRANSACTIONAL).milli, 4000);
}

static struct capacity_vector sample(void)
{
    struct capacity_vector v = {.table = {3000}, .lsi_count = 1, .gsi_count = 2};
    v.lsi[0] = (struct capacity_share){1, {1000}};
    v.gsi[0] = (struct capacity_share){7, {2000}};
    v.gsi[1] = (struct capacity_share){65535, {500}};
    return v;
}

/* An attribute of so many empty lists in a list: no other bytes count for so much. */
static struct slice lists_in_a_list(struct item_builder *b, size_t count)
{
    item_builder_clear(b);
    item_builder_begin(b, VALUE_M);
    item_builder_name(b, SLICE_LITERAL("l"));
    item_builder_begin(b, VALUE_L);
    for (size_t i = 0; i < count; i++) {
        item_builder_begin(b, VALUE_L);
        item_builder_end(b);
    }
    item_builder_end(b);
    item_builder_end(b);
    assert_false(item_builder_has_failed(b));
    return item_builder_view(b);
}

static void reading_an_item_costs_what_its_size_does(void **state)
{
    struct item_builder b;
    uint8_t text[5000] = {0};
    item_builder_init(&b, ITEM_ENCODED_BYTES_MAX);
    for (size_t count = 0; count < 5000; count++) {
        struct slice item = lists_in_a_list(&b, count);
        assert_true(item_size_bytes(item) <= 2 * item.length);
        assert_int_equal(capacity_read_item(item, READ_STRONG).milli,
                         capacity_read(item_size_bytes(item), READ_STRONG).milli);
        item_builder_clear(&b);
        item_builder_begin(&b, VALUE_M);
        item_builder_attribute(&b, SLICE_LITERAL("s"), (struct value_view){VALUE_S, slice_make(text, count)});
        item_builder_end(&b);
        item = item_builder_view(&b);
        assert_int_equal(capacity_read_item(item, READ_EVENTUAL).milli,
                         capacity_read(item_size_bytes(item), READ_EVENTUAL).milli);
    }
    assert_int_equal(capacity_read_item(SLICE_EMPTY, READ_EVENTUAL).milli, 500);
    item_builder_deinit(&b);
}

static void vector_comes_back_from_its_bytes(void **state)
{
    struct buffer bytes;
    struct capacity_vector v = sample(), back;
    buffer_init(&bytes, 1000);
    capacity_vector_encode(&v, &bytes);
    assert_int_equal(capacity_vector_decode(buffer_view(&bytes), &back), ERR_OK);
    assert_int_equal(back.table.milli, 3000);
    assert_int_equal(back.lsi_count, 1);
    assert_int_equal(back.lsi[0].units.milli, 1000);
    assert_int_equal(back.gsi[1].index_no, 65535);
    assert_int_equal(capacity_vector_total(&back).milli, 6500);
    buffer_deinit(&bytes);
}

static void units_that_could_overflow_a_sum_are_refused(void **state)
{
    struct buffer bytes;
    struct capacity_vector v = sample(), back;
    buffer_init(&bytes, 1000);
    v.table.milli = INT64_MAX;
    capacity_vector_encode(&v, &bytes);
    assert_int_equal(capacity_vector_decode(buffer_view(&bytes), &back), ERR_CORRUPT);
    buffer_deinit(&bytes);
}

static void damaged_vectors_are_refused(void **state)
{
    struct buffer bytes;
    struct capacity_vector v = sample(), back;
    struct random r;
    buffer_init(&bytes, 1000);
    capacity_vector_encode(&v, &bytes);
    for (size_t length = 0; length < bytes.length; length++)
        assert_int_equal(capacity_vector_decode(slice_make(bytes.data, length), &back), ERR_CORRUPT);
    buffer_append_u8(&bytes, 0);
    assert_int_equal(capacity_vector_decode(buffer_view(&bytes), &back), ERR_CORRUPT);
    random_init(&r, 1);
    for (int i = 0; i < 10000; i++) {
        uint8_t noise[24];
        size_t length = random_below(&r, sizeof(noise));
        for (size_t at = 0; at < length; at++)
            noise[at] = (uint8_t)random_below(&r, random_one_in(&r, 2) ? 4 : 256);
        (void)!capacity_vector_decode(slice_make(noise, length), &back);
    }
    buffer_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_dynamodbs),
        cmocka_unit_test(units_round_up_and_cost_at_least_one),
        cmocka_unit_test(reading_an_item_costs_what_its_size_does),
        cmocka_unit_test(vector_comes_back_from_its_bytes),
        cmocka_unit_test(units_that_could_overflow_a_sum_are_refused),
        cmocka_unit_test(damaged_vectors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "dataplane/item/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "dataplane/item/item_builder.h"
#include "dataplane/item/number.h"

static const struct key_schema COMPOSITE = {
    .version = 3,
    .partition = {{(const uint8_t *)"pk", 2}, VALUE_S},
    .has_sort = true,
    .sort = {{(const uint8_t *)"sk", 2}, VALUE_N},
};
static const struct key_schema BINARY = {.version = 1, .partition = {{(const uint8_t *)"id", 2}, VALUE_B}};

static struct item_builder builder;

static int setup(void **state)
{
    item_builder_init(&builder, ITEM_ENCODED_BYTES_MAX);
    return 0;
}

static int teardown(void **state)
{
    item_builder_deinit(&builder);
    return 0;
}

static struct slice composite_item(struct slice pk, int64_t sk, bool has_more)
{
    struct number n = number_from_int64(sk);
    item_builder_clear(&builder);
    item_builder_begin(&builder, VALUE_M);
    item_builder_attribute(&builder, SLICE_LITERAL("pk"), (struct value_view){VALUE_S, pk});
    item_builder_attribute(&builder, SLICE_LITERAL("sk"), (struct value_view){VALUE_N, number_view(&n)});
    if (has_more)
        item_builder_attribute(&builder, SLICE_LITERAL("more"), (struct value_view){VALUE_NULL, SLICE_EMPTY});
    item_builder_end(&builder);
    return item_builder_view(&builder);
}

static struct slice binary_item(struct slice id)
{
    item_builder_clear(&builder);
    item_builder_begin(&builder, VALUE_M);
    item_builder_attribute(&builder, SLICE_LITERAL("id"), (struct value_view){VALUE_B, id});
    item_builder_end(&builder);
    return item_builder_view(&builder);
}

static void key_has_the_documented_layout(void **state)
{
    struct buffer key;
    struct key_parts parts;
    buffer_init(&key, KEY_BYTES_MAX);
    assert_int_equal(key_encode(&COMPOSITE, 0x0102, composite_item(SLICE_LITERAL("a\0b"), 1, true),
                                KEY_FROM_ITEM, &key, NULL),
                     KEY_OK);
    struct slice bytes = buffer_view(&key);
    assert_int_equal(key_space_id(bytes), 0x0102);
    assert_true(slice_equal(slice_make(bytes.data + 16, 6), SLICE_LITERAL("a\0\xFF"
                                                                          "b\0\1")));
    assert_true(slice_equal(slice_from(bytes, 22), SLICE_LITERAL("\0\0\3\x82\x14")));
    assert_int_equal(key_split(&COMPOSITE, bytes, &parts), ERR_OK);
    assert_int_equal(parts.hash, key_hash(bytes));
    assert_int_equal(parts.partition.length, 6);
    assert_int_equal(parts.sort.length, 3);
    buffer_deinit(&key);
}

static void key_decodes_to_its_attributes(void **state)
{
    struct buffer key;
    struct item_builder back;
    buffer_init(&key, KEY_BYTES_MAX);
    item_builder_init(&back, ITEM_ENCODED_BYTES_MAX);
    struct slice item = composite_item(SLICE_LITERAL("\0x\0\0"), -42, false);
    assert_int_equal(key_encode(&COMPOSITE, 9, item, KEY_FROM_KEY, &key, NULL), KEY_OK);
    assert_int_equal(key_decode(&COMPOSITE, buffer_view(&key), &back), ERR_OK);
    assert_true(slice_equal(item_builder_view(&back), item));

    buffer_clear(&key);
    item_builder_clear(&back);
    item = binary_item(SLICE_LITERAL("\0\1\xFF"));
    assert_int_equal(key_encode(&BINARY, 9, item, KEY_FROM_KEY, &key, NULL), KEY_OK);
    assert_int_equal(key_decode(&BINARY, buffer_view(&key), &back), ERR_OK);
    assert_true(slice_equal(item_builder_view(&back), item));
    buffer_deinit(&key);
    item_builder_deinit(&back);
}

static void rows_of_one_partition_key_are_in_order_of_the_sort_key(void **state)
{
    struct buffer last, key, start;
    buffer_init(&last, KEY_BYTES_MAX);
    buffer_init(&key, KEY_BYTES_MAX);
    buffer_init(&start, KEY_BYTES_MAX);
    key_append_collection(9, VALUE_S, SLICE_LITERAL("p"), 0, &start);
    for (int64_t sk = -300; sk < 300; sk += 7) {
        buffer_clear(&key);
        assert_int_equal(key_encode(&COMPOSITE, 9, composite_item(SLICE_LITERAL("p"), sk, false),
                                    KEY_FROM_KEY, &key, NULL),
                         KEY_OK);
        assert_true(slice_compare(buffer_view(&last), buffer_view(&key)) < 0);
        assert_true(slice_starts_with(buffer_view(&key), buffer_view(&start)));
        buffer_clear(&last);
        buffer_append(&last, buffer_view(&key));
    }
    buffer_deinit(&last);
    buffer_deinit(&key);
    buffer_deinit(&start);
}

static size_t random_text(struct random *r, uint8_t *to, size_t length_max)
{
    static const uint8_t ALPHABET[] = {0, 1, 2, 'a', 'b', 0xFE, 0xFF};
    size_t length = random_below(r, length_max + 1);
    for (size_t i = 0; i < length; i++)
        to[i] = ALPHABET[random_below(r, sizeof(ALPHABET))];
    return length;
}

static void components_keep_the_order_of_values_and_delimit_themselves(void **state)
{
    struct random r;
    struct buffer x, y, back;
    random_init(&r, 5);
    buffer_init(&x, 1000);
    buffer_init(&y, 1000);
    buffer_init(&back, 1000);
    for (int i = 0; i < 20000; i++) {
        uint8_t a[8], b[8];
        struct slice va = slice_make(a, random_text(&r, a, sizeof(a)));
        struct slice vb = slice_make(b, random_text(&r, b, sizeof(b)));
        buffer_clear(&x);
        buffer_clear(&y);
        buffer_clear(&back);
        key_component_append(VALUE_B, va, &x);
        key_component_append(VALUE_B, vb, &y);
        size_t length = x.length;
        buffer_append_u8(&x, (uint8_t)random_u64(&r)); /* whatever comes next */
        buffer_append_u8(&y, (uint8_t)random_u64(&r));
        int wanted = slice_compare(va, vb), found = slice_compare(buffer_view(&x), buffer_view(&y));
        if (wanted != 0)
            assert_true((wanted < 0) == (found < 0));
        assert_int_equal(key_component_length(VALUE_B, buffer_view(&x)), length);
        assert_int_equal(key_component_decode(VALUE_B, slice_make(x.data, length), &back), ERR_OK);
        assert_true(slice_equal(buffer_view(&back), va));
        buffer_clear(&back);
        key_component_append_prefix(va, &back);
        assert_int_equal(slice_starts_with(buffer_view(&y), buffer_view(&back)), slice_starts_with(vb, va));
    }
    buffer_deinit(&x);
    buffer_deinit(&y);
    buffer_deinit(&back);
}

static void key_errors_say_which_attribute(void **state)
{
    static uint8_t text[PARTITION_KEY_BYTES_MAX + 1];
    struct buffer key;
    struct key_fault fault;
    buffer_init(&key, 2 * KEY_BYTES_MAX);
    memset(text, 0, sizeof(text));

    assert_int_equal(key_encode(&COMPOSITE, 1, SLICE_EMPTY, KEY_FROM_ITEM, &key, &fault), KEY_MISSING);
    assert_true(slice_equal_string(fault.name, "pk"));
    assert_int_equal(key_encode(&BINARY, 1, SLICE_LITERAL("\2id\1\1x"), KEY_FROM_ITEM, &key, &fault),
                     KEY_WRONG_TYPE);
    assert_int_equal(fault.expected, VALUE_B);
    assert_int_equal(fault.actual, VALUE_S);
    assert_int_equal(key_encode(&BINARY, 1, binary_item(SLICE_EMPTY), KEY_FROM_ITEM, &key, &fault),
                     KEY_EMPTY);
    assert_int_equal(
        key_encode(&COMPOSITE, 1, composite_item(SLICE_LITERAL("p"), 1, true), KEY_FROM_KEY, &key, &fault),
        KEY_EXTRA);
    assert_int_equal(
        key_encode(&BINARY, 1, binary_item(slice_make(text, sizeof(text))), KEY_FROM_ITEM, &key, &fault),
        KEY_PARTITION_TOO_LONG);
    assert_int_equal(key.length, 0);
    assert_int_equal(
        key_encode(&BINARY, 1, binary_item(slice_make(text, sizeof(text) - 1)), KEY_FROM_ITEM, &key, NULL),
        KEY_OK);
    assert_true(key.length <= KEY_BYTES_MAX);

    struct key_schema both = {
        .partition = BINARY.partition, .has_sort = true, .sort = {{(const uint8_t *)"s", 1}, VALUE_S}};
    item_builder_clear(&builder);
    item_builder_begin(&builder, VALUE_M);
    item_builder_attribute(&builder, SLICE_LITERAL("id"), (struct value_view){VALUE_B, SLICE_LITERAL("i")});
    item_builder_attribute(&builder, SLICE_LITERAL("s"),
                           (struct value_view){VALUE_S, slice_make(text, SORT_KEY_BYTES_MAX + 1)});
    item_builder_end(&builder);
    assert_int_equal(key_encode(&both, 1, item_builder_view(&builder), KEY_FROM_ITEM, &key, &fault),
                     KEY_SORT_TOO_LONG);
    assert_true(slice_equal_string(fault.name, "s"));
    buffer_deinit(&key);
}

static void ranges_cover_a_space_without_gaps(void **state)
{
    static const uint32_t COUNTS[] = {1, 2, 3, 4, 7, 1000};
    for (size_t c = 0; c < sizeof(COUNTS) / sizeof(COUNTS[0]); c++) {
        struct key_bound start, end, last_end = {0};
        for (uint32_t i = 0; i < COUNTS[c]; i++) {
            key_range(0xFFFF, i, COUNTS[c], &start, &end);
            assert_true(slice_compare(key_bound_view(&start), key_bound_view(&end)) < 0);
            if (i > 0)
                assert_true(slice_equal(key_bound_view(&start), key_bound_view(&last_end)));
            last_end = end;
        }
        assert_true(slice_equal(key_bound_view(&last_end), SLICE_LITERAL("\0\0\0\0\0\1\0\0")));
    }
    struct key_bound start, end;
    key_range(1, 1, 2, &start, &end);
    assert_true(slice_equal(key_bound_view(&start), SLICE_LITERAL("\0\0\0\0\0\0\0\1\x80\0\0\0\0\0\0\0")));
    assert_true(key_is_within(SLICE_LITERAL("b"), SLICE_LITERAL("b"), SLICE_LITERAL("c")));
    assert_false(key_is_within(SLICE_LITERAL("c"), SLICE_LITERAL("b"), SLICE_LITERAL("c")));
    assert_true(key_is_within(SLICE_LITERAL("z"), SLICE_LITERAL("b"), SLICE_EMPTY));
}

static void schema_comes_back_from_its_bytes(void **state)
{
    struct buffer bytes;
    struct key_schema back;
    buffer_init(&bytes, 1000);
    key_schema_encode(&COMPOSITE, &bytes);
    assert_int_equal(key_schema_decode(buffer_view(&bytes), &back), ERR_OK);
    assert_int_equal(back.version, 3);
    assert_true(back.has_sort);
    assert_int_equal(back.sort.type, VALUE_N);
    assert_true(slice_equal_string(back.sort.name, "sk"));
    for (size_t length = 0; length < bytes.length; length++)
        if (length != 9 + 2 + 3) /* there a schema without a sort key ends */
            assert_int_equal(key_schema_decode(slice_make(bytes.data, length), &back), ERR_CORRUPT);
    /* Later sections: an even one may be skipped, an odd one not. */
    buffer_append(&bytes, SLICE_LITERAL("\4\1x"));
    assert_int_equal(key_schema_decode(buffer_view(&bytes), &back), ERR_OK);
    buffer_append(&bytes, SLICE_LITERAL("\5\1x"));
    assert_int_equal(key_schema_decode(buffer_view(&bytes), &back), ERR_CORRUPT);
    buffer_deinit(&bytes);
}

static void random_bytes_never_lead_outside(void **state)
{
    struct random r;
    struct buffer key, schema;
    struct key_parts parts;
    struct key_schema decoded;
    buffer_init(&key, KEY_BYTES_MAX);
    buffer_init(&schema, 1000);
    key_schema_encode(&COMPOSITE, &schema);
    assert_int_equal(key_encode(&COMPOSITE, 9, composite_item(SLICE_LITERAL("part\0key"), 123456, false),
                                KEY_FROM_KEY, &key, NULL),
                     KEY_OK);
    random_init(&r, 8);
    for (int i = 0; i < 10000; i++) {
        struct slice from = random_one_in(&r, 2) ? buffer_view(&key) : buffer_view(&schema);
        size_t length = random_below(&r, from.length + 1);
        uint8_t *exact = memory_alloc(length + 1);
        memcpy(exact, from.data, length);
        for (uint64_t n = random_below(&r, 3); n-- > 0 && length > 0;)
            exact[random_below(&r, length)] = (uint8_t)random_u64(&r);
        exact = memory_resize(exact, length == 0 ? 1 : length);
        struct slice bytes = slice_make(exact, length);
        (void)!key_split(&COMPOSITE, bytes, &parts);
        (void)!key_schema_decode(bytes, &decoded);
        item_builder_clear(&builder);
        (void)!key_decode(&COMPOSITE, bytes, &builder);
        memory_free(exact);
    }
    buffer_deinit(&key);
    buffer_deinit(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_has_the_documented_layout),
        cmocka_unit_test(key_decodes_to_its_attributes),
        cmocka_unit_test(rows_of_one_partition_key_are_in_order_of_the_sort_key),
        cmocka_unit_test(components_keep_the_order_of_values_and_delimit_themselves),
        cmocka_unit_test(key_errors_say_which_attribute),
        cmocka_unit_test(ranges_cover_a_space_without_gaps),
        cmocka_unit_test(schema_comes_back_from_its_bytes),
        cmocka_unit_test(random_bytes_never_lead_outside),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

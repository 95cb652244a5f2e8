/* Ranges of keys against the rows that they are to hold. */
#include "api/router/query_range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dataplane/item/item_builder.h"
#include "dataplane/item/number.h"

enum { SPACE = 7 };

static const struct key_schema STRINGS = {
    .partition = {{(const uint8_t *)"pk", 2}, VALUE_S},
    .has_sort = true,
    .sort = {{(const uint8_t *)"sk", 2}, VALUE_S},
};
static const struct key_schema NUMBERS = {
    .partition = {{(const uint8_t *)"pk", 2}, VALUE_S},
    .has_sort = true,
    .sort = {{(const uint8_t *)"sk", 2}, VALUE_N},
};
static const struct key_schema PLAIN = {.partition = {{(const uint8_t *)"pk", 2}, VALUE_S}};

static struct query_range range;
static struct error error;

static int setup(void **state)
{
    query_range_init(&range);
    return 0;
}

static int teardown(void **state)
{
    query_range_deinit(&range);
    return 0;
}

static struct key_condition on(const char *name, enum condition_op op, struct value_view value)
{
    return (struct key_condition){.name = slice_from_string(name), .op = op, .value = value};
}

static struct value_view text(struct slice body)
{
    return (struct value_view){VALUE_S, body};
}

static struct value_view digit(struct number *n, int64_t value)
{
    *n = number_from_int64(value);
    return (struct value_view){VALUE_N, number_view(n)};
}

static enum err make(const struct key_schema *schema, const struct key_condition *sort)
{
    struct key_conditions conditions = {.count = sort == NULL ? 1 : 2};
    conditions.conditions[0] = on("pk", CONDITION_EQUAL, text(SLICE_LITERAL("p")));
    if (sort != NULL)
        conditions.conditions[1] = *sort;
    query_range_deinit(&range);
    query_range_init(&range);
    return query_range_of_conditions(schema, SPACE, &conditions, &range, &error);
}

static bool has(const struct key_schema *schema, const char *pk, struct value_view sk)
{
    struct item_builder builder;
    struct buffer key;
    item_builder_init(&builder, ITEM_ENCODED_BYTES_MAX);
    buffer_init(&key, KEY_BYTES_MAX);
    item_builder_begin(&builder, VALUE_M);
    item_builder_attribute(&builder, SLICE_LITERAL("pk"), text(slice_from_string(pk)));
    item_builder_attribute(&builder, SLICE_LITERAL("sk"), sk);
    item_builder_end(&builder);
    assert_int_equal(key_encode(schema, SPACE, item_builder_view(&builder), KEY_FROM_ITEM, &key, NULL),
                     KEY_OK);
    bool result = query_range_has(&range, buffer_view(&key));
    item_builder_deinit(&builder);
    buffer_deinit(&key);
    return result;
}

/* Which of the values are in the range, a bit each. */
static unsigned members(const struct slice *values, size_t count)
{
    unsigned found = 0;
    for (size_t i = 0; i < count; i++) {
        found |= has(&STRINGS, "p", text(values[i])) ? 1u << i : 0;
        assert_false(has(&STRINGS, "q", text(values[i])));
        assert_false(has(&STRINGS, "p ", text(values[i])));
    }
    return found;
}

static void strings_are_bounded_as_their_order_says(void **state)
{
    const struct slice values[] = {SLICE_LITERAL("a"),  SLICE_LITERAL("b\0"),       SLICE_LITERAL("b\0\xFF"),
                                   SLICE_LITERAL("ba"), SLICE_LITERAL("b\xFF\xFF"), SLICE_LITERAL("c")};
    const struct {
        enum condition_op op;
        struct slice value;
        unsigned members;
    } cases[] = {
        {CONDITION_EQUAL, SLICE_LITERAL("b\0"), 0x02},
        {CONDITION_EQUAL, SLICE_LITERAL("b"), 0x00},
        {CONDITION_LESS, SLICE_LITERAL("ba"), 0x07},
        {CONDITION_LESS_EQUAL, SLICE_LITERAL("ba"), 0x0F},
        {CONDITION_GREATER, SLICE_LITERAL("ba"), 0x30},
        {CONDITION_GREATER_EQUAL, SLICE_LITERAL("ba"), 0x38},
        {CONDITION_BEGINS_WITH, SLICE_LITERAL("b"), 0x1E},
        {CONDITION_BEGINS_WITH, SLICE_LITERAL("b\0"), 0x06},
        {CONDITION_BEGINS_WITH, SLICE_LITERAL("b\xFF\xFF"), 0x10},
        {CONDITION_BEGINS_WITH, SLICE_LITERAL("\xFF"), 0x00},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct key_condition sort = on("sk", cases[i].op, text(cases[i].value));
        assert_int_equal(make(&STRINGS, &sort), ERR_OK);
        assert_int_equal(members(values, 6), cases[i].members);
    }
    struct key_condition between = on("sk", CONDITION_BETWEEN, text(SLICE_LITERAL("b\0\xFF")));
    between.upper = text(SLICE_LITERAL("c"));
    assert_int_equal(make(&STRINGS, &between), ERR_OK);
    assert_int_equal(members(values, 6), 0x3C);
    assert_int_equal(make(&STRINGS, NULL), ERR_OK);
    assert_int_equal(members(values, 6), 0x3F);
}

static void numbers_are_bounded_by_value(void **state)
{
    struct number low, high, one;
    struct key_condition between = on("sk", CONDITION_BETWEEN, digit(&low, -10));
    between.upper = digit(&high, 9);
    assert_int_equal(make(&NUMBERS, &between), ERR_OK);
    for (int64_t i = -100; i <= 100; i++)
        assert_int_equal(has(&NUMBERS, "p", digit(&one, i)), i >= -10 && i <= 9);
    const struct key_condition above = on("sk", CONDITION_GREATER, digit(&low, -10));
    assert_int_equal(make(&NUMBERS, &above), ERR_OK);
    for (int64_t i = -100; i <= 100; i++)
        assert_int_equal(has(&NUMBERS, "p", digit(&one, i)), i > -10);
}

static void what_the_schema_has_no_place_for_is_refused(void **state)
{
    struct number n;
    struct key_conditions none = {.count = 1};
    none.conditions[0] = on("sk", CONDITION_EQUAL, text(SLICE_LITERAL("x")));
    assert_int_equal(query_range_of_conditions(&STRINGS, SPACE, &none, &range, &error), ERR_VALIDATION);
    assert_string_equal(error.text, "Query condition missed key schema element: pk");
    none.conditions[0] = on("pk", CONDITION_LESS, text(SLICE_LITERAL("x")));
    assert_int_equal(query_range_of_conditions(&STRINGS, SPACE, &none, &range, &error), ERR_VALIDATION);
    assert_string_equal(error.text, "Query key condition not supported");
    const struct key_condition other = on("other", CONDITION_EQUAL, text(SLICE_LITERAL("x")));
    assert_int_equal(make(&STRINGS, &other), ERR_VALIDATION);
    assert_string_equal(error.text, "Query condition missed key schema element: sk");
    assert_int_equal(make(&PLAIN, &other), ERR_VALIDATION);
    assert_string_equal(error.text, "Query key condition not supported");
    const struct key_condition number = on("sk", CONDITION_EQUAL, digit(&n, 1));
    assert_int_equal(make(&STRINGS, &number), ERR_VALIDATION);
    assert_string_equal(error.text,
                        "One or more parameter values were invalid: Condition parameter type does not "
                        "match schema type");
    const struct key_condition empty = on("sk", CONDITION_EQUAL, text(SLICE_LITERAL("")));
    assert_int_equal(make(&STRINGS, &empty), ERR_VALIDATION);
    assert_string_equal(error.text, "One or more parameter values were invalid: The AttributeValue for a key "
                                    "attribute cannot contain an empty string value. Key: sk");
}

static void segments_cover_a_table_without_overlap(void **state)
{
    for (uint32_t count = 1; count <= 1000000; count = count * 3 + 1) {
        struct query_range before;
        query_range_init(&before);
        assert_int_equal(query_range_of_segment(SPACE, 0, count, &before), ERR_OK);
        for (uint32_t i = 1; i < count && i < 50; i++) {
            struct query_range next;
            query_range_init(&next);
            assert_int_equal(query_range_of_segment(SPACE, i, count, &next), ERR_OK);
            assert_true(slice_equal(buffer_view(&before.end), buffer_view(&next.begin)));
            query_range_deinit(&before);
            before = next;
        }
        query_range_deinit(&before);
    }
}

static void backward_the_first_key_lies_right_below_the_end(void **state)
{
    struct buffer key;
    buffer_init(&key, RANGE_KEY_BYTES_MAX);
    query_range_go_on_at(&range, SLICE_LITERAL("abc"), true);
    query_range_first_key(&range, true, &key);
    assert_true(slice_compare(buffer_view(&key), SLICE_LITERAL("abc")) < 0);
    assert_true(slice_compare(buffer_view(&key), SLICE_LITERAL("abb\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")) > 0);
    buffer_clear(&key);
    query_range_go_on_at(&range, SLICE_LITERAL("abc\0"), true);
    query_range_first_key(&range, true, &key);
    assert_true(slice_equal(buffer_view(&key), SLICE_LITERAL("abc")));
    buffer_clear(&key);
    query_range_go_on_after(&range, SLICE_LITERAL("abc"), false);
    query_range_first_key(&range, false, &key);
    assert_true(slice_equal(buffer_view(&key), SLICE_LITERAL("abc\0")));
    buffer_deinit(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_bounded_as_their_order_says),
        cmocka_unit_test(numbers_are_bounded_by_value),
        cmocka_unit_test(what_the_schema_has_no_place_for_is_refused),
        cmocka_unit_test(segments_cover_a_table_without_overlap),
        cmocka_unit_test(backward_the_first_key_lies_right_below_the_end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

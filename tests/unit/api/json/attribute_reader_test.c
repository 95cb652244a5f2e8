#include "api/json/attribute_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/json/json_writer.h"
#include "base/memory.h"
#include "base/random.h"

static struct item_builder builder;
static struct buffer out;

static int setup(void **state)
{
    item_builder_init(&builder, ITEM_ENCODED_BYTES_MAX);
    buffer_init(&out, 1 << 24);
    return 0;
}

static int teardown(void **state)
{
    item_builder_deinit(&builder);
    buffer_deinit(&out);
    return 0;
}

static struct slice printed(struct slice item)
{
    struct json_writer w;
    buffer_clear(&out);
    json_writer_init(&w, &out);
    json_write_item(&w, item);
    return buffer_view(&out);
}

static void assert_round(const char *text, const char *wanted)
{
    struct json j;
    struct error error = {.text = ""};
    json_init(&j, slice_from_string(text));
    if (attribute_read_item(&j, &builder, &error) != ERR_OK)
        fail_msg("%s: %s", text, error.text);
    assert_true(json_finish(&j));
    assert_int_equal(item_check(item_builder_view(&builder)), ERR_OK);
    struct slice back = printed(item_builder_view(&builder));
    if (!slice_equal_string(back, wanted))
        fail_msg("%.*s", SLICE_PRINTF(back));
}

static void all_ten_types_come_back_sorted_and_normal(void **state)
{
    assert_round("{}", "{}");
    assert_round("{\"b\":{\"S\":\"x\"},\"a\":{\"N\":\"-0012.50e1\"}}",
                 "{\"a\":{\"N\":\"-125\"},\"b\":{\"S\":\"x\"}}");
    assert_round("{\"v\":{\"B\":\"AAEC/w==\"}}", "{\"v\":{\"B\":\"AAEC/w==\"}}");
    assert_round("{\"v\":{\"B\":\"AAEC\\/w==\"}}", "{\"v\":{\"B\":\"AAEC/w==\"}}");
    assert_round(
        "{\"v\":{\"SS\":[\"b\",\"a\"]},\"w\":{\"NS\":[\"10\",\"9\"]},\"x\":{\"BS\":[\"Yg==\",\"YQ==\"]}}",
        "{\"v\":{\"SS\":[\"a\",\"b\"]},\"w\":{\"NS\":[\"9\",\"10\"]},\"x\":{\"BS\":[\"YQ==\",\"Yg==\"]}}");
    assert_round(
        "{\"m\":{\"M\":{\"z\":{\"L\":[{\"BOOL\":true},{\"NULL\":true},{\"L\":[]}]},\"y\":{\"M\":{}}}}}",
        "{\"m\":{\"M\":{\"y\":{\"M\":{}},\"z\":{\"L\":[{\"BOOL\":true},{\"NULL\":true},{\"L\":[]}]}}}}");
    assert_round("{\"s\":{\"S\":\"\\u00e9\\ud83d\\ude00\\n\\u0001\\\"\"}}",
                 "{\"s\":{\"S\":\"\xC3\xA9\xF0\x9F\x98\x80\\n\\u0001\\\"\"}}");
    assert_round("{\"e\":{\"S\":\"\"},\"f\":{\"B\":\"\"}}", "{\"e\":{\"S\":\"\"},\"f\":{\"B\":\"\"}}");
    assert_round("{\"n\":{\"N\":\"1\\u0030\"}}", "{\"n\":{\"N\":\"10\"}}");
}

static void last_of_equal_names_wins(void **state)
{
    assert_round("{\"a\":{\"S\":\"1\"},\"b\":{\"S\":\"2\"},\"a\":{\"S\":\"3\"}}",
                 "{\"a\":{\"S\":\"3\"},\"b\":{\"S\":\"2\"}}");
}

static void null_and_unknown_types_do_not_count(void **state)
{
    assert_round("{\"a\":{\"S\":null,\"N\":\"1\",\"X\":[]}}", "{\"a\":{\"N\":\"1\"}}");
}

static void assert_refused(const char *text, enum err wanted, const char *words)
{
    struct json j;
    struct error error = {.text = ""};
    json_init(&j, slice_from_string(text));
    assert_int_equal(attribute_read_item(&j, &builder, &error), wanted);
    assert_string_equal(error.text, words);
    if (wanted == ERR_VALIDATION)
        assert_true(json_finish(&j)); /* consumed to its end */
}

#define INVALID "One or more parameter values were invalid: "

static void what_is_not_allowed_is_refused_in_dynamodbs_words(void **state)
{
    static const char *const CASES[][2] = {
        {"{\"a\":{}}",
         "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
        {"{\"a\":{\"S\":null}}",
         "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
        {"{\"a\":{\"S\":\"x\",\"N\":\"1\"}}",
         "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the "
         "supported datatypes"},
        {"{\"a\":{\"NULL\":false}}", INVALID "Null attribute value types must have the value of true"},
        {"{\"a\":{\"SS\":[]}}", INVALID "An string set  may not be empty"},
        {"{\"a\":{\"NS\":[]}}", INVALID "An number set  may not be empty"},
        {"{\"a\":{\"BS\":[]}}", INVALID "Binary sets should not be empty"},
        {"{\"a\":{\"SS\":[\"a\",\"a\"]}}", INVALID "Input collection [a, a] contains duplicates."},
        {"{\"a\":{\"BS\":[\"Yg==\",\"Yg==\"]}}",
         INVALID "Input collection [Yg==, Yg==]of type BS contains duplicates."},
        {"{\"a\":{\"NS\":[\"1\",\"1.0\"]}}", "Input collection contains duplicates"},
        {"{\"a\":{\"N\":\"x\"}}", "The parameter cannot be converted to a numeric value: x"},
        {"{\"a\":{\"N\":\"\"}}", "The parameter cannot be converted to a numeric value"},
        {"{\"a\":{\"N\":\"1e126\"}}",
         "Number overflow. Attempting to store a number with magnitude larger than supported range"},
        {"{\"a\":{\"NS\":[\"1e-131\"]}}",
         "Number underflow. Attempting to store a number with magnitude smaller than supported range"},
        {"{\"a\":{\"N\":\"123456789012345678901234567890123456789\"}}",
         "Attempting to store more than 38 significant digits in a Number"},
        {"{\"a\":{\"N\":\"x\"},\"b\":{\"SS\":[]}}",
         "The parameter cannot be converted to a numeric value: x"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        assert_refused(CASES[i][0], ERR_VALIDATION, CASES[i][1]);
}

static void wrong_types_are_refused_in_dynamodbs_words(void **state)
{
    static const char *const CASES[][2] = {
        {"{\"a\":{\"S\":1}}", "NUMBER_VALUE cannot be converted to String"},
        {"{\"a\":{\"N\":1.5}}", "DECIMAL_VALUE cannot be converted to String"},
        {"{\"a\":{\"S\":{}}}", "Start of structure or map found where not expected."},
        {"{\"a\":{\"S\":[]}}", "Unrecognized collection type class java.lang.String"},
        {"{\"a\":{\"BOOL\":\"true\"}}", "Unexpected token received from parser"},
        {"{\"a\":{\"BOOL\":1}}", "NUMBER_VALUE cannot be converted to Boolean"},
        {"{\"a\":{\"SS\":\"x\"}}", "Unexpected field type"},
        {"{\"a\":{\"SS\":{}}}", "Start of structure or map found where not expected."},
        {"{\"a\":{\"L\":[1]}}", "Unexpected value type in payload"},
        {"{\"a\":{\"M\":[]}}", "Unrecognized collection type java.util.Map<java.lang.String, "
                               "com.amazonaws.dynamodb.v20120810.AttributeValue>"},
        {"{\"a\":[]}", "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue"},
        {"{\"a\":\"x\"}", "Unexpected value type in payload"},
        {"{\"a\":{\"B\":1}}", "only base-64-encoded strings are convertible to bytes"},
        {"{\"a\":{\"B\":\"23456\"}}", "Base64 encoded length is expected a multiple of 4 bytes but found: 5"},
        {"{\"a\":{\"B\":\"=+/=\"}}", "Invalid last non-pad Base64 character dectected"},
        {"{\"a\":{\"B\":\"+/+=\"}}", "Invalid last non-pad Base64 character dectected"},
        {"{\"a\":{\"B\":\"a*b=\"}}", "Invalid Base64 character: '*'"},
        {"{\"a\":{\"S\":\"x\"}", "Unexpected token received from parser"},
        {"{\"a\":{\"N\":\"x\"},\"b\":{\"S\":1}}",
         "NUMBER_VALUE cannot be converted to String"}, /* goes before validation */
        {"{\"a\":{\"S\":\"x\",\"N\":1}}", "NUMBER_VALUE cannot be converted to String"},
        {"null", "Unexpected field type"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        assert_refused(CASES[i][0], ERR_SERIALIZATION, CASES[i][1]);
}

static const char *nested_text(struct buffer *text, unsigned lists)
{
    buffer_clear(text);
    buffer_append_string(text, "{\"a\":");
    for (unsigned i = 0; i < lists; i++)
        buffer_append_string(text, "{\"L\":[");
    buffer_append_string(text, "{\"S\":\"x\"}");
    for (unsigned i = 0; i < lists; i++)
        buffer_append_string(text, "]}");
    buffer_append(text, slice_make("}", 2)); /* with its NUL */
    return (const char *)text->data;
}

static void nesting_beyond_32_levels_is_refused(void **state)
{
    static const char WORDS[] =
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested "
        "levels beyond supported limit";
    struct buffer text;
    buffer_init(&text, 1 << 16);
    nested_text(&text, 31);
    assert_round((const char *)text.data, (const char *)text.data);
    assert_refused(nested_text(&text, 32), ERR_VALIDATION, WORDS);
    assert_refused(nested_text(&text, 200), ERR_VALIDATION, WORDS);
    assert_refused(nested_text(&text, 2000), ERR_SERIALIZATION, "Unexpected token received from parser");
    buffer_deinit(&text);
}

static void oversized_items_and_missing_memory_are_told_apart(void **state)
{
    struct item_builder small;
    struct json j;
    struct error error;
    item_builder_init(&small, 8);
    json_init(&j, SLICE_LITERAL("{\"a\":{\"S\":\"0123456789\"}}"));
    assert_int_equal(attribute_read_item(&j, &small, &error), ERR_VALIDATION);
    assert_string_equal(error.text, "Item size has exceeded the maximum allowed size");
    item_builder_deinit(&small);
    item_builder_init(&small, 1000);
    memory_fail_after(0);
    json_init(&j, SLICE_LITERAL("{\"a\":{\"S\":\"0123456789\"}}"));
    assert_int_equal(attribute_read_item(&j, &small, &error), ERR_NO_MEMORY);
    memory_fail_after(-1);
    item_builder_deinit(&small);
}

static void values_are_read_into_an_open_builder(void **state)
{
    struct json j;
    struct error error;
    struct value_view list, value;
    item_builder_clear(&builder);
    item_builder_begin(&builder, VALUE_L);
    json_init(&j, SLICE_LITERAL("[{\"S\":\"x\"},{\"M\":{\"a\":{\"N\":\"1\"}}}]"));
    json_array_begin(&j);
    while (json_array_next(&j))
        assert_int_equal(attribute_read_value(&j, &builder, &error), ERR_OK);
    item_builder_end(&builder);
    assert_true(value_decode(item_builder_view(&builder), &list));
    assert_true(list_at(list.body, 1, &value));
    assert_int_equal(value.tag, VALUE_M);
}

static void copy_lives_in_the_arena(void **state)
{
    struct json j;
    struct error error;
    struct arena arena;
    struct slice item;
    arena_init(&arena, 1024, 4096);
    json_init(&j, SLICE_LITERAL("{\"a\":{\"S\":\"x\"}}"));
    assert_int_equal(attribute_read_item_copy(&j, &builder, &arena, &item, &error), ERR_OK);
    item_builder_clear(&builder);
    assert_true(slice_equal(item, SLICE_LITERAL("\1a\1\1x")));
    arena_deinit(&arena);
    arena_init(&arena, 16, 16);
    json_init(&j, SLICE_LITERAL("{\"a\":{\"S\":\"more than sixteen bytes\"}}"));
    assert_int_equal(attribute_read_item_copy(&j, &builder, &arena, &item, &error), ERR_NO_MEMORY);
    arena_deinit(&arena);
}

static void mutated_items_never_lead_outside(void **state)
{
    static const char TEXT[] = "{\"pk\":{\"S\":\"a\\u00e9\"},\"n\":{\"N\":\"-1.50e3\"},\"b\":{\"B\":\"AAEC/"
                               "w==\"},\"ss\":{\"SS\":[\"b\",\"a\"]},"
                               "\"ns\":{\"NS\":[\"1\",\"2.5\"]},\"bs\":{\"BS\":[\"YQ==\"]},\"m\":{\"M\":{"
                               "\"x\":{\"L\":[{\"BOOL\":true},{\"NULL\":true}]}}}}";
    static const char INTERESTING[] = "{}[]\",:\\SNBLM01e=/\xFF\xC3";
    struct random r;
    int good = 0;
    random_init(&r, 4);
    for (int i = 0; i < 20000; i++) {
        struct json j;
        struct error error;
        size_t length = sizeof(TEXT) - 1;
        if (random_one_in(&r, 4))
            length = random_below(&r, length);
        uint8_t *exact = memory_alloc(length == 0 ? 1 : length);
        memcpy(exact, TEXT, length);
        for (uint64_t n = random_below(&r, 4); n-- > 0 && length > 0;)
            exact[random_below(&r, length)] =
                random_one_in(&r, 2) ? (uint8_t)random_u64(&r)
                                     : (uint8_t)INTERESTING[random_below(&r, sizeof(INTERESTING) - 1)];
        json_init(&j, slice_make(exact, length));
        if (attribute_read_item(&j, &builder, &error) == ERR_OK) {
            struct item_builder again;
            good++;
            assert_int_equal(item_check(item_builder_view(&builder)), ERR_OK);
            item_builder_init(&again, ITEM_ENCODED_BYTES_MAX);
            json_init(&j, printed(item_builder_view(&builder)));
            assert_int_equal(attribute_read_item(&j, &again, &error), ERR_OK);
            assert_true(slice_equal(item_builder_view(&again), item_builder_view(&builder)));
            item_builder_deinit(&again);
        }
        memory_free(exact);
    }
    assert_true(good > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ten_types_come_back_sorted_and_normal),
        cmocka_unit_test(last_of_equal_names_wins),
        cmocka_unit_test(null_and_unknown_types_do_not_count),
        cmocka_unit_test(what_is_not_allowed_is_refused_in_dynamodbs_words),
        cmocka_unit_test(wrong_types_are_refused_in_dynamodbs_words),
        cmocka_unit_test(nesting_beyond_32_levels_is_refused),
        cmocka_unit_test(oversized_items_and_missing_memory_are_told_apart),
        cmocka_unit_test(values_are_read_into_an_open_builder),
        cmocka_unit_test(copy_lives_in_the_arena),
        cmocka_unit_test(mutated_items_never_lead_outside),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

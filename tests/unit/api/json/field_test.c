#include "api/json/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MAP "java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>"
#define STRUCTURE "Start of structure or map found where not expected."

enum kind { STRING, BOOLEAN, INTEGER, LONG, OBJECT, MAP_OF_VALUES, LIST, ELEMENT };

static enum err read_field(enum kind kind, const char *text, struct error *error)
{
    struct json j;
    struct arena arena;
    struct slice string;
    bool is_present, flag;
    int64_t number;
    enum err err = ERR_INTERNAL;
    arena_init(&arena, 256, 1024);
    json_init(&j, slice_from_string(text));
    switch (kind) {
    case STRING:
        err = field_string(&j, &arena, &string, error);
        break;
    case BOOLEAN:
        err = field_bool(&j, &is_present, &flag, error);
        break;
    case INTEGER:
        err = field_integer(&j, "Integer", &is_present, &number, error);
        break;
    case LONG:
        err = field_integer(&j, "Long", &is_present, &number, error);
        break;
    case OBJECT:
        err = field_object_begin(&j, "ProvisionedThroughput", &is_present, error);
        break;
    case MAP_OF_VALUES:
        err = field_map_begin(&j, "AttributeValue", &is_present, error);
        break;
    case LIST:
        err = field_list_begin(&j, &is_present, error);
        break;
    case ELEMENT:
        err = field_element_object_begin(&j, "KeySchemaElement", error);
        break;
    }
    arena_deinit(&arena);
    return err;
}

static void wrong_types_are_named_as_dynamodb_does(void **state)
{
    static const struct {
        enum kind kind;
        const char *text, *words;
    } CASES[] = {
        {STRING, "true", "TRUE_VALUE cannot be converted to String"},
        {STRING, "false", "FALSE_VALUE cannot be converted to String"},
        {STRING, "23", "NUMBER_VALUE cannot be converted to String"},
        {STRING, "34.56", "DECIMAL_VALUE cannot be converted to String"},
        {STRING, "[]", "Unrecognized collection type class java.lang.String"},
        {STRING, "{}", STRUCTURE},
        {STRING, "\"", "Unexpected token received from parser"},
        {BOOLEAN, "\"23\"", "Unexpected token received from parser"},
        {BOOLEAN, "23", "NUMBER_VALUE cannot be converted to Boolean"},
        {BOOLEAN, "[]", "Unrecognized collection type class java.lang.Boolean"},
        {INTEGER, "\"23\"", "STRING_VALUE cannot be converted to Integer"},
        {INTEGER, "[]", "Unrecognized collection type class java.lang.Integer"},
        {LONG, "true", "TRUE_VALUE cannot be converted to Long"},
        {LONG, "{}", STRUCTURE},
        {OBJECT, "23", "Unexpected field type"},
        {OBJECT, "[]",
         "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.ProvisionedThroughput"},
        {MAP_OF_VALUES, "[]", "Unrecognized collection type " MAP},
        {MAP_OF_VALUES, "\"\"", "Unexpected field type"},
        {LIST, "{}", STRUCTURE},
        {LIST, "1", "Unexpected field type"},
        {ELEMENT, "1", "Unexpected value type in payload"},
        {ELEMENT, "[]",
         "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.KeySchemaElement"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct error error;
        assert_int_equal(read_field(CASES[i].kind, CASES[i].text, &error), ERR_SERIALIZATION);
        assert_string_equal(error.text, CASES[i].words);
    }
}

static void null_is_absent(void **state)
{
    struct json j;
    struct slice text = SLICE_LITERAL("x");
    bool is_present = true, flag;
    struct error error;
    json_init(&j, SLICE_LITERAL("[null,null,null]"));
    json_array_begin(&j);
    assert_true(json_array_next(&j));
    assert_int_equal(field_string(&j, NULL, &text, &error), ERR_OK);
    assert_null(text.data);
    assert_true(json_array_next(&j));
    assert_int_equal(field_bool(&j, &is_present, &flag, &error), ERR_OK);
    assert_false(is_present);
    assert_true(json_array_next(&j));
    is_present = true;
    assert_int_equal(field_list_begin(&j, &is_present, &error), ERR_OK);
    assert_false(is_present);
    assert_false(json_array_next(&j));
    assert_true(json_finish(&j));
}

static int64_t integer(const char *text, const char *type)
{
    struct json j;
    struct error error;
    bool is_present;
    int64_t value = 0;
    json_init(&j, slice_from_string(text));
    assert_int_equal(field_integer(&j, type, &is_present, &value, &error), ERR_OK);
    assert_true(is_present);
    return value;
}

static void integers_are_cut_and_saturate(void **state)
{
    assert_int_equal(integer("42", "Integer"), 42);
    assert_int_equal(integer("-2.9", "Integer"), -2);
    assert_int_equal(integer("1e3", "Integer"), 1000);
    assert_int_equal(integer("2147483648", "Integer"), INT32_MAX);
    assert_int_equal(integer("2147483648", "Long"), 2147483648);
    assert_true(integer("-99999999999999999999", "Long") == INT64_MIN);
    assert_true(integer("1e400", "Long") == INT64_MAX);
}

static void spent_arena_is_no_memory(void **state)
{
    struct json j;
    struct arena arena;
    struct slice text;
    struct error error;
    arena_init(&arena, 16, 16);
    json_init(&j, SLICE_LITERAL("\"\\n, and much more than sixteen bytes\""));
    assert_int_equal(field_string(&j, &arena, &text, &error), ERR_NO_MEMORY);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_types_are_named_as_dynamodb_does),
        cmocka_unit_test(null_is_absent),
        cmocka_unit_test(integers_are_cut_and_saturate),
        cmocka_unit_test(spent_arena_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

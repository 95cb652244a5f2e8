#include "api/router/constraints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static const char *words(const struct constraints *c)
{
    static struct error error;
    assert_int_equal(constraints_finish(c, &error), ERR_VALIDATION);
    return error.text;
}

static const char *words_of_name(const char *name)
{
    struct constraints c;
    constraints_init(&c);
    constraints_table_name(&c, slice_from_string(name));
    return words(&c);
}

static void nothing_violated_is_no_error(void **state)
{
    struct constraints c;
    struct error error;
    constraints_init(&c);
    constraints_table_name(&c, SLICE_LITERAL("Music_1.a-b"));
    constraints_table_name(&c, SLICE_LITERAL("arn:aws:dynamodb:us-east-1:100000000001:table/Music"));
    assert_int_equal(constraints_finish(&c, &error), ERR_OK);
}

static void a_missing_name_is_null(void **state)
{
    struct constraints c;
    constraints_init(&c);
    constraints_table_name(&c, SLICE_EMPTY);
    assert_string_equal(words(&c), "1 validation error detected: Value null at 'tableName' failed to satisfy "
                                   "constraint: Member must not be null");
}

static void names_are_checked_as_data_operations_do(void **state)
{
    char long_name[257], long_arn[1100];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    memset(long_arn, 'a', sizeof long_arn - 1);
    long_arn[sizeof long_arn - 1] = '\0';
    memcpy(long_arn, "arn:", 4);
    assert_non_null(strstr(words_of_name(""), "Member must have length greater than or equal to 1"));
    assert_non_null(strstr(words_of_name(long_name), "Member must have length less than or equal to 255"));
    assert_non_null(strstr(words_of_name(long_arn), "Member must have length less than or equal to 1024"));
    assert_string_equal(
        words_of_name("a;b"),
        "1 validation error detected: Value 'a;b' at 'tableName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+");
}

static void the_name_is_what_follows_table_in_an_arn(void **state)
{
    struct slice arn = SLICE_LITERAL("arn:aws:dynamodb:us-east-1:100000000001:table/Music");
    assert_true(slice_equal_string(constraints_name_of(arn), "Music"));
    assert_true(slice_equal_string(constraints_name_of(SLICE_LITERAL("Music")), "Music"));
    assert_true(slice_equal_string(constraints_name_of(SLICE_LITERAL("arn:")), "arn:"));
    assert_int_equal(constraints_name_of(SLICE_LITERAL("arn:x:table/")).length, 0);
}

static void an_enum_is_one_of_its_set(void **state)
{
    static const char *const set[] = {"INDEXES", "TOTAL", "NONE"};
    struct constraints c;
    constraints_init(&c);
    assert_int_equal(constraints_enum(&c, "p", SLICE_EMPTY, set, 3, 2), 2);
    assert_int_equal(constraints_enum(&c, "p", SLICE_LITERAL("TOTAL"), set, 3, 2), 1);
    assert_int_equal(constraints_enum(&c, "p", SLICE_LITERAL("total"), set, 3, 2), 2);
    assert_string_equal(words(&c),
                        "1 validation error detected: Value 'total' at 'p' failed to satisfy constraint: "
                        "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]");
}

static void all_violations_are_told_up_to_ten(void **state)
{
    struct constraints c;
    constraints_init(&c);
    constraints_null(&c, "a");
    constraints_null(&c, "b");
    assert_string_equal(words(&c),
                        "2 validation errors detected: Value null at 'a' failed to satisfy constraint: "
                        "Member must not be null; Value null at 'b' failed to satisfy constraint: Member "
                        "must not be null");
}

static void a_long_value_is_cut_at_a_character(void **state)
{
    static const char *const set[] = {"NONE"};
    char text[301];
    memset(text, 'x', sizeof text);
    for (size_t i = 1; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "é", 2);
    struct constraints c;
    constraints_init(&c);
    constraints_enum(&c, "returnValues", slice_make(text, sizeof text), set, 1, 0);
    assert_non_null(strstr(words(&c), "éé' at 'returnValues'"));
}

static void no_number_or_length_of_violations_overflows(void **state)
{
    char text[70000];
    static const char *const set[] = {"NONE"};
    memset(text, 'x', sizeof text);
    struct constraints c;
    constraints_init(&c);
    for (int i = 0; i < 40; i++) {
        constraints_enum(&c, "returnValues", slice_make(text, sizeof text), set, 1, 0);
        constraints_table_name(&c, slice_make(text, sizeof text));
        constraints_table_name(&c, slice_make(text, 1000));
    }
    const char *message = words(&c);
    assert_true(strlen(message) > 200);
}

static void maps_are_shown_without_their_values(void **state)
{
    struct constraints c;
    struct error error;
    constraints_init(&c);
    constraints_map_key(&c, "requestItems", SLICE_LITERAL("Music_1.a-b"));
    constraints_map_key(&c, "requestItems",
                        SLICE_LITERAL("arn:aws:dynamodb:us-east-1:100000000001:table/Music"));
    assert_int_equal(constraints_finish(&c, &error), ERR_OK);
    constraints_map_key(&c, "requestItems", SLICE_LITERAL("a b"));
    assert_string_equal(
        words(&c),
        "1 validation error detected: Value '{a b=[...]}' at 'requestItems' failed to satisfy constraint: "
        "Map "
        "keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have "
        "length greater than or equal to 1, Member must satisfy regular expression pattern: "
        "[a-zA-Z0-9_.-]+]");
    constraints_init(&c);
    constraints_map_list(&c, "requestItems", SLICE_LITERAL("T"), 25);
    assert_string_equal(
        words(&c),
        "1 validation error detected: Value '{T=[...]}' at 'requestItems' failed to satisfy constraint: Map "
        "value must satisfy constraint: [Member must have length less than or equal to 25, Member must have "
        "length greater than or equal to 1]");
}

static void names_of_any_length_are_bounded(void **state)
{
    static uint8_t bytes[100000];
    memset(bytes, 'x', sizeof bytes);
    struct constraints c;
    constraints_init(&c);
    for (int i = 0; i < 100; i++) {
        constraints_map_key(&c, "requestItems", slice_make(bytes, sizeof bytes));
        constraints_map_key(&c, "requestItems", SLICE_LITERAL(""));
    }
    assert_non_null(strstr(words(&c), "200 validation errors detected: Value '{xxx"));
}

static void lists_have_lengths(void **state)
{
    struct constraints c;
    constraints_init(&c);
    constraints_list_too_short(&c, "requestItems.T.member.keys");
    constraints_list_too_long(&c, "RequestItems.T.member.Keys", 100);
    assert_string_equal(
        words(&c),
        "2 validation errors detected: Value '[]' at 'requestItems.T.member.keys' failed to satisfy "
        "constraint: Member must have length greater than or equal to 1; Value at "
        "'RequestItems.T.member.Keys' failed to satisfy constraint: Member must have length less than or "
        "equal "
        "to 100");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_violated_is_no_error),
        cmocka_unit_test(a_missing_name_is_null),
        cmocka_unit_test(names_are_checked_as_data_operations_do),
        cmocka_unit_test(the_name_is_what_follows_table_in_an_arn),
        cmocka_unit_test(an_enum_is_one_of_its_set),
        cmocka_unit_test(all_violations_are_told_up_to_ten),
        cmocka_unit_test(a_long_value_is_cut_at_a_character),
        cmocka_unit_test(no_number_or_length_of_violations_overflows),
        cmocka_unit_test(maps_are_shown_without_their_values),
        cmocka_unit_test(names_of_any_length_are_bounded),
        cmocka_unit_test(lists_have_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

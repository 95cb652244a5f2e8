#include "api/expression/legacy_condition.h"

#include <stdio.h>

#include "tests/unit/api/expression/legacy_fixture.h"

#define WRONG "One or more parameter values were invalid: "

static const char ITEM[] =
    "{pk:'k',n:5,s:'hello',b:b'hello',t:true,z:null,l:[1,'two',b'3',true],m:{x:1},ss:<'a','b'>,"
    "ns:<1,2>,bs:<b'x'>}";

/* ERR_OK, with the program in program_bytes, or the refusal in `error`. */
static enum err compile(const char *parameter, const char *text, bool is_or)
{
    struct legacy_conditions all = read_conditions(parameter, text);
    buffer_clear(&program_bytes);
    error = (struct error){0};
    TRY(legacy_conditions_check(&all, &error));
    return legacy_conditions_compile(&all, is_or, &program_bytes);
}

static bool holds_on(const char *parameter, const char *text, bool is_or, const char *item)
{
    struct program program;
    bool result = false;
    assert_int_equal(compile(parameter, text, is_or), ERR_OK);
    open_program(PROGRAM_CONDITION, &program);
    assert_int_equal(condition_evaluate(&program, document_read(item, false, &arena), &arena, &result),
                     ERR_OK);
    return result;
}

static bool holds(const char *text)
{
    bool result = holds_on("QueryFilter", text, false, ITEM);
    assert_int_equal(holds_on("Expected", text, true, ITEM), result); /* one condition: the same everywhere */
    return result;
}

static void assert_condition_refused(const char *parameter, const char *text, const char *message)
{
    assert_int_equal(compile(parameter, text, false), ERR_VALIDATION);
    assert_string_equal(error.text, message);
    assert_int_equal(program_bytes.length, 0);
}

/* {NAME:{ComparisonOperator:'OP',AttributeValueList:[VALUES]}} */
static const char *condition(const char *name, const char *op, const char *values)
{
    return arena_printf(&arena, "{%s:{ComparisonOperator:'%s',AttributeValueList:[%s]}}", name, op, values);
}

static void comparisons_hold_as_their_names_say(void **state)
{
    static const struct {
        const char *op;
        bool less, equal, greater; /* when the attribute is */
    } cases[] = {
        {"EQ", false, true, false}, {"NE", true, false, true}, {"LE", true, true, false},
        {"LT", true, false, false}, {"GE", false, true, true}, {"GT", false, false, true},
    };
    static const char *const values[][4] = {
        {"n", "6", "5", "4"}, {"s", "'hellp'", "'hello'", "'h'"}, {"b", "b'hellp'", "b'hello'", "b'h'"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t v = 0; v < 3; v++) {
            assert_int_equal(holds(condition(values[v][0], cases[i].op, values[v][1])), cases[i].less);
            assert_int_equal(holds(condition(values[v][0], cases[i].op, values[v][2])), cases[i].equal);
            assert_int_equal(holds(condition(values[v][0], cases[i].op, values[v][3])), cases[i].greater);
        }
}

static void equality_is_of_all_types(void **state)
{
    static const char *const pairs[][3] = {
        {"t", "true", "false"},     {"z", "null", "true"},        {"l", "[1,'two',b'3',true]", "[1]"},
        {"m", "{x:1}", "{x:2}"},    {"ss", "<'b','a'>", "<'a'>"}, {"ns", "<2,1>", "<1,2,3>"},
        {"bs", "<b'x'>", "<b'y'>"}, {"n", "5.0", "'5'"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_true(holds(condition(pairs[i][0], "EQ", pairs[i][1])));
        assert_false(holds(condition(pairs[i][0], "NE", pairs[i][1])));
        assert_false(holds(condition(pairs[i][0], "EQ", pairs[i][2])));
        assert_true(holds(condition(pairs[i][0], "NE", pairs[i][2])));
    }
}

static void between_and_in_look_for_one_of_many(void **state)
{
    assert_true(holds(condition("n", "BETWEEN", "5,6")));
    assert_true(holds(condition("n", "BETWEEN", "4,5")));
    assert_false(holds(condition("n", "BETWEEN", "6,7")));
    assert_false(holds(condition("n", "BETWEEN", "1,4")));
    assert_false(holds(condition("s", "BETWEEN", "1,9")));
    assert_true(holds(condition("s", "IN", "'x','hello','y'")));
    assert_false(holds(condition("s", "IN", "'x','y'")));
    assert_false(holds(condition("ns", "IN", "1,2")));
}

static const char *many_numbers(unsigned count)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    for (unsigned i = 0; i < count; i++)
        buffer_append_format(&text, "%s%u", i == 0 ? "" : ",", 1000 + i);
    const char *result = arena_string(&arena, buffer_view(&text));
    buffer_deinit(&text);
    return result;
}

static void in_takes_more_values_than_a_program_s(void **state)
{
    static const unsigned counts[] = {1, 99, 100, 101, 200, 201, 1234};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const char *in = condition("n", "IN", many_numbers(counts[i]));
        const char *last = arena_printf(&arena, "{n:%u}", 1000 + counts[i] - 1);
        const char *next = arena_printf(&arena, "{n:%u}", 1000 + counts[i]);
        assert_true(holds_on("ScanFilter", in, false, last));
        assert_true(holds_on("ScanFilter", in, false, "{n:1000}"));
        assert_false(holds_on("ScanFilter", in, false, next));
    }
}

static void contains_looks_into_texts_sets_and_lists(void **state)
{
    static const char *const there[][2] = {{"s", "'ell'"}, {"b", "b'ell'"}, {"ss", "'a'"}, {"ns", "2"},
                                           {"bs", "b'x'"}, {"l", "'two'"},  {"l", "1"},    {"l", "b'3'"}};
    static const char *const elsewhere[][2] = {{"s", "'x'"}, {"s", "5"},   {"b", "'ell'"}, {"ss", "'c'"},
                                               {"ns", "3"},  {"l", "'t'"}, {"n", "5"},     {"m", "'x'"}};
    for (size_t i = 0; i < 8; i++) {
        assert_true(holds(condition(there[i][0], "CONTAINS", there[i][1])));
        assert_false(holds(condition(there[i][0], "NOT_CONTAINS", there[i][1])));
        assert_false(holds(condition(elsewhere[i][0], "CONTAINS", elsewhere[i][1])));
        assert_true(holds(condition(elsewhere[i][0], "NOT_CONTAINS", elsewhere[i][1])));
    }
}

static void begins_with_is_of_strings_and_binaries(void **state)
{
    assert_true(holds(condition("s", "BEGINS_WITH", "'he'")));
    assert_true(holds(condition("b", "BEGINS_WITH", "b'he'")));
    assert_false(holds(condition("s", "BEGINS_WITH", "'e'")));
    assert_false(holds(condition("s", "BEGINS_WITH", "b'he'")));
    assert_false(holds(condition("n", "BEGINS_WITH", "'5'")));
}

static void null_means_absent(void **state)
{
    assert_true(holds(condition("n", "NOT_NULL", "")));
    assert_true(holds(condition("z", "NOT_NULL", "")));
    assert_false(holds(condition("none", "NOT_NULL", "")));
    assert_true(holds(condition("none", "NULL", "")));
    assert_false(holds(condition("z", "NULL", "")));
    assert_true(holds("{none:{ComparisonOperator:'NULL'}}"));
}

/* What DynamoDB says of an attribute that is not there: only NE and NULL hold. */
static void absent_attributes_satisfy_ne_and_null_only(void **state)
{
    static const char *const no[][2] = {
        {"EQ", "1"},     {"LE", "1"},        {"LT", "1"},       {"GE", "1"},           {"GT", "1"},
        {"IN", "1"},     {"BETWEEN", "0,9"}, {"CONTAINS", "1"}, {"NOT_CONTAINS", "1"}, {"BEGINS_WITH", "'x'"},
        {"NOT_NULL", ""}};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(holds(condition("none", no[i][0], no[i][1])));
    assert_true(holds(condition("none", "NE", "1")));
    assert_true(holds(condition("none", "NULL", "")));
}

static void expected_has_a_second_form(void **state)
{
#define EXPECTED(text) holds_on("Expected", text, false, ITEM)
    assert_true(EXPECTED("{n:{Value:5}}"));
    assert_false(EXPECTED("{n:{Value:6}}"));
    assert_false(EXPECTED("{none:{Value:6}}"));
    assert_true(EXPECTED("{n:{Value:5,Exists:true}}"));
    assert_false(EXPECTED("{n:{Value:6,Exists:true}}"));
    assert_true(EXPECTED("{none:{Exists:false}}"));
    assert_false(EXPECTED("{n:{Exists:false}}"));
    assert_true(EXPECTED("{n:{ComparisonOperator:'GT',Value:4}}"));
    assert_false(EXPECTED("{n:{ComparisonOperator:'GT',Value:5}}"));
#undef EXPECTED
}

static void conditions_are_joined_by_and_or_or(void **state)
{
    static const char all[] = "{n:{Value:5},s:{Value:'hello'},none:{Exists:false}}";
    static const char some[] = "{n:{Value:5},s:{Value:'x'},none:{Exists:false}}";
    static const char last[] = "{n:{Value:6},none:{Value:1},s:{Value:'hello'}}";
    static const char first[] = "{m:{Value:{x:1}},n:{Value:6},s:{Value:'x'}}";
    static const char none[] = "{n:{Value:6},s:{Value:'x'},none:{Value:1}}";
    assert_true(holds_on("Expected", all, false, ITEM));
    assert_true(holds_on("Expected", all, true, ITEM));
    assert_false(holds_on("Expected", some, false, ITEM));
    assert_true(holds_on("Expected", some, true, ITEM));
    assert_true(holds_on("Expected", last, true, ITEM));
    assert_true(holds_on("Expected", first, true, ITEM));
    assert_false(holds_on("Expected", first, false, ITEM));
    assert_false(holds_on("Expected", none, true, ITEM));
    /* NOT_CONTAINS is two conditions in one: neither may leak into the others. */
    assert_true(holds_on("QueryFilter",
                         "{n:{ComparisonOperator:'GT',AttributeValueList:[9]},"
                         "s:{ComparisonOperator:'NOT_CONTAINS',AttributeValueList:['x']}}",
                         true, ITEM));
    assert_false(holds_on("QueryFilter",
                          "{n:{ComparisonOperator:'GT',AttributeValueList:[9]},"
                          "s:{ComparisonOperator:'NOT_CONTAINS',AttributeValueList:['x']}}",
                          false, ITEM));
}

static void no_conditions_are_no_program(void **state)
{
    assert_int_equal(compile("Expected", "{}", false), ERR_OK);
    assert_int_equal(program_bytes.length, 0);
}

static void of_an_attribute_given_twice_the_last_counts(void **state)
{
    struct legacy_conditions all = read_conditions("Expected", "{a:{Value:1},b:{Value:2},n:{Value:5}}");
    struct program program;
    bool result;
    all.conditions[0].attribute.name = all.conditions[1].attribute.name = SLICE_LITERAL("n");
    assert_int_equal(legacy_conditions_check(&all, &error), ERR_OK);
    assert_int_equal(all.count, 1);
    buffer_clear(&program_bytes);
    assert_int_equal(legacy_conditions_compile(&all, false, &program_bytes), ERR_OK);
    open_program(PROGRAM_CONDITION, &program);
    assert_int_equal(condition_evaluate(&program, document_read(ITEM, false, &arena), &arena, &result),
                     ERR_OK);
    assert_true(result);
}

static void wrong_numbers_of_values_are_refused(void **state)
{
    static const char *const wrong[][2] = {
        {"EQ", ""},           {"EQ", "1,2"},
        {"NE", ""},           {"NE", "1,2"},
        {"LE", "1,2"},        {"LT", ""},
        {"GE", "1,2,3"},      {"GT", ""},
        {"IN", ""},           {"BETWEEN", ""},
        {"BETWEEN", "1"},     {"BETWEEN", "1,2,3"},
        {"NULL", "1"},        {"NOT_NULL", "1"},
        {"CONTAINS", ""},     {"CONTAINS", "1,2"},
        {"NOT_CONTAINS", ""}, {"NOT_CONTAINS", "1,2"},
        {"BEGINS_WITH", ""},  {"BEGINS_WITH", "'a','b'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *words = arena_printf(
            &arena, WRONG "Invalid number of argument(s) for the %s ComparisonOperator", wrong[i][0]);
        assert_condition_refused("QueryFilter", condition("a", wrong[i][0], wrong[i][1]), words);
        assert_condition_refused("Expected", condition("a", wrong[i][0], wrong[i][1]), words);
    }
    assert_condition_refused("ScanFilter", "{a:{ComparisonOperator:'EQ'}}",
                             WRONG "Invalid number of argument(s) for the EQ ComparisonOperator");
    assert_condition_refused("Expected", "{a:{ComparisonOperator:'BETWEEN',Value:1}}",
                             WRONG "Invalid number of argument(s) for the BETWEEN ComparisonOperator");
}

static void wrong_types_of_values_are_refused(void **state)
{
    static const struct {
        const char *op, *value, *type;
    } wrong[] = {
        {"LT", "true", "BOOL"},       {"LE", "null", "NULL"},
        {"GE", "[1]", "L"},           {"GT", "{x:1}", "M"},
        {"IN", "<1>", "NS"},          {"BETWEEN", "<'a'>,<'b'>", "SS"},
        {"CONTAINS", "[1]", "L"},     {"NOT_CONTAINS", "<b'x'>", "BS"},
        {"CONTAINS", "true", "BOOL"}, {"BEGINS_WITH", "1", "N"},
        {"BEGINS_WITH", "[1]", "L"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_condition_refused(
            "QueryFilter", condition("a", wrong[i].op, wrong[i].value),
            arena_printf(&arena, WRONG "ComparisonOperator %s is not valid for %s AttributeValue type",
                         wrong[i].op, wrong[i].type));
    assert_condition_refused("Expected", condition("a", "IN", "1,'x'"),
                             WRONG "AttributeValues inside AttributeValueList must be of same type");
    assert_condition_refused("Expected", condition("a", "BETWEEN", "1,'x'"),
                             WRONG "AttributeValues inside AttributeValueList must be of same type");
    assert_condition_refused(
        "Expected", condition("a", "BETWEEN", "2,1"),
        "The BETWEEN condition was provided a range where the lower bound is greater than "
        "the upper bound");
    assert_int_equal(compile("Expected", condition("a", "BETWEEN", "1,1"), false), ERR_OK);
}

static void forms_of_expected_do_not_mix(void **state)
{
#define REFUSED(text, words) assert_condition_refused("Expected", text, WRONG words)
    REFUSED("{a:{Value:1,AttributeValueList:[1]}}",
            "Value and AttributeValueList cannot be used together for Attribute: a");
    REFUSED("{a:{Value:1,AttributeValueList:[1],ComparisonOperator:'EQ'}}",
            "Value and AttributeValueList cannot be used together for Attribute: a");
    REFUSED("{a:{Exists:false,ComparisonOperator:'NULL'}}",
            "Exists and ComparisonOperator cannot be used together for Attribute: a");
    REFUSED("{a:{ComparisonOperator:'EQ'}}",
            "Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: a");
    REFUSED("{a:{AttributeValueList:[1]}}",
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: a");
    REFUSED("{a:{AttributeValueList:[1],Exists:false}}",
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: a");
    REFUSED("{a:{}}", "Value must be provided when Exists is null for Attribute: a");
    REFUSED("{a:{Exists:true}}", "Value must be provided when Exists is true for Attribute: a");
    REFUSED("{a:{Exists:false,Value:1}}", "Value cannot be used when Exists is false for Attribute: a");
#undef REFUSED
}

static void a_conditional_operator_wants_two_to_join(void **state)
{
    struct legacy_conditions all = read_conditions("Expected", "{a:{Value:1},b:{Value:2}}");
    assert_int_equal(legacy_check_conditional_operator(&all, &error), ERR_OK);
    all.count = 1;
    assert_int_equal(legacy_check_conditional_operator(&all, &error), ERR_VALIDATION);
    assert_string_equal(error.text, "ConditionalOperator can only be used when Filter or Expected has two or "
                                    "more elements");
    all.count = 0;
    assert_int_equal(legacy_check_conditional_operator(&all, &error), ERR_VALIDATION);
    assert_string_equal(error.text, "ConditionalOperator cannot be used without Filter or Expected");
}

static struct legacy_conditions many_conditions(size_t count)
{
    struct legacy_conditions all = {.parameter = "ScanFilter", .count = count};
    all.conditions = arena_zalloc(&arena, count * sizeof *all.conditions);
    for (size_t i = 0; i < count; i++) {
        all.conditions[i].attribute =
            (struct legacy_attribute){slice_from_string(arena_printf(&arena, "a%zu", i)), i};
        all.conditions[i].comparison = LEGACY_NULL;
    }
    return all;
}

static void what_a_loop_would_be_long_with_is_refused(void **state)
{
    struct legacy_conditions all = many_conditions(LEGACY_OPERATORS_MAX);
    assert_int_equal(legacy_conditions_check(&all, &error), ERR_OK);
    buffer_clear(&program_bytes);
    assert_int_equal(legacy_conditions_compile(&all, true, &program_bytes), ERR_OK);
    all = many_conditions(LEGACY_OPERATORS_MAX + 1);
    assert_int_equal(legacy_conditions_check(&all, &error), ERR_VALIDATION);
    assert_string_equal(error.text, "ScanFilter must not have more than 300 entries");
    all = read_conditions("ScanFilter", condition("n", "IN", many_numbers(LEGACY_ENTRIES_MAX)));
    assert_int_equal(legacy_conditions_check(&all, &error), ERR_OK);
    all = read_conditions("ScanFilter", condition("n", "IN", many_numbers(LEGACY_ENTRIES_MAX + 1)));
    assert_int_equal(legacy_conditions_check(&all, &error), ERR_VALIDATION);
    assert_string_equal(error.text, "ScanFilter must not have more than 4096 values");
    all = many_conditions(3);
    all.conditions[1].attribute.name.length = EXPRESSION_SUBSTITUTION_BYTES_MAX;
    all.conditions[1].attribute.name.data = arena_zalloc(&arena, EXPRESSION_SUBSTITUTION_BYTES_MAX);
    assert_int_equal(legacy_conditions_check(&all, &error), ERR_VALIDATION);
    assert_string_equal(error.text,
                        "The names and values of ScanFilter have exceeded the maximum allowed size; "
                        "size: 2097156");
}

static void names_that_no_attribute_has_are_refused(void **state)
{
    struct legacy_conditions all = many_conditions(1);
    all.conditions[0].attribute.name.length = 0;
    assert_int_equal(legacy_conditions_check(&all, &error), ERR_VALIDATION);
    assert_string_equal(error.text, WRONG "Attribute names must not be empty");
    all.conditions[0].attribute.name = slice_make(arena_zalloc(&arena, 65536), 65536);
    assert_int_equal(legacy_conditions_check(&all, &error), ERR_VALIDATION);
    assert_string_equal(error.text, WRONG "Attribute names must not be longer than 65535 bytes");
}

static struct key_conditions keys_of(const char *text)
{
    struct legacy_conditions all = read_conditions("KeyConditions", text);
    struct key_conditions keys;
    assert_int_equal(legacy_conditions_check(&all, &error), ERR_OK);
    assert_int_equal(legacy_key_conditions(&all, &keys, &error), ERR_OK);
    return keys;
}

static void key_conditions_are_those_of_an_expression(void **state)
{
    struct key_conditions keys = keys_of("{sk:{ComparisonOperator:'BETWEEN',AttributeValueList:['a','b']},"
                                         "pk:{ComparisonOperator:'EQ',AttributeValueList:['k']}}");
    assert_int_equal(keys.count, 2);
    const struct key_condition *pk = key_conditions_find(&keys, SLICE_LITERAL("pk"));
    const struct key_condition *sk = key_conditions_find(&keys, SLICE_LITERAL("sk"));
    assert_int_equal(pk->op, CONDITION_EQUAL);
    assert_true(slice_equal_string(pk->value.body, "k"));
    assert_int_equal(sk->op, CONDITION_BETWEEN);
    assert_true(slice_equal_string(sk->value.body, "a"));
    assert_true(slice_equal_string(sk->upper.body, "b"));
}

static void every_operator_reaches_the_key_conditions(void **state)
{
    static const struct {
        const char *op, *values;
        enum condition_op expected;
    } cases[] = {
        {"EQ", "'a'", CONDITION_EQUAL},
        {"NE", "'a'", CONDITION_NOT_EQUAL},
        {"LE", "'a'", CONDITION_LESS_EQUAL},
        {"LT", "'a'", CONDITION_LESS},
        {"GE", "'a'", CONDITION_GREATER_EQUAL},
        {"GT", "'a'", CONDITION_GREATER},
        {"BEGINS_WITH", "'a'", CONDITION_BEGINS_WITH},
        {"IN", "'a'", CONDITION_IN},
        {"NULL", "", CONDITION_NOT_EXISTS},
        {"NOT_NULL", "", CONDITION_EXISTS},
        {"CONTAINS", "'a'", CONDITION_CONTAINS},
        {"NOT_CONTAINS", "'a'", CONDITION_CONTAINS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct key_conditions keys = keys_of(condition("sk", cases[i].op, cases[i].values));
        assert_int_equal(keys.count, 1);
        assert_int_equal(keys.conditions[0].op, cases[i].expected);
    }
}

static void one_or_two_key_conditions_are_wanted(void **state)
{
    static const char *const wrong[] = {
        "{}", "{a:{ComparisonOperator:'NULL'},b:{ComparisonOperator:'NULL'},c:{ComparisonOperator:'NULL'}}"};
    for (size_t i = 0; i < 2; i++) {
        struct legacy_conditions all = read_conditions("KeyConditions", wrong[i]);
        struct key_conditions keys;
        assert_int_equal(legacy_conditions_check(&all, &error), ERR_OK);
        assert_int_equal(legacy_key_conditions(&all, &keys, &error), ERR_VALIDATION);
        assert_string_equal(error.text, "Conditions can be of length 1 or 2 only");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(comparisons_hold_as_their_names_say, reset),
        cmocka_unit_test_setup(equality_is_of_all_types, reset),
        cmocka_unit_test_setup(between_and_in_look_for_one_of_many, reset),
        cmocka_unit_test_setup(in_takes_more_values_than_a_program_s, reset),
        cmocka_unit_test_setup(contains_looks_into_texts_sets_and_lists, reset),
        cmocka_unit_test_setup(begins_with_is_of_strings_and_binaries, reset),
        cmocka_unit_test_setup(null_means_absent, reset),
        cmocka_unit_test_setup(absent_attributes_satisfy_ne_and_null_only, reset),
        cmocka_unit_test_setup(expected_has_a_second_form, reset),
        cmocka_unit_test_setup(conditions_are_joined_by_and_or_or, reset),
        cmocka_unit_test_setup(no_conditions_are_no_program, reset),
        cmocka_unit_test_setup(of_an_attribute_given_twice_the_last_counts, reset),
        cmocka_unit_test_setup(wrong_numbers_of_values_are_refused, reset),
        cmocka_unit_test_setup(wrong_types_of_values_are_refused, reset),
        cmocka_unit_test_setup(forms_of_expected_do_not_mix, reset),
        cmocka_unit_test_setup(a_conditional_operator_wants_two_to_join, reset),
        cmocka_unit_test_setup(what_a_loop_would_be_long_with_is_refused, reset),
        cmocka_unit_test_setup(names_that_no_attribute_has_are_refused, reset),
        cmocka_unit_test_setup(key_conditions_are_those_of_an_expression, reset),
        cmocka_unit_test_setup(every_operator_reaches_the_key_conditions, reset),
        cmocka_unit_test_setup(one_or_two_key_conditions_are_wanted, reset),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

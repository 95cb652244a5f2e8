#include "api/expression/key_condition.h"

#include "tests/unit/api/expression/expression_fixture.h"

static struct key_conditions conditions;

static void read(const char *text, const char *substitutions)
{
    struct program program;
    (void)parse(EXPRESSION_KEY_CONDITION, text, substitutions); /* `error` tells */
    open_program(PROGRAM_CONDITION, &program);
    enum err err = key_conditions_read(&program, &conditions, &error);
    if (err != ERR_OK)
        print_error("%s\n", error.text);
    assert_int_equal(err, ERR_OK);
}

static void assert_key_refused(const char *text, const char *substitutions, const char *message)
{
    struct program program;
    (void)parse(EXPRESSION_KEY_CONDITION, text, substitutions);
    open_program(PROGRAM_CONDITION, &program);
    assert_int_equal(key_conditions_read(&program, &conditions, &error), ERR_VALIDATION);
    assert_string_equal(error.text, message);
}

static void assert_string(struct value_view value, const char *text)
{
    assert_int_equal(value.tag, VALUE_S);
    assert_true(slice_equal_string(value.body, text));
}

static void conditions_are_found_in_either_order(void **state)
{
    const char *const texts[] = {"a = :x AND b < :y", "b < :y and a = :x", "(a = :x) AND (:y > b)",
                                 "(#a = :x and #b < :y)"};
    for (size_t i = 0; i < 4; i++) {
        read(texts[i], i == 3 ? "#a=a #b=b :x='one' :y='two'" : ":x='one' :y='two'");
        assert_int_equal(conditions.count, 2);
        const struct key_condition *a = key_conditions_find(&conditions, SLICE_LITERAL("a"));
        const struct key_condition *b = key_conditions_find(&conditions, SLICE_LITERAL("b"));
        assert_int_equal(a->op, CONDITION_EQUAL);
        assert_string(a->value, "one");
        assert_int_equal(b->op, CONDITION_LESS);
        assert_string(b->value, "two");
        assert_null(key_conditions_find(&conditions, SLICE_LITERAL("c")));
    }
}

static void every_operator_of_keys_is_read(void **state)
{
    static const struct {
        const char *text;
        enum condition_op op;
    } cases[] = {
        {"b = :x", CONDITION_EQUAL},
        {"b < :x", CONDITION_LESS},
        {"b <= :x", CONDITION_LESS_EQUAL},
        {"b > :x", CONDITION_GREATER},
        {"b >= :x", CONDITION_GREATER_EQUAL},
        {":x < b", CONDITION_GREATER},
        {":x <= b", CONDITION_GREATER_EQUAL},
        {":x > b", CONDITION_LESS},
        {":x >= b", CONDITION_LESS_EQUAL},
        {":x = b", CONDITION_EQUAL},
        {"begins_with(b, :x)", CONDITION_BEGINS_WITH},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read(cases[i].text, ":x='v'");
        assert_int_equal(conditions.count, 1);
        assert_int_equal(conditions.conditions[0].op, cases[i].op);
        assert_string(conditions.conditions[0].value, "v");
    }
    read("b BETWEEN :x AND :y", ":x='v' :y='w'");
    assert_int_equal(conditions.conditions[0].op, CONDITION_BETWEEN);
    assert_string(conditions.conditions[0].value, "v");
    assert_string(conditions.conditions[0].upper, "w");
}

#define OPERATOR "Invalid operator used in KeyConditionExpression: "
#define CONDITION "Invalid condition in KeyConditionExpression: "

static void what_only_filters_may_say_is_refused(void **state)
{
    assert_key_refused("a = :x OR size(b) < :x", ":x=1", OPERATOR "OR");
    assert_key_refused("NOT a = :x", ":x=1", OPERATOR "NOT");
    assert_key_refused("a <> :x", ":x=1", OPERATOR "<>");
    assert_key_refused("a = :x AND b IN (:x, :y)", ":x=1 :y=2", OPERATOR "IN");
    assert_key_refused("attribute_exists(a)", "", OPERATOR "attribute_exists");
    assert_key_refused("attribute_not_exists(a)", "", OPERATOR "attribute_not_exists");
    assert_key_refused("attribute_type(a, :x)", ":x='S'", OPERATOR "attribute_type");
    assert_key_refused("a = :x AND contains(b, :x)", ":x='S'", OPERATOR "contains");
    assert_key_refused("size(a) = :x", ":x=1", "KeyConditionExpressions cannot contain nested operations");
    assert_key_refused("a.b = :x", ":x=1",
                       "KeyConditionExpressions cannot have conditions on nested attributes");
    assert_key_refused("a[1] = :x", ":x=1",
                       "KeyConditionExpressions cannot have conditions on nested attributes");
    assert_key_refused("a = :x AND a = :y", ":x=1 :y=2",
                       "KeyConditionExpressions must only contain one condition per key");
    assert_key_refused("a = :x AND b = :x AND c = :x", ":x=1", "Conditions can be of length 1 or 2 only");
    assert_key_refused("a = b", "", CONDITION "Multiple attribute names used in one condition");
    assert_key_refused(":x < :y", ":x=1 :y=2", CONDITION "No key attribute specified");
    assert_key_refused(":x BETWEEN a AND :y", ":x=1 :y=2",
                       CONDITION "BETWEEN operator must have the key attribute as its first operand");
    assert_key_refused("begins_with(:x, a)", ":x='1'",
                       CONDITION "begins_with operator must have the key attribute as its first operand");
}

static void syntax_and_substitutions_are_checked_as_everywhere(void **state)
{
    assert_refused(EXPRESSION_KEY_CONDITION, "", "",
                   "Invalid KeyConditionExpression: The expression can not be empty;");
    assert_refused(EXPRESSION_KEY_CONDITION, "a = :x AND", ":x=1",
                   "Invalid KeyConditionExpression: Syntax error; token: \"<EOF>\", near: \":x AND\"");
    assert_refused(
        EXPRESSION_KEY_CONDITION, "status = :x", ":x=1",
        "Invalid KeyConditionExpression: Attribute name is a reserved keyword; reserved keyword: status");
    assert_refused(EXPRESSION_KEY_CONDITION, "a = :y", ":x=1",
                   "Invalid KeyConditionExpression: An expression attribute value used in expression is not "
                   "defined; attribute value: :y");
    assert_refused(
        EXPRESSION_KEY_CONDITION, "begins_with(a, :x)", ":x=1",
        "Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator or "
        "function: begins_with, operand type: N");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(conditions_are_found_in_either_order, reset),
        cmocka_unit_test_setup(every_operator_of_keys_is_read, reset),
        cmocka_unit_test_setup(what_only_filters_may_say_is_refused, reset),
        cmocka_unit_test_setup(syntax_and_substitutions_are_checked_as_everywhere, reset),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

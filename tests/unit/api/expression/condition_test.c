#include "tests/unit/api/expression/expression_fixture.h"

static const char ITEM[] =
    "{a:1, b:2, s:'hello', bin:b'xyz', l:[1,'two',[3]], m:{x:1,y:{z:'deep'}}, ss:<'p','q'>, "
    "ns:<1,2>, bs:<b'u',b'v'>, t:true, n:null}";

static void comparisons_follow_type_and_order(void **state)
{
    assert_true(is_true("a < b", "", ITEM));
    assert_true(is_true("a <= :v", ":v=1", ITEM));
    assert_true(is_true("s > :v", ":v='hell'", ITEM));
    assert_true(is_true("bin >= :v", ":v=b'xyz'", ITEM));
    assert_true(is_true("m = :v", ":v={y:{z:'deep'},x:1.0}", ITEM));
    assert_true(is_true("ss = :v", ":v=<'q','p'>", ITEM));
    assert_true(is_true("a <> s", "", ITEM));
    assert_false(is_true("a = :v", ":v='1'", ITEM));
    assert_false(is_true("a < s", "", ITEM));
    assert_false(is_true("l < a", "", ITEM));
    assert_true(is_true("m.y.z = :v AND l[1] = :w AND l[2][0] = :x", ":v='deep' :w='two' :x=3", ITEM));
}

static void absent_attributes_equal_nothing_and_differ_from_all(void **state)
{
    assert_false(is_true("q = z", "", ITEM));
    assert_true(is_true("q <> z", "", ITEM));
    assert_true(is_true("q <> :v", ":v=1", ITEM));
    assert_false(is_true("q < :v", ":v=1", ITEM));
    assert_false(is_true(":v >= q", ":v=1", ITEM));
    assert_false(is_true("q BETWEEN a AND b", "", ITEM));
    assert_false(is_true("q IN (z, :v)", ":v=1", ITEM));
    assert_true(is_true("attribute_not_exists(pk)", "", "{}"));
    assert_false(is_true("attribute_exists(m.x.y)", "", ITEM));
}

static void between_and_in(void **state)
{
    assert_true(is_true("a between :x and :y", ":x=1 :y=1", ITEM));
    assert_false(is_true("b BETWEEN :x AND :y", ":x=-5 :y=1.99", ITEM));
    assert_false(is_true("s BETWEEN :x AND :y", ":x=1 :y=2", ITEM));
    assert_true(is_true("NOT b BETWEEN :x AND :y AND a = :x", ":x=1 :y=1.5", ITEM));
    assert_true(is_true("a IN (:x, s, :y)", ":x='dog' :y=1", ITEM));
    assert_true(is_true("l in (:x)", ":x=[1,'two',[3]]", ITEM));
    assert_false(is_true("a IN (:x)", ":x='1'", ITEM));
}

static void functions(void **state)
{
    assert_true(is_true("attribute_exists (m.y) and attribute_not_exists(m.q)", "", ITEM));
    assert_true(is_true("attribute_type(n, :t)", ":t='NULL'", ITEM));
    assert_true(is_true("attribute_type(:t, :t)", ":t='S'", ITEM));
    assert_false(is_true("attribute_type(q, :t)", ":t='S'", ITEM));
    assert_true(is_true("begins_with(s, :p)", ":p='hel'", ITEM));
    assert_true(is_true("begins_with(:p, s)", ":p='hello.'", ITEM));
    assert_false(is_true("begins_with(a, :p)", ":p='1'", ITEM));
    assert_true(is_true("contains(s, :p)", ":p='ell'", ITEM));
    assert_true(is_true("contains(bin, :p)", ":p=b'yz'", ITEM));
    assert_true(is_true("contains(ss, :p) AND contains(ns, :n)", ":p='p' :n=2.0", ITEM));
    assert_true(is_true("contains(l, :p)", ":p=[3]", ITEM));
    assert_false(is_true("contains(ss, :n)", ":n=1", ITEM));
    assert_false(is_true("contains(s, a)", "", ITEM));
}

static void size_measures_what_has_a_size(void **state)
{
    assert_true(is_true("size(s) = :n AND size(bin) = :m", ":n=5 :m=3", ITEM));
    assert_true(is_true("size(l) = :n AND size(m) < :n AND size(ss) = size(ns)", ":n=3", ITEM));
    assert_true(is_true("(size(s)) > size(m.y.z)", "", ITEM));
    assert_false(is_true("size(a) >= :n", ":n=0", ITEM));
    assert_false(is_true("size(q) >= :n", ":n=0", ITEM));
    assert_false(is_true("size(s) = :v", ":v='5'", ITEM));
    assert_true(is_true("size(u) = :n", ":n=2", "{u:'\xc3\xa9\xe2\x82\xac'}"));
    assert_true(is_true("size(u) = :n", ":n=2", "{u:'\xf0\x9f\x98\x80'}"));
}

static void and_binds_tighter_than_or_and_not_tightest(void **state)
{
    assert_true(is_true("a = b OR a < b AND b > a", "", ITEM));
    assert_true(is_true("a < b OR a = b AND a = b", "", ITEM));
    assert_false(is_true("(a < b OR a = b) AND a = b", "", ITEM));
    assert_true(is_true("NOT a = b AND NOT (a > b OR a = b)", "", ITEM));
    assert_true(is_true("not not a < b", "", ITEM));
    assert_true(is_true("(a) < (b) and (((a < b) and a < b) or a = b)", "", ITEM));
    assert_true(is_true("((a) < b AND b > a)", "", ITEM));
}

/* start, then `left` so many times, middle, then `right` as often. */
static const char *repeated(const char *start, const char *left, unsigned count, const char *middle,
                            const char *right)
{
    struct buffer text;
    buffer_init(&text, 1 << 16);
    buffer_append_string(&text, start);
    for (unsigned i = 0; i < count; i++)
        buffer_append_string(&text, left);
    buffer_append_string(&text, middle);
    for (unsigned i = 0; i < count; i++)
        buffer_append_string(&text, right);
    const char *result = arena_string(&arena, buffer_view(&text));
    buffer_deinit(&text);
    return result;
}

/* a<b or (a<b or (...: the limit is on operators, not on depth. */
static void nesting_is_bounded_by_operators_alone(void **state)
{
    assert_true(is_true(repeated("a<b ", "or (a<b ", 149, "", ")"), "", ITEM));
    assert_refused(
        EXPRESSION_CONDITION, repeated("a<b ", "or (a<b ", 150, "", ")"), "",
        "Invalid ConditionExpression: The expression contains too many operators; operator count: 301");
}

static void any_depth_is_refused_without_recursion(void **state)
{
    assert_refused(EXPRESSION_FILTER, repeated("", "(", 2046, "a<b", ")"), "",
                   "Invalid FilterExpression: The expression has redundant parentheses;");
    assert_refused(EXPRESSION_CONDITION, repeated("a < ", "f(", 1355, "b", ")"), "",
                   "Invalid ConditionExpression: Invalid function name; function: f");
    assert_int_equal(parse(EXPRESSION_CONDITION, repeated("", "(", 4096, "", ""), ""), ERR_VALIDATION);
    assert_int_equal(parse(EXPRESSION_CONDITION, repeated("", "not ", 1000, "a<b", ""), ""), ERR_VALIDATION);
}

static void syntax_errors_name_token_and_surroundings(void **state)
{
#define SYNTAX(text, token, near)                  \
    assert_refused(EXPRESSION_CONDITION, text, "", \
                   "Invalid ConditionExpression: Syntax error; token: \"" token "\", near: \"" near "\"")
    SYNTAX("a", "<EOF>", "a");
    SYNTAX("a =", "<EOF>", "a =");
    SYNTAX("a IN (:a, :b", "<EOF>", ", :b");
    SYNTAX("a = b c", "c", "b c");
    SYNTAX("a IN ()", ")", "()");
    SYNTAX("a = _b", "_", "= _b");
    SYNTAX("= b", "=", "= b");
    SYNTAX("a = b)", ")", "b)");
    SYNTAX("(a = b", "<EOF>", "= b");
    SYNTAX("and = b", "and", "and =");
    SYNTAX("a[:x] = b", ":x", "[:x]");
    SYNTAX("a = b \xe2\x82\xac c", "\xe2\x82\xac", "b \xe2\x82\xac c");
    SYNTAX(" ", "<EOF>", "");
    SYNTAX("attribute_exists()", ")", "()");
#undef SYNTAX
}

static void refusals_in_the_words_of_dynamodb(void **state)
{
#define REFUSED(text, substitutions, message) \
    assert_refused(EXPRESSION_CONDITION, text, substitutions, "Invalid ConditionExpression: " message)
    REFUSED("", "", "The expression can not be empty;");
    REFUSED("status = a", "", "Attribute name is a reserved keyword; reserved keyword: status");
    REFUSED("a.b.Year = a", "", "Attribute name is a reserved keyword; reserved keyword: Year");
    REFUSED("#x = a", "",
            "An expression attribute name used in the document path is not defined; attribute name: #x");
    REFUSED("a = :x", "",
            "An expression attribute value used in expression is not defined; attribute value: :x");
    REFUSED("((a = b))", "", "The expression has redundant parentheses;");
    REFUSED("((a)) = b", "", "The expression has redundant parentheses;");
    REFUSED("foo(a)", "", "Invalid function name; function: foo");
    REFUSED("if_not_exists(a, b) = c", "",
            "The function is not allowed in a condition expression; function: if_not_exists");
    REFUSED("size(a)", "",
            "The function is not allowed to be used this way in an expression; function: size");
    REFUSED("contains(a, b) = c", "",
            "The function is not allowed to be used this way in an expression; function: contains");
    REFUSED("attribute_exists(a, b)", "",
            "Incorrect number of operands for operator or function; operator or function: attribute_exists, "
            "number of operands: 2");
    REFUSED("attribute_exists(:v)", ":v=1",
            "Operator or function requires a document path; operator or function: attribute_exists");
    REFUSED("a = a", "",
            "The first operand must be distinct from the remaining operands for this operator or function; "
            "operator: =, first operand: [a]");
    REFUSED("contains(a[1].b, #a[1].b)", "#a=a",
            "The first operand must be distinct from the remaining operands for this operator or function; "
            "operator: contains, first operand: [a, [1], b]");
    REFUSED("begins_with(a, :v)", ":v=1",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand "
            "type: N");
    REFUSED("attribute_type(a, b)", "",
            "Incorrect operand type for operator or function; operator or function: attribute_type, operand "
            "type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}");
    REFUSED("attribute_type(a, :v)", ":v='X'",
            "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}");
    REFUSED("size(:v) = b", ":v=1",
            "Incorrect operand type for operator or function; operator or function: size, operand type: N");
    REFUSED("a < :v", ":v=[1]",
            "Incorrect operand type for operator or function; operator or function: <, operand type: L");
    REFUSED(
        "a BETWEEN :x AND :y", ":x=5 :y=1",
        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound "
        "operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {N:1}");
    REFUSED("a BETWEEN :x AND :y", ":x=5 :y='z'",
            "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: "
            "AttributeValue: {N:5}, upper bound operand: AttributeValue: {S:z}");
    REFUSED("a[2147483648] = b", "", "List index is not within the allowable range; index: [2147483648]");
#undef REFUSED
}

/* Not by position, but by kind: as DynamoDB's recorded answers show it. */
static void problems_are_reported_in_the_order_of_their_kinds(void **state)
{
    assert_refused(EXPRESSION_CONDITION, "status = :undefined AND ((a = b))", "",
                   "Invalid ConditionExpression: The expression has redundant parentheses;");
    assert_refused(
        EXPRESSION_CONDITION, ":undefined = a AND status = b", "",
        "Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: status");
    assert_refused(
        EXPRESSION_CONDITION, "begins_with(a, :n) AND :undefined = a", ":n=1",
        "Invalid ConditionExpression: Incorrect operand type for operator or function; operator or "
        "function: begins_with, operand type: N");
}

static void limits_of_text_and_operands(void **state)
{
    char text[EXPRESSION_BYTES_MAX + 2];
    memset(text, ' ', sizeof text);
    memcpy(text, "a = b", 5);
    text[EXPRESSION_BYTES_MAX] = '\0';
    assert_int_equal(parse(EXPRESSION_CONDITION, text, ""), ERR_OK);
    text[EXPRESSION_BYTES_MAX] = ' ';
    text[EXPRESSION_BYTES_MAX + 1] = '\0';
    assert_refused(EXPRESSION_CONDITION, text, "",
                   "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; "
                   "expression size: 4097");
    assert_false(is_true(repeated("a IN (b", ",b", 99, ")", ""), "", ITEM));
    assert_refused(EXPRESSION_FILTER, repeated("a IN (b", ",b", 100, ")", ""), "",
                   "Invalid FilterExpression: The IN operator is provided with too many operands; number of "
                   "operands: 101");
}

static void paths_have_at_most_32_levels(void **state)
{
    assert_false(is_true(repeated("a", ".b", 31, " = c", ""), "", ITEM));
    assert_refused(
        EXPRESSION_CONDITION, repeated("a", ".b", 32, " = c", ""), "",
        "Invalid ConditionExpression: The document path has too many nesting levels; nesting levels: 33");
}

static void names_and_values_must_be_well_formed_and_used(void **state)
{
    assert_refused(EXPRESSION_CONDITION, "#a = :v", "#a=a #b=b :v=1",
                   "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}");
    assert_refused(EXPRESSION_CONDITION, "a = :v", ":v=1 :w=2 :x=3",
                   "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w, :x}");
    assert_refused(EXPRESSION_CONDITION, "a = :v", ":v!=1",
                   "ExpressionAttributeValues contains invalid key: Syntax error; key: \":v!\"");
    assert_refused(EXPRESSION_CONDITION, "a = b", "#=a",
                   "ExpressionAttributeNames contains invalid key: Syntax error; key: \"#\"");
    assert_true(is_true("#1 = :1 AND #1 = :1 AND #_.#x = :1", "#1=a #_=m #x=x :1=1", ITEM));
}

static void empty_parameters_are_refused(void **state)
{
    struct expression_substitutions s = {.has_names = true};
    struct expression_context context;
    assert_int_equal(expression_context_init(&context, &s, &arena, &error), ERR_VALIDATION);
    assert_string_equal(error.text, "ExpressionAttributeNames must not be empty");
    s = (struct expression_substitutions){.has_values = true};
    assert_int_equal(expression_context_init(&context, &s, &arena, &error), ERR_VALIDATION);
    assert_string_equal(error.text, "ExpressionAttributeValues must not be empty");
}

static void substitutions_are_limited_in_length_and_sum(void **state)
{
    char token[300];
    struct expression_context context;
    struct expression_substitution name = {slice_make(token, 255), SLICE_LITERAL("a")};
    struct expression_substitutions s = {.has_names = true, .names = &name, .name_count = 1};
    memset(token, 'x', sizeof token);
    token[0] = '#';
    assert_int_equal(expression_context_init(&context, &s, &arena, &error), ERR_OK);
    name.token.length = 256;
    assert_int_equal(expression_context_init(&context, &s, &arena, &error), ERR_VALIDATION);
    name = (struct expression_substitution){SLICE_LITERAL("#n"), SLICE_EMPTY};
    assert_int_equal(expression_context_init(&context, &s, &arena, &error), ERR_VALIDATION);
    struct expression_substitution value = {SLICE_LITERAL(":v"),
                                            slice_make(arena_alloc(&arena, 2 << 20), 2 << 20)};
    s = (struct expression_substitutions){.has_values = true, .values = &value, .value_count = 1};
    assert_int_equal(expression_context_init(&context, &s, &arena, &error), ERR_VALIDATION);
}

static void the_arena_may_end_at_any_allocation(void **state)
{
    struct expression_context context;
    struct expression_substitutions s = {0};
    enum err err = ERR_NO_MEMORY;
    for (size_t bytes = 256; err == ERR_NO_MEMORY; bytes += 256) {
        struct arena small;
        arena_init(&small, 256, bytes);
        buffer_clear(&program_bytes);
        err = expression_context_init(&context, &s, &small, &error);
        if (err == ERR_OK)
            err = expression_parse(&context, EXPRESSION_CONDITION, SLICE_LITERAL("(a = b) AND size(c) > d"),
                                   &program_bytes, &error);
        arena_deinit(&small);
        assert_true(bytes < 1 << 20);
    }
    assert_int_equal(err, ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(comparisons_follow_type_and_order, reset),
        cmocka_unit_test_setup(absent_attributes_equal_nothing_and_differ_from_all, reset),
        cmocka_unit_test_setup(between_and_in, reset),
        cmocka_unit_test_setup(functions, reset),
        cmocka_unit_test_setup(size_measures_what_has_a_size, reset),
        cmocka_unit_test_setup(and_binds_tighter_than_or_and_not_tightest, reset),
        cmocka_unit_test_setup(nesting_is_bounded_by_operators_alone, reset),
        cmocka_unit_test_setup(any_depth_is_refused_without_recursion, reset),
        cmocka_unit_test_setup(syntax_errors_name_token_and_surroundings, reset),
        cmocka_unit_test_setup(refusals_in_the_words_of_dynamodb, reset),
        cmocka_unit_test_setup(problems_are_reported_in_the_order_of_their_kinds, reset),
        cmocka_unit_test_setup(limits_of_text_and_operands, reset),
        cmocka_unit_test_setup(paths_have_at_most_32_levels, reset),
        cmocka_unit_test_setup(names_and_values_must_be_well_formed_and_used, reset),
        cmocka_unit_test_setup(empty_parameters_are_refused, reset),
        cmocka_unit_test_setup(substitutions_are_limited_in_length_and_sum, reset),
        cmocka_unit_test_setup(the_arena_may_end_at_any_allocation, reset),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

#include "tests/unit/api/expression/expression_fixture.h"

static const char BAD_PATH[] = "The document path provided in the update expression is invalid for update";
static const char ABSENT[] = "The provided expression refers to an attribute that does not exist in the item";
static const char BAD_TYPE[] = "An operand in the update expression has an incorrect data type";

#define UPDATED(update, substitutions, item, expected) \
    assert_string_equal(updated(update, substitutions, item), expected)

static void set_replaces_and_adds_attributes(void **state)
{
    UPDATED("SET b = :v", ":v=4", NULL, "{b:4,pk:'k'}");
    UPDATED("SET b = :v", ":v=4", "{a:1,c:2,pk:'k'}", "{a:1,b:4,c:2,pk:'k'}");
    UPDATED("set a = :v, zz = :w", ":v='x' :w=[1,{q:null}]", "{a:1,c:2}", "{a:'x',c:2,zz:[1,{q:null}]}");
    UPDATED("SET #a = :e", "#a=a.b :e={}", "{a:{b:1}}", "{a:{b:1},a.b:{}}");
}

static void operands_are_read_from_the_old_item(void **state)
{
    UPDATED("SET a = b, b = a", "", "{a:1,b:2}", "{a:2,b:1}");
    UPDATED("REMOVE a SET b = a", "", "{a:'x'}", "{b:'x'}");
    UPDATED("SET x = :v, y = x", ":v=1", "{a:1}", ABSENT);
    UPDATED("SET n = pk", "", NULL, "{n:'k',pk:'k'}");
}

static void arithmetic(void **state)
{
    UPDATED("SET a = a + :v, b = :v - b", ":v=1.5", "{a:1,b:2}", "{a:2.5,b:-0.5}");
    UPDATED("SET a = (a) + (:v)", ":v=1", "{a:1}", "{a:2}");
    UPDATED("SET a = (a - :v)", ":v=1", "{a:1}", "{a:0}");
    UPDATED("SET a = ((a) - b)", "", "{a:1,b:3}", "{a:-2,b:3}");
    UPDATED("SET a = a + :v", ":v=1", "{a:'x'}", BAD_TYPE);
    UPDATED("SET a = a + :v", ":v=1", "{b:1}", ABSENT);
    UPDATED("SET a = a + :v", ":v=9.9E125", "{a:9.9E125}",
            "Number overflow. Attempting to store a number with magnitude larger than supported range");
}

static void if_not_exists_and_list_append(void **state)
{
    UPDATED("SET a = if_not_exists(a, :v)", ":v=2", "{a:1}", "{a:1}");
    UPDATED("SET a = if_not_exists(b, :v)", ":v=2", "{a:1}", "{a:2}");
    UPDATED("SET a = if_not_exists(b, if_not_exists(c, :v)) + :v", ":v=2", "{c:5}", "{a:7,c:5}");
    UPDATED("SET a = if_not_exists(a, absent)", "", "{a:1}", "{a:1}");
    UPDATED("SET a = if_not_exists(b, absent)", "", "{a:1}", ABSENT);
    UPDATED("SET l = list_append(l, :v)", ":v=[3,'x']", "{l:[1,2]}", "{l:[1,2,3,'x']}");
    UPDATED("SET l = list_append(if_not_exists(l, :e), :v)", ":e=[] :v=[1]", "{a:1}", "{a:1,l:[1]}");
    UPDATED("SET l = list_append(:v, l)", ":v=[1]", "{l:'no'}", BAD_TYPE);
    UPDATED("SET l = list_append(l, m)", "", "{l:[[1]],m:[]}", "{l:[[1]],m:[]}");
}

static void nested_paths_are_rewritten_in_place(void **state)
{
    UPDATED("SET a.b = :x, a.c.d = :y, b.x = :z REMOVE a.x, b.y", ":x=10 :y='dog' :z=17",
            "{a:{c:{y:3},x:3,y:4},b:{x:1,y:2}}", "{a:{b:10,c:{d:'dog',y:3},y:4},b:{x:17}}");
    UPDATED("SET a.c[1].#n.y[1] = :v", "#n=x :v=9", "{a:{b:3,c:['hi',{x:{y:[3,5,7]}}]}}",
            "{a:{b:3,c:['hi',{x:{y:[3,9,7]}}]}}");
    UPDATED("REMOVE a.b, l[0]", "", "{a:{b:1},l:[1]}", "{a:{},l:[]}");
    UPDATED("REMOVE a.y, b[7], c", "", "{a:{x:3},b:['hi']}", "{a:{x:3},b:['hi']}");
}

static void lists_keep_their_old_numbers_during_an_update(void **state)
{
    UPDATED("REMOVE a[1] SET a[3] = :v", ":v=17", "{a:[2,3,4,5,6,7]}", "{a:[2,4,17,6,7]}");
    UPDATED("REMOVE a[0], a[2], a[9]", "", "{a:[1,2,3]}", "{a:[2]}");
    UPDATED("SET a[84] = :d, a[37] = :b, a[17] = :a, a[50] = :c", ":a='a' :b='b' :c='c' :d='d'", "{a:[0]}",
            "{a:[0,'a','b','c','d']}");
    UPDATED("SET a[7] = :v REMOVE a[0]", ":v=9", "{a:[1,2]}", "{a:[2,9]}");
    UPDATED("ADD a[0] :v, a[5] :v", ":v=1", "{a:[1,2]}", "{a:[2,2,1]}");
}

static void a_target_needs_a_parent_of_the_right_kind(void **state)
{
    static const char ITEM[] = "{a:'hello',b:['hi'],m:{}}";
    UPDATED("SET a.c = :v", ":v=7", ITEM, BAD_PATH);
    UPDATED("SET b.c = :v", ":v=7", ITEM, BAD_PATH);
    UPDATED("SET m[0] = :v", ":v=7", ITEM, BAD_PATH);
    UPDATED("SET c.c = :v", ":v=7", ITEM, BAD_PATH);
    UPDATED("SET m.x.y = :v", ":v=7", ITEM, BAD_PATH);
    UPDATED("SET b[3].y = :v", ":v=7", ITEM, BAD_PATH);
    UPDATED("REMOVE c.c", "", ITEM, BAD_PATH);
    UPDATED("REMOVE a[0]", "", ITEM, BAD_PATH);
    UPDATED("DELETE c.c :v", ":v=<1>", ITEM, BAD_PATH);
    UPDATED("ADD c.c :v", ":v=1", ITEM, BAD_PATH);
    UPDATED("SET c.c = :v", ":v=7", NULL, BAD_PATH);
}

static void an_absent_item_has_nothing_to_remove(void **state)
{
    struct program program;
    UPDATED("REMOVE x.y, z", "", NULL, "{pk:'k'}");
    open_program(PROGRAM_UPDATE, &program);
    assert_false(update_creates_item(&program));
    UPDATED("DELETE x :s REMOVE z", ":s=<1>", NULL, "{pk:'k'}");
    open_program(PROGRAM_UPDATE, &program);
    assert_false(update_creates_item(&program));
    UPDATED("DELETE x :s SET z = :s", ":s=<1>", NULL, "{pk:'k',z:<1>}");
    open_program(PROGRAM_UPDATE, &program);
    assert_true(update_creates_item(&program));
    assert_true(update_creates_item(NULL));
}

static void an_update_without_a_program_creates_or_keeps(void **state)
{
    struct slice result;
    struct update_request request = {.key_item = document_read("{pk:'k'}", false, &arena)};
    assert_int_equal(update_apply(&request, &arena, &result, &error), ERR_OK);
    assert_string_equal(document_write(result, &arena), "{pk:'k'}");
    request.has_old = true;
    request.old_item = document_read("{a:1,pk:'k'}", false, &arena);
    assert_int_equal(update_apply(&request, &arena, &result, &error), ERR_OK);
    assert_string_equal(document_write(result, &arena), "{a:1,pk:'k'}");
}

static void add_sums_numbers_and_unites_sets(void **state)
{
    UPDATED("ADD a :v", ":v=4", "{a:3}", "{a:7}");
    UPDATED("ADD b :v", ":v=-4", "{a:3}", "{a:3,b:-4}");
    UPDATED("ADD b :v", ":v=8", NULL, "{b:8,pk:'k'}");
    UPDATED("ADD a :v, n :w", ":v=<'c','a','b'> :w=<1,10>", "{a:<'b','d'>,n:<2,10>}",
            "{a:<'a','b','c','d'>,n:<1,2,10>}");
    UPDATED("ADD m.a :v", ":v=<b'x'>", "{m:{}}", "{m:{a:<b'x'>}}");
    UPDATED("ADD a :v", ":v=1", "{a:'x'}", BAD_TYPE);
    UPDATED("ADD a :v", ":v=<1>", "{a:[1]}", BAD_TYPE);
    UPDATED("ADD a :v", ":v=<1>", "{a:<'1'>}", BAD_TYPE);
}

static void delete_takes_members_away(void **state)
{
    UPDATED("DELETE a :v", ":v=<'cat','mouse','pig'>", "{a:<'cat','dog','mouse'>}", "{a:<'dog'>}");
    UPDATED("DELETE a :v", ":v=<'dog'>", "{a:<'dog'>,b:1}", "{b:1}");
    UPDATED("DELETE a :v", ":v=<'dog'>", "{b:1}", "{b:1}");
    UPDATED("DELETE a :v", ":v=<1>", "{a:<'dog'>}", BAD_TYPE);
}

static const char *nested(uint32_t levels)
{
    char *text = arena_alloc(&arena, 2 * (size_t)levels + 8);
    memset(text, '[', levels - 1);
    text[levels - 1] = '1';
    memset(text + levels, ']', levels - 1);
    text[2 * levels - 1] = '\0';
    return text;
}

static void nesting_ends_at_32_levels(void **state)
{
    const char *item = arena_printf(&arena, "{m:{}}");
    assert_string_equal(updated("SET m.x = :v", arena_printf(&arena, ":v=%s", nested(31)), item),
                        arena_printf(&arena, "{m:{x:%s}}", nested(31)));
    assert_string_equal(updated("SET m.x = :v", arena_printf(&arena, ":v=%s", nested(32)), item),
                        "Nesting Levels have exceeded supported limits: Attributes in the item have nested "
                        "levels beyond supported limit");
}

/* 600 KB of text four times over: refused while it is computed, whatever memory there is. */
static void values_that_no_item_can_hold_are_refused(void **state)
{
    char *large = arena_alloc(&arena, 600 * 1024 + 8);
    memset(large, 'x', 600 * 1024);
    memcpy(large, ":v='", 4);
    memcpy(large + 600 * 1024 - 1, "'", 2);
    UPDATED("SET a = :v, b = :v, c = :v, d = :v", large, "{}",
            "Item size to update has exceeded the maximum allowed size");
    memcpy(large, ":v=['", 5);
    memcpy(large + 600 * 1024 - 2, "']", 3);
    UPDATED("SET a = list_append(:v, :v)", large, "{}",
            "Item size to update has exceeded the maximum allowed size");
}

static void touched_attributes_are_those_at_the_target_paths(void **state)
{
    static const char OLD[] = "{a:{b:'dog',c:[1,2,3]},d:'cat',pk:'k'}";
    UPDATED("SET a.c[1] = :v, a.b = :w, e = :v", ":v=7 :w='hi'", OLD,
            "{a:{b:'hi',c:[1,7,3]},d:'cat',e:7,pk:'k'}");
    assert_string_equal(touched(OLD), "{a:{b:'dog',c:[2]}}");
    assert_string_equal(touched("{a:{b:'hi',c:[1,7,3]},d:'cat',e:7,pk:'k'}"), "{a:{b:'hi',c:[7]},e:7}");
    (void)updated("REMOVE a.c[1], a.c[3]", "", OLD);
    assert_string_equal(touched(OLD), "{a:{c:[2]}}");
    assert_string_equal(touched("{a:{b:'dog',c:[1,3]}}"), "{a:{c:[3]}}");
    (void)updated("SET a.c[100] = :v", ":v=70", OLD);
    assert_string_equal(touched("{a:{b:'dog',c:[1,2,3,70]}}"), "{}");
}

static void refusals_in_the_words_of_dynamodb(void **state)
{
#define REFUSED(text, substitutions, message) \
    assert_refused(EXPRESSION_UPDATE, text, substitutions, "Invalid UpdateExpression: " message)
    REFUSED("", "", "The expression can not be empty;");
    REFUSED("INVALID SYNTAX HERE", "", "Syntax error; token: \"INVALID\", near: \"INVALID SYNTAX\"");
    REFUSED("ADD hits : incr", "", "Syntax error; token: \":\", near: \"hits : incr\"");
    REFUSED("SET _123 = :v", "", "Syntax error; token: \"_\", near: \"SET _123\"");
    REFUSED("SET", "", "Syntax error; token: \"<EOF>\", near: \"SET\"");
    REFUSED("SET a = :v + :v + :v", ":v=1", "Syntax error; token: \"+\", near: \":v + :v\"");
    REFUSED("SET c = if_not_exists(c, :v+:v)", ":v=1", "Syntax error; token: \"+\", near: \":v+:v\"");
    REFUSED("SET :a = :v", "", "Syntax error; token: \":a\", near: \"SET :a =\"");
    REFUSED("SET a = b,", "", "Syntax error; token: \"<EOF>\", near: \"b,\"");
    REFUSED("SET status = :v", ":v=1", "Attribute name is a reserved keyword; reserved keyword: status");
    REFUSED("SET a = :v", "",
            "An expression attribute value used in expression is not defined; attribute value: :v");
    REFUSED("SET #a = :v", ":v=1",
            "An expression attribute name used in the document path is not defined; attribute name: #a");
    REFUSED("SET a = :v SET b = :v", ":v=1",
            "The \"SET\" section can only be used once in an update expression;");
    REFUSED(
        "SET a = :v, a.b = :v", ":v=1",
        "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: "
        "[a], path two: [a, b]");
    REFUSED(
        "SET #a = :v REMOVE a", "#a=a :v=1",
        "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: "
        "[a], path two: [a]");
    REFUSED(
        "SET a.b = :v, a[1] = :v", ":v=1",
        "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: "
        "[a, b], path two: [a, [1]]");
    REFUSED("ADD a :v", ":v='x'",
            "Incorrect operand type for operator or function; operator: ADD, operand type: STRING");
    REFUSED("DELETE a :v", ":v=1",
            "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER");
    REFUSED("SET a = b + :v", ":v='x'",
            "Incorrect operand type for operator or function; operator or function: +, operand type: S");
    REFUSED(
        "SET a = list_append(:v)", ":v=[]",
        "Incorrect number of operands for operator or function; operator or function: list_append, number "
        "of operands: 1");
    REFUSED("SET a = list_append(:v, :w)", ":v=[] :w='x'",
            "Incorrect operand type for operator or function; operator or function: list_append, operand "
            "type: S");
    REFUSED("SET a = if_not_exists(:v, :v)", ":v=1",
            "Operator or function requires a document path; operator or function: if_not_exists");
    REFUSED("SET a = list_append(list_append(a, :v), :v)", ":v=[]",
            "The function is not allowed to be used this way in an expression; function: list_append");
    REFUSED("SET a = LIST_APPEND(a, :v)", ":v=[]", "Invalid function name; function: LIST_APPEND");
    REFUSED("SET a = size(b)", "", "The function is not allowed in an update expression; function: size");
#undef REFUSED
}

static void sums_are_operators_and_limited(void **state)
{
    struct buffer text;
    buffer_init(&text, EXPRESSION_BYTES_MAX);
    buffer_append_string(&text, "SET ");
    for (int i = 0; i < 301; i++)
        buffer_append_format(&text, "%sa%d=b+c", i == 0 ? "" : ",", i);
    assert_refused(
        EXPRESSION_UPDATE, arena_string(&arena, buffer_view(&text)), "",
        "Invalid UpdateExpression: The expression contains too many operators; operator count: 301");
    buffer_deinit(&text);
}

static const struct expression_key KEYS[] = {
    {SLICE_LITERAL("g"), VALUE_S, false, SLICE_LITERAL("by_g")},
    {SLICE_LITERAL("pk"), VALUE_S, true, SLICE_EMPTY},
};

static void assert_keys(const char *update, const char *substitutions, const char *message)
{
    struct program program;
    (void)parse(EXPRESSION_UPDATE, update, substitutions);
    open_program(PROGRAM_UPDATE, &program);
    enum err err = expression_check_keys(&program, KEYS, 2, &error);
    assert_int_equal(err, message == NULL ? ERR_OK : ERR_VALIDATION);
    if (message != NULL)
        assert_string_equal(error.text, message);
}

static void keys_of_the_table_cannot_be_updated(void **state)
{
    static const char KEY[] =
        "One or more parameter values were invalid: Cannot update attribute pk. This attribute "
        "is part of the key";
    assert_keys("SET pk = :v", ":v='x'", KEY);
    assert_keys("REMOVE a, pk", "", KEY);
    assert_keys("ADD pk :v", ":v=1", KEY);
    assert_keys("SET a = pk REMOVE b", "", NULL);
}

static void keys_of_an_index_keep_their_type(void **state)
{
    assert_keys("SET g = :v", ":v='x'", NULL);
    assert_keys("SET g = if_not_exists(g, :v)", ":v='x'", NULL);
    assert_keys("SET g = h", "", NULL);
    assert_keys(
        "SET g = :v", ":v=1",
        "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N "
        "IndexName: by_g");
    assert_keys(
        "SET a = b, g = a + b", "",
        "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N "
        "IndexName: by_g");
    assert_keys("REMOVE g", "", NULL);
}

static void there_is_nothing_inside_a_key(void **state)
{
    assert_keys("SET a = pk[0]", "",
                "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
                "Key: pk");
    assert_keys("SET g.x = a", "",
                "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
                "IndexKey: g");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(set_replaces_and_adds_attributes, reset),
        cmocka_unit_test_setup(operands_are_read_from_the_old_item, reset),
        cmocka_unit_test_setup(arithmetic, reset),
        cmocka_unit_test_setup(if_not_exists_and_list_append, reset),
        cmocka_unit_test_setup(nested_paths_are_rewritten_in_place, reset),
        cmocka_unit_test_setup(lists_keep_their_old_numbers_during_an_update, reset),
        cmocka_unit_test_setup(a_target_needs_a_parent_of_the_right_kind, reset),
        cmocka_unit_test_setup(an_absent_item_has_nothing_to_remove, reset),
        cmocka_unit_test_setup(an_update_without_a_program_creates_or_keeps, reset),
        cmocka_unit_test_setup(add_sums_numbers_and_unites_sets, reset),
        cmocka_unit_test_setup(delete_takes_members_away, reset),
        cmocka_unit_test_setup(nesting_ends_at_32_levels, reset),
        cmocka_unit_test_setup(values_that_no_item_can_hold_are_refused, reset),
        cmocka_unit_test_setup(touched_attributes_are_those_at_the_target_paths, reset),
        cmocka_unit_test_setup(refusals_in_the_words_of_dynamodb, reset),
        cmocka_unit_test_setup(sums_are_operators_and_limited, reset),
        cmocka_unit_test_setup(keys_of_the_table_cannot_be_updated, reset),
        cmocka_unit_test_setup(keys_of_an_index_keep_their_type, reset),
        cmocka_unit_test_setup(there_is_nothing_inside_a_key, reset),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

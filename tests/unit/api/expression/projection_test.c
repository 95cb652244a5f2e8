#include "tests/unit/api/expression/expression_fixture.h"

static const char ITEM[] = "{a:{b:[2,4,{x:'hi',y:'yo'}],c:5},b:'hello',e:[],p:'k'}";

#define PROJECTED(projection, expected) assert_string_equal(projected(projection, "", ITEM), expected)

static void paths_pick_their_part_within_its_containers(void **state)
{
    PROJECTED("a", "{a:{b:[2,4,{x:'hi',y:'yo'}],c:5}}");
    PROJECTED("b , p", "{b:'hello',p:'k'}");
    PROJECTED("a.b[0]", "{a:{b:[2]}}");
    PROJECTED("a.b[2].y", "{a:{b:[{y:'yo'}]}}");
    PROJECTED("a.c,b", "{a:{c:5},b:'hello'}");
    PROJECTED("e", "{e:[]}");
    assert_string_equal(projected("#a.#b", "#a=a #b=c", ITEM), "{a:{c:5}}");
}

static void list_elements_close_up_in_their_order(void **state)
{
    PROJECTED("a.b[2].x, a.b[0]", "{a:{b:[2,{x:'hi'}]}}");
    PROJECTED("a.b[1], a.b[0], a.b[7]", "{a:{b:[2,4]}}");
}

static void absent_paths_leave_nothing_behind(void **state)
{
    static const char *const ABSENT[] = {"x",    "a.b[3]",   "a.x",       "a.x.y", "a.b[3].x",  "a.b.x",
                                         "a[0]", "a.b[0].x", "a.b[0][0]", "e[0]",  "b.c, a.b.c"};
    for (size_t i = 0; i < sizeof ABSENT / sizeof *ABSENT; i++)
        PROJECTED(ABSENT[i], "{}");
    PROJECTED("a.x, a.b[0], x, a.b[3].x", "{a:{b:[2]}}");
}

static void refusals_in_the_words_of_dynamodb(void **state)
{
#define REFUSED(text, message) \
    assert_refused(EXPRESSION_PROJECTION, text, "", "Invalid ProjectionExpression: " message)
    REFUSED("", "The expression can not be empty;");
    REFUSED("a,", "Syntax error; token: \"<EOF>\", near: \"a,\"");
    REFUSED("a,,b", "Syntax error; token: \",\", near: \",,b\"");
    REFUSED("a, size", "Attribute name is a reserved keyword; reserved keyword: size");
    REFUSED("and", "Attribute name is a reserved keyword; reserved keyword: and");
    REFUSED("a.b[0],a.b[0]",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; "
            "path one: [a, b, [0]], path two: [a, b, [0]]");
    REFUSED("a.b,a[1]",
            "Two document paths conflict with each other; must remove or rewrite one of these paths; path "
            "one: [a, b], path two: [a, [1]]");
    REFUSED("#a",
            "An expression attribute name used in the document path is not defined; attribute name: #a");
#undef REFUSED
}

/* The most paths that fit: quick enough, and all found. */
static void a_thousand_paths_are_projected(void **state)
{
    struct buffer text;
    buffer_init(&text, EXPRESSION_BYTES_MAX);
    for (unsigned i = 0; text.length + 6 < EXPRESSION_BYTES_MAX; i++)
        buffer_append_format(&text, "%sx%x", i == 0 ? "" : ",", i);
    PROJECTED(arena_string(&arena, buffer_view(&text)), "{}");
    buffer_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(paths_pick_their_part_within_its_containers, reset),
        cmocka_unit_test_setup(list_elements_close_up_in_their_order, reset),
        cmocka_unit_test_setup(absent_paths_leave_nothing_behind, reset),
        cmocka_unit_test_setup(refusals_in_the_words_of_dynamodb, reset),
        cmocka_unit_test_setup(a_thousand_paths_are_projected, reset),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

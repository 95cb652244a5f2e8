#include "api/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"

static bool is_json(struct slice text)
{
    struct json j;
    json_init(&j, text);
    return json_skip(&j) && json_finish(&j);
}

static void grammar_is_rfc_8259s(void **state)
{
    static const char *const GOOD[] = {
        "null",
        " true ",
        "false",
        "0",
        "-0",
        "1.5e+10",
        "1E-2",
        "\"\"",
        "[]",
        "{}",
        "[1,2]",
        "[[],[{}]]",
        "{\"a\":1,\"b\":[true,null]}",
        "\"\\u00e9\\ud83d\\ude00\\n\\/\"",
        "\t\r\n[ 1 , 2 ]\n",
        "{\"a\":1,\"a\":2}",
    };
    static const char *const BAD[] = {
        "",
        "nul",
        "nulll",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "-",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{,}",
        "{\"a\":1,}",
        "[",
        "{",
        "]",
        "[}",
        "{\"a\":1]",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\n\"",
        "\"\xFF\"",
        "\"\xED\xA0\x80\"",
        "1 2",
        "'a'",
        "[1]//",
        "NaN",
        "\"abc\\",
    };
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++)
        if (!is_json(slice_from_string(GOOD[i])))
            fail_msg("refused: %s", GOOD[i]);
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        if (is_json(slice_from_string(BAD[i])))
            fail_msg("taken: %s", BAD[i]);
    assert_false(is_json(SLICE_LITERAL("\"a\0b\"")));
}

static void depth_is_limited(void **state)
{
    char text[2 * (JSON_DEPTH_MAX + 1)];
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_false(is_json(slice_make(text, sizeof(text))));
    assert_true(is_json(slice_make(text + 1, sizeof(text) - 2)));
}

static void requests_are_pulled_field_by_field(void **state)
{
    struct json j;
    struct json_string name, table;
    struct slice item = SLICE_EMPTY;
    int64_t count = 0;
    bool is_consistent = false;
    json_init(&j, SLICE_LITERAL("{\"TableName\":\"t\\u0041\", \"Item\" : {\"a\":[{}]} "
                                ",\"ConsistentRead\":true,\"List\":[1,2,3]}"));
    assert_int_equal(json_peek(&j), JSON_OBJECT);
    assert_true(json_object_begin(&j));
    while (json_object_next(&j, &name)) {
        if (json_string_equals(name, "TableName")) {
            assert_true(json_string(&j, &table));
        } else if (json_string_equals(name, "Item")) {
            assert_true(json_raw(&j, &item));
        } else if (json_string_equals(name, "ConsistentRead")) {
            assert_true(json_bool(&j, &is_consistent));
        } else {
            struct slice number;
            for (json_array_begin(&j); json_array_next(&j); count++)
                assert_true(json_number(&j, &number));
        }
    }
    assert_true(json_finish(&j));
    assert_true(json_string_equals(table, "tA"));
    assert_true(slice_equal_string(item, "{\"a\":[{}]}"));
    assert_true(is_consistent);
    assert_int_equal(count, 3);
}

static void failure_is_sticky(void **state)
{
    struct json j;
    struct json_string s;
    json_init(&j, SLICE_LITERAL("[1]"));
    assert_false(json_string(&j, &s));
    assert_true(json_has_failed(&j));
    assert_int_equal(json_peek(&j), JSON_NONE);
    assert_false(json_array_begin(&j));
    assert_false(json_skip(&j));
    assert_false(json_finish(&j));
}

static void strings_lose_their_escapes(void **state)
{
    struct json j;
    struct json_string s = {SLICE_EMPTY, false};
    struct arena arena;
    arena_init(&arena, 1024, 4096);
    json_init(
        &j, SLICE_LITERAL("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u20AC\\uD83D\\uDE00\", \"plain \xC3\xA9\", \"\"]"));
    json_array_begin(&j);
    assert_true(json_array_next(&j) && json_string(&j, &s));
    assert_true(
        slice_equal_string(json_string_text(s, &arena), "\"\\/\b\f\n\r\t\xE2\x82\xAC\xF0\x9F\x98\x80"));
    assert_true(json_array_next(&j) && json_string(&j, &s));
    assert_false(s.has_escapes);
    assert_true(slice_equal_string(json_string_text(s, &arena), "plain \xC3\xA9"));
    assert_true(json_array_next(&j) && json_string(&j, &s));
    assert_non_null(json_string_text(s, &arena).data);
    assert_false(json_array_next(&j));
    arena_deinit(&arena);
}

static void mutated_requests_never_lead_outside(void **state)
{
    static const char TEXT[] =
        "{\"TableName\":\"t\",\"Item\":{\"a\":{\"S\":\"\\u00e9\\ud83d\\ude00 "
        "\xC3\xA9\"},\"n\":{\"N\":\"-1.5e3\"},"
        "\"l\":{\"L\":[{\"BOOL\":true},{\"NULL\":true},{\"B\":\"AAE=\"}]}},\"x\":[1.5e-3,null]}";
    static const char INTERESTING[] = "{}[]\",:\\u0tfn-+eE\xFF\xC3";
    struct random r;
    random_init(&r, 3);
    for (int i = 0; i < 10000; i++) {
        size_t length = sizeof(TEXT) - 1;
        if (random_one_in(&r, 3))
            length = random_below(&r, length);
        uint8_t *exact = memory_alloc(length == 0 ? 1 : length);
        memcpy(exact, TEXT, length);
        for (uint64_t n = random_below(&r, 5); n-- > 0 && length > 0;)
            exact[random_below(&r, length)] =
                random_one_in(&r, 2) ? (uint8_t)random_u64(&r)
                                     : (uint8_t)INTERESTING[random_below(&r, sizeof(INTERESTING))];
        (void)is_json(slice_make(exact, length));
        memory_free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar_is_rfc_8259s),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(requests_are_pulled_field_by_field),
        cmocka_unit_test(failure_is_sticky),
        cmocka_unit_test(strings_lose_their_escapes),
        cmocka_unit_test(mutated_requests_never_lead_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

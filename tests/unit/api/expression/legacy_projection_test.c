#include "api/expression/legacy_projection.h"

#include "tests/unit/api/expression/expression_fixture.h"

static const char ITEM[] = "{a:{b:1},b:'hello',c:[1],p:'k'}";

/* Names, separated by blanks. */
static struct legacy_names names_of(const char *text)
{
    struct legacy_names names = {.is_given = true,
                                 .names = arena_zalloc(&arena, strlen(text) * sizeof *names.names + 1)};
    while (*text != '\0') {
        struct slice name = text_until(&text, " ");
        names.names[names.count] = (struct legacy_attribute){name, names.count};
        names.count++;
        text += strspn(text, " ");
    }
    return names;
}

static enum err compile(const struct legacy_names *names)
{
    buffer_clear(&program_bytes);
    error = (struct error){0};
    return legacy_projection_compile(names, &arena, &program_bytes, &error);
}

static const char *got(const char *text)
{
    struct legacy_names names = names_of(text);
    struct program program;
    struct slice result;
    assert_int_equal(compile(&names), ERR_OK);
    open_program(PROGRAM_PROJECTION, &program);
    assert_int_equal(projection_apply(&program, document_read(ITEM, false, &arena), &arena, &result), ERR_OK);
    return document_write(result, &arena);
}

static void attributes_are_named_and_nothing_else(void **state)
{
    assert_string_equal(got("p a"), "{a:{b:1},p:'k'}");
    assert_string_equal(got("c none"), "{c:[1]}");
    assert_string_equal(got("none"), "{}");
    assert_string_equal(got("a.b c[0] #a"), "{}");
}

static void the_order_of_the_request_is_kept(void **state)
{
    struct legacy_names names = names_of("p c a");
    assert_int_equal(compile(&names), ERR_OK);
    assert_true(slice_equal_string(names.names[0].name, "p"));
    assert_true(slice_equal_string(names.names[2].name, "a"));
}

static void no_names_are_no_program(void **state)
{
    struct legacy_names names = {.is_given = false};
    assert_int_equal(compile(&names), ERR_OK);
    assert_int_equal(program_bytes.length, 0);
}

static void the_first_name_that_repeats_is_told(void **state)
{
    static const char *const cases[][2] = {{"a a", "a"}, {"c b a b c", "b"}, {"x a x a a", "x"}};
    for (size_t i = 0; i < 3; i++) {
        struct legacy_names names = names_of(cases[i][0]);
        assert_int_equal(compile(&names), ERR_VALIDATION);
        assert_string_equal(error.text,
                            arena_printf(&arena,
                                         "One or more parameter values were invalid: Duplicate value in "
                                         "attribute name: %s",
                                         cases[i][1]));
        assert_int_equal(program_bytes.length, 0);
    }
}

static enum err compile_many(size_t count, size_t bytes)
{
    struct legacy_names names = {.is_given = true, .count = count};
    names.names = arena_zalloc(&arena, count * sizeof *names.names);
    for (size_t i = 0; i < count; i++) {
        char *name = arena_printf(&arena, "%0*zu", (int)bytes, i);
        names.names[i] = (struct legacy_attribute){slice_make(name, bytes), i};
    }
    return compile(&names);
}

static void what_is_beyond_our_bounds_is_refused(void **state)
{
    struct program program;
    assert_int_equal(compile_many(LEGACY_NAMES_MAX, 4), ERR_OK);
    open_program(PROGRAM_PROJECTION, &program);
    assert_int_equal(program.path_count, LEGACY_NAMES_MAX);
    assert_int_equal(compile_many(LEGACY_NAMES_MAX + 1, 4), ERR_VALIDATION);
    assert_string_equal(error.text, "AttributesToGet must not have more than 1024 entries");
    assert_int_equal(compile_many(40, 65535), ERR_VALIDATION);
    assert_string_equal(error.text,
                        "The names of AttributesToGet have exceeded the maximum allowed size; size: 2621400");
    assert_int_equal(compile_many(1, 65536), ERR_VALIDATION);
    assert_int_equal(compile_many(1, 0), ERR_VALIDATION);
    assert_string_equal(error.text,
                        "One or more parameter values were invalid: Attribute names must not be empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(attributes_are_named_and_nothing_else, reset),
        cmocka_unit_test_setup(the_order_of_the_request_is_kept, reset),
        cmocka_unit_test_setup(no_names_are_no_program, reset),
        cmocka_unit_test_setup(the_first_name_that_repeats_is_told, reset),
        cmocka_unit_test_setup(what_is_beyond_our_bounds_is_refused, reset),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

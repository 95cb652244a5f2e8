#include "api/expression/legacy_update.h"

#include "tests/unit/api/expression/legacy_fixture.h"

#define WRONG "One or more parameter values were invalid: "

static const char ITEM[] = "{l:[1],m:{x:1},n:5,ns:<1,2>,pk:'k',s:'hello',ss:<'a','b'>}";

static enum err compile(const char *text)
{
    struct legacy_updates all = read_updates(text);
    buffer_clear(&program_bytes);
    error = (struct error){0};
    return legacy_updates_compile(&all, &program_bytes, &error);
}

/* The new item's text, or the refusal's. item NULL: there is none; its key is {pk:'k'}. */
static const char *after(const char *text, const char *item)
{
    struct program program;
    struct slice result;
    assert_int_equal(compile(text), ERR_OK);
    open_program(PROGRAM_UPDATE, &program);
    struct update_request request = {
        .program = &program,
        .has_old = item != NULL,
        .old_item = item != NULL ? document_read(item, false, &arena) : SLICE_EMPTY,
        .key_item = document_read("{pk:'k'}", false, &arena),
    };
    enum err err = update_apply(&request, &arena, &result, &error);
    if (err == ERR_VALIDATION)
        return legacy_update_words(error.text);
    assert_int_equal(err, ERR_OK);
    return document_write(result, &arena);
}

static bool creates_item(const char *text)
{
    struct program program;
    assert_int_equal(compile(text), ERR_OK);
    open_program(PROGRAM_UPDATE, &program);
    return update_creates_item(&program);
}

static void assert_update_refused(const char *text, const char *words)
{
    assert_int_equal(compile(text), ERR_VALIDATION);
    assert_string_equal(error.text, words);
    assert_int_equal(program_bytes.length, 0);
}

static void put_sets_whatever_was_there(void **state)
{
    assert_string_equal(after("{n:{Action:'PUT',Value:'x'},new:{Value:[1]}}", "{n:5,pk:'k'}"),
                        "{n:'x',new:[1],pk:'k'}");
    assert_string_equal(after("{n:{Value:{a:<1>}}}", NULL), "{n:{a:<1>},pk:'k'}");
}

static void a_name_is_no_path(void **state)
{
    struct legacy_updates all = read_updates("{x:{Value:1}}");
    struct program program;
    all.updates[0].attribute.name = SLICE_LITERAL("m.x[0]");
    buffer_clear(&program_bytes);
    assert_int_equal(legacy_updates_compile(&all, &program_bytes, &error), ERR_OK);
    open_program(PROGRAM_UPDATE, &program);
    assert_int_equal(program.path_count, 1);
    assert_int_equal(program_path_length(&program, 0), 1);
    assert_true(slice_equal_string(program_path_part(&program, 0, 0).name, "m.x[0]"));
}

static void add_is_of_numbers_sets_and_lists(void **state)
{
    assert_string_equal(after("{n:{Action:'ADD',Value:-2.5}}", "{n:5,pk:'k'}"), "{n:2.5,pk:'k'}");
    assert_string_equal(after("{ss:{Action:'ADD',Value:<'c','a'>}}", "{pk:'k',ss:<'a','b'>}"),
                        "{pk:'k',ss:<'a','b','c'>}");
    assert_string_equal(after("{ns:{Action:'ADD',Value:<3>}}", "{ns:<1>,pk:'k'}"), "{ns:<1,3>,pk:'k'}");
    assert_string_equal(after("{l:{Action:'ADD',Value:[2,'x']}}", "{l:[1],pk:'k'}"), "{l:[1,2,'x'],pk:'k'}");
}

static void add_begins_with_nothing(void **state)
{
    static const char text[] =
        "{l:{Action:'ADD',Value:[1]},n:{Action:'ADD',Value:7},s:{Action:'ADD',Value:<'a'>}}";
    assert_string_equal(after(text, "{pk:'k'}"), "{l:[1],n:7,pk:'k',s:<'a'>}");
    assert_string_equal(after(text, NULL), "{l:[1],n:7,pk:'k',s:<'a'>}");
}

static void delete_takes_an_attribute_or_members_of_a_set(void **state)
{
    assert_string_equal(after("{n:{Action:'DELETE'},none:{Action:'DELETE'}}", "{n:5,pk:'k'}"), "{pk:'k'}");
    assert_string_equal(after("{ss:{Action:'DELETE',Value:<'a','z'>}}", "{pk:'k',ss:<'a','b'>}"),
                        "{pk:'k',ss:<'b'>}");
    assert_string_equal(after("{ss:{Action:'DELETE',Value:<'a','b'>}}", "{pk:'k',ss:<'a','b'>}"), "{pk:'k'}");
    assert_string_equal(after("{none:{Action:'DELETE',Value:<'a'>}}", "{pk:'k'}"), "{pk:'k'}");
}

static void only_deletions_create_no_item(void **state)
{
    assert_false(creates_item("{a:{Action:'DELETE'},b:{Action:'DELETE',Value:<1>}}"));
    assert_true(creates_item("{a:{Action:'DELETE'},b:{Value:1}}"));
    assert_true(creates_item("{a:{Action:'ADD',Value:[1]}}"));
}

static void what_does_not_fit_the_item_is_said_in_old_words(void **state)
{
    static const char *const wrong[] = {
        "{s:{Action:'ADD',Value:1}}",   "{n:{Action:'ADD',Value:<1>}}",     "{ns:{Action:'ADD',Value:<'a'>}}",
        "{n:{Action:'ADD',Value:[1]}}", "{ss:{Action:'DELETE',Value:<1>}}", "{n:{Action:'DELETE',Value:<1>}}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_string_equal(after(wrong[i], ITEM), "Type mismatch for attribute to update");
    assert_string_equal(legacy_update_words("other words"), "other words");
}

static void only_what_is_named_counts_as_touched(void **state)
{
    assert_string_equal(after("{n:{Action:'ADD',Value:1},s:{Action:'DELETE'},x:{Value:1}}", ITEM),
                        "{l:[1],m:{x:1},n:6,ns:<1,2>,pk:'k',ss:<'a','b'>,x:1}");
    assert_string_equal(touched(ITEM), "{n:5,s:'hello'}");
    assert_string_equal(touched("{l:[1],m:{x:1},n:6,pk:'k',x:1}"), "{n:6,x:1}");
}

static void nothing_to_update_is_no_program(void **state)
{
    assert_int_equal(compile("{}"), ERR_OK);
    assert_int_equal(program_bytes.length, 0);
}

static void of_an_attribute_given_twice_the_last_counts(void **state)
{
    struct legacy_updates all = read_updates("{a:{Value:1},b:{Value:2},c:{Value:3}}");
    struct program program;
    all.updates[0].attribute.name = all.updates[1].attribute.name = SLICE_LITERAL("c");
    buffer_clear(&program_bytes);
    assert_int_equal(legacy_updates_compile(&all, &program_bytes, &error), ERR_OK);
    open_program(PROGRAM_UPDATE, &program);
    assert_int_equal(program.path_count, 1);
    assert_true(slice_equal(program_value(&program, 0), document_read("3", true, &arena)));
}

static void refusals_in_the_words_of_dynamodb(void **state)
{
    assert_update_refused("{a:{}}",
                          WRONG "Only DELETE action is allowed when no attribute value is specified");
    assert_update_refused("{a:{Action:'PUT'}}",
                          WRONG "Only DELETE action is allowed when no attribute value is specified");
    assert_update_refused("{a:{Action:'ADD'}}",
                          WRONG "Only DELETE action is allowed when no attribute value is specified");
    static const char *const types[][2] = {{"'x'", "S"},   {"b'x'", "B"}, {"true", "BOOL"}, {"null", "NULL"},
                                           {"{x:1}", "M"}, {"1", "N"},    {"[1]", "L"}};
    for (size_t i = 0; i < 7; i++) {
        assert_update_refused(arena_printf(&arena, "{a:{Action:'DELETE',Value:%s}}", types[i][0]),
                              arena_printf(&arena,
                                           WRONG "DELETE action with value is not supported for the type %s",
                                           types[i][1]));
        if (i < 5)
            assert_update_refused(
                arena_printf(&arena, "{a:{Action:'ADD',Value:%s}}", types[i][0]),
                arena_printf(&arena, WRONG "ADD action is not supported for the type %s", types[i][1]));
    }
}

static enum err compile_many(size_t count, enum legacy_action action, struct slice value)
{
    struct legacy_updates all = {.is_given = true, .count = count};
    all.updates = arena_zalloc(&arena, count * sizeof *all.updates);
    for (size_t i = 0; i < count; i++)
        all.updates[i] =
            (struct legacy_update){{slice_from_string(arena_printf(&arena, "a%zu", i)), i}, action, value};
    buffer_clear(&program_bytes);
    return legacy_updates_compile(&all, &program_bytes, &error);
}

static void what_a_loop_would_be_long_with_is_refused(void **state)
{
    struct slice one = document_read("1", true, &arena), list = document_read("[1]", true, &arena);
    struct program program;
    error = (struct error){0};
    assert_int_equal(compile_many(LEGACY_ENTRIES_MAX, LEGACY_PUT, one), ERR_OK);
    open_program(PROGRAM_UPDATE, &program);
    assert_int_equal(program.path_count, LEGACY_ENTRIES_MAX);
    assert_int_equal(compile_many(LEGACY_ENTRIES_MAX, LEGACY_DELETE, SLICE_EMPTY), ERR_OK);
    assert_int_equal(compile_many(LEGACY_OPERATORS_MAX, LEGACY_ADD, list), ERR_OK);
    open_program(PROGRAM_UPDATE, &program);
    assert_int_equal(compile_many(LEGACY_ENTRIES_MAX + 1, LEGACY_PUT, one), ERR_VALIDATION);
    assert_string_equal(error.text, "AttributeUpdates must not have more than 4096 entries");
    assert_int_equal(compile_many(LEGACY_OPERATORS_MAX + 1, LEGACY_ADD, one), ERR_VALIDATION);
    assert_string_equal(error.text,
                        "AttributeUpdates must not have more than 300 additions and deletions of values");
    struct slice large = slice_make(arena_zalloc(&arena, EXPRESSION_SUBSTITUTION_BYTES_MAX),
                                    EXPRESSION_SUBSTITUTION_BYTES_MAX);
    assert_int_equal(compile_many(1, LEGACY_PUT, large), ERR_VALIDATION);
    assert_string_equal(error.text, "Item size to update has exceeded the maximum allowed size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(put_sets_whatever_was_there, reset),
        cmocka_unit_test_setup(a_name_is_no_path, reset),
        cmocka_unit_test_setup(add_is_of_numbers_sets_and_lists, reset),
        cmocka_unit_test_setup(add_begins_with_nothing, reset),
        cmocka_unit_test_setup(delete_takes_an_attribute_or_members_of_a_set, reset),
        cmocka_unit_test_setup(only_deletions_create_no_item, reset),
        cmocka_unit_test_setup(what_does_not_fit_the_item_is_said_in_old_words, reset),
        cmocka_unit_test_setup(only_what_is_named_counts_as_touched, reset),
        cmocka_unit_test_setup(nothing_to_update_is_no_program, reset),
        cmocka_unit_test_setup(of_an_attribute_given_twice_the_last_counts, reset),
        cmocka_unit_test_setup(refusals_in_the_words_of_dynamodb, reset),
        cmocka_unit_test_setup(what_a_loop_would_be_long_with_is_refused, reset),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

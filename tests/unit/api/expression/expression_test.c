/* Texts that nobody would write: each gives a program that nodes accept, or a refusal. */
#include "base/memory.h"
#include "base/random.h"
#include "tests/unit/api/expression/expression_fixture.h"

static const char *const TEXTS[] = {
    "a = :v AND (NOT b[3].c BETWEEN :v AND size(d) OR #n IN (:v, e, #n.x)) or attribute_type(a, :t)",
    "((a)) <> b and not (((contains(a, size(:v)))))",
    "begins_with(#n, :t) AND attribute_not_exists(a.b[1][2].c) OR (a) >= (b)",
    "SET a = if_not_exists(b.c[1], :v) + :v, #n = (list_append(c, d)) REMOVE e[1], f.g ADD h :v DELETE i :t",
    "SET a = ((b) - :v) SET c = :t REMOVE a.b",
    "a, b.c[2].#n, d[0], d[1]",
};
static const char *const PIECES[] = {"(",
                                     ")",
                                     ",",
                                     ".",
                                     "[",
                                     "]",
                                     "[1]",
                                     "=",
                                     "<>",
                                     "<=",
                                     "+",
                                     "-",
                                     "#n",
                                     "#q",
                                     ":v",
                                     ":t",
                                     ":",
                                     "#",
                                     "a",
                                     "b.c",
                                     "7",
                                     "AND ",
                                     "OR ",
                                     "NOT ",
                                     "IN (",
                                     "SET ",
                                     "ADD ",
                                     "_",
                                     "\xe2\x82\xac",
                                     "\0",
                                     " ",
                                     "size(",
                                     "x(",
                                     "status",
                                     "list_append(",
                                     "BETWEEN ",
                                     "\xff",
                                     "\t",
                                     "DELETE ",
                                     "REMOVE "};

static struct slice mutate(struct random *r, const char *text)
{
    struct buffer b;
    buffer_init(&b, 1 << 16);
    size_t length = strlen(text), at = 0;
    for (uint64_t edits = random_below(r, 6); edits > 0 && at < length; edits--) {
        size_t kept = random_below(r, length - at + 1);
        buffer_append(&b, slice_make(text + at, kept));
        at += kept;
        if (random_one_in(r, 2) && at < length)
            at += random_below(r, length - at + 1) / 4;
        const char *piece = PIECES[random_below(r, sizeof PIECES / sizeof *PIECES)];
        for (uint64_t times = random_one_in(r, 10) ? random_below(r, 200) : 1; times > 0; times--)
            buffer_append(&b, slice_make(piece, piece[0] == '\0' ? 1 : strlen(piece)));
    }
    buffer_append(&b, slice_make(text + at, length - at));
    uint8_t *data = memory_alloc(b.length + 1);
    memcpy(data + 1, b.data, b.length);
    struct slice result = slice_make(data + 1, b.length); /* nothing may be read behind it */
    buffer_deinit(&b);
    return result;
}

static void mutated_texts_give_a_program_or_a_refusal(void **state)
{
    struct random r;
    size_t accepted = 0;
    random_init(&r, 3);
    for (int i = 0; i < 50000; i++) {
        struct expression_substitutions s;
        struct expression_context context;
        struct program program;
        arena_reset(&arena);
        buffer_clear(&program_bytes);
        error = (struct error){0};
        read_substitutions("#n=name :v=1 :t='S'", &s);
        enum expression_kind kind = (enum expression_kind)random_below(&r, EXPRESSION_PROJECTION + 1);
        struct slice text = mutate(&r, TEXTS[random_below(&r, sizeof TEXTS / sizeof *TEXTS)]);
        assert_int_equal(expression_context_init(&context, &s, &arena, &error), ERR_OK);
        enum err err = expression_parse(&context, kind, text, &program_bytes, &error);
        memory_free((uint8_t *)(uintptr_t)(text.data - 1));
        assert_true(err == ERR_OK || (err == ERR_VALIDATION && error.text[0] != '\0'));
        if (err != ERR_OK) {
            assert_int_equal(program_bytes.length, 0);
            continue;
        }
        accepted++;
        enum program_kind program_kind = kind == EXPRESSION_UPDATE       ? PROGRAM_UPDATE
                                         : kind == EXPRESSION_PROJECTION ? PROGRAM_PROJECTION
                                                                         : PROGRAM_CONDITION;
        assert_int_equal(program_open(buffer_view(&program_bytes), program_kind, &program), ERR_OK);
    }
    assert_in_range(accepted, 500, 50000);
}

static void a_context_serves_several_expressions(void **state)
{
    struct expression_substitutions s;
    struct expression_context context;
    struct program update, condition;
    read_substitutions("#n=name :v=1 :w='x'", &s);
    buffer_clear(&program_bytes);
    assert_int_equal(expression_context_init(&context, &s, &arena, &error), ERR_OK);
    assert_int_equal(
        expression_parse(&context, EXPRESSION_UPDATE, SLICE_LITERAL("SET #n = :v"), &program_bytes, &error),
        ERR_OK);
    size_t update_bytes = program_bytes.length;
    assert_int_equal(expression_context_check_unused(&context, &error), ERR_VALIDATION);
    assert_int_equal(expression_parse(&context, EXPRESSION_CONDITION, SLICE_LITERAL("#n <> :w AND #n <> :v"),
                                      &program_bytes, &error),
                     ERR_OK);
    assert_int_equal(expression_context_check_unused(&context, &error), ERR_OK);
    struct slice both = buffer_view(&program_bytes);
    assert_int_equal(program_open(slice_make(both.data, update_bytes), PROGRAM_UPDATE, &update), ERR_OK);
    assert_int_equal(program_open(slice_from(both, update_bytes), PROGRAM_CONDITION, &condition), ERR_OK);
    assert_int_equal(condition.value_count, 2);
    assert_int_equal(condition.name_count, 1);
}

static void every_failed_allocation_is_reported(void **state)
{
    enum err err = ERR_NO_MEMORY;
    for (int64_t successes = 0; err != ERR_OK; successes++) {
        struct expression_substitutions s;
        struct expression_context context;
        read_substitutions("#n=name :v=1", &s);
        buffer_deinit(&program_bytes);
        buffer_init(&program_bytes, PROGRAM_BYTES_MAX);
        assert_int_equal(expression_context_init(&context, &s, &arena, &error), ERR_OK);
        memory_fail_after(successes);
        err = expression_parse(&context, EXPRESSION_UPDATE, SLICE_LITERAL("SET #n = :v REMOVE b.c[1]"),
                               &program_bytes, &error);
        memory_fail_after(-1);
        assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
        assert_in_range(successes, 0, 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(mutated_texts_give_a_program_or_a_refusal, reset),
        cmocka_unit_test_setup(a_context_serves_several_expressions, reset),
        cmocka_unit_test_setup(every_failed_allocation_is_reported, reset),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

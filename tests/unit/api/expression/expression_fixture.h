/* Expressions run as a router and a node do: text -> program bytes -> opened program -> item. */
#pragma once

#include "api/expression/expression.h"
#include "dataplane/expression/condition.h"
#include "dataplane/expression/projection.h"
#include "dataplane/expression/update.h"
#include "tests/unit/dataplane/expression/document_text.h"

enum { FIXTURE_SUBSTITUTIONS_MAX = 400 };

static struct arena arena;
static struct buffer program_bytes;
static struct error error;

static int setup(void **state)
{
    arena_init(&arena, 1 << 16, 64 << 20);
    buffer_init(&program_bytes, PROGRAM_BYTES_MAX);
    return 0;
}

static int teardown(void **state)
{
    arena_deinit(&arena);
    buffer_deinit(&program_bytes);
    return 0;
}

static int reset(void **state)
{
    arena_reset(&arena);
    return 0;
}

/* "#n=name :v='text'": separated by blanks, so the values hold none. */
static inline void read_substitutions(const char *text, struct expression_substitutions *s)
{
    struct expression_substitution *entries =
        arena_zalloc(&arena, sizeof *entries * 2 * FIXTURE_SUBSTITUTIONS_MAX);
    struct expression_substitution *names = entries, *values = entries + FIXTURE_SUBSTITUTIONS_MAX;
    *s = (struct expression_substitutions){.names = names, .values = values};
    while (*text != '\0') {
        struct slice token = text_until(&text, "=");
        text++;
        const char *content = arena_string(&arena, text_until(&text, " "));
        text += strspn(text, " ");
        bool is_name = token.data[0] == '#';
        struct slice bytes = is_name ? slice_from_string(content) : document_read(content, true, &arena);
        struct expression_substitution entry = {token, bytes};
        if (is_name)
            names[s->name_count++] = entry;
        else
            values[s->value_count++] = entry;
    }
    s->has_names = s->name_count > 0;
    s->has_values = s->value_count > 0;
}

/* ERR_OK or the refusal in `error`; the program is in program_bytes. */
static inline enum err parse(enum expression_kind kind, const char *text, const char *substitutions)
{
    struct expression_substitutions s;
    struct expression_context context;
    read_substitutions(substitutions, &s);
    buffer_clear(&program_bytes);
    error = (struct error){0};
    TRY(expression_context_init(&context, &s, &arena, &error));
    TRY(expression_parse(&context, kind, slice_from_string(text), &program_bytes, &error));
    return expression_context_check_unused(&context, &error);
}

static inline void open_program(enum program_kind kind, struct program *ret_program)
{
    if (error.code != ERR_OK)
        print_error("%s\n", error.text);
    assert_int_equal(error.code, ERR_OK);
    assert_int_equal(program_open(buffer_view(&program_bytes), kind, ret_program), ERR_OK);
}

static inline bool is_true(const char *condition, const char *substitutions, const char *item)
{
    struct program program;
    bool result;
    (void)parse(EXPRESSION_CONDITION, condition, substitutions); /* `error` tells */
    open_program(PROGRAM_CONDITION, &program);
    assert_int_equal(condition_evaluate(&program, document_read(item, false, &arena), &arena, &result),
                     ERR_OK);
    return result;
}

static inline void assert_refused(enum expression_kind kind, const char *text, const char *substitutions,
                                  const char *message)
{
    assert_int_equal(parse(kind, text, substitutions), ERR_VALIDATION);
    assert_string_equal(error.text, message);
}

/* The new item's text, or the refusal's. item NULL: there is none; its key is {pk:'k'}. */
static inline const char *updated(const char *update, const char *substitutions, const char *item)
{
    struct program program;
    struct slice result;
    (void)parse(EXPRESSION_UPDATE, update, substitutions); /* `error` tells */
    open_program(PROGRAM_UPDATE, &program);
    struct update_request request = {
        .program = &program,
        .has_old = item != NULL,
        .old_item = item != NULL ? document_read(item, false, &arena) : SLICE_EMPTY,
        .key_item = document_read("{pk:'k'}", false, &arena),
    };
    enum err err = update_apply(&request, &arena, &result, &error);
    if (err == ERR_VALIDATION)
        return error.text;
    assert_int_equal(err, ERR_OK);
    return document_write(result, &arena);
}

/* The touched attributes of `item` by the update parsed last. */
static inline const char *touched(const char *item)
{
    struct program program;
    struct slice result;
    open_program(PROGRAM_UPDATE, &program);
    assert_int_equal(update_view_touched(&program, document_read(item, false, &arena), &arena, &result),
                     ERR_OK);
    return document_write(result, &arena);
}

static inline const char *projected(const char *projection, const char *substitutions, const char *item)
{
    struct program program;
    struct slice result;
    (void)parse(EXPRESSION_PROJECTION, projection, substitutions); /* `error` tells */
    open_program(PROGRAM_PROJECTION, &program);
    assert_int_equal(projection_apply(&program, document_read(item, false, &arena), &arena, &result), ERR_OK);
    return document_write(result, &arena);
}

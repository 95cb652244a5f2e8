/* Conditions, filters and key conditions: text to program to an answer (expression_case.h). */
#include "dataplane/expression/condition.h"
#include "tests/fuzz/expression_case.h"

static void check(const struct expression_case *c, enum expression_kind kind, struct arena *arena)
{
    struct buffer bytes = fuzz_buffer();
    struct program program;
    bool is_true;
    if (expression_case_parse(c, kind, arena, &bytes, &program)) {
        ASSERT(condition_evaluate(&program, c->item, arena, &is_true) == ERR_OK);
        ASSERT(condition_evaluate(&program, SLICE_EMPTY, arena, &is_true) == ERR_OK);
    }
    buffer_deinit(&bytes);
}

void fuzz_input(struct slice input)
{
    struct arena arena;
    arena_init(&arena, 1 << 16, FUZZ_BYTES_MAX);
    struct expression_case c = expression_case_read(input, &arena);
    check(&c, EXPRESSION_CONDITION, &arena);
    check(&c, EXPRESSION_FILTER, &arena);
    check(&c, EXPRESSION_KEY_CONDITION, &arena);
    arena_deinit(&arena);
}

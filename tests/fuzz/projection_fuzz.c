/* Projections: text to program to a part of an item (expression_case.h). */
#include "dataplane/expression/projection.h"
#include "dataplane/item/item.h"
#include "tests/fuzz/expression_case.h"

void fuzz_input(struct slice input)
{
    struct arena arena;
    struct buffer bytes = fuzz_buffer();
    struct program program;
    arena_init(&arena, 1 << 16, FUZZ_BYTES_MAX);
    struct expression_case c = expression_case_read(input, &arena);
    if (expression_case_parse(&c, EXPRESSION_PROJECTION, &arena, &bytes, &program)) {
        struct slice part;
        ASSERT(projection_apply(&program, c.item, &arena, &part) == ERR_OK);
        ASSERT(item_check(part) == ERR_OK && part.length <= c.item.length);
        ASSERT(projection_apply(&program, SLICE_EMPTY, &arena, &part) == ERR_OK && part.length == 0);
    }
    buffer_deinit(&bytes);
    arena_deinit(&arena);
}

/* Programs that no parser of ours made, on items that nobody checked.
 *
 *     kind(1) | bytes(2) | program or recipe | item
 *
 * Kinds from 128 on: not a program but a recipe for one, so that inputs get past the tables' bookkeeping. The recipe's
 * first bytes make paths over a few names, the rest is the code as it stands. */
#include "dataplane/expression/condition.h"
#include "dataplane/expression/program_builder.h"
#include "dataplane/expression/projection.h"
#include "dataplane/expression/update.h"
#include "dataplane/item/item.h"
#include "tests/fuzz/fuzz.h"

/* {"a":..., "b":..., "l":..., "m":...} of a few types, and the values of recipes. */
static const uint8_t ITEM[] = {
    1, 'a', VALUE_N,  3,  3,       0x82, 0x14,                                       /* 1 */
    1, 'b', VALUE_SS, 4,  1,       'x',  1,          'y',                            /* x, y */
    1, 'l', VALUE_L,  8,  VALUE_S, 1,    's',        VALUE_N, 3, 3,   0x82,    0x14, /* [s, 1] */
    1, 'm', VALUE_M,  11, 1,       'a',  VALUE_NULL, 0,       1, 'l', VALUE_L, 3,    VALUE_BOOL, 1, 1,
};
static const uint8_t VALUES[][8] = {
    {VALUE_N, 3, 3, 0x82, 0x14},         {VALUE_S, 1, 'x'},    {VALUE_SS, 4, 1, 'x', 1, 'z'},
    {VALUE_L, 3, VALUE_S, 1, 's'},       {VALUE_B, 2, 'x', 0}, {VALUE_NS, 4, 3, 3, 0x82, 0x14},
    {VALUE_M, 4, 1, 'a', VALUE_NULL, 0}, {VALUE_BOOL, 1, 0},
};
static const char *const NAMES[] = {"a", "b", "l", "m"};

static void make(enum program_kind kind, struct slice recipe, struct buffer *to)
{
    struct program_builder b;
    program_builder_init(&b, kind);
    for (size_t i = 0; i < 4; i++)
        program_builder_name(&b, slice_from_string(NAMES[i]));
    for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++)
        program_builder_value(&b, slice_make(VALUES[i], 2 + (size_t)VALUES[i][1]));
    for (size_t paths = fuzz_byte(&recipe) % 8; paths > 0; paths--) {
        program_builder_path_name(&b, fuzz_byte(&recipe) % 4);
        for (uint8_t part = fuzz_byte(&recipe); part != 0; part = fuzz_byte(&recipe))
            if (part < 128)
                program_builder_path_index(&b, part - 1U);
            else
                program_builder_path_name(&b, part % 4);
        program_builder_path_end(&b);
    }
    buffer_append(&b.code, recipe);
    ASSERT(program_builder_finish(&b, to) == ERR_OK);
    program_builder_deinit(&b);
}

/* Of a canonical item a canonical one, or a refusal; of anything else, only that it ends. */
static void evaluate(const struct program *program, struct slice item, struct arena *arena)
{
    bool is_canonical = item_check(item) == ERR_OK, is_true;
    struct slice result = SLICE_EMPTY;
    enum err err = ERR_OK;
    struct update_request request = {
        .program = program, .has_old = true, .old_item = item, .key_item = slice_make(ITEM, sizeof ITEM)};
    if (program->kind == PROGRAM_CONDITION)
        err = condition_evaluate(program, item, arena, &is_true);
    else if (program->kind == PROGRAM_PROJECTION)
        err = projection_apply(program, item, arena, &result);
    else
        err = update_apply(&request, arena, &result, NULL);
    ASSERT(err == ERR_OK || err == ERR_VALIDATION || err == ERR_INVALID || err == ERR_CORRUPT);
    if (is_canonical)
        ASSERT(err == ERR_OK ? item_check(result) == ERR_OK : err != ERR_CORRUPT);
    if (program->kind == PROGRAM_UPDATE && err == ERR_OK) {
        err = update_view_touched(program, item, arena, &result);
        ASSERT(err == ERR_OK || !is_canonical);
        request.has_old = false;
        err = update_apply(&request, arena, &result, NULL);
        ASSERT(err != ERR_OK || item_check(result) == ERR_OK);
    }
}

void fuzz_input(struct slice input)
{
    struct buffer made = fuzz_buffer();
    uint8_t kind = fuzz_byte(&input);
    size_t bytes = fuzz_byte(&input);
    bytes += 256 * (size_t)fuzz_byte(&input);
    struct slice program_bytes = fuzz_bytes(&input, bytes);
    enum program_kind program_kind = (enum program_kind)(kind % 4);
    if (kind >= 128) {
        make(program_kind, program_bytes, &made);
        program_bytes = buffer_view(&made);
    }
    struct program program;
    enum err err = program_open(program_bytes, program_kind, &program);
    ASSERT(err == ERR_OK || err == ERR_INVALID);
    if (err == ERR_OK) {
        struct arena arena;
        arena_init(&arena, 1 << 16, FUZZ_BYTES_MAX);
        ASSERT(program_work_bytes(&program, input.length) >= input.length);
        evaluate(&program, slice_make(ITEM, sizeof ITEM), &arena);
        evaluate(&program, input, &arena);
        arena_deinit(&arena);
    }
    buffer_deinit(&made);
}

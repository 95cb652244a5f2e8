/* A tenant's request for one item as the router takes it: G, P, U or D for the operation, then the body. All that needs no
 * other process: parameters in DynamoDB's order of checks, the key, the programs. */
#include "api/router/item_parameters.h"
#include "api/router/reading.h"
#include "tests/fuzz/words.h"

/* What item_parameters uses of this. */
static struct request request;

static const struct catalog_table TABLE = {
    .name = SLICE_LITERAL("t"),
    .space_id = 1,
    .schema = {.version = 1,
               .partition = {SLICE_LITERAL("pk"), VALUE_S},
               .has_sort = true,
               .sort = {SLICE_LITERAL("sk"), VALUE_N}},
};

static const struct model_operation *model_of(enum item_operation operation)
{
    static const struct slice names[] = {
        [ITEM_GET] = SLICE_LITERAL("GetItem"),
        [ITEM_PUT] = SLICE_LITERAL("PutItem"),
        [ITEM_UPDATE] = SLICE_LITERAL("UpdateItem"),
        [ITEM_DELETE] = SLICE_LITERAL("DeleteItem"),
    };
    return model_operation_find(names[operation]);
}

static enum item_operation operation_of(uint8_t letter)
{
    return letter == 'G' ? ITEM_GET : letter == 'U' ? ITEM_UPDATE : letter == 'D' ? ITEM_DELETE : ITEM_PUT;
}

static void check_program(const struct buffer *bytes, enum program_kind kind)
{
    struct program program;
    if (bytes->length > 0)
        ASSERT(program_open(buffer_view(bytes), kind, &program) == ERR_OK);
}

static void check_accepted(const struct item_parameters *p)
{
    struct buffer key = fuzz_buffer();
    struct error error = {.code = ERR_OK};
    struct key_parts parts;
    ASSERT(p->item.data != NULL && item_check(p->item) == ERR_OK);
    check_program(&p->condition, PROGRAM_CONDITION);
    check_program(&p->update, PROGRAM_UPDATE);
    check_program(&p->projection, PROGRAM_PROJECTION);
    enum err err = item_parameters_key(p, &TABLE, &key, &error);
    ASSERT(err == ERR_OK || err == ERR_VALIDATION);
    if (err != ERR_OK)
        fuzz_check_words(error.text);
    else
        ASSERT(key_split(&TABLE.schema, buffer_view(&key), &parts) == ERR_OK);
    buffer_deinit(&key);
}

void fuzz_input(struct slice input)
{
    struct item_parameters parameters;
    struct error error = {.code = ERR_OK};
    enum item_operation operation = operation_of(fuzz_byte(&input));
    struct reading_scratch scratch;
    struct buffer body = fuzz_buffer();
    reading_scratch_init(&scratch);
    arena_init(&request.arena, REQUEST_ARENA_BLOCK, REQUEST_ARENA_MAX);
    buffer_append(&body, input);
    request.scratch = &scratch;
    request.body = buffer_view(&body);
    request.model = model_of(operation);
    request.model_words = NULL;
    enum err err = item_parameters_read(&request, operation, &parameters, &error);
    ASSERT(err == ERR_OK || err == ERR_SERIALIZATION || err == ERR_VALIDATION);
    if (err == ERR_OK)
        check_accepted(&parameters);
    else
        fuzz_check_words(reading_words(&request, err, &error));
    item_parameters_deinit(&parameters);
    buffer_deinit(&body);
    arena_deinit(&request.arena);
    reading_scratch_deinit(&scratch);
}

/* A tenant's request for items as the router takes it: a letter for the operation, then the body. All that needs no other
 * process: parameters in DynamoDB's order of checks, the keys or the range of them, the programs. */
#include "api/router/batch_parameters.h"
#include "api/router/range_parameters.h"
#include "api/router/reading.h"
#include "tests/fuzz/words.h"

/* What reading parameters uses of this. */
static struct request request;

static const struct catalog_table TABLES[] = {
    {.name = SLICE_LITERAL("t"),
     .space_id = 1,
     .schema = {.version = 1,
                .partition = {SLICE_LITERAL("pk"), VALUE_S},
                .has_sort = true,
                .sort = {SLICE_LITERAL("sk"), VALUE_N}}},
    {.name = SLICE_LITERAL("bytes"),
     .space_id = 2,
     .schema = {.version = 1,
                .partition = {SLICE_LITERAL("pk"), VALUE_S},
                .has_sort = true,
                .sort = {SLICE_LITERAL("sk"), VALUE_B}}},
    {.name = SLICE_LITERAL("plain"),
     .space_id = 3,
     .schema = {.version = 1, .partition = {SLICE_LITERAL("pk"), VALUE_S}}},
};

/* The one of this name, else the first. */
static const struct catalog_table *table_named(struct slice name)
{
    for (size_t i = 0; i < sizeof TABLES / sizeof TABLES[0]; i++)
        if (slice_equal(TABLES[i].name, name))
            return &TABLES[i];
    return &TABLES[0];
}

/* ---- what holds of every one ---- */

static void check_program(const struct buffer *bytes, enum program_kind kind)
{
    struct program program;
    if (bytes->length > 0)
        ASSERT(program_open(buffer_view(bytes), kind, &program) == ERR_OK);
}

static void check_key(const struct catalog_table *table, const struct buffer *key)
{
    struct key_parts parts;
    ASSERT(key_split(&table->schema, buffer_view(key), &parts) == ERR_OK);
}

/* False: refused, before the table is known. */
static bool is_taken(enum err err, const struct error *error)
{
    ASSERT(err == ERR_OK || err == ERR_SERIALIZATION || err == ERR_VALIDATION);
    if (err != ERR_OK)
        fuzz_check_words(reading_words(&request, err, error));
    return err == ERR_OK;
}

/* False: refused by the table's keys. */
static bool is_fitting(enum err err, const struct error *error)
{
    ASSERT(err == ERR_OK || err == ERR_VALIDATION);
    if (err != ERR_OK)
        fuzz_check_words(error->text);
    return err == ERR_OK;
}

/* ---- GetItem, PutItem, UpdateItem, DeleteItem ---- */

static void check_item(const struct item_parameters *p)
{
    const struct catalog_table *table = table_named(p->table);
    struct buffer key = fuzz_buffer();
    struct error error = {.code = ERR_OK};
    ASSERT(p->item.data != NULL && item_check(p->item) == ERR_OK);
    check_program(&p->condition, PROGRAM_CONDITION);
    check_program(&p->update, PROGRAM_UPDATE);
    check_program(&p->projection, PROGRAM_PROJECTION);
    if (is_fitting(item_parameters_key(p, table, &key, &error), &error))
        check_key(table, &key);
    buffer_deinit(&key);
}

static void read_item(int operation)
{
    struct item_parameters parameters;
    struct error error = {.code = ERR_OK};
    if (is_taken(item_parameters_read(&request, (enum item_operation)operation, &parameters, &error), &error))
        check_item(&parameters);
    item_parameters_deinit(&parameters);
}

/* ---- Query, Scan ---- */

/* There is a range, and a walk begins in it. */
static void check_range(const struct query_range *range, bool is_reverse)
{
    struct slice begin = buffer_view(&range->begin), end = buffer_view(&range->end);
    struct buffer first = fuzz_buffer();
    ASSERT(slice_compare(begin, end) <= 0);
    query_range_first_key(range, is_reverse, &first);
    if (slice_compare(begin, end) < 0)
        ASSERT(query_range_has(range, buffer_view(&first)));
    buffer_deinit(&first);
}

static void check_walk(const struct range_parameters *p)
{
    const struct catalog_table *table = table_named(p->table);
    struct error error = {.code = ERR_OK};
    struct query_range range;
    query_range_init(&range);
    ASSERT(!p->has_start || item_check(p->start) == ERR_OK);
    check_program(&p->key_condition, PROGRAM_CONDITION);
    check_program(&p->filter, PROGRAM_CONDITION);
    check_program(&p->projection, PROGRAM_PROJECTION);
    if (is_fitting(range_parameters_range(p, &table->schema, table->space_id, &range, &error), &error))
        check_range(&range, !p->is_forward);
    query_range_deinit(&range);
}

static void read_range(int is_query)
{
    struct range_parameters parameters;
    struct error error = {.code = ERR_OK};
    if (is_taken(range_parameters_read(&request, is_query != 0, &parameters, &error), &error))
        check_walk(&parameters);
    range_parameters_deinit(&parameters);
}

/* ---- BatchGetItem, BatchWriteItem ---- */

static void check_batch(struct batch_parameters *b)
{
    struct error error = {.code = ERR_OK};
    ASSERT(b->table_count >= 1 && b->table_count <= batch_maximum(b->operation));
    for (size_t i = 0; i < b->table_count; i++) {
        const struct catalog_table *table = table_named(b->tables[i]->given);
        b->tables[i]->space_id = table->space_id;
        b->tables[i]->schema = table->schema;
        check_program(&b->tables[i]->projection, PROGRAM_PROJECTION);
    }
    for (size_t i = 0; i < b->entry_count; i++) {
        struct batch_entry *entry = b->entries[i];
        ASSERT(!entry->is_item_given || item_check(entry->item) == ERR_OK);
        if (!is_fitting(batch_entry_key(entry, &error), &error))
            return;
        check_key(table_named(entry->table->given), &entry->key);
    }
    (void)is_fitting(batch_check_duplicates(b, &error), &error); /* either is right */
}

static void read_batch(int operation)
{
    struct batch_parameters batch = {0};
    struct error error = {.code = ERR_OK};
    if (is_taken(batch_parameters_read(&request, (enum batch_operation)operation, &batch, &error), &error))
        check_batch(&batch);
    batch_parameters_deinit(&batch);
}

/* ---- */

static const struct form {
    uint8_t letter;
    struct slice name;
    void (*read)(int kind);
    int kind;
} FORMS[] = {
    {'P', SLICE_LITERAL("PutItem"), read_item, ITEM_PUT},
    {'G', SLICE_LITERAL("GetItem"), read_item, ITEM_GET},
    {'U', SLICE_LITERAL("UpdateItem"), read_item, ITEM_UPDATE},
    {'D', SLICE_LITERAL("DeleteItem"), read_item, ITEM_DELETE},
    {'Q', SLICE_LITERAL("Query"), read_range, true},
    {'S', SLICE_LITERAL("Scan"), read_range, false},
    {'B', SLICE_LITERAL("BatchGetItem"), read_batch, BATCH_GET},
    {'W', SLICE_LITERAL("BatchWriteItem"), read_batch, BATCH_WRITE},
};

static const struct form *form_of(uint8_t letter)
{
    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++)
        if (FORMS[i].letter == letter)
            return &FORMS[i];
    return &FORMS[0];
}

void fuzz_input(struct slice input)
{
    const struct form *form = form_of(fuzz_byte(&input));
    struct reading_scratch scratch;
    struct buffer body = fuzz_buffer();
    reading_scratch_init(&scratch);
    arena_init(&request.arena, REQUEST_ARENA_BLOCK, REQUEST_ARENA_MAX);
    buffer_append(&body, input);
    request.scratch = &scratch;
    request.body = buffer_view(&body);
    request.model = model_operation_find(form->name);
    request.model_words = NULL;
    form->read(form->kind);
    buffer_deinit(&body);
    arena_deinit(&request.arena);
    reading_scratch_deinit(&scratch);
}

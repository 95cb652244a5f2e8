#include "controlplane/control/sql.h"

#include <inttypes.h>

#include "base/assert.h"

enum { BLOCK_BYTES = 16 * 1024, BATCH_BYTES_MAX = 64 * 1024 * 1024 };

void sql_batch_init(struct sql_batch *b)
{
    *b = (struct sql_batch){0};
    arena_init(&b->arena, BLOCK_BYTES, BATCH_BYTES_MAX);
}

void sql_batch_deinit(struct sql_batch *b)
{
    arena_deinit(&b->arena);
}

void sql_batch_reset(struct sql_batch *b)
{
    arena_reset(&b->arena);
    b->first = NULL;
    b->last = NULL;
    b->count = 0;
}

void sql_begin(struct sql_batch *b, const char *text)
{
    struct sql_statement *statement = arena_zalloc(&b->arena, sizeof *statement);
    if (statement == NULL)
        return;
    statement->text = text;
    *(b->last == NULL ? &b->first : &b->last->next) = statement;
    b->last = statement;
    b->count++;
}

static void add(struct sql_batch *b, const char *value, size_t length, int format)
{
    if (arena_has_failed(&b->arena))
        return;
    struct sql_statement *statement = b->last;
    ASSERT(statement != NULL && statement->parameter_count < SQL_PARAMETERS_MAX);
    int index = statement->parameter_count++;
    statement->values[index] = value;
    statement->lengths[index] = (int)length;
    statement->formats[index] = format;
}

void sql_text(struct sql_batch *b, const char *text)
{
    const char *copy = arena_string(&b->arena, slice_from_string(text));
    add(b, copy, 0, 0);
}

void sql_u64(struct sql_batch *b, uint64_t value)
{
    add(b, arena_printf(&b->arena, "%" PRIu64, value), 0, 0);
}

void sql_bool(struct sql_batch *b, bool value)
{
    add(b, value ? "t" : "f", 0, 0);
}

void sql_bytes(struct sql_batch *b, struct slice bytes)
{
    /* One byte more, as libpq takes a NULL pointer for SQL's NULL. */
    char *copy = arena_alloc(&b->arena, bytes.length + 1);
    if (copy == NULL)
        return;
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    add(b, copy, bytes.length, 1);
}

void sql_null(struct sql_batch *b)
{
    add(b, NULL, 0, 0);
}

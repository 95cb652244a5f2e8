#include "dataplane/expression/program_builder.h"

static void table_init(struct program_builder_table *t)
{
    buffer_init(&t->ends, 4 * (size_t)PROGRAM_TABLE_MAX);
    buffer_init(&t->bytes, PROGRAM_BYTES_MAX);
    t->count = 0;
}

static void table_deinit(struct program_builder_table *t)
{
    buffer_deinit(&t->ends);
    buffer_deinit(&t->bytes);
}

/* What was appended since the last entry becomes an entry. */
static uint16_t table_end(struct program_builder_table *t)
{
    buffer_append_u32(&t->ends, (uint32_t)t->bytes.length);
    return (uint16_t)t->count++;
}

void program_builder_init(struct program_builder *b, enum program_kind kind)
{
    *b = (struct program_builder){.kind = kind};
    buffer_init(&b->code, PROGRAM_BYTES_MAX);
    table_init(&b->names);
    table_init(&b->values);
    table_init(&b->paths);
}

void program_builder_deinit(struct program_builder *b)
{
    buffer_deinit(&b->code);
    table_deinit(&b->names);
    table_deinit(&b->values);
    table_deinit(&b->paths);
}

uint16_t program_builder_name(struct program_builder *b, struct slice name)
{
    buffer_append(&b->names.bytes, name);
    return table_end(&b->names);
}

uint16_t program_builder_value(struct program_builder *b, struct slice value)
{
    buffer_append(&b->values.bytes, value);
    return table_end(&b->values);
}

void program_builder_path_name(struct program_builder *b, uint16_t name)
{
    buffer_append_u8(&b->paths.bytes, PATH_PART_NAME);
    buffer_append_u32(&b->paths.bytes, name);
}

void program_builder_path_index(struct program_builder *b, uint32_t index)
{
    buffer_append_u8(&b->paths.bytes, PATH_PART_INDEX);
    buffer_append_u32(&b->paths.bytes, index);
}

uint16_t program_builder_path_end(struct program_builder *b)
{
    return table_end(&b->paths);
}

void program_builder_operand(struct program_builder *b, enum operand_kind kind, uint16_t number)
{
    buffer_append_u8(&b->code, (uint8_t)kind);
    buffer_append_u16(&b->code, number);
}

static bool table_is_over(const struct program_builder_table *t)
{
    return t->count > PROGRAM_TABLE_MAX;
}

static bool table_has_failed(const struct program_builder_table *t)
{
    return buffer_has_failed(&t->ends) || buffer_has_failed(&t->bytes);
}

enum err program_builder_finish(struct program_builder *b, struct buffer *to)
{
    if (table_is_over(&b->names) || table_is_over(&b->values) || table_is_over(&b->paths))
        return ERR_LIMIT;
    if (buffer_has_failed(&b->code) || table_has_failed(&b->names) || table_has_failed(&b->values) ||
        table_has_failed(&b->paths))
        return ERR_NO_MEMORY;
    buffer_append_u8(to, PROGRAM_VERSION);
    buffer_append_u8(to, (uint8_t)b->kind);
    buffer_append_u16(to, (uint16_t)b->names.count);
    buffer_append_u16(to, (uint16_t)b->values.count);
    buffer_append_u16(to, (uint16_t)b->paths.count);
    buffer_append_u32(to, (uint32_t)b->code.length);
    buffer_append(to, buffer_view(&b->names.ends));
    buffer_append(to, buffer_view(&b->values.ends));
    buffer_append(to, buffer_view(&b->paths.ends));
    buffer_append(to, buffer_view(&b->names.bytes));
    buffer_append(to, buffer_view(&b->values.bytes));
    buffer_append(to, buffer_view(&b->paths.bytes));
    buffer_append(to, buffer_view(&b->code));
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

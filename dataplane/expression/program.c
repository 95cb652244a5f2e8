#include "dataplane/expression/program.h"

#include "dataplane/expression/program_internal.h"
#include "dataplane/item/item.h"

static uint32_t entry_end(const uint8_t *ends, uint32_t number)
{
    return read_u32(ends + 4 * (size_t)number);
}

static uint32_t entry_start(const uint8_t *ends, uint32_t number)
{
    return number == 0 ? 0 : entry_end(ends, number - 1);
}

static struct slice entry(const uint8_t *ends, const uint8_t *bytes, uint32_t number)
{
    uint32_t start = entry_start(ends, number);
    return slice_make(bytes + start, entry_end(ends, number) - start);
}

struct slice program_name(const struct program *p, uint32_t number)
{
    return entry(p->name_ends, p->names, number);
}

struct slice program_value(const struct program *p, uint32_t number)
{
    return entry(p->value_ends, p->values, number);
}

uint32_t program_path_length(const struct program *p, uint32_t number)
{
    return (uint32_t)(entry(p->path_ends, p->paths, number).length / PATH_PART_BYTES);
}

struct path_part program_path_part(const struct program *p, uint32_t number, uint32_t part)
{
    const uint8_t *at = p->paths + entry_start(p->path_ends, number) + PATH_PART_BYTES * (size_t)part;
    uint32_t value = read_u32(at + 1);
    if (at[0] == PATH_PART_INDEX)
        return (struct path_part){PATH_PART_INDEX, value, SLICE_EMPTY};
    return (struct path_part){PATH_PART_NAME, 0, program_name(p, value)};
}

/* Cut one table's section from the front of `rest` and check its ends: ascending, each entry of a size
 * between `least` and `most`. */
static bool take_table(struct slice *rest, const uint8_t *ends, uint32_t count, size_t least, size_t most,
                       const uint8_t **ret_bytes)
{
    uint32_t start = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t end = entry_end(ends, i);
        if (end < start || end - start < least || end - start > most || end > rest->length)
            return false;
        start = end;
    }
    *ret_bytes = rest->data;
    *rest = slice_make(rest->data + start, rest->length - start);
    return true;
}

/* They become names in items. */
static bool names_are_valid(const struct program *p)
{
    for (uint32_t i = 0; i < p->name_count; i++)
        if (!utf8_is_valid(program_name(p, i)))
            return false;
    return true;
}

static bool values_are_valid(const struct program *p)
{
    for (uint32_t i = 0; i < p->value_count; i++)
        if (value_check(program_value(p, i)) != ERR_OK)
            return false;
    return true;
}

static bool path_is_valid(const struct program *p, uint32_t number)
{
    struct slice bytes = entry(p->path_ends, p->paths, number);
    if (bytes.length % PATH_PART_BYTES != 0 || bytes.data[0] != PATH_PART_NAME)
        return false;
    for (size_t at = 0; at < bytes.length; at += PATH_PART_BYTES) {
        uint32_t value = read_u32(bytes.data + at + 1);
        bool is_name = bytes.data[at] == PATH_PART_NAME && value < p->name_count;
        bool is_index = bytes.data[at] == PATH_PART_INDEX && value <= PROGRAM_INDEX_MAX;
        if (!is_name && !is_index)
            return false;
    }
    return true;
}

static bool paths_are_valid(const struct program *p)
{
    for (uint32_t i = 0; i < p->path_count; i++)
        if (!path_is_valid(p, i))
            return false;
    return true;
}

/* Find the sections; the ends are believed only after take_table. */
static bool find_sections(struct slice bytes, struct program *p)
{
    if (bytes.length < PROGRAM_HEADER_BYTES || bytes.length > PROGRAM_BYTES_MAX)
        return false;
    p->name_count = read_u16(bytes.data + 2);
    p->value_count = read_u16(bytes.data + 4);
    p->path_count = read_u16(bytes.data + 6);
    if (p->name_count > PROGRAM_TABLE_MAX || p->value_count > PROGRAM_TABLE_MAX ||
        p->path_count > PROGRAM_TABLE_MAX)
        return false;
    size_t ends_bytes = 4 * ((size_t)p->name_count + p->value_count + p->path_count);
    if (bytes.length - PROGRAM_HEADER_BYTES < ends_bytes)
        return false;
    p->name_ends = bytes.data + PROGRAM_HEADER_BYTES;
    p->value_ends = p->name_ends + 4 * (size_t)p->name_count;
    p->path_ends = p->value_ends + 4 * (size_t)p->value_count;
    size_t head_bytes = PROGRAM_HEADER_BYTES + ends_bytes;
    struct slice rest = slice_make(bytes.data + head_bytes, bytes.length - head_bytes);
    return take_table(&rest, p->name_ends, p->name_count, 1, PROGRAM_NAME_BYTES_MAX, &p->names) &&
           take_table(&rest, p->value_ends, p->value_count, 2, PROGRAM_BYTES_MAX, &p->values) &&
           take_table(&rest, p->path_ends, p->path_count, PATH_PART_BYTES,
                      PATH_PART_BYTES * PROGRAM_PATH_PARTS_MAX, &p->paths) &&
           (p->code = rest, rest.length > 0 && rest.length == read_u32(bytes.data + 8));
}

enum err program_open(struct slice bytes, enum program_kind kind, struct program *ret_program)
{
    struct program p = {.kind = kind};
    if (!find_sections(bytes, &p))
        return ERR_INVALID;
    if (bytes.data[0] != PROGRAM_VERSION || bytes.data[1] != kind)
        return ERR_INVALID;
    if (!names_are_valid(&p) || !paths_are_valid(&p) || !values_are_valid(&p) || !program_code_is_valid(&p))
        return ERR_INVALID;
    *ret_program = p;
    return ERR_OK;
}

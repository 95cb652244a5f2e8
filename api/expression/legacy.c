#include "api/expression/legacy.h"

#include <stdlib.h>

#include "base/assert.h"

int legacy_compare(const void *a, const void *b)
{
    const struct legacy_attribute *x = a, *y = b;
    int order = slice_compare(x->name, y->name);
    if (order != 0)
        return order;
    return x->position < y->position ? -1 : x->position > y->position;
}

size_t legacy_unique(void *entries, size_t count, size_t entry_bytes)
{
    uint8_t *bytes = entries;
    size_t kept = 0;
    if (count > 1)
        qsort(entries, count, entry_bytes, legacy_compare);
    for (size_t i = 0; i < count; i++) {
        const struct legacy_attribute *this = (const void *)(bytes + i * entry_bytes);
        const struct legacy_attribute *next = (const void *)(bytes + (i + 1) * entry_bytes);
        if (i + 1 < count && slice_equal(this->name, next->name))
            continue;
        if (kept != i)
            memcpy(bytes + kept * entry_bytes, this, entry_bytes);
        kept++;
    }
    return kept;
}

enum err legacy_check_count(const char *parameter, size_t count, size_t most, struct error *error)
{
    if (count <= most)
        return ERR_OK;
    return error_set(error, ERR_VALIDATION, "%s must not have more than %zu entries", parameter, most);
}

enum err legacy_check_name(struct slice name, struct error *error)
{
    if (name.length == 0)
        return error_set(error, ERR_VALIDATION,
                         "One or more parameter values were invalid: Attribute names must not be empty");
    if (name.length > PROGRAM_NAME_BYTES_MAX)
        return error_set(error, ERR_VALIDATION,
                         "One or more parameter values were invalid: Attribute names must not be longer than "
                         "%d bytes",
                         PROGRAM_NAME_BYTES_MAX);
    return ERR_OK;
}

uint16_t legacy_path(struct program_builder *b, struct slice name)
{
    program_builder_path_name(b, program_builder_name(b, name));
    return program_builder_path_end(b);
}

enum err legacy_finish(struct program_builder *b, struct buffer *ret_program)
{
    size_t before = ret_program->length;
    enum program_kind kind = b->kind;
    enum err err = program_builder_finish(b, ret_program);
    program_builder_deinit(b);
    TRY(err);
    struct program program;
    ASSERT_SLOW(program_open(slice_from(buffer_view(ret_program), before), kind, &program) == ERR_OK);
    (void)before;
    (void)kind;
    (void)program;
    return ERR_OK;
}

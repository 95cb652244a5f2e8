/* Source of the words: answers recorded from DynamoDB. */
#include "api/expression/legacy_projection.h"

#include <stdlib.h>
#include <string.h>

/* The first in the list that stands there already, as DynamoDB comes upon it; NULL: none. */
static const struct legacy_attribute *find_duplicate(const struct legacy_attribute *sorted, size_t count)
{
    const struct legacy_attribute *found = NULL;
    for (size_t i = 1; i < count; i++)
        if (slice_equal(sorted[i - 1].name, sorted[i].name) &&
            (found == NULL || sorted[i].position < found->position))
            found = &sorted[i];
    return found;
}

static enum err check(const struct legacy_names *names, struct arena *arena, struct error *error)
{
    size_t bytes = 0;
    struct legacy_attribute *sorted = arena_alloc(arena, names->count * sizeof *sorted);
    if (sorted == NULL)
        return ERR_NO_MEMORY;
    memcpy(sorted, names->names, names->count * sizeof *sorted);
    qsort(sorted, names->count, sizeof *sorted, legacy_compare);
    const struct legacy_attribute *duplicate = find_duplicate(sorted, names->count);
    if (duplicate != NULL)
        return error_set(error, ERR_VALIDATION,
                         "One or more parameter values were invalid: Duplicate value in attribute name: %.*s",
                         SLICE_PRINTF(duplicate->name));
    for (size_t i = 0; i < names->count; i++) {
        TRY(legacy_check_name(sorted[i].name, error));
        bytes += sorted[i].name.length;
    }
    if (bytes > EXPRESSION_SUBSTITUTION_BYTES_MAX)
        return error_set(error, ERR_VALIDATION,
                         "The names of AttributesToGet have exceeded the maximum allowed size; size: %zu",
                         bytes);
    return ERR_OK;
}

enum err legacy_projection_compile(const struct legacy_names *names, struct arena *arena,
                                   struct buffer *ret_program, struct error *error)
{
    if (names->count == 0)
        return ERR_OK;
    TRY(legacy_check_count("AttributesToGet", names->count, LEGACY_NAMES_MAX, error));
    TRY(check(names, arena, error));
    struct program_builder builder;
    program_builder_init(&builder, PROGRAM_PROJECTION);
    for (size_t i = 0; i < names->count; i++)
        buffer_append_u16(&builder.code, legacy_path(&builder, names->names[i].name));
    return legacy_finish(&builder, ret_program);
}

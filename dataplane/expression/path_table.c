#include "dataplane/expression/path_table.h"

#include "base/reader.h"
#include "dataplane/expression/targets.h"

/* Walking is worth a table beyond so many bytes of items, for all operands together: 0.3 ms at worst. */
enum { WALKED_BYTES_MAX = 64 * 1024 };

static bool find_in(struct path_table *t, struct value_view value, struct target_range range, uint32_t depth);

/* `value` is where the paths of the group lead so far; some end here, others go on inside. */
static bool note(struct path_table *t, struct value_view value, struct target_range group, uint32_t depth)
{
    while (group.count > 0 && target_ends_at(t->program, &group.targets[0], depth)) {
        t->found[group.targets[0].path] = value;
        group = (struct target_range){group.targets + 1, group.count - 1};
    }
    return group.count == 0 || find_in(t, value, group, depth + 1);
}

static bool find_in_map(struct path_table *t, struct slice body, struct target_range range, uint32_t depth)
{
    struct reader at;
    struct attribute_view attribute;
    item_iterate(body, &at);
    bool has_attribute = item_next(&at, &attribute);
    while (range.count > 0 && has_attribute) {
        struct target_range group = targets_take_group(t->program, &range, depth);
        struct path_part part = program_path_part(t->program, group.targets[0].path, depth);
        int order = -1;
        if (part.kind != PATH_PART_NAME)
            continue;
        while (has_attribute && (order = slice_compare(attribute.name, part.name)) < 0)
            has_attribute = item_next(&at, &attribute);
        if (has_attribute && order == 0 && !note(t, attribute.value, group, depth))
            return false;
    }
    return !reader_has_failed(&at);
}

static bool find_in_list(struct path_table *t, struct slice body, struct target_range range, uint32_t depth)
{
    struct reader at;
    struct value_view element;
    uint32_t index = 0;
    reader_init(&at, body);
    bool has_element = list_next(&at, &element);
    while (range.count > 0 && has_element) {
        struct target_range group = targets_take_group(t->program, &range, depth);
        struct path_part part = program_path_part(t->program, group.targets[0].path, depth);
        if (part.kind != PATH_PART_INDEX)
            continue;
        for (; has_element && index < part.index; index++)
            has_element = list_next(&at, &element);
        if (has_element && !note(t, element, group, depth))
            return false;
    }
    return !reader_has_failed(&at);
}

/* False: damaged. The recursion is as deep as paths are long, PROGRAM_PATH_PARTS_MAX. */
static bool find_in(struct path_table *t, struct value_view value, struct target_range range, uint32_t depth)
{
    if (value.tag == VALUE_M)
        return find_in_map(t, value.body, range, depth);
    return value.tag != VALUE_L || find_in_list(t, value.body, range, depth);
}

enum err path_table_open(struct path_table *t, const struct program *program, struct slice item,
                         struct arena *arena)
{
    *t = (struct path_table){.program = program, .item = item};
    if (program->path_count == 0 || program_operands_max(program) * item.length <= WALKED_BYTES_MAX)
        return ERR_OK;
    struct target_range range = {arena_alloc(arena, sizeof(struct target) * program->path_count),
                                 program->path_count};
    t->found = arena_zalloc(arena, sizeof *t->found * program->path_count);
    if (range.targets == NULL || t->found == NULL)
        return ERR_NO_MEMORY;
    for (uint16_t i = 0; i < program->path_count; i++)
        range.targets[i] = (struct target){.path = i};
    targets_sort(program, range.targets, range.count);
    return find_in(t, (struct value_view){VALUE_M, item}, range, 0) ? ERR_OK : ERR_CORRUPT;
}

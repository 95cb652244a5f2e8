#include "dataplane/expression/path_table.h"

#include "dataplane/expression/targets.h"

/* Walking is worth a table beyond so many bytes of items, for all operands together: 0.3 ms at worst. */
enum { WALKED_BYTES_MAX = 64 * 1024 };

/* `value` is where the paths of the group lead so far; some end here, others go on inside. The recursion is as deep as paths are
 * long, PROGRAM_PATH_PARTS_MAX. */
static enum err note(void *data, const struct slice *name, struct value_view value, struct target_range group,
                     uint32_t depth)
{
    struct path_table *t = data;
    while (group.count > 0 && target_ends_at(t->program, &group.targets[0], depth)) {
        t->found[group.targets[0].path] = value;
        group = (struct target_range){group.targets + 1, group.count - 1};
    }
    return group.count == 0 ? ERR_OK : targets_walk(t->program, value, group, depth + 1, note, t);
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
    return targets_walk(program, (struct value_view){VALUE_M, item}, range, 0, note, t);
}

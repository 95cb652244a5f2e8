/* As in update.c, sorted paths and the sorted document are walked together, once. */
#include "dataplane/expression/projection.h"

#include "dataplane/expression/document_writer.h"
#include "dataplane/expression/targets.h"

struct projection {
    const struct program *program;
    struct document_writer out;
};

/* Write the part of `value` that the group asks for; nothing at all when nothing is there. */
static enum err project_group(void *data, const struct slice *name, struct value_view value,
                              struct target_range group, uint32_t depth)
{
    struct projection *p = data;
    uint8_t *before = p->out.next;
    bool is_end = target_ends_at(p->program, &group.targets[0], depth);
    if (!is_end && value.tag != VALUE_M && value.tag != VALUE_L)
        return ERR_OK;
    if (name != NULL)
        writer_put_name(&p->out, *name);
    if (is_end) {
        writer_put_value(&p->out, value);
        return ERR_OK;
    }
    uint8_t *opened = writer_open(&p->out, value.tag);
    uint8_t *body = p->out.next;
    TRY(targets_walk(p->program, value, group, depth + 1, project_group, p));
    if (p->out.next == body)
        p->out.next = before;
    else
        writer_close(&p->out, opened);
    return ERR_OK;
}

enum err projection_apply(const struct program *program, struct slice item, struct arena *arena,
                          struct slice *ret_item)
{
    uint16_t *paths = arena_alloc(arena, sizeof *paths * program->path_count);
    struct target *targets = arena_alloc(arena, sizeof *targets * program->path_count);
    /* What is written is a part of the item; only the deepest chain of open containers comes on top. */
    size_t bytes = item.length + (size_t)WRITER_OPEN_BYTES * (PROGRAM_PATH_PARTS_MAX + 1);
    uint8_t *memory = arena_alloc(arena, bytes);
    if (paths == NULL || targets == NULL || memory == NULL)
        return ERR_NO_MEMORY;
    struct projection p = {.program = program};
    struct target_range range = {targets, program_target_paths(program, paths)};
    for (uint32_t i = 0; i < range.count; i++)
        targets[i] = (struct target){.path = paths[i]};
    targets_sort(program, targets, range.count);
    writer_init(&p.out, memory, bytes);
    TRY(targets_walk(program, (struct value_view){VALUE_M, item}, range, 0, project_group, &p));
    *ret_item = slice_make(memory, (size_t)(p.out.next - memory));
    return ERR_OK;
}

/* As in update.c, sorted paths and the sorted document are walked together, once. */
#include "dataplane/expression/projection.h"

#include "base/reader.h"
#include "dataplane/expression/document_writer.h"
#include "dataplane/expression/targets.h"

struct projection {
    const struct program *program;
    struct document_writer out;
};

static enum err project_body(struct projection *p, struct value_view value, struct target_range range,
                             uint32_t depth);

/* Write the part of `value` that the group asks for; nothing at all when nothing is there. */
static enum err project_group(struct projection *p, const struct slice *name, struct value_view value,
                              struct target_range group, uint32_t depth)
{
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
    TRY(project_body(p, value, group, depth + 1));
    if (p->out.next == body)
        p->out.next = before;
    else
        writer_close(&p->out, opened);
    return ERR_OK;
}

static enum err project_map(struct projection *p, struct slice body, struct target_range range,
                            uint32_t depth)
{
    struct reader at;
    struct attribute_view attribute;
    reader_init(&at, body);
    bool has_attribute = item_next(&at, &attribute);
    while (range.count > 0 && has_attribute) {
        struct target_range group = targets_take_group(p->program, &range, depth);
        struct path_part part = program_path_part(p->program, group.targets[0].path, depth);
        int order = -1;
        if (part.kind != PATH_PART_NAME)
            continue;
        while (has_attribute && (order = slice_compare(attribute.name, part.name)) < 0)
            has_attribute = item_next(&at, &attribute);
        if (has_attribute && order == 0)
            TRY(project_group(p, &attribute.name, attribute.value, group, depth));
    }
    return reader_has_failed(&at) ? ERR_CORRUPT : ERR_OK;
}

static enum err project_list(struct projection *p, struct slice body, struct target_range range,
                             uint32_t depth)
{
    struct reader at;
    struct value_view element;
    uint32_t index = 0;
    reader_init(&at, body);
    bool has_element = list_next(&at, &element);
    while (range.count > 0 && has_element) {
        struct target_range group = targets_take_group(p->program, &range, depth);
        struct path_part part = program_path_part(p->program, group.targets[0].path, depth);
        if (part.kind != PATH_PART_INDEX)
            continue;
        for (; has_element && index < part.index; index++)
            has_element = list_next(&at, &element);
        if (has_element)
            TRY(project_group(p, NULL, element, group, depth));
    }
    return reader_has_failed(&at) ? ERR_CORRUPT : ERR_OK;
}

static enum err project_body(struct projection *p, struct value_view value, struct target_range range,
                             uint32_t depth)
{
    return value.tag == VALUE_L ? project_list(p, value.body, range, depth)
                                : project_map(p, value.body, range, depth);
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
    TRY(project_body(&p, (struct value_view){VALUE_M, item}, range, 0));
    *ret_item = slice_make(memory, (size_t)(p.out.next - memory));
    return ERR_OK;
}

/* The new item is the old one with a few places replaced. Targets are sorted as the document is, so one walk
 * over each touched container suffices:
 *
 *     old      | a .......... | b .......... | c .. | d ....................... |
 *     targets                   b.x = 1              d[0] = 2   d[7] removed
 *     new      copied whole     rewritten      copied  rewritten
 *
 * Recursion follows paths, at most PROGRAM_PATH_PARTS_MAX deep. */
#include "dataplane/expression/update.h"

#include "base/assert.h"
#include "base/reader.h"
#include "dataplane/expression/document_writer.h"
#include "dataplane/expression/program_internal.h"
#include "dataplane/expression/projection.h"
#include "dataplane/expression/update_value.h"

struct rewrite {
    const struct program *program;
    struct document_writer out;
    struct error *error;
};

static enum err rewrite_body(struct rewrite *r, struct value_view old, struct target_range range,
                             uint32_t depth);

/* DynamoDB, UpdateItem: the parent of a target must exist and be of the right kind. */
static enum err error_path(struct rewrite *r)
{
    return error_set(r->error, ERR_VALIDATION,
                     "The document path provided in the update expression is invalid for update");
}

static bool has_more_levels_than(struct value_view value, uint32_t levels)
{
    struct reader at;
    struct attribute_view attribute;
    if (levels == 0)
        return true;
    reader_init(&at, value.body);
    if (value.tag == VALUE_M) {
        while (item_next(&at, &attribute))
            if (has_more_levels_than(attribute.value, levels - 1))
                return true;
    } else if (value.tag == VALUE_L) {
        while (list_next(&at, &value))
            if (has_more_levels_than(value, levels - 1))
                return true;
    }
    return false;
}

static enum err put_target(struct rewrite *r, const struct target *t, uint32_t depth)
{
    if (depth > 0 && has_more_levels_than(t->value, VALUE_LEVELS_MAX - depth))
        return error_set(r->error, ERR_VALIDATION,
                         "Nesting Levels have exceeded supported limits: Attributes in the item have nested "
                         "levels beyond supported limit");
    writer_put_value(&r->out, t->value);
    return ERR_OK;
}

/* Write what a group makes of `old` (NULL: absent), with its name if it has one. */
static enum err put_group(struct rewrite *r, const struct value_view *old, struct target_range group,
                          uint32_t depth)
{
    struct path_part part = program_path_part(r->program, group.targets[0].path, depth);
    bool is_end = target_ends_at(r->program, &group.targets[0], depth);
    if (is_end && group.count > 1)
        return ERR_INVALID; /* targets overlap */
    if (is_end && group.targets[0].is_removal)
        return ERR_OK;
    /* Before anything is written: bound_bytes has no room for the name of a parent that is not there. */
    if (!is_end && (old == NULL || (old->tag != VALUE_M && old->tag != VALUE_L)))
        return error_path(r);
    if (part.kind == PATH_PART_NAME)
        writer_put_name(&r->out, part.name);
    if (is_end)
        return put_target(r, &group.targets[0], depth);
    uint8_t *opened = writer_open(&r->out, old->tag);
    TRY(rewrite_body(r, *old, group, depth + 1));
    writer_close(&r->out, opened);
    return ERR_OK;
}

static enum err rewrite_map(struct rewrite *r, struct slice body, struct target_range range, uint32_t depth)
{
    struct reader at;
    struct attribute_view attribute;
    reader_init(&at, body);
    const uint8_t *kept = at.next; /* not written yet from here */
    const uint8_t *start = at.next;
    bool has_attribute = item_next(&at, &attribute);
    while (range.count > 0) {
        struct target_range group = targets_take_group(r->program, &range, depth);
        struct path_part part = program_path_part(r->program, group.targets[0].path, depth);
        if (part.kind != PATH_PART_NAME)
            return error_path(r);
        int order = -1;
        while (has_attribute && (order = slice_compare(attribute.name, part.name)) < 0) {
            start = at.next;
            has_attribute = item_next(&at, &attribute);
        }
        bool is_there = has_attribute && order == 0;
        writer_put(&r->out, slice_make(kept, (size_t)(start - kept)));
        kept = start;
        TRY(put_group(r, is_there ? &attribute.value : NULL, group, depth));
        if (is_there) {
            kept = start = at.next;
            has_attribute = item_next(&at, &attribute);
        }
    }
    if (reader_has_failed(&at))
        return ERR_CORRUPT;
    writer_put(&r->out, slice_make(kept, (size_t)(body.data + body.length - kept)));
    return ERR_OK;
}

/* Elements keep their old numbers while targets are applied; those beyond the end are appended in order. */
static enum err rewrite_list(struct rewrite *r, struct slice body, struct target_range range, uint32_t depth)
{
    struct reader at;
    struct value_view element;
    reader_init(&at, body);
    const uint8_t *kept = at.next, *start = at.next;
    bool has_element = list_next(&at, &element);
    uint32_t index = 0;
    while (range.count > 0) {
        struct target_range group = targets_take_group(r->program, &range, depth);
        struct path_part part = program_path_part(r->program, group.targets[0].path, depth);
        if (part.kind != PATH_PART_INDEX)
            return error_path(r);
        for (; has_element && index < part.index; index++) {
            start = at.next;
            has_element = list_next(&at, &element);
        }
        writer_put(&r->out, slice_make(kept, (size_t)(start - kept)));
        kept = start;
        TRY(put_group(r, has_element ? &element : NULL, group, depth));
        if (has_element) {
            kept = start = at.next;
            has_element = list_next(&at, &element);
            index++;
        }
    }
    if (reader_has_failed(&at))
        return ERR_CORRUPT;
    writer_put(&r->out, slice_make(kept, (size_t)(body.data + body.length - kept)));
    return ERR_OK;
}

static enum err rewrite_body(struct rewrite *r, struct value_view old, struct target_range range,
                             uint32_t depth)
{
    ASSERT(depth <= PROGRAM_PATH_PARTS_MAX);
    if (old.body.data == NULL)
        old.body.data = (const uint8_t *)"";
    return old.tag == VALUE_L ? rewrite_list(r, old.body, range, depth)
                              : rewrite_map(r, old.body, range, depth);
}

/* An upper bound of what the rewrite writes: everything old, every value and name put, and the room that open
 * containers need. False when values and names alone make more than any item may have. */
static bool bound_bytes(const struct program *p, struct slice old, struct target_range range,
                        size_t *ret_bytes)
{
    size_t put = 0, room = 0;
    for (uint32_t i = 0; i < range.count; i++) {
        const struct target *t = &range.targets[i];
        uint32_t length = program_path_length(p, t->path);
        struct path_part last = program_path_part(p, t->path, length - 1);
        room += (size_t)WRITER_OPEN_BYTES * length;
        if (!t->is_removal)
            put += value_encoded_bytes(last.name.length) + value_encoded_bytes(t->value.body.length);
        if (put > ITEM_ENCODED_BYTES_MAX)
            return false;
    }
    *ret_bytes = old.length + put + room;
    return true;
}

/* An absent item has nothing to remove, at whatever path. */
static uint32_t drop_removals(struct target *targets, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!targets[i].is_removal)
            targets[kept++] = targets[i];
    return kept;
}

static enum err rewrite_item(const struct program *program, struct slice item, struct target_range range,
                             struct arena *arena, struct slice *ret_item, struct error *error)
{
    size_t bytes;
    if (!bound_bytes(program, item, range, &bytes))
        return update_error_size(error);
    uint8_t *memory = arena_alloc(arena, bytes);
    if (memory == NULL)
        return ERR_NO_MEMORY;
    struct rewrite r = {.program = program, .error = error};
    writer_init(&r.out, memory, bytes);
    TRY(rewrite_body(&r, (struct value_view){VALUE_M, item}, range, 0));
    *ret_item = slice_make(memory, (size_t)(r.out.next - memory));
    return ERR_OK;
}

enum err update_apply(const struct update_request *request, struct arena *arena, struct slice *ret_item,
                      struct error *error)
{
    const struct program *program = request->program;
    struct slice item = request->has_old ? request->old_item : request->key_item;
    if (program == NULL) {
        *ret_item = item;
        return ERR_OK;
    }
    struct target_range range = {arena_alloc(arena, sizeof(struct target) * program->path_count), 0};
    if (range.targets == NULL)
        return ERR_NO_MEMORY;
    TRY(update_run(program, item, arena, range.targets, &range.count, error));
    if (!request->has_old)
        range.count = drop_removals(range.targets, range.count);
    if (range.count == 0) {
        *ret_item = item;
        return ERR_OK;
    }
    targets_sort(program, range.targets, range.count);
    return rewrite_item(program, item, range, arena, ret_item, error);
}

/* DynamoDB, UpdateItem on an absent item: REMOVE and DELETE "cause nothing to happen; there is no attribute
 * to delete". */
bool update_creates_item(const struct program *program)
{
    if (program == NULL)
        return true;
    struct reader at;
    reader_init(&at, program->code);
    while (reader_left(&at) > 0) {
        uint8_t op = reader_u8(&at);
        if (op != UPDATE_REMOVE && op != UPDATE_DELETE)
            return true;
        (void)reader_bytes(&at, op == UPDATE_DELETE ? 4 : 2); /* path and value: checked by program_open */
    }
    return false;
}

enum err update_view_touched(const struct program *program, struct slice item, struct arena *arena,
                             struct slice *ret_attributes)
{
    return projection_apply(program, item, arena, ret_attributes);
}

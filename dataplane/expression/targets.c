#include "dataplane/expression/targets.h"

#include "base/reader.h"

static int compare_parts(struct path_part a, struct path_part b)
{
    if (a.kind != b.kind)
        return a.kind < b.kind ? -1 : 1;
    if (a.kind == PATH_PART_INDEX)
        return a.index < b.index ? -1 : a.index > b.index;
    return slice_compare(a.name, b.name);
}

static int compare_paths(const struct program *p, uint16_t a, uint16_t b)
{
    uint32_t a_length = program_path_length(p, a), b_length = program_path_length(p, b);
    uint32_t common = a_length < b_length ? a_length : b_length;
    for (uint32_t i = 0; i < common; i++) {
        int order = compare_parts(program_path_part(p, a, i), program_path_part(p, b, i));
        if (order != 0)
            return order;
    }
    return a_length < b_length ? -1 : a_length > b_length;
}

static void swap(struct target *a, struct target *b)
{
    struct target old = *a;
    *a = *b;
    *b = old;
}

/* Heapsort: no memory, no recursion, and no input that makes it slow. */
static void sift_down(const struct program *p, struct target *targets, uint32_t root, uint32_t count)
{
    for (uint32_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare_paths(p, targets[child].path, targets[child + 1].path) < 0)
            child++;
        if (compare_paths(p, targets[root].path, targets[child].path) >= 0)
            return;
        swap(&targets[root], &targets[child]);
    }
}

void targets_sort(const struct program *program, struct target *targets, uint32_t count)
{
    for (uint32_t root = count / 2; root-- > 0;)
        sift_down(program, targets, root, count);
    for (uint32_t last = count; last-- > 1;) {
        swap(&targets[0], &targets[last]);
        sift_down(program, targets, 0, last);
    }
}

struct target_range targets_take_group(const struct program *program, struct target_range *range,
                                       uint32_t depth)
{
    struct path_part first = program_path_part(program, range->targets[0].path, depth);
    uint32_t count = 1;
    while (count < range->count &&
           compare_parts(first, program_path_part(program, range->targets[count].path, depth)) == 0)
        count++;
    struct target_range group = {range->targets, count};
    *range = (struct target_range){range->targets + count, range->count - count};
    return group;
}

static enum err walk_map(const struct program *program, struct slice body, struct target_range range,
                         uint32_t depth, target_visit visit, void *data)
{
    struct reader at;
    struct attribute_view attribute;
    reader_init(&at, body);
    bool has_attribute = item_next(&at, &attribute);
    while (range.count > 0 && has_attribute) {
        struct target_range group = targets_take_group(program, &range, depth);
        struct path_part part = program_path_part(program, group.targets[0].path, depth);
        int order = -1;
        if (part.kind != PATH_PART_NAME)
            continue;
        while (has_attribute && (order = slice_compare(attribute.name, part.name)) < 0)
            has_attribute = item_next(&at, &attribute);
        if (has_attribute && order == 0)
            TRY(visit(data, &attribute.name, attribute.value, group, depth));
    }
    return reader_has_failed(&at) ? ERR_CORRUPT : ERR_OK;
}

static enum err walk_list(const struct program *program, struct slice body, struct target_range range,
                          uint32_t depth, target_visit visit, void *data)
{
    struct reader at;
    struct value_view element;
    uint32_t index = 0;
    reader_init(&at, body);
    bool has_element = list_next(&at, &element);
    while (range.count > 0 && has_element) {
        struct target_range group = targets_take_group(program, &range, depth);
        struct path_part part = program_path_part(program, group.targets[0].path, depth);
        if (part.kind != PATH_PART_INDEX)
            continue;
        for (; has_element && index < part.index; index++)
            has_element = list_next(&at, &element);
        if (has_element)
            TRY(visit(data, NULL, element, group, depth));
    }
    return reader_has_failed(&at) ? ERR_CORRUPT : ERR_OK;
}

enum err targets_walk(const struct program *program, struct value_view value, struct target_range range,
                      uint32_t depth, target_visit visit, void *data)
{
    if (value.tag == VALUE_M)
        return walk_map(program, value.body, range, depth, visit, data);
    return value.tag == VALUE_L ? walk_list(program, value.body, range, depth, visit, data) : ERR_OK;
}

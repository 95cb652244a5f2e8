#include "dataplane/expression/targets.h"

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

/* The paths that an update or a projection addresses, sorted, so that one walk over the document meets them
 * in its own order: names bytewise, elements by index, a container before what is inside it. */
#pragma once

#include "dataplane/expression/program.h"
#include "dataplane/item/item.h"

/* What becomes of a path: replaced by `value`, or removed. A projection uses only the path. */
struct target {
    uint16_t path;
    bool is_removal;
    struct value_view value;
};

struct target_range {
    struct target *targets;
    uint32_t count;
};

/* In place, without memory. */
void targets_sort(const struct program *program, struct target *targets, uint32_t count);

/* Cut from the front of `range` those that share the part at `depth` (and all before). Not on an empty one.
 */
struct target_range targets_take_group(const struct program *program, struct target_range *range,
                                       uint32_t depth);

/* Whether a group addresses the part at `depth` itself and not something inside. Two that do, or one that
 * does beside one inside, overlap: no parser of ours lets that pass. */
static inline bool target_ends_at(const struct program *program, const struct target *t, uint32_t depth)
{
    return program_path_length(program, t->path) == depth + 1;
}

/* What a walk calls for each group whose part at `depth` is there: `name` is NULL for an element of a list. */
typedef enum err (*target_visit)(void *data, const struct slice *name, struct value_view value,
                                 struct target_range group, uint32_t depth);

/* One walk over what is directly in a map or list, in its order, which is the targets' too. What is neither has nothing inside.
 * ERR_CORRUPT  damaged
 * or what visit returned */
enum err targets_walk(const struct program *program, struct value_view value, struct target_range range,
                      uint32_t depth, target_visit visit, void *data) MUST_CHECK;

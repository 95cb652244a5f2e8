/* Where the paths of a program lead in an item.
 *
 * Small programs on small items follow each path when it is asked for. Where that could take long, the same long list
 * walked along for each of a hundred paths, all paths are sorted and found in one walk over the item, as in update.c. */
#pragma once

#include "base/arena.h"
#include "dataplane/expression/path_walk.h"

struct path_table {
    /* Leave alone. */
    const struct program *program;
    struct slice item;
    struct value_view *found; /* by path number, tag 0: absent. NULL: each is walked when it is asked for */
};

/* Lives as long as program, item and the arena's memory. ERR_CORRUPT: the item is damaged. ERR_NO_MEMORY. */
enum err path_table_open(struct path_table *t, const struct program *program, struct slice item,
                         struct arena *arena) MUST_CHECK;

/* As path_walk. */
static inline enum path_result path_table_find(const struct path_table *t, uint32_t path,
                                               struct value_view *ret_value)
{
    if (t->found == NULL)
        return path_walk(t->program, path, t->item, ret_value);
    if (t->found[path].tag == 0)
        return PATH_ABSENT;
    *ret_value = t->found[path];
    return PATH_FOUND;
}

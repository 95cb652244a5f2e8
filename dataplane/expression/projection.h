/* The part of an item that a projection names. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "dataplane/expression/program.h"

/* Make an item of the values at the paths of a PROGRAM_PROJECTION (or the target paths of a PROGRAM_UPDATE).
 *
 * Absent paths are left out; elements picked from a list stand in a list again, closed up, in their old
 * order. Empty when nothing is there. The result is in `arena`.
 *
 * ERR_CORRUPT    the item's bytes are damaged.
 * ERR_NO_MEMORY  the arena is spent. */
enum err projection_apply(const struct program *program, struct slice item, struct arena *arena,
                          struct slice *ret_item) MUST_CHECK;

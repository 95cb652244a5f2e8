/* What an update's clauses come to: every SET, ADD and DELETE is turned into "this path gets that value" or
 * "this path goes", all operands being read from the old item. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "dataplane/expression/targets.h"

/* Run the update's code.
 *
 * item         what the operands are read from.
 * ret_targets  room for program->path_count; in the order of the code.
 *
 * ERR_VALIDATION, ERR_CORRUPT, ERR_NO_MEMORY  as update_apply. */
enum err update_run(const struct program *program, struct slice item, struct arena *arena,
                    struct target *ret_targets, uint32_t *ret_count, struct error *error) MUST_CHECK;

/* "Item size to update has exceeded the maximum allowed size". */
enum err update_error_size(struct error *error);

/* Whether an item meets a condition or filter. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "dataplane/expression/program.h"

/* Evaluate a PROGRAM_CONDITION.
 *
 * item  item bytes; the empty slice stands for "no such item", on which every path is absent.
 *
 * DynamoDB's semantics: a comparison with an absent attribute, or between two types, is false; except that
 * `<>` is then true. Only numbers, strings and binaries have an order. Time is linear in the item's bytes times the
 * program's operators; paths and sizes are found once.
 *
 * arena  for scratch, in proportion to the program; a small one on a small item needs none
 *
 * ERR_CORRUPT    the item's bytes are damaged.
 * ERR_NO_MEMORY  the arena is exhausted. */
enum err condition_evaluate(const struct program *program, struct slice item, struct arena *arena,
                            bool *ret_is_true) MUST_CHECK;

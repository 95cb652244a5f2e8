/* Whether an item meets a condition or filter. */
#pragma once

#include "base/error.h"
#include "dataplane/expression/program.h"

/* Evaluate a PROGRAM_CONDITION.
 *
 * item  item bytes; the empty slice stands for "no such item", on which every path is absent.
 *
 * DynamoDB's semantics: a comparison with an absent attribute, or between two types, is false; except that
 * `<>` is then true. Only numbers, strings and binaries have an order. No memory is taken and no recursion
 * happens; time is linear in the item's bytes times the program's operators.
 *
 * ERR_CORRUPT  the item's bytes are damaged. */
enum err condition_evaluate(const struct program *program, struct slice item, bool *ret_is_true) MUST_CHECK;

/* An expression with all that it needs, as text: three lines.
 *
 *     a = :n AND size(#b) > :one
 *     {"#b":{"S":"name"},":n":{"N":"12"}}           names and values, by the first character of the token
 *     {"a":{"N":"12"},"name":{"S":"text"}}          the item
 *
 * A second or third line that is missing or is not that is replaced by one in which every type occurs, so that
 * a changed expression still meets something. */
#pragma once

#include "api/expression/expression.h"
#include "tests/fuzz/fuzz.h"

struct expression_case {
    struct slice text;
    struct expression_substitutions substitutions;
    struct slice item;
};

/* All of it lives as long as the input and the arena. */
struct expression_case expression_case_read(struct slice input, struct arena *arena);

/* Parse one kind of expression and open the program. A parser's program is always one, and a refusal has words.
 * False: it was refused. ret_bytes holds the program. */
bool expression_case_parse(const struct expression_case *c, enum expression_kind kind, struct arena *arena,
                           struct buffer *ret_bytes, struct program *ret_program);

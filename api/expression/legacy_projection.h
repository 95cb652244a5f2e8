/* AttributesToGet, which was before ProjectionExpression: a list of attributes. */
#pragma once

#include "api/expression/legacy.h"

struct legacy_names {
    bool is_given;
    struct legacy_attribute *names; /* in the request's order */
    size_t count;                   /* also of those beyond LEGACY_ENTRIES_MAX, which are not there */
};

/* Check, and append the program; nothing when there are no names. The arena is for scratch.
 * ERR_VALIDATION  with DynamoDB's words; with our own for what is beyond our bounds
 * ERR_NO_MEMORY */
enum err legacy_projection_compile(const struct legacy_names *names, struct arena *arena,
                                   struct buffer *ret_program, struct error *error) MUST_CHECK;

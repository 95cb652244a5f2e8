/* Shared by request.c, which finds out whether anything is violated, and violations.c and print.c, which say what. */
#pragma once

#include "api/model/request.h"
#include "base/buffer.h"

enum {
    SCRATCH_BYTES_MAX = 17 * 1024 * 1024, /* a body that is one string */
    MODEL_PATH_BYTES_MAX = 2 * 1024,      /* the model's names, and a table's */
    MODEL_STEPS_MAX = 10 * 1000,          /* elements that are walked over once there is something to tell */
    MODEL_WORDS_BYTES_MAX = 64 * 1024,    /* ten values, paths and what is demanded of them */
};

/* The place of a structure's member; member_count: none. Requests mostly have their members in the model's order: the
 * search begins at `from`. */
size_t model_find_member(const struct model_shape *shape, struct json_string name, size_t from);

/* Whether a size, or number, is within the shape's bounds. */
bool model_is_in_range(const struct model_shape *shape, int64_t size);
/* Which of the choices; choice_count: none. */
size_t model_find_choice(const struct model_shape *shape, struct slice text);
bool model_matches(const struct model_pattern *pattern, struct slice text);
/* In UTF-16 units, as Java counts. */
int64_t model_text_length(struct slice text);
/* A string without escapes: as it lies there, or in `scratch`, which is overwritten. data NULL: no memory. */
struct slice model_plain_text(struct json_string string, struct buffer *scratch);

/* Names of tables: at most one constraint is told, and which one depends on the part that is the name. */
enum table_name_fault {
    TABLE_NAME_GOOD,
    TABLE_NAME_EMPTY,
    TABLE_NAME_ARN_TOO_LONG,
    TABLE_NAME_TOO_LONG,
    TABLE_NAME_CHARACTERS,
};
enum { TABLE_NAME_LENGTH_MAX = 255 };
enum table_name_fault model_check_table_name(const struct model_shape *shape, struct slice text);

/* Whether this one string meets all of its shape's constraints. */
bool model_string_is_good(const struct model_shape *shape, struct slice text);

/* The words for a body that has been read and found to violate something in the members with a bit in `violating`.
 * ret_words NULL: nothing is to be said after all, as a later member of the same name replaced what was wrong.
 * ERR_NO_MEMORY */
enum err model_tell_violations(const struct model_shape *input, const struct model_value *values,
                               uint64_t violating, struct arena *arena, const char **ret_words) MUST_CHECK;

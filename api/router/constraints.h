/* The model's constraints: everything that a request violates is collected, up to ten, into one message:
 *
 *   2 validation errors detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must ...; Value ...
 *
 * Paths are lower camel case; a null prints as `Value null at`. Source: answers of DynamoDB. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

enum { CONSTRAINTS_MAX = 10, CONSTRAINTS_TEXT_BYTES = 2048 };

struct constraints {
    /* Leave alone. */
    char text[CONSTRAINTS_TEXT_BYTES];
    size_t length;
    unsigned count;
};

void constraints_init(struct constraints *c);
/* A required member is missing. */
void constraints_null(struct constraints *c, const char *path);
/* TableName of data operations: a name or an ARN, 1 to 1024 characters (data NULL: missing). */
void constraints_table_name(struct constraints *c, struct slice value);
/* One of a set; data NULL: `absent`, the index that stands for the default. Returns the index. */
size_t constraints_enum(struct constraints *c, const char *path, struct slice value, const char *const *set,
                        size_t set_count, size_t absent);
/* An integer within bounds. */
void constraints_integer(struct constraints *c, const char *path, int64_t value, int64_t least, int64_t most);
/* Query's Limit, whose words are newer than the others'. */
void constraints_query_limit(struct constraints *c, int64_t value);
/* IndexName: 3 to 255 characters (data NULL: absent). */
void constraints_index_name(struct constraints *c, struct slice value);
/* ERR_VALIDATION with the collected words, if any. */
enum err constraints_finish(const struct constraints *c, struct error *error) MUST_CHECK;

/* A map of lists by table: a key that is no table's name or ARN; a list that is empty or has more than length_max. */
void constraints_map_key(struct constraints *c, const char *path, struct slice name);
void constraints_map_list(struct constraints *c, const char *path, struct slice name, int length_max);
void constraints_list_too_short(struct constraints *c, const char *path);
void constraints_list_too_long(struct constraints *c, const char *path, int length_max);

/* The table's name in a name or an ARN. */
struct slice constraints_name_of(struct slice name_or_arn);

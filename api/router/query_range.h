/* The keys that a Query or a segment of a Scan goes over: [begin, end). */
#pragma once

#include "api/expression/key_condition.h"
#include "dataplane/item/key.h"

enum { RANGE_KEY_BYTES_MAX = KEY_BYTES_MAX + 1 }; /* a key, and the next one */

struct query_range {
    struct buffer begin; /* inclusive */
    struct buffer end;   /* exclusive */
};

void query_range_init(struct query_range *range);
void query_range_deinit(struct query_range *range);

/* What the conditions on a table's key allow.
 * ERR_VALIDATION  conditions that the schema has no place for, values of other types, empty or too long; with words
 * ERR_NO_MEMORY */
enum err query_range_of_conditions(const struct key_schema *schema, uint64_t space_id,
                                   const struct key_conditions *conditions, struct query_range *to,
                                   struct error *error) MUST_CHECK;
/* The index-th of `count` parts of the table. ERR_NO_MEMORY */
enum err query_range_of_segment(uint64_t space_id, uint32_t index, uint32_t count,
                                struct query_range *to) MUST_CHECK;

bool query_range_has(const struct query_range *range, struct slice key);
/* Leave out what a walk has seen when it was at `key`. */
void query_range_go_on_after(struct query_range *range, struct slice key, bool is_reverse);
/* The same at the edge of a group: the rest begins (is_reverse: ends) there. */
void query_range_go_on_at(struct query_range *range, struct slice edge, bool is_reverse);
/* Append a key that lies in the part that a walk reads first: `begin`, or what is just below `end`. */
void query_range_first_key(const struct query_range *range, bool is_reverse, struct buffer *to);

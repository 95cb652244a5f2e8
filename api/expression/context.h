/* ExpressionAttributeNames and ExpressionAttributeValues of one request, looked up by token. */
#pragma once

#include "api/expression/expression.h"

struct expression_entry {
    struct slice token;
    struct slice content;
    uint32_t position; /* in the request, for the order in messages */
    bool is_used;
    uint64_t parse;  /* the parse that `number` belongs to */
    uint16_t number; /* in that parse's program */
};

struct expression_table {
    struct expression_entry *entries; /* sorted by token */
    size_t count;
};

/* NULL when it is not defined. */
struct expression_entry *expression_table_find(struct expression_table *table, struct slice token);

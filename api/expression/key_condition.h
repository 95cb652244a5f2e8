/* What a KeyConditionExpression says, read back from its program: at most two conditions, joined by AND, each of
 * one attribute. Which attributes a table wants is for the caller to know. */
#pragma once

#include "api/expression/expression.h"
#include "dataplane/item/item.h"

enum { KEY_CONDITIONS_MAX = 2 };

struct key_condition {
    struct slice name;    /* a view into the program, as the values are */
    enum condition_op op; /* EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, BETWEEN or BEGINS_WITH; of a
                             KeyConditions parameter another (legacy_condition.h) */
    struct value_view value;
    struct value_view upper; /* BETWEEN's second */
};

struct key_conditions {
    size_t count; /* 1 or 2 */
    struct key_condition conditions[KEY_CONDITIONS_MAX];
};

/* Read a program of kind EXPRESSION_KEY_CONDITION.
 * ERR_VALIDATION  what only filters may say: OR, NOT, other operators and functions, nested paths, two conditions
 *                 on one attribute; with the words */
enum err key_conditions_read(const struct program *program, struct key_conditions *ret_conditions,
                             struct error *error) MUST_CHECK;
/* The condition on this attribute, or NULL. */
const struct key_condition *key_conditions_find(const struct key_conditions *conditions, struct slice name);

/* What is wrong with an expression, beyond its syntax.
 *
 * DynamoDB parses the whole text first and then reports one problem, by kind and not by position: a redundant
 * parenthesis anywhere comes before a reserved word anywhere. So the parser goes on after a problem, keeping
 * the first of each kind, and the grammar's order decides at the end. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

enum problem_kind {
    PROBLEM_OPERATOR_COUNT,
    PROBLEM_PARENTHESES,
    PROBLEM_FUNCTION_NAME,
    PROBLEM_MISUSED_FUNCTION,
    PROBLEM_RESERVED,
    PROBLEM_LIST_INDEX,
    PROBLEM_PATH_DEPTH,
    PROBLEM_SECTION,
    PROBLEM_NAME_UNDEFINED,
    PROBLEM_VALUE_UNDEFINED,
    PROBLEM_OVERLAP,
    PROBLEM_CONFLICT,
    PROBLEM_SECTION_OPERAND,
    PROBLEM_OPERAND_COUNT,
    PROBLEM_DISTINCT,
    PROBLEM_OPERAND_TYPE,
    PROBLEM_CONDITION, /* the first of the last few kinds, of the first condition that has one */
    PROBLEM_COUNT
};

struct problems {
    struct error found[PROBLEM_COUNT]; /* code ERR_OK: none of this kind */
};

/* Keep the words, unless there is one of this kind already. */
void problems_add(struct problems *p, enum problem_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline bool problems_has(const struct problems *p, enum problem_kind kind)
{
    return p->found[kind].code != ERR_OK;
}

/* The first in `order` that was found, or NULL. */
const struct error *problems_first(const struct problems *p, const enum problem_kind *order, size_t count);

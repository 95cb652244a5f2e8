/* Conditions as they were before expressions: Expected, QueryFilter, ScanFilter and KeyConditions, each a map from
 * attributes to conditions.
 *
 *     {"views": {"ComparisonOperator": "GT", "AttributeValueList": [{"N": "5"}]}}     all of them
 *     {"views": {"Value": {"N": "5"}}}    {"views": {"Exists": false}}                Expected only
 *
 * They are joined by AND, or by what ConditionalOperator says, and become a program as of an expression. */
#pragma once

#include "api/expression/key_condition.h"
#include "api/expression/legacy.h"

enum legacy_comparison {
    LEGACY_NO_COMPARISON,
    LEGACY_EQ,
    LEGACY_NE,
    LEGACY_IN,
    LEGACY_LE,
    LEGACY_LT,
    LEGACY_GE,
    LEGACY_GT,
    LEGACY_BETWEEN,
    LEGACY_NOT_NULL,
    LEGACY_NULL,
    LEGACY_CONTAINS,
    LEGACY_NOT_CONTAINS,
    LEGACY_BEGINS_WITH,
    LEGACY_COMPARISON_COUNT
};

enum legacy_exists { LEGACY_EXISTS_NOT_GIVEN, LEGACY_EXISTS_FALSE, LEGACY_EXISTS_TRUE };

/* As the request has it; values are encoded. All of it is borrowed until it has been compiled. */
struct legacy_condition {
    struct legacy_attribute attribute;
    enum legacy_comparison comparison;
    bool has_list; /* AttributeValueList, which may be empty */
    const struct slice *list;
    size_t list_count;
    struct slice value; /* data NULL: not given */
    enum legacy_exists exists;
};

struct legacy_conditions {
    const char *parameter; /* "Expected"; NULL: not given */
    bool is_expected;      /* its conditions have a second form */
    struct legacy_condition *conditions;
    size_t count;       /* also of those beyond LEGACY_ENTRIES_MAX, which are not there */
    size_t value_count; /* of all together */
};

/* LEGACY_NO_COMPARISON: there is none of this name. */
enum legacy_comparison legacy_comparison_from_name(struct slice name);

/* Each attribute once, counts, forms, numbers and types of values.
 * ERR_VALIDATION  with DynamoDB's words; with our own for what is beyond our bounds */
enum err legacy_conditions_check(struct legacy_conditions *conditions, struct error *error) MUST_CHECK;
/* ConditionalOperator was given: there must be something for it to join.
 * ERR_VALIDATION  with the words */
enum err legacy_check_conditional_operator(const struct legacy_conditions *conditions,
                                           struct error *error) MUST_CHECK;

/* Append the program of checked conditions; nothing when there are none. is_or: what joins them.
 * ERR_NO_MEMORY */
enum err legacy_conditions_compile(const struct legacy_conditions *conditions, bool is_or,
                                   struct buffer *ret_program) MUST_CHECK;

/* Checked KeyConditions as a KeyConditionExpression's; views into them. The operators are not judged: those that no
 * range of keys has come as CONDITION_NOT_EQUAL, IN, EXISTS, NOT_EXISTS, CONTAINS.
 * ERR_VALIDATION  not one or two; with the words */
enum err legacy_key_conditions(const struct legacy_conditions *conditions,
                               struct key_conditions *ret_conditions, struct error *error) MUST_CHECK;

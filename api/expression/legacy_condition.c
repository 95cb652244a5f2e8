/* Sources of the words: answers recorded from DynamoDB. Of missing attributes it says, in answers again: NE is true,
 * NOT_CONTAINS is not. */
#include "api/expression/legacy_condition.h"

#define WRONG_PARAMETER "One or more parameter values were invalid: "

enum value_types { SCALARS = 1, TEXTS = 2, ANY_TYPE = 3 };

static const struct comparison {
    const char *name;
    enum condition_op op;
    enum value_types types;
    size_t least, most; /* values */
} COMPARISONS[LEGACY_COMPARISON_COUNT] = {
    /* clang-format off */
    [LEGACY_EQ] =           {"EQ",           CONDITION_EQUAL,         ANY_TYPE, 1, 1},
    [LEGACY_NE] =           {"NE",           CONDITION_NOT_EQUAL,     ANY_TYPE, 1, 1},
    [LEGACY_IN] =           {"IN",           CONDITION_IN,            SCALARS,  1, SIZE_MAX},
    [LEGACY_LE] =           {"LE",           CONDITION_LESS_EQUAL,    SCALARS,  1, 1},
    [LEGACY_LT] =           {"LT",           CONDITION_LESS,          SCALARS,  1, 1},
    [LEGACY_GE] =           {"GE",           CONDITION_GREATER_EQUAL, SCALARS,  1, 1},
    [LEGACY_GT] =           {"GT",           CONDITION_GREATER,       SCALARS,  1, 1},
    [LEGACY_BETWEEN] =      {"BETWEEN",      CONDITION_BETWEEN,       SCALARS,  2, 2},
    [LEGACY_NOT_NULL] =     {"NOT_NULL",     CONDITION_EXISTS,        ANY_TYPE, 0, 0},
    [LEGACY_NULL] =         {"NULL",         CONDITION_NOT_EXISTS,    ANY_TYPE, 0, 0},
    [LEGACY_CONTAINS] =     {"CONTAINS",     CONDITION_CONTAINS,      SCALARS,  1, 1},
    [LEGACY_NOT_CONTAINS] = {"NOT_CONTAINS", CONDITION_CONTAINS,      SCALARS,  1, 1},
    [LEGACY_BEGINS_WITH] =  {"BEGINS_WITH",  CONDITION_BEGINS_WITH,   TEXTS,    1, 1},
    /* clang-format on */
};

enum legacy_comparison legacy_comparison_from_name(struct slice name)
{
    for (int i = LEGACY_NO_COMPARISON + 1; i < LEGACY_COMPARISON_COUNT; i++)
        if (slice_equal_string(name, COMPARISONS[i].name))
            return (enum legacy_comparison)i;
    return LEGACY_NO_COMPARISON;
}

/* ---- checks ---- */

/* AttributeValueList, or Value as a list of one. */
static const struct slice *values_of(const struct legacy_condition *c, size_t *ret_count)
{
    *ret_count = c->value.data != NULL ? 1 : c->list_count;
    return c->value.data != NULL ? &c->value : c->list;
}

static uint8_t tag_of(struct slice value)
{
    return value.data[0];
}

static bool fits(enum value_types types, uint8_t tag)
{
    if (types == ANY_TYPE)
        return true;
    return types == TEXTS ? tag == VALUE_S || tag == VALUE_B : value_is_scalar_key(tag);
}

static enum err check_bounds(struct slice lower, struct slice upper, struct error *error)
{
    struct value_view low, high;
    int order;
    bool is_reverse = value_decode(lower, &low) && value_decode(upper, &high) &&
                      value_compare(low, high, &order) && order > 0;
    if (!is_reverse)
        return ERR_OK;
    return error_set(
        error, ERR_VALIDATION,
        "The BETWEEN condition was provided a range where the lower bound is greater than the upper "
        "bound");
}

static enum err check_values(const struct legacy_condition *c, struct error *error)
{
    const struct comparison *comparison = &COMPARISONS[c->comparison];
    size_t count;
    const struct slice *values = values_of(c, &count);
    if (count < comparison->least || count > comparison->most)
        return error_set(error, ERR_VALIDATION,
                         WRONG_PARAMETER "Invalid number of argument(s) for the %s ComparisonOperator",
                         comparison->name);
    for (size_t i = 1; i < count; i++)
        if (tag_of(values[i]) != tag_of(values[0]))
            return error_set(error, ERR_VALIDATION,
                             WRONG_PARAMETER
                             "AttributeValues inside AttributeValueList must be of same type");
    if (count > 0 && !fits(comparison->types, tag_of(values[0])))
        return error_set(error, ERR_VALIDATION,
                         WRONG_PARAMETER "ComparisonOperator %s is not valid for %s AttributeValue type",
                         comparison->name, value_tag_name(tag_of(values[0])));
    return c->comparison == LEGACY_BETWEEN ? check_bounds(values[0], values[1], error) : ERR_OK;
}

static enum err refuse_form(const struct legacy_condition *c, const char *words, struct error *error)
{
    return error_set(error, ERR_VALIDATION, WRONG_PARAMETER "%s for Attribute: %.*s", words,
                     SLICE_PRINTF(c->attribute.name));
}

/* Value and Exists, without a ComparisonOperator. */
static enum err check_existence(const struct legacy_condition *c, struct error *error)
{
    bool has_value = c->value.data != NULL;
    if (c->has_list)
        return refuse_form(c, "AttributeValueList can only be used with a ComparisonOperator", error);
    if (!has_value && c->exists == LEGACY_EXISTS_NOT_GIVEN)
        return refuse_form(c, "Value must be provided when Exists is null", error);
    if (!has_value && c->exists == LEGACY_EXISTS_TRUE)
        return refuse_form(c, "Value must be provided when Exists is true", error);
    if (has_value && c->exists == LEGACY_EXISTS_FALSE)
        return refuse_form(c, "Value cannot be used when Exists is false", error);
    return ERR_OK;
}

/* DynamoDB takes a ComparisonOperator with a Value, though its reference says that it does not. */
static enum err check_expected(const struct legacy_condition *c, struct error *error)
{
    bool has_values = c->has_list || c->value.data != NULL;
    if (c->has_list && c->value.data != NULL)
        return refuse_form(c, "Value and AttributeValueList cannot be used together", error);
    if (c->comparison == LEGACY_NO_COMPARISON)
        return check_existence(c, error);
    if (c->exists != LEGACY_EXISTS_NOT_GIVEN)
        return refuse_form(c, "Exists and ComparisonOperator cannot be used together", error);
    if (!has_values && COMPARISONS[c->comparison].least > 0)
        return error_set(error, ERR_VALIDATION,
                         WRONG_PARAMETER
                         "Value or AttributeValueList must be used with ComparisonOperator: %s "
                         "for Attribute: %.*s",
                         COMPARISONS[c->comparison].name, SLICE_PRINTF(c->attribute.name));
    return ERR_OK;
}

static enum err check_bytes(const struct legacy_conditions *conditions, struct error *error)
{
    size_t bytes = 0, count;
    for (size_t i = 0; i < conditions->count; i++) {
        const struct slice *values = values_of(&conditions->conditions[i], &count);
        bytes += conditions->conditions[i].attribute.name.length;
        while (count > 0)
            bytes += values[--count].length;
    }
    if (bytes <= EXPRESSION_SUBSTITUTION_BYTES_MAX)
        return ERR_OK;
    return error_set(error, ERR_VALIDATION,
                     "The names and values of %s have exceeded the maximum allowed size; size: %zu",
                     conditions->parameter, bytes);
}

enum err legacy_conditions_check(struct legacy_conditions *conditions, struct error *error)
{
    TRY(legacy_check_count(conditions->parameter, conditions->count, LEGACY_ENTRIES_MAX, error));
    conditions->count =
        legacy_unique(conditions->conditions, conditions->count, sizeof *conditions->conditions);
    TRY(legacy_check_count(conditions->parameter, conditions->count, LEGACY_OPERATORS_MAX, error));
    if (conditions->value_count > LEGACY_ENTRIES_MAX)
        return error_set(error, ERR_VALIDATION, "%s must not have more than %d values", conditions->parameter,
                         LEGACY_ENTRIES_MAX);
    TRY(check_bytes(conditions, error));
    for (size_t i = 0; i < conditions->count; i++) {
        const struct legacy_condition *c = &conditions->conditions[i];
        TRY(legacy_check_name(c->attribute.name, error));
        if (conditions->is_expected)
            TRY(check_expected(c, error));
        if (c->comparison != LEGACY_NO_COMPARISON)
            TRY(check_values(c, error));
    }
    return ERR_OK;
}

enum err legacy_check_conditional_operator(const struct legacy_conditions *conditions, struct error *error)
{
    if (conditions->count == 0)
        return error_set(error, ERR_VALIDATION,
                         "ConditionalOperator cannot be used without Filter or Expected");
    if (conditions->count == 1)
        return error_set(
            error, ERR_VALIDATION,
            "ConditionalOperator can only be used when Filter or Expected has two or more elements");
    return ERR_OK;
}

/* ---- programs ---- */

static enum legacy_comparison comparison_of(const struct legacy_condition *c)
{
    if (c->comparison != LEGACY_NO_COMPARISON)
        return c->comparison;
    return c->exists == LEGACY_EXISTS_FALSE ? LEGACY_NULL : LEGACY_EQ;
}

static void emit_op(struct program_builder *b, enum condition_op op)
{
    buffer_append_u8(&b->code, (uint8_t)op);
}

static void emit_existence(struct program_builder *b, enum condition_op op, uint16_t path)
{
    emit_op(b, op);
    buffer_append_u16(&b->code, path);
}

static void emit_values(struct program_builder *b, const struct slice *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        program_builder_operand(b, OPERAND_VALUE, program_builder_value(b, values[i]));
}

/* A program's IN takes so many and no more; here there may be others. */
static void emit_in(struct program_builder *b, uint16_t path, const struct slice *values, size_t count)
{
    for (size_t at = 0; at < count; at += PROGRAM_IN_OPERANDS_MAX) {
        size_t part = count - at < PROGRAM_IN_OPERANDS_MAX ? count - at : PROGRAM_IN_OPERANDS_MAX;
        emit_op(b, CONDITION_IN);
        program_builder_operand(b, OPERAND_PATH, path);
        buffer_append_u8(&b->code, (uint8_t)part);
        emit_values(b, values + at, part);
        if (at > 0)
            emit_op(b, CONDITION_OR);
    }
}

static void emit(struct program_builder *b, const struct legacy_condition *c)
{
    enum legacy_comparison comparison = comparison_of(c);
    enum condition_op op = COMPARISONS[comparison].op;
    uint16_t path = legacy_path(b, c->attribute.name);
    size_t count;
    const struct slice *values = values_of(c, &count);
    if (op == CONDITION_IN) {
        emit_in(b, path, values, count);
        return;
    }
    if (op == CONDITION_EXISTS || op == CONDITION_NOT_EXISTS) {
        emit_existence(b, op, path);
        return;
    }
    emit_op(b, op);
    program_builder_operand(b, OPERAND_PATH, path);
    emit_values(b, values, count);
    if (comparison == LEGACY_NOT_CONTAINS) {
        emit_op(b, CONDITION_NOT);
        emit_existence(b, CONDITION_EXISTS, path);
        emit_op(b, CONDITION_AND);
    }
}

enum err legacy_conditions_compile(const struct legacy_conditions *conditions, bool is_or,
                                   struct buffer *ret_program)
{
    struct program_builder builder;
    if (conditions->count == 0)
        return ERR_OK;
    program_builder_init(&builder, PROGRAM_CONDITION);
    for (size_t i = 0; i < conditions->count; i++) {
        emit(&builder, &conditions->conditions[i]);
        if (i > 0)
            emit_op(&builder, is_or ? CONDITION_OR : CONDITION_AND);
    }
    return legacy_finish(&builder, ret_program);
}

/* ---- KeyConditions ---- */

static struct value_view view_of(struct slice value)
{
    struct value_view view = {0};
    (void)value_decode(value, &view); /* encoded by ourselves */
    return view;
}

enum err legacy_key_conditions(const struct legacy_conditions *conditions,
                               struct key_conditions *ret_conditions, struct error *error)
{
    struct key_conditions found = {.count = conditions->count};
    if (conditions->count < 1 || conditions->count > KEY_CONDITIONS_MAX)
        return error_set(error, ERR_VALIDATION, "Conditions can be of length 1 or 2 only");
    for (size_t i = 0; i < conditions->count; i++) {
        const struct legacy_condition *c = &conditions->conditions[i];
        struct key_condition *to = &found.conditions[i];
        to->name = c->attribute.name;
        to->op = COMPARISONS[c->comparison].op;
        if (c->list_count > 0)
            to->value = view_of(c->list[0]);
        if (c->comparison == LEGACY_BETWEEN)
            to->upper = view_of(c->list[1]);
    }
    *ret_conditions = found;
    return ERR_OK;
}

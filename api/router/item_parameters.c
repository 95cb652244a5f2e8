#include "api/router/item_parameters.h"

#include "dataplane/item/item_builder.h"

enum { PROGRAM_BYTES = 8 * 1024 * 1024 };

static const char POPV[] = "One or more parameter values were invalid: ";

/* ---- steps 1 and 2: the body against the model ---- */

static enum err read_item(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct item_parameters *p = at->parameters;
    bool is_present;
    return reading_item(at, "", &is_present, &p->item);
}

static enum err read_names(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct item_parameters *p = at->parameters;
    return reading_names(at, &p->substitutions);
}

static enum err read_values(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct item_parameters *p = at->parameters;
    return reading_values(at, &p->substitutions);
}

static enum err read_attributes_to_get(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct item_parameters *p = at->parameters;
    return reading_attributes(at, &p->attributes_to_get);
}

static enum err read_attribute_updates(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct item_parameters *p = at->parameters;
    return reading_updates(at, &p->attribute_updates);
}

static enum err read_expected(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct item_parameters *p = at->parameters;
    return reading_conditions(at, "Expected", &p->expected);
}

static const struct model_hook hooks[] = {
    {.id = MEMBER_ITEM, .read = read_item},
    {.id = MEMBER_KEY, .read = read_item},
    {.id = MEMBER_EXPRESSION_ATTRIBUTE_NAMES, .read = read_names},
    {.id = MEMBER_EXPRESSION_ATTRIBUTE_VALUES, .read = read_values},
    {.id = MEMBER_ATTRIBUTES_TO_GET, .is_checked = true, .read = read_attributes_to_get},
    {.id = MEMBER_ATTRIBUTE_UPDATES, .is_checked = true, .read = read_attribute_updates},
    {.id = MEMBER_EXPECTED, .is_checked = true, .read = read_expected},
};

/* As dataplane.proto numbers them. */
static const int return_values_numbers[] = {
    [MODEL_RETURN_VALUE_NONE] = 0,        [MODEL_RETURN_VALUE_ALL_OLD] = 1,
    [MODEL_RETURN_VALUE_UPDATED_OLD] = 2, [MODEL_RETURN_VALUE_ALL_NEW] = 3,
    [MODEL_RETURN_VALUE_UPDATED_NEW] = 4,
};

static enum err take_members(struct reading *at, struct item_parameters *p)
{
    const struct model_request *m = &at->members;
    p->table = reading_string(at, MEMBER_TABLE_NAME);
    p->is_consistent = model_boolean(m, MEMBER_CONSISTENT_READ);
    p->condition_text = reading_string(at, MEMBER_CONDITION_EXPRESSION);
    p->update_text = reading_string(at, MEMBER_UPDATE_EXPRESSION);
    p->projection_text = reading_string(at, MEMBER_PROJECTION_EXPRESSION);
    p->values = return_values_numbers[model_choice(m, MEMBER_RETURN_VALUES, MODEL_RETURN_VALUE_NONE)];
    p->capacity = reading_capacity(at);
    p->returns_old_on_failure = model_choice(m, MEMBER_RETURN_VALUES_ON_CONDITION_CHECK_FAILURE,
                                             MODEL_RETURN_VALUES_ON_CONDITION_CHECK_FAILURE_NONE) ==
                                MODEL_RETURN_VALUES_ON_CONDITION_CHECK_FAILURE_ALL_OLD;
    p->has_conditional_operator = model_has(m, MEMBER_CONDITIONAL_OPERATOR);
    p->is_or = model_choice(m, MEMBER_CONDITIONAL_OPERATOR, MODEL_CONDITIONAL_OPERATOR_AND) ==
               MODEL_CONDITIONAL_OPERATOR_OR;
    return arena_has_failed(&at->r->arena) ? ERR_NO_MEMORY : ERR_OK;
}

/* ---- step 3: values and expressions ---- */

static enum err check_return_values(const struct item_parameters *p, struct error *error)
{
    bool is_all_old_or_none = p->values <= 1;
    if (p->operation == ITEM_UPDATE || is_all_old_or_none)
        return ERR_OK;
    return error_set(error, ERR_VALIDATION, "ReturnValues can only be ALL_OLD or NONE");
}

static enum err check_mixed(const struct item_parameters *p, struct error *error)
{
    const struct reading_parameter old[] = {
        {"AttributesToGet", p->attributes_to_get.is_given},
        {"AttributeUpdates", p->attribute_updates.is_given},
        {"Expected", p->expected.parameter != NULL},
        {"ConditionalOperator", p->has_conditional_operator},
    };
    const struct reading_parameter new[] = {
        {"ProjectionExpression", p->projection_text.data != NULL},
        {"UpdateExpression", p->update_text.data != NULL},
        {"ConditionExpression", p->condition_text.data != NULL},
    };
    return reading_check_mixed(old, 4, new, 3, error);
}

static enum err check_substitutions(const struct item_parameters *p, struct error *error)
{
    bool has_any =
        p->condition_text.data != NULL || p->update_text.data != NULL || p->projection_text.data != NULL;
    if (has_any)
        return ERR_OK;
    const char *kind = p->operation == ITEM_GET      ? "ProjectionExpression is null"
                       : p->operation == ITEM_UPDATE ? "UpdateExpression and ConditionExpression are null"
                                                     : "ConditionExpression is null";
    if (p->substitutions.has_names)
        return error_set(error, ERR_VALIDATION,
                         "ExpressionAttributeNames can only be specified when using expressions: %s", kind);
    if (p->substitutions.has_values)
        return error_set(error, ERR_VALIDATION,
                         "ExpressionAttributeValues can only be specified when using expressions: %s", kind);
    return ERR_OK;
}

static enum err parse(struct expression_context *context, enum expression_kind kind, struct slice text,
                      struct buffer *to, struct error *error)
{
    return text.data == NULL ? ERR_OK : expression_parse(context, kind, text, to, error);
}

static enum err parse_expressions(struct request *r, struct item_parameters *p, struct error *error)
{
    TRY(check_substitutions(p, error));
    struct expression_context context;
    TRY(expression_context_init(&context, &p->substitutions, &r->arena, error));
    TRY(parse(&context, EXPRESSION_UPDATE, p->update_text, &p->update, error));
    TRY(parse(&context, EXPRESSION_CONDITION, p->condition_text, &p->condition, error));
    TRY(parse(&context, EXPRESSION_PROJECTION, p->projection_text, &p->projection, error));
    return expression_context_check_unused(&context, error);
}

static enum err compile_legacy(struct request *r, struct item_parameters *p, struct error *error)
{
    if (p->has_conditional_operator)
        TRY(legacy_check_conditional_operator(&p->expected, error));
    TRY(legacy_projection_compile(&p->attributes_to_get, &r->arena, &p->projection, error));
    TRY(legacy_updates_compile(&p->attribute_updates, &p->update, error));
    TRY(legacy_conditions_check(&p->expected, error));
    return legacy_conditions_compile(&p->expected, p->is_or, &p->condition);
}

enum err item_parameters_read(struct request *r, enum item_operation operation,
                              struct item_parameters *ret_parameters, struct error *error)
{
    struct item_parameters *p = ret_parameters;
    *p = (struct item_parameters){.operation = operation};
    buffer_init(&p->condition, PROGRAM_BYTES);
    buffer_init(&p->update, PROGRAM_BYTES);
    buffer_init(&p->projection, PROGRAM_BYTES);
    struct reading at;
    reading_init(&at, r, p);
    TRY(reading_body(&at, hooks, sizeof hooks / sizeof hooks[0]));
    TRY(take_members(&at, p));
    TRY(check_mixed(p, error));
    TRY(check_return_values(p, error));
    TRY(reading_finish(&at, error));
    TRY(compile_legacy(r, p, error));
    TRY(parse_expressions(r, p, error));
    if (operation == ITEM_PUT && item_size_bytes(p->item) > ITEM_BYTES_MAX)
        return error_set(error, ERR_VALIDATION, "Item size has exceeded the maximum allowed size");
    return ERR_OK;
}

void item_parameters_deinit(struct item_parameters *p)
{
    buffer_deinit(&p->condition);
    buffer_deinit(&p->update);
    buffer_deinit(&p->projection);
}

/* ---- step 5: keys ---- */

enum err item_key_fault(bool is_put, enum key_status status, const struct key_fault *fault,
                        struct error *error)
{
    switch (status) {
    case KEY_MISSING:
        if (is_put)
            return error_set(error, ERR_VALIDATION, "%sMissing the key %.*s in the item", POPV,
                             SLICE_PRINTF(fault->name));
        break;
    case KEY_WRONG_TYPE:
        if (is_put)
            return error_set(error, ERR_VALIDATION, "%sType mismatch for key %.*s expected: %s actual: %s",
                             POPV, SLICE_PRINTF(fault->name), value_tag_name(fault->expected),
                             value_tag_name(fault->actual));
        break;
    case KEY_EMPTY:
        return error_set(
            error, ERR_VALIDATION,
            "One or more parameter values %s The AttributeValue for a key attribute cannot contain an "
            "empty %s value. Key: %.*s",
            is_put ? "are not valid." : "were invalid:", fault->expected == VALUE_B ? "binary" : "string",
            SLICE_PRINTF(fault->name));
    case KEY_PARTITION_TOO_LONG:
        return error_set(error, ERR_VALIDATION,
                         "%sSize of hashkey has exceeded the maximum size limit of2048 bytes", POPV);
    case KEY_SORT_TOO_LONG:
        return error_set(error, ERR_VALIDATION,
                         "%sAggregated size of all range keys has exceeded the size limit of 1024 bytes",
                         POPV);
    case KEY_EXTRA:
    case KEY_OK:
        break;
    }
    return error_set(error, ERR_VALIDATION, "The provided key element does not match the schema");
}

static enum err check_program(const struct buffer *bytes, enum program_kind kind,
                              const struct expression_key *keys, size_t key_count, struct error *error)
{
    if (bytes->length == 0)
        return ERR_OK;
    struct program program;
    TRY(program_open(buffer_view(bytes), kind, &program));
    return expression_check_keys(&program, keys, key_count, error);
}

enum err item_parameters_key(const struct item_parameters *p, const struct catalog_table *table,
                             struct buffer *to, struct error *error)
{
    struct key_fault fault;
    enum key_source source = p->operation == ITEM_PUT ? KEY_FROM_ITEM : KEY_FROM_KEY;
    enum key_status status = key_encode(&table->schema, table->space_id, p->item, source, to, &fault);
    if (status != KEY_OK)
        return item_key_fault(p->operation == ITEM_PUT, status, &fault, error);
    if (buffer_has_failed(to))
        return ERR_NO_MEMORY;
    const struct expression_key keys[] = {
        {.name = table->schema.partition.name, .tag = table->schema.partition.type, .is_table_key = true},
        {.name = table->schema.sort.name, .tag = table->schema.sort.type, .is_table_key = true},
    };
    size_t key_count = table->schema.has_sort ? 2 : 1;
    TRY(check_program(&p->update, PROGRAM_UPDATE, keys, key_count, error));
    TRY(check_program(&p->condition, PROGRAM_CONDITION, keys, key_count, error));
    return check_program(&p->projection, PROGRAM_PROJECTION, keys, key_count, error);
}

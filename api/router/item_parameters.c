#include "api/router/item_parameters.h"

#include "api/router/constraints.h"
#include "api/router/reading.h"
#include "dataplane/item/item_builder.h"

enum { PROGRAM_BYTES = 8 * 1024 * 1024 };

static const char POPV[] = "One or more parameter values were invalid: ";

/* ---- step 1: JSON ---- */

/* Older than expressions; the bits of `legacy`. */
static const char *const legacy_names[] = {"AttributesToGet", "AttributeUpdates", "Expected",
                                           "ConditionalOperator"};
enum { LEGACY_COUNT = sizeof legacy_names / sizeof legacy_names[0] };

static enum err read_legacy(struct reading *at, struct item_parameters *p, size_t index)
{
    if (json_peek(&at->json) != JSON_NULL)
        p->legacy |= 1u << index;
    return reading_skip(at);
}

/* What each operation takes; anything else is skipped, as DynamoDB does. */
static enum err read_field(struct reading *at, struct json_string name, void *data)
{
    struct item_parameters *p = data;
    bool is_write = p->operation != ITEM_GET;
    if (json_string_equals(name, "TableName"))
        return reading_text(at, &p->table);
    if (json_string_equals(name, p->operation == ITEM_PUT ? "Item" : "Key"))
        return reading_item(at, "", &p->is_item_given, &p->item);
    if (json_string_equals(name, "ExpressionAttributeNames"))
        return reading_names(at, &p->substitutions);
    if (json_string_equals(name, "ReturnConsumedCapacity"))
        return reading_text(at, &p->return_capacity);
    if (!is_write && json_string_equals(name, "ConsistentRead"))
        return reading_bool(at, &p->is_consistent);
    if (!is_write && json_string_equals(name, "ProjectionExpression"))
        return reading_text(at, &p->projection_text);
    if (is_write && json_string_equals(name, "ExpressionAttributeValues"))
        return reading_values(at, &p->substitutions);
    if (is_write && json_string_equals(name, "ConditionExpression"))
        return reading_text(at, &p->condition_text);
    if (p->operation == ITEM_UPDATE && json_string_equals(name, "UpdateExpression"))
        return reading_text(at, &p->update_text);
    if (is_write && json_string_equals(name, "ReturnValues"))
        return reading_text(at, &p->return_values);
    if (is_write && json_string_equals(name, "ReturnItemCollectionMetrics"))
        return reading_text(at, &p->return_metrics);
    if (is_write && json_string_equals(name, "ReturnValuesOnConditionCheckFailure"))
        return reading_text(at, &p->return_on_failure);
    for (size_t i = 0; i < LEGACY_COUNT; i++)
        if (json_string_equals(name, legacy_names[i]))
            return read_legacy(at, p, i);
    return reading_skip(at);
}

/* ---- step 2: the model ---- */

static const char *const return_values_set[] = {"ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"};
/* The numbers of dataplane.proto, in the order above. */
static const int return_values_numbers[] = {3, 2, 1, 0, 4};
static const char *const capacity_set[] = {"INDEXES", "TOTAL", "NONE"};
static const char *const metrics_set[] = {"SIZE", "NONE"};
static const char *const failure_set[] = {"ALL_OLD", "NONE"};

static enum err check_model(struct item_parameters *p, struct error *error)
{
    struct constraints c;
    constraints_init(&c);
    constraints_table_name(&c, p->table);
    if (!p->is_item_given)
        constraints_null(&c, p->operation == ITEM_PUT ? "item" : "key");
    size_t values = constraints_enum(&c, "returnValues", p->return_values, return_values_set, 5, 3);
    size_t capacity = constraints_enum(&c, "returnConsumedCapacity", p->return_capacity, capacity_set, 3, 2);
    (void)constraints_enum(&c, "returnItemCollectionMetrics", p->return_metrics, metrics_set, 2,
                           1); /* no LSIs */
    size_t failure =
        constraints_enum(&c, "returnValuesOnConditionCheckFailure", p->return_on_failure, failure_set, 2, 1);
    TRY(constraints_finish(&c, error));
    p->values = return_values_numbers[values];
    p->capacity = capacity == 0 ? CAPACITY_INDEXES : capacity == 1 ? CAPACITY_TOTAL : CAPACITY_NONE;
    p->returns_old_on_failure = failure == 0;
    p->table_name = constraints_name_of(p->table);
    return ERR_OK;
}

/* ---- step 3: values and expressions ---- */

static enum err check_return_values(const struct item_parameters *p, struct error *error)
{
    bool is_all_old_or_none = p->values <= 1;
    if (p->operation == ITEM_UPDATE || is_all_old_or_none)
        return ERR_OK;
    return error_set(error, ERR_VALIDATION, "ReturnValues can only be ALL_OLD or NONE");
}

static enum err check_legacy(const struct item_parameters *p, struct error *error)
{
    struct reading_parameter old[LEGACY_COUNT];
    for (size_t i = 0; i < LEGACY_COUNT; i++)
        old[i] = (struct reading_parameter){legacy_names[i], (p->legacy & (1u << i)) != 0};
    const struct reading_parameter new[] = {
        {"ProjectionExpression", p->projection_text.data != NULL},
        {"UpdateExpression", p->update_text.data != NULL},
        {"ConditionExpression", p->condition_text.data != NULL},
    };
    return reading_check_legacy(old, LEGACY_COUNT, new, 3, error);
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

enum err item_parameters_read(struct request *r, enum item_operation operation,
                              struct item_parameters *ret_parameters, struct error *error)
{
    struct item_parameters *p = ret_parameters;
    *p = (struct item_parameters){.operation = operation};
    buffer_init(&p->condition, PROGRAM_BYTES);
    buffer_init(&p->update, PROGRAM_BYTES);
    buffer_init(&p->projection, PROGRAM_BYTES);
    struct reading at;
    reading_init(&at, r, error);
    TRY(reading_body(&at, read_field, p));
    TRY(check_model(p, error));
    TRY(check_legacy(p, error));
    TRY(check_return_values(p, error));
    TRY(reading_finish(&at));
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

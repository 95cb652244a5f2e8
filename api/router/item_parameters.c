#include "api/router/item_parameters.h"

#include <stdio.h>
#include <string.h>

#include "api/json/attribute_reader.h"
#include "api/json/field.h"
#include "dataplane/item/item_builder.h"

enum {
    NAMES_MAX = 4096, /* more than an expression of 4 KB can use */
    PROGRAM_BYTES = 8 * 1024 * 1024,
};

static const char POPV[] = "One or more parameter values were invalid: ";

/* ---- step 1: JSON ---- */

/* ValidationExceptions of values wait until the whole body has been read: what is not JSON goes first. */
struct reading {
    struct request *r;
    struct item_parameters *p;
    struct error later; /* code ERR_OK: none */
};

static enum err postpone(struct reading *at, enum err err, const struct error *error)
{
    if (err != ERR_VALIDATION)
        return err;
    if (at->later.code == ERR_OK)
        at->later = *error;
    return ERR_OK;
}

static enum err read_item(void *data, struct json *j, struct error *error)
{
    struct reading *at = data;
    return postpone(
        at, attribute_read_item_copy(j, &at->r->router->builder, &at->r->arena, &at->p->item, error), error);
}

static struct expression_substitution *grow(struct arena *arena, struct expression_substitution *list,
                                            size_t count)
{
    bool is_full = count == 0 || (count >= 8 && (count & (count - 1)) == 0); /* capacities: 8, 16, 32 ... */
    if (!is_full)
        return list;
    struct expression_substitution *larger =
        arena_alloc(arena, (count == 0 ? 8 : count * 2) * sizeof *larger);
    if (larger != NULL && count > 0)
        memcpy(larger, list, count * sizeof *larger);
    return larger;
}

static enum err read_names(void *data, struct json *j, struct error *error)
{
    struct reading *at = data;
    struct arena *arena = &at->r->arena;
    struct expression_substitution *list = NULL;
    size_t count = 0;
    bool is_present;
    TRY(field_map_begin(j, "java.lang.String", &is_present, error));
    struct json_string name;
    while (is_present && json_object_next(j, &name)) {
        if (count < NAMES_MAX)
            list = grow(arena, list, count);
        struct slice text;
        TRY(field_string(j, arena, &text, error));
        if (arena_has_failed(arena))
            return ERR_NO_MEMORY;
        if (count < NAMES_MAX)
            list[count] = (struct expression_substitution){json_string_text(name, arena), text};
        count++;
    }
    if (count > NAMES_MAX) {
        count = NAMES_MAX;
        TRY(postpone(at,
                     error_set(error, ERR_VALIDATION,
                               "ExpressionAttributeNames must not have more than %d entries", NAMES_MAX),
                     error));
    }
    at->p->substitutions.has_names = is_present;
    at->p->substitutions.names = list;
    at->p->substitutions.name_count = count;
    return json_has_failed(j) ? field_syntax_error(error) : ERR_OK;
}

/* Read as one item, whose attributes are the values: each stands there encoded as a program wants it. */
static enum err read_values(void *data, struct json *j, struct error *error)
{
    struct reading *at = data;
    struct arena *arena = &at->r->arena;
    struct slice item = SLICE_EMPTY;
    TRY(postpone(at, attribute_read_item_copy(j, &at->r->router->values_builder, arena, &item, error),
                 error));
    struct expression_substitution *list = arena_alloc(arena, (item_count(item) + 1) * sizeof *list);
    if (list == NULL)
        return ERR_NO_MEMORY;
    size_t count = 0;
    struct reader attributes;
    struct attribute_view attribute;
    item_iterate(item, &attributes);
    while (item_next(&attributes, &attribute)) {
        const uint8_t *start = attribute.name.data + attribute.name.length;
        list[count++] = (struct expression_substitution){
            attribute.name, slice_make(start, (size_t)(attributes.next - start))};
    }
    at->p->substitutions.has_values = true;
    at->p->substitutions.values = list;
    at->p->substitutions.value_count = count;
    return ERR_OK;
}

/* What is long is read while the model's pass goes by; the rest is there afterwards. */
static const struct model_hook hooks[] = {
    {MEMBER_ITEM, read_item},
    {MEMBER_KEY, read_item},
    {MEMBER_EXPRESSION_ATTRIBUTE_NAMES, read_names},
    {MEMBER_EXPRESSION_ATTRIBUTE_VALUES, read_values},
};

/* ---- step 2: the model ---- */

/* As dataplane.proto numbers them. */
static const int return_values_numbers[] = {
    [MODEL_RETURN_VALUE_NONE] = 0,        [MODEL_RETURN_VALUE_ALL_OLD] = 1,
    [MODEL_RETURN_VALUE_UPDATED_OLD] = 2, [MODEL_RETURN_VALUE_ALL_NEW] = 3,
    [MODEL_RETURN_VALUE_UPDATED_NEW] = 4,
};
static const enum capacity_detail capacity_details[] = {
    [MODEL_RETURN_CONSUMED_CAPACITY_NONE] = CAPACITY_NONE,
    [MODEL_RETURN_CONSUMED_CAPACITY_TOTAL] = CAPACITY_TOTAL,
    [MODEL_RETURN_CONSUMED_CAPACITY_INDEXES] = CAPACITY_INDEXES,
};

/* Older than expressions. */
static const struct {
    enum model_member_id id;
    const char *name;
} legacy[] = {
    {MEMBER_ATTRIBUTES_TO_GET, "AttributesToGet"},
    {MEMBER_ATTRIBUTE_UPDATES, "AttributeUpdates"},
    {MEMBER_EXPECTED, "Expected"},
    {MEMBER_CONDITIONAL_OPERATOR, "ConditionalOperator"},
};
enum { LEGACY_COUNT = sizeof legacy / sizeof legacy[0] };

static enum err take_members(const struct model_request *m, struct arena *arena, struct item_parameters *p)
{
    p->table = model_string(m, MEMBER_TABLE_NAME, arena);
    p->table_name = model_table_name(p->table);
    p->is_consistent = model_boolean(m, MEMBER_CONSISTENT_READ);
    p->condition_text = model_string(m, MEMBER_CONDITION_EXPRESSION, arena);
    p->update_text = model_string(m, MEMBER_UPDATE_EXPRESSION, arena);
    p->projection_text = model_string(m, MEMBER_PROJECTION_EXPRESSION, arena);
    p->values = return_values_numbers[model_choice(m, MEMBER_RETURN_VALUES, MODEL_RETURN_VALUE_NONE)];
    p->capacity = capacity_details[model_choice(m, MEMBER_RETURN_CONSUMED_CAPACITY,
                                                MODEL_RETURN_CONSUMED_CAPACITY_NONE)];
    p->returns_old_on_failure = model_choice(m, MEMBER_RETURN_VALUES_ON_CONDITION_CHECK_FAILURE,
                                             MODEL_RETURN_VALUES_ON_CONDITION_CHECK_FAILURE_NONE) ==
                                MODEL_RETURN_VALUES_ON_CONDITION_CHECK_FAILURE_ALL_OLD;
    for (size_t i = 0; i < LEGACY_COUNT; i++)
        if (model_has(m, legacy[i].id))
            p->legacy |= 1u << i;
    return arena_has_failed(arena) ? ERR_NO_MEMORY : ERR_OK;
}

static enum err read_body(struct reading *at)
{
    struct request *r = at->r;
    const struct model_options options = {
        .hooks = hooks, .hook_count = sizeof hooks / sizeof hooks[0], .data = at};
    struct model_request members;
    TRY(model_read(r->model, http_request_body(r->http), &options, &r->arena, &members, &at->p->model_words));
    return take_members(&members, &r->arena, at->p);
}

/* ---- step 3: values and expressions ---- */

static enum err check_return_values(const struct item_parameters *p, struct error *error)
{
    bool is_all_old_or_none = p->values <= 1;
    if (p->operation == ITEM_UPDATE || is_all_old_or_none)
        return ERR_OK;
    return error_set(error, ERR_VALIDATION, "ReturnValues can only be ALL_OLD or NONE");
}

static void add_name(char *list, size_t bytes, const char *name)
{
    size_t length = strlen(list);
    (void)snprintf(list + length, bytes - length, "%s%s", length == 0 ? "" : ", ", name); /* they all fit */
}

static enum err check_legacy(const struct item_parameters *p, struct error *error)
{
    char old[128] = "", new[128] = "";
    if (p->legacy == 0)
        return ERR_OK;
    for (size_t i = 0; i < LEGACY_COUNT; i++)
        if ((p->legacy & (1u << i)) != 0)
            add_name(old, sizeof old, legacy[i].name);
    if (p->projection_text.data != NULL)
        add_name(new, sizeof new, "ProjectionExpression");
    if (p->update_text.data != NULL)
        add_name(new, sizeof new, "UpdateExpression");
    if (p->condition_text.data != NULL)
        add_name(new, sizeof new, "ConditionExpression");
    if (new[0] == '\0')
        return error_set(error, ERR_VALIDATION, "The parameter '%s' is not served yet: use expressions", old);
    return error_set(error, ERR_VALIDATION,
                     "Can not use both expression and non-expression parameters in the same request: "
                     "Non-expression parameters: {%s} Expression parameters: {%s}",
                     old, new);
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
    struct reading at = {.r = r, .p = p};
    TRY(read_body(&at));
    TRY(check_legacy(p, error));
    TRY(check_return_values(p, error));
    if (at.later.code != ERR_OK) {
        *error = at.later;
        return at.later.code;
    }
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

static enum err word_key_fault(const struct item_parameters *p, enum key_status status,
                               const struct key_fault *fault, struct error *error)
{
    bool is_put = p->operation == ITEM_PUT;
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
        return word_key_fault(p, status, &fault, error);
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

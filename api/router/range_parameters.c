#include "api/router/range_parameters.h"

#include "api/router/item_parameters.h"

enum { PROGRAM_BYTES = 8 * 1024 * 1024 };

static const char START_INVALID[] = "The provided starting key is invalid: ";

/* ---- steps 1 and 2: the body against the model ---- */

static enum err read_start(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct range_parameters *p = at->parameters;
    bool is_present;
    return reading_item(at, START_INVALID, &is_present, &p->start);
}

static enum err read_names(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct range_parameters *p = at->parameters;
    return reading_names(at, &p->substitutions);
}

static enum err read_values(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct range_parameters *p = at->parameters;
    return reading_values(at, &p->substitutions);
}

static enum err read_attributes_to_get(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct range_parameters *p = at->parameters;
    return reading_attributes(at, &p->attributes_to_get);
}

static enum err read_filter(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct range_parameters *p = at->parameters;
    return reading_conditions(at, p->is_query ? "QueryFilter" : "ScanFilter", &p->old_filter);
}

static enum err read_key_conditions(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct range_parameters *p = at->parameters;
    return reading_conditions(at, "KeyConditions", &p->old_keys);
}

static const struct model_hook hooks[] = {
    {.id = MEMBER_EXCLUSIVE_START_KEY, .read = read_start},
    {.id = MEMBER_EXPRESSION_ATTRIBUTE_NAMES, .read = read_names},
    {.id = MEMBER_EXPRESSION_ATTRIBUTE_VALUES, .read = read_values},
    {.id = MEMBER_ATTRIBUTES_TO_GET, .is_checked = true, .read = read_attributes_to_get},
    {.id = MEMBER_QUERY_FILTER, .is_checked = true, .read = read_filter},
    {.id = MEMBER_SCAN_FILTER, .is_checked = true, .read = read_filter},
    {.id = MEMBER_KEY_CONDITIONS, .is_checked = true, .read = read_key_conditions},
};

static const enum range_select selects[] = {
    [MODEL_SELECT_SPECIFIC_ATTRIBUTES] = SELECT_SPECIFIC,
    [MODEL_SELECT_COUNT] = SELECT_COUNT,
    [MODEL_SELECT_ALL_ATTRIBUTES] = SELECT_ALL,
    [MODEL_SELECT_ALL_PROJECTED_ATTRIBUTES] = SELECT_PROJECTED,
};

static struct range_integer integer(const struct model_request *m, enum model_member_id id)
{
    return (struct range_integer){.is_given = model_has(m, id), .value = model_integer(m, id, 0)};
}

static enum err take_members(struct reading *at, struct range_parameters *p)
{
    const struct model_request *m = &at->members;
    p->table = reading_string(at, MEMBER_TABLE_NAME);
    p->index_name = reading_string(at, MEMBER_INDEX_NAME);
    p->is_consistent = model_boolean(m, MEMBER_CONSISTENT_READ);
    p->is_forward = !model_has(m, MEMBER_SCAN_INDEX_FORWARD) || model_boolean(m, MEMBER_SCAN_INDEX_FORWARD);
    p->limit = integer(m, MEMBER_LIMIT);
    p->segment = integer(m, MEMBER_SEGMENT);
    p->total_segments = integer(m, MEMBER_TOTAL_SEGMENTS);
    p->has_start = model_has(m, MEMBER_EXCLUSIVE_START_KEY);
    p->key_condition_text = reading_string(at, MEMBER_KEY_CONDITION_EXPRESSION);
    p->filter_text = reading_string(at, MEMBER_FILTER_EXPRESSION);
    p->projection_text = reading_string(at, MEMBER_PROJECTION_EXPRESSION);
    p->select_text = reading_string(at, MEMBER_SELECT);
    p->select = selects[model_choice(m, MEMBER_SELECT, MODEL_SELECT_ALL_ATTRIBUTES)];
    p->capacity = reading_capacity(at);
    p->has_conditional_operator = model_has(m, MEMBER_CONDITIONAL_OPERATOR);
    p->is_or = model_choice(m, MEMBER_CONDITIONAL_OPERATOR, MODEL_CONDITIONAL_OPERATOR_AND) ==
               MODEL_CONDITIONAL_OPERATOR_OR;
    return arena_has_failed(&at->r->arena) ? ERR_NO_MEMORY : ERR_OK;
}

/* ---- step 3: what goes with what, and expressions ---- */

/* KeyConditions go together with a FilterExpression or ProjectionExpression. */
static enum err check_mixed(const struct range_parameters *p, struct error *error)
{
    bool has_key_expression = p->key_condition_text.data != NULL;
    const struct reading_parameter old[] = {
        {"AttributesToGet", p->attributes_to_get.is_given},
        {p->is_query ? "QueryFilter" : "ScanFilter", p->old_filter.parameter != NULL},
        {"ConditionalOperator", p->has_conditional_operator},
        {"KeyConditions", p->old_keys.parameter != NULL && has_key_expression},
    };
    const struct reading_parameter new[] = {
        {"ProjectionExpression", p->projection_text.data != NULL},
        {"FilterExpression", p->filter_text.data != NULL},
        {"KeyConditionExpression", has_key_expression},
    };
    return reading_check_mixed(old, 4, new, 3, error);
}

static enum err check_substitutions(const struct range_parameters *p, struct error *error)
{
    if (p->key_condition_text.data != NULL || p->filter_text.data != NULL || p->projection_text.data != NULL)
        return ERR_OK;
    const char *kind =
        p->is_query ? "KeyConditionExpression and FilterExpression are null" : "FilterExpression is null";
    const char *what = p->substitutions.has_names ? "Names" : p->substitutions.has_values ? "Values" : NULL;
    if (what == NULL)
        return ERR_OK;
    return error_set(error, ERR_VALIDATION,
                     "ExpressionAttribute%s can only be specified when using expressions: %s", what, kind);
}

static enum err check_segments(const struct range_parameters *p, struct error *error)
{
    if (p->segment.is_given && !p->total_segments.is_given)
        return error_set(error, ERR_VALIDATION,
                         "The TotalSegments parameter is required but was not present in the request when "
                         "Segment parameter is present");
    if (p->total_segments.is_given && !p->segment.is_given)
        return error_set(
            error, ERR_VALIDATION,
            "The Segment parameter is required but was not present in the request when parameter "
            "TotalSegments is present");
    if (p->segment.is_given && p->segment.value >= p->total_segments.value)
        return error_set(error, ERR_VALIDATION,
                         "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
                         "Segment: %d is not less than TotalSegments: %d",
                         (int)p->segment.value, (int)p->total_segments.value);
    return ERR_OK;
}

static enum err check_select(const struct range_parameters *p, struct error *error)
{
    bool has_projection = p->projection_text.data != NULL || p->attributes_to_get.is_given;
    bool is_given = p->select_text.data != NULL;
    if (has_projection && is_given && p->select != SELECT_SPECIFIC)
        return error_set(
            error, ERR_VALIDATION, "Cannot specify the %s when choosing to get %.*s",
            p->attributes_to_get.is_given ? "AttributesToGet" : "ProjectionExpression",
            SLICE_PRINTF(p->select == SELECT_COUNT ? SLICE_LITERAL("only the Count") : p->select_text));
    if (p->select == SELECT_PROJECTED && p->index_name.data == NULL)
        return error_set(error, ERR_VALIDATION,
                         "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName");
    if (p->select == SELECT_SPECIFIC && !has_projection)
        return error_set(error, ERR_VALIDATION,
                         "Must specify the AttributesToGet or ProjectionExpression when choosing to get "
                         "SPECIFIC_ATTRIBUTES");
    return ERR_OK;
}

static enum err parse(struct expression_context *context, enum expression_kind kind, struct slice text,
                      struct buffer *to, struct error *error)
{
    return text.data == NULL ? ERR_OK : expression_parse(context, kind, text, to, error);
}

static enum err take_key_conditions(struct range_parameters *p, struct error *error)
{
    if (p->key_condition_text.data != NULL) {
        struct program program;
        TRY(program_open(buffer_view(&p->key_condition), PROGRAM_CONDITION, &program));
        return key_conditions_read(&program, &p->conditions, error);
    }
    if (p->old_keys.parameter == NULL)
        return error_set(
            error, ERR_VALIDATION,
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the "
            "request.");
    TRY(legacy_conditions_check(&p->old_keys, error));
    return legacy_key_conditions(&p->old_keys, &p->conditions, error);
}

static enum err parse_expressions(struct request *r, struct range_parameters *p, struct error *error)
{
    struct expression_context context;
    TRY(expression_context_init(&context, &p->substitutions, &r->arena, error));
    TRY(parse(&context, EXPRESSION_PROJECTION, p->projection_text, &p->projection, error));
    TRY(parse(&context, EXPRESSION_FILTER, p->filter_text, &p->filter, error));
    TRY(parse(&context, EXPRESSION_KEY_CONDITION, p->key_condition_text, &p->key_condition, error));
    TRY(expression_context_check_unused(&context, error));
    return p->is_query ? take_key_conditions(p, error) : ERR_OK;
}

static enum err compile_legacy(struct request *r, struct range_parameters *p, struct error *error)
{
    if (p->has_conditional_operator)
        TRY(legacy_check_conditional_operator(&p->old_filter, error));
    TRY(legacy_conditions_check(&p->old_filter, error));
    TRY(legacy_conditions_compile(&p->old_filter, p->is_or, &p->filter));
    return legacy_projection_compile(&p->attributes_to_get, &r->arena, &p->projection, error);
}

enum err range_parameters_read(struct request *r, bool is_query, struct range_parameters *ret_parameters,
                               struct error *error)
{
    struct range_parameters *p = ret_parameters;
    *p = (struct range_parameters){.is_query = is_query};
    buffer_init(&p->key_condition, PROGRAM_BYTES);
    buffer_init(&p->filter, PROGRAM_BYTES);
    buffer_init(&p->projection, PROGRAM_BYTES);
    struct reading at;
    reading_init(&at, r, p);
    TRY(reading_body(&at, hooks, sizeof hooks / sizeof hooks[0]));
    TRY(take_members(&at, p));
    TRY(check_mixed(p, error));
    TRY(check_substitutions(p, error));
    TRY(reading_finish(&at, error));
    TRY(check_segments(p, error));
    TRY(check_select(p, error));
    TRY(compile_legacy(r, p, error));
    return parse_expressions(r, p, error);
}

void range_parameters_deinit(struct range_parameters *p)
{
    buffer_deinit(&p->key_condition);
    buffer_deinit(&p->filter);
    buffer_deinit(&p->projection);
}

/* ---- step 5: keys ---- */

static enum err word_start_fault(enum key_status status, const struct key_fault *fault, struct error *error)
{
    struct error words = {.code = ERR_OK};
    enum err err = item_key_fault(false, status, fault, &words);
    return error_set(error, err, "%s%s", START_INVALID, words.text);
}

static enum err refuse_start(const struct range_parameters *p, bool is_elsewhere, struct error *error)
{
    if (!p->is_query)
        return error_set(error, ERR_VALIDATION,
                         "%sInvalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "
                         "TotalSegments: %d Segment: %d",
                         START_INVALID, (int)p->total_segments.value, (int)p->segment.value);
    return error_set(error, ERR_VALIDATION,
                     is_elsewhere ? "The provided starting key is outside query boundaries based on provided "
                                    "conditions"
                                  : "The provided starting key does not match the range key predicate");
}

/* Of another partition key than the condition's. */
static bool is_elsewhere(const struct key_schema *schema, struct slice key, const struct query_range *range)
{
    struct key_parts parts;
    if (key_split(schema, key, &parts) != ERR_OK)
        return true;
    size_t collection = KEY_PREFIX_BYTES + parts.partition.length + 2;
    return !slice_starts_with(buffer_view(&range->begin), slice_make(key.data, collection));
}

static enum err start_behind(const struct range_parameters *p, const struct key_schema *schema,
                             uint64_t space_id, struct query_range *range, struct error *error)
{
    struct key_fault fault;
    struct buffer key;
    buffer_init(&key, KEY_BYTES_MAX);
    enum key_status status = key_encode(schema, space_id, p->start, KEY_FROM_KEY, &key, &fault);
    enum err err = ERR_OK;
    if (status != KEY_OK)
        err = word_start_fault(status, &fault, error);
    else if (buffer_has_failed(&key))
        err = ERR_NO_MEMORY;
    else if (!query_range_has(range, buffer_view(&key)))
        err = refuse_start(p, is_elsewhere(schema, buffer_view(&key), range), error);
    else
        query_range_go_on_after(range, buffer_view(&key), !p->is_forward);
    buffer_deinit(&key);
    return err;
}

static enum err check_keys(const struct buffer *bytes, enum program_kind kind,
                           const struct key_schema *schema, struct error *error)
{
    const struct expression_key keys[] = {
        {.name = schema->partition.name, .tag = schema->partition.type, .is_table_key = true},
        {.name = schema->sort.name, .tag = schema->sort.type, .is_table_key = true},
    };
    if (bytes->length == 0)
        return ERR_OK;
    struct program program;
    TRY(program_open(buffer_view(bytes), kind, &program));
    return expression_check_keys(&program, keys, schema->has_sort ? 2 : 1, error);
}

static enum err check_filter_of_query(const struct range_parameters *p, const struct key_schema *schema,
                                      struct error *error)
{
    if (p->filter.length == 0)
        return ERR_OK;
    struct program program;
    TRY(program_open(buffer_view(&p->filter), PROGRAM_CONDITION, &program));
    const struct key_attribute *keys[] = {&schema->partition, &schema->sort};
    for (size_t k = 0; k < (schema->has_sort ? 2U : 1U); k++)
        for (uint32_t path = 0; path < program.path_count; path++)
            if (slice_equal(program_path_part(&program, path, 0).name, keys[k]->name))
                return error_set(
                    error, ERR_VALIDATION,
                    "%s can only contain non-primary key attributes: Primary key attribute: %.*s",
                    p->filter_text.data != NULL ? "Filter Expression" : "QueryFilter",
                    SLICE_PRINTF(keys[k]->name));
    return ERR_OK;
}

enum err range_parameters_range(const struct range_parameters *p, const struct key_schema *schema,
                                uint64_t space_id, struct query_range *to, struct error *error)
{
    if (p->index_name.data != NULL)
        return error_set(error, ERR_VALIDATION, "The table does not have the specified index: %.*s",
                         SLICE_PRINTF(p->index_name));
    if (p->is_query)
        TRY(query_range_of_conditions(schema, space_id, &p->conditions, to, error));
    else
        TRY(query_range_of_segment(space_id, (uint32_t)p->segment.value,
                                   p->total_segments.is_given ? (uint32_t)p->total_segments.value : 1, to));
    if (p->has_start)
        TRY(start_behind(p, schema, space_id, to, error));
    TRY(check_keys(&p->projection, PROGRAM_PROJECTION, schema, error));
    if (p->is_query)
        TRY(check_filter_of_query(p, schema, error));
    return check_keys(&p->filter, PROGRAM_CONDITION, schema, error);
}

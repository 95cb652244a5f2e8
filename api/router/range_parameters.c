#include "api/router/range_parameters.h"

#include "api/router/constraints.h"
#include "api/router/item_parameters.h"
#include "api/router/reading.h"

enum { PROGRAM_BYTES = 8 * 1024 * 1024, SEGMENTS_MAX = 1000 * 1000 };

static const char START_INVALID[] = "The provided starting key is invalid: ";

/* ---- step 1: JSON ---- */

/* Older than expressions; the bits of `legacy`. */
static const struct {
    const char *name;
    bool of_query;
    bool of_scan;
} legacy[] = {
    {"AttributesToGet", true, true},     {"QueryFilter", true, false},   {"ScanFilter", false, true},
    {"ConditionalOperator", true, true}, {"KeyConditions", true, false},
};
enum { LEGACY_COUNT = sizeof legacy / sizeof legacy[0] };

static enum err read_integer(struct reading *at, struct range_integer *to)
{
    return reading_integer(at, &to->is_given, &to->value);
}

static enum err read_legacy(struct reading *at, struct json_string name, struct range_parameters *p)
{
    for (size_t i = 0; i < LEGACY_COUNT; i++)
        if ((p->is_query ? legacy[i].of_query : legacy[i].of_scan) &&
            json_string_equals(name, legacy[i].name) && json_peek(&at->json) != JSON_NULL)
            p->legacy |= 1u << i;
    return reading_skip(at);
}

static enum err read_field_of_query(struct reading *at, struct json_string name, struct range_parameters *p)
{
    if (json_string_equals(name, "KeyConditionExpression"))
        return reading_text(at, &p->key_condition_text);
    if (json_string_equals(name, "ScanIndexForward"))
        return reading_bool(at, &p->is_forward);
    return read_legacy(at, name, p);
}

static enum err read_field_of_scan(struct reading *at, struct json_string name, struct range_parameters *p)
{
    if (json_string_equals(name, "Segment"))
        return read_integer(at, &p->segment);
    if (json_string_equals(name, "TotalSegments"))
        return read_integer(at, &p->total_segments);
    return read_legacy(at, name, p);
}

static enum err read_field(struct reading *at, struct json_string name, void *data)
{
    struct range_parameters *p = data;
    if (json_string_equals(name, "TableName"))
        return reading_text(at, &p->table);
    if (json_string_equals(name, "IndexName"))
        return reading_text(at, &p->index_name);
    if (json_string_equals(name, "Select"))
        return reading_text(at, &p->select_text);
    if (json_string_equals(name, "Limit"))
        return read_integer(at, &p->limit);
    if (json_string_equals(name, "ConsistentRead"))
        return reading_bool(at, &p->is_consistent);
    if (json_string_equals(name, "ExclusiveStartKey"))
        return reading_item(at, START_INVALID, &p->has_start, &p->start);
    if (json_string_equals(name, "ReturnConsumedCapacity"))
        return reading_text(at, &p->return_capacity);
    if (json_string_equals(name, "ProjectionExpression"))
        return reading_text(at, &p->projection_text);
    if (json_string_equals(name, "FilterExpression"))
        return reading_text(at, &p->filter_text);
    if (json_string_equals(name, "ExpressionAttributeNames"))
        return reading_names(at, &p->substitutions);
    if (json_string_equals(name, "ExpressionAttributeValues"))
        return reading_values(at, &p->substitutions);
    return p->is_query ? read_field_of_query(at, name, p) : read_field_of_scan(at, name, p);
}

/* ---- step 2: the model ---- */

static const char *const select_set[] = {"SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES",
                                         "ALL_PROJECTED_ATTRIBUTES"};
static const enum range_select selects[] = {SELECT_SPECIFIC, SELECT_COUNT, SELECT_ALL, SELECT_PROJECTED,
                                            SELECT_ALL};
static const char *const capacity_set[] = {"INDEXES", "TOTAL", "NONE"};
static const enum capacity_detail capacities[] = {CAPACITY_INDEXES, CAPACITY_TOTAL, CAPACITY_NONE};

static enum err check_model(struct range_parameters *p, struct error *error)
{
    struct constraints c;
    constraints_init(&c);
    constraints_table_name(&c, p->table);
    constraints_index_name(&c, p->index_name);
    size_t select = constraints_enum(&c, "select", p->select_text, select_set, 4, 4);
    if (p->limit.is_given && p->is_query)
        constraints_query_limit(&c, p->limit.value);
    else if (p->limit.is_given)
        constraints_integer(&c, "limit", p->limit.value, 1, INT32_MAX);
    size_t capacity = constraints_enum(&c, "returnConsumedCapacity", p->return_capacity, capacity_set, 3, 2);
    if (p->total_segments.is_given)
        constraints_integer(&c, "totalSegments", p->total_segments.value, 1, SEGMENTS_MAX);
    if (p->segment.is_given)
        constraints_integer(&c, "segment", p->segment.value, 0, SEGMENTS_MAX - 1);
    TRY(constraints_finish(&c, error));
    p->select = selects[select];
    p->capacity = capacities[capacity];
    return ERR_OK;
}

/* ---- step 3: what goes with what, and expressions ---- */

static enum err check_legacy(const struct range_parameters *p, struct error *error)
{
    struct reading_parameter old[LEGACY_COUNT];
    for (size_t i = 0; i < LEGACY_COUNT; i++)
        old[i] = (struct reading_parameter){legacy[i].name, (p->legacy & (1u << i)) != 0};
    const struct reading_parameter new[] = {
        {"ProjectionExpression", p->projection_text.data != NULL},
        {"FilterExpression", p->filter_text.data != NULL},
        {"KeyConditionExpression", p->key_condition_text.data != NULL},
    };
    return reading_check_legacy(old, LEGACY_COUNT, new, 3, error);
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
    bool has_projection = p->projection_text.data != NULL;
    bool is_given = p->select_text.data != NULL;
    if (has_projection && is_given && p->select != SELECT_SPECIFIC)
        return error_set(
            error, ERR_VALIDATION, "Cannot specify the ProjectionExpression when choosing to get %.*s",
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

static enum err parse_expressions(struct request *r, struct range_parameters *p, struct error *error)
{
    struct expression_context context;
    TRY(expression_context_init(&context, &p->substitutions, &r->arena, error));
    TRY(parse(&context, EXPRESSION_PROJECTION, p->projection_text, &p->projection, error));
    TRY(parse(&context, EXPRESSION_FILTER, p->filter_text, &p->filter, error));
    TRY(parse(&context, EXPRESSION_KEY_CONDITION, p->key_condition_text, &p->key_condition, error));
    TRY(expression_context_check_unused(&context, error));
    if (!p->is_query)
        return ERR_OK;
    if (p->key_condition_text.data == NULL)
        return error_set(
            error, ERR_VALIDATION,
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the "
            "request.");
    struct program program;
    TRY(program_open(buffer_view(&p->key_condition), PROGRAM_CONDITION, &program));
    return key_conditions_read(&program, &p->conditions, error);
}

enum err range_parameters_read(struct request *r, bool is_query, struct range_parameters *ret_parameters,
                               struct error *error)
{
    struct range_parameters *p = ret_parameters;
    *p = (struct range_parameters){.is_query = is_query, .is_forward = true};
    buffer_init(&p->key_condition, PROGRAM_BYTES);
    buffer_init(&p->filter, PROGRAM_BYTES);
    buffer_init(&p->projection, PROGRAM_BYTES);
    struct reading at;
    reading_init(&at, r, error);
    TRY(reading_body(&at, read_field, p));
    TRY(check_model(p, error));
    TRY(check_legacy(p, error));
    TRY(check_substitutions(p, error));
    TRY(reading_finish(&at));
    TRY(check_segments(p, error));
    TRY(check_select(p, error));
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

static enum err check_filter_of_query(const struct buffer *bytes, const struct key_schema *schema,
                                      struct error *error)
{
    if (bytes->length == 0)
        return ERR_OK;
    struct program program;
    TRY(program_open(buffer_view(bytes), PROGRAM_CONDITION, &program));
    const struct key_attribute *keys[] = {&schema->partition, &schema->sort};
    for (size_t k = 0; k < (schema->has_sort ? 2U : 1U); k++)
        for (uint32_t path = 0; path < program.path_count; path++)
            if (slice_equal(program_path_part(&program, path, 0).name, keys[k]->name))
                return error_set(error, ERR_VALIDATION,
                                 "Filter Expression can only contain non-primary key attributes: Primary key "
                                 "attribute: %.*s",
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
        TRY(check_filter_of_query(&p->filter, schema, error));
    return check_keys(&p->filter, PROGRAM_CONDITION, schema, error);
}

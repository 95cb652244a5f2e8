#include "api/router/query_range.h"

#include "api/router/item_parameters.h"

void query_range_init(struct query_range *range)
{
    buffer_init(&range->begin, RANGE_KEY_BYTES_MAX);
    buffer_init(&range->end, RANGE_KEY_BYTES_MAX);
}

void query_range_deinit(struct query_range *range)
{
    buffer_deinit(&range->begin);
    buffer_deinit(&range->end);
}

static enum err finish(const struct query_range *range)
{
    return buffer_has_failed(&range->begin) || buffer_has_failed(&range->end) ? ERR_NO_MEMORY : ERR_OK;
}

/* ---- values against the schema ---- */

static enum err check_value(const struct key_attribute *attribute, struct value_view value, bool is_sort,
                            struct error *error)
{
    const struct key_fault fault = {attribute->name, attribute->type, value.tag};
    if (value.tag != attribute->type)
        return error_set(error, ERR_VALIDATION,
                         "One or more parameter values were invalid: Condition parameter type does not match "
                         "schema type");
    if (value.body.length == 0)
        return item_key_fault(false, KEY_EMPTY, &fault, error);
    if (!is_sort && value.body.length > PARTITION_KEY_BYTES_MAX)
        return item_key_fault(false, KEY_PARTITION_TOO_LONG, &fault, error);
    if (is_sort && value.body.length > SORT_KEY_BYTES_MAX)
        return item_key_fault(false, KEY_SORT_TOO_LONG, &fault, error);
    return ERR_OK;
}

static enum err refuse_missing(const struct key_attribute *attribute, struct error *error)
{
    return error_set(error, ERR_VALIDATION, "Query condition missed key schema element: %.*s",
                     SLICE_PRINTF(attribute->name));
}

static enum err refuse_unsupported(struct error *error)
{
    return error_set(error, ERR_VALIDATION, "Query key condition not supported");
}

/* KeyConditions may have operators that a KeyConditionExpression has not. */
static enum err check_indexable(const struct key_condition *condition, struct error *error)
{
    enum condition_op op = condition->op;
    bool is_order = op >= CONDITION_EQUAL && op <= CONDITION_BETWEEN && op != CONDITION_NOT_EQUAL;
    if (is_order || op == CONDITION_BEGINS_WITH)
        return ERR_OK;
    return error_set(error, ERR_VALIDATION, "Attempted conditional constraint is not an indexable operation");
}

/* ---- bounds ---- */

/* The first key behind all that begin with what is there: the last byte that can be is counted up, what is behind it
 * goes. Space and hash lie before, so there always is one, but for the very last space. */
static void count_up(struct buffer *key)
{
    while (key->length > 0 && key->data[key->length - 1] == UINT8_MAX)
        buffer_cut(key, key->length - 1);
    if (key->length > 0)
        key->data[key->length - 1]++;
}

static void append_sort(const struct key_attribute *sort, struct slice value, bool is_behind,
                        struct buffer *to)
{
    key_component_append(sort->type, value, to);
    if (is_behind) /* a key is no other one's start, so nothing lies between */
        buffer_append_u8(to, 0);
}

/* begin and end are at the collection's start; from here on they part. */
static void bound_by(const struct key_attribute *sort, const struct key_condition *condition,
                     struct query_range *to)
{
    struct slice value = condition->value.body;
    bool is_from = condition->op == CONDITION_GREATER || condition->op == CONDITION_GREATER_EQUAL;
    switch ((int)condition->op) {
    case CONDITION_EQUAL:
        append_sort(sort, value, false, &to->begin);
        append_sort(sort, value, true, &to->end);
        break;
    case CONDITION_LESS:
    case CONDITION_LESS_EQUAL:
        append_sort(sort, value, condition->op == CONDITION_LESS_EQUAL, &to->end);
        break;
    case CONDITION_BETWEEN:
        append_sort(sort, value, false, &to->begin);
        append_sort(sort, condition->upper.body, true, &to->end);
        break;
    case CONDITION_BEGINS_WITH:
        key_component_append_prefix(value, &to->begin);
        key_component_append_prefix(value, &to->end);
        count_up(&to->end);
        break;
    default:
        append_sort(sort, value, condition->op == CONDITION_GREATER, &to->begin);
        break;
    }
    if (is_from)
        count_up(&to->end);
}

static enum err check_sort(const struct key_attribute *sort, const struct key_condition *condition,
                           struct error *error)
{
    TRY(check_indexable(condition, error));
    TRY(check_value(sort, condition->value, true, error));
    return condition->op == CONDITION_BETWEEN ? check_value(sort, condition->upper, true, error) : ERR_OK;
}

enum err query_range_of_conditions(const struct key_schema *schema, uint64_t space_id,
                                   const struct key_conditions *conditions, struct query_range *to,
                                   struct error *error)
{
    const struct key_condition *partition = key_conditions_find(conditions, schema->partition.name);
    const struct key_condition *sort =
        schema->has_sort ? key_conditions_find(conditions, schema->sort.name) : NULL;
    if (partition == NULL)
        return refuse_missing(&schema->partition, error);
    if (conditions->count > 1 && sort == NULL)
        return schema->has_sort ? refuse_missing(&schema->sort, error) : refuse_unsupported(error);
    TRY(check_indexable(partition, error));
    if (partition->op != CONDITION_EQUAL)
        return refuse_unsupported(error);
    TRY(check_value(&schema->partition, partition->value, false, error));
    if (sort != NULL)
        TRY(check_sort(&schema->sort, sort, error));
    key_append_collection(space_id, schema->partition.type, partition->value.body, 0, &to->begin);
    buffer_append(&to->end, buffer_view(&to->begin));
    if (sort != NULL)
        bound_by(&schema->sort, sort, to);
    else
        count_up(&to->end);
    return finish(to);
}

enum err query_range_of_segment(uint64_t space_id, uint32_t index, uint32_t count, struct query_range *to)
{
    struct key_bound begin, end;
    key_range(space_id, index, count, &begin, &end);
    buffer_append(&to->begin, key_bound_view(&begin));
    buffer_append(&to->end, key_bound_view(&end));
    return finish(to);
}

/* ---- walking ---- */

bool query_range_has(const struct query_range *range, struct slice key)
{
    return key_is_within(key, buffer_view(&range->begin), buffer_view(&range->end));
}

static void set(struct buffer *to, struct slice key)
{
    buffer_clear(to);
    buffer_append(to, key);
}

void query_range_go_on_after(struct query_range *range, struct slice key, bool is_reverse)
{
    set(is_reverse ? &range->end : &range->begin, key);
    if (!is_reverse)
        buffer_append_u8(&range->begin, 0);
}

void query_range_go_on_at(struct query_range *range, struct slice edge, bool is_reverse)
{
    set(is_reverse ? &range->end : &range->begin, edge);
}

void query_range_first_key(const struct query_range *range, bool is_reverse, struct buffer *to)
{
    if (!is_reverse) {
        buffer_append(to, buffer_view(&range->begin));
        return;
    }
    /* No key is longer than this: what lies between it and `end` cannot be one. */
    size_t from = to->length;
    buffer_append(to, buffer_view(&range->end));
    uint8_t *last = to->length > from && !buffer_has_failed(to) ? &to->data[to->length - 1] : NULL;
    if (last != NULL && *last == 0) {
        buffer_cut(to, to->length - 1);
    } else if (last != NULL) {
        (*last)--;
        size_t length = to->length - from;
        size_t room = length < KEY_BYTES_MAX ? KEY_BYTES_MAX - length : 0;
        uint8_t *rest = buffer_extend(to, room);
        if (rest != NULL)
            memset(rest, UINT8_MAX, room);
    }
}

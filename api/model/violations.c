/* The words of layer 3: a second walk, in the model's order, over a body that is known to be well-typed and to violate
 * something.
 *
 *   2 validation errors detected: Value 'x' at 'keySchema.1.member.keyType' failed to satisfy constraint: Member must
 *   satisfy enum value set: [HASH, RANGE]; Value null at 'tableName' failed to satisfy constraint: Member must not be null
 *
 * What violates inside a list or map as a scalar is told of the list or map: "Member must satisfy constraint: [...]", "Map
 * value must satisfy constraint: [...]", "Map keys must ...", with all that the shape demands. Source: answers of
 * DynamoDB. */
#include <ctype.h>
#include <inttypes.h>

#include "api/json/field.h"
#include "api/model/print.h"
#include "api/model/request_internal.h"

struct telling {
    struct buffer text;
    struct buffer path;
    struct buffer new_path; /* the same with names as they are on the wire */
    struct buffer scratch;
    unsigned count;
    uint64_t steps;
    bool has_new_words;
};

/* Large bodies are not searched for more when there is something to tell. */
static bool is_enough(const struct telling *t)
{
    return t->count == MODEL_VIOLATIONS_MAX || (t->count > 0 && t->steps > MODEL_STEPS_MAX);
}

/* ---- the words ---- */

/* "; Value 'v' at 'path' failed to satisfy constraint: "; false when there are enough. raw.data NULL: null. */
static bool begin(struct telling *t, const struct model_shape *shape, struct slice raw)
{
    if (t->count == MODEL_VIOLATIONS_MAX)
        return false;
    if (t->count++ > 0)
        buffer_append_string(&t->text, "; ");
    buffer_append_string(&t->text, "Value ");
    if (raw.data == NULL) {
        buffer_append_string(&t->text, "null ");
    } else if (!t->has_new_words) {
        buffer_append_string(&t->text, "'");
        model_print(&t->text, shape, raw, &t->scratch);
        buffer_append_string(&t->text, "' ");
    }
    buffer_append_string(&t->text, "at '");
    buffer_append(&t->text, buffer_view(t->has_new_words ? &t->new_path : &t->path));
    buffer_append_string(&t->text, "' failed to satisfy constraint: ");
    return true;
}

static const char *measure(const struct model_shape *shape)
{
    return shape->kind == MODEL_INTEGER || shape->kind == MODEL_LONG ? "value" : "length";
}

static void append_choices(struct buffer *to, const struct model_shape *shape)
{
    buffer_append_string(to, "Member must satisfy enum value set: [");
    for (size_t i = 0; i < shape->choice_count; i++)
        buffer_append_format(to, "%s%s", i == 0 ? "" : ", ", shape->choices[i]);
    buffer_append_string(to, "]");
}

static void append_pattern(struct buffer *to, const struct model_shape *shape)
{
    buffer_append_format(to, "Member must satisfy regular expression pattern: %s", shape->pattern->text);
}

static void append_minimum(struct buffer *to, const struct model_shape *shape)
{
    buffer_append_format(to, "Member must have %s greater than or equal to %" PRId64, measure(shape),
                         shape->minimum);
}

static void append_maximum(struct buffer *to, const struct model_shape *shape, int64_t maximum)
{
    buffer_append_format(to, "Member must have %s less than or equal to %" PRId64, measure(shape), maximum);
}

/* All that a shape demands, as it is told of elements. */
static void append_demands(struct buffer *to, const struct model_shape *shape)
{
    size_t start = to->length;
    if (shape->has_maximum)
        append_maximum(to, shape, shape->maximum);
    if (shape->has_minimum) {
        buffer_append_string(to, to->length == start ? "" : ", ");
        append_minimum(to, shape);
    }
    if (shape->pattern != NULL) {
        buffer_append_string(to, to->length == start ? "" : ", ");
        append_pattern(to, shape);
    }
    if (shape->choice_count > 0) {
        buffer_append_string(to, to->length == start ? "" : ", ");
        append_choices(to, shape);
    }
}

/* ---- a value's own constraints ---- */

static void tell_size(struct telling *t, const struct model_shape *shape, struct slice raw, int64_t size)
{
    if (shape->has_minimum && size < shape->minimum && begin(t, shape, raw))
        append_minimum(&t->text, shape);
    bool has_new_words = t->has_new_words;
    t->has_new_words = has_new_words || shape->has_new_maximum;
    if (shape->has_maximum && size > shape->maximum && begin(t, shape, raw))
        append_maximum(&t->text, shape, shape->maximum);
    t->has_new_words = has_new_words;
}

static void tell_table_name(struct telling *t, const struct model_shape *shape, struct slice raw,
                            struct slice text)
{
    enum table_name_fault fault = model_check_table_name(shape, text);
    if (fault == TABLE_NAME_GOOD || !begin(t, shape, raw))
        return;
    if (fault == TABLE_NAME_EMPTY)
        append_minimum(&t->text, shape);
    else if (fault == TABLE_NAME_CHARACTERS)
        append_pattern(&t->text, shape);
    else
        append_maximum(&t->text, shape,
                       fault == TABLE_NAME_TOO_LONG ? TABLE_NAME_LENGTH_MAX : shape->maximum);
}

/* The string between the quotes of a JSON text. */
static struct slice text_of(struct telling *t, struct slice raw)
{
    struct json j;
    struct json_string string = {.raw = SLICE_EMPTY};
    json_init(&j, raw);
    if (!json_string(&j, &string))
        return SLICE_EMPTY; /* cannot be: the body has been read */
    return model_plain_text(string, &t->scratch);
}

static void tell_string(struct telling *t, const struct model_shape *shape, struct slice raw)
{
    struct slice text = text_of(t, raw);
    if (shape->is_table) {
        tell_table_name(t, shape, raw, text);
        return;
    }
    bool is_unknown = shape->choice_count > 0 && model_find_choice(shape, text) == shape->choice_count;
    bool is_unlike = shape->pattern != NULL && !model_matches(shape->pattern, text);
    int64_t length = model_text_length(text); /* `text` is gone with the next print */
    if (is_unknown && begin(t, shape, raw))
        append_choices(&t->text, shape);
    if (is_unlike && begin(t, shape, raw))
        append_pattern(&t->text, shape);
    tell_size(t, shape, raw, length);
}

static int64_t number_of(const struct model_shape *shape, struct slice raw)
{
    struct json j;
    bool is_present;
    int64_t value = 0;
    json_init(&j, raw);
    if (field_integer(&j, shape->kind == MODEL_LONG ? "Long" : "Integer", &is_present, &value, NULL) !=
        ERR_OK)
        return 0; /* cannot be */
    return value;
}

static int64_t count_of(const struct model_shape *shape, struct slice raw)
{
    struct json j;
    struct json_string name;
    int64_t count = 0;
    json_init(&j, raw);
    if (shape->kind == MODEL_LIST)
        for (json_array_begin(&j); json_array_next(&j); count++)
            json_skip(&j);
    else
        for (json_object_begin(&j); json_object_next(&j, &name); count++)
            json_skip(&j);
    return count;
}

static bool is_null(struct slice raw)
{
    return raw.length > 0 && raw.data[0] == 'n';
}

/* Whether a list's element or map's value violates what its shape demands of itself. */
static bool is_bad_element(struct telling *t, const struct model_shape *shape, struct slice raw)
{
    if (is_null(raw))
        return false;
    switch (shape->kind) {
    case MODEL_STRING:
        return !model_string_is_good(shape, text_of(t, raw));
    case MODEL_INTEGER:
    case MODEL_LONG:
        return !model_is_in_range(shape, number_of(shape, raw));
    case MODEL_LIST:
    case MODEL_MAP:
        return (shape->has_minimum || shape->has_maximum) && !model_is_in_range(shape, count_of(shape, raw));
    case MODEL_VALUE:
    case MODEL_ANY:
    case MODEL_DOUBLE:
    case MODEL_TIMESTAMP:
    case MODEL_BOOLEAN:
    case MODEL_STRUCTURE:
        break;
    }
    return false;
}

/* ---- what is inside ---- */

static void tell_inside(struct telling *t, const struct model_shape *shape, struct slice raw);

/* Both paths are of one length. */
static void append_path(struct telling *t, struct slice text)
{
    buffer_append(&t->path, text);
    buffer_append(&t->new_path, text);
}

static void cut_path(struct telling *t, size_t length)
{
    buffer_cut(&t->path, length);
    buffer_cut(&t->new_path, length);
}

static void tell(struct telling *t, const struct model_member *member, struct slice raw)
{
    const struct model_shape *shape = member->shape;
    if (raw.data == NULL) {
        if (member->is_required && begin(t, shape, raw))
            buffer_append_string(&t->text, "Member must not be null");
        return;
    }
    if (shape->kind == MODEL_STRING)
        tell_string(t, shape, raw);
    else if (shape->kind == MODEL_INTEGER || shape->kind == MODEL_LONG)
        tell_size(t, shape, raw, number_of(shape, raw));
    else if (shape->has_minimum || shape->has_maximum)
        tell_size(t, shape, raw, count_of(shape, raw));
    tell_inside(t, shape, raw);
}

static void tell_member(struct telling *t, const struct model_member *member, struct slice raw)
{
    size_t length = t->path.length;
    append_path(t, slice_from_string(length > 0 ? "." : ""));
    buffer_append_u8(&t->path, (uint8_t)tolower(member->name[0]));
    buffer_append_u8(&t->new_path, (uint8_t)member->name[0]);
    append_path(t, slice_from_string(member->name + 1));
    tell(t, member, raw);
    cut_path(t, length);
}

static void tell_members(struct telling *t, const struct model_shape *shape, struct slice raw)
{
    struct slice values[MODEL_MEMBERS_MAX];
    model_find_members(shape, raw, values);
    for (size_t i = 0; i < shape->member_count && !is_enough(t); i++)
        tell_member(t, &shape->members[i], values[i]);
}

static void tell_elements(struct telling *t, const struct model_shape *shape, struct slice raw)
{
    struct json j;
    struct slice element;
    bool is_told = false;
    json_init(&j, raw);
    json_array_begin(&j);
    size_t length = t->path.length;
    for (uint64_t number = 1; json_array_next(&j) && json_raw(&j, &element); number++, t->steps++) {
        if (is_enough(t) || (is_told && !shape->element->demands_inside))
            return;
        if (!is_told && is_bad_element(t, shape->element, element) && begin(t, shape, raw)) {
            is_told = true;
            buffer_append_string(&t->text, "Member must satisfy constraint: [");
            append_demands(&t->text, shape->element);
            buffer_append_string(&t->text, "]");
        }
        buffer_append_format(&t->path, ".%" PRIu64 ".member", number);
        buffer_append(&t->new_path, slice_from(buffer_view(&t->path), length));
        tell_inside(t, shape->element, element);
        cut_path(t, length);
    }
}

static void tell_map_demand(struct telling *t, const struct model_shape *map, const struct model_shape *part,
                            struct slice raw)
{
    if (!begin(t, map, raw))
        return;
    buffer_append_string(&t->text, part == map->key ? "Map keys" : "Map value");
    buffer_append_string(&t->text, " must satisfy constraint: [");
    append_demands(&t->text, part);
    buffer_append_string(&t->text, "]");
}

static void tell_entries(struct telling *t, const struct model_shape *shape, struct slice raw)
{
    struct json j;
    struct json_string name;
    struct slice value;
    bool is_key_told = false, is_value_told = false;
    json_init(&j, raw);
    json_object_begin(&j);
    size_t length = t->path.length;
    for (; json_object_next(&j, &name) && json_raw(&j, &value); t->steps++) {
        if (is_enough(t))
            return;
        if (!is_key_told && !model_string_is_good(shape->key, model_plain_text(name, &t->scratch))) {
            is_key_told = true;
            tell_map_demand(t, shape, shape->key, raw);
        }
        if (!is_value_told && is_bad_element(t, shape->element, value)) {
            is_value_told = true;
            tell_map_demand(t, shape, shape->element, raw);
        }
        buffer_append_string(&t->path, ".");
        model_print_cut(&t->path, model_plain_text(name, &t->scratch), length + MODEL_VALUE_BYTES_MAX);
        buffer_append_string(&t->path, ".member");
        buffer_append(&t->new_path, slice_from(buffer_view(&t->path), length));
        tell_inside(t, shape->element, value);
        cut_path(t, length);
    }
}

static void tell_inside(struct telling *t, const struct model_shape *shape, struct slice raw)
{
    if (!shape->demands_inside || is_null(raw) || is_enough(t))
        return;
    if (shape->kind == MODEL_STRUCTURE)
        tell_members(t, shape, raw);
    else if (shape->kind == MODEL_LIST)
        tell_elements(t, shape, raw);
    else if (shape->kind == MODEL_MAP)
        tell_entries(t, shape, raw);
}

/* ---- the whole ---- */

static enum err finish(struct telling *t, struct arena *arena, const char **ret_words)
{
    *ret_words = NULL;
    if (t->count == 0)
        return ERR_OK;
    if (buffer_has_failed(&t->text))
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < t->text.length; i++)
        if (t->text.data[i] == '\0')
            t->text.data[i] = ' '; /* words are a C string */
    *ret_words = arena_printf(arena, "%u validation error%s detected: %.*s", t->count,
                              t->count == 1 ? "" : "s", SLICE_PRINTF(buffer_view(&t->text)));
    return *ret_words == NULL ? ERR_NO_MEMORY : ERR_OK;
}

/* The JSON text: of a string with its quotes. */
static struct slice json_of(const struct model_shape *shape, const struct model_value *value)
{
    if (shape->kind != MODEL_STRING || value->text.data == NULL)
        return value->text;
    return slice_make(value->text.data - 1, value->text.length + 2);
}

enum err model_tell_violations(const struct model_shape *input, const struct model_value *values,
                               uint64_t violating, struct arena *arena, const char **ret_words)
{
    struct telling t = {.count = 0};
    buffer_init(&t.text, MODEL_WORDS_BYTES_MAX);
    buffer_init(&t.path, MODEL_PATH_BYTES_MAX);
    buffer_init(&t.new_path, MODEL_PATH_BYTES_MAX);
    buffer_init(&t.scratch, SCRATCH_BYTES_MAX);
    for (size_t i = 0; i < input->member_count && !is_enough(&t); i++) {
        if ((violating >> i & 1) == 0)
            continue;
        t.has_new_words = input->members[i].has_new_words;
        tell_member(&t, &input->members[i], json_of(input->members[i].shape, &values[i]));
    }
    enum err err = finish(&t, arena, ret_words);
    buffer_deinit(&t.text);
    buffer_deinit(&t.path);
    buffer_deinit(&t.new_path);
    buffer_deinit(&t.scratch);
    return err;
}

#include "api/model/request.h"

#include <stdio.h>

#include "api/json/field.h"
#include "api/model/request_internal.h"

struct reading {
    struct json json;
    const struct model_options *options;
    struct error *error;
    struct buffer scratch;
    bool is_violating;  /* what is being read, or was before it */
    uint64_t violating; /* a bit for each member at the top */
};

static enum err read_value(struct reading *at, const struct model_shape *shape, bool is_element,
                           struct model_value *ret_value);

/* ---- scalars ---- */

static enum err read_string(struct reading *at, const struct model_shape *shape,
                            struct model_value *ret_value)
{
    struct json_string string;
    if (json_peek(&at->json) != JSON_STRING) {
        struct slice unused;
        return field_string(&at->json, NULL, &unused, at->error); /* has the words */
    }
    if (!json_string(&at->json, &string))
        return field_syntax_error(at->error);
    *ret_value = (struct model_value){.text = string.raw, .has_escapes = string.has_escapes};
    if (shape->choice_count == 0 && shape->pattern == NULL && !shape->has_minimum && !shape->has_maximum)
        return ERR_OK;
    struct slice text = model_plain_text(string, &at->scratch);
    if (text.data == NULL)
        return error_set(at->error, ERR_NO_MEMORY, "the request's memory is used up");
    if (shape->choice_count > 0)
        ret_value->choice = (uint8_t)model_find_choice(shape, text);
    at->is_violating = at->is_violating || !model_string_is_good(shape, text);
    return ERR_OK;
}

static enum err read_number(struct reading *at, const struct model_shape *shape)
{
    static const char *const java_types[] = {[MODEL_INTEGER] = "Integer",
                                             [MODEL_LONG] = "Long",
                                             [MODEL_DOUBLE] = "Double",
                                             [MODEL_TIMESTAMP] = "Date"};
    bool is_present = false;
    int64_t value = 0;
    TRY(field_integer(&at->json, java_types[shape->kind], &is_present, &value, at->error));
    at->is_violating = at->is_violating || !model_is_in_range(shape, value);
    return ERR_OK;
}

/* ---- containers ---- */

static enum err begin_object(struct reading *at, const struct model_shape *shape, bool is_element)
{
    bool is_present;
    if (json_peek(&at->json) == JSON_OBJECT)
        return json_object_begin(&at->json) ? ERR_OK : field_syntax_error(at->error);
    if (shape->kind == MODEL_STRUCTURE)
        return is_element ? field_element_object_begin(&at->json, shape->name, at->error)
                          : field_object_begin(&at->json, shape->name, &is_present, at->error);
    char class[128];
    const char *value_class = shape->element->name;
    if (shape->element->kind == MODEL_STRING)
        value_class = "java.lang.String";
    if (shape->element->kind == MODEL_LIST) {
        (void)snprintf(class, sizeof class, "java.util.List<com.amazonaws.dynamodb.v20120810.%s>",
                       shape->element->element->name); /* the model's names are short */
        value_class = class;
    }
    return field_map_begin(&at->json, value_class, &is_present, at->error);
}

static const struct model_hook *find_hook(const struct model_options *options, enum model_member_id id)
{
    for (size_t i = 0; i < options->hook_count; i++)
        if (options->hooks[i].id == id)
            return &options->hooks[i];
    return NULL;
}

static enum err read_member(struct reading *at, const struct model_member *member, bool is_top,
                            struct model_value *ret_value)
{
    const struct model_hook *hook = is_top ? find_hook(at->options, member->id) : NULL;
    enum json_type type = json_peek(&at->json);
    if (type == JSON_NULL) {
        *ret_value = (struct model_value){.text = SLICE_EMPTY};
        return json_null(&at->json) ? ERR_OK : field_syntax_error(at->error);
    }
    struct model_value value = {.text = SLICE_EMPTY};
    const uint8_t *start = json_position(&at->json);
    if (hook != NULL && hook->is_checked) {
        struct json before = at->json;
        TRY(read_value(at, member->shape, false, &value));
        at->json = before;
    }
    if (hook != NULL)
        TRY(hook->read(at->options->data, &at->json, at->error));
    else
        TRY(read_value(at, member->shape, false, &value));
    if (value.text.data == NULL)
        value.text = slice_make(start, (size_t)(json_position(&at->json) - start));
    *ret_value = value;
    return ERR_OK;
}

static uint64_t missing_members(const struct model_shape *shape, uint64_t given)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < shape->member_count; i++)
        if (shape->members[i].is_required && (given >> i & 1) == 0)
            missing |= UINT64_C(1) << i;
    return missing;
}

/* values: NULL below the top. */
static enum err read_members(struct reading *at, const struct model_shape *shape, struct model_value *values)
{
    uint64_t given = 0, violating = 0;
    size_t next = 0;
    struct json_string name;
    while (json_object_next(&at->json, &name)) {
        size_t i = model_find_member(shape, name, next);
        if (i == shape->member_count) {
            if (!json_skip(&at->json))
                break;
            continue;
        }
        struct model_value value;
        at->is_violating = false;
        TRY(read_member(at, &shape->members[i], values != NULL, &value));
        uint64_t bit = UINT64_C(1) << i;
        given = value.text.data == NULL ? given & ~bit : given | bit;
        violating |= at->is_violating ? bit : 0;
        next = i + 1;
        if (values != NULL)
            values[i] = value;
    }
    at->violating = violating | missing_members(shape, given);
    at->is_violating = at->violating != 0;
    return json_has_failed(&at->json) ? field_syntax_error(at->error) : ERR_OK;
}

static enum err read_element(struct reading *at, const struct model_shape *shape)
{
    struct model_value unused;
    bool was_violating = at->is_violating;
    if (json_peek(&at->json) == JSON_NULL)
        return json_null(&at->json) ? ERR_OK : field_syntax_error(at->error);
    TRY(read_value(at, shape, true, &unused));
    at->is_violating = at->is_violating || was_violating;
    return ERR_OK;
}

static enum err read_list(struct reading *at, const struct model_shape *shape)
{
    bool is_present;
    int64_t count = 0;
    TRY(field_list_begin(&at->json, &is_present, at->error));
    for (; json_array_next(&at->json); count++)
        TRY(read_element(at, shape->element));
    at->is_violating = at->is_violating || !model_is_in_range(shape, count);
    return json_has_failed(&at->json) ? field_syntax_error(at->error) : ERR_OK;
}

static enum err read_map(struct reading *at, const struct model_shape *shape, bool is_element)
{
    int64_t count = 0;
    struct json_string name;
    TRY(begin_object(at, shape, is_element));
    for (; json_object_next(&at->json, &name); count++) {
        struct slice key = model_plain_text(name, &at->scratch);
        if (key.data == NULL)
            return error_set(at->error, ERR_NO_MEMORY, "the request's memory is used up");
        at->is_violating = at->is_violating || !model_string_is_good(shape->key, key);
        TRY(read_element(at, shape->element));
    }
    at->is_violating = at->is_violating || !model_is_in_range(shape, count);
    return json_has_failed(&at->json) ? field_syntax_error(at->error) : ERR_OK;
}

/* What comes is not null. ret_value is set for strings. Recursion ends with the model, which is not recursive but for
 * AttributeValue. */
static enum err read_value(struct reading *at, const struct model_shape *shape, bool is_element,
                           struct model_value *ret_value)
{
    bool is_present, flag;
    switch (shape->kind) {
    case MODEL_VALUE:
    case MODEL_ANY:
        return json_skip(&at->json) ? ERR_OK : field_syntax_error(at->error);
    case MODEL_STRING:
        return read_string(at, shape, ret_value);
    case MODEL_INTEGER:
    case MODEL_LONG:
    case MODEL_DOUBLE:
    case MODEL_TIMESTAMP:
        return read_number(at, shape);
    case MODEL_BOOLEAN:
        return field_bool(&at->json, &is_present, &flag, at->error);
    case MODEL_STRUCTURE:
        TRY(begin_object(at, shape, is_element));
        return read_members(at, shape, NULL);
    case MODEL_LIST:
        return read_list(at, shape);
    case MODEL_MAP:
        return read_map(at, shape, is_element);
    }
    return ERR_OK;
}

/* ---- the whole ---- */

/* Layer 2: of members that are marked so. */
static enum err check_given(const struct model_shape *input, const struct model_value *values,
                            struct buffer *scratch, struct error *error)
{
    for (size_t i = 0; i < input->member_count; i++) {
        const struct model_member *member = &input->members[i];
        if (member->is_given_first && values[i].text.data == NULL)
            return error_set(error, ERR_VALIDATION,
                             "The parameter '%s' is required but was not present in the request",
                             member->name);
        if (member->is_arn && values[i].text.data == NULL)
            return error_set(error, ERR_VALIDATION, "Invalid TableArn");
        struct json_string string = {.raw = values[i].text, .has_escapes = values[i].has_escapes};
        if (member->has_plain_length &&
            !model_is_in_range(member->shape, model_text_length(model_plain_text(string, scratch))))
            return error_set(error, ERR_VALIDATION,
                             "%s must be at least %d characters long and at most %d characters long",
                             member->name, (int)member->shape->minimum, (int)member->shape->maximum);
    }
    return ERR_OK;
}

static enum err read_body(struct reading *at, const struct model_shape *input, struct slice body,
                          struct model_value *values)
{
    json_init(&at->json, body);
    if (json_peek(&at->json) != JSON_OBJECT || !json_object_begin(&at->json))
        return field_syntax_error(at->error);
    TRY(read_members(at, input, values));
    if (!json_finish(&at->json))
        return field_syntax_error(at->error);
    return check_given(input, values, &at->scratch, at->error);
}

static bool is_refusal(enum err err)
{
    return err == ERR_SERIALIZATION || err == ERR_VALIDATION;
}

enum err model_read(const struct model_operation *operation, struct slice body,
                    const struct model_options *options, struct arena *arena,
                    struct model_request *ret_request, const char **ret_words)
{
    const struct model_shape *input = operation->input;
    struct error error;
    error.code = ERR_OK; /* the rest is long, and only read when it has been set */
    struct reading at = {.options = options, .error = &error};
    *ret_words = NULL;
    struct model_value *values = arena_zalloc(arena, input->member_count * sizeof *values);
    if (values == NULL)
        return ERR_NO_MEMORY;
    *ret_request = (struct model_request){.operation = operation, .values = values};
    buffer_init(&at.scratch, SCRATCH_BYTES_MAX);
    enum err err = read_body(&at, input, body, values);
    buffer_deinit(&at.scratch);
    if (err == ERR_OK && at.is_violating) {
        TRY(model_tell_violations(input, values, at.violating, arena, ret_words));
        return *ret_words == NULL ? ERR_OK : ERR_VALIDATION;
    }
    if (!is_refusal(err))
        return err;
    *ret_words = arena_string(arena, slice_from_string(error.code == err ? error.text : err_sentence(err)));
    return *ret_words == NULL ? ERR_NO_MEMORY : err;
}

/* ---- afterwards ---- */

static const struct model_value *find(const struct model_request *request, enum model_member_id id)
{
    static const struct model_value absent = {.text = {NULL, 0}};
    unsigned slot = request->operation->slots[id];
    return slot == 0 ? &absent : &request->values[slot - 1];
}

bool model_has(const struct model_request *request, enum model_member_id id)
{
    return find(request, id)->text.data != NULL;
}

struct slice model_json(const struct model_request *request, enum model_member_id id)
{
    return find(request, id)->text;
}

struct slice model_string(const struct model_request *request, enum model_member_id id, struct arena *arena)
{
    const struct model_value *value = find(request, id);
    if (value->text.data == NULL)
        return SLICE_EMPTY;
    struct json_string string = {.raw = value->text, .has_escapes = value->has_escapes};
    return json_string_text(string, arena);
}

bool model_boolean(const struct model_request *request, enum model_member_id id)
{
    struct slice text = find(request, id)->text;
    return text.length > 0 && text.data[0] == 't';
}

int64_t model_integer(const struct model_request *request, enum model_member_id id, int64_t absent)
{
    struct slice text = find(request, id)->text;
    if (text.data == NULL)
        return absent;
    const struct model_shape *input = request->operation->input;
    const struct model_shape *shape = input->members[request->operation->slots[id] - 1].shape;
    struct json j;
    bool is_present;
    int64_t number = absent;
    json_init(&j, text);
    if (field_integer(&j, shape->kind == MODEL_LONG ? "Long" : "Integer", &is_present, &number, NULL) !=
        ERR_OK)
        return absent; /* not the member of a number */
    return number;
}

size_t model_choice(const struct model_request *request, enum model_member_id id, size_t absent)
{
    const struct model_value *value = find(request, id);
    return value->text.data == NULL ? absent : value->choice;
}

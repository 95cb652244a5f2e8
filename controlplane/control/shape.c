#include "controlplane/control/shape.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"

enum { VIOLATIONS_MAX = 10, PATH_BYTES_MAX = 512, TEXT_BYTES_MAX = 16 * 1024 };

json_t *shape_member(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

/* ---- types ---- */

static const char *java_class(enum shape_kind kind)
{
    switch (kind) {
    case SHAPE_LONG:
        return "Long";
    case SHAPE_BOOLEAN:
        return "Boolean";
    case SHAPE_STRING:
    case SHAPE_LIST:
    case SHAPE_STRUCT:
        break;
    }
    return "String";
}

static const char *token_name(const json_t *value)
{
    if (json_is_string(value))
        return "STRING_VALUE";
    if (json_is_integer(value))
        return "NUMBER_VALUE";
    if (json_is_real(value))
        return "DECIMAL_VALUE";
    return json_is_true(value) ? "TRUE_VALUE" : "FALSE_VALUE";
}

static enum err check_scalar(const struct shape *shape, const json_t *value, struct error *error)
{
    bool is_good = (shape->kind == SHAPE_STRING && json_is_string(value)) ||
                   (shape->kind == SHAPE_LONG && json_is_number(value)) ||
                   (shape->kind == SHAPE_BOOLEAN && json_is_boolean(value));
    if (is_good)
        return ERR_OK;
    if (json_is_object(value))
        return error_set(error, ERR_SERIALIZATION, "Start of structure or map found where not expected.");
    if (json_is_array(value))
        return error_set(error, ERR_SERIALIZATION, "Unrecognized collection type class java.lang.%s",
                         java_class(shape->kind));
    if (json_is_string(value) && shape->kind == SHAPE_BOOLEAN)
        return error_set(error, ERR_SERIALIZATION, "Unexpected token received from parser");
    return error_set(error, ERR_SERIALIZATION, "%s cannot be converted to %s", token_name(value),
                     java_class(shape->kind));
}

static enum err check_list(const struct shape *shape, const json_t *value, struct error *error)
{
    if (json_is_object(value))
        return error_set(error, ERR_SERIALIZATION, "Start of structure or map found where not expected.");
    if (!json_is_array(value))
        return error_set(error, ERR_SERIALIZATION, "Unexpected field type");
    for (size_t i = 0; i < json_array_size(value); i++)
        TRY(shape_check_types(&shape->members[0], json_array_get(value, i), error));
    return ERR_OK;
}

static enum err check_struct(const struct shape *shape, const json_t *value, struct error *error)
{
    if (json_is_array(value))
        return error_set(error, ERR_SERIALIZATION,
                         "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.%s",
                         shape->class_name);
    if (!json_is_object(value))
        return error_set(error, ERR_SERIALIZATION, "Unexpected field type");
    for (size_t i = 0; i < shape->member_count; i++)
        TRY(shape_check_types(&shape->members[i], json_object_get(value, shape->members[i].name), error));
    return ERR_OK;
}

enum err shape_check_types(const struct shape *shape, const json_t *value, struct error *error)
{
    if (value == NULL || json_is_null(value))
        return ERR_OK;
    if (shape->kind == SHAPE_LIST)
        return check_list(shape, value, error);
    if (shape->kind == SHAPE_STRUCT)
        return check_struct(shape, value, error);
    return check_scalar(shape, value, error);
}

/* ---- constraints ---- */

struct violations {
    struct buffer text;
    size_t count;
    char path[PATH_BYTES_MAX];
};

static void append_value(struct buffer *to, const struct shape *shape, const json_t *value);

static void append_lower_camel(struct buffer *to, const char *name)
{
    buffer_append_u8(to, (uint8_t)tolower((unsigned char)name[0]));
    buffer_append_string(to, name + 1);
}

static void append_members(struct buffer *to, const struct shape *shape, const json_t *value)
{
    buffer_append_string(to, shape->class_name);
    buffer_append_string(to, "(");
    for (size_t i = 0; i < shape->member_count; i++) {
        if (i > 0)
            buffer_append_string(to, ", ");
        append_lower_camel(to, shape->members[i].name);
        buffer_append_string(to, "=");
        append_value(to, &shape->members[i], json_object_get(value, shape->members[i].name));
    }
    buffer_append_string(to, ")");
}

/* As Java prints it; SDKs do not look at this part. */
static void append_value(struct buffer *to, const struct shape *shape, const json_t *value)
{
    if (value == NULL || json_is_null(value)) {
        buffer_append_string(to, "null");
    } else if (json_is_string(value)) {
        buffer_append_string(to, json_string_value(value));
    } else if (json_is_number(value)) {
        buffer_append_format(to, "%" PRId64, (int64_t)json_number_value(value));
    } else if (json_is_boolean(value)) {
        buffer_append_string(to, json_is_true(value) ? "true" : "false");
    } else if (json_is_array(value)) {
        buffer_append_string(to, "[");
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (i > 0)
                buffer_append_string(to, ", ");
            append_value(to, &shape->members[0], json_array_get(value, i));
        }
        buffer_append_string(to, "]");
    } else {
        append_members(to, shape, value);
    }
}

/* "; Value 'v' at 'path' failed to satisfy constraint: Member must " - the rest is the caller's to append. False when
 * there are enough. */
static bool begin_violation(struct violations *v, const struct shape *shape, const json_t *value)
{
    if (v->count == VIOLATIONS_MAX)
        return false;
    if (v->count++ > 0)
        buffer_append_string(&v->text, "; ");
    buffer_append_string(&v->text, "Value ");
    if (value == NULL) {
        buffer_append_string(&v->text, "null");
    } else {
        buffer_append_string(&v->text, "'");
        append_value(&v->text, shape, value);
        buffer_append_string(&v->text, "'");
    }
    buffer_append_format(&v->text, " at '%s' failed to satisfy constraint: Member must ", v->path);
    return true;
}

static bool is_allowed(const char *const *allowed, const char *value)
{
    for (; *allowed != NULL; allowed++) {
        if (strcmp(*allowed, value) == 0)
            return true;
    }
    return false;
}

static void check_enum(struct violations *v, const struct shape *shape, const json_t *value)
{
    if (shape->allowed == NULL || is_allowed(shape->allowed, json_string_value(value)))
        return;
    if (!begin_violation(v, shape, value))
        return;
    buffer_append_string(&v->text, "satisfy enum value set: [");
    for (const char *const *allowed = shape->allowed; *allowed != NULL; allowed++)
        buffer_append_format(&v->text, "%s%s", allowed == shape->allowed ? "" : ", ", *allowed);
    buffer_append_string(&v->text, "]");
}

static bool is_name(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '.' && *c != '-')
            return false;
    }
    return text[0] != '\0';
}

static void check_pattern(struct violations *v, const struct shape *shape, const json_t *value)
{
    if (shape->pattern == NULL || is_name(json_string_value(value)) || !begin_violation(v, shape, value))
        return;
    buffer_append_format(&v->text, "satisfy regular expression pattern: %s", shape->pattern);
}

static void check_bounds(struct violations *v, const struct shape *shape, const json_t *value, int64_t size,
                         const char *what)
{
    if (shape->minimum != 0 && size < shape->minimum && begin_violation(v, shape, value))
        buffer_append_format(&v->text, "have %s greater than or equal to %" PRId64, what, shape->minimum);
    if (shape->maximum != 0 && size > shape->maximum && begin_violation(v, shape, value))
        buffer_append_format(&v->text, "have %s less than or equal to %" PRId64, what, shape->maximum);
}

static void check(struct violations *v, const struct shape *shape, const json_t *value);

static void check_member(struct violations *v, const struct shape *member, const json_t *value)
{
    size_t length = strlen(v->path);
    (void)snprintf(v->path + length, sizeof v->path - length, "%s%c%s", length == 0 ? "" : ".",
                   tolower((unsigned char)member->name[0]), member->name + 1); /* cut: a path is for people */
    check(v, member, value);
    v->path[length] = '\0';
}

static void check_elements(struct violations *v, const struct shape *shape, const json_t *value)
{
    check_bounds(v, shape, value, (int64_t)json_array_size(value), "length");
    size_t length = strlen(v->path);
    for (size_t i = 0; i < json_array_size(value); i++) {
        (void)snprintf(v->path + length, sizeof v->path - length, ".%zu.member", i + 1); /* cut as above */
        check(v, &shape->members[0], json_array_get(value, i));
        v->path[length] = '\0';
    }
}

static void check(struct violations *v, const struct shape *shape, const json_t *value)
{
    if (value == NULL || json_is_null(value)) {
        if (shape->is_required && begin_violation(v, shape, NULL))
            buffer_append_string(&v->text, "not be null");
        return;
    }
    switch (shape->kind) {
    case SHAPE_STRING:
        check_enum(v, shape, value);
        check_pattern(v, shape, value);
        check_bounds(v, shape, value, (int64_t)json_string_length(value), "length");
        break;
    case SHAPE_LONG:
        check_bounds(v, shape, value, (int64_t)json_number_value(value), "value");
        break;
    case SHAPE_LIST:
        check_elements(v, shape, value);
        break;
    case SHAPE_STRUCT:
        for (size_t i = 0; i < shape->member_count; i++)
            check_member(v, &shape->members[i], json_object_get(value, shape->members[i].name));
        break;
    case SHAPE_BOOLEAN:
        break;
    }
}

enum err shape_check_constraints(const struct shape *shape, const json_t *value, char *text,
                                 size_t text_bytes)
{
    struct violations v = {0};
    buffer_init(&v.text, TEXT_BYTES_MAX);
    check(&v, shape, value);
    if (v.count > 0)
        (void)snprintf(text, text_bytes, "%zu validation error%s detected: %.*s", v.count,
                       v.count == 1 ? "" : "s",
                       SLICE_PRINTF(buffer_view(&v.text))); /* cut: the head says enough */
    buffer_deinit(&v.text);
    return v.count == 0 ? ERR_OK : ERR_VALIDATION;
}

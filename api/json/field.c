#include "api/json/field.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/json/field_internal.h"

enum err field_syntax_error(struct error *error)
{
    return error_set(error, ERR_SERIALIZATION, "Unexpected token received from parser");
}

enum err type_error_convert(struct json *j, const char *java_type, const char *java_class,
                            struct error *error)
{
    struct slice number = SLICE_EMPTY;
    const char *found = "STRING_VALUE";
    switch (json_peek(j)) {
    case JSON_OBJECT:
        return error_set(error, ERR_SERIALIZATION, "Start of structure or map found where not expected.");
    case JSON_ARRAY:
        return error_set(error, ERR_SERIALIZATION, "Unrecognized collection type class %s", java_class);
    case JSON_NUMBER:
        if (!json_number(j, &number))
            return field_syntax_error(error);
        found = memchr(number.data, '.', number.length) != NULL ? "DECIMAL_VALUE" : "NUMBER_VALUE";
        break;
    case JSON_TRUE:
        found = "TRUE_VALUE";
        break;
    case JSON_FALSE:
        found = "FALSE_VALUE";
        break;
    case JSON_NULL:
        found = "NULL_VALUE";
        break;
    case JSON_STRING:
        break;
    case JSON_NONE:
        return field_syntax_error(error);
    }
    return error_set(error, ERR_SERIALIZATION, "%s cannot be converted to %s", found, java_type);
}

enum err type_error_container(struct json *j, const char *scalar_words, const char *collection_class,
                              struct error *error)
{
    switch (json_peek(j)) {
    case JSON_OBJECT:
        return error_set(error, ERR_SERIALIZATION, "Start of structure or map found where not expected.");
    case JSON_ARRAY:
        return error_set(error, ERR_SERIALIZATION, "Unrecognized collection type %s", collection_class);
    case JSON_NONE:
        return field_syntax_error(error);
    case JSON_STRING:
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return error_set(error, ERR_SERIALIZATION, "%s", scalar_words);
}

/* True when there was a null, which is gone then. */
static bool take_null(struct json *j)
{
    return json_peek(j) == JSON_NULL && json_null(j);
}

enum err field_string(struct json *j, struct arena *arena, struct slice *ret_text, struct error *error)
{
    struct json_string string;
    if (take_null(j)) {
        *ret_text = SLICE_EMPTY;
        return ERR_OK;
    }
    if (json_peek(j) != JSON_STRING)
        return type_error_convert(j, "String", "java.lang.String", error);
    if (!json_string(j, &string))
        return field_syntax_error(error);
    struct slice text = json_string_text(string, arena);
    if (text.data == NULL)
        return error_set(error, ERR_NO_MEMORY, "the request's memory is used up");
    *ret_text = text;
    return ERR_OK;
}

enum err field_bool(struct json *j, bool *ret_is_present, bool *ret_value, struct error *error)
{
    enum json_type type = json_peek(j);
    if (take_null(j)) {
        *ret_is_present = false;
        return ERR_OK;
    }
    if (type == JSON_STRING)
        return field_syntax_error(error);
    if (type != JSON_TRUE && type != JSON_FALSE)
        return type_error_convert(j, "Boolean", "java.lang.Boolean", error);
    if (!json_bool(j, ret_value))
        return field_syntax_error(error);
    *ret_is_present = true;
    return ERR_OK;
}

/* The integer part of a JSON number, within [lowest, highest]. */
static int64_t truncated(struct slice text, int64_t lowest, int64_t highest)
{
    char copy[64];
    if (text.length < sizeof(copy) && memchr(text.data, 'e', text.length) == NULL &&
        memchr(text.data, 'E', text.length) == NULL) {
        int64_t value = 0;
        bool is_negative = text.data[0] == '-';
        for (size_t i = is_negative; i < text.length && text.data[i] != '.'; i++) {
            int digit = text.data[i] - '0';
            if (__builtin_mul_overflow(value, 10, &value) ||
                __builtin_add_overflow(value, is_negative ? -digit : digit, &value))
                return is_negative ? lowest : highest;
        }
        return value < lowest ? lowest : value > highest ? highest : value;
    }
    /* An exponent, or absurd length: Java goes through a double as well. */
    size_t length = text.length < sizeof(copy) ? text.length : sizeof(copy) - 1;
    memcpy(copy, text.data, length);
    copy[length] = '\0';
    double value = strtod(copy, NULL);
    return value <= (double)lowest ? lowest : value >= (double)highest ? highest : (int64_t)value;
}

enum err field_integer(struct json *j, const char *java_type, bool *ret_is_present, int64_t *ret_value,
                       struct error *error)
{
    bool is_long = strcmp(java_type, "Long") == 0;
    struct slice text;
    if (take_null(j)) {
        *ret_is_present = false;
        return ERR_OK;
    }
    if (json_peek(j) != JSON_NUMBER)
        return type_error_convert(j, java_type, is_long ? "java.lang.Long" : "java.lang.Integer", error);
    if (!json_number(j, &text))
        return field_syntax_error(error);
    *ret_is_present = true;
    *ret_value = truncated(text, is_long ? INT64_MIN : INT32_MIN, is_long ? INT64_MAX : INT32_MAX);
    return ERR_OK;
}

static enum err object_begin(struct json *j, const char *scalar_words, const char *collection_class,
                             struct error *error)
{
    if (json_peek(j) != JSON_OBJECT)
        return type_error_container(j, scalar_words, collection_class, error);
    return json_object_begin(j) ? ERR_OK : field_syntax_error(error);
}

enum err field_object_begin(struct json *j, const char *class_name, bool *ret_is_present, struct error *error)
{
    char class[128];
    *ret_is_present = !take_null(j);
    if (!*ret_is_present)
        return ERR_OK;
    snprintf(class, sizeof(class), "class com.amazonaws.dynamodb.v20120810.%.64s", class_name);
    return object_begin(j, "Unexpected field type", class, error);
}

enum err field_map_begin(struct json *j, const char *value_class, bool *ret_is_present, struct error *error)
{
    char class[160];
    *ret_is_present = !take_null(j);
    if (!*ret_is_present)
        return ERR_OK;
    snprintf(class, sizeof(class), "java.util.Map<java.lang.String, %s%.64s>",
             strchr(value_class, '.') != NULL ? "" : "com.amazonaws.dynamodb.v20120810.", value_class);
    return object_begin(j, "Unexpected field type", class, error);
}

enum err field_list_begin(struct json *j, bool *ret_is_present, struct error *error)
{
    *ret_is_present = !take_null(j);
    if (!*ret_is_present)
        return ERR_OK;
    if (json_peek(j) != JSON_ARRAY)
        return type_error_container(j, "Unexpected field type", "", error);
    return json_array_begin(j) ? ERR_OK : field_syntax_error(error);
}

enum err field_element_object_begin(struct json *j, const char *class_name, struct error *error)
{
    char class[128];
    snprintf(class, sizeof(class), "class com.amazonaws.dynamodb.v20120810.%.64s", class_name);
    return object_begin(j, "Unexpected value type in payload", class, error);
}

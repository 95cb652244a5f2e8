/* A validation error is remembered and reading goes on, so that the whole value's types are looked at: what
 * the builder then holds is not used. */
#include "api/json/attribute_reader.h"

#include "api/json/field_internal.h"
#include "base/base64.h"
#include "dataplane/item/number.h"

#define WRONG_PARAMETER "One or more parameter values were invalid: "

struct attribute_reader {
    struct json *j;
    struct item_builder *b;
    struct error *error;
    struct error first; /* validation error; code ERR_OK while there is none */
};

/* Where the words of the first validation error go; NULL afterwards. */
static struct error *first_error(struct attribute_reader *r)
{
    return r->first.code == ERR_OK ? &r->first : NULL;
}

static void refuse(struct attribute_reader *r, const char *words)
{
    (void)error_set(first_error(r), ERR_VALIDATION, "%s", words); /* told at the end */
}

static enum err read_value(struct attribute_reader *r);
static enum err read_attributes(struct attribute_reader *r);

/* ---- scalars ---- */

static enum err take_string(struct attribute_reader *r, const char *java_type, const char *java_class,
                            struct json_string *ret_string)
{
    if (json_peek(r->j) != JSON_STRING)
        return type_error_convert(r->j, java_type, java_class, r->error);
    return json_string(r->j, ret_string) ? ERR_OK : field_syntax_error(r->error);
}

static enum err read_text(struct attribute_reader *r)
{
    struct json_string string;
    TRY(take_string(r, "String", "java.lang.String", &string));
    uint8_t *to = item_builder_reserve(r->b, VALUE_S, string.raw.length);
    if (to != NULL)
        item_builder_commit(r->b, json_string_copy(string, to));
    return ERR_OK;
}

static enum err read_number(struct attribute_reader *r)
{
    struct json_string string;
    struct number n = number_from_int64(0);
    TRY(take_string(r, "String", "java.lang.String", &string));
    size_t room = string.raw.length > NUMBER_BYTES_MAX ? string.raw.length : NUMBER_BYTES_MAX;
    uint8_t *to = item_builder_reserve(r->b, VALUE_N, room);
    if (to == NULL)
        return ERR_OK;
    struct slice text = string.raw;
    if (string.has_escapes)
        text = slice_make(to, json_string_copy(string, to));
    enum number_status status = number_parse(text, &n);
    if (status != NUMBER_OK)
        (void)number_parse_error(status, text, first_error(r)); /* told at the end */
    memcpy(to, n.bytes, n.length);
    item_builder_commit(r->b, n.length);
    return ERR_OK;
}

static bool is_base64_byte(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=';
}

static enum err base64_error(struct slice text, struct error *error)
{
    if (text.length % 4 != 0)
        return error_set(error, ERR_SERIALIZATION,
                         "Base64 encoded length is expected a multiple of 4 bytes but found: %zu",
                         text.length);
    for (size_t i = 0; i < text.length; i++)
        if (!is_base64_byte(text.data[i]))
            return error_set(error, ERR_SERIALIZATION, "Invalid Base64 character: '%c'",
                             text.data[i] < 0x80 ? text.data[i] : '?');
    return error_set(error, ERR_SERIALIZATION, "Invalid last non-pad Base64 character dectected");
}

static enum err read_binary(struct attribute_reader *r)
{
    struct json_string string;
    enum json_type type = json_peek(r->j);
    if (type != JSON_STRING && type != JSON_OBJECT && type != JSON_ARRAY && type != JSON_NONE)
        return error_set(r->error, ERR_SERIALIZATION,
                         "only base-64-encoded strings are convertible to bytes");
    TRY(take_string(r, "ByteBuffer", "java.nio.ByteBuffer", &string));
    uint8_t *to = item_builder_reserve(r->b, VALUE_B, string.raw.length);
    if (to == NULL)
        return ERR_OK;
    struct slice text = string.raw;
    size_t length;
    /* Some clients escape the slash; the decoder never overtakes itself, so it may work in place. */
    if (string.has_escapes)
        text = slice_make(to, json_string_copy(string, to));
    if (base64_decode(text, to, &length) != ERR_OK) {
        if (string.has_escapes)
            text = slice_make(to, json_string_copy(string, to)); /* undo what was decoded over it */
        return base64_error(text, r->error);
    }
    item_builder_commit(r->b, length);
    return ERR_OK;
}

static enum err read_bool(struct attribute_reader *r, bool *ret_value)
{
    bool is_present;
    return field_bool(r->j, &is_present, ret_value, r->error);
}

static enum err read_null_value(struct attribute_reader *r)
{
    bool value = false;
    TRY(read_bool(r, &value));
    if (!value)
        refuse(r, WRONG_PARAMETER "Null attribute value types must have the value of true");
    item_builder_scalar(r->b, VALUE_NULL, SLICE_EMPTY);
    return ERR_OK;
}

static enum err read_bool_value(struct attribute_reader *r)
{
    bool value = false;
    TRY(read_bool(r, &value));
    item_builder_bool(r->b, value);
    return ERR_OK;
}

/* ---- sets and lists ---- */

static enum err array_begin(struct attribute_reader *r, struct json *ret_before)
{
    if (json_peek(r->j) != JSON_ARRAY)
        return type_error_container(r->j, "Unexpected field type", "", r->error);
    *ret_before = *r->j;
    return json_array_begin(r->j) ? ERR_OK : field_syntax_error(r->error);
}

static enum err array_end(struct attribute_reader *r)
{
    return json_has_failed(r->j) ? field_syntax_error(r->error) : ERR_OK;
}

/* The members as they were sent, for the words: "[a, b, a]". */
static void refuse_duplicates(struct attribute_reader *r, uint8_t tag, struct json before)
{
    char list[160];
    size_t length = 0;
    struct json_string member;
    if (tag == VALUE_NS) {
        refuse(r, "Input collection contains duplicates");
        return;
    }
    json_array_begin(&before);
    while (json_array_next(&before) && json_string(&before, &member)) {
        if (length + member.raw.length + 2 > sizeof(list))
            break;
        if (length > 0) {
            memcpy(list + length, ", ", 2);
            length += 2;
        }
        length += json_string_copy(member, (uint8_t *)list + length);
    }
    (void)error_set(first_error(r), ERR_VALIDATION,
                    WRONG_PARAMETER "Input collection [%.*s]%s contains duplicates.", (int)length, list,
                    tag == VALUE_BS ? "of type BS" : ""); /* told at the end */
}

static void refuse_empty(struct attribute_reader *r, uint8_t tag)
{
    if (tag == VALUE_SS)
        refuse(r, WRONG_PARAMETER "An string set  may not be empty");
    else if (tag == VALUE_NS)
        refuse(r, WRONG_PARAMETER "An number set  may not be empty");
    else
        refuse(r, WRONG_PARAMETER "Binary sets should not be empty");
}

static enum err read_set(struct attribute_reader *r, uint8_t tag)
{
    struct json before;
    size_t count = 0;
    TRY(array_begin(r, &before));
    item_builder_begin(r->b, (enum value_tag)tag);
    for (; json_array_next(r->j); count++)
        TRY(tag == VALUE_SS ? read_text(r) : tag == VALUE_NS ? read_number(r) : read_binary(r));
    if (item_builder_end(r->b) > 0)
        refuse_duplicates(r, tag, before);
    if (count == 0)
        refuse_empty(r, tag);
    return array_end(r);
}

static enum err read_list(struct attribute_reader *r)
{
    struct json before;
    TRY(array_begin(r, &before));
    item_builder_begin(r->b, VALUE_L);
    while (json_array_next(r->j))
        TRY(read_value(r));
    item_builder_end(r->b);
    return array_end(r);
}

static enum err read_map(struct attribute_reader *r)
{
    if (json_peek(r->j) != JSON_OBJECT)
        return type_error_container(
            r->j, "Unexpected field type",
            "java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>", r->error);
    item_builder_begin(r->b, VALUE_M);
    TRY(read_attributes(r));
    item_builder_end(r->b);
    return ERR_OK;
}

/* ---- values and items ---- */

static enum err read_tagged(struct attribute_reader *r, uint8_t tag)
{
    switch (tag) {
    case VALUE_S:
        return read_text(r);
    case VALUE_N:
        return read_number(r);
    case VALUE_B:
        return read_binary(r);
    case VALUE_SS:
    case VALUE_NS:
    case VALUE_BS:
        return read_set(r, tag);
    case VALUE_M:
        return read_map(r);
    case VALUE_L:
        return read_list(r);
    case VALUE_NULL:
        return read_null_value(r);
    default:
        return read_bool_value(r);
    }
}

static uint8_t tag_of(struct json_string name)
{
    uint8_t copy[32];
    if (!name.has_escapes)
        return value_tag_from_name(name.raw);
    if (name.raw.length > sizeof(copy))
        return 0;
    return value_tag_from_name(slice_make(copy, json_string_copy(name, copy)));
}

/* A second type in one value: checked and forgotten, in a builder of its own. */
static enum err read_surplus(struct attribute_reader *r, uint8_t tag)
{
    struct item_builder surplus;
    struct attribute_reader inner = {r->j, &surplus, r->error, {.code = ERR_VALIDATION}};
    item_builder_init(&surplus, 0); /* takes no memory: it fails at once and ignores the rest */
    refuse(r, "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the "
              "supported datatypes");
    item_builder_begin(&surplus, VALUE_L);
    enum err err = read_tagged(&inner, tag);
    item_builder_deinit(&surplus);
    return err;
}

static enum err read_value(struct attribute_reader *r)
{
    struct json_string name;
    bool has_value = false;
    if (json_peek(r->j) != JSON_OBJECT)
        return type_error_container(r->j, "Unexpected value type in payload",
                                    "class com.amazonaws.dynamodb.v20120810.AttributeValue", r->error);
    json_object_begin(r->j);
    while (json_object_next(r->j, &name)) {
        uint8_t tag = tag_of(name);
        if (tag == 0 || json_peek(r->j) == JSON_NULL) {
            json_skip(r->j);
            continue;
        }
        TRY(has_value ? read_surplus(r, tag) : read_tagged(r, tag));
        has_value = true;
    }
    if (json_has_failed(r->j))
        return field_syntax_error(r->error);
    if (!has_value) {
        refuse(r, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
        item_builder_scalar(r->b, VALUE_NULL, SLICE_EMPTY);
    }
    return ERR_OK;
}

static void read_name(struct attribute_reader *r, struct json_string name)
{
    uint8_t *to = item_builder_reserve_name(r->b, name.raw.length);
    size_t length = name.raw.length;
    if (to != NULL) {
        length = json_string_copy(name, to);
        item_builder_commit_name(r->b, length);
    }
    if (length == 0)
        refuse(r, WRONG_PARAMETER "Attribute names must not be empty");
    if (length > ATTRIBUTE_NAME_BYTES_MAX)
        refuse(r, "1 validation error detected: Value at 'item' failed to satisfy constraint: Map keys must "
                  "satisfy constraint: [Member must have length less than or equal to 65535]");
}

static enum err read_attributes(struct attribute_reader *r)
{
    struct json_string name;
    json_object_begin(r->j);
    while (json_object_next(r->j, &name)) {
        read_name(r, name);
        TRY(read_value(r));
    }
    return json_has_failed(r->j) ? field_syntax_error(r->error) : ERR_OK;
}

static enum err conclude(struct attribute_reader *r)
{
    if (item_builder_is_too_deep(r->b))
        refuse(r, "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels "
                  "beyond supported limit");
    else if (item_builder_is_over(r->b))
        refuse(r, "Item size has exceeded the maximum allowed size");
    else if (item_builder_has_failed(r->b))
        return error_set(r->error, ERR_NO_MEMORY, "the request's memory is used up");
    return r->first.code == ERR_OK ? ERR_OK : error_set(r->error, r->first.code, "%s", r->first.text);
}

enum err attribute_read_value(struct json *j, struct item_builder *b, struct error *error)
{
    struct attribute_reader r = {j, b, error, {.code = ERR_OK}};
    TRY(read_value(&r));
    return conclude(&r);
}

enum err attribute_read_item(struct json *j, struct item_builder *b, struct error *error)
{
    struct attribute_reader r = {j, b, error, {.code = ERR_OK}};
    item_builder_clear(b);
    TRY(read_map(&r));
    return conclude(&r);
}

enum err attribute_read_item_copy(struct json *j, struct item_builder *b, struct arena *arena,
                                  struct slice *ret_item, struct error *error)
{
    TRY(attribute_read_item(j, b, error));
    struct slice item = arena_copy(arena, item_builder_view(b));
    if (item.data == NULL)
        return error_set(error, ERR_NO_MEMORY, "the request's memory is used up");
    *ret_item = item;
    return ERR_OK;
}

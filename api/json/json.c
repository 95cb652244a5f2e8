#include "api/json/json.h"

#include "api/json/json_internal.h"

void json_init(struct json *j, struct slice text)
{
    *j = (struct json){.next = text.data, .end = text.data == NULL ? NULL : text.data + text.length};
}

static bool fail(struct json *j)
{
    j->has_failed = true;
    return false;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next byte that is not white space, which stays; -1 at the end or after a failure. */
static inline int peek_byte(struct json *j)
{
    while (j->next != j->end && *j->next <= ' ' && is_space(*j->next))
        j->next++;
    return j->has_failed || j->next == j->end ? -1 : *j->next;
}

static inline bool take_byte(struct json *j, uint8_t wanted)
{
    if (peek_byte(j) != wanted)
        return fail(j);
    j->next++;
    return true;
}

enum json_type json_peek(struct json *j)
{
    switch (peek_byte(j)) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return JSON_NUMBER;
    default:
        return JSON_NONE;
    }
}

/* ---- scalars ---- */

bool json_string(struct json *j, struct json_string *ret_string)
{
    if (!take_byte(j, '"'))
        return false;
    size_t length = json_string_scan(slice_make(j->next, (size_t)(j->end - j->next)), ret_string);
    if (length == 0)
        return fail(j);
    j->next += length;
    j->is_at_start = false;
    return true;
}

static bool take_digits(struct json *j)
{
    const uint8_t *start = j->next;
    while (j->next != j->end && *j->next >= '0' && *j->next <= '9')
        j->next++;
    return j->next != start || fail(j);
}

static bool skip_if(struct json *j, uint8_t a, uint8_t b)
{
    if (j->next == j->end || (*j->next != a && *j->next != b))
        return false;
    j->next++;
    return true;
}

bool json_number(struct json *j, struct slice *ret_text)
{
    if (json_peek(j) != JSON_NUMBER)
        return fail(j);
    const uint8_t *start = j->next;
    skip_if(j, '-', '-');
    if (!skip_if(j, '0', '0') && !take_digits(j))
        return false;
    if (skip_if(j, '.', '.') && !take_digits(j))
        return false;
    if (skip_if(j, 'e', 'E')) {
        skip_if(j, '+', '-');
        if (!take_digits(j))
            return false;
    }
    j->is_at_start = false;
    *ret_text = slice_make(start, (size_t)(j->next - start));
    return true;
}

static bool take_word(struct json *j, struct slice word)
{
    peek_byte(j);
    if (j->has_failed || !slice_starts_with(slice_make(j->next, (size_t)(j->end - j->next)), word))
        return fail(j);
    j->next += word.length;
    j->is_at_start = false;
    return true;
}

bool json_bool(struct json *j, bool *ret_value)
{
    bool value = peek_byte(j) == 't';
    if (!take_word(j, value ? SLICE_LITERAL("true") : SLICE_LITERAL("false")))
        return false;
    *ret_value = value;
    return true;
}

bool json_null(struct json *j)
{
    return take_word(j, SLICE_LITERAL("null"));
}

/* ---- containers ---- */

static bool begin(struct json *j, uint8_t bracket)
{
    if (!take_byte(j, bracket))
        return false;
    if (j->depth == JSON_DEPTH_MAX)
        return fail(j);
    j->depth++;
    j->is_at_start = true;
    return true;
}

/* Whether another element comes; consumes the comma before it or the closing bracket. */
static bool next_element(struct json *j, uint8_t bracket)
{
    int byte = peek_byte(j);
    if (byte == bracket) {
        j->next++;
        j->depth--;
        j->is_at_start = false;
        return false;
    }
    if (j->is_at_start) {
        j->is_at_start = false;
        return byte >= 0 || fail(j);
    }
    return take_byte(j, ',');
}

bool json_object_begin(struct json *j)
{
    return begin(j, '{');
}

bool json_object_next(struct json *j, struct json_string *ret_name)
{
    return next_element(j, '}') && json_string(j, ret_name) && take_byte(j, ':');
}

bool json_array_begin(struct json *j)
{
    return begin(j, '[');
}

bool json_array_next(struct json *j)
{
    return next_element(j, ']');
}

/* ---- skipping ---- */

static bool skip_scalar(struct json *j, enum json_type type)
{
    struct json_string string;
    struct slice number;
    bool value;
    switch (type) {
    case JSON_STRING:
        return json_string(j, &string);
    case JSON_NUMBER:
        return json_number(j, &number);
    case JSON_TRUE:
    case JSON_FALSE:
        return json_bool(j, &value);
    case JSON_NULL:
        return json_null(j);
    case JSON_OBJECT:
    case JSON_ARRAY:
    case JSON_NONE:
        break;
    }
    return fail(j);
}

/* Without recursion: one bit per open container says whether it is an object. */
bool json_skip(struct json *j)
{
    uint8_t is_object[JSON_DEPTH_MAX] = {0};
    uint16_t depth = j->depth;
    do {
        enum json_type type = json_peek(j);
        if (type == JSON_OBJECT || type == JSON_ARRAY) {
            if (!begin(j, type == JSON_OBJECT ? '{' : '['))
                return false;
            is_object[j->depth - 1] = type == JSON_OBJECT;
        } else if (!skip_scalar(j, type)) {
            return false;
        }
        struct json_string name;
        while (j->depth > depth && !j->has_failed &&
               !(is_object[j->depth - 1] ? json_object_next(j, &name) : json_array_next(j)))
            continue;
    } while (j->depth > depth && !j->has_failed);
    return !j->has_failed;
}

bool json_raw(struct json *j, struct slice *ret_text)
{
    peek_byte(j);
    const uint8_t *start = j->next;
    if (!json_skip(j))
        return false;
    *ret_text = slice_make(start, (size_t)(j->next - start));
    return true;
}

bool json_finish(struct json *j)
{
    if (!j->has_failed && j->depth == 0 && peek_byte(j) < 0)
        return true;
    return fail(j);
}

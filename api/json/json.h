/* A pull scanner over a JSON text that is in memory as a whole: no tree, no allocation, one pass.
 *
 *     json_init(&j, body);
 *     json_object_begin(&j);
 *     while (json_object_next(&j, &name))
 *         if (json_string_equals(name, "TableName")) json_string(&j, &table); else json_skip(&j);
 *     if (!json_finish(&j)) ...
 *
 * Strict RFC 8259: no comments, no trailing commas, UTF-8 checked, escapes checked (a lone surrogate is
 * refused), numbers by the grammar. Failure is sticky: nothing is found any more, loops end, and one check at
 * the end suffices. Views point into the body. A name that occurs twice is reported twice: whoever reads
 * decides (items: the last one wins). */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

enum { JSON_DEPTH_MAX = 512 };

enum json_type {
    JSON_NONE, /* nothing more, or not JSON */
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json {
    /* Leave alone. */
    const uint8_t *next;
    const uint8_t *end;
    uint16_t depth;
    bool is_at_start; /* of a container: no comma before the first element */
    bool has_failed;
};

/* A string between its quotes, checked; escapes are still in it. */
struct json_string {
    struct slice raw;
    bool has_escapes;
};

void json_init(struct json *j, struct slice text);

/* The type of the value that comes next, which stays. */
enum json_type json_peek(struct json *j);

/* Each consumes one value of its type; fails when the next is another. */
bool json_string(struct json *j, struct json_string *ret_string);
/* As written. */
bool json_number(struct json *j, struct slice *ret_text);
bool json_bool(struct json *j, bool *ret_value);
bool json_null(struct json *j);

/* Begin, then call next until it is false: that consumed the end (or failed). After next is true, exactly
 * one value is to be consumed. */
bool json_object_begin(struct json *j);
bool json_object_next(struct json *j, struct json_string *ret_name);
bool json_array_begin(struct json *j);
bool json_array_next(struct json *j);

/* Consume one value of any type, checked as strictly. */
bool json_skip(struct json *j);
/* The same, giving its text: to be read later, or passed on. */
bool json_raw(struct json *j, struct slice *ret_text);

/* After json_peek: where that value begins; after a value: where it ended. */
static inline const uint8_t *json_position(const struct json *j)
{
    return j->next;
}

/* Nothing but white space is left, and nothing failed. */
bool json_finish(struct json *j);
static inline bool json_has_failed(const struct json *j)
{
    return j->has_failed;
}

/* ---- strings ---- */

/* The part for strings that have escapes; call the two below instead. */
size_t json_string_unescape(struct slice raw, uint8_t *to);
bool json_string_equals_escaped(struct slice raw, struct slice text);

/* Write the string without escapes; `to` has room for raw.length. Returns the length. */
static inline size_t json_string_copy(struct json_string s, uint8_t *to)
{
    if (s.has_escapes)
        return json_string_unescape(s.raw, to);
    if (s.raw.length > 0)
        memcpy(to, s.raw.data, s.raw.length);
    return s.raw.length;
}

static inline bool json_string_equals(struct json_string s, const char *text)
{
    struct slice wanted = slice_from_string(text);
    return s.has_escapes ? json_string_equals_escaped(s.raw, wanted) : slice_equal(s.raw, wanted);
}

/* A view into the body, or a copy in the arena if there are escapes; data NULL when the arena is spent. The
 * empty string has data that is not NULL. */
struct slice json_string_text(struct json_string s, struct arena *arena);

#include "api/json/json_writer.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/base64.h"
#include "dataplane/item/number.h"

void json_writer_init(struct json_writer *w, struct buffer *to)
{
    *w = (struct json_writer){.to = to};
}

static void put(struct json_writer *w, const char *text, size_t length)
{
    uint8_t *to = buffer_extend(w->to, length);
    if (to != NULL)
        memcpy(to, text, length);
}

static void before_value(struct json_writer *w)
{
    if (w->is_comma_due)
        put(w, ",", 1);
    w->is_comma_due = true;
}

static void begin(struct json_writer *w, const char *bracket)
{
    before_value(w);
    put(w, bracket, 1);
    w->is_comma_due = false;
}

static void end(struct json_writer *w, const char *bracket)
{
    put(w, bracket, 1);
    w->is_comma_due = true;
}

void json_write_object_begin(struct json_writer *w)
{
    begin(w, "{");
}

void json_write_object_end(struct json_writer *w)
{
    end(w, "}");
}

void json_write_array_begin(struct json_writer *w)
{
    begin(w, "[");
}

void json_write_array_end(struct json_writer *w)
{
    end(w, "]");
}

/* ---- strings ---- */

static bool needs_escape(uint8_t c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

static size_t plain_bytes(const uint8_t *p, size_t left)
{
    const uint64_t ones = 0x0101010101010101U, tops = 0x8080808080808080U;
    size_t at = 0;
    for (uint64_t word; left - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, p + at, sizeof(word));
        uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
        uint64_t hits =
            ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);
        if ((hits & tops) != 0)
            break;
    }
    while (at < left && !needs_escape(p[at]))
        at++;
    return at;
}

static void put_escaped(struct json_writer *w, uint8_t c)
{
    static const char SHORT[0x20] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    static const char HEX[] = "0123456789abcdef";
    if (c >= 0x20 || SHORT[c] != 0) {
        char escape[2] = {'\\', c >= 0x20 ? (char)c : SHORT[c]};
        put(w, escape, sizeof(escape));
    } else {
        char escape[6] = {'\\', 'u', '0', '0', HEX[c >> 4], HEX[c & 0xF]};
        put(w, escape, sizeof(escape));
    }
}

static void put_with_escapes(struct json_writer *w, struct slice text)
{
    put(w, "\"", 1);
    for (size_t at = 0; at < text.length;) {
        size_t plain = plain_bytes(text.data + at, text.length - at);
        buffer_append(w->to, slice_make(text.data + at, plain));
        at += plain;
        if (at < text.length)
            put_escaped(w, text.data[at++]);
    }
    put(w, "\"", 1);
}

/* Quotes included; a comma before and a colon behind where the caller says so. */
static void put_string(struct json_writer *w, struct slice text, bool has_comma, bool has_colon)
{
    if (plain_bytes(text.data, text.length) != text.length) {
        if (has_comma)
            put(w, ",", 1);
        put_with_escapes(w, text);
        if (has_colon)
            put(w, ":", 1);
        return;
    }
    uint8_t *to = buffer_extend(w->to, text.length + 2 + has_comma + has_colon);
    if (to == NULL)
        return;
    if (has_comma)
        *to++ = ',';
    *to++ = '"';
    if (text.length > 0)
        memcpy(to, text.data, text.length);
    to[text.length] = '"';
    if (has_colon)
        to[text.length + 1] = ':';
}

void json_write_name_slice(struct json_writer *w, struct slice name)
{
    put_string(w, name, w->is_comma_due, true);
    w->is_comma_due = false;
}

void json_write_name(struct json_writer *w, const char *name)
{
    json_write_name_slice(w, slice_from_string(name));
}

void json_write_string(struct json_writer *w, struct slice text)
{
    put_string(w, text, w->is_comma_due, false);
    w->is_comma_due = true;
}

void json_write_words(struct json_writer *w, const char *text)
{
    size_t start = w->to->length;
    bool is_text = utf8_is_valid(slice_from_string(text));
    json_write_string(w, slice_from_string(text));
    for (size_t at = start; !is_text && at < w->to->length; at++)
        if (w->to->data[at] >= 0x80)
            w->to->data[at] = '?';
}

/* ---- numbers and words ---- */

void json_write_int(struct json_writer *w, int64_t value)
{
    char text[24];
    before_value(w);
    put(w, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}

void json_write_milli(struct json_writer *w, int64_t milli)
{
    char text[32];
    uint64_t magnitude = milli < 0 ? 0 - (uint64_t)milli : (uint64_t)milli;
    int length = snprintf(text, sizeof(text), "%s%" PRIu64 ".%03" PRIu64, milli < 0 ? "-" : "",
                          magnitude / 1000, magnitude % 1000);
    while (text[length - 1] == '0' && text[length - 2] != '.')
        length--;
    before_value(w);
    put(w, text, (size_t)length);
}

void json_write_bool(struct json_writer *w, bool value)
{
    json_write_raw(w, value ? SLICE_LITERAL("true") : SLICE_LITERAL("false"));
}

void json_write_null(struct json_writer *w)
{
    json_write_raw(w, SLICE_LITERAL("null"));
}

void json_write_raw(struct json_writer *w, struct slice json)
{
    before_value(w);
    buffer_append(w->to, json);
}

/* ---- items ---- */

static void put_scalar(struct json_writer *w, uint8_t tag, struct slice body)
{
    if (tag == VALUE_S) {
        put_string(w, body, false, false);
        return;
    }
    put(w, "\"", 1);
    if (tag == VALUE_N)
        number_append_text(body, w->to);
    else
        base64_append(w->to, body);
    put(w, "\"", 1);
}

static void write_set(struct json_writer *w, uint8_t member_tag, struct slice body)
{
    struct reader at;
    struct slice member;
    json_write_array_begin(w);
    reader_init(&at, body);
    while (set_next(&at, &member)) {
        before_value(w);
        put_scalar(w, member_tag, member);
    }
    json_write_array_end(w);
}

static void write_list(struct json_writer *w, struct slice body)
{
    struct reader at;
    struct value_view value;
    json_write_array_begin(w);
    reader_init(&at, body);
    while (list_next(&at, &value))
        json_write_value(w, value);
    json_write_array_end(w);
}

static void write_body(struct json_writer *w, struct value_view value)
{
    switch (value.tag) {
    case VALUE_S:
    case VALUE_N:
    case VALUE_B:
        before_value(w);
        put_scalar(w, value.tag, value.body);
        break;
    case VALUE_SS:
    case VALUE_NS:
    case VALUE_BS:
        write_set(w, value_set_member_tag(value.tag), value.body);
        break;
    case VALUE_M:
        json_write_item(w, value.body);
        break;
    case VALUE_L:
        write_list(w, value.body);
        break;
    case VALUE_BOOL:
        json_write_bool(w, value.body.length == 1 && value.body.data[0] == 1);
        break;
    default:
        json_write_bool(w, true); /* NULL */
        break;
    }
}

/* {"S": and so on, in one piece. */
static void put_opening(struct json_writer *w, uint8_t tag)
{
    static const char *const OPENINGS[] = {
        "{\"?\":",  "{\"S\":", "{\"N\":", "{\"B\":",    "{\"SS\":",  "{\"NS\":",
        "{\"BS\":", "{\"M\":", "{\"L\":", "{\"NULL\":", "{\"BOOL\":"};
    const char *text = OPENINGS[tag <= VALUE_BOOL ? tag : 0];
    before_value(w);
    put(w, text, strlen(text));
    w->is_comma_due = false;
}

void json_write_value(struct json_writer *w, struct value_view value)
{
    /* Deeper than any item: bytes that nobody has checked. */
    if (w->level > VALUE_LEVELS_MAX) {
        json_write_null(w);
        return;
    }
    w->level++;
    put_opening(w, value.tag);
    write_body(w, value);
    json_write_object_end(w);
    w->level--;
}

void json_write_item(struct json_writer *w, struct slice item)
{
    struct reader at;
    struct attribute_view attribute;
    json_write_object_begin(w);
    item_iterate(item, &at);
    while (item_next(&at, &attribute)) {
        json_write_name_slice(w, attribute.name);
        json_write_value(w, attribute.value);
    }
    json_write_object_end(w);
}

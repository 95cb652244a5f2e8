/* Items as short text, for tests, both ways:
 *
 *     {pk:'k', n:-1.5, ok:true, none:null, bin:b'xy', list:[1,'a'], map:{x:1}, tags:<'a','b'>, nums:<1,2>}
 *
 * Names are bare; `<...>` is a set. Text that cannot be read fails the test. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ctype.h>

#include "base/arena.h"
#include "dataplane/item/item_builder.h"
#include "dataplane/item/number.h"

static inline struct slice text_until(const char **at, const char *stops)
{
    size_t length = strcspn(*at, stops);
    struct slice text = slice_make(*at, length);
    *at += length;
    return text;
}

static inline void text_skip(const char **at)
{
    while (isspace((unsigned char)**at) || **at == ',')
        ++*at;
}

static inline void text_read(const char **at, struct item_builder *b);

static inline void text_read_quoted(const char **at, struct item_builder *b, enum value_tag tag,
                                    bool is_member)
{
    ++*at;
    struct slice body = text_until(at, "'");
    assert_int_equal(**at, '\'');
    ++*at;
    if (is_member)
        item_builder_member(b, body);
    else
        item_builder_scalar(b, tag, body);
}

static inline void text_read_number(const char **at, struct item_builder *b, bool is_member)
{
    struct number n;
    struct slice digits = text_until(at, ", ]}>");
    assert_int_equal(number_parse(digits, &n), NUMBER_OK);
    if (is_member)
        item_builder_member(b, number_view(&n));
    else
        item_builder_number(b, &n);
}

static inline void text_read_container(const char **at, struct item_builder *b, enum value_tag tag, char end)
{
    ++*at;
    item_builder_begin(b, tag);
    for (text_skip(at); **at != end; text_skip(at)) {
        assert_int_not_equal(**at, '\0');
        if (tag == VALUE_M) {
            item_builder_name(b, text_until(at, ":"));
            ++*at;
        }
        if (tag == VALUE_M || tag == VALUE_L)
            text_read(at, b);
        else if (tag == VALUE_NS)
            text_read_number(at, b, true);
        else {
            *at += tag == VALUE_BS;
            text_read_quoted(at, b, VALUE_S, true);
        }
    }
    ++*at;
    item_builder_end(b);
}

static inline void text_read(const char **at, struct item_builder *b)
{
    text_skip(at);
    if (**at == '{')
        text_read_container(at, b, VALUE_M, '}');
    else if (**at == '[')
        text_read_container(at, b, VALUE_L, ']');
    else if (**at == '<')
        text_read_container(at, b, (*at)[1] == '\'' ? VALUE_SS : (*at)[1] == 'b' ? VALUE_BS : VALUE_NS, '>');
    else if (**at == '\'')
        text_read_quoted(at, b, VALUE_S, false);
    else if (**at == 'b')
        ++*at, text_read_quoted(at, b, VALUE_B, false);
    else if (**at == 't' || **at == 'f')
        item_builder_bool(b, text_until(at, ",]} ").length == 4);
    else if (**at == 'n')
        (void)text_until(at, ",]} "), item_builder_scalar(b, VALUE_NULL, SLICE_EMPTY);
    else
        text_read_number(at, b, false);
}

/* An item from `{...}`, or one encoded value from anything else; `is_value` true makes a map a value too. */
static inline struct slice document_read(const char *text, bool is_value, struct arena *arena)
{
    struct item_builder b;
    struct value_view value = {0};
    item_builder_init(&b, ITEM_ENCODED_BYTES_MAX);
    text_read(&text, &b);
    assert_int_equal(*text, '\0');
    assert_false(item_builder_has_failed(&b));
    struct slice bytes = arena_copy(arena, item_builder_view(&b));
    item_builder_deinit(&b);
    if (is_value && !value_decode(bytes, &value)) {
        struct buffer wrapped; /* a root M comes without tag and length */
        buffer_init(&wrapped, ITEM_ENCODED_BYTES_MAX);
        value_append((struct value_view){VALUE_M, bytes}, &wrapped);
        bytes = arena_copy(arena, buffer_view(&wrapped));
        buffer_deinit(&wrapped);
    }
    return bytes;
}

static inline void text_write(struct value_view value, struct buffer *to);

static inline void text_write_set(struct value_view value, struct buffer *to)
{
    struct reader at;
    struct slice member;
    const char *separator = "";
    buffer_append_string(to, "<");
    reader_init(&at, value.body);
    while (set_next(&at, &member)) {
        buffer_append_string(to, separator);
        text_write((struct value_view){value_set_member_tag(value.tag), member}, to);
        separator = ",";
    }
    buffer_append_string(to, ">");
}

static inline void text_write_map(struct slice body, struct buffer *to)
{
    struct reader at;
    struct attribute_view attribute;
    const char *separator = "";
    buffer_append_string(to, "{");
    reader_init(&at, body);
    while (item_next(&at, &attribute)) {
        buffer_append_string(to, separator);
        buffer_append(to, attribute.name);
        buffer_append_string(to, ":");
        text_write(attribute.value, to);
        separator = ",";
    }
    buffer_append_string(to, "}");
}

static inline void text_write_list(struct slice body, struct buffer *to)
{
    struct reader at;
    struct value_view value;
    const char *separator = "";
    buffer_append_string(to, "[");
    reader_init(&at, body);
    while (list_next(&at, &value)) {
        buffer_append_string(to, separator);
        text_write(value, to);
        separator = ",";
    }
    buffer_append_string(to, "]");
}

static inline void text_write(struct value_view value, struct buffer *to)
{
    if (value.tag == VALUE_M)
        text_write_map(value.body, to);
    else if (value.tag == VALUE_L)
        text_write_list(value.body, to);
    else if (value_is_set(value.tag))
        text_write_set(value, to);
    else if (value.tag == VALUE_N)
        number_append_text(value.body, to);
    else if (value.tag == VALUE_NULL)
        buffer_append_string(to, "null");
    else if (value.tag == VALUE_BOOL)
        buffer_append_string(to, value.body.data[0] ? "true" : "false");
    else
        buffer_append_format(to, "%s'%.*s'", value.tag == VALUE_B ? "b" : "", SLICE_PRINTF(value.body));
}

/* The text of an item, NUL-terminated, in the arena. Fails the test when the bytes are not canonical. */
static inline const char *document_write(struct slice item, struct arena *arena)
{
    struct buffer text;
    assert_int_equal(item_check(item), ERR_OK);
    buffer_init(&text, 1 << 22);
    text_write((struct value_view){VALUE_M, item}, &text);
    const char *result = arena_string(arena, buffer_view(&text));
    buffer_deinit(&text);
    return result;
}

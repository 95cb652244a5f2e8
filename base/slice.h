/* Bytes that someone else owns: a pointer and a length. NUL-terminated strings exist only where libpq,
 * libuv and the kernel want them. A slice of length 0 may have a NULL pointer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
    const uint8_t *data;
    size_t length;
};

#define SLICE_EMPTY ((struct slice){NULL, 0})
/* A string literal, without its NUL. */
#define SLICE_LITERAL(text) ((struct slice){(const uint8_t *)(text), sizeof(text) - 1})
/* For printf's %.*s. */
#define SLICE_PRINTF(s) (int)(s).length, (const char *)(s).data

static inline struct slice slice_make(const void *data, size_t length)
{
    return (struct slice){(const uint8_t *)data, length};
}

static inline struct slice slice_from_string(const char *text)
{
    return slice_make(text, strlen(text));
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool slice_equal_string(struct slice a, const char *text)
{
    return slice_equal(a, slice_from_string(text));
}

/* Bytewise, shorter first on a common prefix; <0, 0, >0. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.length < b.length ? -1 : a.length > b.length;
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.length >= prefix.length &&
           (prefix.length == 0 || memcmp(s.data, prefix.data, prefix.length) == 0);
}

/* As slice_equal_string, for words of ASCII in any case. */
static inline bool slice_is_word(struct slice s, const char *word)
{
    return s.length == strlen(word) &&
           (s.length == 0 || strncasecmp((const char *)s.data, word, s.length) == 0);
}

/* At most `bytes` of a text in UTF-8, not ending within a character. */
static inline struct slice slice_cut_text(struct slice text, size_t bytes)
{
    if (text.length <= bytes)
        return text;
    while (bytes > 0 && (text.data[bytes] & 0xC0) == 0x80)
        bytes--;
    return slice_make(text.data, bytes);
}

/* The part from `from` on; `from` beyond the end gives the empty slice. */
static inline struct slice slice_from(struct slice s, size_t from)
{
    if (from >= s.length)
        return SLICE_EMPTY;
    return slice_make(s.data + from, s.length - from);
}

/* What is before the next separator; the rest behind it stays in `s`. Without one all of it, and nothing stays. */
static inline struct slice slice_split(struct slice *s, uint8_t separator)
{
    const uint8_t *at = s->length > 0 ? memchr(s->data, separator, s->length) : NULL;
    struct slice part = *s;
    if (at != NULL)
        part.length = (size_t)(at - s->data);
    *s = slice_from(*s, part.length + 1);
    return part;
}

/* Without the blanks and tabs at both ends. */
static inline struct slice slice_trim(struct slice s)
{
    while (s.length > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_from(s, 1);
    while (s.length > 0 && (s.data[s.length - 1] == ' ' || s.data[s.length - 1] == '\t'))
        s.length--;
    return s;
}

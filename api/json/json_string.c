/* Strings: finding their end eight bytes at a time, and taking escapes out. */
#include "api/json/json_internal.h"

#include "base/assert.h"
#include "dataplane/item/item.h"

STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte of a word is its lowest");

#define EACH_BYTE(value) (0x0101010101010101U * (uint64_t)(value))

/* Nonzero where a byte is below `limit` (limit <= 0x80); bytes >= 0x80 are not flagged. */
static inline uint64_t bytes_below(uint64_t word, unsigned limit)
{
    return (word - EACH_BYTE(limit)) & ~word & EACH_BYTE(0x80);
}

static inline uint64_t bytes_equal(uint64_t word, uint8_t byte)
{
    return bytes_below(word ^ EACH_BYTE(byte), 1);
}

/* How many bytes from here need no attention; high gathers the bits of all of them. */
static size_t plain_bytes(const uint8_t *p, size_t left, uint64_t *high)
{
    size_t at = 0;
    uint64_t word;
    for (; left - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, p + at, sizeof(word));
        uint64_t hits = bytes_below(word, 0x20) | bytes_equal(word, '"') | bytes_equal(word, '\\');
        if (hits != 0) {
            /* Borrows only travel up, so the lowest flag is a true one. */
            unsigned bits = (unsigned)__builtin_ctzll(hits) & ~7U;
            *high |= word & (((uint64_t)1 << bits) - 1);
            return at + bits / 8;
        }
        *high |= word;
    }
    for (; at < left && p[at] >= 0x20 && p[at] != '"' && p[at] != '\\'; at++)
        *high |= p[at];
    return at;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at p, or -1. */
static int32_t hex_unit(const uint8_t *p)
{
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Decode the \u escape at p (which has `left` bytes, backslash first). Returns its length, 6 or 12, or 0 when
 * it is malformed or a surrogate without its other half. */
static size_t unicode_escape(const uint8_t *p, size_t left, uint32_t *ret_code_point)
{
    int32_t high = left >= 6 ? hex_unit(p + 2) : -1;
    if (high < 0 || (high >= 0xDC00 && high <= 0xDFFF))
        return 0;
    if (high < 0xD800 || high > 0xDBFF) {
        *ret_code_point = (uint32_t)high;
        return 6;
    }
    if (left < 12 || p[6] != '\\' || p[7] != 'u')
        return 0;
    int32_t low = hex_unit(p + 8);
    if (low < 0xDC00 || low > 0xDFFF)
        return 0;
    *ret_code_point = 0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
    return 12;
}

/* The byte that a short escape stands for, or 0. */
static uint8_t short_escape(uint8_t c)
{
    static const uint8_t MEANING[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                         ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    return MEANING[c];
}

/* The length of the escape at p, 0 when it is none. */
static size_t escape_length(const uint8_t *p, size_t left)
{
    uint32_t code_point;
    if (left < 2)
        return 0;
    if (p[1] == 'u')
        return unicode_escape(p, left, &code_point);
    return short_escape(p[1]) != 0 ? 2 : 0;
}

size_t json_string_scan(struct slice text, struct json_string *ret_string)
{
    uint64_t high = 0;
    size_t at = 0;
    bool has_escapes = false;
    for (;;) {
        at += plain_bytes(text.data + at, text.length - at, &high);
        if (at == text.length)
            return 0;
        if (text.data[at] == '"')
            break;
        size_t length = text.data[at] == '\\' ? escape_length(text.data + at, text.length - at) : 0;
        if (length == 0)
            return 0;
        has_escapes = true;
        at += length;
    }
    struct slice raw = slice_make(text.data, at);
    if ((high & EACH_BYTE(0x80)) != 0 && !utf8_is_valid(raw))
        return 0;
    ret_string->raw = raw;
    ret_string->has_escapes = has_escapes;
    return at + 1;
}

static size_t put_utf8(uint32_t c, uint8_t *to)
{
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; c >>= 6)
        to[i] = (uint8_t)(0x80 | (c & 0x3F));
    to[0] = (uint8_t)(c | (length == 2 ? 0xC0 : length == 3 ? 0xE0 : 0xF0));
    return length;
}

size_t json_string_unescape(struct slice raw, uint8_t *to)
{
    size_t length = 0;
    for (size_t at = 0; at < raw.length;) {
        const uint8_t *p = raw.data + at;
        uint32_t code_point = 0;
        if (*p != '\\') {
            to[length++] = *p;
            at++;
        } else if (p[1] == 'u') {
            at += unicode_escape(p, raw.length - at, &code_point);
            length += put_utf8(code_point, to + length);
        } else {
            to[length++] = short_escape(p[1]);
            at += 2;
        }
    }
    return length;
}

bool json_string_equals_escaped(struct slice raw, struct slice text)
{
    /* Names in requests are short; an escaped one is at most six times as long. */
    uint8_t copy[384];
    if (raw.length > sizeof(copy))
        return false;
    return slice_equal(slice_make(copy, json_string_unescape(raw, copy)), text);
}

struct slice json_string_text(struct json_string s, struct arena *arena)
{
    if (!s.has_escapes)
        return s.raw;
    uint8_t *to = arena_alloc(arena, s.raw.length);
    if (to == NULL)
        return SLICE_EMPTY;
    return slice_make(to, json_string_copy(s, to));
}

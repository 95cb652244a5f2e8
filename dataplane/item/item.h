/* Items and values as bytes: one canonical flat encoding (docs/formats/item.md).
 *
 *     item   = attribute*                  sorted by name, bytewise, names unique and not longer than 65,535
 *     attribute = varint name bytes | name | value
 *     value  = tag(1) | varint body bytes | body
 *
 * | tag | body |
 * | S, B | the bytes (S: UTF-8) |      | SS, NS, BS | (varint bytes | bytes)*, sorted, unique, not empty |
 * | N | a normal form (number.h) |     | M | as an item |  L | value* |
 * | BOOL | 0 or 1 |                    | NULL | nothing |
 *
 * Equal values have equal bytes. Views point into the item's bytes and live as long as those do.
 *
 * Everything here is safe on arbitrary bytes: it never reads outside them, at worst it finds less. Only
 * item_check tells whether bytes are canonical; run it once where bytes enter a process. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/reader.h"

enum value_tag {
    VALUE_S = 1,
    VALUE_N = 2,
    VALUE_B = 3,
    VALUE_SS = 4,
    VALUE_NS = 5,
    VALUE_BS = 6,
    VALUE_M = 7,
    VALUE_L = 8,
    VALUE_NULL = 9,
    VALUE_BOOL = 10,
};

enum {
    ITEM_BYTES_MAX = 400 * 1024,      /* in item_size_bytes, not in encoded bytes */
    ITEM_ENCODED_BYTES_MAX = 1 << 20, /* more than any item within ITEM_BYTES_MAX can take (item.md) */
    ATTRIBUTE_NAME_BYTES_MAX = 65535,
    KEY_ATTRIBUTE_NAME_BYTES_MAX = 255,
    VALUE_LEVELS_MAX = 32, /* a top-level attribute's value is at level 1 */
};

struct value_view {
    uint8_t tag; /* enum value_tag; anything on unchecked bytes */
    struct slice body;
};

struct attribute_view {
    struct slice name;
    struct value_view value;
};

/* "S", "NS", "BOOL"...; "?" for a tag that is none. */
const char *value_tag_name(uint8_t tag);
/* 0 when it names no tag. */
uint8_t value_tag_from_name(struct slice name);

static inline bool value_is_set(uint8_t tag)
{
    return tag == VALUE_SS || tag == VALUE_NS || tag == VALUE_BS;
}

/* S, N, B: the types that have an order and may be keys. */
static inline bool value_is_scalar_key(uint8_t tag)
{
    return tag == VALUE_S || tag == VALUE_N || tag == VALUE_B;
}

/* The member type of a set (SS: S), or 0. */
static inline uint8_t value_set_member_tag(uint8_t tag)
{
    return value_is_set(tag) ? (uint8_t)(tag - VALUE_SS + VALUE_S) : 0;
}

static inline bool value_equal(struct value_view a, struct value_view b)
{
    return a.tag == b.tag && slice_equal(a.body, b.body);
}

/* Order two values for <, <=, BETWEEN. False, and nothing set, when they have none: types differ or are
 * not S, N or B. ret_order is <0, 0, >0. */
bool value_compare(struct value_view a, struct value_view b, int *ret_order);

/* ---- walking ---- */

/* An item's (or an M body's) attributes in order of name:
 *     struct reader at; item_iterate(item, &at); while (item_next(&at, &attribute)) ...
 * ends early on damage, with reader_has_failed(&at). */
static inline void item_iterate(struct slice item, struct reader *at)
{
    reader_init(at, item);
}
bool item_next(struct reader *at, struct attribute_view *ret_attribute);
/* An L body's elements. */
bool list_next(struct reader *at, struct value_view *ret_value);
/* A set body's members: bytes as in S, N (normal form), B. */
bool set_next(struct reader *at, struct slice *ret_member);

size_t item_count(struct slice item);
size_t list_count(struct slice body);
size_t set_count(struct slice body);

/* False when there is none, ret_value untouched. */
bool item_find(struct slice item, struct slice name, struct value_view *ret_value);
bool list_at(struct slice body, size_t index, struct value_view *ret_value);
bool set_contains(struct slice body, struct slice member);
/* Whether every member of `part` is one of `whole`. */
bool set_contains_all(struct slice whole, struct slice part);

/* One step of a document path: a name in an M, or an index in an L. */
struct path_step {
    bool is_index;
    uint32_t index;
    struct slice name;
};

/* Follow a path; the first step is a top-level name. False when a step does not exist or does not fit. */
bool item_walk(struct slice item, const struct path_step *steps, size_t count, struct value_view *ret_value);

/* Read exactly one encoded value (tag, length, body). False when the bytes are not that. */
bool value_decode(struct slice bytes, struct value_view *ret_value);
void value_append(struct value_view value, struct buffer *to);

/* ---- checking ---- */

/* Whether untrusted bytes are one canonical item: names sorted and unique, at least one byte long, S in
 * UTF-8, numbers in normal form, sets sorted and not empty, at most VALUE_LEVELS_MAX levels, nothing left.
 * ERR_CORRUPT  they are not. */
enum err item_check(struct slice item) MUST_CHECK;
/* The same for one encoded value. */
enum err value_check(struct slice bytes) MUST_CHECK;
/* Whether bytes are well-formed UTF-8 (no surrogates, no overlong forms, up to U+10FFFF). */
bool utf8_is_valid(struct slice bytes);

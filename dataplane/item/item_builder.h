/* Builds canonical item bytes from attributes in any order.
 *
 *     item_builder_begin(&b, VALUE_M);                       the root: an item, without tag and length
 *     item_builder_name(&b, name); item_builder_scalar(&b, VALUE_S, text);
 *     item_builder_name(&b, name); item_builder_begin(&b, VALUE_L); ... item_builder_end(&b);
 *     item_builder_end(&b);
 *     if (item_builder_has_failed(&b)) ...                   checked once, at the end
 *     struct slice item = item_builder_view(&b);
 *
 * The root may also be any other value; then the result is one encoded value (value_decode reads it).
 * Names and set members are sorted at `end`. A name given twice: the last one wins. A set member given
 * twice is dropped; `end` says how many were. Failure is sticky: no memory, over the cap, or over
 * VALUE_LEVELS_MAX levels. No allocation per attribute: the memory of a cleared builder is used again. */
#pragma once

#include "dataplane/item/item.h"

struct number;

struct item_builder_frame {
    /* Leave alone. */
    uint8_t tag;
    bool is_sorted;
    uint32_t start; /* of the tag byte, or of the root's first byte */
    uint32_t body;
    uint32_t entry; /* index of its first entry */
    uint32_t count; /* of an L's elements */
};

struct item_builder {
    /* Leave alone. */
    struct buffer bytes;
    struct buffer entries;
    struct buffer scratch;
    uint32_t depth;
    bool has_failed;
    bool is_too_deep;
    bool is_over;
    bool has_name;     /* an M's next value has its name */
    uint8_t width;     /* of the varint before what is reserved */
    uint32_t reserved; /* where that varint starts */
    struct item_builder_frame frames[VALUE_LEVELS_MAX + 1];
};

/* Takes no memory yet. bytes_max: the largest encoding, ITEM_ENCODED_BYTES_MAX for an item; below 4 GiB. */
void item_builder_init(struct item_builder *b, size_t bytes_max);
void item_builder_deinit(struct item_builder *b);
/* Forget what was built, keep the memory. */
void item_builder_clear(struct item_builder *b);

/* The name of the next value; only directly inside an M. Names are copied. */
void item_builder_name(struct item_builder *b, struct slice name);
/* S, N (normal form), B, BOOL (one byte), NULL (nothing). */
void item_builder_scalar(struct item_builder *b, enum value_tag tag, struct slice body);
void item_builder_number(struct item_builder *b, const struct number *n);
void item_builder_bool(struct item_builder *b, bool value);
/* Copy any value, canonical already. */
void item_builder_value(struct item_builder *b, struct value_view value);
/* name, then value. */
void item_builder_attribute(struct item_builder *b, struct slice name, struct value_view value);

/* Room for a scalar of at most `bytes_max` that the caller writes itself: S, N, B, or a set's member (tag
 * of the member). NULL on failure. Then item_builder_commit with the true length, before anything else. */
uint8_t *item_builder_reserve(struct item_builder *b, enum value_tag tag, size_t bytes_max);
void item_builder_commit(struct item_builder *b, size_t bytes);
/* The same for a name. */
uint8_t *item_builder_reserve_name(struct item_builder *b, size_t bytes_max);
void item_builder_commit_name(struct item_builder *b, size_t bytes);

/* Open an M, L, SS, NS or BS; everything until the matching end is inside. */
void item_builder_begin(struct item_builder *b, enum value_tag tag);
void item_builder_member(struct item_builder *b, struct slice member);
/* Returns how many duplicates were dropped. */
size_t item_builder_end(struct item_builder *b);

/* Members or attributes or elements so far in the open container. */
size_t item_builder_count(const struct item_builder *b);

bool item_builder_has_failed(const struct item_builder *b);
/* It failed because of VALUE_LEVELS_MAX. */
bool item_builder_is_too_deep(const struct item_builder *b);
/* It failed because of bytes_max. */
bool item_builder_is_over(const struct item_builder *b);
/* The finished bytes, valid until the next call on the builder. Asserts that all is closed. */
struct slice item_builder_view(const struct item_builder *b);

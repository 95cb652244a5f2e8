/* Keys of rows in the store, and key schemas (docs/formats/key.md).
 *
 *     space_id(8 BE) | hash(8 BE) | partition key | index_no(2 BE) [| sort key] [| base key]
 *
 * The hash is XXH3-64 over the encoded partition key, so that a space spreads evenly over its 64-bit range
 * while the rows of one partition key stay together, in the order of their sort keys. Components are
 * order-preserving and self-delimiting: N is a normal form as it is; in S and B each 0x00 becomes 0x00 0xFF
 * and 0x00 0x01 ends the component. index_no 0 are the table's own rows. */
#pragma once

#include "dataplane/item/item.h"

struct item_builder;

enum {
    KEY_PREFIX_BYTES = 16, /* space and hash: what partition boundaries are made of */
    PARTITION_KEY_BYTES_MAX = 2048,
    SORT_KEY_BYTES_MAX = 1024,
    /* Twice the components when all bytes are escaped, ends, numbers and the fixed parts. */
    KEY_BYTES_MAX = KEY_PREFIX_BYTES + 2 * PARTITION_KEY_BYTES_MAX + 2 + 2 + 2 * SORT_KEY_BYTES_MAX + 2,
};

struct key_attribute {
    struct slice name; /* a view: of the encoded schema, or of whatever the maker says */
    uint8_t type;      /* VALUE_S, VALUE_N or VALUE_B */
};

/* A plain value; copy it freely as long as the names' bytes live. */
struct key_schema {
    uint64_t version; /* grows with each change of the table's description */
    struct key_attribute partition;
    bool has_sort;
    struct key_attribute sort; /* only if has_sort */
};

/* What is wrong with a tenant's key; the api layer has the words. */
enum key_status {
    KEY_OK,
    KEY_MISSING,            /* no such attribute */
    KEY_WRONG_TYPE,         /* fault.actual instead of fault.expected */
    KEY_EMPTY,              /* an empty string or binary */
    KEY_PARTITION_TOO_LONG, /* > PARTITION_KEY_BYTES_MAX */
    KEY_SORT_TOO_LONG,      /* > SORT_KEY_BYTES_MAX */
    KEY_EXTRA,              /* more attributes than the key has (KEY_FROM_KEY only) */
};

struct key_fault {
    struct slice name; /* the schema's attribute; for KEY_EXTRA empty */
    uint8_t expected;
    uint8_t actual;
};

/* Whether the bytes are a whole item (Put) or a key by itself, which has the key attributes and no others. */
enum key_source { KEY_FROM_ITEM, KEY_FROM_KEY };

/* Append the table row's key of an item. On a status other than KEY_OK nothing is appended and ret_fault
 * (may be NULL) says about which attribute. No memory shows in the buffer. */
enum key_status key_encode(const struct key_schema *schema, uint64_t space_id, struct slice item,
                           enum key_source source, struct buffer *to, struct key_fault *ret_fault) MUST_CHECK;

/* A key's parts, as views into it. Components are still encoded. */
struct key_parts {
    uint64_t space_id;
    uint64_t hash;
    struct slice partition;
    uint16_t index_no;
    struct slice sort; /* empty without one */
};

/* ERR_CORRUPT  the bytes are not a key of a table row under this schema, or the hash is not the key's. */
enum err key_split(const struct key_schema *schema, struct slice key, struct key_parts *ret_parts) MUST_CHECK;
/* The key attributes as an item: a complete root M is built in `to`, which must be clear.
 * ERR_CORRUPT  as key_split. ERR_NO_MEMORY  the builder failed. */
enum err key_decode(const struct key_schema *schema, struct slice key, struct item_builder *to) MUST_CHECK;

/* Space and hash of any key; 0 where the bytes are too short. */
uint64_t key_space_id(struct slice key);
uint64_t key_hash(struct slice key);

/* ---- components, for whoever builds ranges ---- */

/* value: S, N (normal form) or B body. */
void key_component_append(uint8_t type, struct slice value, struct buffer *to);
/* Without its end: the common start of all components that begin with `value` (begins_with; S and B). */
void key_component_append_prefix(struct slice value, struct buffer *to);
/* The encoded length of the component at the start of untrusted bytes, 0 when there is none. */
size_t key_component_length(uint8_t type, struct slice bytes);
/* Append the decoded bytes of exactly one component.
 * ERR_CORRUPT  it is not one. */
enum err key_component_decode(uint8_t type, struct slice component, struct buffer *to) MUST_CHECK;
/* space | hash | partition | index_no: the start of all rows of one partition key. */
void key_append_collection(uint64_t space_id, uint8_t type, struct slice value, uint16_t index_no,
                           struct buffer *to);

/* ---- partitions of a space ---- */

/* A boundary of ranges of keys; compare with slice_compare. */
struct key_bound {
    uint8_t length;
    uint8_t bytes[KEY_PREFIX_BYTES];
};

/* The `index`-th of `count` equal ranges of a space: start inclusive, end exclusive. The first start and the
 * last end are the space's own. Asserts index < count and space_id < UINT64_MAX. */
void key_range(uint64_t space_id, uint32_t index, uint32_t count, struct key_bound *ret_start,
               struct key_bound *ret_end);

static inline struct slice key_bound_view(const struct key_bound *b)
{
    return slice_make(b->bytes, b->length);
}

/* start <= key < end; an empty end is no end. */
bool key_is_within(struct slice key, struct slice start, struct slice end);

/* ---- schemas as bytes ---- */

/* Goes into SCHEMA log entries and bundles; later features add sections (key.md). */
void key_schema_encode(const struct key_schema *schema, struct buffer *to);
/* Names are views into `bytes`.
 * ERR_CORRUPT  not a schema, or one that needs a newer reader. */
enum err key_schema_decode(struct slice bytes, struct key_schema *ret_schema) MUST_CHECK;

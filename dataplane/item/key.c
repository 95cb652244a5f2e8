#include "dataplane/item/key.h"

#include <xxhash.h>

#include "base/assert.h"
#include "dataplane/item/item_builder.h"
#include "dataplane/item/number.h"

enum { COMPONENT_ESCAPED = 0xFF, COMPONENT_END = 0x01 };

/* ---- components ---- */

void key_component_append_prefix(struct slice value, struct buffer *to)
{
    size_t from = 0;
    while (from < value.length) {
        const uint8_t *start = value.data + from;
        const uint8_t *zero = memchr(start, 0, value.length - from);
        size_t bytes = zero == NULL ? value.length - from : (size_t)(zero - start) + 1;
        buffer_append(to, slice_make(start, bytes));
        if (zero != NULL)
            buffer_append_u8(to, COMPONENT_ESCAPED);
        from += bytes;
    }
}

void key_component_append(uint8_t type, struct slice value, struct buffer *to)
{
    if (type == VALUE_N) {
        buffer_append(to, value);
        return;
    }
    key_component_append_prefix(value, to);
    buffer_append_u8(to, 0);
    buffer_append_u8(to, COMPONENT_END);
}

size_t key_component_length(uint8_t type, struct slice bytes)
{
    if (type == VALUE_N)
        return number_length(bytes);
    for (size_t at = 0; at + 1 < bytes.length;) {
        const uint8_t *zero = memchr(bytes.data + at, 0, bytes.length - at - 1);
        if (zero == NULL)
            return 0;
        at = (size_t)(zero - bytes.data) + 2;
        if (zero[1] == COMPONENT_END)
            return at;
        if (zero[1] != COMPONENT_ESCAPED)
            return 0;
    }
    return 0;
}

enum err key_component_decode(uint8_t type, struct slice component, struct buffer *to)
{
    if (component.length == 0 || key_component_length(type, component) != component.length)
        return ERR_CORRUPT;
    if (type == VALUE_N) {
        buffer_append(to, component);
        return ERR_OK;
    }
    for (size_t from = 0; from < component.length - 2;) {
        const uint8_t *start = component.data + from;
        const uint8_t *zero = memchr(start, 0, component.length - 2 - from);
        size_t bytes = zero == NULL ? component.length - 2 - from : (size_t)(zero - start) + 1;
        buffer_append(to, slice_make(start, bytes));
        from += bytes + (zero != NULL);
    }
    return ERR_OK;
}

void key_append_collection(uint64_t space_id, uint8_t type, struct slice value, uint16_t index_no,
                           struct buffer *to)
{
    buffer_append_u64_be(to, space_id);
    size_t hash_at = to->length;
    buffer_append_u64_be(to, 0);
    size_t partition_at = to->length;
    key_component_append(type, value, to);
    if (buffer_has_failed(to))
        return;
    uint64_t hash = XXH3_64bits(to->data + partition_at, to->length - partition_at);
    for (size_t i = 0; i < sizeof(hash); i++)
        to->data[hash_at + i] = (uint8_t)(hash >> (8 * (sizeof(hash) - 1 - i)));
    buffer_append_u16_be(to, index_no);
}

/* ---- from items ---- */

static enum key_status fault(enum key_status status, const struct key_attribute *attribute, uint8_t actual,
                             struct key_fault *ret_fault)
{
    if (ret_fault != NULL)
        *ret_fault = (struct key_fault){attribute->name, attribute->type, actual};
    return status;
}

static enum key_status find_value(const struct key_attribute *attribute, struct slice item,
                                  struct slice *ret_value, struct key_fault *ret_fault)
{
    struct value_view value;
    if (!item_find(item, attribute->name, &value))
        return fault(KEY_MISSING, attribute, 0, ret_fault);
    if (value.tag != attribute->type)
        return fault(KEY_WRONG_TYPE, attribute, value.tag, ret_fault);
    *ret_value = value.body;
    return KEY_OK;
}

static enum key_status check_value(const struct key_attribute *attribute, struct slice value,
                                   size_t bytes_max, enum key_status too_long, struct key_fault *ret_fault)
{
    if (value.length == 0)
        return fault(KEY_EMPTY, attribute, attribute->type, ret_fault);
    if (value.length > bytes_max)
        return fault(too_long, attribute, attribute->type, ret_fault);
    return KEY_OK;
}

#define TRY_KEY(call)                        \
    do {                                     \
        enum key_status try_status = (call); \
        if (try_status != KEY_OK)            \
            return try_status;               \
    } while (0)

enum key_status key_encode(const struct key_schema *schema, uint64_t space_id, struct slice item,
                           enum key_source source, struct buffer *to, struct key_fault *ret_fault)
{
    struct slice partition, sort = SLICE_EMPTY;
    TRY_KEY(find_value(&schema->partition, item, &partition, ret_fault));
    if (schema->has_sort)
        TRY_KEY(find_value(&schema->sort, item, &sort, ret_fault));
    if (source == KEY_FROM_KEY && item_count(item) != (schema->has_sort ? 2U : 1U))
        return fault(KEY_EXTRA, &(struct key_attribute){SLICE_EMPTY, 0}, 0, ret_fault);
    TRY_KEY(check_value(&schema->partition, partition, PARTITION_KEY_BYTES_MAX, KEY_PARTITION_TOO_LONG,
                        ret_fault));
    if (schema->has_sort)
        TRY_KEY(check_value(&schema->sort, sort, SORT_KEY_BYTES_MAX, KEY_SORT_TOO_LONG, ret_fault));
    key_append_collection(space_id, schema->partition.type, partition, 0, to);
    if (schema->has_sort)
        key_component_append(schema->sort.type, sort, to);
    return KEY_OK;
}

/* ---- back again ---- */

uint64_t key_space_id(struct slice key)
{
    struct reader r;
    reader_init(&r, key);
    return reader_u64_be(&r);
}

uint64_t key_hash(struct slice key)
{
    struct reader r;
    reader_init(&r, slice_from(key, 8));
    return reader_u64_be(&r);
}

static struct slice take_component(struct reader *r, uint8_t type)
{
    size_t length = key_component_length(type, slice_make(r->next, reader_left(r)));
    if (length == 0)
        r->has_failed = true;
    return reader_bytes(r, length);
}

enum err key_split(const struct key_schema *schema, struct slice key, struct key_parts *ret_parts)
{
    struct key_parts parts;
    struct reader r;
    memset(&parts, 0, sizeof(parts));
    reader_init(&r, key);
    parts.space_id = reader_u64_be(&r);
    parts.hash = reader_u64_be(&r);
    parts.partition = take_component(&r, schema->partition.type);
    parts.index_no = reader_u16_be(&r);
    if (schema->has_sort)
        parts.sort = take_component(&r, schema->sort.type);
    if (!reader_is_done(&r) || parts.index_no != 0)
        return ERR_CORRUPT;
    if (XXH3_64bits(parts.partition.data, parts.partition.length) != parts.hash)
        return ERR_CORRUPT;
    *ret_parts = parts;
    return ERR_OK;
}

/* The decoded bytes are never longer than the encoded ones. */
static void add_attribute(const struct key_attribute *attribute, struct slice component,
                          struct item_builder *to)
{
    item_builder_name(to, attribute->name);
    uint8_t *room = item_builder_reserve(to, (enum value_tag)attribute->type, component.length);
    if (room == NULL)
        return;
    size_t length = 0;
    size_t content = attribute->type == VALUE_N ? component.length : component.length - 2;
    for (size_t i = 0; i < content; i++) {
        room[length++] = component.data[i];
        if (attribute->type != VALUE_N && component.data[i] == 0)
            i++; /* its escape */
    }
    item_builder_commit(to, length);
}

enum err key_decode(const struct key_schema *schema, struct slice key, struct item_builder *to)
{
    struct key_parts parts;
    TRY(key_split(schema, key, &parts));
    item_builder_begin(to, VALUE_M);
    add_attribute(&schema->partition, parts.partition, to);
    if (schema->has_sort)
        add_attribute(&schema->sort, parts.sort, to);
    item_builder_end(to);
    return item_builder_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

/* ---- partitions ---- */

static void put_u64_be(uint8_t *to, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> (56 - 8 * i));
}

static void bound_at(uint64_t space_id, uint32_t index, uint32_t count, struct key_bound *ret_bound)
{
    struct key_bound bound;
    memset(&bound, 0, sizeof(bound));
    if (index == 0 || index == count) {
        bound.length = 8;
        put_u64_be(bound.bytes, index == 0 ? space_id : space_id + 1);
    } else {
        bound.length = KEY_PREFIX_BYTES;
        put_u64_be(bound.bytes, space_id);
        put_u64_be(bound.bytes + 8, (uint64_t)(((unsigned __int128)index << 64) / count));
    }
    *ret_bound = bound;
}

void key_range(uint64_t space_id, uint32_t index, uint32_t count, struct key_bound *ret_start,
               struct key_bound *ret_end)
{
    ASSERT(index < count);
    ASSERT(space_id < UINT64_MAX);
    bound_at(space_id, index, count, ret_start);
    bound_at(space_id, index + 1, count, ret_end);
}

bool key_is_within(struct slice key, struct slice start, struct slice end)
{
    return slice_compare(key, start) >= 0 && (end.length == 0 || slice_compare(key, end) < 0);
}

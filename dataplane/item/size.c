#include "dataplane/item/size.h"

#include "dataplane/item/number.h"

enum {
    VECTOR_FORMAT = 1,
    CONTAINER_BYTES = 3,
    ELEMENT_BYTES = 1,
    /* Of an item's encoding: two bytes of a list in a list count as four, and nothing counts as more. */
    SIZE_PER_BYTE_MAX = 2,
};

/* So that no sum over a vector overflows. */
static const uint64_t CAPACITY_MILLI_MAX = 1ull << 56;

static size_t set_size_bytes(struct value_view value)
{
    struct reader at;
    struct slice member;
    size_t bytes = 0;
    reader_init(&at, value.body);
    while (set_next(&at, &member))
        bytes += value.tag == VALUE_NS ? number_size_bytes(member) : member.length;
    return bytes;
}

static size_t size_of_value(struct value_view value, unsigned level);

static size_t size_of_attributes(struct slice item, unsigned level)
{
    struct reader at;
    struct attribute_view attribute;
    size_t bytes = 0;
    item_iterate(item, &at);
    while (item_next(&at, &attribute))
        bytes += attribute.name.length + size_of_value(attribute.value, level);
    return bytes;
}

static size_t size_of_elements(struct slice body, unsigned level)
{
    struct reader at;
    struct value_view value;
    size_t bytes = 0;
    reader_init(&at, body);
    while (list_next(&at, &value))
        bytes += ELEMENT_BYTES + size_of_value(value, level);
    return bytes;
}

/* level  guards against unchecked bytes: a checked item ends before the limit */
static size_t size_of_value(struct value_view value, unsigned level)
{
    if (level > VALUE_LEVELS_MAX)
        return value.body.length;
    switch (value.tag) {
    case VALUE_S:
    case VALUE_B:
        return value.body.length;
    case VALUE_N:
        return number_size_bytes(value.body);
    case VALUE_SS:
    case VALUE_NS:
    case VALUE_BS:
        return set_size_bytes(value);
    case VALUE_M:
        return CONTAINER_BYTES + ELEMENT_BYTES * item_count(value.body) +
               size_of_attributes(value.body, level + 1);
    case VALUE_L:
        return CONTAINER_BYTES + size_of_elements(value.body, level + 1);
    default: /* NULL, BOOL */
        return 1;
    }
}

size_t value_size_bytes(struct value_view value)
{
    return size_of_value(value, 1);
}

size_t item_size_bytes(struct slice item)
{
    return size_of_attributes(item, 1);
}

static int64_t units(uint64_t bytes, uint64_t unit_bytes)
{
    uint64_t count = bytes / unit_bytes + (bytes % unit_bytes != 0);
    return count == 0 ? 1 : (int64_t)count;
}

struct capacity capacity_read(uint64_t bytes, enum read_kind kind)
{
    static const int64_t MILLI_PER_UNIT[] = {
        [READ_EVENTUAL] = 500, [READ_STRONG] = 1000, [READ_TRANSACTIONAL] = 2000};
    return (struct capacity){units(bytes, READ_UNIT_BYTES) * MILLI_PER_UNIT[kind]};
}

struct capacity capacity_read_item(struct slice item, enum read_kind kind)
{
    bool is_one_unit = item.length <= READ_UNIT_BYTES / SIZE_PER_BYTE_MAX;
    return capacity_read(is_one_unit ? item.length : item_size_bytes(item), kind);
}

struct capacity capacity_write(uint64_t bytes, enum write_cost_kind kind)
{
    return (struct capacity){units(bytes, WRITE_UNIT_BYTES) *
                             (kind == WRITE_COST_TRANSACTIONAL ? 2000 : 1000)};
}

struct capacity capacity_vector_total(const struct capacity_vector *v)
{
    struct capacity total = v->table;
    for (unsigned i = 0; i < v->lsi_count; i++)
        total = capacity_add(total, v->lsi[i].units);
    for (unsigned i = 0; i < v->gsi_count; i++)
        total = capacity_add(total, v->gsi[i].units);
    return total;
}

static void encode_shares(const struct capacity_share *shares, unsigned count, struct buffer *to)
{
    buffer_append_u8(to, (uint8_t)count);
    for (unsigned i = 0; i < count; i++) {
        buffer_append_u16(to, shares[i].index_no);
        buffer_append_varint(to, (uint64_t)shares[i].units.milli);
    }
}

void capacity_vector_encode(const struct capacity_vector *v, struct buffer *to)
{
    buffer_append_u8(to, VECTOR_FORMAT);
    buffer_append_varint(to, (uint64_t)v->table.milli);
    encode_shares(v->lsi, v->lsi_count, to);
    encode_shares(v->gsi, v->gsi_count, to);
}

static struct capacity decode_units(struct reader *r)
{
    uint64_t milli = reader_varint(r);
    if (milli > CAPACITY_MILLI_MAX) {
        r->has_failed = true;
        milli = 0;
    }
    return (struct capacity){(int64_t)milli};
}

static uint8_t decode_shares(struct reader *r, struct capacity_share *shares, uint8_t count_max)
{
    uint8_t count = reader_u8(r);
    if (count > count_max) {
        r->has_failed = true;
        return 0;
    }
    for (unsigned i = 0; i < count; i++) {
        shares[i].index_no = reader_u16(r);
        shares[i].units = decode_units(r);
    }
    return count;
}

enum err capacity_vector_decode(struct slice bytes, struct capacity_vector *ret_vector)
{
    struct capacity_vector v;
    struct reader r;
    memset(&v, 0, sizeof(v));
    reader_init(&r, bytes);
    uint8_t format = reader_u8(&r);
    v.table = decode_units(&r);
    v.lsi_count = decode_shares(&r, v.lsi, CAPACITY_LSI_MAX);
    v.gsi_count = decode_shares(&r, v.gsi, CAPACITY_GSI_MAX);
    if (format != VECTOR_FORMAT || !reader_is_done(&r))
        return ERR_CORRUPT;
    *ret_vector = v;
    return ERR_OK;
}

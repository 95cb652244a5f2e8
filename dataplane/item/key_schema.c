/* Key schemas as bytes: a format byte, the version, then sections (docs/formats/key.md). A section with an
 * odd number must be understood, an even one may be skipped: so later fields decide for themselves whether
 * an older reader may go on without them. */
#include "dataplane/item/key.h"

enum { SCHEMA_FORMAT = 1, SECTION_PARTITION_KEY = 1, SECTION_SORT_KEY = 3 };

static void encode_attribute(uint8_t section, const struct key_attribute *attribute, struct buffer *to)
{
    buffer_append_u8(to, section);
    buffer_append_varint(to, 1 + attribute->name.length);
    buffer_append_u8(to, attribute->type);
    buffer_append(to, attribute->name);
}

void key_schema_encode(const struct key_schema *schema, struct buffer *to)
{
    buffer_append_u8(to, SCHEMA_FORMAT);
    buffer_append_u64(to, schema->version);
    encode_attribute(SECTION_PARTITION_KEY, &schema->partition, to);
    if (schema->has_sort)
        encode_attribute(SECTION_SORT_KEY, &schema->sort, to);
}

static bool decode_attribute(struct slice body, struct key_attribute *ret_attribute)
{
    struct slice name = slice_from(body, 1);
    if (name.length == 0 || name.length > KEY_ATTRIBUTE_NAME_BYTES_MAX || !utf8_is_valid(name) ||
        !value_is_scalar_key(body.data[0]))
        return false;
    *ret_attribute = (struct key_attribute){name, body.data[0]};
    return true;
}

static bool decode_section(uint8_t section, struct slice body, struct key_schema *schema)
{
    switch (section) {
    case SECTION_PARTITION_KEY:
        return decode_attribute(body, &schema->partition);
    case SECTION_SORT_KEY:
        schema->has_sort = true;
        return decode_attribute(body, &schema->sort);
    default:
        return (section & 1) == 0;
    }
}

enum err key_schema_decode(struct slice bytes, struct key_schema *ret_schema)
{
    struct key_schema schema;
    struct reader r;
    unsigned last = 0;
    memset(&schema, 0, sizeof(schema));
    reader_init(&r, bytes);
    uint8_t format = reader_u8(&r);
    schema.version = reader_u64(&r);
    while (reader_left(&r) > 0) {
        uint8_t section = reader_u8(&r);
        struct slice body = reader_prefixed(&r);
        if (section <= last || reader_has_failed(&r) || !decode_section(section, body, &schema))
            return ERR_CORRUPT;
        last = section;
    }
    if (!reader_is_done(&r) || format != SCHEMA_FORMAT || schema.partition.type == 0)
        return ERR_CORRUPT;
    if (schema.has_sort && slice_equal(schema.partition.name, schema.sort.name))
        return ERR_CORRUPT;
    *ret_schema = schema;
    return ERR_OK;
}

/* Keys and key schemas from a wire or a disk. The first byte chooses; a schema that does not decode is replaced by one of
 * a table with both keys. */
#include "dataplane/item/item_builder.h"
#include "dataplane/item/key.h"
#include "dataplane/item/number.h"
#include "tests/fuzz/fuzz.h"

static const uint8_t TYPES[] = {VALUE_S, VALUE_N, VALUE_B};

static void check_schema(const struct key_schema *schema)
{
    struct buffer bytes = fuzz_buffer();
    struct buffer again = fuzz_buffer();
    struct key_schema decoded;
    key_schema_encode(schema, &bytes);
    ASSERT(key_schema_decode(buffer_view(&bytes), &decoded) == ERR_OK);
    key_schema_encode(&decoded, &again);
    ASSERT(slice_equal(buffer_view(&bytes), buffer_view(&again)));
    buffer_deinit(&bytes);
    buffer_deinit(&again);
}

/* A key that is one decodes to attributes which encode to it again. */
static void check_key(const struct key_schema *schema, struct slice key)
{
    struct key_parts parts;
    struct item_builder attributes;
    struct buffer again = fuzz_buffer();
    item_builder_init(&attributes, ITEM_ENCODED_BYTES_MAX);
    bool is_key = key_split(schema, key, &parts) == ERR_OK;
    enum err err = key_decode(schema, key, &attributes);
    ASSERT((err == ERR_OK) == is_key);
    if (is_key && parts.index_no == 0) {
        struct slice item = item_builder_view(&attributes);
        enum key_status status = key_encode(schema, parts.space_id, item, KEY_FROM_KEY, &again, NULL);
        if (status == KEY_OK)
            ASSERT(slice_equal(buffer_view(&again), key));
    }
    (void)key_space_id(key);
    (void)key_hash(key);
    buffer_deinit(&again);
    item_builder_deinit(&attributes);
}

/* Of one type, and acceptable as a value of it. */
static bool is_value(uint8_t type, struct slice value)
{
    return type != VALUE_N || number_is_valid(value);
}

/* Bytes are ordered as values are, also when other bytes follow, and no prefix is lost. */
static void check_components(uint8_t type, struct slice a, struct slice b)
{
    if (!is_value(type, a) || !is_value(type, b))
        return;
    struct buffer x = fuzz_buffer(), y = fuzz_buffer(), back = fuzz_buffer();
    key_component_append(type, a, &x);
    key_component_append(type, b, &y);
    ASSERT(key_component_length(type, buffer_view(&x)) == x.length);
    ASSERT(key_component_decode(type, buffer_view(&x), &back) == ERR_OK);
    ASSERT(slice_equal(buffer_view(&back), a));
    int order = slice_compare(a, b);
    buffer_append_u8(&x, 0xFF);
    buffer_append_u8(&y, 0x00);
    int encoded = slice_compare(buffer_view(&x), buffer_view(&y));
    ASSERT(order == 0 || (order < 0) == (encoded < 0));
    buffer_clear(&y);
    if (type != VALUE_N) {
        key_component_append_prefix(b, &y);
        ASSERT(slice_starts_with(a, b) == slice_starts_with(buffer_view(&x), buffer_view(&y)));
    }
    buffer_deinit(&x);
    buffer_deinit(&y);
    buffer_deinit(&back);
}

static void check_foreign_component(uint8_t type, struct slice bytes)
{
    struct buffer value = fuzz_buffer(), again = fuzz_buffer();
    size_t length = key_component_length(type, bytes);
    ASSERT(length <= bytes.length);
    struct slice component = slice_make(bytes.data, length);
    if (length > 0 && key_component_decode(type, component, &value) == ERR_OK) {
        key_component_append(type, buffer_view(&value), &again);
        ASSERT(slice_equal(buffer_view(&again), component));
    }
    buffer_deinit(&value);
    buffer_deinit(&again);
}

/* A key of this schema made of two values, one to a line. */
static void check_made_key(const struct key_schema *schema, struct slice input)
{
    struct item_builder item;
    struct buffer key = fuzz_buffer();
    struct number n;
    item_builder_init(&item, ITEM_ENCODED_BYTES_MAX);
    item_builder_begin(&item, VALUE_M);
    for (int i = 0; i < 2; i++) {
        const struct key_attribute *attribute = i == 0 ? &schema->partition : &schema->sort;
        struct slice line = fuzz_line(&input);
        if (i == 1 && !schema->has_sort)
            break;
        item_builder_name(&item, attribute->name);
        if (attribute->type != VALUE_N)
            item_builder_scalar(&item, (enum value_tag)attribute->type, line);
        else if (number_parse(line, &n) == NUMBER_OK)
            item_builder_number(&item, &n);
        else
            item_builder_bool(&item, true);
    }
    (void)item_builder_end(&item); /* two keys of one name are one attribute: a key of it all the same */
    if (!item_builder_has_failed(&item) &&
        key_encode(schema, 7, item_builder_view(&item), KEY_FROM_ITEM, &key, NULL) == KEY_OK) {
        struct key_parts parts;
        ASSERT(key_split(schema, buffer_view(&key), &parts) == ERR_OK && parts.space_id == 7);
        check_key(schema, buffer_view(&key));
    }
    buffer_deinit(&key);
    item_builder_deinit(&item);
}

void fuzz_input(struct slice input)
{
    struct key_schema schema = {.version = 1,
                                .partition = {SLICE_LITERAL("pk"), VALUE_S},
                                .has_sort = true,
                                .sort = {SLICE_LITERAL("sk"), VALUE_N}};
    uint8_t choice = fuzz_byte(&input);
    uint8_t type = TYPES[choice / 4 % 3];
    struct slice first = fuzz_bytes(&input, fuzz_byte(&input));
    if (key_schema_decode(first, &schema) == ERR_OK)
        check_schema(&schema);
    switch (choice % 4) {
    case 0:
        check_key(&schema, input);
        break;
    case 1:
        check_made_key(&schema, input);
        break;
    case 2:
        check_components(type, first, input);
        break;
    default:
        check_foreign_component(type, input);
        break;
    }
}

/* Item bytes from a wire or a disk: checked, walked whether canonical or not, and built anew. */
#include "api/json/attribute_reader.h"
#include "api/json/json_writer.h"
#include "dataplane/item/item_builder.h"
#include "dataplane/item/size.h"
#include "tests/fuzz/fuzz.h"

static void walk_value(struct value_view value, unsigned level);

static void walk_item(struct slice item, unsigned level)
{
    struct reader at;
    struct attribute_view attribute;
    struct value_view found;
    item_iterate(item, &at);
    while (item_next(&at, &attribute)) {
        walk_value(attribute.value, level);
        (void)item_find(item, attribute.name, &found); /* finds less on damage */
    }
}

static void walk_value(struct value_view value, unsigned level)
{
    struct reader at;
    struct slice member;
    struct value_view element;
    if (level > VALUE_LEVELS_MAX)
        return;
    if (value.tag == VALUE_M)
        walk_item(value.body, level + 1);
    reader_init(&at, value.body);
    while (value.tag == VALUE_L && list_next(&at, &element))
        walk_value(element, level + 1);
    while (value_is_set(value.tag) && set_next(&at, &member))
        (void)set_contains(value.body, member);
}

static void build_value(struct item_builder *b, struct value_view value);

static void build_item(struct item_builder *b, struct slice item)
{
    struct reader at;
    struct attribute_view attribute;
    struct value_view found;
    item_builder_begin(b, VALUE_M);
    item_iterate(item, &at);
    while (item_next(&at, &attribute)) {
        ASSERT(item_find(item, attribute.name, &found) && value_equal(found, attribute.value));
        item_builder_name(b, attribute.name);
        build_value(b, attribute.value);
    }
    ASSERT(item_builder_end(b) == 0);
}

/* Of canonical bytes, one call for each part of them. */
static void build_value(struct item_builder *b, struct value_view value)
{
    struct reader at;
    struct slice member;
    struct value_view element;
    reader_init(&at, value.body);
    if (value.tag == VALUE_M) {
        build_item(b, value.body);
    } else if (value.tag == VALUE_L) {
        item_builder_begin(b, VALUE_L);
        while (list_next(&at, &element))
            build_value(b, element);
        ASSERT(item_builder_end(b) == 0);
    } else if (value_is_set(value.tag)) {
        item_builder_begin(b, (enum value_tag)value.tag);
        while (set_next(&at, &member))
            item_builder_member(b, member);
        ASSERT(item_builder_end(b) == 0);
    } else {
        item_builder_scalar(b, (enum value_tag)value.tag, value.body);
    }
}

static void check_canonical(struct slice item)
{
    struct item_builder b;
    item_builder_init(&b, ITEM_ENCODED_BYTES_MAX);
    build_item(&b, item);
    ASSERT(!item_builder_has_failed(&b));
    ASSERT(slice_equal(item_builder_view(&b), item));

    struct buffer text = fuzz_buffer();
    struct json_writer writer;
    struct json json;
    json_writer_init(&writer, &text);
    json_write_item(&writer, item);
    json_init(&json, buffer_view(&text));
    ASSERT(attribute_read_item(&json, &b, NULL) == ERR_OK && json_finish(&json));
    ASSERT(slice_equal(item_builder_view(&b), item));
    buffer_deinit(&text);
    item_builder_deinit(&b);
}

void fuzz_input(struct slice input)
{
    struct value_view value;
    walk_item(input, 1);
    ASSERT(item_size_bytes(input) <= 2 * input.length);
    if (value_decode(input, &value))
        walk_value(value, 1);
    bool is_value = value_check(input) == ERR_OK;
    ASSERT(!is_value || value_decode(input, &value));
    if (item_check(input) == ERR_OK && input.length <= ITEM_ENCODED_BYTES_MAX)
        check_canonical(input);
}

/* DynamoDB JSON to item bytes, and back, and to the same bytes again. */
#include "api/json/attribute_reader.h"
#include "api/json/json_writer.h"
#include "dataplane/item/size.h"
#include "tests/fuzz/words.h"

static void check_way_back(struct slice item)
{
    struct buffer text = fuzz_buffer();
    struct item_builder b;
    struct json_writer writer;
    struct json json;
    item_builder_init(&b, ITEM_ENCODED_BYTES_MAX);
    json_writer_init(&writer, &text);
    json_write_item(&writer, item);
    ASSERT(!buffer_has_failed(&text));
    json_init(&json, buffer_view(&text));
    ASSERT(attribute_read_item(&json, &b, NULL) == ERR_OK && json_finish(&json));
    ASSERT(slice_equal(item_builder_view(&b), item));
    item_builder_deinit(&b);
    buffer_deinit(&text);
}

void fuzz_input(struct slice input)
{
    struct json json;
    json_init(&json, input);
    bool is_json = json_skip(&json) && json_finish(&json);

    struct item_builder b;
    struct error error = {.code = ERR_OK};
    item_builder_init(&b, ITEM_ENCODED_BYTES_MAX);
    json_init(&json, input);
    enum err err = attribute_read_item(&json, &b, &error);
    ASSERT(err == ERR_OK || err == ERR_SERIALIZATION || err == ERR_VALIDATION);
    if (err != ERR_OK) {
        ASSERT(error.code == err);
        fuzz_check_words(error.text);
    }
    /* What is refused for its meaning was read to its end all the same. */
    if (err != ERR_SERIALIZATION)
        ASSERT(json_finish(&json) == is_json);
    if (err == ERR_OK) {
        struct slice item = item_builder_view(&b);
        ASSERT(item_check(item) == ERR_OK);
        ASSERT(item_size_bytes(item) <= 2 * item.length);
        check_way_back(item);
    }
    item_builder_deinit(&b);
}

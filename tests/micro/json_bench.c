/* Nanoseconds per PutItem request of about 1 KB of JSON: read to item bytes, and the item printed again. A
 * flat item of ten attributes, and one with 33 values on four levels. One line of JSON each. */
#include <stdio.h>
#include <stdlib.h>

#include "api/json/attribute_reader.h"
#include "api/json/json_writer.h"
#include "base/clock.h"

static const char NESTED[] =
    "{\"TableName\":\"orders\",\"Item\":{\"tenant\":{\"S\":\"t-000123\"},\"order_id\":{\"N\":"
    "\"1718034512345\"},"
    "\"status\":{\"S\":\"SHIPPED\"},\"created_at\":{\"S\":\"2026-06-10T12:34:56.789Z\"},\"total\":{\"N\":"
    "\"1299.95\"},"
    "\"paid\":{\"BOOL\":true},\"note\":{\"NULL\":true},\"tags\":{\"SS\":[\"priority\",\"gift\",\"europe\"]},"
    "\"address\":{\"M\":{\"street\":{\"S\":\"Rue de l'\\u00c9glise "
    "12\"},\"city\":{\"S\":\"Gen\xC3\xA8ve\"},\"zip\":{\"S\":\"1204\"},"
    "\"geo\":{\"L\":[{\"N\":\"46.2044\"},{\"N\":\"6.1432\"}]}}},\"lines\":{\"L\":[{\"M\":{\"sku\":{\"S\":\"A-"
    "1001\"},\"count\":"
    "{\"N\":\"2\"}}},{\"M\":{\"sku\":{\"S\":\"B-2002\"},\"count\":{\"N\":\"1\"}}}]},\"digest\":{\"B\":"
    "\"3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8=\"},\"text\":{\"S\":\"Lorem ipsum dolor sit amet, "
    "consectetur adipiscing "
    "elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua. Ut enim ad minim veniam, quis "
    "nostrud "
    "exercitation ullamco laboris nisi ut aliquip ex ea commodo consequat. Duis aute irure dolor in "
    "reprehenderit in.\"}}}";

static bool read_request(const char *text, struct item_builder *b)
{
    struct json j;
    struct json_string name, table;
    struct error error;
    json_init(&j, slice_from_string(text));
    json_object_begin(&j);
    while (json_object_next(&j, &name)) {
        if (json_string_equals(name, "Item")) {
            if (attribute_read_item(&j, b, &error) != ERR_OK)
                return false;
        } else if (!json_string(&j, &table)) {
            return false;
        }
    }
    return json_finish(&j);
}

static void make_flat(char *text, size_t size)
{
    int length = snprintf(
        text, size, "{\"TableName\":\"usertable\",\"Item\":{\"pk\":{\"S\":\"user8517097267634966620\"}");
    for (int field = 9; field > 0; field--)
        length +=
            snprintf(text + length, size - (size_t)length, ",\"field%d\":{\"S\":\"%0*d\"}", field, 90, field);
    snprintf(text + length, size - (size_t)length, "}}");
}

static bool measure(const char *shape, const char *text, long rounds)
{
    struct item_builder b;
    struct buffer out;
    struct json_writer w;
    bool is_good = true;
    item_builder_init(&b, ITEM_ENCODED_BYTES_MAX);
    buffer_init(&out, 1 << 20);

    uint64_t start = clock_boot_us();
    for (long i = 0; i < rounds; i++)
        is_good &= read_request(text, &b);
    uint64_t middle = clock_boot_us();
    for (long i = 0; i < rounds; i++) {
        buffer_clear(&out);
        json_writer_init(&w, &out);
        json_write_item(&w, item_builder_view(&b));
    }
    uint64_t end = clock_boot_us();
    printf("{\"bench\":\"json_item\",\"shape\":\"%s\",\"json_bytes\":%zu,\"item_bytes\":%zu,\"rounds\":%ld,"
           "\"read_ns\":%llu,\"print_ns\":%llu}\n",
           shape, strlen(text), item_builder_view(&b).length, rounds,
           (unsigned long long)((middle - start) * 1000 / (uint64_t)rounds),
           (unsigned long long)((end - middle) * 1000 / (uint64_t)rounds));
    buffer_deinit(&out);
    item_builder_deinit(&b);
    return is_good;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 200000;
    char flat[2048];
    make_flat(flat, sizeof(flat));
    return measure("flat", flat, rounds) && measure("nested", NESTED, rounds) ? 0 : 1;
}

#include "api/json/json_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "dataplane/item/number.h"

static void commas_stand_where_they_are_due(void **state)
{
    struct buffer out;
    struct json_writer w;
    buffer_init(&out, 1000);
    json_writer_init(&w, &out);
    json_write_object_begin(&w);
    json_write_name(&w, "a");
    json_write_array_begin(&w);
    json_write_int(&w, -5);
    json_write_bool(&w, true);
    json_write_null(&w);
    json_write_array_begin(&w);
    json_write_array_end(&w);
    json_write_array_end(&w);
    json_write_name(&w, "b");
    json_write_raw(&w, SLICE_LITERAL("{}"));
    json_write_object_end(&w);
    assert_true(slice_equal_string(buffer_view(&out), "{\"a\":[-5,true,null,[]],\"b\":{}}"));
    buffer_deinit(&out);
}

static void strings_are_escaped_wherever_the_byte_stands(void **state)
{
    static const struct {
        uint8_t byte;
        const char *escape;
    } CASES[] = {{'"', "\\\""},  {'\\', "\\\\"},    {'\n', "\\n"},
                 {0, "\\u0000"}, {0x1F, "\\u001f"}, {0x7F, "\x7F"}};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        for (size_t at = 0; at < 20; at++) {
            struct buffer out;
            struct json_writer w;
            uint8_t text[20];
            char wanted[64] = "\"";
            memset(text, 'x', sizeof(text));
            text[at] = CASES[i].byte;
            for (size_t k = 0; k < sizeof(text); k++)
                strncat(wanted, k == at ? CASES[i].escape : "x", sizeof(wanted) - strlen(wanted) - 1);
            strncat(wanted, "\"", sizeof(wanted) - strlen(wanted) - 1);
            buffer_init(&out, 1000);
            json_writer_init(&w, &out);
            json_write_string(&w, slice_make(text, sizeof(text)));
            assert_true(slice_equal_string(buffer_view(&out), wanted));
            buffer_deinit(&out);
        }
    }
}

static void words_are_text_whatever_they_repeat(void **state)
{
    struct buffer out;
    struct json_writer w;
    buffer_init(&out, 1000);
    json_writer_init(&w, &out);
    json_write_array_begin(&w);
    json_write_words(&w, "caf\xc3\xa9 \"x\"");
    json_write_words(&w, "caf\xe9 \xc3\xa9");
    json_write_array_end(&w);
    assert_true(slice_equal_string(buffer_view(&out), "[\"caf\xc3\xa9 \\\"x\\\"\",\"caf? ??\"]"));
    buffer_deinit(&out);
}

static void thousandths_print_as_javas_doubles(void **state)
{
    static const struct {
        int64_t milli;
        const char *text;
    } CASES[] = {{0, "0.0"},     {500, "0.5"},   {1000, "1.0"}, {1250, "1.25"}, {12345678, "12345.678"},
                 {-500, "-0.5"}, {10000, "10.0"}};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct buffer out;
        struct json_writer w;
        buffer_init(&out, 100);
        json_writer_init(&w, &out);
        json_write_capacity(&w, (struct capacity){CASES[i].milli});
        assert_true(slice_equal_string(buffer_view(&out), CASES[i].text));
        buffer_deinit(&out);
    }
}

/* Lists of sets of the numbers that are longest for two bytes, as far as an item goes. */
static void the_longest_item_is_within_the_bound(void **state)
{
    struct buffer set, list, item, out;
    struct json_writer w;
    struct number n;
    char text[24];
    buffer_init(&set, 4096), buffer_init(&list, 2 << 20), buffer_init(&item, 2 << 20);
    for (int digits = 10; digits < 100; digits++) { /* also 10E-130, 20E-130 ...: one digit */
        snprintf(text, sizeof text, "%dE-130", digits);
        assert_int_equal(number_parse(slice_from_string(text), &n), NUMBER_OK);
        assert_int_equal(number_size_bytes(number_view(&n)), 2);
        buffer_append_varint(&set, n.length);
        buffer_append(&set, number_view(&n));
    }
    size_t count = (ITEM_BYTES_MAX - 1 - 3) / (1 + 90 * 2);
    for (size_t i = 0; i < count; i++) {
        buffer_append_u8(&list, VALUE_NS);
        buffer_append_varint(&list, set.length);
        buffer_append(&list, buffer_view(&set));
    }
    buffer_append_varint(&item, 1);
    buffer_append_u8(&item, 'a');
    buffer_append_u8(&item, VALUE_L);
    buffer_append_varint(&item, list.length);
    buffer_append(&item, buffer_view(&list));
    assert_false(buffer_has_failed(&item));
    assert_in_range(item_size_bytes(buffer_view(&item)), ITEM_BYTES_MAX - 200, ITEM_BYTES_MAX);
    buffer_init(&out, ITEM_JSON_BYTES_MAX);
    json_writer_init(&w, &out);
    json_write_item(&w, buffer_view(&item));
    assert_false(buffer_has_failed(&out));
    assert_in_range(out.length, ITEM_JSON_BYTES_MAX / 100 * 99, ITEM_JSON_BYTES_MAX);
    buffer_deinit(&set), buffer_deinit(&list), buffer_deinit(&item), buffer_deinit(&out);
}

static void unchecked_bytes_and_full_buffers_do_no_harm(void **state)
{
    struct random r;
    random_init(&r, 6);
    for (int i = 0; i < 10000; i++) {
        struct buffer out;
        struct json_writer w;
        size_t length = random_below(&r, 200);
        uint8_t *bytes = memory_alloc(length + 1);
        for (size_t at = 0; at < length; at++)
            bytes[at] = (uint8_t)random_below(&r, random_one_in(&r, 2) ? 12 : 256);
        bytes = memory_resize(bytes, length == 0 ? 1 : length);
        buffer_init(&out, random_below(&r, 300));
        json_writer_init(&w, &out);
        json_write_item(&w, slice_make(bytes, length));
        buffer_deinit(&out);
        memory_free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_where_they_are_due),
        cmocka_unit_test(strings_are_escaped_wherever_the_byte_stands),
        cmocka_unit_test(words_are_text_whatever_they_repeat),
        cmocka_unit_test(thousandths_print_as_javas_doubles),
        cmocka_unit_test(the_longest_item_is_within_the_bound),
        cmocka_unit_test(unchecked_bytes_and_full_buffers_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

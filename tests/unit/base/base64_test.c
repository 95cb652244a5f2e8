#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hex.h"
#include "base/random.h"

static void the_vectors_of_rfc_4648_hold(void **state)
{
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct buffer b;
        buffer_init(&b, 100);
        base64_append(&b, slice_from_string(vectors[i][0]));
        assert_true(slice_equal_string(buffer_view(&b), vectors[i][1]));
        uint8_t back[16];
        size_t length;
        assert_int_equal(base64_decode(slice_from_string(vectors[i][1]), back, &length), ERR_OK);
        assert_true(slice_equal_string(slice_make(back, length), vectors[i][0]));
        buffer_deinit(&b);
    }
}

static void anything_but_the_one_form_is_refused(void **state)
{
    static const char *const bad[] = {
        "Z",        "Zg",     "Zg=",   "Zh==", "Zm9=", "====",    "Z===",   "=AAA",
        "Zg==Zg==", "Zm9v\n", "Zm 9v", "Zm-_", "A=AA", "AAA\x80", "Zg==\n", "AA=A"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t back[16];
        size_t length;
        assert_int_equal(base64_decode(slice_from_string(bad[i]), back, &length), ERR_INVALID);
    }
}

static void random_bytes_come_back(void **state)
{
    struct random random;
    random_init(&random, 1);
    uint8_t bytes[300], back[300];
    char text[602];
    for (size_t length = 0; length < sizeof bytes; length++) {
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)random_u64(&random);
        base64_encode(slice_make(bytes, length), text);
        size_t found;
        assert_int_equal(base64_decode(slice_make(text, base64_encoded_length(length)), back, &found),
                         ERR_OK);
        assert_true(slice_equal(slice_make(back, found), slice_make(bytes, length)));
        hex_encode(slice_make(bytes, length), text);
        assert_int_equal(strlen(text), 2 * length);
        assert_int_equal(hex_decode(slice_from_string(text), back), ERR_OK);
        assert_memory_equal(back, bytes, length);
    }
}

static void hexadecimal_takes_either_case_and_nothing_else(void **state)
{
    uint8_t back[4];
    assert_int_equal(hex_decode(SLICE_LITERAL("00ffAbCd"), back), ERR_OK);
    assert_memory_equal(back, "\x00\xff\xab\xcd", 4);
    assert_int_equal(hex_decode(SLICE_LITERAL("0"), back), ERR_INVALID);
    assert_int_equal(hex_decode(SLICE_LITERAL("0g"), back), ERR_INVALID);
    assert_int_equal(hex_decode(SLICE_LITERAL("/0"), back), ERR_INVALID);
    struct buffer b;
    buffer_init(&b, 100);
    hex_append(&b, slice_make(back, 4));
    assert_true(slice_equal_string(buffer_view(&b), "00ffabcd"));
    buffer_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648_hold),
        cmocka_unit_test(anything_but_the_one_form_is_refused),
        cmocka_unit_test(random_bytes_come_back),
        cmocka_unit_test(hexadecimal_takes_either_case_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

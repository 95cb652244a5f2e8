#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

static uint32_t bit_by_bit(struct slice s)
{
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < s.length; i++) {
        crc ^= s.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
    }
    return ~crc;
}

static void the_vectors_of_rfc_3720_hold(void **state)
{
    uint8_t bytes[32] = {0};
    assert_int_equal(crc32c(0, SLICE_LITERAL("123456789")), 0xE3069283);
    assert_int_equal(crc32c(0, slice_make(bytes, 32)), 0x8A9136AA);
    memset(bytes, 0xFF, 32);
    assert_int_equal(crc32c(0, slice_make(bytes, 32)), 0x62A8AB43);
    assert_int_equal(crc32c(0, SLICE_EMPTY), 0);
    assert_int_equal(crc32c(77, SLICE_EMPTY), 77);
}

static void any_split_and_any_alignment_give_the_same(void **state)
{
    uint8_t bytes[200];
    struct random random;
    random_init(&random, 8);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_u64(&random);
    for (size_t from = 0; from < 16; from++) {
        for (size_t to = from; to < sizeof bytes; to++) {
            struct slice s = slice_make(bytes + from, to - from);
            uint32_t expected = bit_by_bit(s);
            assert_int_equal(crc32c(0, s), expected);
            size_t cut = random_below(&random, s.length + 1);
            assert_int_equal(crc32c(crc32c(0, slice_make(s.data, cut)), slice_from(s, cut)), expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_3720_hold),
        cmocka_unit_test(any_split_and_any_alignment_give_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

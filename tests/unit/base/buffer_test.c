#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/reader.h"

static void what_is_written_is_read(void **state)
{
    struct buffer b;
    buffer_init(&b, 1000);
    buffer_append_u8(&b, 0x12);
    buffer_append_u16(&b, 0x1234);
    buffer_append_u32(&b, 0x12345678);
    buffer_append_u64(&b, 0x123456789ABCDEF0);
    buffer_append_u16_be(&b, 0x1234);
    buffer_append_u32_be(&b, 0x12345678);
    buffer_append_u64_be(&b, 0x123456789ABCDEF0);
    buffer_append_prefixed(&b, SLICE_LITERAL("bytes"));
    buffer_append_format(&b, "%d", 77);
    static const uint8_t first[] = {0x12, 0x34, 0x12, 0x78, 0x56, 0x34, 0x12};
    assert_memory_equal(b.data, first, sizeof first);
    struct reader r;
    reader_init(&r, buffer_view(&b));
    assert_int_equal(reader_u8(&r), 0x12);
    assert_int_equal(reader_u16(&r), 0x1234);
    assert_int_equal(reader_u32(&r), 0x12345678);
    assert_int_equal(reader_u64(&r), 0x123456789ABCDEF0);
    assert_int_equal(reader_u16_be(&r), 0x1234);
    assert_int_equal(reader_u32_be(&r), 0x12345678);
    assert_int_equal(reader_u64_be(&r), 0x123456789ABCDEF0);
    assert_true(slice_equal_string(reader_prefixed(&r), "bytes"));
    assert_false(reader_is_done(&r));
    assert_true(slice_equal_string(reader_rest(&r), "77"));
    assert_true(reader_is_done(&r));
    assert_int_equal(reader_u8(&r), 0);
    assert_true(reader_has_failed(&r));
    assert_false(reader_is_done(&r));
    buffer_deinit(&b);
}

static void varints_have_one_form(void **state)
{
    struct random random;
    random_init(&random, 4);
    for (int i = 0; i < 2000; i++) {
        uint64_t value = i < 300 ? (uint64_t)i : random_u64(&random) >> random_below(&random, 64);
        struct buffer b;
        buffer_init(&b, 20);
        buffer_append_varint(&b, value);
        struct reader r;
        reader_init(&r, buffer_view(&b));
        assert_int_equal(reader_varint(&r), value);
        assert_true(reader_is_done(&r));
        reader_init(&r, slice_make(b.data, b.length - 1));
        reader_varint(&r);
        assert_true(reader_has_failed(&r));
        buffer_deinit(&b);
    }
    static const struct slice bad[] = {
        {(const uint8_t *)"\x80\x00", 2},                                      /* longer than needed */
        {(const uint8_t *)"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 10},     /* over 64 bits */
        {(const uint8_t *)"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x80\x01", 11}, /* too many bytes */
    };
    for (size_t i = 0; i < 3; i++) {
        struct reader r;
        reader_init(&r, bad[i]);
        reader_varint(&r);
        assert_true(reader_has_failed(&r));
    }
}

static void a_prefix_beyond_the_end_fails(void **state)
{
    struct reader r;
    reader_init(&r, SLICE_LITERAL("\x05"
                                  "abcd"));
    assert_int_equal(reader_prefixed(&r).length, 0);
    assert_true(reader_has_failed(&r));
    reader_init(&r, SLICE_EMPTY);
    assert_true(reader_is_done(&r));
}

static void failure_is_sticky_until_cut_or_cleared(void **state)
{
    struct buffer b;
    buffer_init(&b, 8);
    buffer_append(&b, SLICE_LITERAL("12345"));
    buffer_append(&b, SLICE_LITERAL("6789"));
    assert_true(buffer_has_failed(&b));
    buffer_append_u8(&b, 'x');
    assert_int_equal(b.length, 5);
    buffer_cut(&b, 3);
    assert_false(buffer_has_failed(&b));
    buffer_append(&b, SLICE_LITERAL("45678"));
    assert_true(slice_equal_string(buffer_view(&b), "12345678"));
    assert_null(buffer_extend(&b, 1));
    buffer_clear(&b);
    memory_fail_after(0);
    assert_true(buffer_reserve(&b, 8)); /* it has the memory */
    memory_fail_after(-1);
    size_t length;
    buffer_append_u8(&b, 1);
    uint8_t *bytes = buffer_detach(&b, &length);
    assert_int_equal(length, 1);
    assert_int_equal(b.length, 0);
    memory_free(bytes);
    memory_fail_after(0);
    buffer_append_u8(&b, 1);
    memory_fail_after(-1);
    assert_true(buffer_has_failed(&b));
    buffer_deinit(&b);
}

/* An empty secret did not open: there was no memory for its 0 bytes. */
static void extending_by_nothing_is_no_failure(void **state)
{
    struct buffer b;
    buffer_init(&b, 10);
    assert_non_null(buffer_extend(&b, 0));
    assert_int_equal(b.length, 0);
    buffer_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extending_by_nothing_is_no_failure),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(varints_have_one_form),
        cmocka_unit_test(a_prefix_beyond_the_end_fails),
        cmocka_unit_test(failure_is_sticky_until_cut_or_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "api/http/encoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/random.h"

static enum http_encoding wanted(const char *accept)
{
    return http_encoding_wanted(slice_from_string(accept));
}

static void what_a_client_asks_for_is_understood(void **state)
{
    assert_int_equal(wanted(""), HTTP_IDENTITY);
    assert_int_equal(wanted("identity"), HTTP_IDENTITY);
    assert_int_equal(wanted("gzip"), HTTP_GZIP);
    assert_int_equal(wanted("GZip"), HTTP_GZIP);
    assert_int_equal(wanted("br, deflate ,gzip;q=0.5"), HTTP_GZIP);
    assert_int_equal(wanted("deflate, br"), HTTP_DEFLATE);
    assert_int_equal(wanted("gzip;q=0, deflate"), HTTP_DEFLATE);
    assert_int_equal(wanted("gzip; q=0.000,br"), HTTP_IDENTITY);
    assert_int_equal(wanted("gzip;q=0.001"), HTTP_GZIP);
    assert_int_equal(wanted("gzip;q="), HTTP_GZIP);
    assert_int_equal(wanted("gzipped,xgzip"), HTTP_IDENTITY);
    assert_int_equal(wanted(",;,=;q,,\t,"), HTTP_IDENTITY);
}

/* Bytes that compress about twice. */
static void fill(uint8_t *to, size_t bytes, uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)("0123456789abcdef"[random_u64(&random) & 15]);
}

static struct buffer encoded(enum http_encoding encoding, struct slice bytes)
{
    struct buffer to;
    buffer_init(&to, 64 << 20);
    assert_int_equal(http_encode(encoding, bytes, &to), ERR_OK);
    return to;
}

static void what_was_encoded_is_decoded(void **state)
{
    static const size_t lengths[] = {0, 1, 4097, 65536, 1000000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t *bytes = malloc(lengths[i] + 1);
        fill(bytes, lengths[i], i);
        struct buffer packed = encoded(HTTP_GZIP, slice_make(bytes, lengths[i])), back;
        buffer_init(&back, lengths[i]);
        assert_int_equal(http_decode_gzip(buffer_view(&packed), &back), ERR_OK);
        assert_true(slice_equal(buffer_view(&back), slice_make(bytes, lengths[i])));
        buffer_deinit(&back);
        buffer_deinit(&packed);
        free(bytes);
    }
}

static void deflate_has_the_frame_of_zlib(void **state)
{
    uint8_t bytes[5000], back[5000];
    uLongf length = sizeof back;
    fill(bytes, sizeof bytes, 1);
    struct buffer packed = encoded(HTTP_DEFLATE, slice_make(bytes, sizeof bytes));
    assert_int_equal(uncompress(back, &length, packed.data, packed.length), Z_OK);
    assert_memory_equal(back, bytes, sizeof bytes);
    buffer_deinit(&packed);
}

static void several_members_are_one_body(void **state)
{
    struct buffer first = encoded(HTTP_GZIP, SLICE_LITERAL("one, ")), back;
    struct buffer second = encoded(HTTP_GZIP, SLICE_LITERAL("two"));
    buffer_append(&first, buffer_view(&second));
    buffer_init(&back, 100);
    assert_int_equal(http_decode_gzip(buffer_view(&first), &back), ERR_OK);
    assert_true(slice_equal(buffer_view(&back), SLICE_LITERAL("one, two")));
    buffer_deinit(&back);
    buffer_deinit(&first);
    buffer_deinit(&second);
}

static void a_bomb_is_stopped_at_the_limit(void **state)
{
    size_t length = 32 << 20;
    uint8_t *zeros = calloc(1, length);
    struct buffer packed = encoded(HTTP_GZIP, slice_make(zeros, length)), back;
    buffer_init(&back, 1 << 20);
    assert_int_equal(http_decode_gzip(buffer_view(&packed), &back), ERR_LIMIT);
    assert_true(back.length <= 1 << 20);
    buffer_deinit(&back);
    buffer_init(&back, length - 1);
    assert_int_equal(http_decode_gzip(buffer_view(&packed), &back), ERR_LIMIT);
    buffer_deinit(&back);
    buffer_deinit(&packed);
    free(zeros);
}

static void damage_is_noticed(void **state)
{
    uint8_t bytes[3000];
    fill(bytes, sizeof bytes, 2);
    struct buffer packed = encoded(HTTP_GZIP, slice_make(bytes, sizeof bytes)), back;
    buffer_init(&back, 1 << 20);
    for (size_t length = 0; length < packed.length; length++) { /* cut off anywhere */
        buffer_clear(&back);
        assert_int_equal(http_decode_gzip(slice_make(packed.data, length), &back), ERR_SERIALIZATION);
    }
    packed.data[packed.length / 2] ^= 0x40;
    buffer_clear(&back);
    assert_int_equal(http_decode_gzip(buffer_view(&packed), &back), ERR_SERIALIZATION);
    packed.data[packed.length / 2] ^= 0x40;
    buffer_append_string(&packed, "and more");
    buffer_clear(&back);
    assert_int_equal(http_decode_gzip(buffer_view(&packed), &back), ERR_SERIALIZATION);
    buffer_clear(&back);
    assert_int_equal(http_decode_gzip(SLICE_LITERAL("{\"TableName\":\"t\"}"), &back), ERR_SERIALIZATION);
    buffer_deinit(&back);
    buffer_deinit(&packed);
}

static void no_room_is_told(void **state)
{
    uint8_t bytes[3000];
    struct buffer to;
    fill(bytes, sizeof bytes, 3);
    buffer_init(&to, 100);
    assert_int_equal(http_encode(HTTP_GZIP, slice_make(bytes, sizeof bytes), &to), ERR_NO_MEMORY);
    buffer_deinit(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_client_asks_for_is_understood),
        cmocka_unit_test(what_was_encoded_is_decoded),
        cmocka_unit_test(deflate_has_the_frame_of_zlib),
        cmocka_unit_test(several_members_are_one_body),
        cmocka_unit_test(a_bomb_is_stopped_at_the_limit),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(no_room_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

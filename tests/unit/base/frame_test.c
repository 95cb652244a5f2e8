#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/frame.h"
#include "base/memory.h"
#include "base/random.h"

static const struct frame ping = {.type = 0x0101,
                                  .flags = 0,
                                  .call_id = 0x1122334455667788,
                                  .header = {(const uint8_t *)"head", 4},
                                  .payload = {(const uint8_t *)"payload", 7}};

static void encode(struct buffer *b, const struct frame *frame)
{
    buffer_init(b, 64 * 1024 * 1024);
    assert_int_equal(frame_append(b, frame), ERR_OK);
}

static void feed(struct frame_decoder *d, struct slice bytes)
{
    while (bytes.length > 0) {
        size_t space = 0;
        uint8_t *to = frame_decoder_space(d, &space);
        assert_non_null(to);
        size_t count = space < bytes.length ? space : bytes.length;
        memcpy(to, bytes.data, count);
        frame_decoder_fill(d, count);
        bytes = slice_from(bytes, count);
    }
}

static void assert_same(const struct frame *a, const struct frame *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->call_id, b->call_id);
    assert_true(slice_equal(a->header, b->header));
    assert_true(slice_equal(a->payload, b->payload));
}

static enum err decode(struct slice bytes, struct frame_decoder *d, struct frame *frame)
{
    frame_decoder_init(d, FRAME_BODY_BYTES_MAX);
    feed(d, bytes);
    return frame_decoder_next(d, frame);
}

static void a_frame_has_the_bytes_of_the_format_page(void **state)
{
    (void)state;
    struct buffer b;
    encode(&b, &ping);
    static const uint8_t expected[] = {11,  0,   0,   0,   0x1A, 0x04, 0x43, 0x5D, 0x01, 0x01, 1,    0,
                                       4,   0,   0,   0,   0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
                                       'h', 'e', 'a', 'd', 'p',  'a',  'y',  'l',  'o',  'a',  'd'};
    assert_int_equal(b.length, sizeof expected);
    assert_memory_equal(b.data, expected, sizeof expected);
    buffer_deinit(&b);
}

static void frames_come_back_from_pieces_of_any_size(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 7);
    struct buffer stream;
    buffer_init(&stream, 1024 * 1024);
    enum { COUNT = 200 };
    static uint8_t body[9000];
    struct frame frames[COUNT];
    for (int i = 0; i < COUNT; i++) {
        frames[i] = (struct frame){.type = (uint16_t)(16 + i),
                                   .flags = i % 3 == 0   ? FRAME_RESPONSE
                                            : i % 3 == 1 ? FRAME_ONE_WAY
                                                         : 0,
                                   .call_id = random_u64(&random),
                                   .header = slice_make(body, random_below(&random, 100)),
                                   .payload = slice_make(body, random_below(&random, 4000))};
        assert_int_equal(frame_append(&stream, &frames[i]), ERR_OK);
    }
    for (int round = 0; round < 20; round++) {
        struct frame_decoder d;
        frame_decoder_init(&d, FRAME_BODY_BYTES_MAX);
        size_t piece_max = round == 0 ? 1 : 1 + random_below(&random, 20000);
        struct slice rest = buffer_view(&stream);
        int seen = 0;
        while (rest.length > 0) {
            size_t piece = 1 + random_below(&random, piece_max);
            piece = piece < rest.length ? piece : rest.length;
            feed(&d, slice_make(rest.data, piece));
            rest = slice_from(rest, piece);
            struct frame frame;
            enum err err;
            while ((err = frame_decoder_next(&d, &frame)) == ERR_OK)
                assert_same(&frame, &frames[seen++]);
            assert_int_equal(err, ERR_TRUNCATED);
        }
        assert_int_equal(seen, COUNT);
        frame_decoder_deinit(&d);
    }
    buffer_deinit(&stream);
}

static void every_flipped_bit_is_found(void **state)
{
    (void)state;
    struct buffer b;
    encode(&b, &ping);
    for (size_t bit = 0; bit < b.length * 8; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct frame_decoder d;
        struct frame frame;
        /* A longer length waits for more, a shorter one and everything else is damage. */
        enum err err = decode(buffer_view(&b), &d, &frame);
        assert_true(err == ERR_CORRUPT || (bit < 32 && (err == ERR_TRUNCATED || err == ERR_LIMIT)));
        frame_decoder_deinit(&d);
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buffer_deinit(&b);
}

static void a_truncated_frame_waits_for_the_rest(void **state)
{
    (void)state;
    struct buffer b;
    encode(&b, &ping);
    for (size_t length = 0; length < b.length; length++) {
        struct frame_decoder d;
        struct frame frame;
        assert_int_equal(decode(slice_make(b.data, length), &d, &frame), ERR_TRUNCATED);
        feed(&d, slice_from(buffer_view(&b), length));
        assert_int_equal(frame_decoder_next(&d, &frame), ERR_OK);
        assert_same(&frame, &ping);
        frame_decoder_deinit(&d);
    }
    buffer_deinit(&b);
}

static void flags_and_length_are_known_before_the_frame_is_here(void **state)
{
    (void)state;
    struct buffer b;
    encode(&b, &(struct frame){.type = 0x0101, .flags = FRAME_ONE_WAY, .payload = ping.payload});
    for (size_t length = 0; length <= b.length; length++) {
        struct frame_decoder d;
        struct frame frame;
        uint8_t flags = 0;
        size_t body_bytes = 0;
        frame_decoder_init(&d, FRAME_BODY_BYTES_MAX);
        feed(&d, slice_make(b.data, length));
        assert_int_equal(frame_decoder_peek(&d, &flags, &body_bytes), length >= 12);
        assert_int_equal(flags, length >= 12 ? FRAME_ONE_WAY : 0);
        assert_int_equal(body_bytes, length >= 12 ? ping.payload.length : 0);
        assert_int_equal(frame_decoder_next(&d, &frame), length == b.length ? ERR_OK : ERR_TRUNCATED);
        frame_decoder_deinit(&d);
    }
    buffer_deinit(&b);
}

static void a_body_over_the_limit_is_refused_before_it_is_read(void **state)
{
    (void)state;
    struct buffer b;
    encode(&b, &ping);
    struct frame_decoder d;
    struct frame frame;
    frame_decoder_init(&d, 10);
    feed(&d, slice_make(b.data, 4));
    assert_int_equal(frame_decoder_next(&d, &frame), ERR_LIMIT);
    frame_decoder_deinit(&d);
    struct frame large = ping;
    large.payload.length = FRAME_BODY_BYTES_MAX - 3;
    size_t before = b.length;
    assert_int_equal(frame_append(&b, &large), ERR_LIMIT);
    assert_int_equal(b.length, before);
    assert_false(buffer_has_failed(&b));
    buffer_deinit(&b);
}

static void the_largest_frame_passes_and_its_memory_is_given_back(void **state)
{
    (void)state;
    uint8_t *body = memory_zalloc(FRAME_BODY_BYTES_MAX);
    struct frame large = {.type = 20, .call_id = 1, .payload = slice_make(body, FRAME_BODY_BYTES_MAX)};
    struct buffer b;
    encode(&b, &large);
    struct frame_decoder d;
    struct frame frame;
    assert_int_equal(decode(buffer_view(&b), &d, &frame), ERR_OK);
    assert_int_equal(frame.payload.length, FRAME_BODY_BYTES_MAX);
    size_t space;
    assert_non_null(frame_decoder_space(&d, &space));
    assert_true(d.capacity <= 64 * 1024);
    frame_decoder_deinit(&d);
    buffer_deinit(&b);
    memory_free(body);
}

/* A frame with a right checksum whose fields do not make sense. */
static enum err decode_resealed(size_t offset, uint8_t value)
{
    struct buffer b;
    encode(&b, &ping);
    b.data[offset] = value;
    uint32_t checksum = crc32c(0, slice_from(buffer_view(&b), 8));
    for (int i = 0; i < 4; i++)
        b.data[4 + i] = (uint8_t)(checksum >> (8 * i));
    struct frame_decoder d;
    struct frame frame;
    enum err err = decode(buffer_view(&b), &d, &frame);
    frame_decoder_deinit(&d);
    buffer_deinit(&b);
    return err;
}

static void unknown_versions_flags_and_impossible_headers_are_refused(void **state)
{
    (void)state;
    assert_int_equal(decode_resealed(10, 0), ERR_INVALID);
    assert_int_equal(decode_resealed(10, 2), ERR_INVALID);
    assert_int_equal(decode_resealed(11, 3), ERR_INVALID); /* a response that is one-way */
    assert_int_equal(decode_resealed(11, 4), ERR_INVALID);
    assert_int_equal(decode_resealed(12, 12), ERR_CORRUPT); /* header_bytes 12 of body_bytes 11 */
    assert_int_equal(decode_resealed(11, 2), ERR_OK);
}

static void random_bytes_never_pass(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 99);
    uint8_t bytes[400];
    for (int round = 0; round < 3000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)random_u64(&random);
        if (round % 2 == 0)
            memset(bytes, 0, 3), bytes[0] = (uint8_t)random_below(&random, 200); /* a likely length */
        struct frame_decoder d;
        struct frame frame;
        assert_int_not_equal(decode(slice_make(bytes, sizeof bytes), &d, &frame), ERR_OK);
        frame_decoder_deinit(&d);
    }
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 1024);
    memory_fail_after(0);
    assert_int_equal(frame_append(&b, &ping), ERR_NO_MEMORY);
    memory_fail_after(-1);
    struct frame_decoder d;
    frame_decoder_init(&d, FRAME_BODY_BYTES_MAX);
    size_t space;
    memory_fail_after(0);
    assert_null(frame_decoder_space(&d, &space));
    memory_fail_after(-1);
    assert_non_null(frame_decoder_space(&d, &space));
    frame_decoder_deinit(&d);
    buffer_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_has_the_bytes_of_the_format_page),
        cmocka_unit_test(frames_come_back_from_pieces_of_any_size),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(a_truncated_frame_waits_for_the_rest),
        cmocka_unit_test(flags_and_length_are_known_before_the_frame_is_here),
        cmocka_unit_test(a_body_over_the_limit_is_refused_before_it_is_read),
        cmocka_unit_test(the_largest_frame_passes_and_its_memory_is_given_back),
        cmocka_unit_test(unknown_versions_flags_and_impossible_headers_are_refused),
        cmocka_unit_test(random_bytes_never_pass),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

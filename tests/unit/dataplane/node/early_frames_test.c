#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "dataplane/node/early_frames.h"

static const struct frame small = {
    .type = 7, .header = {(const uint8_t *)"head", 4}, .payload = {(const uint8_t *)"rows", 4}};

static void frames_come_back_in_order_and_to_their_group(void **state)
{
    struct early_frames early = {0};
    struct frame second = small;
    second.payload = SLICE_EMPTY;
    early_frames_keep(&early, 5, 1, &small);
    early_frames_keep(&early, 6, 2, &small);
    early_frames_keep(&early, 5, 3, &second);
    struct early_frame *first = early_frames_take(&early, 5);
    assert_int_equal(early_frame_from(first), 1);
    assert_int_equal(early_frame_view(first).type, 7);
    assert_true(slice_equal_string(early_frame_view(first).header, "head"));
    assert_true(slice_equal_string(early_frame_view(first).payload, "rows"));
    memory_free(first);
    struct early_frame *last = early_frames_take(&early, 5);
    assert_int_equal(early_frame_from(last), 3);
    assert_int_equal(early_frame_view(last).payload.length, 0);
    memory_free(last);
    assert_null(early_frames_take(&early, 5));
    assert_int_equal(early.count, 1);
    early_frames_clear(&early);
    assert_null(early_frames_take(&early, 6));
}

static void there_is_a_limit_to_what_is_kept(void **state)
{
    static uint8_t bytes[64 * 1024];
    struct early_frames early = {0};
    struct frame large = small;
    large.payload = slice_make(bytes, sizeof bytes);
    early_frames_keep(&early, 5, 1, &large);
    assert_int_equal(early.count, 0);
    for (size_t i = 0; i < 1000; i++)
        early_frames_keep(&early, 5, 1, &small);
    assert_int_equal(early.count, 64);
    early_frames_clear(&early);
    assert_int_equal(early.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_back_in_order_and_to_their_group),
        cmocka_unit_test(there_is_a_limit_to_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

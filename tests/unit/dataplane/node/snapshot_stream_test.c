/* What both ends of a snapshot count and check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "dataplane/node/snapshot_stream.h"

enum { ROWS = 5, SECOND_US = 1000 * 1000 };

struct seen {
    uint32_t rows;
    uint32_t fail_at;
    uint64_t bytes;
};

static enum err see(void *data, struct slice key, struct slice value)
{
    struct seen *seen = data;
    if (seen->fail_at != 0 && seen->rows + 1 == seen->fail_at)
        return ERR_NO_SPACE;
    seen->rows++;
    seen->bytes += key.length + value.length;
    return ERR_OK;
}

static struct snapshot_chunk chunk_of(struct buffer *payload, uint32_t number)
{
    buffer_clear(payload);
    for (uint32_t i = 0; i < ROWS; i++)
        snapshot_row_append(payload, slice_make((const uint8_t *)"key-0123" + i, 3),
                            SLICE_LITERAL("a value"));
    return (struct snapshot_chunk){.number = number,
                                   .row_count = ROWS,
                                   .checksum = snapshot_checksum(buffer_view(payload)),
                                   .payload = buffer_view(payload)};
}

static int set_up(void **state)
{
    static struct buffer payload;
    buffer_init(&payload, 1 << 20);
    *state = &payload;
    return 0;
}

static int tear_down(void **state)
{
    buffer_deinit(*state);
    return 0;
}

static void what_is_sent_is_what_comes(void **state)
{
    struct snapshot_totals sent = {0}, come = {0};
    for (uint32_t i = 0; i < 3; i++) {
        struct snapshot_chunk chunk = chunk_of(*state, i);
        struct seen seen = {0};
        snapshot_totals_add(&sent, &chunk);
        assert_int_equal(snapshot_chunk_check(&come, &chunk), ERR_OK);
        assert_int_equal(snapshot_chunk_each(&chunk, see, &seen), ERR_OK);
        assert_int_equal(seen.rows, ROWS);
        assert_int_equal(seen.bytes, ROWS * (3 + 7));
        snapshot_totals_add(&come, &chunk);
    }
    assert_true(snapshot_totals_equal(&sent, &come));
    assert_int_equal(come.rows, 3 * ROWS);
}

static void every_flipped_bit_is_found(void **state)
{
    struct buffer *payload = *state;
    struct snapshot_chunk chunk = chunk_of(payload, 0);
    struct snapshot_totals none = {0};
    for (size_t bit = 0; bit < payload->length * 8; bit++) {
        payload->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(snapshot_chunk_check(&none, &chunk), ERR_CORRUPT);
        payload->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_int_equal(snapshot_chunk_check(&none, &chunk), ERR_OK);
}

static void a_chunk_that_is_lost_repeated_or_out_of_turn_is_found(void **state)
{
    struct snapshot_totals totals = {0};
    struct snapshot_chunk first = chunk_of(*state, 0);
    struct snapshot_chunk third = first;
    third.number = 2;
    assert_int_equal(snapshot_chunk_check(&totals, &third), ERR_STALE);
    snapshot_totals_add(&totals, &first);
    assert_int_equal(snapshot_chunk_check(&totals, &first), ERR_STALE);
    assert_int_equal(snapshot_chunk_check(&totals, &third), ERR_STALE);
}

static void totals_tell_the_order_and_what_is_missing(void **state)
{
    struct snapshot_chunk chunk = chunk_of(*state, 0);
    struct snapshot_chunk other = {.row_count = ROWS, .payload = slice_from(chunk.payload, 1)};
    struct snapshot_totals a = {0}, b = {0};
    snapshot_totals_add(&a, &chunk);
    assert_false(snapshot_totals_equal(&a, &b));
    snapshot_totals_add(&a, &other);
    snapshot_totals_add(&b, &other);
    snapshot_totals_add(&b, &chunk);
    assert_false(snapshot_totals_equal(&a, &b));
}

static void rows_that_are_cut_or_too_many_are_refused(void **state)
{
    struct snapshot_chunk chunk = chunk_of(*state, 0);
    struct seen seen = {0};
    struct slice whole = chunk.payload;
    for (size_t length = 0; length < whole.length; length++) {
        chunk.payload = slice_make(whole.data, length);
        assert_int_equal(snapshot_chunk_each(&chunk, see, &seen), ERR_CORRUPT);
    }
    chunk.payload = whole;
    chunk.row_count = ROWS - 1;
    assert_int_equal(snapshot_chunk_each(&chunk, see, &seen), ERR_CORRUPT);
    chunk.row_count = UINT32_MAX;
    assert_int_equal(snapshot_chunk_each(&chunk, see, &seen), ERR_CORRUPT);
}

static void any_bytes_are_survived(void **state)
{
    uint8_t bytes[64];
    struct random random;
    struct seen seen = {0};
    random_init(&random, 3);
    for (int round = 0; round < 20000; round++) {
        size_t length = (size_t)random_below(&random, sizeof bytes + 1);
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)random_below(&random, round % 2 == 0 ? 256 : 6);
        const struct snapshot_chunk chunk = {.row_count = (uint32_t)random_below(&random, 8),
                                             .payload = slice_make(bytes, length)};
        enum err err = snapshot_chunk_each(&chunk, see, &seen);
        assert_true(err == ERR_OK || err == ERR_CORRUPT);
    }
}

static void the_first_error_of_a_row_ends_it(void **state)
{
    struct snapshot_chunk chunk = chunk_of(*state, 0);
    struct seen seen = {.fail_at = 3};
    assert_int_equal(snapshot_chunk_each(&chunk, see, &seen), ERR_NO_SPACE);
    assert_int_equal(seen.rows, 2);
}

static void the_pace_is_kept_and_not_saved_up(void **state)
{
    struct snapshot_pace pace = {.bytes_per_s = 1000 * 1000};
    uint64_t now_us = 100 * SECOND_US, sent = 0;
    uint64_t until_us = now_us + 10 * SECOND_US;
    while (now_us < until_us) {
        uint64_t wait_us = snapshot_pace_wait(&pace, now_us);
        if (wait_us != 0) {
            assert_true(wait_us > now_us);
            now_us = wait_us;
            continue;
        }
        snapshot_pace_spend(&pace, 256 * 1024, now_us);
        sent += 256 * 1024;
    }
    assert_in_range(sent, 10 * 1000 * 1000, 10 * 1000 * 1000 + 2 * 256 * 1024);
    now_us += 3600ULL * SECOND_US;
    assert_int_equal(snapshot_pace_wait(&pace, now_us), 0);
    snapshot_pace_spend(&pace, 1000 * 1000, now_us);
    assert_int_equal(snapshot_pace_wait(&pace, now_us), now_us + SECOND_US);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_sent_is_what_comes),
        TEST(every_flipped_bit_is_found),
        TEST(a_chunk_that_is_lost_repeated_or_out_of_turn_is_found),
        TEST(totals_tell_the_order_and_what_is_missing),
        TEST(rows_that_are_cut_or_too_many_are_refused),
        TEST(any_bytes_are_survived),
        TEST(the_first_error_of_a_row_ends_it),
        TEST(the_pace_is_kept_and_not_saved_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

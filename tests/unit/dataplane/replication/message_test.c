#include "dataplane/replication/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct group_message SAMPLE = {
    .kind = MESSAGE_APPEND,
    .from_replica = 11,
    .to_replica = 12,
    .from_node = 1,
    .term = 5,
    .relinquished_term = 4,
    .previous_index = 300,
    .previous_term = 4,
    .commit_index = 299,
    .sequence = 70000,
    .incarnation = 2,
    .entry_count = 3,
};

static enum err way_back(const struct group_message *message, struct group_message *ret_message)
{
    struct buffer bytes;
    buffer_init(&bytes, 1000);
    message_encode(message, &bytes);
    enum err err = message_decode(buffer_view(&bytes), ret_message);
    buffer_deinit(&bytes);
    return err;
}

static void a_message_comes_back_from_its_bytes(void **state)
{
    struct group_message back;
    assert_int_equal(way_back(&SAMPLE, &back), ERR_OK);
    assert_int_equal(back.kind, MESSAGE_APPEND);
    assert_int_equal(back.to_replica, 12);
    assert_int_equal(back.previous_index, 300);
    assert_int_equal(back.sequence, 70000);
    assert_int_equal(back.entry_count, 3);
    assert_false(back.is_granted);
}

static void a_cut_or_lengthened_message_is_refused(void **state)
{
    struct buffer bytes;
    struct group_message back;
    buffer_init(&bytes, 1000);
    message_encode(&SAMPLE, &bytes);
    for (size_t length = 0; length < bytes.length; length++)
        assert_int_equal(message_decode(slice_make(bytes.data, length), &back), ERR_CORRUPT);
    buffer_append_u8(&bytes, 0);
    assert_int_equal(message_decode(buffer_view(&bytes), &back), ERR_CORRUPT);
    buffer_deinit(&bytes);
}

/* A replica that believed it would campaign in term 0. */
static void a_term_that_could_wrap_is_refused(void **state)
{
    struct group_message message = SAMPLE, back;
    message.term = TERM_MAX;
    assert_int_equal(way_back(&message, &back), ERR_OK);
    message.term = TERM_MAX + 1;
    assert_int_equal(way_back(&message, &back), ERR_CORRUPT);
    message = SAMPLE;
    message.relinquished_term = UINT64_MAX;
    assert_int_equal(way_back(&message, &back), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_comes_back_from_its_bytes),
        cmocka_unit_test(a_cut_or_lengthened_message_is_refused),
        cmocka_unit_test(a_term_that_could_wrap_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

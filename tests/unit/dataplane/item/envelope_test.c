#include "dataplane/item/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void envelopes_come_back(bool is_sealed)
{
    struct buffer bytes;
    struct envelope back,
        e = {.write_time_us = 1234567890123456, .is_sealed = is_sealed, .body = SLICE_LITERAL("body")};
    if (is_sealed) {
        e.key_id = 77;
        memset(e.nonce, 0x11, sizeof(e.nonce));
        memset(e.tag, 0x22, sizeof(e.tag));
    }
    buffer_init(&bytes, 1000);
    envelope_encode(&e, &bytes);
    assert_int_equal(bytes.length, (is_sealed ? ENVELOPE_BYTES_MAX : 10) + 4);
    assert_int_equal(envelope_decode(buffer_view(&bytes), &back), ERR_OK);
    assert_int_equal(back.write_time_us, e.write_time_us);
    assert_int_equal(back.is_sealed, is_sealed);
    assert_int_equal(back.key_id, e.key_id);
    assert_memory_equal(back.nonce, e.nonce, sizeof(e.nonce));
    assert_memory_equal(back.tag, e.tag, sizeof(e.tag));
    assert_true(slice_equal(back.body, e.body));
    for (size_t length = 0; length < bytes.length - 4; length++)
        assert_int_equal(envelope_decode(slice_make(bytes.data, length), &back), ERR_CORRUPT);
    buffer_deinit(&bytes);
}

static void envelope_comes_back_plain_and_sealed(void **state)
{
    envelopes_come_back(false);
    envelopes_come_back(true);
}

static void envelope_of_another_format_is_refused(void **state)
{
    struct envelope e;
    assert_int_equal(envelope_decode(SLICE_LITERAL("\2\0\0\0\0\0\0\0\0\0"), &e), ERR_CORRUPT);
    assert_int_equal(envelope_decode(SLICE_LITERAL("\1\2\0\0\0\0\0\0\0\0"), &e), ERR_CORRUPT);
    assert_int_equal(envelope_decode(SLICE_LITERAL("\1\0\0\0\0\0\0\0\0\0"), &e), ERR_OK);
    assert_int_equal(e.body.length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelope_comes_back_plain_and_sealed),
        cmocka_unit_test(envelope_of_another_format_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

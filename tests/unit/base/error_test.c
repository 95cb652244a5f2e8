#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void the_list_is_consistent(void **state)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        enum err code = (enum err)i;
        assert_true(strlen(err_sentence(code)) > 5);
        int status = err_http_status(code);
        enum err found;
        assert_true(err_from_name(err_name(code), &found));
        assert_int_equal(found, code);
        if (code == ERR_OK) {
            assert_int_equal(status, 200);
            assert_int_equal(err_fault(code), FAULT_NONE);
            continue;
        }
        assert_int_equal(err_fault(code), status < 500 ? FAULT_CALLER : FAULT_SERVICE);
        assert_true(status >= 400 && status <= 599);
        if (err_fault(code) == FAULT_CALLER)
            assert_non_null(err_exception(code));
    }
    enum err code;
    assert_false(err_from_name("NO_SUCH_ERROR", &code));
    assert_string_equal(err_name(ERR_THROTTLED), "THROTTLED");
    assert_true(err_is_retryable(ERR_THROTTLED));
}

static void words_are_wrapped_on_the_way_out(void **state)
{
    struct error error = {0};
    assert_int_equal(error_set(&error, ERR_IO, "short read at %d", 42), ERR_IO);
    assert_int_equal(error_wrap(&error, ERR_IO, "segment %d", 7), ERR_IO);
    assert_string_equal(error.text, "segment 7: short read at 42");
    error = (struct error){0};
    assert_int_equal(error_wrap(&error, ERR_NO_SPACE, "segment %d", 7), ERR_NO_SPACE);
    assert_string_equal(error.text, "segment 7: the disk is full");
    assert_int_equal(error_set(NULL, ERR_BUSY, "nobody listens"), ERR_BUSY);
    assert_int_equal(error_wrap(NULL, ERR_BUSY, "nobody listens"), ERR_BUSY);
}

static void long_words_are_cut_at_a_character(void **state)
{
    struct error error;
    char text[2 * ERROR_TEXT_BYTES] = "x";
    for (int i = 0; i < ERROR_TEXT_BYTES / 2; i++)
        memcpy(text + 1 + 3 * i, "\xE2\x82\xAC", 4); /* the euro sign */
    (void)!error_set(&error, ERR_IO, "%s", text);
    size_t length = strlen(error.text);
    assert_true(length < ERROR_TEXT_BYTES && length > ERROR_TEXT_BYTES - 8);
    assert_int_equal((length - 1) % 3, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_is_consistent),
        cmocka_unit_test(words_are_wrapped_on_the_way_out),
        cmocka_unit_test(long_words_are_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

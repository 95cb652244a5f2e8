#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_next(const char **list, const char *host, uint16_t port)
{
    struct address address;
    assert_int_equal(address_next(list, &address), ERR_OK);
    assert_string_equal(address.host, host);
    assert_int_equal(address.port, port);
}

static void a_list_is_taken_apart(void **state)
{
    const char *list = "127.0.0.1:8012,10.0.0.2:1 , [::1]:65535,";
    struct address address;
    assert_next(&list, "127.0.0.1", 8012);
    assert_next(&list, "10.0.0.2", 1);
    assert_next(&list, "::1", UINT16_MAX);
    assert_int_equal(address_next(&list, &address), ERR_NOT_FOUND);
    assert_int_equal(address_next(&list, &address), ERR_NOT_FOUND);
}

static void an_empty_list_has_no_address(void **state)
{
    static const char *const empty[] = {"", " ", ",", " , "};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        const char *list = empty[i];
        struct address address;
        assert_int_equal(address_next(&list, &address), ERR_NOT_FOUND);
    }
}

static void a_host_has_up_to_63_bytes(void **state)
{
    char text[ADDRESS_HOST_BYTES + 4];
    memset(text, 'h', sizeof text);
    memcpy(text + ADDRESS_HOST_BYTES - 1, ":80", sizeof ":80");
    const char *list = text;
    struct address address;
    assert_int_equal(address_next(&list, &address), ERR_OK);
    assert_int_equal(strlen(address.host), ADDRESS_HOST_BYTES - 1);

    memcpy(text + ADDRESS_HOST_BYTES - 1, "h:80", sizeof "h:80");
    list = text;
    assert_int_equal(address_next(&list, &address), ERR_CONFIG);
}

static void what_is_no_address_is_refused_and_not_skipped(void **state)
{
    static const char *const wrong[] = {"host",        "host:",   ":80",     "host:0",   "host:65536",
                                        "host:123456", "host:8x", "host:+8", "host:-8",  "h:1:2",
                                        "::1:80",      "[::1]",   "[::1]:",  "[::1]80",  "[::1",
                                        "[]:80",       "[]",      "[:80",    "[::1]x:80"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "10.0.0.1:1,%s", wrong[i]);
        const char *list = text;
        assert_next(&list, "10.0.0.1", 1);
        struct address address;
        for (int again = 0; again < 2; again++)
            assert_int_equal(address_next(&list, &address), ERR_CONFIG);
        assert_string_equal(list, wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_taken_apart),
        cmocka_unit_test(an_empty_list_has_no_address),
        cmocka_unit_test(a_host_has_up_to_63_bytes),
        cmocka_unit_test(what_is_no_address_is_refused_and_not_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

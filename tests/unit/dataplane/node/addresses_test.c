#include "dataplane/node/addresses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_list_is_taken_apart(void **state)
{
    const char *list = "127.0.0.1:8012,10.0.0.2:1";
    struct address address;
    assert_true(address_next(&list, &address));
    assert_string_equal(address.host, "127.0.0.1");
    assert_int_equal(address.port, 8012);
    assert_true(address_next(&list, &address));
    assert_string_equal(address.host, "10.0.0.2");
    assert_int_equal(address.port, 1);
    assert_false(address_next(&list, &address));
}

static void what_is_no_address_has_port_0(void **state)
{
    static const char *const bad[] = {
        "host",     ":80",
        "h:",       "h:0",
        "h:65536",  "h:99999",
        "h:123456", "h:1x",
        ",h:1",     "a.name.that.is.far.longer.than.any.numeric.address.could.ever.be.on.this.earth:80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *list = bad[i];
        struct address address;
        assert_true(address_next(&list, &address));
        assert_int_equal(address.port, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_taken_apart),
        cmocka_unit_test(what_is_no_address_has_port_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

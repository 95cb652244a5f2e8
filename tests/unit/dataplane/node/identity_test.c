/* The file that says which node a data directory is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataplane/node/node_internal.h"

static char directory[64];
static char path[96];

static int setup(void **state)
{
    snprintf(directory, sizeof directory, "/tmp/sluice-identity-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/node_id", directory);
    return 0;
}

static int teardown(void **state)
{
    unlink(path);
    return rmdir(directory);
}

static void put(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_text(const char *text)
{
    char got[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(got, sizeof got, file));
    fclose(file);
    assert_string_equal(got, text);
}

static void a_new_directory_has_none(void **state)
{
    struct identity got;
    assert_int_equal(identity_read(directory, &got), ERR_NOT_FOUND);
}

static void what_was_written_is_read(void **state)
{
    const struct identity written = {7, 12, 4};
    struct identity got;
    assert_int_equal(identity_write(directory, &written), ERR_OK);
    expect_text("7 12 4\n");
    assert_int_equal(identity_read(directory, &got), ERR_OK);
    assert_int_equal(got.node_id, 7);
    assert_int_equal(got.incarnation, 12);
    assert_int_equal(got.loops, 4);
}

/* So that a release that knows of one loop only can take over a directory with one, and no other. */
static void one_loop_is_written_as_it_always_was(void **state)
{
    const struct identity written = {7, 13, 1};
    struct identity got;
    assert_int_equal(identity_write(directory, &written), ERR_OK);
    expect_text("7 13\n");
    assert_int_equal(identity_read(directory, &got), ERR_OK);
    assert_int_equal(got.loops, 1);
}

static void damaged_ones_are_refused(void **state)
{
    static const char *const texts[] = {"",         "7",          "7 \n12",         "0 1\n",
                                        "7 12 0\n", "7 12 65\n",  "7 12 2",         "7 12 x\n",
                                        "a b\n",    "7 12 2 1\n", "99999999999 1\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct identity got;
        put(texts[i]);
        assert_int_equal(identity_read(directory, &got), ERR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_directory_has_none, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(one_loop_is_written_as_it_always_was, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_ones_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

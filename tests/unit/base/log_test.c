#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/sluice-log-XXXXXX";
static char text[65536];

static int set_up(void **state)
{
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    close(mkstemp(path));
    log_set_level(LOG_INFO);
    return log_open(path, NULL) != ERR_OK;
}

static int tear_down(void **state)
{
    log_close();
    unlink(path);
    return 0;
}

static const char *read_log(void)
{
    FILE *file = fopen(path, "r");
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

static void an_event_is_one_line(void **state)
{
    log_info("started", "name=%s count=%d", "x", 7);
    log_debug("hidden", "");
    log_warn("bare", "");
    const char *log = read_log();
    assert_int_equal(log[10], 'T');
    assert_int_equal(log[26], 'Z');
    assert_non_null(strstr(log, "Z info started name=x count=7\n"));
    assert_non_null(strstr(log, "Z warn bare\n"));
    assert_null(strstr(log, "hidden"));
}

static void values_cannot_forge_a_line_nor_exceed_it(void **state)
{
    log_info("input", "text=%s", "a\n2026-01-01 forged\x1b[2J");
    static char huge[10000];
    memset(huge, 'h', sizeof huge - 1);
    log_info("input", "text=%s", huge);
    const char *log = read_log();
    assert_non_null(strstr(log, "text=a?2026-01-01 forged?[2J\n"));
    assert_non_null(strstr(log, "hhh...\n"));
    assert_true(strlen(log) < 2300);
}

static void repeats_are_dropped_and_counted(void **state)
{
    uint64_t suppressed = log_suppressed_count();
    struct log_site site = {0};
    for (int i = 0; i < 100; i++)
        log_write(&site, LOG_WARN, "again", "i=%d", i);
    assert_int_equal(log_suppressed_count() - suppressed, 80);
    site.window_us -= 1000000; /* as if a second had passed */
    log_write(&site, LOG_WARN, "again", "i=%d", 100);
    const char *log = read_log();
    assert_non_null(strstr(log, "again i=19\n"));
    assert_null(strstr(log, "i=20\n"));
    assert_non_null(strstr(log, "again suppressed=80 i=100\n"));
}

static void a_rotated_file_is_opened_again(void **state)
{
    log_info("before", "");
    char moved[64];
    snprintf(moved, sizeof moved, "%s.1", path);
    assert_int_equal(rename(path, moved), 0);
    log_reopen();
    log_info("after", "");
    assert_non_null(strstr(read_log(), "after"));
    assert_null(strstr(text, "before"));
    unlink(moved);
}

static void wrong_paths_and_levels_are_errors(void **state)
{
    struct error error = {0};
    assert_int_equal(log_open("/no/such/dir/log", &error), ERR_IO);
    assert_non_null(strstr(error.text, "/no/such/dir/log"));
    log_info("still", "");
    assert_non_null(strstr(read_log(), "still"));
    enum log_level level;
    assert_int_equal(log_level_parse("error", &level), ERR_OK);
    assert_int_equal(level, LOG_ERROR);
    assert_int_equal(log_level_parse("loud", &level), ERR_CONFIG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_event_is_one_line),
        TEST(values_cannot_forge_a_line_nor_exceed_it),
        TEST(repeats_are_dropped_and_counted),
        TEST(a_rotated_file_is_opened_again),
        TEST(wrong_paths_and_levels_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

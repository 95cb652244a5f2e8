#include "base/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"

#define EXAMPLE_SETTINGS                                                             \
    SETTING(count, u64, things, "5", "1", "10", "How many.")                         \
    SETTING(heartbeat_interval, duration, us, "200ms", "10ms", "5s", "Between two.") \
    SETTING(cache, bytes, bytes, "64MiB", "", "1GiB", "How much.")                   \
    SETTING(is_loud, bool, flag, "false", "", "", "Whether.")                        \
    SETTING(data_dir, string, path, "", "1", "12", "Where.")                         \
    SETTING(token, string, text, "", "", "", "Secret.")

struct example {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) SETTING_FIELD_##kind(name)
    EXAMPLE_SETTINGS
#undef SETTING
};

static const struct setting_row rows[] = {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) \
    SETTING_ROW(struct example, name, kind, unit, initial, minimum, maximum, sentence)
    EXAMPLE_SETTINGS
#undef SETTING
};

static struct example values;
static struct arena arena;
static struct error error;
static const struct settings_group group = {rows, sizeof rows / sizeof rows[0], &values};

static enum err parse(const char *const *arguments)
{
    char *copies[16];
    int count = 0;
    for (; arguments[count] != NULL; count++)
        copies[count] = arena_string(&arena, slice_from_string(arguments[count]));
    error = (struct error){0};
    return settings_parse(&group, 1, count, copies, &arena, &error);
}

#define PARSE(...) parse((const char *[]){"program", __VA_ARGS__, NULL})

static int set_up(void **state)
{
    arena_init(&arena, 4096, 4 * 1024 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    arena_deinit(&arena);
    return 0;
}

static void defaults_hold_where_nothing_is_said(void **state)
{
    assert_int_equal(PARSE("--data-dir", "/x"), ERR_OK);
    assert_int_equal(values.count, 5);
    assert_int_equal(values.heartbeat_interval_us, 200000);
    assert_int_equal(values.cache_bytes, 64 << 20);
    assert_false(values.is_loud);
    assert_string_equal(values.data_dir, "/x");
    assert_string_equal(values.token, "");
}

static void options_are_taken_in_both_forms(void **state)
{
    assert_int_equal(
        PARSE("--data-dir=/y", "--count", "7", "--heartbeat_interval=2s", "--is-loud", "--cache=1KiB"),
        ERR_OK);
    assert_int_equal(values.count, 7);
    assert_int_equal(values.heartbeat_interval_us, 2000000);
    assert_int_equal(values.cache_bytes, 1024);
    assert_true(values.is_loud);
    assert_int_equal(PARSE("--data-dir=/y", "--is-loud", "false"), ERR_OK);
    assert_false(values.is_loud);
}

static void wrong_input_is_refused_with_words(void **state)
{
    assert_int_equal(PARSE("--data-dir=/y", "--cuont", "7"), ERR_CONFIG);
    assert_non_null(strstr(error.text, "cuont"));
    assert_int_equal(PARSE("--data-dir=/y", "--count=11"), ERR_CONFIG);
    assert_non_null(strstr(error.text, "count"));
    assert_non_null(strstr(error.text, "from 1 to 10"));
    assert_int_equal(PARSE("--data-dir=/y", "--count=0"), ERR_CONFIG);
    assert_int_equal(PARSE("--data-dir=/y", "--count="), ERR_CONFIG);
    assert_int_equal(PARSE("--data-dir=/y", "--count=-1"), ERR_CONFIG);
    assert_int_equal(PARSE("--data-dir=/y", "--count=99999999999999999999999"), ERR_CONFIG);
    assert_int_equal(PARSE("--data-dir=/y", "--count=5", "--count=5"), ERR_CONFIG);
    assert_int_equal(PARSE("--data-dir=/y", "--heartbeat-interval=5"), ERR_CONFIG);
    assert_int_equal(PARSE("--data-dir=/y", "--heartbeat-interval=6s"), ERR_CONFIG);
    assert_int_equal(PARSE("--data-dir=/y", "--is-loud=perhaps"), ERR_CONFIG);
    assert_int_equal(PARSE("--data-dir=/y", "loose"), ERR_CONFIG);
    assert_int_equal(PARSE("--data-dir"), ERR_CONFIG);
    assert_int_equal(PARSE("--data-dir=longer than twelve"), ERR_CONFIG);
    assert_int_equal(PARSE("--count=5"), ERR_CONFIG);
    assert_non_null(strstr(error.text, "data_dir must be given"));
}

static void a_file_is_weaker_than_the_command_line(void **state)
{
    char path[] = "/tmp/sluice-settings-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "# comment\n\n count = 3\r\ndata_dir=/from file\n  is-loud = true";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    assert_int_equal(PARSE("--count=4", "--config", path), ERR_OK);
    assert_int_equal(values.count, 4);
    assert_string_equal(values.data_dir, "/from file");
    assert_true(values.is_loud);
    unlink(path);
    assert_int_equal(PARSE("--config", path), ERR_IO);
}

static enum err parse_text(const char *text)
{
    error = (struct error){0};
    return settings_parse_text(&group, 1, slice_from_string(text), &arena, &error);
}

static void wrong_files_are_refused_with_their_line(void **state)
{
    assert_int_equal(parse_text("data_dir = a"), ERR_OK);
    assert_int_equal(parse_text("data_dir = a\ncount = 12"), ERR_CONFIG);
    assert_non_null(strstr(error.text, "line 2"));
    assert_int_equal(parse_text("data_dir = a\nnothing"), ERR_CONFIG);
    assert_int_equal(parse_text("data_dir = a\n= 3"), ERR_CONFIG);
    assert_int_equal(parse_text("data_dir = a\ndata_dir = b"), ERR_CONFIG);
}

static void help_names_every_setting_and_secrets_are_never_shown(void **state)
{
    struct buffer text;
    buffer_init(&text, 100000);
    settings_help(&group, 1, &text);
    buffer_append_u8(&text, 0);
    assert_non_null(strstr((char *)text.data, "--heartbeat-interval us"));
    assert_non_null(strstr((char *)text.data, "Between two. Default: 200ms; 10ms to 5s."));
    assert_int_equal(PARSE("--data-dir=/y", "--token=hunter2"), ERR_OK);
    buffer_clear(&text);
    settings_show(&group, 1, &text);
    buffer_append_u8(&text, 0);
    assert_non_null(strstr((char *)text.data, "token=***\n"));
    assert_non_null(strstr((char *)text.data, "heartbeat_interval=200000us\n"));
    assert_null(strstr((char *)text.data, "hunter2"));
    buffer_deinit(&text);
}

static void numbers_have_their_units(void **state)
{
    static const struct {
        const char *text;
        enum setting_kind kind;
        uint64_t value;
    } good[] = {{"0", SETTING_duration, 0},
                {"90us", SETTING_duration, 90},
                {"10ms", SETTING_duration, 10000},
                {"5min", SETTING_duration, 300000000},
                {"1h", SETTING_duration, 3600000000},
                {"2GiB", SETTING_bytes, 2ull << 30},
                {"17", SETTING_bytes, 17},
                {"17", SETTING_u64, 17}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t value;
        assert_int_equal(setting_parse_u64(good[i].text, good[i].kind, &value), ERR_OK);
        assert_int_equal(value, good[i].value);
    }
    static const char *const bad[] = {
        "", "ms", "1 ms", "1mss", "1.5s", "0x10", "18446744073709551615s", "9223372036854775807d"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t value;
        assert_int_equal(setting_parse_u64(bad[i], SETTING_duration, &value), ERR_CONFIG);
    }
}

static void too_little_memory_is_an_error(void **state)
{
    arena_deinit(&arena);
    arena_init(&arena, 16, 64);
    assert_int_equal(settings_parse_text(&group, 1,
                                         SLICE_LITERAL("token=a longer text than there is room for"), &arena,
                                         &error),
                     ERR_NO_MEMORY);
    char *arguments[] = {NULL};
    arena_deinit(&arena);
    arena_init(&arena, 16, 1024);
    memory_fail_after(0);
    assert_int_equal(settings_parse(&group, 1, 1, arguments, &arena, &error), ERR_NO_MEMORY);
    memory_fail_after(-1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(defaults_hold_where_nothing_is_said),
        TEST(options_are_taken_in_both_forms),
        TEST(wrong_input_is_refused_with_words),
        TEST(a_file_is_weaker_than_the_command_line),
        TEST(wrong_files_are_refused_with_their_line),
        TEST(help_names_every_setting_and_secrets_are_never_shown),
        TEST(numbers_have_their_units),
        TEST(too_little_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

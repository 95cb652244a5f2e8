#include "api/cli/columns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"

static const char *const titles[] = {"NAME", "TABLES", "STATE"};

static void assert_text(struct columns *c, const char *expected)
{
    struct buffer text;
    buffer_init(&text, 4096);
    columns_write(c, &text);
    buffer_append_u8(&text, 0);
    assert_false(buffer_has_failed(&text));
    assert_string_equal((char *)text.data, expected);
    buffer_deinit(&text);
    columns_deinit(c);
}

static void text_stands_left_and_numbers_right(void **state)
{
    struct columns c;
    columns_init(&c, titles, 3);
    columns_text(&c, "a-long-name");
    columns_number(&c, 7);
    columns_text(&c, "active");
    columns_text(&c, "b");
    columns_number(&c, 1234567);
    columns_text(&c, "suspended");
    assert_text(&c, "NAME          TABLES  STATE\n"
                    "a-long-name        7  active\n"
                    "b            1234567  suspended\n");
}

static void without_rows_the_titles_remain(void **state)
{
    struct columns c;
    columns_init(&c, titles, 3);
    assert_text(&c, "NAME  TABLES  STATE\n");
}

static void widths_count_characters_and_not_bytes(void **state)
{
    struct columns c;
    columns_init(&c, titles, 3);
    columns_text(&c, "Zoë ä");
    columns_number(&c, 1);
    columns_text(&c, "x");
    assert_text(&c, "NAME   TABLES  STATE\n"
                    "Zoë ä       1  x\n");
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    struct columns c;
    columns_init(&c, titles, 3);
    columns_text(&c, "a\033[2J\nb");
    columns_number(&c, -1);
    columns_text(&c, NULL);
    assert_text(&c, "NAME     TABLES  STATE\n"
                    "a?[2J?b      -1  -\n");
}

static void an_unfinished_row_is_left_out(void **state)
{
    struct columns c;
    columns_init(&c, titles, 3);
    columns_text(&c, "a");
    assert_text(&c, "NAME  TABLES  STATE\n");
}

static void without_memory_the_text_has_failed(void **state)
{
    struct columns c;
    struct buffer text;
    columns_init(&c, titles, 3);
    memory_fail_after(0);
    columns_text(&c, "a");
    memory_fail_after(-1);
    buffer_init(&text, 4096);
    columns_write(&c, &text);
    assert_true(buffer_has_failed(&text));
    buffer_deinit(&text);
    columns_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stands_left_and_numbers_right),
        cmocka_unit_test(without_rows_the_titles_remain),
        cmocka_unit_test(widths_count_characters_and_not_bytes),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(an_unfinished_row_is_left_out),
        cmocka_unit_test(without_memory_the_text_has_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

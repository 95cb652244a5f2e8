#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/router/page_line.h"
#include "base/clock.h"

enum { PAGES = 6 };

struct world {
    struct loop loop;
    struct page_line line;
    struct page_place pages[PAGES];
    int order[PAGES]; /* as they were told to go on */
    enum err told[PAGES];
    int count;
};

static void on_go(struct page_place *place, enum err err)
{
    struct world *w = place->data;
    w->told[w->count] = err;
    w->order[w->count++] = (int)(place - w->pages);
}

static int set_up(void **state)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    assert_int_equal(loop_init(&w.loop), ERR_OK);
    page_line_init(&w.line, &w.loop, 2);
    for (int i = 0; i < PAGES; i++)
        w.pages[i] = (struct page_place){.go = on_go, .data = &w, .deadline_us = clock_boot_us() + 60000000};
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    page_line_close(&w->line);
    loop_deinit(&w->loop);
    return 0;
}

static void run_until(struct world *w, int count)
{
    for (int i = 0; i < 500 && w->count < count; i++)
        loop_run_once(&w->loop, 10);
    assert_int_equal(w->count, count);
}

static void as_many_go_as_there_are_places(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 4; i++)
        page_line_take(&w->line, &w->pages[i]);
    assert_int_equal(w->count, 2);
    page_line_leave(&w->line, &w->pages[1]);
    assert_int_equal(w->count, 2); /* not inside the call */
    run_until(w, 3);
    assert_int_equal(w->order[2], 2);
    page_line_leave(&w->line, &w->pages[0]);
    run_until(w, 4);
    assert_int_equal(w->order[3], 3);
}

static void who_leaves_the_line_is_not_called(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 4; i++)
        page_line_take(&w->line, &w->pages[i]);
    page_line_leave(&w->line, &w->pages[2]);
    page_line_leave(&w->line, &w->pages[2]); /* and again does nothing */
    page_line_leave(&w->line, &w->pages[5]); /* nor does one that never came */
    page_line_leave(&w->line, &w->pages[0]);
    run_until(w, 3);
    assert_int_equal(w->order[2], 3);
}

static void a_page_that_waits_for_others_loses_its_place(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 4; i++)
        page_line_take(&w->line, &w->pages[i]);
    uint64_t start_us = clock_boot_us();
    run_until(w, 4);
    assert_true(clock_boot_us() - start_us >= PLACE_US_MAX - 20000);
    assert_int_equal(w->told[3], ERR_OK);
    page_line_leave(&w->line, &w->pages[0]); /* it has none any more: nobody else gets one for that */
    page_line_take(&w->line, &w->pages[4]);
    assert_int_equal(w->count, 4);
}

static void a_late_page_is_told_so(void **state)
{
    struct world *w = *state;
    w->pages[2].deadline_us = clock_boot_us() + 10000;
    for (int i = 0; i < 3; i++)
        page_line_take(&w->line, &w->pages[i]);
    run_until(w, 3);
    assert_int_equal(w->order[2], 2);
    assert_int_equal(w->told[2], ERR_TIMEOUT);
}

static void a_line_that_closes_says_so(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 4; i++)
        page_line_take(&w->line, &w->pages[i]);
    page_line_close(&w->line);
    assert_int_equal(w->count, 4);
    assert_int_equal(w->told[3], ERR_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_many_go_as_there_are_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_leaves_the_line_is_not_called, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_page_that_waits_for_others_loses_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_late_page_is_told_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_that_closes_says_so, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/wake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/memory.h"
#include "base/schedule.h"

enum { SENDERS = 3, SENDS = 2000 };

struct fixture {
    struct loop loop;
    struct wake wake;
    atomic_uint said;
    unsigned heard;
    unsigned runs;
    bool is_closed;
};

static void on_wake(struct wake *wake)
{
    struct fixture *f = wake->data;
    f->runs++;
    f->heard = atomic_load(&f->said);
}

static void on_closed(struct wake *wake)
{
    ((struct fixture *)wake->data)->is_closed = true;
}

static struct fixture *begin(void)
{
    struct fixture *f = memory_zalloc(sizeof *f);
    assert_int_equal(loop_init(&f->loop), ERR_OK);
    assert_int_equal(wake_open(&f->wake, &f->loop.uv, on_wake, f), ERR_OK);
    return f;
}

static void end(struct fixture *f)
{
    wake_close(&f->wake, on_closed);
    loop_run(&f->loop);
    assert_true(f->is_closed);
    loop_deinit(&f->loop);
    memory_free(f);
}

static void *say(void *data)
{
    struct fixture *f = data;
    schedule_stand_back();
    for (int i = 0; i < SENDS; i++) {
        atomic_fetch_add(&f->said, 1);
        wake_send(&f->wake);
    }
    return NULL;
}

static void what_was_said_before_the_last_wake_up_is_heard(void **state)
{
    struct fixture *f = begin();
    pthread_t threads[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        pthread_create(&threads[i], NULL, say, f);
    uint64_t give_up_us = clock_boot_us() + 30 * 1000 * 1000;
    while (f->heard < SENDERS * SENDS && clock_boot_us() < give_up_us)
        loop_run_once(&f->loop, 1000);
    assert_int_equal(f->heard, SENDERS * SENDS);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    end(f);
}

static void several_before_the_loop_looks_are_one(void **state)
{
    struct fixture *f = begin();
    for (int i = 0; i < 10; i++)
        wake_send(&f->wake);
    loop_run_once(&f->loop, 100);
    loop_run_once(&f->loop, 0);
    assert_int_equal(f->runs, 1);
    wake_send(&f->wake);
    loop_run_once(&f->loop, 100);
    assert_int_equal(f->runs, 2);
    end(f);
}

static void the_loop_lives_for_it_or_not(void **state)
{
    struct fixture *f = begin();
    wake_ref(&f->wake, false);
    loop_run(&f->loop); /* ends at once */
    wake_ref(&f->wake, true);
    assert_true(uv_loop_alive(&f->loop.uv));
    wake_send(&f->wake);
    loop_run_once(&f->loop, 100);
    assert_int_equal(f->runs, 1);
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_said_before_the_last_wake_up_is_heard),
        cmocka_unit_test(several_before_the_loop_looks_are_one),
        cmocka_unit_test(the_loop_lives_for_it_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/background.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "base/schedule.h"

enum { JOBS = 1000 };

struct test_job {
    struct background_job job;
    pthread_t worker;
    int nice;
    unsigned *done_count;
    struct background *again; /* give it once more */
};

struct fixture {
    struct loop loop;
    struct background background;
    bool is_closed;
};

static struct fixture *begin(unsigned threads)
{
    struct fixture *f = memory_zalloc(sizeof *f);
    assert_int_equal(loop_init(&f->loop), ERR_OK);
    assert_int_equal(background_open(&f->background, &f->loop, threads), ERR_OK);
    return f;
}

static void on_closed(void *data)
{
    *(bool *)data = true;
}

static void end(struct fixture *f)
{
    background_close(&f->background, on_closed, &f->is_closed);
    loop_run(&f->loop);
    assert_true(f->is_closed);
    loop_deinit(&f->loop);
    memory_free(f);
}

static void look_around(struct background_job *job)
{
    struct test_job *t = job->data;
    t->worker = pthread_self();
    t->nice = getpriority(PRIO_PROCESS, 0);
}

static void count_done(struct background_job *job)
{
    struct test_job *t = job->data;
    (*t->done_count)++;
    if (t->again == NULL)
        return;
    struct background *b = t->again;
    t->again = NULL;
    background_run(b, job);
}

static struct test_job make_job(unsigned *done_count)
{
    return (struct test_job){.job = {.work = look_around, .done = count_done}, .done_count = done_count};
}

static void work_is_done_elsewhere_at_low_priority_and_comes_home(void **state)
{
    struct fixture *f = begin(2);
    unsigned done_count = 0;
    struct test_job t = make_job(&done_count);
    t.job.data = &t;
    background_run(&f->background, &t.job);
    assert_int_equal(done_count, 0);
    loop_run(&f->loop); /* ends when nothing is under way any more */
    assert_int_equal(done_count, 1);
    assert_false(pthread_equal(t.worker, pthread_self()));
    int ours = getpriority(PRIO_PROCESS, 0);
    assert_int_equal(t.nice, ours + SCHEDULE_NICE > 19 ? 19 : ours + SCHEDULE_NICE);
    end(f);
}

static void every_job_comes_home_once(void **state)
{
    static struct test_job jobs[JOBS];
    struct fixture *f = begin(3);
    unsigned done_count = 0;
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] = make_job(&done_count);
        jobs[i].job.data = &jobs[i];
        background_run(&f->background, &jobs[i].job);
    }
    loop_run(&f->loop);
    assert_int_equal(done_count, JOBS);
    end(f);
}

static void a_job_may_be_given_again_when_it_is_home(void **state)
{
    struct fixture *f = begin(1);
    unsigned done_count = 0;
    struct test_job t = make_job(&done_count);
    t.job.data = &t;
    t.again = &f->background;
    background_run(&f->background, &t.job);
    loop_run(&f->loop);
    assert_int_equal(done_count, 2);
    end(f);
}

static void sleep_a_little(struct background_job *job)
{
    poll(NULL, 0, 2);
}

static void what_was_given_is_done_before_it_closes(void **state)
{
    static struct test_job jobs[10];
    struct fixture *f = begin(2);
    unsigned done_count = 0;
    for (unsigned i = 0; i < 10; i++) {
        jobs[i] = make_job(&done_count);
        jobs[i].job.work = sleep_a_little;
        jobs[i].job.data = &jobs[i];
        background_run(&f->background, &jobs[i].job);
    }
    end(f);
    assert_int_equal(done_count, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_done_elsewhere_at_low_priority_and_comes_home),
        cmocka_unit_test(every_job_comes_home_once),
        cmocka_unit_test(a_job_may_be_given_again_when_it_is_home),
        cmocka_unit_test(what_was_given_is_done_before_it_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Jobs that block until they are told not to, so that the line is in a known state. */
#include "base/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

enum { JOBS_MAX = 16 };

struct fixture;

struct job {
    struct worker_job job;
    struct fixture *f;
    bool is_wanted;
    bool has_worked; /* written by the worker */
    bool is_done;
    unsigned place; /* in the order of ends */
    enum err err;
};

struct fixture {
    struct loop loop;
    struct workers workers;
    struct job jobs[JOBS_MAX];
    unsigned done_count;
    unsigned again; /* further jobs that the first one's end gives */
    uv_sem_t gate;
};

static void work(struct worker_job *job)
{
    struct job *j = job->data;
    uv_sem_wait(&j->f->gate);
    j->has_worked = true;
}

static void give(struct fixture *f, unsigned index, uint64_t deadline_us);

static void done(struct worker_job *job, enum err err)
{
    struct job *j = job->data;
    struct fixture *f = j->f;
    assert_false(j->is_done);
    j->is_done = true;
    j->err = err;
    j->place = f->done_count++;
    if (f->again > 0) {
        f->again--;
        give(f, JOBS_MAX - 1 - f->again, UINT64_MAX);
    }
}

static bool is_wanted(const struct worker_job *job)
{
    return ((const struct job *)job->data)->is_wanted;
}

static void give(struct fixture *f, unsigned index, uint64_t deadline_us)
{
    struct job *j = &f->jobs[index];
    *j = (struct job){.f = f, .is_wanted = true};
    j->job = (struct worker_job){
        .work = work, .done = done, .is_wanted = is_wanted, .deadline_us = deadline_us, .data = j};
    workers_run(&f->workers, &j->job);
    assert_false(j->is_done);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(loop_init(&f->loop), ERR_OK);
    assert_int_equal(workers_open(&f->workers, &f->loop, 1000), ERR_OK);
    assert_int_equal(uv_sem_init(&f->gate, 0), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    workers_close(&f->workers);
    loop_deinit(&f->loop);
    uv_sem_destroy(&f->gate);
    free(f);
    return 0;
}

static void open_gate(struct fixture *f, unsigned jobs)
{
    for (unsigned i = 0; i < jobs; i++)
        uv_sem_post(&f->gate);
}

static void turn_until(struct fixture *f, unsigned done_count)
{
    for (int i = 0; i < 10000 && f->done_count < done_count; i++)
        loop_run_once(&f->loop, 1);
    assert_int_equal(f->done_count, done_count);
}

static void jobs_are_done_and_come_home(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 10; i++)
        give(f, i, UINT64_MAX);
    open_gate(f, 10);
    turn_until(f, 10);
    for (unsigned i = 0; i < 10; i++)
        assert_true(f->jobs[i].has_worked && f->jobs[i].err == ERR_OK);
    assert_int_equal(f->workers.metrics.jobs.value, 10);
    assert_int_equal(f->workers.metrics.worked.values.count, 10);
    assert_int_equal(f->workers.metrics.waited.values.count, 10);
    assert_int_equal(f->workers.metrics.running.value, 0);
    assert_int_equal(f->workers.metrics.waiting.value, 0);
}

static void as_many_run_as_are_allowed_and_the_others_wait_in_line(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < WORKERS_RUNNING_MAX + 3; i++)
        give(f, i, UINT64_MAX);
    assert_int_equal(f->workers.metrics.running.value, WORKERS_RUNNING_MAX);
    assert_int_equal(f->workers.metrics.waiting.value, 3);
    open_gate(f, WORKERS_RUNNING_MAX + 3);
    turn_until(f, WORKERS_RUNNING_MAX + 3);
    assert_int_equal(f->workers.metrics.waiting.value, 0);
}

static void late_jobs_are_dropped_when_their_turn_comes(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < WORKERS_RUNNING_MAX; i++)
        give(f, i, 0); /* nobody before it: it begins at once */
    give(f, 4, clock_boot_us());
    give(f, 5, UINT64_MAX);
    open_gate(f, WORKERS_RUNNING_MAX + 1);
    turn_until(f, WORKERS_RUNNING_MAX + 2);
    assert_int_equal(f->jobs[0].err, ERR_OK);
    assert_int_equal(f->jobs[4].err, ERR_TIMEOUT);
    assert_false(f->jobs[4].has_worked);
    assert_true(f->jobs[5].has_worked);
    assert_int_equal(f->workers.metrics.dropped_late.value, 1);
}

static void jobs_that_nobody_wants_any_more_are_dropped(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < WORKERS_RUNNING_MAX + 1; i++)
        give(f, i, UINT64_MAX);
    f->jobs[WORKERS_RUNNING_MAX].is_wanted = false;
    open_gate(f, WORKERS_RUNNING_MAX);
    turn_until(f, WORKERS_RUNNING_MAX + 1);
    assert_int_equal(f->jobs[WORKERS_RUNNING_MAX].err, ERR_CLOSED);
    assert_false(f->jobs[WORKERS_RUNNING_MAX].has_worked);
    assert_int_equal(f->workers.metrics.dropped_unwanted.value, 1);
}

static void an_end_may_give_the_next_job(void **state)
{
    struct fixture *f = *state;
    f->again = 5;
    for (unsigned i = 0; i < WORKERS_RUNNING_MAX + 1; i++)
        give(f, i, i == WORKERS_RUNNING_MAX ? clock_boot_us() : UINT64_MAX);
    open_gate(f, WORKERS_RUNNING_MAX + 5);
    turn_until(f, WORKERS_RUNNING_MAX + 6);
    assert_int_equal(f->workers.metrics.dropped_late.value, 1);
}

static void memory_has_a_budget(void **state)
{
    struct fixture *f = *state;
    assert_true(workers_charge(&f->workers, 600));
    assert_false(workers_charge(&f->workers, 401));
    assert_false(workers_charge(&f->workers, SIZE_MAX));
    assert_true(workers_charge(&f->workers, 400));
    assert_int_equal(f->workers.metrics.charged_bytes.value, 1000);
    assert_int_equal(f->workers.metrics.refused_bytes.value, 2);
    workers_discharge(&f->workers, 1000);
    assert_int_equal(f->workers.metrics.charged_bytes.value, 0);
    assert_true(workers_charge(&f->workers, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(jobs_are_done_and_come_home),
        TEST(as_many_run_as_are_allowed_and_the_others_wait_in_line),
        TEST(late_jobs_are_dropped_when_their_turn_comes),
        TEST(jobs_that_nobody_wants_any_more_are_dropped),
        TEST(an_end_may_give_the_next_job),
        TEST(memory_has_a_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

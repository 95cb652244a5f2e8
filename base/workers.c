#include "base/workers.h"

#include "base/assert.h"
#include "base/clock.h"

static const struct metric_row rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct workers_metrics, name, kind, unit, sentence)
#include "base/workers_metrics.def"
#undef METRIC
};
const struct metric_table workers_metric_table = METRIC_TABLE("workers", rows);

enum err workers_open(struct workers *w, struct loop *loop, size_t budget_bytes)
{
    *w = (struct workers){.budget_bytes = budget_bytes};
    return background_open(&w->background, loop, WORKERS_RUNNING_MAX);
}

void workers_close(struct workers *w)
{
    ASSERT(w->running == 0 && w->first == NULL);
    background_close(&w->background, NULL, NULL);
}

static void show(struct workers *w)
{
    metric_set(&w->metrics.running, w->running);
    metric_set(&w->metrics.waiting, w->waiting);
}

static void in_background(struct background_job *background)
{
    struct worker_job *job = background->data;
    job->begun_us = clock_boot_us();
    job->work(job);
    job->ended_us = clock_boot_us();
}

static void after_background(struct background_job *background);

static void hand_over(struct worker_job *job)
{
    struct workers *w = job->workers;
    w->running++;
    job->background = (struct background_job){.work = in_background, .done = after_background, .data = job};
    background_run(&w->background, &job->background);
}

static struct worker_job *take_first(struct workers *w)
{
    struct worker_job *job = w->first;
    w->first = job->next;
    w->waiting--;
    return job;
}

/* ERR_OK: it is still to be done. */
static enum err look_at(const struct worker_job *job, uint64_t now_us)
{
    if (job->is_wanted != NULL && !job->is_wanted(job))
        return ERR_CLOSED;
    return now_us >= job->deadline_us ? ERR_TIMEOUT : ERR_OK;
}

static void drop(struct workers *w, struct worker_job *job, enum err why, uint64_t now_us)
{
    metric_increment(why == ERR_TIMEOUT ? &w->metrics.dropped_late : &w->metrics.dropped_unwanted);
    metric_record(&w->metrics.waited, now_us - job->given_us);
    job->done(job, why);
}

/* done() may give further jobs: the line is looked at anew each time. */
static void go_on(struct workers *w)
{
    uint64_t now_us = clock_boot_us();
    while (w->running < WORKERS_RUNNING_MAX && w->first != NULL) {
        struct worker_job *job = take_first(w);
        enum err why = look_at(job, now_us);
        if (why == ERR_OK)
            hand_over(job);
        else
            drop(w, job, why, now_us);
    }
    show(w);
}

static void after_background(struct background_job *background)
{
    struct worker_job *job = background->data;
    struct workers *w = job->workers;
    w->running--;
    metric_record(&w->metrics.waited, job->begun_us - job->given_us);
    metric_record(&w->metrics.worked, job->ended_us - job->begun_us);
    go_on(w);
    job->done(job, ERR_OK);
}

void workers_run(struct workers *w, struct worker_job *job)
{
    job->workers = w;
    job->next = NULL;
    job->given_us = clock_boot_us();
    metric_increment(&w->metrics.jobs);
    if (w->first == NULL && w->running < WORKERS_RUNNING_MAX) {
        hand_over(job);
    } else {
        if (w->first == NULL)
            w->first = job;
        else
            w->last->next = job;
        w->last = job;
        w->waiting++;
    }
    show(w);
}

bool workers_charge(struct workers *w, size_t bytes)
{
    if (bytes > w->budget_bytes - w->charged_bytes) {
        metric_increment(&w->metrics.refused_bytes);
        return false;
    }
    w->charged_bytes += bytes;
    metric_set(&w->metrics.charged_bytes, w->charged_bytes);
    return true;
}

void workers_discharge(struct workers *w, size_t bytes)
{
    ASSERT(bytes <= w->charged_bytes);
    w->charged_bytes -= bytes;
    metric_set(&w->metrics.charged_bytes, w->charged_bytes);
}

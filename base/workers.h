/* Work that would hold a loop for too long, done by threads of low priority: a job goes to a worker, and comes home to the loop.
 *
 *     workers_run -> line, first in first out -> a worker: work() -> the loop: done()
 *                      |
 *                      +-- late, or not wanted any more: done() without work()
 *
 * work() touches nothing but what its job owns: no loop, no metrics, no log, nothing that another job knows. So there
 * are no locks. All the rest happens on the loop's thread.
 *
 * WORKERS_RUNNING_MAX jobs of one loop are worked on at once, each by a thread (base/background.h), so that the loop keeps its
 * core. What jobs and their results hold is announced beforehand and has a budget: workers_charge. */
#pragma once

#include "base/background.h"

enum { WORKERS_RUNNING_MAX = 2 };

/* Below this a hop to another thread costs more than it spares: about 64 KiB of JSON take a loop 100 us. */
enum { WORKERS_BYTES_MIN = 64 * 1024 };

struct workers_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "base/workers_metrics.def"
#undef METRIC
};

extern const struct metric_table workers_metric_table;

/* Embedded in what it is about; its memory is used until done() was called. */
struct worker_job {
    void (*work)(struct worker_job *job);
    /* Exactly once, never inside workers_run.
     * ERR_OK       work() has run
     * ERR_TIMEOUT  it has not: the deadline passed first
     * ERR_CLOSED   it has not: is_wanted said no */
    void (*done)(struct worker_job *job, enum err err);
    bool (*is_wanted)(const struct worker_job *job); /* asked after it stood in line; NULL: always */
    uint64_t deadline_us; /* boot clock; to be taken up before that. UINT64_MAX: whenever */
    void *data;
    /* Leave alone. */
    struct background_job background;
    struct workers *workers;
    struct worker_job *next;
    uint64_t given_us;
    uint64_t begun_us;
    uint64_t ended_us;
};

struct workers {
    struct workers_metrics metrics;
    /* Leave alone. */
    struct background background;
    struct worker_job *first; /* in line */
    struct worker_job *last;
    size_t running;
    size_t waiting;
    size_t charged_bytes;
    size_t budget_bytes;
};

/* The struct must not move. ERR_IO, ERR_NO_MEMORY: there are no threads. */
enum err workers_open(struct workers *w, struct loop *loop, size_t budget_bytes) MUST_CHECK;
/* All jobs are home and no more come. The threads end; the memory is used until the loop has ended. */
void workers_close(struct workers *w);

/* The job's first five members are set. */
void workers_run(struct workers *w, struct worker_job *job);

/* Announce memory, before it is taken; false: over the budget, nothing was announced. */
bool workers_charge(struct workers *w, size_t bytes) MUST_CHECK;
void workers_discharge(struct workers *w, size_t bytes);

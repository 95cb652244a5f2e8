/* Long work that must not be in anybody's way: threads of their own, at low priority.
 *
 *     background_run -> line, first in first out -> a thread: work() -> the loop: done()
 *
 * libuv's pool is for what a request waits for, a row from the disk; what takes milliseconds of CPU, a scan, comes here (and
 * base/workers.h on top of it). The
 * threads are nicer than their process (base/schedule.h): where processors are short, loops come first, and where
 * they are not, nothing is lost. A little is always left for them, so that nothing starves.
 *
 * work() touches nothing but what its job owns. All the rest is for the loop's thread. */
#pragma once

#include <pthread.h>

#include "base/loop.h"
#include "base/wake.h"

enum { BACKGROUND_THREADS_MAX = 8 };

/* Embedded in what it is about; its memory is used until done() was called. */
struct background_job {
    void (*work)(struct background_job *job);
    void (*done)(struct background_job *job); /* never inside background_run */
    void *data;
    /* Leave alone. */
    struct background_job *next;
};

struct background {
    /* Leave alone. */
    struct loop *loop;
    struct wake news; /* keeps the loop alive while jobs are under way */
    size_t under_way;
    pthread_t threads[BACKGROUND_THREADS_MAX];
    unsigned thread_count;
    bool is_closing;
    void (*on_close)(void *data);
    void *on_close_data;
    struct background_job
        *finished; /* atomic, on the way home, newest first: the loop waits for no thread that stands back */
    /* The lock guards what follows; held for a few instructions only. */
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct background_job *first, **last; /* in line */
    bool is_over;
};

/* The struct must not move. threads > 0. ERR_IO: no descriptors left. ERR_NO_MEMORY: not one thread. */
enum err background_open(struct background *b, struct loop *loop, unsigned threads) MUST_CHECK;
/* No more jobs come. Those that were given are done and come home; then the threads end, and on_close (may be NULL) is called; the
 * memory is used until then. */
void background_close(struct background *b, void (*on_close)(void *data), void *data);

/* The job's first three members are set. */
void background_run(struct background *b, struct background_job *job);

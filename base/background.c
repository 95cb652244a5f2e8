#include "base/background.h"

#include <signal.h>

#include "base/assert.h"
#include "base/schedule.h"

/* ---- the threads ---- */

/* NULL: all is over. With the lock, which is given up while it waits. */
static struct background_job *take_first(struct background *b)
{
    while (b->first == NULL && !b->is_over)
        pthread_cond_wait(&b->has_work, &b->lock);
    struct background_job *job = b->first;
    if (job == NULL)
        return NULL;
    b->first = job->next;
    if (b->first == NULL)
        b->last = &b->first;
    return job;
}

/* The threads have ended before the handle is closed, so it is there whatever the loop does with the job meanwhile. */
static void send_home(struct background *b, struct background_job *job)
{
    job->next = __atomic_load_n(&b->finished, __ATOMIC_RELAXED);
    while (
        !__atomic_compare_exchange_n(&b->finished, &job->next, job, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    wake_send(&b->news);
}

static void *run(void *data)
{
    struct background *b = data;
    struct background_job *job;
    schedule_stand_back();
    pthread_mutex_lock(&b->lock);
    while ((job = take_first(b)) != NULL) {
        pthread_mutex_unlock(&b->lock);
        job->work(job);
        send_home(b, job);
        pthread_mutex_lock(&b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* ---- the loop ---- */

static void on_closed(struct wake *news)
{
    struct background *b = news->data;
    pthread_cond_destroy(&b->has_work);
    pthread_mutex_destroy(&b->lock);
    if (b->on_close != NULL)
        b->on_close(b->on_close_data);
}

static void end_threads(struct background *b)
{
    pthread_mutex_lock(&b->lock);
    b->is_over = true;
    pthread_cond_broadcast(&b->has_work);
    pthread_mutex_unlock(&b->lock);
    for (unsigned i = 0; i < b->thread_count; i++)
        pthread_join(b->threads[i], NULL); /* no job is under way: this takes no time */
}

static void end(struct background *b)
{
    end_threads(b);
    wake_close(&b->news, on_closed);
}

/* All that are there, oldest first. */
static struct background_job *take_finished(struct background *b)
{
    struct background_job *newest = __atomic_exchange_n(&b->finished, NULL, __ATOMIC_ACQUIRE);
    struct background_job *oldest = NULL;
    while (newest != NULL) {
        struct background_job *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void on_news(struct wake *news)
{
    struct background *b = news->data;
    struct background_job *next;
    for (struct background_job *job = take_finished(b); job != NULL; job = next) {
        next = job->next;
        b->under_way--;
        job->done(job); /* may free it, give another one, or close */
    }
    if (b->under_way > 0)
        return;
    wake_ref(news, false);
    if (b->is_closing && !b->is_over)
        end(b);
}

/* Signals are for the process's main thread. */
static unsigned start_threads(struct background *b, unsigned count)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (b->thread_count < count && pthread_create(&b->threads[b->thread_count], NULL, run, b) == 0)
        b->thread_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return b->thread_count;
}

enum err background_open(struct background *b, struct loop *loop, unsigned threads)
{
    ASSERT(threads > 0 && threads <= BACKGROUND_THREADS_MAX);
    *b = (struct background){.loop = loop};
    b->last = &b->first;
    TRY(wake_open(&b->news, &loop->uv, on_news, b));
    wake_ref(&b->news, false);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->has_work, NULL);
    if (start_threads(b, threads) > 0)
        return ERR_OK;
    wake_close(&b->news, on_closed);
    return ERR_NO_MEMORY;
}

void background_close(struct background *b, void (*on_close)(void *data), void *data)
{
    ASSERT(!b->is_closing);
    b->is_closing = true;
    b->on_close = on_close;
    b->on_close_data = data;
    if (b->under_way == 0)
        end(b);
}

void background_run(struct background *b, struct background_job *job)
{
    ASSERT(!b->is_closing);
    job->next = NULL;
    if (b->under_way++ == 0)
        wake_ref(&b->news, true);
    pthread_mutex_lock(&b->lock);
    *b->last = job;
    b->last = &job->next;
    pthread_cond_signal(&b->has_work);
    pthread_mutex_unlock(&b->lock);
}

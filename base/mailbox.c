#include "base/mailbox.h"

#include <pthread.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"

/* Senders push onto a stack with compare-and-swap; the loop takes the whole stack with one exchange and turns
 * it round, so nothing is ever popped singly and the ABA problem does not arise. */
enum err mailbox_post(struct mailbox *m, struct mailbox_message *message)
{
    if (__atomic_fetch_add(&m->waiting, 1, __ATOMIC_RELAXED) >= m->capacity) {
        __atomic_fetch_sub(&m->waiting, 1, __ATOMIC_RELAXED);
        metric_add_shared(&m->loop->metrics.mailbox_refused, 1);
        return ERR_BUSY;
    }
    struct mailbox_message *newest = __atomic_load_n(&m->newest, __ATOMIC_RELAXED);
    do
        message->next = newest;
    while (
        !__atomic_compare_exchange_n(&m->newest, &newest, message, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    /* Who found the stack empty wakes the loop. The message is the loop's by now: it must not be looked at. */
    if (newest == NULL)
        wake_send(&m->wake);
    return ERR_OK;
}

static void deliver_all(struct mailbox *m)
{
    struct mailbox_message *newest = __atomic_exchange_n(&m->newest, NULL, __ATOMIC_ACQUIRE);
    struct mailbox_message *oldest = NULL;
    uint64_t count = 0;
    while (newest != NULL) {
        struct mailbox_message *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
        count++;
    }
    __atomic_fetch_sub(&m->waiting, count, __ATOMIC_RELAXED);
    metric_add(&m->loop->metrics.mailbox_messages, count);
    metric_set_max(&m->loop->metrics.mailbox_batch_max, count);
    while (oldest != NULL) {
        struct mailbox_message *next = oldest->next;
        oldest->deliver(oldest); /* may free it */
        oldest = next;
    }
}

static void on_wake(struct wake *wake)
{
    deliver_all(wake->data);
}

enum err mailbox_open(struct mailbox *m, struct loop *loop, size_t capacity)
{
    ASSERT(capacity > 0);
    *m = (struct mailbox){.loop = loop, .capacity = capacity};
    TRY(wake_open(&m->wake, &loop->uv, on_wake, m));
    wake_ref(&m->wake, false);
    return ERR_OK;
}

static void on_closed(struct wake *wake)
{
    struct mailbox *m = wake->data;
    if (m->on_close != NULL)
        m->on_close(m->on_close_data);
}

void mailbox_close(struct mailbox *m, void (*on_close)(void *data), void *data)
{
    deliver_all(m);
    m->on_close = on_close;
    m->on_close_data = data;
    wake_close(&m->wake, on_closed);
}

/* One question: shared by who asks and the loop, freed by the later of the two. */
struct question {
    struct mailbox_message message;
    mailbox_fill_cb fill;
    void *data;
    struct buffer text;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool is_answered;
    bool is_abandoned;
};

static struct question *question_create(mailbox_fill_cb fill, void *data, size_t text_bytes_max)
{
    struct question *q = memory_zalloc(sizeof *q);
    if (q == NULL)
        return NULL;
    q->fill = fill;
    q->data = data;
    buffer_init(&q->text, text_bytes_max);
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&q->answered, &attributes);
    pthread_condattr_destroy(&attributes);
    return q;
}

static void question_destroy(struct question *q)
{
    buffer_deinit(&q->text);
    pthread_cond_destroy(&q->answered);
    pthread_mutex_destroy(&q->lock);
    memory_free(q);
}

static void on_question(struct mailbox_message *message)
{
    struct question *q = (struct question *)message; /* its first member */
    pthread_mutex_lock(&q->lock);
    bool is_abandoned = q->is_abandoned;
    pthread_mutex_unlock(&q->lock);
    if (!is_abandoned)
        q->fill(&q->text, q->data);
    pthread_mutex_lock(&q->lock);
    is_abandoned = q->is_abandoned;
    q->is_answered = true;
    pthread_cond_signal(&q->answered);
    pthread_mutex_unlock(&q->lock);
    if (is_abandoned)
        question_destroy(q);
}

static struct timespec deadline_after(uint64_t timeout_us)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t ns = (uint64_t)t.tv_nsec + timeout_us % 1000000 * 1000;
    t.tv_sec += (time_t)(timeout_us / 1000000 + ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    return t;
}

/* True: answered. False: given up; the loop frees the question when it gets to it. */
static bool question_wait(struct question *q, uint64_t timeout_us)
{
    struct timespec deadline = deadline_after(timeout_us);
    pthread_mutex_lock(&q->lock);
    int status = 0;
    while (!q->is_answered && status == 0)
        status = pthread_cond_timedwait(&q->answered, &q->lock, &deadline);
    bool is_answered = q->is_answered;
    q->is_abandoned = !is_answered;
    pthread_mutex_unlock(&q->lock);
    return is_answered;
}

enum err mailbox_ask(struct mailbox *m, mailbox_fill_cb fill, void *data, uint64_t timeout_us,
                     struct buffer *ret_text)
{
    struct question *q = question_create(fill, data, ret_text->length_max);
    if (q == NULL)
        return ERR_NO_MEMORY;
    q->message.deliver = on_question;
    enum err err = mailbox_post(m, &q->message);
    if (err != ERR_OK) {
        question_destroy(q);
        return err;
    }
    if (!question_wait(q, timeout_us))
        return ERR_TIMEOUT;
    buffer_append(ret_text, buffer_view(&q->text));
    err = buffer_has_failed(&q->text) || buffer_has_failed(ret_text) ? ERR_NO_MEMORY : ERR_OK;
    question_destroy(q);
    return err;
}

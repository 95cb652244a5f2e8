#include "controlplane/client/bundle_follower.h"

#include "base/log.h"
#include "base/memory.h"
#include "controlplane/proto/controlplane.pb-c.h"
#include "controlplane/proto/frame_type.h"

enum {
    /* Short, so that a MemDS that hangs or hears of nothing costs a second and not a minute. */
    WAIT_MS = 1000,
    ATTEMPT_US = 1500000,
    CALL_TIMEOUT_US = 3 * ATTEMPT_US,
    RETRY_US = 100000,
    SCRATCH_BLOCK_BYTES = 256 * 1024,
    SCRATCH_BYTES_MAX = 64 * 1024 * 1024,
};

struct waiter {
    struct bundle_follower *follower;
    struct loop_timer timer;
    uint64_t version;
    enum err err;
    bool is_ending;
    bundle_wait_cb on_version;
    void *data;
    struct waiter *next;
};

struct bundle_follower {
    struct loop *loop;
    struct bundle_follower_options options;
    struct bundle_store *store;
    struct loop_timer retry;
    struct loop_task end_waits;
    struct waiter *waiters;
    uint64_t version; /* whole up to here; 0 = never */
    unsigned turn;    /* which MemDS is asked next: another one after each that had no news */
    bool is_whole;
    bool is_calling;
    bool is_stopped;
};

static void fetch(struct bundle_follower *f);

/* ---- waiting for a version ---- */

static void end_waits(struct loop_task *task)
{
    struct bundle_follower *f = task->data;
    struct waiter **link = &f->waiters;
    while (*link != NULL) {
        struct waiter *waiter = *link;
        if (!waiter->is_ending && waiter->version <= f->version)
            waiter->is_ending = true;
        if (!waiter->is_ending) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        loop_timer_stop(f->loop, &waiter->timer);
        waiter->on_version(waiter->err, waiter->data);
        memory_free(waiter);
        link = &f->waiters; /* the callback may have added or stopped */
    }
}

static void on_wait_over(struct loop_timer *timer)
{
    struct waiter *waiter = timer->data;
    waiter->err = ERR_TIMEOUT;
    waiter->is_ending = true;
    loop_defer(waiter->follower->loop, &waiter->follower->end_waits);
}

enum err bundle_follower_wait(struct bundle_follower *f, uint64_t version, uint64_t deadline_us,
                              bundle_wait_cb on_version, void *data)
{
    struct waiter *waiter = memory_zalloc(sizeof *waiter);
    if (waiter == NULL)
        return ERR_NO_MEMORY;
    *waiter = (struct waiter){
        .follower = f, .version = version, .on_version = on_version, .data = data, .next = f->waiters};
    waiter->timer = (struct loop_timer){.fire = on_wait_over, .data = waiter};
    f->waiters = waiter;
    if (version <= f->version)
        loop_defer(f->loop, &f->end_waits);
    else
        loop_timer_start(f->loop, &waiter->timer, deadline_us);
    return ERR_OK;
}

/* ---- following ---- */

static void destroy(struct bundle_follower *f)
{
    bundle_store_destroy(f->store);
    memory_free(f);
}

static void retry_soon(struct bundle_follower *f)
{
    loop_timer_start(f->loop, &f->retry, loop_now_us(f->loop) + RETRY_US);
}

static void take_whole(struct bundle_follower *f)
{
    uint64_t version = bundle_store_version(f->store);
    bool is_news = version != f->version || !f->is_whole;
    f->turn += !is_news;
    f->version = version;
    f->is_whole = true;
    if (is_news && f->options.on_version != NULL)
        f->options.on_version(version, f->options.data);
    loop_defer(f->loop, &f->end_waits);
}

static enum err apply(struct bundle_follower *f, struct slice packed, bool *ret_has_more)
{
    struct arena scratch;
    arena_init(&scratch, SCRATCH_BLOCK_BYTES, SCRATCH_BYTES_MAX);
    enum err err = bundle_update_apply(f->store, f->options.key, packed, &scratch, f->options.on_change,
                                       f->options.data, ret_has_more);
    arena_deinit(&scratch);
    return err;
}

static void on_update(enum err err, const struct frame *response, void *data)
{
    struct bundle_follower *f = data;
    bool has_more = false;
    f->is_calling = false;
    if (f->is_stopped) {
        destroy(f);
        return;
    }
    if (err == ERR_OK) {
        err = apply(f, response->header, &has_more);
        if (err != ERR_OK)
            log_error("bundle_refused", "err=%s", err_name(err));
    }
    if (err == ERR_OK && !has_more)
        take_whole(f);
    if (err == ERR_OK)
        fetch(f);
    else
        retry_soon(f);
}

static void fetch(struct bundle_follower *f)
{
    if (f->is_calling || f->is_stopped)
        return;
    Sluice__Controlplane__FetchBundle request;
    sluice__controlplane__fetch_bundle__init(&request);
    request.since_version = bundle_store_version(f->store);
    request.wait_ms = f->is_whole ? WAIT_MS : 0;
    const struct wire_message message = {.type = CONTROLPLANE_FRAME_FETCH_BUNDLE, .header = &request.base};
    const struct peer_call_options options = {.deadline_us = loop_now_us(f->loop) + CALL_TIMEOUT_US,
                                              .attempt_us = ATTEMPT_US,
                                              .is_repeatable = true,
                                              .turn = f->turn};
    f->is_calling = peer_set_call(f->options.memds, &message, &options, on_update, f) == ERR_OK;
    if (!f->is_calling)
        retry_soon(f);
}

static void on_retry(struct loop_timer *timer)
{
    fetch(timer->data);
}

enum err bundle_follower_start(struct loop *loop, const struct bundle_follower_options *options,
                               struct bundle_follower **ret_follower)
{
    struct bundle_follower *f = memory_zalloc(sizeof *f);
    struct bundle_store *store = bundle_store_create();
    if (f == NULL || store == NULL) {
        memory_free(f);
        bundle_store_destroy(store);
        return ERR_NO_MEMORY;
    }
    f->loop = loop;
    f->options = *options;
    f->store = store;
    f->retry = (struct loop_timer){.fire = on_retry, .data = f};
    f->end_waits = (struct loop_task){.run = end_waits, .data = f};
    fetch(f);
    *ret_follower = f;
    return ERR_OK;
}

void bundle_follower_stop(struct bundle_follower *f)
{
    f->is_stopped = true;
    loop_timer_stop(f->loop, &f->retry);
    loop_undefer(f->loop, &f->end_waits);
    for (struct waiter *waiter = f->waiters; waiter != NULL; waiter = waiter->next) {
        waiter->err = waiter->is_ending ? waiter->err : ERR_CLOSED;
        waiter->is_ending = true;
    }
    end_waits(&f->end_waits);
    if (!f->is_calling)
        destroy(f);
}

bool bundle_follower_is_ready(const struct bundle_follower *f)
{
    return f->is_whole;
}

uint64_t bundle_follower_version(const struct bundle_follower *f)
{
    return f->version;
}

const struct bundle_store *bundle_follower_store(const struct bundle_follower *f)
{
    return f->store;
}

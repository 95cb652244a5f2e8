/* One event loop: a libuv loop with the few things every loop of ours needs.
 *
 *     one turn:   timers -> [deferred, hooks] -> poll for I/O, callbacks -> [deferred, hooks] -> closings
 *
 * - time, read twice a turn (after the poll and after the timers): `loop_now_us`;
 * - deferred calls: a completion never runs inside the call that asked for it;
 * - turn hooks: work collected during the callbacks is done once (the wire flushes its batches there);
 * - timers that are plain structs: stopping one is immediate, there is no asynchronous close;
 * - how long turns take, in metrics: the longest and those over 10 ms.
 *
 * Everything here is for the loop's own thread, except base/mailbox.h. */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "base/metrics.h"

struct loop_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "base/loop_metrics.def"
#undef METRIC
};

/* Embedded in whatever is deferred; zero it first. One task is queued at most once. */
struct loop_task {
    void (*run)(struct loop_task *task);
    void *data;
    /* Leave alone. */
    struct loop_task *next;
    struct loop_task *previous;
};

/* Embedded; runs at the end of both halves of each turn, after the deferred calls. */
struct loop_hook {
    void (*run)(struct loop_hook *hook);
    void *data;
    /* Leave alone. */
    struct loop_hook *next;
};

/* Embedded; zero it first. Fires once. */
struct loop_timer {
    void (*fire)(struct loop_timer *timer);
    void *data;
    /* Leave alone. A node of a pairing heap. */
    uint64_t due_us;
    struct loop_timer *child;
    struct loop_timer *sibling;
    struct loop_timer *previous; /* parent of a first child, else the sibling before; itself at the root */
};

struct loop {
    uv_loop_t uv;
    struct loop_metrics metrics;
    /* Leave alone. */
    uint64_t now_us;
    uint64_t turn_began_us;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t ticker;
    uint64_t ticker_due_us;
    struct loop_timer *timers;
    struct loop_task *tasks; /* circular list, NULL = empty */
    struct loop_hook *hooks;
    bool is_turning;
    bool is_closing;
};

/* ERR_NO_MEMORY, ERR_IO (no descriptors left). The struct must not move afterwards. */
enum err loop_init(struct loop *l) MUST_CHECK;
/* Close the loop's own handles, run until the last close callback, free. All other handles must be closing
 * or closed, as libuv demands; asserts on one that is left open. */
void loop_deinit(struct loop *l);

/* uv_run until nothing is alive or `loop_stop`. Our own handles do not keep it alive, but a started timer and
 * a deferred task do. */
void loop_run(struct loop *l);
/* Runs one turn that does not block longer than wait_ms; for tests. */
void loop_run_once(struct loop *l, unsigned wait_ms);
void loop_stop(struct loop *l);

/* The boot clock (base/clock.h) as of this half of the turn. Where a stale answer would be wrong - "is my
 * lease still valid?" - read clock_boot_us() itself. */
static inline uint64_t loop_now_us(const struct loop *l)
{
    return l->now_us;
}

/* Run task->run soon: in this turn if it is not over, never inside this call. Again while queued: does
 * nothing. */
void loop_defer(struct loop *l, struct loop_task *task);
void loop_undefer(struct loop *l, struct loop_task *task);
static inline bool loop_task_is_queued(const struct loop_task *task)
{
    return task->next != NULL;
}

void loop_hook_add(struct loop *l, struct loop_hook *hook);
/* Not from inside a hook. */
void loop_hook_remove(struct loop *l, struct loop_hook *hook);

/* Fire at due_us of the boot clock, or up to 1 ms later (the kernel's wait is in milliseconds). Starting a
 * started timer moves it. */
void loop_timer_start(struct loop *l, struct loop_timer *timer, uint64_t due_us);
void loop_timer_stop(struct loop *l, struct loop_timer *timer);
static inline bool loop_timer_is_started(const struct loop_timer *timer)
{
    return timer->previous != NULL;
}

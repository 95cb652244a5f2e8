/* One event loop: a libuv loop with the few things every loop of ours needs.
 *
 *     one turn:   [waited for room] -> poll for I/O, callbacks -> [deferred, hooks] -> closings -> timers -> [deferred, hooks]
 *
 * - time, read at most once in each half of a turn: `loop_now_us`;
 * - deferred calls: a completion never runs inside the call that asked for it;
 * - a bound on the bytes that a turn moves, kept by those who move them;
 * - turn hooks: work collected during the callbacks is done once (the wire flushes its batches there);
 * - timers that are plain structs: stopping one is immediate, there is no asynchronous close;
 * - how long turns take, in metrics: the longest and those over 10 ms, and what they took of CPU time, as a turn
 *   is also long when the machine gives its thread no processor.
 *
 * Everything here is for the loop's own thread, except base/mailbox.h. */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "base/metrics.h"
#include "base/timer_heap.h"

struct loop_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "base/loop_metrics.def"
#undef METRIC
};

extern const struct metric_table loop_metric_table;

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

/* The maximum of the last one to two seconds: of this second so far, and of the one before. */
struct loop_recent {
    uint64_t until_us;
    uint64_t turn_us, turn_us_before;
    uint64_t cpu_us, cpu_us_before;
};

struct loop {
    uv_loop_t uv;
    struct loop_metrics metrics;
    /* Leave alone. */
    uint64_t now_us;
    uint64_t poll_began_us; /* end of the last turn's own work, as of idle_ns_before */
    uint64_t idle_ns_before;
    size_t turn_bytes;
    uint64_t cpu_us_before; /* of the thread, when it was last asked for */
    uint64_t cpu_read_us;   /* and when that was */
    struct loop_recent recent;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t ticker;
    uint64_t ticker_due_us;
    struct loop_timer *timers;
    struct loop_task *tasks;   /* circular list, NULL = empty */
    struct loop_task *waiters; /* the same, of those who wait for room */
    struct loop_hook *hooks;
    bool are_hooks_wanted;
    bool is_time_known; /* not while and after it slept in the kernel */
};

/* ERR_NO_MEMORY, ERR_IO (no descriptors left). The struct must not move afterwards. */
enum err loop_init(struct loop *l) MUST_CHECK;
/* Run what is deferred, close the loop's own handles, run until the last close callback, free. All other handles must be closing
 * or closed, as libuv demands; asserts on one that is left open. */
void loop_deinit(struct loop *l);

/* uv_run until nothing is alive or `loop_stop`. Our own handles do not keep it alive, but a started timer and
 * a deferred task do. */
void loop_run(struct loop *l);
/* Runs one turn that does not block longer than wait_ms; for tests. */
void loop_run_once(struct loop *l, unsigned wait_ms);
void loop_stop(struct loop *l);

/* The boot clock (base/clock.h), read once for each half of the turn: at the first call after a poll, and
 * again when the deferred calls begin. Where a slightly old answer would be wrong - "is my lease still
 * valid?" - use clock_boot_us(). */
uint64_t loop_read_time(struct loop *l);
static inline uint64_t loop_now_us(struct loop *l)
{
    return l->is_time_known ? l->now_us : loop_read_time(l);
}

/* Run task->run soon: in this turn if it is not over, never inside this call. Again while queued: does
 * nothing. */
void loop_defer(struct loop *l, struct loop_task *task);
void loop_undefer(struct loop *l, struct loop_task *task);
static inline bool loop_task_is_queued(const struct loop_task *task)
{
    return task->next != NULL;
}

/* Bytes that a turn moves from one place to another: what is beyond goes on in the next. Whoever takes in or gives away work
 * that is mostly bytes asks before each piece, and says how long it was; who finds no room waits for it. So a turn moves
 * LOOP_TURN_BYTES_MAX, and what one piece drags along. */
enum { LOOP_TURN_BYTES_MAX = 512 * 1024 };
static inline bool loop_turn_has_room(const struct loop *l)
{
    return l->turn_bytes < LOOP_TURN_BYTES_MAX;
}
static inline void loop_turn_take(struct loop *l, size_t bytes)
{
    l->turn_bytes += bytes;
}
/* Run task->run when there is room, in a later turn and before what is new in that: those who wait take turns, and no socket
 * that always has more passes them by. Again while queued, here or by loop_defer: does nothing. */
void loop_defer_for_room(struct loop *l, struct loop_task *task);

/* The hooks run in each half turn anyway. Whoever gives a hook work from inside another hook calls
 * loop_hooks_want, so that the loop does not go to sleep on it. */
void loop_hook_add(struct loop *l, struct loop_hook *hook);
/* Not from inside a hook. */
void loop_hook_remove(struct loop *l, struct loop_hook *hook);
static inline void loop_hooks_want(struct loop *l)
{
    l->are_hooks_wanted = true;
}

/* Fire at due_us of the boot clock, or up to 1 ms later (the kernel's wait is in milliseconds). Starting a
 * started timer moves it. */
void loop_timer_start(struct loop *l, struct loop_timer *timer, uint64_t due_us);
void loop_timer_stop(struct loop *l, struct loop_timer *timer);

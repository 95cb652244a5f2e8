#include "base/loop.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/schedule.h"

enum {
    TURN_SLOW_US = 10000,
    RECENT_US = 1000000,
    CPU_READ_US = 1000, /* so often at most: asking the kernel takes 0.3 us, a turn perhaps 20 */
};

static const struct metric_row rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct loop_metrics, name, kind, unit, sentence)
#include "base/loop_metrics.def"
#undef METRIC
};
const struct metric_table loop_metric_table = METRIC_TABLE("loop", rows);

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* being active is its whole work: the poll then does not block */
}

static void stay_awake(struct loop *l, bool is_needed)
{
    if (is_needed)
        uv_idle_start(&l->idle, on_idle);
    else
        uv_idle_stop(&l->idle);
}

/* The deferred calls are a circular list; a new one comes before the first. */
static void append_task(struct loop_task **list, struct loop_task *task)
{
    struct loop_task *first = *list;
    if (first == NULL) {
        task->next = task->previous = task;
        *list = task;
        return;
    }
    task->next = first;
    task->previous = first->previous;
    first->previous->next = task;
    first->previous = task;
}

static void leave_as_first(struct loop_task **list, const struct loop_task *task)
{
    if (*list == task)
        *list = task->next == task ? NULL : task->next;
}

static void remove_task(struct loop *l, struct loop_task *task)
{
    leave_as_first(&l->tasks, task);
    leave_as_first(&l->waiters, task);
    task->previous->next = task->next;
    task->next->previous = task->previous;
    task->next = task->previous = NULL;
}

void loop_defer(struct loop *l, struct loop_task *task)
{
    if (loop_task_is_queued(task))
        return;
    append_task(&l->tasks, task);
    stay_awake(l, true);
}

void loop_defer_for_room(struct loop *l, struct loop_task *task)
{
    if (loop_task_is_queued(task))
        return;
    append_task(&l->waiters, task);
    stay_awake(l, true);
}

void loop_undefer(struct loop *l, struct loop_task *task)
{
    if (loop_task_is_queued(task))
        remove_task(l, task);
}

static void run_task(struct loop *l, struct loop_task *task)
{
    remove_task(l, task);
    metric_increment(&l->metrics.tasks);
    task->run(task);
}

/* Only those queued when it begins: a task that defers itself again must not keep I/O waiting. */
static void run_tasks(struct loop *l)
{
    if (l->tasks == NULL)
        return;
    struct loop_task last = {0};
    append_task(&l->tasks, &last);
    while (l->tasks != &last)
        run_task(l, l->tasks);
    remove_task(l, &last);
}

/* Whoever waits again has had his share: he comes after the others. */
static void run_waiters(struct loop *l)
{
    if (l->waiters == NULL)
        return;
    struct loop_task last = {0};
    append_task(&l->waiters, &last);
    while (l->waiters != &last && loop_turn_has_room(l))
        run_task(l, l->waiters);
    remove_task(l, &last);
}

static void run_hooks(struct loop *l)
{
    l->are_hooks_wanted = false;
    for (struct loop_hook *hook = l->hooks; hook != NULL; hook = hook->next)
        hook->run(hook);
}

uint64_t loop_read_time(struct loop *l)
{
    l->is_time_known = true;
    l->now_us = clock_boot_us();
    return l->now_us;
}

static void finish_half_turn(struct loop *l)
{
    loop_read_time(l);
    run_tasks(l);
    run_hooks(l);
    stay_awake(l, l->tasks != NULL || l->waiters != NULL || l->are_hooks_wanted);
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void note_recent(struct loop *l, uint64_t turn_us, uint64_t cpu_us)
{
    struct loop_recent *recent = &l->recent;
    if (l->poll_began_us >= recent->until_us) {
        bool is_next = l->poll_began_us < recent->until_us + RECENT_US;
        recent->turn_us_before = is_next ? recent->turn_us : 0;
        recent->cpu_us_before = is_next ? recent->cpu_us : 0;
        recent->turn_us = recent->cpu_us = 0;
        recent->until_us = l->poll_began_us + RECENT_US;
    }
    recent->turn_us = greater(recent->turn_us, turn_us);
    recent->cpu_us = greater(recent->cpu_us, cpu_us);
    metric_set(&l->metrics.turn_recent_max, greater(recent->turn_us, recent->turn_us_before));
    metric_set(&l->metrics.turn_cpu_recent_max, greater(recent->cpu_us, recent->cpu_us_before));
}

/* CPU time of the turn that has just ended, at most 1 ms too much: what was used since the last look. 0 for a short
 * one. */
static uint64_t turn_cpu_us(struct loop *l, uint64_t turn_us)
{
    if (l->poll_began_us - l->cpu_read_us < CPU_READ_US)
        return 0;
    uint64_t now_us = clock_thread_cpu_us();
    uint64_t used_us = now_us - l->cpu_us_before;
    l->cpu_us_before = now_us;
    l->cpu_read_us = l->poll_began_us;
    return used_us < turn_us ? used_us : turn_us;
}

/* A turn is what was done between two polls: the time since the last poll began, less what it slept in the
 * kernel. */
static void measure_turn(struct loop *l)
{
    uint64_t idle_ns = uv_metrics_idle_time(&l->uv);
    uint64_t now_us = clock_boot_us();
    uint64_t slept_us = (idle_ns - l->idle_ns_before) / 1000;
    uint64_t passed_us = now_us - l->poll_began_us;
    uint64_t turn_us = passed_us > slept_us ? passed_us - slept_us : 0;
    l->idle_ns_before = idle_ns;
    l->poll_began_us = now_us;
    l->turn_bytes = 0;
    uint64_t cpu_us = turn_cpu_us(l, turn_us);
    metric_increment(&l->metrics.turns);
    metric_record(&l->metrics.turn, turn_us);
    metric_set_max(&l->metrics.turn_max, turn_us);
    metric_set_max(&l->metrics.turn_cpu_max, cpu_us);
    note_recent(l, turn_us, cpu_us);
    if (turn_us > TURN_SLOW_US)
        metric_increment(&l->metrics.turns_slow);
    if (cpu_us > TURN_SLOW_US)
        metric_increment(&l->metrics.turns_slow_cpu);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *l = prepare->data;
    finish_half_turn(l);
    measure_turn(l);
    run_waiters(l);           /* a new turn, which does not sleep if there was one */
    l->is_time_known = false; /* now it sleeps, perhaps */
}

static void on_check(uv_check_t *check)
{
    finish_half_turn(check->data);
}

static void on_ticker(uv_timer_t *ticker);

/* One libuv timer stands for all of ours. It may be early (its timer was stopped): then it is set again. */
static void arm_ticker(struct loop *l)
{
    if (l->timers == NULL) {
        uv_timer_stop(&l->ticker);
        l->ticker_due_us = UINT64_MAX;
        return;
    }
    uint64_t due_us = l->timers->due_us;
    if (uv_is_active((uv_handle_t *)&l->ticker) && l->ticker_due_us <= due_us)
        return;
    uint64_t now_us = clock_boot_us();
    uint64_t wait_ms = due_us > now_us ? (due_us - now_us + 999) / 1000 : 0;
    uv_update_time(&l->uv);
    uv_timer_start(&l->ticker, on_ticker, wait_ms, 0);
    l->ticker_due_us = due_us;
}

static void on_ticker(uv_timer_t *ticker)
{
    struct loop *l = ticker->data;
    loop_read_time(l);
    while (l->timers != NULL && l->timers->due_us <= l->now_us) {
        struct loop_timer *timer = l->timers;
        timer_heap_remove(&l->timers, timer);
        timer->fire(timer);
    }
    arm_ticker(l);
}

void loop_timer_start(struct loop *l, struct loop_timer *timer, uint64_t due_us)
{
    if (loop_timer_is_started(timer))
        timer_heap_remove(&l->timers, timer);
    timer->due_us = due_us;
    timer_heap_insert(&l->timers, timer);
    if (l->timers == timer)
        arm_ticker(l);
}

void loop_timer_stop(struct loop *l, struct loop_timer *timer)
{
    if (!loop_timer_is_started(timer))
        return;
    timer_heap_remove(&l->timers, timer);
    if (l->timers == NULL)
        arm_ticker(l); /* a ticker without timers would keep the loop alive */
}

void loop_hook_add(struct loop *l, struct loop_hook *hook)
{
    hook->next = l->hooks;
    l->hooks = hook;
}

void loop_hook_remove(struct loop *l, struct loop_hook *hook)
{
    struct loop_hook **at = &l->hooks;
    while (*at != NULL && *at != hook)
        at = &(*at)->next;
    if (*at == hook)
        *at = hook->next;
    hook->next = NULL;
}

enum err loop_init(struct loop *l)
{
    *l = (struct loop){.ticker_due_us = UINT64_MAX};
    int status = uv_loop_init(&l->uv);
    if (status != 0)
        return status == UV_ENOMEM ? ERR_NO_MEMORY : ERR_IO;
    uv_loop_configure(&l->uv, UV_METRICS_IDLE_TIME);
    l->poll_began_us = loop_read_time(l);
    l->cpu_us_before = clock_thread_cpu_us();
    /* None of these can fail on a fresh loop. */
    uv_prepare_init(&l->uv, &l->prepare);
    uv_check_init(&l->uv, &l->check);
    uv_idle_init(&l->uv, &l->idle);
    uv_timer_init(&l->uv, &l->ticker);
    l->prepare.data = l->check.data = l->idle.data = l->ticker.data = l;
    uv_prepare_start(&l->prepare, on_prepare);
    uv_check_start(&l->check, on_check);
    uv_unref((uv_handle_t *)&l->prepare);
    uv_unref((uv_handle_t *)&l->check);
    return ERR_OK;
}

void loop_deinit(struct loop *l)
{
    while (l->tasks != NULL || l->waiters != NULL) { /* what was closed last may free itself in one */
        run_tasks(l);
        l->turn_bytes = 0;
        run_waiters(l);
    }
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_close((uv_handle_t *)&l->ticker, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&l->uv) == 0);
}

void loop_run(struct loop *l)
{
    schedule_wake_soon();
    l->poll_began_us = loop_read_time(l); /* what was before is no turn */
    l->idle_ns_before = uv_metrics_idle_time(&l->uv);
    l->cpu_us_before =
        clock_thread_cpu_us(); /* of this thread, which need not be the one that made the loop */
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

/* Should the time be up before the poll began, it must not block either. */
static void on_wait_over(struct loop_timer *timer)
{
    uv_stop(timer->data);
}

void loop_run_once(struct loop *l, unsigned wait_ms)
{
    struct loop_timer timer = {.fire = on_wait_over, .data = &l->uv};
    loop_timer_start(l, &timer, clock_boot_us() + 1000 * (uint64_t)wait_ms);
    uv_run(&l->uv, UV_RUN_ONCE);
    loop_timer_stop(l, &timer);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

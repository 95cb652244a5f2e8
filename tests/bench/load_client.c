#include "tests/bench/load_client.h"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/schedule.h"
#include "tests/bench/load_internal.h"

enum {
    DRAIN_US = 10000000,
    STALL_US = 30000000, /* loading without a key written for so long is given up */
    TURN_US_MAX = 5000,  /* timeouts and rests are looked at this often */
    EVENTS_MAX = 128,
};

static void wake(struct load_client *c, struct load_connection *connection, uint64_t now_us)
{
    switch (connection->state) {
    case LOAD_CLOSED:
        connection->until_us = now_us + c->options->timeout_us;
        if (load_connection_open(connection, c->epoll, &c->address) != ERR_OK)
            load_break_off(c, connection, "not-connected", now_us);
        break;
    case LOAD_RESTING:
        load_push_idle(c, connection);
        break;
    case LOAD_CONNECTING:
    case LOAD_BUSY:
        load_break_off(c, connection, "timeout", now_us);
        break;
    case LOAD_IDLE:
        break;
    }
}

/* Rests that are over, requests that take too long, the window that begins. */
static void sweep(struct load_client *c, uint64_t now_us)
{
    if (now_us - c->swept_us < TURN_US_MAX)
        return;
    c->swept_us = now_us;
    if (!c->is_in_window && now_us >= c->stats->begin_us) {
        c->is_in_window = true;
        c->cpu_us = clock_cpu_us();
    }
    for (size_t i = 0; i < c->connection_count; i++) {
        if (c->connections[i].state != LOAD_IDLE && c->connections[i].until_us <= now_us)
            wake(c, &c->connections[i], now_us);
    }
}

static uint64_t wait_us(const struct load_client *c, uint64_t now_us)
{
    if (c->options->rate == 0 || c->options->load || c->idle_count == 0 || now_us >= c->end_us)
        return TURN_US_MAX;
    uint64_t due = load_due_us(c);
    uint64_t left_us = due > now_us ? due - now_us : 0;
    return left_us < TURN_US_MAX ? left_us : TURN_US_MAX;
}

static bool is_loading_done(const struct load_client *c)
{
    return c->loaded_count == load_workload_steps(&c->workload);
}

static bool is_loading_stalled(struct load_client *c, uint64_t now_us)
{
    if (c->loaded_count != c->loaded_seen) {
        c->loaded_seen = c->loaded_count;
        c->progress_us = now_us;
    }
    return now_us - c->progress_us > STALL_US;
}

static bool is_over(struct load_client *c, uint64_t now_us)
{
    if (c->options->load && is_loading_stalled(c, now_us))
        return true;
    bool has_ended = *c->should_stop || (c->options->load ? is_loading_done(c) : now_us >= c->end_us);
    if (!has_ended)
        return false;
    if (now_us >= c->end_us + DRAIN_US || *c->should_stop)
        return true;
    return c->busy_count == 0 && !load_has_due(c, now_us);
}

static void loop(struct load_client *c)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now_us = clock_boot_us();
    while (!is_over(c, now_us)) {
        sweep(c, now_us);
        load_begin_due(c, now_us);
        struct timespec timeout = {.tv_nsec = (long)wait_us(c, clock_boot_us()) * 1000};
        int count = epoll_pwait2(c->epoll, events, EVENTS_MAX, &timeout, NULL);
        for (int i = 0; i < count; i++) {
            load_on_event(c, &events[i]);
            load_begin_due(c, clock_boot_us());
        }
        now_us = clock_boot_us();
    }
    load_stats_finish(c->stats, now_us, clock_wall_us());
}

/* What the drain did not bring. A run that was stopped did not wait for it. */
static void count_unfinished(struct load_client *c)
{
    if (*c->should_stop)
        return;
    for (size_t i = 0; i < c->connection_count; i++) {
        if (c->connections[i].state == LOAD_BUSY && load_is_measured(c, &c->connections[i]))
            load_stats_error(c->stats, SLICE_LITERAL("unanswered"), 1);
    }
    uint64_t unsent = 0;
    for (; c->options->rate > 0 && !c->options->load && load_due_us(c) < c->stats->end_us; c->begun_count++)
        unsent++;
    if (unsent > 0)
        load_stats_error(c->stats, SLICE_LITERAL("unsent"), unsent);
}

static enum err prepare_workload(struct load_client *c, struct error *error)
{
    const struct load_options *o = c->options;
    enum load_mix mix;
    enum load_distribution distribution;
    if (load_mix_parse(o->workload, &mix) != ERR_OK)
        return error_set(error, ERR_CONFIG, "no workload '%s': put, a, b, c, batch-write, query or scan",
                         o->workload);
    if (o->keys < LOAD_BATCH_ITEMS && (mix == LOAD_MIX_BATCH_WRITE || mix == LOAD_MIX_SCAN))
        return error_set(error, ERR_CONFIG, "a batch has %d keys: there must be as many", LOAD_BATCH_ITEMS);
    if (load_distribution_parse(o->distribution, &distribution) != ERR_OK)
        return error_set(error, ERR_CONFIG, "no distribution '%s': uniform or zipfian", o->distribution);
    c->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
    if (inet_pton(AF_INET, o->host, &c->address.sin_addr) != 1)
        return error_set(error, ERR_CONFIG, "'%s' is not a numeric address", o->host);
    load_workload_init(&c->workload, mix, distribution, o->keys, o->seed);
    return ERR_OK;
}

static enum err prepare_connections(struct load_client *c)
{
    size_t count = c->options->connections;
    c->connections = memory_zalloc(count * sizeof c->connections[0]);
    c->idle = memory_zalloc(count * sizeof(struct load_connection *));
    c->again = memory_zalloc(count * sizeof c->again[0]);
    if (c->connections == NULL || c->idle == NULL || c->again == NULL)
        return ERR_NO_MEMORY;
    c->connection_count = count;
    for (size_t i = 0; i < count; i++)
        load_connection_init(&c->connections[i]);
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    return c->epoll < 0 ? ERR_IO : ERR_OK;
}

static void begin_window(struct load_client *c)
{
    const struct load_options *o = c->options;
    c->start_us = c->progress_us = clock_boot_us();
    uint64_t begin_us = c->start_us + (o->load ? 0 : o->warmup_seconds * 1000000);
    c->end_us = o->load ? UINT64_MAX / 2 : begin_us + o->seconds * 1000000;
    load_stats_init(c->stats, begin_us, c->end_us, o->slow_us);
}

static void release(struct load_client *c)
{
    for (size_t i = 0; i < c->connection_count; i++)
        load_connection_deinit(&c->connections[i]);
    memory_free(c->connections);
    memory_free(c->idle);
    memory_free(c->again);
    load_requests_deinit(&c->requests);
    if (c->epoll >= 0)
        close(c->epoll);
}

enum err load_run(const struct load_options *options, const struct load_identity *identity,
                  const volatile bool *should_stop, struct load_stats *ret_stats, struct error *error)
{
    struct load_client c = {.options = options, .should_stop = should_stop, .stats = ret_stats, .epoll = -1};
    TRY(prepare_workload(&c, error));
    enum err err = load_requests_init(&c.requests, options, identity);
    if (err == ERR_OK)
        err = prepare_connections(&c);
    if (err == ERR_OK) {
        /* The default slack of 50 us would make every operation late. Failure costs precision only. */
        (void)prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
        schedule_wake_soon(); /* its own waiting for a processor would count as the server's */
        begin_window(&c);
        loop(&c);
        ret_stats->cpu_us = clock_cpu_us() - c.cpu_us;
        count_unfinished(&c);
        if (options->load && !is_loading_done(&c) && !*should_stop)
            err = error_set(error, ERR_UNAVAILABLE, "no key could be written to %s port %llu for %d s",
                            options->host, (unsigned long long)options->port, STALL_US / 1000000);
    } else {
        err = error_set(error, err, "%s", err_sentence(err));
    }
    release(&c);
    return err;
}

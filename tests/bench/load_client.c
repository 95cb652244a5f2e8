#include "tests/bench/load_client.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "tests/bench/load_connection.h"

enum {
    REST_US = 10000,
    RECONNECT_US = 100000,
    DRAIN_US = 10000000,
    TURN_US_MAX = 5000, /* timeouts and rests are looked at this often */
    EVENTS_MAX = 128,
};

struct client {
    const struct load_options *options;
    const volatile bool *should_stop;
    struct load_stats *stats;
    struct load_workload workload;
    struct load_requests requests;
    struct sockaddr_in address;
    int epoll;
    struct load_connection *connections;
    size_t connection_count;
    /* A ring of connections, longest idle first. */
    struct load_connection **idle;
    size_t idle_first, idle_count;
    uint64_t start_us, end_us;
    uint64_t begun_count; /* open loop: operations that have been begun */
    size_t busy_count;
    /* Loading: the next key, how many are written, and keys to try again (at most one per connection). */
    uint64_t next_key, loaded_count;
    uint64_t *again;
    size_t again_count;
    uint64_t swept_us;
    uint64_t cpu_us; /* spent before the window began */
    bool is_in_window;
};

static void push_idle(struct client *c, struct load_connection *connection)
{
    connection->state = LOAD_IDLE;
    ASSERT(c->idle_count < c->connection_count);
    c->idle[(c->idle_first + c->idle_count++) % c->connection_count] = connection;
}

static struct load_connection *pop_idle(struct client *c)
{
    struct load_connection *first = c->idle[c->idle_first];
    c->idle_first = (c->idle_first + 1) % c->connection_count;
    c->idle_count--;
    return first;
}

/* An idle connection that the server closed leaves the ring. */
static void remove_idle(struct client *c, const struct load_connection *connection)
{
    for (size_t left = c->idle_count; left > 0; left--) {
        struct load_connection *first = pop_idle(c);
        if (first != connection)
            c->idle[(c->idle_first + c->idle_count++) % c->connection_count] = first;
    }
}

static void rest(struct load_connection *connection, uint64_t now_us)
{
    connection->state = LOAD_RESTING;
    connection->until_us = now_us + REST_US;
}

static bool is_measured(const struct client *c, const struct load_connection *connection)
{
    return connection->intended_us >= c->stats->begin_us;
}

/* The request under way came to nothing. */
static void fail(struct client *c, struct load_connection *connection, struct slice name)
{
    c->busy_count--;
    if (is_measured(c, connection))
        load_stats_error(c->stats, name, 1);
    if (c->options->load)
        c->again[c->again_count++] = connection->operation.key;
}

static void break_off(struct client *c, struct load_connection *connection, const char *why, uint64_t now_us)
{
    if (connection->state == LOAD_BUSY)
        fail(c, connection, slice_from_string(why));
    else if (connection->state == LOAD_IDLE)
        remove_idle(c, connection);
    else if (connection->state == LOAD_CONNECTING && now_us >= c->stats->begin_us)
        load_stats_error(c->stats, SLICE_LITERAL("not-connected"), 1);
    load_connection_close(connection);
    connection->until_us = now_us + RECONNECT_US;
}

/* ---- beginning operations ---- */

static uint64_t due_us(const struct client *c)
{
    return c->start_us + (uint64_t)((__uint128_t)c->begun_count * 1000000 / c->options->rate);
}

static bool is_loading_done(const struct client *c)
{
    return c->loaded_count == c->options->keys;
}

static bool has_due(const struct client *c, uint64_t now_us)
{
    if (*c->should_stop)
        return false;
    if (c->options->load)
        return c->again_count > 0 || c->next_key < c->options->keys;
    if (c->options->rate == 0)
        return now_us < c->end_us;
    return due_us(c) <= now_us && due_us(c) < c->end_us;
}

static struct load_operation next_operation(struct client *c)
{
    if (!c->options->load)
        return load_workload_next(&c->workload);
    uint64_t key = c->again_count > 0 ? c->again[--c->again_count] : c->next_key++;
    return (struct load_operation){.key = key};
}

static void begin_operation(struct client *c, struct load_connection *connection, uint64_t now_us)
{
    bool is_open_loop = c->options->rate > 0 && !c->options->load;
    connection->intended_us = is_open_loop ? due_us(c) : now_us;
    c->begun_count++;
    connection->operation = next_operation(c);
    connection->sent_us = now_us;
    connection->sent_bytes = 0;
    connection->state = LOAD_BUSY;
    connection->until_us = now_us + c->options->timeout_us;
    c->busy_count++;
    load_response_clear(&connection->response);
    if (load_request_write(&c->requests, connection->operation, clock_wall_us(), &connection->out) != ERR_OK)
        break_off(c, connection, "request-too-long", now_us);
    else if (load_connection_send(connection, c->epoll) != ERR_OK)
        break_off(c, connection, "connection-closed", now_us);
}

static void begin_due(struct client *c, uint64_t now_us)
{
    while (c->idle_count > 0 && has_due(c, now_us)) {
        begin_operation(c, pop_idle(c), now_us);
        now_us = clock_boot_us();
    }
}

/* ---- answers ---- */

static void on_success(struct client *c, struct load_connection *connection, uint64_t now_us)
{
    const struct load_answer answer = {
        .intended_us = connection->intended_us,
        .sent_us = connection->sent_us,
        .now_us = now_us,
        .wall_us = clock_wall_us(),
        .is_read = connection->operation.is_read,
        .is_missing =
            connection->operation.is_read && connection->response.body.length < c->options->item_bytes,
    };
    load_stats_answer(c->stats, &answer);
    c->loaded_count += c->options->load;
    c->busy_count--;
}

static void on_refusal(struct client *c, struct load_connection *connection)
{
    struct slice name = load_response_exception(&connection->response);
    char status[16];
    if (name.length == 0) {
        snprintf(status, sizeof status, "http-%u", connection->response.status);
        name = slice_from_string(status);
    }
    fail(c, connection, name);
}

static void on_answer(struct client *c, struct load_connection *connection, uint64_t now_us)
{
    bool is_success = connection->response.status == 200, is_last = connection->response.is_last;
    if (is_success)
        on_success(c, connection, now_us);
    else
        on_refusal(c, connection);
    rest(connection, now_us);
    if (is_last)
        load_connection_close(connection); /* until_us is set: it opens again after a rest */
    else if (is_success)
        push_idle(c, connection);
}

static void on_readable(struct client *c, struct load_connection *connection)
{
    enum load_response_state state = LOAD_RESPONSE_PARTIAL;
    enum err err = load_connection_receive(connection, &state);
    uint64_t now_us = clock_boot_us();
    if (err != ERR_OK)
        break_off(c, connection, "connection-closed", now_us);
    else if (state == LOAD_RESPONSE_MALFORMED ||
             (state == LOAD_RESPONSE_WHOLE && connection->state != LOAD_BUSY))
        break_off(c, connection, "malformed-answer", now_us);
    else if (state == LOAD_RESPONSE_WHOLE)
        on_answer(c, connection, now_us);
}

static void on_writable(struct client *c, struct load_connection *connection)
{
    uint64_t now_us = clock_boot_us();
    if (connection->state == LOAD_CONNECTING) {
        if (load_connection_finish(connection, c->epoll) == ERR_OK)
            push_idle(c, connection);
        else
            break_off(c, connection, "not-connected", now_us);
    } else if (load_connection_send(connection, c->epoll) != ERR_OK) {
        break_off(c, connection, "connection-closed", now_us);
    }
}

static void on_event(struct client *c, const struct epoll_event *event)
{
    struct load_connection *connection = event->data.ptr;
    if (connection->state == LOAD_CONNECTING)
        on_writable(c, connection);
    else if (event->events & ~(uint32_t)EPOLLOUT)
        on_readable(c, connection);
    else
        on_writable(c, connection);
}

/* ---- the loop ---- */

static void wake(struct client *c, struct load_connection *connection, uint64_t now_us)
{
    switch (connection->state) {
    case LOAD_CLOSED:
        connection->until_us = now_us + c->options->timeout_us;
        if (load_connection_open(connection, c->epoll, &c->address) != ERR_OK)
            break_off(c, connection, "not-connected", now_us);
        break;
    case LOAD_RESTING:
        push_idle(c, connection);
        break;
    case LOAD_CONNECTING:
    case LOAD_BUSY:
        break_off(c, connection, "timeout", now_us);
        break;
    case LOAD_IDLE:
        break;
    }
}

/* Rests that are over, requests that take too long, the window that begins. */
static void sweep(struct client *c, uint64_t now_us)
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

static uint64_t wait_us(const struct client *c, uint64_t now_us)
{
    if (c->options->rate == 0 || c->options->load || c->idle_count == 0 || now_us >= c->end_us)
        return TURN_US_MAX;
    uint64_t due = due_us(c);
    uint64_t left_us = due > now_us ? due - now_us : 0;
    return left_us < TURN_US_MAX ? left_us : TURN_US_MAX;
}

static bool is_over(const struct client *c, uint64_t now_us)
{
    bool has_ended = *c->should_stop || (c->options->load ? is_loading_done(c) : now_us >= c->end_us);
    if (!has_ended)
        return false;
    if (now_us >= c->end_us + DRAIN_US || *c->should_stop)
        return true;
    return c->busy_count == 0 && !has_due(c, now_us);
}

static void loop(struct client *c)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now_us = clock_boot_us();
    while (!is_over(c, now_us)) {
        sweep(c, now_us);
        begin_due(c, now_us);
        struct timespec timeout = {.tv_nsec = (long)wait_us(c, clock_boot_us()) * 1000};
        int count = epoll_pwait2(c->epoll, events, EVENTS_MAX, &timeout, NULL);
        for (int i = 0; i < count; i++) {
            on_event(c, &events[i]);
            begin_due(c, clock_boot_us());
        }
        now_us = clock_boot_us();
    }
    load_stats_finish(c->stats, now_us, clock_wall_us());
}

/* What the drain did not bring. */
static void count_unfinished(struct client *c)
{
    for (size_t i = 0; i < c->connection_count; i++) {
        if (c->connections[i].state == LOAD_BUSY && is_measured(c, &c->connections[i]))
            load_stats_error(c->stats, SLICE_LITERAL("unanswered"), 1);
    }
    uint64_t unsent = 0;
    for (; c->options->rate > 0 && !c->options->load && due_us(c) < c->stats->end_us; c->begun_count++)
        unsent++;
    if (unsent > 0)
        load_stats_error(c->stats, SLICE_LITERAL("unsent"), unsent);
}

static enum err prepare_workload(struct client *c, struct error *error)
{
    const struct load_options *o = c->options;
    enum load_mix mix;
    enum load_distribution distribution;
    if (load_mix_parse(o->workload, &mix) != ERR_OK)
        return error_set(error, ERR_CONFIG, "no workload '%s': put, a, b or c", o->workload);
    if (load_distribution_parse(o->distribution, &distribution) != ERR_OK)
        return error_set(error, ERR_CONFIG, "no distribution '%s': uniform or zipfian", o->distribution);
    c->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
    if (inet_pton(AF_INET, o->host, &c->address.sin_addr) != 1)
        return error_set(error, ERR_CONFIG, "'%s' is not a numeric address", o->host);
    load_workload_init(&c->workload, mix, distribution, o->keys, o->seed);
    return ERR_OK;
}

static enum err prepare_connections(struct client *c)
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

static void begin_window(struct client *c)
{
    const struct load_options *o = c->options;
    c->start_us = clock_boot_us();
    uint64_t begin_us = c->start_us + (o->load ? 0 : o->warmup_seconds * 1000000);
    c->end_us = o->load ? UINT64_MAX / 2 : begin_us + o->seconds * 1000000;
    load_stats_init(c->stats, begin_us, c->end_us, o->slow_us);
}

static void release(struct client *c)
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
    struct client c = {.options = options, .should_stop = should_stop, .stats = ret_stats, .epoll = -1};
    TRY(prepare_workload(&c, error));
    enum err err = load_requests_init(&c.requests, options, identity);
    if (err == ERR_OK)
        err = prepare_connections(&c);
    if (err == ERR_OK) {
        /* Ours: the kernel's default slack of 50 us would make every operation late. Failure costs precision only. */
        (void)prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
        begin_window(&c);
        loop(&c);
        ret_stats->cpu_us = clock_cpu_us() - c.cpu_us;
        count_unfinished(&c);
    } else {
        err = error_set(error, err, "%s", err_sentence(err));
    }
    release(&c);
    return err;
}

#include "base/assert.h"
#include "base/clock.h"
#include "tests/bench/load_internal.h"

enum { REST_US = 10000, RECONNECT_US = 100000 };

void load_push_idle(struct load_client *c, struct load_connection *connection)
{
    connection->state = LOAD_IDLE;
    ASSERT(c->idle_count < c->connection_count);
    c->idle[(c->idle_first + c->idle_count++) % c->connection_count] = connection;
}

static struct load_connection *pop_idle(struct load_client *c)
{
    struct load_connection *first = c->idle[c->idle_first];
    c->idle_first = (c->idle_first + 1) % c->connection_count;
    c->idle_count--;
    return first;
}

/* An idle connection that the server closed leaves the ring. */
static void remove_idle(struct load_client *c, const struct load_connection *connection)
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

bool load_is_measured(const struct load_client *c, const struct load_connection *connection)
{
    return connection->intended_us >= c->stats->begin_us;
}

/* The request under way came to nothing. */
static void fail(struct load_client *c, struct load_connection *connection, struct slice name)
{
    c->busy_count--;
    if (load_is_measured(c, connection))
        load_stats_error(c->stats, name, 1);
    if (c->options->load)
        c->again[c->again_count++] = connection->step;
}

void load_break_off(struct load_client *c, struct load_connection *connection, const char *why,
                    uint64_t now_us)
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

uint64_t load_due_us(const struct load_client *c)
{
    return c->start_us + (uint64_t)((__uint128_t)c->begun_count * 1000000 / c->options->rate);
}

bool load_has_due(const struct load_client *c, uint64_t now_us)
{
    if (*c->should_stop)
        return false;
    if (c->options->load)
        return c->again_count > 0 || c->next_step < load_workload_steps(&c->workload);
    if (c->options->rate == 0)
        return now_us < c->end_us;
    return load_due_us(c) <= now_us && load_due_us(c) < c->end_us;
}

static struct load_operation next_operation(struct load_client *c, struct load_connection *connection)
{
    if (!c->options->load)
        return load_workload_next(&c->workload);
    connection->step = c->again_count > 0 ? c->again[--c->again_count] : c->next_step++;
    return load_workload_step(&c->workload, connection->step);
}

static void begin_operation(struct load_client *c, struct load_connection *connection, uint64_t now_us)
{
    bool is_open_loop = c->options->rate > 0 && !c->options->load;
    connection->intended_us = is_open_loop ? load_due_us(c) : now_us;
    c->begun_count++;
    connection->operation = next_operation(c, connection);
    connection->sent_us = now_us;
    connection->sent_bytes = 0;
    connection->state = LOAD_BUSY;
    connection->until_us = now_us + c->options->timeout_us;
    c->busy_count++;
    load_response_clear(&connection->response);
    if (load_request_write(&c->requests, &connection->operation, buffer_view(&connection->cursor),
                           clock_wall_us(), &connection->out) != ERR_OK)
        load_break_off(c, connection, "request-too-long", now_us);
    else if (load_connection_send(connection, c->epoll) != ERR_OK)
        load_break_off(c, connection, "connection-closed", now_us);
}

void load_begin_due(struct load_client *c, uint64_t now_us)
{
    while (c->idle_count > 0 && load_has_due(c, now_us)) {
        begin_operation(c, pop_idle(c), now_us);
        now_us = clock_boot_us();
    }
}

/* The fewest bytes of an answer that has what was asked for. */
static size_t answer_bytes_min(const struct load_client *c, enum load_kind kind)
{
    switch ((int)kind) {
    case LOAD_GET:
        return c->options->item_bytes;
    case LOAD_QUERY:
        return c->options->item_bytes * LOAD_QUERY_ITEMS;
    default:
        return 0;
    }
}

/* A scan goes on where its last page ended. */
static void keep_cursor(struct load_connection *connection)
{
    buffer_clear(&connection->cursor);
    buffer_append(&connection->cursor, load_response_object(&connection->response, "LastEvaluatedKey"));
}

static bool is_all_processed(const struct load_connection *connection)
{
    return !load_kind_is_batch(connection->operation.kind) ||
           load_response_object(&connection->response, "UnprocessedItems").length == 2;
}

static void on_success(struct load_client *c, struct load_connection *connection, uint64_t now_us)
{
    enum load_kind kind = connection->operation.kind;
    if (kind == LOAD_SCAN)
        keep_cursor(connection);
    const struct load_answer answer = {
        .intended_us = connection->intended_us,
        .sent_us = connection->sent_us,
        .now_us = now_us,
        .wall_us = clock_wall_us(),
        .is_read = load_kind_is_read(kind),
        .is_missing = connection->response.body.length < answer_bytes_min(c, kind),
    };
    load_stats_answer(c->stats, &answer);
    c->loaded_count += c->options->load;
    c->busy_count--;
}

static void on_refusal(struct load_client *c, struct load_connection *connection)
{
    struct slice name = connection->response.status == 200 ? SLICE_LITERAL("unprocessed")
                                                           : load_response_exception(&connection->response);
    char status[16];
    if (name.length == 0) {
        snprintf(status, sizeof status, "http-%u", connection->response.status);
        name = slice_from_string(status);
    }
    fail(c, connection, name);
}

static void on_answer(struct load_client *c, struct load_connection *connection, uint64_t now_us)
{
    bool is_success = connection->response.status == 200 && is_all_processed(connection);
    bool is_last = connection->response.is_last;
    if (is_success)
        on_success(c, connection, now_us);
    else
        on_refusal(c, connection);
    rest(connection, now_us);
    if (is_last)
        load_connection_close(connection); /* until_us is set: it opens again after a rest */
    else if (is_success)
        load_push_idle(c, connection);
}

static void on_readable(struct load_client *c, struct load_connection *connection)
{
    enum load_response_state state = LOAD_RESPONSE_PARTIAL;
    enum err err = load_connection_receive(connection, &state);
    uint64_t now_us = clock_boot_us();
    if (err != ERR_OK)
        load_break_off(c, connection, "connection-closed", now_us);
    else if (state == LOAD_RESPONSE_MALFORMED ||
             (state == LOAD_RESPONSE_WHOLE && connection->state != LOAD_BUSY))
        load_break_off(c, connection, "malformed-answer", now_us);
    else if (state == LOAD_RESPONSE_WHOLE)
        on_answer(c, connection, now_us);
}

static void on_writable(struct load_client *c, struct load_connection *connection)
{
    uint64_t now_us = clock_boot_us();
    if (connection->state == LOAD_CONNECTING) {
        if (load_connection_finish(connection, c->epoll) == ERR_OK)
            load_push_idle(c, connection);
        else
            load_break_off(c, connection, "not-connected", now_us);
    } else if (load_connection_send(connection, c->epoll) != ERR_OK) {
        load_break_off(c, connection, "connection-closed", now_us);
    }
}

void load_on_event(struct load_client *c, const struct epoll_event *event)
{
    struct load_connection *connection = event->data.ptr;
    if (connection->state == LOAD_CONNECTING)
        on_writable(c, connection);
    else if (event->events & ~(uint32_t)EPOLLOUT)
        on_readable(c, connection);
    else
        on_writable(c, connection);
}

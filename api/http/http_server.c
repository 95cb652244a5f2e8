/* The server's life, and how libmicrohttpd is driven: without threads of its own it does nothing unless MHD_run is
 * called, which happens when its epoll descriptor is readable, after a connection was resumed, and again in a later
 * turn as long as it has work left (a timeout of 0). Connections' timeouts are ours (connections.c), so there is no
 * other one. */
#include "api/http/http_server.h"

#include <unistd.h>

#include "api/http/http_internal.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"

enum {
    SWEEP_US = 250000,
    ACCEPT_ROUNDS = 4, /* of MHD_run before a drain: who is in the backlog is served */
};

static const struct metric_row rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct http_metrics, name, kind, unit, sentence)
#include "api/http/http_metrics.def"
#undef METRIC
};
const struct metric_table http_metric_table = METRIC_TABLE("http", rows);

static bool has_work(struct http_server *s)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    return s->postponed != NULL || (MHD_get_timeout(s->daemon, &timeout_ms) == MHD_YES && timeout_ms == 0);
}

void http_server_wake(struct http_server *s)
{
    loop_defer(s->loop, &s->run_task);
}

static void free_server(struct http_server *s)
{
    while (s->spare != NULL) {
        struct http_request *r = s->spare;
        s->spare = r->next;
        buffer_deinit(&r->uri);
        buffer_deinit(&r->body);
        memory_free(r);
    }
    buffer_deinit(&s->health);
    memory_free(s);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct http_server *s = handle->data;
    void (*on_close)(void *data) = s->on_close;
    void *data = s->on_close_data;
    free_server(s);
    if (on_close != NULL)
        on_close(data);
}

static void finish(struct http_server *s)
{
    loop_timer_stop(s->loop, &s->sweep_timer);
    loop_undefer(s->loop, &s->run_task);
    loop_undefer(s->loop, &s->room_task);
    uv_close((uv_handle_t *)&s->poll, on_poll_closed); /* before its descriptor is */
    MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
}

/* True when the server is about to be freed. */
static bool check_end(struct http_server *s)
{
    if (!s->is_draining || s->connection_count > 0)
        return false;
    void (*on_drained)(void *data) = s->on_drained;
    s->on_drained = NULL;
    if (on_drained != NULL)
        on_drained(s->on_drained_data);
    if (!s->is_closing)
        return false;
    finish(s);
    return true;
}

static void run_daemon(struct http_server *s)
{
    ASSERT(!s->is_running); /* drained or closed from inside a callback */
    s->is_running = true;
    MHD_run(s->daemon);
    s->is_running = false;
}

static void run(struct http_server *s)
{
    s->turn_end_us = clock_boot_us() + s->limits.turn_us;
    http_handler_run_postponed(s);
    run_daemon(s);
    if (!check_end(s) && has_work(s))
        http_server_wake(s);
}

static void on_run(struct loop_task *task)
{
    run(task->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    run(poll->data);
}

static void on_sweep(struct loop_timer *timer)
{
    struct http_server *s = timer->data;
    http_connections_sweep(s);
    loop_timer_start(s->loop, timer, clock_boot_us() + SWEEP_US);
}

static struct MHD_Daemon *start_daemon(struct http_server *s)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, http_handler_run, s, MHD_OPTION_LISTEN_SOCKET, s->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, s->limits.connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        s->limits.connection_bytes, MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, http_handler_begin, s, MHD_OPTION_NOTIFY_COMPLETED, http_handler_end, s,
        MHD_OPTION_NOTIFY_CONNECTION, http_connection_notify, s, MHD_OPTION_END);
}

/* Nothing can fail from here on but libuv, for want of descriptors. */
static enum err watch(struct http_server *s)
{
    int fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    if (uv_poll_init(&s->loop->uv, &s->poll, fd) != 0)
        return ERR_IO;
    s->poll.data = s;
    s->run_task = (struct loop_task){.run = on_run, .data = s};
    s->room_task = (struct loop_task){.run = on_run, .data = s};
    s->sweep_timer = (struct loop_timer){.fire = on_sweep, .data = s};
    uv_poll_start(&s->poll, UV_READABLE, on_readable);
    loop_timer_start(s->loop, &s->sweep_timer, clock_boot_us() + SWEEP_US);
    http_server_wake(s);
    return ERR_OK;
}

static enum err start(struct http_server *s, const struct http_options *options, struct error *error)
{
    buffer_init(&s->health, 512);
    buffer_append_format(&s->health, "healthy: dynamodb.%s.amazonaws.com ", options->region);
    if (buffer_has_failed(&s->health))
        return ERR_NO_MEMORY;
    TRY(http_listen(options->host, options->port, &s->listen_fd, &s->port, error));
    s->daemon = start_daemon(s);
    if (s->daemon == NULL) {
        close(s->listen_fd);
        return error_set(error, ERR_NO_MEMORY, "start the HTTP server");
    }
    enum err err = watch(s);
    if (err != ERR_OK)
        MHD_stop_daemon(s->daemon); /* closes the listening socket, too */
    return err;
}

enum err http_server_create(struct loop *l, const struct http_options *options,
                            const struct http_callbacks *callbacks, void *data,
                            struct http_server **ret_server, struct error *error)
{
    struct http_server *s = memory_zalloc(sizeof(*s));
    if (s == NULL)
        return ERR_NO_MEMORY;
    s->loop = l;
    s->limits = options->limits;
    s->callbacks = *callbacks;
    s->workers = options->workers;
    s->data = data;
    uint64_t seed;
    random_secret(&seed, sizeof(seed));
    random_init(&s->random, seed);
    enum err err = start(s, options, error);
    if (err != ERR_OK) {
        free_server(s);
        return err;
    }
    *ret_server = s;
    return ERR_OK;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

const struct http_metrics *http_server_metrics(const struct http_server *s)
{
    return &s->metrics;
}

unsigned http_server_connections(const struct http_server *s)
{
    return s->connection_count;
}

static void begin_drain(struct http_server *s)
{
    if (s->is_draining)
        return;
    for (int i = 0; i < ACCEPT_ROUNDS; i++)
        run_daemon(s);
    s->is_draining = true;
    int fd = MHD_quiesce_daemon(s->daemon);
    if (fd >= 0)
        close(fd);
}

void http_server_drain(struct http_server *s, void (*on_drained)(void *data), void *data)
{
    s->on_drained = on_drained;
    s->on_drained_data = data;
    begin_drain(s);
    http_connections_drain(s);
    http_server_wake(s);
}

void http_server_close(struct http_server *s, void (*on_close)(void *data), void *data)
{
    ASSERT(!s->is_closing);
    begin_drain(s);
    s->on_close = on_close;
    s->on_close_data = data;
    s->is_closing = true;
    http_connections_drain(s);
    http_server_wake(s);
}

/* Connections and their time. Inside libmicrohttpd they are opaque; from outside we hold the socket, and ending a
 * connection means shutting the socket down and letting libmicrohttpd find out. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <utlist.h>

#include "api/http/http_internal.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"

enum {
    LOOK_AFTER_US = 250000,    /* clients that wait longer are looked after */
    CLOSING_SEND_US = 1000000, /* a closing server lets answers go out for this long */
    STALLED_US = 2000000, /* a client that takes less than so many bytes of a large answer in this time */
    STALLED_BYTES = 64 * 1024, /* makes way when others want the room */
};

static const char REPLY_TIMEOUT[] =
    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\n\r\n"
    "{\"__type\":\"com.amazon.coral.service#RequestTimeoutException\","
    "\"message\":\"The request did not arrive in time.\",\"Message\":\"The request did not arrive in "
    "time.\"}";

static void count_connections(struct http_server *s, int change)
{
    s->connection_count = (unsigned)((int)s->connection_count + change);
    metric_set(&s->metrics.connections, s->connection_count);
}

static void start(struct http_server *s, struct MHD_Connection *mhd, void **context)
{
    struct http_connection *c = memory_zalloc(sizeof(*c));
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    *context = c;
    metric_increment(&s->metrics.accepted);
    if (c == NULL)
        return; /* its first request ends it */
    c->server = s;
    c->fd = info->connect_fd;
    c->since_us = clock_boot_us();
    DL_APPEND(s->connections[HTTP_IDLE], c);
    count_connections(s, 1);
}

void http_connection_notify(void *data, struct MHD_Connection *mhd, void **context,
                            enum MHD_ConnectionNotificationCode what)
{
    struct http_server *s = data;
    struct http_connection *c = *context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        start(s, mhd, context);
    } else if (c != NULL) {
        DL_DELETE(s->connections[c->state], c);
        count_connections(s, -1);
        memory_free(c);
        *context = NULL;
    }
}

void http_connection_move(struct http_connection *c, enum http_connection_state state)
{
    struct http_server *s = c->server;
    DL_DELETE(s->connections[c->state], c);
    c->state = state;
    c->since_us = c->progress_us = clock_boot_us();
    DL_APPEND(s->connections[state], c);
}

void http_connection_cut(struct http_connection *c, const char *reply)
{
    if (c->is_cut)
        return;
    c->is_cut = true;
    if (reply != NULL) /* best effort: a client that is too slow may also not listen */
        (void)send(c->fd, reply, strlen(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(c->fd, SHUT_RDWR);
}

/* Those at the head of a list that have been in it for longer than limit_us. */
static void cut_old(struct http_server *s, enum http_connection_state state, uint64_t now_us,
                    uint64_t limit_us, const char *reply)
{
    struct http_connection *c;
    DL_FOREACH(s->connections[state], c)
    {
        if (c->since_us + limit_us > now_us)
            return;
        if (reply != NULL && !c->is_cut)
            metric_increment(&s->metrics.refused_slow);
        http_connection_cut(c, reply);
    }
}

/* The end of the stream counts as gone: no SDK closes its half and then waits. Bytes that wait are a next request. */
static bool is_gone(const struct http_connection *c)
{
    char byte;
    ssize_t got = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static void cancel(struct http_request *r)
{
    if (!r->is_served || r->is_cancelled || r->is_answered)
        return;
    struct http_server *s = r->server;
    r->is_cancelled = true;
    metric_increment(&s->metrics.cancelled);
    if (s->callbacks.on_cancel != NULL)
        s->callbacks.on_cancel(r, s->data);
}

/* libmicrohttpd reads edge by edge: an end that comes together with bytes of a body may escape it, and their memory
 * would be held until the body's time is up. */
static void cut_gone(struct http_server *s, uint64_t now_us)
{
    struct http_connection *c;
    DL_FOREACH(s->connections[HTTP_RECEIVING], c)
    {
        if (c->since_us + LOOK_AFTER_US > now_us)
            return;
        if (is_gone(c))
            http_connection_cut(c, NULL);
    }
}

/* A suspended connection is watched by nobody, so it is asked now and then. The callback may answer, which leaves
 * the list as it is: libmicrohttpd moves the connection on later. */
static void cancel_gone(struct http_server *s, uint64_t now_us)
{
    struct http_connection *c;
    DL_FOREACH(s->connections[HTTP_SERVING], c)
    {
        if (c->since_us + LOOK_AFTER_US > now_us)
            return;
        if (!c->request->is_cancelled && is_gone(c))
            cancel(c->request);
    }
}

/* ---- clients that do not take their answers ---- */

STATIC_ASSERT(sizeof(struct tcp_info) == 104, "where the kernel's struct goes on");

/* What the other side has acknowledged: what is still in our kernel's hands is not taken. */
static uint64_t taken_bytes(const struct http_connection *c)
{
    struct {
        struct tcp_info first; /* as far as the C library knows it */
        uint64_t pacing_rate;
        uint64_t pacing_rate_max;
        uint64_t bytes_acked;
    } info = {.bytes_acked = 0};
    socklen_t length = sizeof(info);
    return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 ? info.bytes_acked : 0;
}

static void note_progress(struct http_server *s, uint64_t now_us)
{
    struct http_connection *c;
    DL_FOREACH(s->connections[HTTP_SENDING], c)
    {
        uint64_t taken = c->request->reply_charged > 0 ? taken_bytes(c) : 0;
        if (taken < c->taken_bytes + STALLED_BYTES)
            continue;
        c->taken_bytes = taken;
        c->progress_us = now_us;
    }
}

/* Their memory goes when libmicrohttpd finds out, in this turn of the loop or the next. */
void http_connections_make_room(struct http_server *s, size_t bytes)
{
    uint64_t now_us = clock_boot_us();
    struct http_connection *c;
    DL_FOREACH(s->connections[HTTP_SENDING], c)
    {
        if (http_response_has_room(s, bytes))
            return;
        if (c->is_cut || c->request->reply_charged == 0 || c->progress_us + STALLED_US > now_us)
            continue;
        metric_increment(&s->metrics.cut_stalled);
        http_connection_cut(c, NULL);
        http_response_discharge(c->request);
    }
}

void http_connections_sweep(struct http_server *s)
{
    uint64_t now_us = clock_boot_us();
    uint64_t sending_us = s->is_closing ? CLOSING_SEND_US : s->limits.idle_timeout_us;
    cut_old(s, HTTP_IDLE, now_us, s->limits.idle_timeout_us, NULL);
    cut_old(s, HTTP_RECEIVING, now_us, s->limits.request_timeout_us, REPLY_TIMEOUT);
    cut_old(s, HTTP_SENDING, now_us, sending_us, NULL);
    note_progress(s, now_us);
    cut_gone(s, now_us);
    cancel_gone(s, now_us);
}

/* Idle ones have had their answers. One that was never used may just be sending its first request: it gets an
 * answer, unless the server is closing. */
void http_connections_drain(struct http_server *s)
{
    struct http_connection *c;
    DL_FOREACH(s->connections[HTTP_IDLE], c)
    {
        char byte;
        bool has_bytes = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
        if (s->is_closing || (c->has_served && !has_bytes))
            http_connection_cut(c, NULL);
    }
    if (!s->is_closing)
        return;
    DL_FOREACH(s->connections[HTTP_RECEIVING], c)
    http_connection_cut(c, NULL);
    DL_FOREACH(s->connections[HTTP_SERVING], c)
    cancel(c->request);
}

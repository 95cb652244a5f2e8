#include "base/wire_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/sm.h"
#include "base/wire_calls.h"
#include "base/wire_internal.h"

enum { BACKOFF_US_MIN = 10000, BACKOFF_US_MAX = 1000000 };

enum { CLIENT_CONNECTING, CLIENT_READY, CLIENT_BREAKING, CLIENT_WAITING, CLIENT_CLOSING, CLIENT_STATES };

/* BREAKING lasts until the socket's close callback, a turn at most. */
static const struct sm_row states[CLIENT_STATES] = {
    [CLIENT_CONNECTING] = {"connecting",
                           SM_TO(CLIENT_READY) | SM_TO(CLIENT_BREAKING) | SM_TO(CLIENT_CLOSING)},
    [CLIENT_READY] = {"ready", SM_TO(CLIENT_BREAKING) | SM_TO(CLIENT_CLOSING)},
    [CLIENT_BREAKING] = {"breaking", SM_TO(CLIENT_WAITING) | SM_TO(CLIENT_CLOSING)},
    [CLIENT_WAITING] = {"waiting", SM_TO(CLIENT_CONNECTING) | SM_TO(CLIENT_CLOSING)},
    [CLIENT_CLOSING] = {"closing", 0},
};

struct wire_client {
    struct wire_stream
        stream; /* first: its callbacks cast back; lives from CONNECTING to the end of BREAKING */
    struct loop *loop;
    struct wire_client_options options;
    struct wire_metrics own_metrics;
    struct sockaddr_storage address;
    struct sm state;
    struct wire_identity peer;
    uv_connect_t connect;
    struct loop_timer timer; /* CONNECTING: for the hello; WAITING: for the next attempt */
    struct loop_hook hook;
    struct loop_task gone;
    struct wire_calls calls;
    struct random random;
    uint64_t backoff_us;
    bool is_stream_open;
    bool has_complained; /* one line for each outage */
    void (*on_close)(void *data);
    void *on_close_data;
    char name[WIRE_NAME_BYTES];
    char host[WIRE_NAME_BYTES];
};

static struct wire_metrics *metrics(struct wire_client *c)
{
    return c->options.metrics;
}

static void adjust(struct metric_gauge *gauge, int change)
{
    metric_set(gauge, gauge->value + (uint64_t)(int64_t)change);
}

/* The call is over: its place is free before its owner hears of it, who may call again. */
static void end_call(struct wire_client *c, struct wire_pending *pending, enum err err,
                     const struct frame *response)
{
    wire_response_cb on_response = pending->on_response;
    void *data = pending->data;
    loop_timer_stop(c->loop, &pending->timer);
    wire_calls_close(&c->calls, pending);
    adjust(&metrics(c)->calls_in_flight, -1);
    on_response(err, response, data);
}

static bool is_handed(const struct wire_client *c, const struct wire_pending *pending)
{
    return pending->position < c->stream.handed;
}

/* Every call ends, told apart by whether it had left. New calls are refused meanwhile. */
static void end_calls(struct wire_client *c, bool is_closed_by_us)
{
    uint32_t at = 0;
    struct wire_pending *pending;
    while ((pending = wire_calls_next(&c->calls, &at)) != NULL) {
        if (is_closed_by_us) {
            end_call(c, pending, ERR_CLOSED, NULL);
        } else if (is_handed(c, pending)) {
            metric_increment(&metrics(c)->calls_unknown);
            end_call(c, pending, ERR_UNKNOWN_OUTCOME, NULL);
        } else {
            metric_increment(&metrics(c)->calls_unavailable);
            end_call(c, pending, ERR_UNAVAILABLE, NULL);
        }
    }
}

static void complain(struct wire_client *c, const char *reason)
{
    if (!c->has_complained)
        log_warn("wire_down", "peer=%s address=%s reason=%s", c->name, c->stream.name, reason);
    c->has_complained = true;
}

static void break_connection(struct wire_client *c, const char *reason)
{
    bool was_ready = c->state.state == CLIENT_READY;
    if (!was_ready && c->state.state != CLIENT_CONNECTING)
        return;
    sm_move(&c->state, CLIENT_BREAKING);
    metric_increment(was_ready ? &metrics(c)->broken : &metrics(c)->connect_failed);
    if (was_ready)
        adjust(&metrics(c)->connections, -1);
    complain(c, reason);
    loop_timer_stop(c->loop, &c->timer);
    wire_stream_close(&c->stream);
    end_calls(c, false);
    if (was_ready && c->options.on_state != NULL && c->state.state != CLIENT_CLOSING)
        c->options.on_state(c, NULL, c->options.data);
}

static void on_broken(struct wire_stream *stream, enum err why)
{
    break_connection((struct wire_client *)stream, why == ERR_CLOSED ? "closed" : err_name(why));
}

static void wait_for_next_attempt(struct wire_client *c)
{
    sm_move(&c->state, CLIENT_WAITING);
    /* Between half and all of it, so that clients of one dead server do not come back as one. */
    uint64_t wait_us = c->backoff_us / 2 + random_below(&c->random, c->backoff_us / 2 + 1);
    c->backoff_us = c->backoff_us * 2 > BACKOFF_US_MAX ? BACKOFF_US_MAX : c->backoff_us * 2;
    loop_timer_start(c->loop, &c->timer, clock_boot_us() + wait_us);
}

static void free_client(struct loop_task *task)
{
    struct wire_client *c = task->data;
    void (*on_close)(void *data) = c->on_close;
    void *data = c->on_close_data;
    loop_hook_remove(c->loop, &c->hook);
    wire_calls_deinit(&c->calls);
    memory_free(c);
    if (on_close != NULL)
        on_close(data);
}

static void on_closed(struct wire_stream *stream)
{
    struct wire_client *c = (struct wire_client *)stream;
    c->is_stream_open = false;
    if (c->state.state == CLIENT_CLOSING)
        free_client(&c->gone);
    else
        wait_for_next_attempt(c);
}

static void become_ready(struct wire_client *c)
{
    sm_move(&c->state, CLIENT_READY);
    loop_timer_stop(c->loop, &c->timer);
    c->backoff_us = BACKOFF_US_MIN;
    c->has_complained = false;
    metric_increment(&metrics(c)->connected);
    adjust(&metrics(c)->connections, 1);
    log_info("wire_ready", "peer=%s address=%s role=%s node=%u", c->name, c->stream.name,
             wire_role_name(c->peer.role), c->peer.node_id);
    if (c->options.on_state != NULL)
        c->options.on_state(c, &c->peer, c->options.data);
}

static void on_hello(struct wire_client *c, const struct frame *frame)
{
    uint64_t cluster_id = c->options.identity.cluster_id;
    if (wire_hello_decode(frame, &c->peer) != ERR_OK) {
        metric_increment(&metrics(c)->refused_hello);
        break_connection(c, "hello");
    } else if (c->peer.cluster_id != cluster_id) {
        metric_increment(&metrics(c)->refused_cluster);
        log_warn("wire_refused", "peer=%s address=%s reason=cluster cluster_id=%" PRIu64 " ours=%" PRIu64,
                 c->name, c->stream.name, c->peer.cluster_id, cluster_id);
        break_connection(c, "cluster");
    } else if (c->options.peer_node_id != 0 && c->peer.node_id != c->options.peer_node_id) {
        metric_increment(&metrics(c)->refused_node);
        log_warn("wire_refused", "peer=%s address=%s reason=node node=%u expected=%u", c->name,
                 c->stream.name, c->peer.node_id, c->options.peer_node_id);
        break_connection(c, "node");
    } else {
        become_ready(c);
    }
}

static enum err refusal_of(const struct frame *frame)
{
    char name[48];
    enum err err;
    if (frame->header.length >= sizeof name)
        return ERR_INTERNAL;
    if (frame->header.length > 0)
        memcpy(name, frame->header.data, frame->header.length);
    name[frame->header.length] = '\0';
    return err_from_name(name, &err) && err != ERR_OK ? err : ERR_INTERNAL;
}

static void on_answer(struct wire_client *c, const struct frame *frame)
{
    struct wire_pending *pending = wire_calls_find(&c->calls, frame->call_id);
    if (pending == NULL) {
        metric_increment(&metrics(c)->responses_late);
        return;
    }
    if (frame->type == WIRE_FRAME_REFUSAL) {
        metric_increment(&metrics(c)->calls_refused);
        end_call(c, pending, refusal_of(frame), NULL);
        return;
    }
    metric_record(&metrics(c)->call, loop_now_us(c->loop) - pending->began_us);
    end_call(c, pending, ERR_OK, frame);
}

static void on_frame(struct wire_stream *stream, const struct frame *frame)
{
    struct wire_client *c = (struct wire_client *)stream;
    if (c->state.state == CLIENT_CONNECTING) {
        on_hello(c, frame);
    } else if ((frame->flags & FRAME_RESPONSE) != 0) {
        on_answer(c, frame);
    } else {
        metric_increment(&metrics(c)->damaged);
        break_connection(c, "frame");
    }
}

/* A few bytes into an empty socket: they fit, or something is wrong with it. They go past `collecting`, where
 * calls may wait already. */
static bool send_hello(struct wire_client *c)
{
    struct buffer hello;
    buffer_init(&hello, 256);
    wire_hello_append(&hello, &c->options.identity);
    uv_buf_t bytes = uv_buf_init((char *)hello.data, (unsigned)hello.length);
    bool is_sent = !buffer_has_failed(&hello) &&
                   uv_try_write((uv_stream_t *)&c->stream.tcp, &bytes, 1) == (int)hello.length;
    buffer_deinit(&hello);
    return is_sent;
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct wire_client *c = connect->data;
    if (c->state.state != CLIENT_CONNECTING)
        return; /* closed meanwhile */
    if (status != 0)
        break_connection(c, uv_err_name(status));
    else if (wire_stream_start(&c->stream) != ERR_OK || !send_hello(c))
        break_connection(c, "start");
}

static enum err open_stream(struct wire_client *c)
{
    TRY(wire_stream_init(&c->stream, c->loop, c->options.body_bytes_max, c->options.outgoing_bytes_max));
    c->is_stream_open = true;
    c->stream.metrics = metrics(c);
    c->stream.on_frame = on_frame;
    c->stream.on_broken = on_broken;
    c->stream.on_closed = on_closed;
    snprintf(c->stream.name, sizeof c->stream.name, "%.48s:%u", c->options.host, c->options.port);
    return ERR_OK;
}

static void on_timer(struct loop_timer *timer);

static void attempt(struct wire_client *c)
{
    if (open_stream(c) != ERR_OK) { /* no descriptors: later, perhaps */
        loop_timer_start(c->loop, &c->timer, clock_boot_us() + BACKOFF_US_MAX);
        return;
    }
    sm_move(&c->state, CLIENT_CONNECTING);
    loop_timer_start(c->loop, &c->timer, clock_boot_us() + c->options.connect_timeout_us);
    c->connect.data = c;
    int status =
        uv_tcp_connect(&c->connect, &c->stream.tcp, (const struct sockaddr *)&c->address, on_connected);
    if (status != 0)
        break_connection(c, uv_err_name(status));
}

static void on_timer(struct loop_timer *timer)
{
    struct wire_client *c = timer->data;
    if (c->state.state == CLIENT_WAITING)
        attempt(c);
    else
        break_connection(c, "timeout");
}

static void flush(struct loop_hook *hook)
{
    struct wire_client *c = hook->data;
    if (c->state.state == CLIENT_READY)
        wire_stream_flush(&c->stream);
}

static void set_defaults(struct wire_client *c)
{
    struct wire_client_options *o = &c->options;
    if (o->calls_max == 0)
        o->calls_max = WIRE_CALLS_MAX;
    if (o->outgoing_bytes_max == 0)
        o->outgoing_bytes_max = WIRE_OUTGOING_BYTES_MAX;
    if (o->body_bytes_max == 0)
        o->body_bytes_max = FRAME_BODY_BYTES_MAX;
    if (o->connect_timeout_us == 0)
        o->connect_timeout_us = WIRE_HELLO_TIMEOUT_US;
    if (o->metrics == NULL)
        o->metrics = &c->own_metrics;
}

static void copy_text(char *to, size_t bytes, const char *from)
{
    snprintf(to, bytes, "%.*s", (int)bytes - 1, from == NULL ? "" : from);
}

enum err wire_client_open(struct loop *loop, const struct wire_client_options *options,
                          struct wire_client **ret_client, struct error *error)
{
    struct sockaddr_storage address;
    TRY(wire_address(options->host, options->port, &address, error));
    struct wire_client *c = memory_zalloc(sizeof *c);
    if (c == NULL)
        return ERR_NO_MEMORY;
    c->loop = loop;
    c->options = *options;
    set_defaults(c);
    copy_text(c->host, sizeof c->host, options->host);
    copy_text(c->name, sizeof c->name, options->name);
    c->options.host = c->host;
    c->options.name = c->name;
    c->address = address;
    c->backoff_us = BACKOFF_US_MIN;
    if (wire_calls_init(&c->calls, c->options.calls_max) != ERR_OK) {
        memory_free(c);
        return ERR_NO_MEMORY;
    }
    random_init(&c->random, clock_boot_us() ^ (uintptr_t)c);
    sm_init(&c->state, "wire_client", states, CLIENT_STATES, CLIENT_WAITING);
    c->timer = (struct loop_timer){.fire = on_timer, .data = c};
    c->gone = (struct loop_task){.run = free_client, .data = c};
    c->hook = (struct loop_hook){.run = flush, .data = c};
    loop_hook_add(loop, &c->hook);
    attempt(c);
    *ret_client = c;
    return ERR_OK;
}

void wire_client_close(struct wire_client *c, void (*on_close)(void *data), void *data)
{
    ASSERT(c->state.state != CLIENT_CLOSING);
    bool was_ready = c->state.state == CLIENT_READY;
    if (was_ready)
        wire_stream_flush(&c->stream); /* may break it, and so change the state */
    if (was_ready && c->state.state == CLIENT_READY)
        adjust(&metrics(c)->connections, -1);
    sm_move(&c->state, CLIENT_CLOSING);
    c->on_close = on_close;
    c->on_close_data = data;
    loop_timer_stop(c->loop, &c->timer);
    end_calls(c, true);
    if (c->is_stream_open)
        wire_stream_close(&c->stream);
    else
        loop_defer(c->loop, &c->gone);
}

bool wire_client_is_ready(const struct wire_client *c)
{
    return c->state.state == CLIENT_READY;
}

uint32_t wire_client_calls_in_flight(const struct wire_client *c)
{
    return c->calls.count;
}

/* A call that never left is taken back: its frame, still in our own buffer, becomes one that the peer skips.
 */
static void on_deadline(struct loop_timer *timer)
{
    struct wire_pending *pending = timer->data;
    struct wire_client *c = pending->client;
    metric_increment(&metrics(c)->calls_timed_out);
    if (is_handed(c, pending)) {
        end_call(c, pending, ERR_TIMEOUT, NULL);
        return;
    }
    wire_frame_blank(c->stream.collecting.data + (pending->position - c->stream.handed));
    end_call(c, pending, ERR_UNAVAILABLE, NULL);
}

static enum err collect(struct wire_client *c, const struct wire_message *message, uint8_t flags,
                        uint64_t call_id)
{
    struct buffer *to = &c->stream.collecting;
    if (wire_stream_waiting_bytes(&c->stream) > c->options.outgoing_bytes_max)
        return ERR_BUSY;
    size_t length = to->length;
    enum err err = wire_message_append(to, message, message->type, flags, call_id);
    if (err != ERR_OK) {
        buffer_cut(to, length);
        return err;
    }
    metric_increment(&metrics(c)->frames_sent);
    loop_turn_take(c->loop, to->length - length);
    loop_hooks_want(c->loop);
    return ERR_OK;
}

enum err wire_client_call(struct wire_client *c, const struct wire_message *message, uint64_t deadline_us,
                          wire_response_cb on_response, void *data)
{
    ASSERT(message->type >= FRAME_TYPE_FIRST);
    uint64_t now_us = loop_now_us(c->loop);
    if (c->state.state > CLIENT_READY || deadline_us <= now_us)
        return ERR_UNAVAILABLE;
    struct wire_pending *pending;
    uint64_t position = wire_stream_position(&c->stream);
    TRY(wire_calls_open(&c->calls, &pending));
    enum err err = collect(c, message, 0, pending->call_id);
    if (err != ERR_OK) {
        wire_calls_close(&c->calls, pending);
        return err;
    }
    pending->timer = (struct loop_timer){.fire = on_deadline, .data = pending};
    pending->client = c;
    pending->on_response = on_response;
    pending->data = data;
    pending->position = position;
    pending->began_us = now_us;
    loop_timer_start(c->loop, &pending->timer, deadline_us);
    metric_increment(&metrics(c)->calls);
    adjust(&metrics(c)->calls_in_flight, 1);
    return ERR_OK;
}

enum err wire_client_send(struct wire_client *c, const struct wire_message *message)
{
    ASSERT(message->type >= FRAME_TYPE_FIRST);
    if (c->state.state != CLIENT_READY)
        return ERR_UNAVAILABLE;
    return collect(c, message, FRAME_ONE_WAY, 0);
}

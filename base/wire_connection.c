#include "base/wire.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/wire_server_internal.h"

static void remove_dirty(struct connection *c)
{
    struct connection **at = &c->server->dirty;
    while (*at != c)
        at = &(*at)->next_dirty;
    *at = c->next_dirty;
    c->is_dirty = false;
}

void wire_connection_close(struct connection *c)
{
    struct wire_server *s = c->server;
    if (c->stream.is_closing)
        return;
    s->call_count -= c->unanswered;
    wire_server_release_slot(s, c->slot);
    wire_server_count_connections(s, -1);
    loop_timer_stop(s->loop, &c->hello_timer);
    if (c->is_dirty)
        remove_dirty(c);
    wire_stream_close(&c->stream);
}

static void on_hello_timeout(struct loop_timer *timer)
{
    struct connection *c = timer->data;
    metric_increment(&wire_server_metrics(c->server)->refused_hello);
    wire_connection_close(c);
}

static void on_broken(struct wire_stream *stream, enum err why)
{
    struct connection *c = (struct connection *)stream;
    metric_increment(&wire_server_metrics(c->server)->broken);
    if (why != ERR_CLOSED)
        log_warn("wire_broken", "peer=%s role=%s node=%u reason=%s", stream->name,
                 wire_role_name(c->peer.role), c->peer.node_id, err_name(why));
    wire_connection_close(c);
}

static void on_closed(struct wire_stream *stream)
{
    struct connection *c = (struct connection *)stream;
    struct wire_server *s = c->server;
    memory_free(c);
    wire_server_free_when_closed(s);
}

static void mark_dirty(struct connection *c)
{
    if (c->is_dirty)
        return;
    c->is_dirty = true;
    c->next_dirty = c->server->dirty;
    c->server->dirty = c;
    loop_hooks_want(c->server->loop);
}

/* A connection is read from again when a quarter of its room is in use, and half of its calls. */
static void resume_if_relieved(struct connection *c)
{
    const struct wire_server_options *o = &c->server->options;
    if (c->stream.is_paused && c->unanswered <= o->calls_max / 2 &&
        wire_stream_waiting_bytes(&c->stream) <= o->outgoing_bytes_max / 4)
        wire_stream_resume(&c->stream);
}

static void on_written(struct wire_stream *stream)
{
    resume_if_relieved((struct connection *)stream);
}

void wire_connection_flush(struct connection *c)
{
    wire_stream_flush(&c->stream);
    if (!c->stream.is_closing)
        resume_if_relieved(c);
}

/* Something was collected: send it soon; hold back or drop a peer that does not read. */
static void on_collected(struct connection *c)
{
    const struct wire_server_options *o = &c->server->options;
    size_t waiting_bytes = wire_stream_waiting_bytes(&c->stream);
    if (waiting_bytes > o->outgoing_bytes_max) {
        metric_increment(&wire_server_metrics(c->server)->overrun);
        log_warn("wire_overrun", "peer=%s role=%s node=%u waiting_bytes=%zu", c->stream.name,
                 wire_role_name(c->peer.role), c->peer.node_id, waiting_bytes);
        wire_connection_close(c);
        return;
    }
    if (waiting_bytes > o->outgoing_bytes_max / 2)
        wire_stream_pause(&c->stream);
    mark_dirty(c);
}

/* A stranger from another cluster is told who we are, so that its log can say so, and let go. */
static void on_hello(struct connection *c, const struct frame *frame)
{
    struct wire_server *s = c->server;
    struct wire_identity peer;
    if (wire_hello_decode(frame, &peer) != ERR_OK) {
        metric_increment(&wire_server_metrics(s)->refused_hello);
        log_warn("wire_refused", "peer=%s reason=hello", c->stream.name);
        wire_connection_close(c);
        return;
    }
    wire_hello_append(&c->stream.collecting, &s->options.identity);
    loop_timer_stop(s->loop, &c->hello_timer);
    if (peer.cluster_id != s->options.identity.cluster_id) {
        metric_increment(&wire_server_metrics(s)->refused_cluster);
        log_warn("wire_refused",
                 "peer=%s reason=cluster role=%s node=%u cluster_id=%" PRIu64 " ours=%" PRIu64,
                 c->stream.name, wire_role_name(peer.role), peer.node_id, peer.cluster_id,
                 s->options.identity.cluster_id);
        wire_stream_flush(&c->stream);
        wire_connection_close(c);
        return;
    }
    c->peer = peer;
    c->has_hello = true;
    mark_dirty(c);
}

static void on_request(struct connection *c, const struct frame *frame)
{
    struct wire_server *s = c->server;
    bool is_one_way = (frame->flags & FRAME_ONE_WAY) != 0;
    struct wire_call call = {
        .server = s,
        .call_id = frame->call_id,
        .slot = c->slot,
        .generation = s->slots[c->slot].generation,
        .type = frame->type,
        .is_one_way = is_one_way,
    };
    if (!is_one_way) {
        s->call_count++;
        if (++c->unanswered >= s->options.calls_max)
            wire_stream_pause(&c->stream);
    }
    s->options.on_request(call, frame, s->options.data);
}

static void on_frame(struct wire_stream *stream, const struct frame *frame)
{
    struct connection *c = (struct connection *)stream;
    if (!c->has_hello) {
        on_hello(c, frame);
        return;
    }
    if (frame->type == WIRE_FRAME_BLANK)
        return;
    if (frame->type < FRAME_TYPE_FIRST || (frame->flags & FRAME_RESPONSE) != 0) {
        metric_increment(&wire_server_metrics(c->server)->damaged);
        on_broken(stream, ERR_INVALID);
        return;
    }
    on_request(c, frame);
}

static void name_peer(struct connection *c)
{
    union {
        struct sockaddr_storage any;
        struct sockaddr plain;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    int length = sizeof address;
    char host[48] = "unknown";
    if (uv_tcp_getpeername(&c->stream.tcp, &address.plain, &length) == 0)
        uv_ip_name(&address.plain, host, sizeof host);
    snprintf(c->stream.name, sizeof c->stream.name, "%s:%u", host, ntohs(address.v4.sin_port));
}

struct connection *wire_connection_create(struct wire_server *s)
{
    struct connection *c = memory_zalloc(sizeof *c);
    if (c == NULL)
        return NULL;
    if (wire_stream_init(&c->stream, s->loop, s->options.body_bytes_max, s->options.outgoing_bytes_max) !=
        ERR_OK) {
        memory_free(c);
        return NULL;
    }
    c->server = s;
    c->stream.metrics = wire_server_metrics(s);
    c->stream.on_frame = on_frame;
    c->stream.on_written = on_written;
    c->stream.on_broken = on_broken;
    c->stream.on_closed = on_closed;
    c->hello_timer = (struct loop_timer){.fire = on_hello_timeout, .data = c};
    s->handle_count++;
    return c;
}

void wire_connection_start(struct connection *c)
{
    name_peer(c);
    loop_timer_start(c->server->loop, &c->hello_timer, loop_now_us(c->server->loop) + WIRE_HELLO_TIMEOUT_US);
    if (wire_stream_start(&c->stream) != ERR_OK)
        on_broken(&c->stream, ERR_IO);
}

static struct connection *find(struct wire_call call)
{
    const struct slot *slot = &call.server->slots[call.slot];
    return slot->generation == call.generation ? slot->connection : NULL;
}

bool wire_call_is_open(struct wire_call call)
{
    return find(call) != NULL;
}

bool wire_call_peer(struct wire_call call, struct wire_identity *ret_peer)
{
    const struct connection *c = find(call);
    if (c == NULL)
        return false;
    *ret_peer = c->peer;
    return true;
}

static void answer(struct wire_call call, const struct wire_message *message, uint16_t type)
{
    ASSERT(!call.is_one_way);
    struct connection *c = find(call);
    if (c == NULL)
        return;
    struct wire_server *s = call.server;
    ASSERT(c->unanswered > 0);
    c->unanswered--;
    s->call_count--;
    metric_increment(&wire_server_metrics(s)->frames_sent);
    size_t length = c->stream.collecting.length;
    enum err err = wire_message_append(&c->stream.collecting, message, type, FRAME_RESPONSE, call.call_id);
    loop_turn_take(s->loop, c->stream.collecting.length - length);
    if (err == ERR_OK)
        on_collected(c);
    else
        on_broken(&c->stream, err); /* too large or no memory: the client must not wait for ever */
}

void wire_reply(struct wire_call call, const struct wire_message *message)
{
    answer(call, message, call.type);
}

void wire_refuse(struct wire_call call, enum err err)
{
    ASSERT(err != ERR_OK);
    const struct wire_message message = {.header_bytes = slice_from_string(err_name(err))};
    answer(call, &message, WIRE_FRAME_REFUSAL);
}

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/wire_internal.h"

enum { BACKLOG = 512 };

struct connection {
    struct wire_stream stream; /* first: a stream's callbacks cast back */
    struct wire_server *server;
    struct wire_identity peer;
    struct loop_timer hello_timer;
    struct connection *next_dirty;
    uint32_t slot;
    uint32_t unanswered;
    bool has_hello;
    bool is_dirty;
};

/* Who asks is kept as (slot, generation), so that an answer after the connection's end finds nobody. */
struct slot {
    struct connection *connection; /* NULL = free */
    uint32_t generation;
    uint32_t next_free; /* index + 1, 0 = none */
};

struct wire_server {
    struct loop *loop;
    struct wire_server_options options;
    struct wire_metrics own_metrics;
    uv_tcp_t listener;
    struct loop_hook hook;
    struct connection *dirty; /* have collected something this half turn */
    struct slot *slots;
    uint32_t free_first;
    uint32_t connection_count;
    uint32_t call_count;
    uint32_t handle_count; /* listener and streams not yet closed */
    bool is_listening;
    bool is_closing;
    void (*on_close)(void *data);
    void *on_close_data;
};

static struct wire_metrics *metrics(struct wire_server *s)
{
    return s->options.metrics;
}

static void count_connections(struct wire_server *s, int change)
{
    s->connection_count += (uint32_t)change;
    metric_set(&metrics(s)->connections, metrics(s)->connections.value + (uint64_t)(int64_t)change);
}

static void release_slot(struct wire_server *s, uint32_t index)
{
    struct slot *slot = &s->slots[index];
    slot->connection = NULL;
    slot->generation++;
    slot->next_free = s->free_first;
    s->free_first = index + 1;
}

static void remove_dirty(struct connection *c)
{
    struct connection **at = &c->server->dirty;
    while (*at != c)
        at = &(*at)->next_dirty;
    *at = c->next_dirty;
    c->is_dirty = false;
}

static void close_connection(struct connection *c)
{
    struct wire_server *s = c->server;
    if (c->stream.is_closing)
        return;
    s->call_count -= c->unanswered;
    release_slot(s, c->slot);
    count_connections(s, -1);
    loop_timer_stop(s->loop, &c->hello_timer);
    if (c->is_dirty)
        remove_dirty(c);
    wire_stream_close(&c->stream);
}

static void on_hello_timeout(struct loop_timer *timer)
{
    struct connection *c = timer->data;
    metric_increment(&metrics(c->server)->refused_hello);
    close_connection(c);
}

static void on_broken(struct wire_stream *stream, enum err why)
{
    struct connection *c = (struct connection *)stream;
    metric_increment(&metrics(c->server)->broken);
    if (why != ERR_CLOSED)
        log_warn("wire_broken", "peer=%s role=%s node=%u reason=%s", stream->name,
                 wire_role_name(c->peer.role), c->peer.node_id, err_name(why));
    close_connection(c);
}

static void free_when_closed(struct wire_server *s)
{
    if (--s->handle_count > 0 || !s->is_closing)
        return;
    loop_hook_remove(s->loop, &s->hook);
    void (*on_close)(void *data) = s->on_close;
    void *data = s->on_close_data;
    memory_free(s->slots);
    memory_free(s);
    if (on_close != NULL)
        on_close(data);
}

static void on_closed(struct wire_stream *stream)
{
    struct connection *c = (struct connection *)stream;
    struct wire_server *s = c->server;
    memory_free(c);
    free_when_closed(s);
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

static void flush_dirty(struct loop_hook *hook)
{
    struct wire_server *s = hook->data;
    while (s->dirty != NULL) {
        struct connection *c = s->dirty;
        s->dirty = c->next_dirty;
        c->is_dirty = false;
        wire_stream_flush(&c->stream);
        if (!c->stream.is_closing)
            resume_if_relieved(c);
    }
}

/* Something was collected: send it soon; hold back or drop a peer that does not read. */
static void on_collected(struct connection *c)
{
    const struct wire_server_options *o = &c->server->options;
    size_t waiting_bytes = wire_stream_waiting_bytes(&c->stream);
    if (waiting_bytes > o->outgoing_bytes_max) {
        metric_increment(&metrics(c->server)->overrun);
        log_warn("wire_overrun", "peer=%s role=%s node=%u waiting_bytes=%zu", c->stream.name,
                 wire_role_name(c->peer.role), c->peer.node_id, waiting_bytes);
        close_connection(c);
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
        metric_increment(&metrics(s)->refused_hello);
        log_warn("wire_refused", "peer=%s reason=hello", c->stream.name);
        close_connection(c);
        return;
    }
    wire_hello_append(&c->stream.collecting, &s->options.identity);
    loop_timer_stop(s->loop, &c->hello_timer);
    if (peer.cluster_id != s->options.identity.cluster_id) {
        metric_increment(&metrics(s)->refused_cluster);
        log_warn("wire_refused",
                 "peer=%s reason=cluster role=%s node=%u cluster_id=%" PRIu64 " ours=%" PRIu64,
                 c->stream.name, wire_role_name(peer.role), peer.node_id, peer.cluster_id,
                 s->options.identity.cluster_id);
        wire_stream_flush(&c->stream);
        close_connection(c);
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
        metric_increment(&metrics(c->server)->damaged);
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

static struct connection *connection_create(struct wire_server *s)
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
    c->stream.metrics = metrics(s);
    c->stream.on_frame = on_frame;
    c->stream.on_written = on_written;
    c->stream.on_broken = on_broken;
    c->stream.on_closed = on_closed;
    c->hello_timer = (struct loop_timer){.fire = on_hello_timeout, .data = c};
    s->handle_count++;
    return c;
}

static void take_slot(struct wire_server *s, struct connection *c)
{
    c->slot = s->free_first - 1;
    s->free_first = s->slots[c->slot].next_free;
    s->slots[c->slot].connection = c;
    count_connections(s, 1);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct wire_server *s = listener->data;
    struct connection *c = status < 0 || s->is_closing ? NULL : connection_create(s);
    if (c == NULL)
        return;
    if (uv_accept(listener, (uv_stream_t *)&c->stream.tcp) != 0) {
        wire_stream_close(&c->stream);
        return;
    }
    if (s->free_first == 0) {
        metric_increment(&metrics(s)->refused_full);
        log_warn("wire_refused", "reason=full connections=%u", s->connection_count);
        wire_stream_close(&c->stream);
        return;
    }
    take_slot(s, c);
    name_peer(c);
    metric_increment(&metrics(s)->accepted);
    loop_timer_start(s->loop, &c->hello_timer, loop_now_us(s->loop) + WIRE_HELLO_TIMEOUT_US);
    if (wire_stream_start(&c->stream) != ERR_OK)
        on_broken(&c->stream, ERR_IO);
}

static enum err listen_error(const struct wire_server_options *o, int status, struct error *error)
{
    enum err err = status == UV_EADDRINUSE ? ERR_EXISTS : status == UV_ENOMEM ? ERR_NO_MEMORY : ERR_IO;
    return error_set(error, err, "listen on %s port %u: %s", o->host, o->port, uv_strerror(status));
}

static int share_port(uv_tcp_t *listener)
{
    int fd;
    int on = 1;
    int status = uv_fileno((uv_handle_t *)listener, &fd);
    if (status == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        status = uv_translate_sys_error(errno);
    return status;
}

static int bind_and_listen(struct wire_server *s, const struct sockaddr_storage *address)
{
    int status = s->options.is_port_shared ? share_port(&s->listener) : 0;
    if (status == 0)
        status = uv_tcp_bind(&s->listener, (const struct sockaddr *)address, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
    return status;
}

static void set_defaults(struct wire_server *s)
{
    struct wire_server_options *o = &s->options;
    if (o->connections_max == 0)
        o->connections_max = WIRE_CONNECTIONS_MAX;
    if (o->calls_max == 0)
        o->calls_max = WIRE_CALLS_MAX;
    if (o->outgoing_bytes_max == 0)
        o->outgoing_bytes_max = WIRE_OUTGOING_BYTES_MAX;
    if (o->body_bytes_max == 0)
        o->body_bytes_max = FRAME_BODY_BYTES_MAX;
    if (o->metrics == NULL)
        o->metrics = &s->own_metrics;
}

static struct wire_server *server_create(struct loop *loop, const struct wire_server_options *options)
{
    struct wire_server *s = memory_zalloc(sizeof *s);
    if (s == NULL)
        return NULL;
    s->loop = loop;
    s->options = *options;
    set_defaults(s);
    s->slots = memory_zalloc(s->options.connections_max * sizeof *s->slots);
    if (s->slots == NULL) {
        memory_free(s);
        return NULL;
    }
    for (uint32_t i = s->options.connections_max; i > 0; i--)
        release_slot(s, i - 1);
    s->hook = (struct loop_hook){.run = flush_dirty, .data = s};
    loop_hook_add(loop, &s->hook);
    return s;
}

static void on_listener_closed(uv_handle_t *handle)
{
    free_when_closed(handle->data);
}

enum err wire_server_open(struct loop *loop, const struct wire_server_options *options,
                          struct wire_server **ret_server, struct error *error)
{
    ASSERT(options->on_request != NULL);
    struct sockaddr_storage address;
    TRY(wire_address(options->host, options->port, &address, error));
    struct wire_server *s = server_create(loop, options);
    if (s == NULL)
        return ERR_NO_MEMORY;
    int status = uv_tcp_init_ex(&loop->uv, &s->listener, address.ss_family);
    if (status != 0) {
        loop_hook_remove(loop, &s->hook);
        memory_free(s->slots);
        memory_free(s);
        return listen_error(options, status, error);
    }
    s->listener.data = s;
    s->handle_count = 1;
    s->is_listening = true;
    status = bind_and_listen(s, &address);
    if (status != 0) {
        wire_server_close(s, NULL, NULL);
        return listen_error(options, status, error);
    }
    *ret_server = s;
    return ERR_OK;
}

uint16_t wire_server_port(const struct wire_server *s)
{
    union {
        struct sockaddr_storage any;
        struct sockaddr plain;
        struct sockaddr_in v4;
    } address = {0};
    int length = sizeof address;
    if (!s->is_listening || uv_tcp_getsockname(&s->listener, &address.plain, &length) != 0)
        return 0;
    return ntohs(address.v4.sin_port); /* at the same place in IPv6's */
}

void wire_server_stop_listening(struct wire_server *s)
{
    if (!s->is_listening)
        return;
    s->is_listening = false;
    uv_close((uv_handle_t *)&s->listener, on_listener_closed);
}

uint32_t wire_server_connection_count(const struct wire_server *s)
{
    return s->connection_count;
}

uint32_t wire_server_call_count(const struct wire_server *s)
{
    return s->call_count;
}

void wire_server_close(struct wire_server *s, void (*on_close)(void *data), void *data)
{
    ASSERT(!s->is_closing);
    s->is_closing = true;
    s->on_close = on_close;
    s->on_close_data = data;
    s->handle_count++; /* until all are told to close */
    wire_server_stop_listening(s);
    for (uint32_t i = 0; i < s->options.connections_max; i++) {
        struct connection *c = s->slots[i].connection;
        if (c == NULL)
            continue;
        wire_stream_flush(&c->stream);
        close_connection(c);
    }
    s->handle_count--;
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
    metric_increment(&metrics(s)->frames_sent);
    enum err err = wire_message_append(&c->stream.collecting, message, type, FRAME_RESPONSE, call.call_id);
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

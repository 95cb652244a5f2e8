#include "base/wire.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/wire_server_internal.h"

enum { BACKLOG = 512 };

void wire_server_count_connections(struct wire_server *s, int change)
{
    s->connection_count += (uint32_t)change;
    metric_set(&wire_server_metrics(s)->connections,
               wire_server_metrics(s)->connections.value + (uint64_t)(int64_t)change);
}

void wire_server_release_slot(struct wire_server *s, uint32_t index)
{
    struct slot *slot = &s->slots[index];
    slot->connection = NULL;
    slot->generation++;
    slot->next_free = s->free_first;
    s->free_first = index + 1;
}

void wire_server_free_when_closed(struct wire_server *s)
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

static void flush_dirty(struct loop_hook *hook)
{
    struct wire_server *s = hook->data;
    while (s->dirty != NULL) {
        struct connection *c = s->dirty;
        s->dirty = c->next_dirty;
        c->is_dirty = false;
        wire_connection_flush(c);
    }
}

static void take_slot(struct wire_server *s, struct connection *c)
{
    c->slot = s->free_first - 1;
    s->free_first = s->slots[c->slot].next_free;
    s->slots[c->slot].connection = c;
    wire_server_count_connections(s, 1);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct wire_server *s = listener->data;
    struct connection *c = status < 0 || s->is_closing ? NULL : wire_connection_create(s);
    if (c == NULL)
        return;
    if (uv_accept(listener, (uv_stream_t *)&c->stream.tcp) != 0) {
        wire_stream_close(&c->stream);
        return;
    }
    if (s->free_first == 0) {
        metric_increment(&wire_server_metrics(s)->refused_full);
        log_warn("wire_refused", "reason=full connections=%u", s->connection_count);
        wire_stream_close(&c->stream);
        return;
    }
    take_slot(s, c);
    metric_increment(&wire_server_metrics(s)->accepted);
    wire_connection_start(c);
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
        wire_server_release_slot(s, i - 1);
    s->hook = (struct loop_hook){.run = flush_dirty, .data = s};
    loop_hook_add(loop, &s->hook);
    return s;
}

static void on_listener_closed(uv_handle_t *handle)
{
    wire_server_free_when_closed(handle->data);
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
        wire_connection_close(c);
    }
    s->handle_count--;
}

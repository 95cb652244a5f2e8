/* The server's two files: wire_server.c listens and keeps the slots, wire_connection.c is one accepted connection. */
#pragma once

#include "base/wire_internal.h"

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

static inline struct wire_metrics *wire_server_metrics(struct wire_server *s)
{
    return s->options.metrics;
}

/* Count a connection in or out. */
void wire_server_count_connections(struct wire_server *s, int change);
void wire_server_release_slot(struct wire_server *s, uint32_t index);
/* One handle fewer; frees a closing server with the last. */
void wire_server_free_when_closed(struct wire_server *s);

/* NULL: no memory or no descriptors. Close its stream to get rid of it. */
struct connection *wire_connection_create(struct wire_server *s);
/* It has a slot: begin to read. */
void wire_connection_start(struct connection *c);
void wire_connection_close(struct connection *c);
/* Give to the socket what was collected for it; read from it again when that relieved it. */
void wire_connection_flush(struct connection *c);

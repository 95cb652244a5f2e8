/* Frames over TCP: the server's half and what both halves share (base/wire_client.h is the other half).
 *
 * Both sides of a connection open with a hello frame: cluster id, role, node id, protocol version. A hello of
 * another cluster (or none) closes the connection, counted and logged. So do garbage, a damaged frame, an
 * oversized frame.
 *
 * Writes are collected and sent once per half turn of the loop (one system call for many frames). What is
 * collected is bounded: a connection whose reader is too slow is not read from above half of
 * outgoing_bytes_max and is closed above all of it. Everything belongs to one loop; nothing here is
 * thread-safe.
 *
 * Every request that is not one-way must be answered once: `wire_reply` or `wire_refuse`. A connection with
 * calls_max unanswered requests is not read from until one is answered. */
#pragma once

#include "base/frame.h"
#include "base/loop.h"
#include "base/proto.h"

struct wire_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "base/wire_metrics.def"
#undef METRIC
};
extern const struct metric_table wire_metric_table;

enum wire_role {
    WIRE_ROLE_ROUTER = 1,
    WIRE_ROLE_NODE = 2,
    WIRE_ROLE_MEMDS = 3,
    WIRE_ROLE_CONTROL = 4,
    WIRE_ROLE_GAC = 5,
    WIRE_ROLE_METER = 6,
    WIRE_ROLE_TOOL = 7,
};

/* Who we are, or who the peer says it is. */
struct wire_identity {
    uint64_t cluster_id;
    enum wire_role role;
    uint32_t node_id; /* 0 = none, or not known yet */
};

/* What to send: a header, either as a message or as bytes already packed, and the payload's pieces in order.
 * All is copied during the call. */
struct wire_message {
    uint16_t type;                  /* requests only: a response has its request's type */
    const ProtobufCMessage *header; /* or NULL */
    struct slice header_bytes;      /* when header is NULL */
    const struct slice *payload;    /* may be NULL when the count is 0 */
    size_t payload_count;
};

struct wire_server;

/* One request, to be answered now or later; a value, to be kept by copy. If its connection has gone meanwhile
 * the answer is dropped. Must not outlive the server. */
struct wire_call {
    struct wire_server *server;
    uint64_t call_id;
    uint32_t slot;
    uint32_t generation;
    uint16_t type;
    bool is_one_way; /* never answer */
};

/* A request came. frame's slices are valid during this call only. May reply at once. */
typedef void (*wire_request_cb)(struct wire_call call, const struct frame *frame, void *data);

struct wire_server_options {
    const char *host;    /* numeric IPv4 or IPv6 address */
    uint16_t port;       /* 0 = any free one: wire_server_port */
    bool is_port_shared; /* SO_REUSEPORT: one server per loop on one port */
    struct wire_identity identity;
    uint32_t connections_max;     /* 0 = 1024; more are accepted and closed at once */
    uint32_t calls_max;           /* unanswered requests per connection; 0 = 4096 */
    size_t outgoing_bytes_max;    /* per connection; 0 = 64 MiB */
    size_t body_bytes_max;        /* per frame; 0 = FRAME_BODY_BYTES_MAX */
    struct wire_metrics *metrics; /* of this loop; NULL = not counted */
    wire_request_cb on_request;
    void *data;
};

/* Listens. ERR_CONFIG: not an address. ERR_EXISTS: the port is taken. ERR_IO, ERR_NO_MEMORY. */
enum err wire_server_open(struct loop *loop, const struct wire_server_options *options,
                          struct wire_server **ret_server, struct error *error) MUST_CHECK;
uint16_t wire_server_port(const struct wire_server *s);
/* Accept no more connections; those that exist go on. For draining. */
void wire_server_stop_listening(struct wire_server *s);
uint32_t wire_server_connection_count(const struct wire_server *s);
/* Requests not yet answered, over all connections. */
uint32_t wire_server_call_count(const struct wire_server *s);
/* Closes everything; frees the server, then calls on_close (may be NULL). */
void wire_server_close(struct wire_server *s, void (*on_close)(void *data), void *data);

/* Answer. Never fails for the caller: if the connection has gone or goes over its limit now, that is counted
 * and the client learns it from its connection. message->type is not looked at. */
void wire_reply(struct wire_call call, const struct wire_message *message);
/* Answer that this was not done: the client's callback gets `err` (not ERR_OK) and no frame. */
void wire_refuse(struct wire_call call, enum err err);
/* Is there still somebody to answer? */
bool wire_call_is_open(struct wire_call call);
/* Who asks; false when the connection has gone. */
bool wire_call_peer(struct wire_call call, struct wire_identity *ret_peer);

const char *wire_role_name(enum wire_role role);

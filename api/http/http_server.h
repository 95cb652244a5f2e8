/* An HTTP/1.1 server inside an event loop: libmicrohttpd parses, our loop drives it.
 *
 *   socket -> on_headers -> on_chunk ... -> on_request -> (any time later) http_respond
 *              |                                           |
 *              may answer at once: the body is            the connection is suspended meanwhile and
 *              then thrown away unread                     goes on with its next request afterwards
 *
 * One server per loop. Several, in one process or many, may listen on one port (SO_REUSEPORT): the kernel spreads
 * connections. Everything happens on the loop's thread.
 *
 * A request exists from on_headers until http_respond, which must be called exactly once for each request, also
 * for one whose client has gone. Within these limits a client gets no further:
 *   bytes of one body (also chunked)   413            bytes of all bodies together     503
 *                                                     bytes of all large answers       503, and who does not
 *                                                                                      take its own is cut off
 *   head and body not here in time     408            bytes of the head                431 (libmicrohttpd)
 *   connections                        not accepted   idle between requests            closed
 * Bytes that are not HTTP get libmicrohttpd's own reply. The server answers `GET /` (health) and `OPTIONS`
 * (CORS) by itself. */
#pragma once

#include "api/http/http_request.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "base/workers.h"

struct http_server;

struct http_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "api/http/http_metrics.def"
#undef METRIC
};

extern const struct metric_table http_metric_table;

struct http_limits {
    size_t body_bytes_max;    /* of one request */
    size_t body_budget_bytes; /* of all requests of this server */
    size_t
        reply_budget_bytes; /* of all answers that are not sent yet; those up to WORKERS_BYTES_MIN do not count */
    size_t connection_bytes; /* memory of a connection: the head must fit, a body arrives in such pieces */
    unsigned connections_max;
    uint64_t request_timeout_us; /* from the request line to the end of the body */
    uint64_t idle_timeout_us;    /* from a connection's start or its last answer to the next request line */
    uint64_t turn_us;            /* work begun within one turn of the loop, before others get theirs */
};

/* 16 MiB, 256 MiB twice, 32 KiB, 4096 connections, 30 s, 60 s, 4 ms */
#define HTTP_LIMITS_DEFAULT                                 \
    ((struct http_limits){.body_bytes_max = 16u << 20,      \
                          .body_budget_bytes = 256u << 20,  \
                          .reply_budget_bytes = 256u << 20, \
                          .connection_bytes = 32u << 10,    \
                          .connections_max = 4096,          \
                          .request_timeout_us = 30000000,   \
                          .idle_timeout_us = 60000000,      \
                          .turn_us = 4000})

struct http_callbacks {
    /* The head is here. May call http_respond, which ends it: nothing of the body is kept, and none of the
     * other callbacks follow. Required. */
    void (*on_headers)(struct http_request *request, void *data);
    /* Bytes of the body, as they arrive and as they stood on the wire; for hashing. Optional. */
    void (*on_chunk)(struct http_request *request, struct slice bytes, void *data);
    /* The request is complete: http_request_body is there. http_respond now or later. Required. */
    void (*on_request)(struct http_request *request, void *data);
    /* The request will not complete, because its client went away, was too slow or sent too much: it ends with
     * this call, and is not to be answered. Comes only between on_headers and on_request. Required. */
    void (*on_abort)(struct http_request *request, void *data);
    /* The client has gone, or the server is closing, while on_request's answer is awaited: work for it may stop;
     * http_respond is still due. Noticed within half a second. Optional. */
    void (*on_cancel)(struct http_request *request, void *data);
};

struct http_options {
    const char *host;   /* numeric address, IPv4 or IPv6 */
    uint16_t port;      /* 0: any, see http_server_port */
    const char *region; /* for the health line; copied */
    struct http_limits limits;
    struct workers *workers; /* of the loop, for answers over WORKERS_BYTES_MIN */
};

/* Listens at once. `l`, workers, callbacks' data: outlive the server.
 * ERR_IO  the address cannot be listened on    ERR_CONFIG  it is no address    ERR_NO_MEMORY */
enum err http_server_create(struct loop *l, const struct http_options *options,
                            const struct http_callbacks *callbacks, void *data,
                            struct http_server **ret_server, struct error *error) MUST_CHECK;
uint16_t http_server_port(const struct http_server *s);

/* Take no more connections, close idle ones, answer those at work with `Connection: close`. on_drained (may be
 * NULL) runs when no connection is left, never inside this call. Whoever waits sets the deadline, then closes.
 * Neither this nor the next is called from inside one of the callbacks above. */
void http_server_drain(struct http_server *s, void (*on_drained)(void *data), void *data);

/* Drain, cut off what is not complete, cancel the rest, wait for its answers, then free; on_close (may be NULL)
 * is last. */
void http_server_close(struct http_server *s, void (*on_close)(void *data), void *data);

const struct http_metrics *http_server_metrics(const struct http_server *s);
/* Connections open now. */
unsigned http_server_connections(const struct http_server *s);

/* What the files of this directory share.
 *
 * A connection is always in one of four lists, each in order of time, so that finding those that are too old
 * looks at the heads only:
 *
 *     IDLE ---request line---> RECEIVING ---whole body---> SERVING ---answer---> SENDING ---sent---> IDLE
 *                                  |                                                ^
 *                                  +------------- answered early ------------------+
 */
#pragma once

#include <microhttpd.h>

#include "api/http/encoding.h"
#include "api/http/http_server.h"
#include "base/random.h"

enum http_connection_state {
    HTTP_IDLE,
    HTTP_RECEIVING,
    HTTP_SERVING, /* suspended: libmicrohttpd does not look at it */
    HTTP_SENDING,
    HTTP_CONNECTION_STATES
};

struct http_connection {
    struct http_server *server;
    struct http_request *request; /* NULL while idle */
    struct http_connection *prev; /* in its state's list */
    struct http_connection *next;
    enum http_connection_state state;
    uint64_t since_us;    /* in this state */
    uint64_t progress_us; /* when its client last took a fair part of a large answer, */
    uint64_t taken_bytes; /* and what it had taken then, of all answers */
    int fd;
    bool has_served; /* at least one request */
    bool is_cut;     /* shut down by us, its end is on the way */
};

struct http_request {
    struct http_server *server;
    struct http_connection *connection;
    struct MHD_Connection *mhd;
    struct http_request *next; /* among the postponed, or the spare ones */
    void *data;
    struct slice method;
    struct slice path;
    struct slice query;
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    struct buffer uri; /* path and query point in here */
    struct buffer body;
    size_t body_charged;      /* of the server's budget */
    size_t reply_charged;     /* the same, of answers */
    uint64_t discarded_bytes; /* of a body that nobody wants */
    uint64_t began_us;
    struct MHD_Response *response; /* waits to be queued */
    struct packing_job *packing;   /* its answer is with a worker: response.c */
    int status;
    char id[HTTP_REQUEST_ID_CHARS + 1];
    bool is_begun;    /* its head has been seen */
    bool is_known;    /* to the router: on_headers was called */
    bool is_whole;    /* on_request was, or will be called */
    bool is_served;   /* on_request was called */
    bool is_answered; /* http_respond was called, or the server answered */
    bool is_last;     /* its connection ends with the answer */
    bool is_suspended;
    bool is_in_handler;
    bool is_discarding; /* the rest of the body is not kept */
    bool is_too_long;   /* more than HTTP_HEADERS_MAX headers */
    bool is_cancelled;
};

struct http_server {
    struct loop *loop;
    struct http_limits limits;
    struct http_callbacks callbacks;
    void *data;
    struct workers *workers;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    struct loop_task run_task;
    struct loop_task room_task; /* answers wait for a turn with room for their next block */
    struct loop_timer sweep_timer;
    struct http_connection *connections[HTTP_CONNECTION_STATES];
    struct http_request *postponed; /* first in, first out */
    struct http_request *postponed_last;
    struct http_request *spare;
    size_t spare_count;
    size_t body_bytes;
    size_t reply_bytes;
    size_t in_flight;
    unsigned connection_count;
    uint64_t turn_end_us;
    struct random random;
    struct http_metrics metrics;
    struct buffer health;
    uint16_t port;
    int listen_fd; /* -1 when no longer ours */
    bool is_draining;
    bool is_closing;
    bool is_running; /* inside libmicrohttpd */
    void (*on_drained)(void *data);
    void *on_drained_data;
    void (*on_close)(void *data);
    void *on_close_data;
};

/* listen.c: a non-blocking listening socket with SO_REUSEPORT. */
enum err http_listen(const char *host, uint16_t port, int *ret_fd, uint16_t *ret_port,
                     struct error *error) MUST_CHECK;

/* connections.c */
void http_connection_notify(void *data, struct MHD_Connection *mhd, void **context,
                            enum MHD_ConnectionNotificationCode what);
void http_connection_move(struct http_connection *c, enum http_connection_state state);
/* End it from outside: libmicrohttpd notices and cleans up. reply: raw bytes to send first, or NULL. */
void http_connection_cut(struct http_connection *c, const char *reply);
/* Cut off those whose time is up, look whether clients that wait are still there. */
void http_connections_sweep(struct http_server *s);
void http_connections_drain(struct http_server *s);
/* Cut off those whose clients do not take their large answers, until there is room for one of so many bytes. */
void http_connections_make_room(struct http_server *s, size_t bytes);

/* handler.c: libmicrohttpd's callbacks for a request. */
void *http_handler_begin(void *data, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_handler_run(void *data, struct MHD_Connection *mhd, const char *url, const char *method,
                                 const char *version, const char *upload, size_t *upload_bytes,
                                 void **context);
void http_handler_end(void *data, struct MHD_Connection *mhd, void **context,
                      enum MHD_RequestTerminationCode why);
/* Hand postponed requests to the router, as many as the turn has time for. */
void http_handler_run_postponed(struct http_server *s);

/* http_request.c */
struct http_request *http_request_take(struct http_server *s); /* NULL: no memory */
void http_request_release(struct http_request *r);
/* ERR_LIMIT: over the budget (or no memory). */
enum err http_request_append(struct http_request *r, struct slice bytes) MUST_CHECK;
/* Content-Length: 0 if it does not say, UINT64_MAX if it says nonsense. */
uint64_t http_request_declared_bytes(const struct http_request *r);
void http_request_drop_body(struct http_request *r);

/* response.c: the answer has gone out, or never will. */
void http_response_release(struct http_request *r);
/* It does not count against the budget any more. */
void http_response_discharge(struct http_request *r);
/* For another large answer. */
bool http_response_has_room(const struct http_server *s, size_t bytes);

/* builtin.c: health and CORS. True when answered. */
bool http_builtin_answer(struct http_request *r);
void http_builtin_add_cors(struct http_request *r, struct MHD_Response *response);

/* http_server.c: run libmicrohttpd soon; see whether a drain or a close is done. */
void http_server_wake(struct http_server *s);

/* The admin port: HTTP on its own thread, so that a process can be inspected while it drowns.
 *
 *   GET /healthz   200 "ok" while the process lives
 *   GET /readyz    200 "ready" or 503 "not ready", as admin_set_ready said
 *   GET /metrics   Prometheus text
 *   GET /          the list of what there is
 *   and what daemons register (/debug/...).
 *
 * Bound to a loopback address unless told otherwise. Any method but GET is 405 unless a handler for it is
 * registered. Bodies of POST are at most ADMIN_BODY_BYTES_MAX (413). At most 16 connections, 10 s idle. No
 * credentials, no tenant data. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/mailbox.h"
#include "base/metrics.h"

enum { ADMIN_BODY_BYTES_MAX = 64 * 1024, ADMIN_ANSWER_BYTES_MAX = 16 * 1024 * 1024 };

struct admin;

struct admin_options {
    const char *host;        /* numeric; NULL = 127.0.0.1 */
    uint16_t port;           /* 0 = any free one: admin_port */
    struct metrics *metrics; /* for /metrics; outlives the admin port */
};

struct admin_request {
    const char *path;
    struct slice body;
    void *connection; /* for admin_argument */
};

/* Runs on the admin thread: append the answer's text to `to`, return the HTTP status. Must not touch what a
 * loop owns: use admin_handle_on_loop for that. */
typedef int (*admin_handler)(const struct admin_request *request, struct buffer *to, void *data);

/* ERR_CONFIG: not an address. ERR_EXISTS: the port is taken. ERR_IO: it cannot listen. ERR_NO_MEMORY. */
enum err admin_open(const struct admin_options *options, struct admin **ret_admin,
                    struct error *error) MUST_CHECK;
/* Waits for handlers that run. NULL: does nothing. */
void admin_close(struct admin *a);
uint16_t admin_port(const struct admin *a);
/* From any thread; false at the start. */
void admin_set_ready(struct admin *a, bool is_ready);
bool admin_is_ready(const struct admin *a);

/* Serve `method` ("GET" or "POST") on `path` (literals; kept). From any thread. ERR_LIMIT: over 64 handlers.
 */
enum err admin_handle(struct admin *a, const char *method, const char *path, admin_handler handler,
                      void *data) MUST_CHECK;
/* GET `path`: `fill` runs on the loop behind the mailbox; 503 when it does not within a second. `data` and
 * the mailbox outlive the admin port. */
enum err admin_handle_on_loop(struct admin *a, const char *path, struct mailbox *mailbox,
                              mailbox_fill_cb fill, void *data) MUST_CHECK;

/* The value of a query argument ("/debug/group?id=7"), or NULL; valid while the handler runs. */
const char *admin_argument(const struct admin_request *request, const char *name);

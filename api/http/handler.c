/* libmicrohttpd's callbacks, and what they mean.
 *
 * begin   the request line was read; the raw URI is seen here only
 * run     first call: the head is here. Further ones: a piece of the body. Then one without bytes: all of it is
 *         here. If the answer is not known by then the connection is suspended, and `run` is called once more
 *         after it was resumed.
 * end     answered and sent, or broken */
#include <stdlib.h>

#include "api/http/http_internal.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/random.h"

static const char REPLY_TOO_LARGE[] =
    "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\n\r\n"
    "{\"__type\":\"com.amazon.coral.service#RequestEntityTooLargeException\","
    "\"message\":\"Request body is larger than 16 MB\",\"Message\":\"Request body is larger than 16 MB\"}";

static struct http_connection *connection_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void make_id(struct http_request *r)
{
    static const char symbols[] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
    enum { PER_DRAW = 12 };
    uint64_t bits = 0;
    for (unsigned i = 0; i < HTTP_REQUEST_ID_CHARS; i++, bits >>= 5) {
        if (i % PER_DRAW == 0)
            bits = random_u64(&r->server->random);
        r->id[i] = symbols[bits & 31];
    }
}

static bool set_uri(struct http_request *r, const char *uri)
{
    buffer_clear(&r->uri);
    buffer_append_string(&r->uri, uri);
    if (buffer_has_failed(&r->uri))
        return false;
    struct slice whole = buffer_view(&r->uri);
    const uint8_t *mark = whole.length > 0 ? memchr(whole.data, '?', whole.length) : NULL;
    r->path = whole;
    r->query = SLICE_EMPTY;
    if (mark != NULL) {
        r->path.length = (size_t)(mark - whole.data);
        r->query = slice_from(whole, r->path.length + 1);
    }
    return true;
}

void *http_handler_begin(void *data, const char *uri, struct MHD_Connection *mhd)
{
    struct http_server *s = data;
    struct http_connection *c = connection_of(mhd);
    struct http_request *r = c != NULL ? http_request_take(s) : NULL;
    if (r == NULL)
        return NULL;
    if (!set_uri(r, uri)) {
        http_request_release(r);
        return NULL;
    }
    r->connection = c;
    r->mhd = mhd;
    r->began_us = clock_boot_us();
    make_id(r);
    c->request = r;
    http_connection_move(c, HTTP_RECEIVING);
    return r;
}

static enum MHD_Result collect_header(void *data, enum MHD_ValueKind kind, const char *name,
                                      size_t name_bytes, const char *value, size_t value_bytes)
{
    struct http_request *r = data;
    if (r->header_count == HTTP_HEADERS_MAX) {
        r->is_too_long = true;
        return MHD_NO;
    }
    r->headers[r->header_count++] =
        (struct http_header){slice_make(name, name_bytes), slice_make(value, value_bytes)};
    return MHD_YES;
}

/* Bodies of refused requests are read and thrown away up to here: a client that is cut off while it sends
 * often does not see the answer. */
static uint64_t discard_bytes_max(const struct http_server *s)
{
    return 2 * (uint64_t)s->limits.body_bytes_max;
}

static bool must_answer_at_once(const struct http_request *r)
{
    bool is_asking = http_request_header(r, "expect").length > 0;
    return is_asking || http_request_declared_bytes(r) > discard_bytes_max(r->server);
}

static enum MHD_Result queue_response(struct http_request *r)
{
    if (r->response == NULL)
        return MHD_NO; /* there was no memory for it */
    enum MHD_Result result = MHD_queue_response(r->mhd, (unsigned)r->status, r->response);
    MHD_destroy_response(r->response);
    r->response = NULL;
    http_connection_move(r->connection, HTTP_SENDING);
    return result;
}

static void answer_head(struct http_request *r)
{
    struct http_server *s = r->server;
    if (r->is_too_long) {
        http_respond(r, &(struct http_response){.status = 431});
    } else if (http_request_declared_bytes(r) > s->limits.body_bytes_max) {
        metric_increment(&s->metrics.refused_large);
        http_respond_error(r, ERR_REQUEST_TOO_LARGE, NULL);
    } else if (!http_builtin_answer(r)) {
        r->is_known = true;
        s->callbacks.on_headers(r, s->data);
    }
}

static enum MHD_Result receive_head(struct http_request *r, const char *method)
{
    r->is_begun = true;
    r->method = slice_from_string(method);
    metric_increment(&r->server->metrics.requests);
    MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, collect_header, r);
    r->is_in_handler = true;
    answer_head(r);
    r->is_in_handler = false;
    return r->is_answered && must_answer_at_once(r) ? queue_response(r) : MHD_YES;
}

/* The router lets go of it, the client gets an error once its body is through. */
static void refuse_body(struct http_request *r, enum err code)
{
    struct http_server *s = r->server;
    metric_increment(code == ERR_REQUEST_TOO_LARGE ? &s->metrics.refused_large : &s->metrics.refused_budget);
    r->is_known = false;
    s->callbacks.on_abort(r, s->data);
    http_respond_error(r, code, NULL);
}

static void receive_chunk(struct http_request *r, struct slice bytes)
{
    struct http_server *s = r->server;
    metric_add(&s->metrics.bytes_received, bytes.length);
    if (r->is_discarding) {
        r->discarded_bytes += bytes.length;
        if (r->discarded_bytes > discard_bytes_max(s))
            http_connection_cut(r->connection, REPLY_TOO_LARGE);
        return;
    }
    if (r->body.length + bytes.length > s->limits.body_bytes_max) {
        refuse_body(r, ERR_REQUEST_TOO_LARGE);
    } else if (http_request_append(r, bytes) != ERR_OK) {
        refuse_body(r, ERR_SERVICE_UNAVAILABLE);
    } else if (s->callbacks.on_chunk != NULL) {
        s->callbacks.on_chunk(r, bytes, s->data);
    }
}

static void postpone(struct http_server *s, struct http_request *r)
{
    metric_increment(&s->metrics.postponed);
    r->next = NULL;
    if (s->postponed == NULL)
        s->postponed = r;
    else
        s->postponed_last->next = r;
    s->postponed_last = r;
}

static void serve(struct http_request *r)
{
    struct http_server *s = r->server;
    r->is_served = true;
    s->in_flight++;
    metric_set(&s->metrics.in_flight, s->in_flight);
    s->callbacks.on_request(r, s->data);
}

static void suspend(struct http_request *r)
{
    MHD_suspend_connection(r->mhd);
    r->is_suspended = true;
}

static enum MHD_Result receive_end(struct http_request *r)
{
    struct http_server *s = r->server;
    if (r->is_whole || r->is_answered) {
        r->is_whole = true;
        return queue_response(r);
    }
    r->is_whole = true;
    http_connection_move(r->connection, HTTP_SERVING);
    if (s->postponed != NULL || clock_boot_us() >= s->turn_end_us) {
        postpone(s, r);
        suspend(r);
        return MHD_YES;
    }
    r->is_in_handler = true;
    serve(r);
    r->is_in_handler = false;
    if (r->is_answered && r->packing == NULL)
        return queue_response(r);
    suspend(r);
    return MHD_YES;
}

enum MHD_Result http_handler_run(void *data, struct MHD_Connection *mhd, const char *url, const char *method,
                                 const char *version, const char *upload, size_t *upload_bytes,
                                 void **context)
{
    struct http_request *r = *context;
    if (r == NULL)
        return MHD_NO; /* there was no memory for it */
    if (!r->is_begun)
        return receive_head(r, method);
    if (*upload_bytes == 0)
        return receive_end(r);
    r->is_in_handler = true;
    receive_chunk(r, slice_make(upload, *upload_bytes));
    r->is_in_handler = false;
    *upload_bytes = 0;
    return MHD_YES;
}

void http_handler_run_postponed(struct http_server *s)
{
    while (s->postponed != NULL && clock_boot_us() < s->turn_end_us) {
        struct http_request *r = s->postponed;
        s->postponed = r->next;
        serve(r);
    }
}

void http_handler_end(void *data, struct MHD_Connection *mhd, void **context,
                      enum MHD_RequestTerminationCode why)
{
    struct http_request *r = *context;
    if (r == NULL)
        return;
    struct http_server *s = r->server;
    struct http_connection *c = r->connection;
    *context = NULL;
    ASSERT(!r->is_suspended);
    if (r->is_known && !r->is_answered) {
        metric_increment(&s->metrics.aborted);
        s->callbacks.on_abort(r, s->data);
    }
    http_response_release(r);
    http_request_release(r);
    c->request = NULL;
    c->has_served = true;
    http_connection_move(c, HTTP_IDLE);
    if (s->is_draining)
        http_connection_cut(c, NULL);
}

#include "api/http/http_request.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>

#include "api/http/http_internal.h"
#include "base/assert.h"
#include "base/memory.h"

enum {
    SPARE_MAX = 256,             /* requests kept for the next ones */
    SPARE_BODY_BYTES = 16 << 10, /* the largest body buffer kept with one */
    URI_BYTES_MAX = 64 << 10,
    CHARGE_BYTES = 64 << 10,     /* bodies count against the budget by so much */
    RESERVE_BYTES = 1024 * 1024, /* a body of which so much has come gets room for all of it */
};

static void init_request(struct http_request *r, struct http_server *s)
{
    struct buffer uri = r->uri, body = r->body;
    /* All but the headers, which are long and counted. */
    memset(r, 0, offsetof(struct http_request, headers));
    size_t from = offsetof(struct http_request, header_count);
    memset((uint8_t *)r + from, 0, sizeof(*r) - from);
    r->server = s;
    r->uri = uri;
    r->body = body;
    buffer_clear(&r->body);
    r->body_charged = 0;
}

struct http_request *http_request_take(struct http_server *s)
{
    struct http_request *r = s->spare;
    if (r != NULL) {
        s->spare = r->next;
        s->spare_count--;
    } else {
        r = memory_zalloc(sizeof(*r));
        if (r == NULL)
            return NULL;
        buffer_init(&r->uri, URI_BYTES_MAX);
        buffer_init(&r->body, s->limits.body_bytes_max);
    }
    init_request(r, s);
    return r;
}

static void charge(struct http_request *r, size_t bytes)
{
    struct http_server *s = r->server;
    s->body_bytes = s->body_bytes - r->body_charged + bytes;
    r->body_charged = bytes;
    metric_set(&s->metrics.body_bytes, s->body_bytes);
}

void http_request_drop_body(struct http_request *r)
{
    charge(r, 0);
    if (r->body.capacity > SPARE_BODY_BYTES)
        buffer_deinit(&r->body);
    else
        buffer_clear(&r->body);
}

void http_request_release(struct http_request *r)
{
    struct http_server *s = r->server;
    http_request_drop_body(r);
    if (s->spare_count < SPARE_MAX && !s->is_closing) {
        r->next = s->spare;
        s->spare = r;
        s->spare_count++;
        return;
    }
    buffer_deinit(&r->uri);
    buffer_deinit(&r->body);
    memory_free(r);
}

uint64_t http_request_declared_bytes(const struct http_request *r)
{
    struct slice text = http_request_header(r, "content-length");
    uint64_t bytes = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || bytes > UINT64_MAX / 100)
            return UINT64_MAX;
        bytes = bytes * 10 + (uint64_t)(text.data[i] - '0');
    }
    return bytes;
}

/* Doubling would copy 8 MB in one turn of the loop at last. Memory that is only reserved is nobody's yet. */
static void reserve_rest(struct http_request *r, size_t bytes)
{
    struct buffer *body = &r->body;
    if (body->length < RESERVE_BYTES || body->capacity - body->length >= bytes)
        return;
    uint64_t declared = http_request_declared_bytes(r);
    bool is_chunked = declared == 0;
    size_t whole = is_chunked || declared > body->length_max ? body->length_max : (size_t)declared;
    if (whole > body->length)
        (void)buffer_reserve(body, whole - body->length); /* sticky */
}

static size_t cost_of(size_t body_bytes)
{
    return (body_bytes + CHARGE_BYTES - 1) / CHARGE_BYTES * CHARGE_BYTES;
}

enum err http_request_append(struct http_request *r, struct slice bytes)
{
    struct http_server *s = r->server;
    if (s->body_bytes + bytes.length > s->limits.body_budget_bytes)
        return ERR_LIMIT;
    reserve_rest(r, bytes.length);
    buffer_append(&r->body, bytes);
    if (buffer_has_failed(&r->body))
        return ERR_LIMIT;
    /* Small bodies live in memory that the spare requests keep anyway. */
    if (r->body.capacity > SPARE_BODY_BYTES && cost_of(r->body.length) != r->body_charged)
        charge(r, cost_of(r->body.length));
    return ERR_OK;
}

struct slice http_request_method(const struct http_request *r)
{
    return r->method;
}

struct slice http_request_path(const struct http_request *r)
{
    return r->path;
}

struct slice http_request_query(const struct http_request *r)
{
    return r->query;
}

const struct http_header *http_request_headers(const struct http_request *r, size_t *ret_count)
{
    *ret_count = r->header_count;
    return r->headers;
}

struct slice http_request_header(const struct http_request *r, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < r->header_count; i++) {
        const struct http_header *h = &r->headers[i];
        if (h->name.length == length && strncasecmp((const char *)h->name.data, name, length) == 0)
            return h->value;
    }
    return SLICE_EMPTY;
}

struct slice http_request_body(const struct http_request *r)
{
    return buffer_view(&r->body);
}

struct slice http_request_id(const struct http_request *r)
{
    return slice_make(r->id, HTTP_REQUEST_ID_CHARS);
}

uint64_t http_request_began_us(const struct http_request *r)
{
    return r->began_us;
}

bool http_request_is_cancelled(const struct http_request *r)
{
    return r->is_cancelled;
}

void http_request_set_data(struct http_request *r, void *data)
{
    r->data = data;
}

void *http_request_data(const struct http_request *r)
{
    return r->data;
}

void http_request_client(const struct http_request *r, char *to, size_t bytes)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const void *address = info->client_addr;
    int family = info->client_addr->sa_family;
    const void *number = family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                                            : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    if (inet_ntop(family, number, to, (socklen_t)bytes) == NULL)
        snprintf(to, bytes, "?");
}

#include "base/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <string.h>

#include "base/memory.h"

enum {
    HANDLERS_MAX = 64,
    CONNECTIONS_MAX = 16,
    IDLE_S = 10,
    CONNECTION_BYTES = 32 * 1024,
    ASK_TIMEOUT_US = 1000000,
};

struct handler {
    const char *method;
    const char *path;
    admin_handler handle; /* NULL: ask the loop */
    mailbox_fill_cb fill;
    struct mailbox *mailbox;
    void *data;
};

struct admin {
    struct MHD_Daemon *http;
    struct metrics *metrics;
    bool is_ready;        /* atomic */
    pthread_mutex_t lock; /* of the handlers; never held while one runs */
    struct handler handlers[HANDLERS_MAX];
    size_t handler_count;
};

/* A request while its body arrives. */
struct exchange {
    struct buffer body;
};

static int on_healthz(const struct admin_request *request, struct buffer *to, void *data)
{
    (void)request, (void)data;
    buffer_append_string(to, "ok\n");
    return MHD_HTTP_OK;
}

static int on_readyz(const struct admin_request *request, struct buffer *to, void *data)
{
    (void)request;
    bool is_ready = admin_is_ready(data);
    buffer_append_string(to, is_ready ? "ready\n" : "not ready\n");
    return is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static int on_metrics(const struct admin_request *request, struct buffer *to, void *data)
{
    (void)request;
    const struct admin *a = data;
    metrics_write(a->metrics, to);
    return MHD_HTTP_OK;
}

static int on_list(const struct admin_request *request, struct buffer *to, void *data)
{
    (void)request;
    struct admin *a = data;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->handler_count; i++)
        buffer_append_format(to, "%s %s\n", a->handlers[i].method, a->handlers[i].path);
    pthread_mutex_unlock(&a->lock);
    return MHD_HTTP_OK;
}

/* 404 when nothing has this path, 405 when only another method does. */
static int find(struct admin *a, const char *method, const char *path, struct handler *ret_handler)
{
    int status = MHD_HTTP_NOT_FOUND;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->handler_count && status != MHD_HTTP_OK; i++) {
        const struct handler *h = &a->handlers[i];
        if (strcmp(h->path, path) != 0)
            continue;
        status = strcmp(h->method, method) == 0 ? MHD_HTTP_OK : MHD_HTTP_METHOD_NOT_ALLOWED;
        *ret_handler = *h;
    }
    pthread_mutex_unlock(&a->lock);
    return status;
}

static int ask_loop(const struct handler *h, struct buffer *to)
{
    enum err err = mailbox_ask(h->mailbox, h->fill, h->data, ASK_TIMEOUT_US, to);
    if (err == ERR_OK)
        return MHD_HTTP_OK;
    buffer_clear(to);
    buffer_append_format(to, "the loop did not answer: %s\n", err_name(err));
    return MHD_HTTP_SERVICE_UNAVAILABLE;
}

static int serve(struct admin *a, struct MHD_Connection *connection, const char *method, const char *path,
                 struct slice body, struct buffer *to)
{
    struct handler h;
    int status = find(a, method, path, &h);
    if (status != MHD_HTTP_OK) {
        buffer_append_string(to, status == MHD_HTTP_NOT_FOUND ? "not found\n" : "method not allowed\n");
        return status;
    }
    if (h.handle == NULL)
        return ask_loop(&h, to);
    const struct admin_request request = {.path = path, .body = body, .connection = connection};
    return h.handle(&request, to, h.data);
}

static enum MHD_Result respond(struct MHD_Connection *connection, int status, struct buffer *text)
{
    if (buffer_has_failed(text)) {
        buffer_clear(text);
        buffer_append_string(text, "the answer is too large\n");
        status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text->length, text->data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8"); /* or without it */
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, "Allow", "GET, HEAD, POST");
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(struct admin *a, struct MHD_Connection *connection, const char *method,
                              const char *path, struct exchange *e)
{
    struct buffer text;
    buffer_init(&text, ADMIN_ANSWER_BYTES_MAX);
    int status;
    if (buffer_has_failed(&e->body)) {
        buffer_append_string(&text, "the body is too large\n");
        status = MHD_HTTP_CONTENT_TOO_LARGE;
    } else {
        status = serve(a, connection, method, path, buffer_view(&e->body), &text);
    }
    enum MHD_Result result = respond(connection, status, &text);
    buffer_deinit(&text);
    return result;
}

/* Called for the headers (no exchange yet), for each piece of the body, and at its end. */
static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_bytes, void **exchange)
{
    (void)version;
    struct exchange *e = *exchange;
    if (e == NULL) {
        e = memory_zalloc(sizeof *e);
        if (e == NULL)
            return MHD_NO;
        buffer_init(&e->body, ADMIN_BODY_BYTES_MAX);
        *exchange = e;
        return MHD_YES;
    }
    if (*body_bytes > 0) {
        buffer_append(&e->body, slice_make(body, *body_bytes)); /* sticky: what is too much is dropped */
        *body_bytes = 0;
        return MHD_YES;
    }
    const char *as = strcmp(method, "HEAD") == 0 ? "GET" : method;
    return answer(data, connection, as, path, e);
}

static void on_completed(void *data, struct MHD_Connection *connection, void **exchange,
                         enum MHD_RequestTerminationCode code)
{
    (void)data, (void)connection, (void)code;
    struct exchange *e = *exchange;
    if (e == NULL)
        return;
    buffer_deinit(&e->body);
    memory_free(e);
    *exchange = NULL;
}

/* Damaged requests are the client's affair; libmicrohttpd would tell stderr of each. */
static void on_complaint(void *data, const char *format, va_list arguments)
{
    (void)data, (void)format, (void)arguments;
}

static enum err resolve(const struct admin_options *options, struct sockaddr_storage *ret_address,
                        struct error *error)
{
    union {
        struct sockaddr_storage any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    const char *host = options->host == NULL ? "127.0.0.1" : options->host;
    if (inet_pton(AF_INET, host, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(options->port);
    } else if (inet_pton(AF_INET6, host, &address.v6.sin6_addr) == 1) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons(options->port);
    } else {
        return error_set(error, ERR_CONFIG, "admin: '%.60s' is not a numeric address", host);
    }
    *ret_address = address.any;
    return ERR_OK;
}

static struct MHD_Daemon *start_http(struct admin *a, const struct sockaddr_storage *address)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG;
    if (address->ss_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    /* No MHD_OPTION_LISTENING_ADDRESS_REUSE: its 0 would refuse a port whose last process was killed. */
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, a, MHD_OPTION_EXTERNAL_LOGGER, on_complaint,
                            NULL, MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
}

static void add_own_handlers(struct admin *a)
{
    const struct handler own[] = {
        {.method = "GET", .path = "/", .handle = on_list, .data = a},
        {.method = "GET", .path = "/healthz", .handle = on_healthz},
        {.method = "GET", .path = "/readyz", .handle = on_readyz, .data = a},
        {.method = "GET", .path = "/metrics", .handle = on_metrics, .data = a},
    };
    memcpy(a->handlers, own, sizeof own);
    a->handler_count = sizeof own / sizeof own[0];
}

enum err admin_open(const struct admin_options *options, struct admin **ret_admin, struct error *error)
{
    struct sockaddr_storage address;
    TRY(resolve(options, &address, error));
    struct admin *a = memory_zalloc(sizeof *a);
    if (a == NULL)
        return ERR_NO_MEMORY;
    a->metrics = options->metrics;
    pthread_mutex_init(&a->lock, NULL);
    add_own_handlers(a);
    errno = 0;
    a->http = start_http(a, &address);
    if (a->http == NULL) {
        int why = errno;
        admin_close(a);
        return error_set(error, why == EADDRINUSE ? ERR_EXISTS : ERR_IO, "admin: listen on port %u: %s",
                         options->port, strerror(why));
    }
    *ret_admin = a;
    return ERR_OK;
}

void admin_close(struct admin *a)
{
    if (a == NULL)
        return;
    if (a->http != NULL)
        MHD_stop_daemon(a->http);
    pthread_mutex_destroy(&a->lock);
    memory_free(a);
}

uint16_t admin_port(const struct admin *a)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(a->http, MHD_DAEMON_INFO_BIND_PORT);
    return info == NULL ? 0 : info->port;
}

void admin_set_ready(struct admin *a, bool is_ready)
{
    __atomic_store_n(&a->is_ready, is_ready, __ATOMIC_RELEASE);
}

bool admin_is_ready(const struct admin *a)
{
    return __atomic_load_n(&a->is_ready, __ATOMIC_ACQUIRE);
}

static enum err add(struct admin *a, const struct handler *handler)
{
    pthread_mutex_lock(&a->lock);
    enum err err = a->handler_count < HANDLERS_MAX ? ERR_OK : ERR_LIMIT;
    if (err == ERR_OK)
        a->handlers[a->handler_count++] = *handler;
    pthread_mutex_unlock(&a->lock);
    return err;
}

enum err admin_handle(struct admin *a, const char *method, const char *path, admin_handler handler,
                      void *data)
{
    const struct handler h = {.method = method, .path = path, .handle = handler, .data = data};
    return add(a, &h);
}

enum err admin_handle_on_loop(struct admin *a, const char *path, struct mailbox *mailbox,
                              mailbox_fill_cb fill, void *data)
{
    const struct handler h = {.method = "GET", .path = path, .mailbox = mailbox, .fill = fill, .data = data};
    return add(a, &h);
}

const char *admin_argument(const struct admin_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

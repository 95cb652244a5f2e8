#include "controlplane/control/operator_http.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <jansson.h>
#include <pthread.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "controlplane/control/control_internal.h"

enum { BODY_BYTES_MAX = 64 * 1024, PATH_BYTES = 256, METHOD_BYTES = 8, TIMEOUT_S = 30, CONNECTIONS_MAX = 64 };

/* From the first line of a request to the end of its connection's interest in it. Two may own it: the HTTP thread
 * (until the request is completed) and the loop (from posting to answering). */
struct operator_call {
    struct mailbox_message message;
    struct operator_http *http;
    struct MHD_Connection *connection;
    char method[METHOD_BYTES];
    char path[PATH_BYTES];
    struct buffer body;
    bool is_posted;
    /* Under http->lock. */
    int owners;
    bool is_done;      /* the answer is there */
    bool is_abandoned; /* the port is closing: the loop keeps its hands off */
    struct operator_call *next;
    struct answer answer; /* the loop's until is_done */
};

struct operator_http {
    struct operator_http_options options;
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock; /* innermost; held for some instructions */
    struct operator_call *waiting;
    int calls; /* that the loop owns, or that are not completed */
    bool is_closed;
};

/* ---- owners ---- */

static void http_free(struct operator_http *http)
{
    (void)pthread_mutex_destroy(&http->lock); /* nobody is left */
    memory_free(http);
}

static void release(struct operator_call *call)
{
    struct operator_http *http = call->http;
    (void)pthread_mutex_lock(&http->lock); /* never fails for a plain mutex */
    bool is_last = --call->owners == 0;
    http->calls -= is_last;
    bool is_http_last = is_last && http->is_closed && http->calls == 0;
    (void)pthread_mutex_unlock(&http->lock); /* likewise */
    if (is_last) {
        buffer_deinit(&call->body);
        answer_deinit(&call->answer);
        memory_free(call);
    }
    if (is_http_last)
        http_free(http);
}

static void forget_waiting(struct operator_http *http, const struct operator_call *call)
{
    for (struct operator_call **link = &http->waiting; *link != NULL; link = &(*link)->next) {
        if (*link == call) {
            *link = call->next;
            return;
        }
    }
}

/* ---- on the loop ---- */

static void on_answer(struct answer *answer, void *data)
{
    struct operator_call *call = data;
    struct operator_http *http = call->http;
    (void)pthread_mutex_lock(&http->lock); /* never fails for a plain mutex */
    forget_waiting(http, call);
    call->is_done = true;
    if (!call->is_abandoned)
        MHD_resume_connection(call->connection);
    (void)pthread_mutex_unlock(&http->lock); /* likewise */
    release(call);
}

static void deliver(struct mailbox_message *message)
{
    struct operator_call *call = (struct operator_call *)message;
    (void)pthread_mutex_lock(&call->http->lock); /* never fails for a plain mutex */
    bool is_abandoned = call->is_abandoned;
    (void)pthread_mutex_unlock(&call->http->lock); /* likewise */
    if (is_abandoned)
        release(call);
    else
        control_on_operator(call->http->options.control, call->method, call->path, buffer_view(&call->body),
                            &call->answer, on_answer, call);
}

/* ---- on the HTTP thread ---- */

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status, struct slice body)
{
    union {
        const void *in;
        void *out;
    } pointer = {.in = body.data};
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.length, pointer.out, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(response, "Content-Type", "application/json"); /* its lack is no disaster */
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_error(struct MHD_Connection *connection, unsigned status, const char *name,
                                  const char *message)
{
    json_t *body = json_pack("{s:s, s:s}", "error", name, "message", message);
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    enum MHD_Result result =
        send_text(connection, status, text == NULL ? SLICE_LITERAL("{}") : slice_from_string(text));
    free(text);
    json_decref(body);
    return result;
}

static unsigned http_status(enum err code)
{
    if (code == ERR_RESOURCE_NOT_FOUND || code == ERR_UNKNOWN_OPERATION)
        return MHD_HTTP_NOT_FOUND;
    if (code == ERR_RESOURCE_IN_USE)
        return MHD_HTTP_CONFLICT;
    return (unsigned)err_http_status(code);
}

static enum MHD_Result send_answer(struct operator_call *call)
{
    const struct answer *answer = &call->answer;
    if (call->is_abandoned)
        return send_error(call->connection, MHD_HTTP_SERVICE_UNAVAILABLE, "ServiceUnavailable", "going down");
    if (answer->code == ERR_OK)
        return send_text(call->connection, MHD_HTTP_OK, buffer_view(&answer->body));
    const char *name = err_exception(answer->code);
    return send_error(call->connection, http_status(answer->code),
                      name == NULL ? "InternalServerError" : name, answer->message);
}

static bool is_authorized(const struct operator_http *http, struct MHD_Connection *connection)
{
    static const char scheme[] = "Bearer ";
    const char *given = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    size_t token_bytes = strlen(http->options.token);
    return given != NULL && strncmp(given, scheme, sizeof scheme - 1) == 0 && token_bytes > 0 &&
           strlen(given) == sizeof scheme - 1 + token_bytes &&
           CRYPTO_memcmp(given + sizeof scheme - 1, http->options.token, token_bytes) == 0;
}

static struct operator_call *call_create(struct operator_http *http, struct MHD_Connection *connection,
                                         const char *url, const char *method)
{
    struct operator_call *call = memory_zalloc(sizeof *call);
    if (call == NULL || strlen(url) >= sizeof call->path || strlen(method) >= sizeof call->method) {
        memory_free(call);
        return NULL;
    }
    call->message.deliver = deliver;
    call->http = http;
    call->connection = connection;
    call->owners = 1;
    (void)snprintf(call->method, sizeof call->method, "%s", method); /* fits */
    (void)snprintf(call->path, sizeof call->path, "%s", url);        /* fits */
    buffer_init(&call->body, BODY_BYTES_MAX);
    answer_init(&call->answer);
    (void)pthread_mutex_lock(&http->lock); /* never fails for a plain mutex */
    http->calls++;
    (void)pthread_mutex_unlock(&http->lock); /* likewise */
    return call;
}

static enum MHD_Result pass_on(struct operator_call *call)
{
    struct operator_http *http = call->http;
    call->is_posted = true;
    MHD_suspend_connection(call->connection);
    (void)pthread_mutex_lock(&http->lock); /* never fails for a plain mutex */
    bool is_posted = !http->is_closed && mailbox_post(http->options.mailbox, &call->message) == ERR_OK;
    if (is_posted) {
        call->owners = 2;
        call->next = http->waiting;
        http->waiting = call;
    } else {
        call->is_done = true;
        answer_refuse(&call->answer, ERR_SERVICE_UNAVAILABLE, "%s", err_sentence(ERR_SERVICE_UNAVAILABLE));
        MHD_resume_connection(call->connection);
    }
    (void)pthread_mutex_unlock(&http->lock); /* likewise */
    return MHD_YES;
}

static enum MHD_Result on_http(void *data, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_bytes, void **state)
{
    struct operator_http *http = data;
    struct operator_call *call = *state;
    if (call == NULL) {
        *state = call_create(http, connection, url, method);
        return *state == NULL ? MHD_NO : MHD_YES;
    }
    if (*upload_bytes > 0) {
        buffer_append(&call->body, slice_make(upload, *upload_bytes));
        *upload_bytes = 0;
        return MHD_YES;
    }
    if (call->is_posted)
        return send_answer(call);
    if (!is_authorized(http, connection))
        return send_error(connection, MHD_HTTP_UNAUTHORIZED, "Unauthorized",
                          "show the operator's token as bearer token");
    if (buffer_has_failed(&call->body))
        return send_error(connection, MHD_HTTP_CONTENT_TOO_LARGE, "RequestEntityTooLarge",
                          "the body is too large");
    return pass_on(call);
}

static void on_completed(void *data, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode reason)
{
    if (*state != NULL)
        release(*state);
    *state = NULL;
}

/* ---- life ---- */

enum err operator_http_open(const struct operator_http_options *options, struct operator_http **ret_http,
                            struct error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1)
        return error_set(error, ERR_CONFIG, "operator port: %s is not an IPv4 address", options->host);
    struct operator_http *http = memory_zalloc(sizeof *http);
    if (http == NULL)
        return error_set(error, ERR_NO_MEMORY, "no memory");
    http->options = *options;
    (void)pthread_mutex_init(&http->lock, NULL); /* never fails for a plain mutex */
    http->daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, options->port, NULL, NULL,
                         on_http, http, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED,
                         on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_END);
    if (http->daemon == NULL) {
        http_free(http);
        return error_set(error, ERR_IO, "operator port: cannot listen on %s:%u", options->host,
                         options->port);
    }
    *ret_http = http;
    return ERR_OK;
}

uint16_t operator_http_port(const struct operator_http *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info == NULL ? 0 : info->port;
}

static void abandon_waiting(struct operator_http *http)
{
    while (http->waiting != NULL) {
        struct operator_call *call = http->waiting;
        http->waiting = call->next;
        call->is_abandoned = true;
        MHD_resume_connection(call->connection);
    }
}

void operator_http_close(struct operator_http *http)
{
    if (http == NULL)
        return;
    (void)pthread_mutex_lock(&http->lock); /* never fails for a plain mutex */
    abandon_waiting(http);
    http->calls++; /* ours, so that it is not freed below our feet */
    http->is_closed = true;
    (void)pthread_mutex_unlock(&http->lock); /* likewise */
    MHD_stop_daemon(http->daemon);
    (void)pthread_mutex_lock(&http->lock); /* likewise */
    bool is_last = --http->calls == 0;
    (void)pthread_mutex_unlock(&http->lock); /* likewise */
    if (is_last)
        http_free(http);
}

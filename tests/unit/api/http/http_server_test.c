/* A server on a real socket and raw bytes from clients, all on one thread: the loop takes turns while the clients
 * wait. */
#include "api/http/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/random.h"

enum { REPLY_BYTES = 1 << 16, LATER_MAX = 64 };

enum behaviour { ANSWER_AT_ONCE, ANSWER_LATER, ANSWER_NEVER, REFUSE_AT_HEADERS };

struct fixture {
    struct loop loop;
    struct workers workers;
    struct http_server *server;
    enum behaviour behaviour;
    struct loop_task later;
    struct http_request *waiting[LATER_MAX];
    size_t waiting_count;
    unsigned headers, requests, aborts, cancels;
    size_t chunk_bytes;
    uint64_t work_us; /* of each request, spinning */
    bool is_drained, is_closed;
};

static void answer(struct http_request *r)
{
    struct buffer body;
    buffer_init(&body, 1 << 20);
    buffer_append_format(&body, "{\"bytes\":%zu,\"path\":\"%.*s\",\"query\":\"%.*s\"}",
                         http_request_body(r).length, SLICE_PRINTF(http_request_path(r)),
                         SLICE_PRINTF(http_request_query(r)));
    http_respond(r, &(struct http_response){.status = 200, .body = &body});
    buffer_deinit(&body);
}

static void answer_waiting(struct fixture *f)
{
    for (size_t i = 0; i < f->waiting_count; i++)
        answer(f->waiting[i]);
    f->waiting_count = 0;
}

static void on_later(struct loop_task *task)
{
    answer_waiting(task->data);
}

static void on_headers(struct http_request *r, void *data)
{
    struct fixture *f = data;
    f->headers++;
    if (f->behaviour == REFUSE_AT_HEADERS)
        http_respond_error(r, ERR_UNRECOGNIZED_CLIENT, NULL);
}

static void on_chunk(struct http_request *r, struct slice bytes, void *data)
{
    ((struct fixture *)data)->chunk_bytes += bytes.length;
}

static void on_request(struct http_request *r, void *data)
{
    struct fixture *f = data;
    f->requests++;
    for (uint64_t until_us = clock_boot_us() + f->work_us; clock_boot_us() < until_us;)
        continue;
    if (f->behaviour == ANSWER_AT_ONCE) {
        answer(r);
        return;
    }
    assert_true(f->waiting_count < LATER_MAX);
    f->waiting[f->waiting_count++] = r;
    if (f->behaviour == ANSWER_LATER)
        loop_defer(&f->loop, &f->later);
}

static void on_abort(struct http_request *r, void *data)
{
    ((struct fixture *)data)->aborts++;
}

static void on_cancel(struct http_request *r, void *data)
{
    ((struct fixture *)data)->cancels++;
    assert_true(http_request_is_cancelled(r));
}

static const struct http_callbacks CALLBACKS = {on_headers, on_chunk, on_request, on_abort, on_cancel};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_int_equal(loop_init(&f->loop), ERR_OK);
    assert_int_equal(workers_open(&f->workers, &f->loop, 0), ERR_OK);
    f->later = (struct loop_task){.run = on_later, .data = f};
    f->behaviour = ANSWER_LATER;
    *state = f;
    return 0;
}

static void start_with(struct fixture *f, struct http_limits limits)
{
    struct http_options options = {
        .host = "127.0.0.1", .region = "eu-west-1", .limits = limits, .workers = &f->workers};
    struct error error;
    assert_int_equal(http_server_create(&f->loop, &options, &CALLBACKS, f, &f->server, &error), ERR_OK);
}

static void start(struct fixture *f)
{
    start_with(f, HTTP_LIMITS_DEFAULT);
}

static void on_closed(void *data)
{
    ((struct fixture *)data)->is_closed = true;
}

static void on_drained(void *data)
{
    ((struct fixture *)data)->is_drained = true;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->server != NULL && !f->is_closed) {
        http_server_close(f->server, on_closed, f);
        answer_waiting(f);
        for (int i = 0; i < 3000 && !f->is_closed; i++) {
            loop_run_once(&f->loop, 1);
            answer_waiting(f);
        }
        assert_true(f->is_closed);
    }
    workers_close(&f->workers);
    loop_deinit(&f->loop);
    free(f);
    return 0;
}

static int dial(struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(f->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Send all; the loop turns while the socket is full. False when the server closed. */
static bool send_bytes(struct fixture *f, int fd, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    for (int tries = 0; length > 0 && tries < 20000; tries++) {
        ssize_t sent = send(fd, at, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent > 0) {
            at += sent;
            length -= (size_t)sent;
        }
        loop_run_once(&f->loop, sent < 0 ? 1 : 0);
    }
    return length == 0;
}

static bool send_text(struct fixture *f, int fd, const char *text)
{
    return send_bytes(f, fd, text, strlen(text));
}

struct reply {
    char text[REPLY_BYTES];
    size_t length;
    bool is_closed;
};

static size_t count_replies(const struct reply *reply)
{
    size_t count = 0;
    for (const char *at = reply->text; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++)
        count++;
    return count;
}

static bool has_body(const struct reply *reply)
{
    const char *last = reply->text;
    for (const char *at = last; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++)
        last = at;
    const char *end = strstr(last, "\r\n\r\n"), *length = strcasestr(last, "content-length: ");
    return end != NULL && length != NULL && strlen(end + 4) >= strtoul(length + 16, NULL, 10);
}

/* Until `count` whole replies are here, or the end of the stream (count 0), or 5 s. */
static void receive(struct fixture *f, int fd, size_t count, struct reply *ret)
{
    uint64_t until_us = clock_boot_us() + 5000000;
    memset(ret, 0, sizeof(*ret));
    while (clock_boot_us() < until_us && !ret->is_closed) {
        loop_run_once(&f->loop, 1);
        ssize_t got = recv(fd, ret->text + ret->length, REPLY_BYTES - 1 - ret->length, MSG_DONTWAIT);
        ret->is_closed = got == 0 || (got < 0 && errno != EAGAIN);
        ret->length += got > 0 ? (size_t)got : 0;
        if (count > 0 && count_replies(ret) >= count && has_body(ret))
            return;
    }
}

static void turn_for(struct fixture *f, uint64_t us)
{
    for (uint64_t until_us = clock_boot_us() + us; clock_boot_us() < until_us;)
        loop_run_once(&f->loop, 1);
}

#define HEAD "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
#define POST2 HEAD "Content-Length: 2\r\n\r\n{}"

static void check_answer(const struct reply *reply)
{
    assert_non_null(strstr(reply->text, "HTTP/1.1 200 OK"));
    const char *body = strstr(reply->text, "\r\n\r\n") + 4;
    assert_string_equal(body, "{\"bytes\":2,\"path\":\"/\",\"query\":\"\"}");
    const char *crc = strstr(reply->text, "x-amz-crc32: ");
    assert_int_equal(strtoul(crc + 13, NULL, 10), crc32_z(0, (const uint8_t *)body, strlen(body)));
    assert_non_null(strstr(reply->text, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(reply->text, "Date: "));
    assert_non_null(strstr(reply->text, "Server: Server\r\n"));
    const char *id = strstr(reply->text, "x-amzn-RequestId: ") + 18;
    assert_int_equal(strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), HTTP_REQUEST_ID_CHARS);
}

static void requests_are_answered_at_once_or_later(void **state)
{
    struct fixture *f = *state;
    start(f);
    static struct reply reply;
    int fd = dial(f);
    for (int round = 0; round < 20; round++) {
        f->behaviour = round % 2 ? ANSWER_AT_ONCE : ANSWER_LATER;
        assert_true(send_text(f, fd, POST2));
        receive(f, fd, 1, &reply);
        check_answer(&reply);
    }
    assert_int_equal(f->requests, 20);
    assert_int_equal(f->chunk_bytes, 40);
    assert_int_equal(http_server_metrics(f->server)->accepted.value, 1);
    close(fd);
    turn_for(f, 20000);
    assert_int_equal(http_server_connections(f->server), 0);
}

static void path_and_query_come_raw(void **state)
{
    struct fixture *f = *state;
    start(f);
    static struct reply reply;
    int fd = dial(f);
    send_text(f, fd, "PUT /a%2Fb/../c?x=%41&y=+1&z HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    receive(f, fd, 1, &reply);
    assert_non_null(strstr(reply.text, "{\"bytes\":0,\"path\":\"/a%2Fb/../c\",\"query\":\"x=%41&y=+1&z\"}"));
    close(fd);
}

static void health_and_cors_are_answered_without_the_router(void **state)
{
    struct fixture *f = *state;
    start(f);
    static struct reply reply;
    int fd = dial(f);
    send_text(f, fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    receive(f, fd, 1, &reply);
    assert_string_equal(strstr(reply.text, "\r\n\r\n") + 4, "healthy: dynamodb.eu-west-1.amazonaws.com ");
    send_text(f, fd,
              "OPTIONS / HTTP/1.1\r\nHost: h\r\nOrigin: http://x\r\nAccess-Control-Request-Method: POST\r\n"
              "Access-Control-Request-Headers: x-amz-target,authorization\r\n\r\n");
    receive(f, fd, 1, &reply);
    assert_non_null(strstr(reply.text, "Access-Control-Allow-Origin: *\r\n"));
    assert_non_null(strstr(reply.text, "Access-Control-Allow-Methods: POST\r\n"));
    assert_non_null(strstr(reply.text, "Access-Control-Allow-Headers: x-amz-target,authorization\r\n"));
    assert_non_null(strstr(reply.text, "Access-Control-Max-Age: 172800\r\n"));
    assert_int_equal(f->headers, 0);
    /* An answer to a browser, and one to others. */
    send_text(f, fd, HEAD "Origin: http://x\r\nContent-Length: 2\r\n\r\n{}");
    receive(f, fd, 1, &reply);
    assert_non_null(strstr(reply.text, "Access-Control-Allow-Origin: *\r\n"));
    assert_non_null(
        strstr(reply.text, "Access-Control-Expose-Headers: x-amzn-RequestId,x-amz-crc32,Date\r\n"));
    assert_null(strstr(reply.text, "Access-Control-Allow-Methods"));
    send_text(f, fd, POST2);
    receive(f, fd, 1, &reply);
    assert_null(strstr(reply.text, "Access-Control"));
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    start(f);
    static struct reply reply;
    int fd = dial(f);
    char text[8192] = "";
    for (int i = 0; i < 30; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", i);
    send_text(f, fd, text);
    receive(f, fd, 30, &reply);
    const char *at = reply.text;
    for (int i = 0; i < 30; i++) {
        char path[32];
        snprintf(path, sizeof(path), "\"path\":\"/%d\"", i);
        at = strstr(at, path);
        assert_non_null(at);
    }
    close(fd);
}

static void chunked_bodies_are_put_together(void **state)
{
    struct fixture *f = *state;
    start(f);
    static struct reply reply;
    int fd = dial(f);
    send_text(f, fd, HEAD "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 1000; i++)
        send_text(f, fd, "5\r\nabcde\r\n");
    send_text(f, fd, "0\r\n\r\n");
    receive(f, fd, 1, &reply);
    assert_non_null(strstr(reply.text, "\"bytes\":5000,"));
    assert_int_equal(f->chunk_bytes, 5000);
    send_text(f, fd, HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc");
    receive(f, fd, 0, &reply);
    assert_true(reply.is_closed);
    assert_int_equal(f->requests, 1);
    close(fd);
}

static void large_bodies_pass_up_to_the_limit(void **state)
{
    struct fixture *f = *state;
    start(f);
    static struct reply reply;
    size_t length = 16u << 20;
    char *body = calloc(1, length);
    int fd = dial(f);
    send_text(f, fd, HEAD "Content-Length: 16777216\r\n\r\n");
    assert_true(send_bytes(f, fd, body, length));
    receive(f, fd, 1, &reply);
    assert_non_null(strstr(reply.text, "\"bytes\":16777216,"));
    assert_int_equal(http_server_metrics(f->server)->body_bytes.value, 0);
    send_text(f, fd, HEAD "Content-Length: 16777217\r\n\r\n");
    assert_true(send_bytes(f, fd, body, length) && send_bytes(f, fd, body, 1));
    receive(f, fd, 1, &reply);
    assert_non_null(strstr(reply.text, "HTTP/1.1 413 "));
    assert_non_null(strstr(reply.text, "RequestEntityTooLargeException"));
    assert_int_equal(f->headers, 1);
    /* The same connection goes on. */
    send_text(f, fd, POST2);
    receive(f, fd, 1, &reply);
    check_answer(&reply);
    close(fd);
    free(body);
}

static void chunked_bodies_over_the_limit_are_refused(void **state)
{
    struct fixture *f = *state;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.body_bytes_max = 100000;
    start_with(f, limits);
    static struct reply reply;
    static char chunk[1000];
    memset(chunk, 'a', sizeof(chunk));
    int fd = dial(f);
    send_text(f, fd, HEAD "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 150; i++) {
        send_text(f, fd, "3e8\r\n");
        send_bytes(f, fd, chunk, sizeof(chunk));
        send_text(f, fd, "\r\n");
    }
    send_text(f, fd, "0\r\n\r\n");
    receive(f, fd, 1, &reply);
    assert_non_null(strstr(reply.text, "HTTP/1.1 413 "));
    assert_int_equal(f->aborts, 1);
    /* One that never ends is cut off. */
    send_text(f, fd, HEAD "Transfer-Encoding: chunked\r\n\r\n");
    bool is_open = true;
    for (int i = 0; i < 1000 && is_open; i++)
        is_open = send_text(f, fd, "3e8\r\n") && send_bytes(f, fd, chunk, sizeof(chunk)) &&
                  send_text(f, fd, "\r\n");
    assert_false(is_open);
    assert_int_equal(f->requests, 0);
    close(fd);
}

static void declared_sizes_far_over_the_limit_are_answered_at_once(void **state)
{
    struct fixture *f = *state;
    start(f);
    static struct reply reply;
    const char *sizes[] = {"99999999999", "18446744073709551615"};
    for (int i = 0; i < 2; i++) {
        char head[256];
        snprintf(head, sizeof(head), HEAD "Content-Length: %s\r\n\r\n", sizes[i]);
        int fd = dial(f);
        send_text(f, fd, head);
        receive(f, fd, 0, &reply);
        assert_non_null(strstr(reply.text, "HTTP/1.1 413 "));
        assert_true(reply.is_closed);
        close(fd);
    }
}

static void bodies_over_the_budget_of_all_are_refused(void **state)
{
    struct fixture *f = *state;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.body_budget_bytes = 150000;
    start_with(f, limits);
    static struct reply reply;
    static char body[100000];
    int first = dial(f), second = dial(f);
    send_text(f, first, HEAD "Content-Length: 100000\r\n\r\n");
    send_bytes(f, first, body, 99999);
    turn_for(f, 10000);
    send_text(f, second, HEAD "Content-Length: 100000\r\n\r\n");
    send_bytes(f, second, body, 100000);
    receive(f, second, 1, &reply);
    assert_non_null(strstr(reply.text, "HTTP/1.1 503 "));
    send_bytes(f, first, body, 1);
    receive(f, first, 1, &reply);
    assert_non_null(strstr(reply.text, "\"bytes\":100000,"));
    assert_int_equal(f->aborts, 1);
    send_text(f, second, POST2);
    receive(f, second, 1, &reply);
    check_answer(&reply);
    close(first);
    close(second);
}

static void requests_refused_at_their_head_are_answered_after_their_body(void **state)
{
    struct fixture *f = *state;
    f->behaviour = REFUSE_AT_HEADERS;
    start(f);
    static struct reply reply;
    static char body[500000];
    int fd = dial(f);
    for (int i = 0; i < 2; i++) {
        send_text(f, fd, HEAD "Content-Length: 500000\r\n\r\n");
        assert_true(send_bytes(f, fd, body, sizeof(body)));
        receive(f, fd, 1, &reply);
        assert_non_null(strstr(reply.text, "HTTP/1.1 400 "));
        assert_non_null(strstr(reply.text, "com.amazon.coral.service#UnrecognizedClientException"));
    }
    /* A client that asks first is spared sending it. */
    send_text(f, fd, HEAD "Content-Length: 500000\r\nExpect: 100-continue\r\n\r\n");
    receive(f, fd, 0, &reply);
    assert_non_null(strstr(reply.text, "HTTP/1.1 400 "));
    assert_null(strstr(reply.text, "100 Continue"));
    assert_int_equal(f->requests + f->aborts + f->chunk_bytes, 0);
    close(fd);
}

static void expect_continue_is_answered(void **state)
{
    struct fixture *f = *state;
    start(f);
    static struct reply reply;
    int fd = dial(f);
    send_text(f, fd, HEAD "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    turn_for(f, 20000);
    char text[64] = "";
    assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
    assert_non_null(strstr(text, "HTTP/1.1 100 Continue"));
    send_text(f, fd, "{}");
    receive(f, fd, 1, &reply);
    check_answer(&reply);
    close(fd);
}

static void slow_clients_are_cut_off(void **state)
{
    struct fixture *f = *state;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.request_timeout_us = 300000;
    limits.idle_timeout_us = 600000;
    start_with(f, limits);
    static struct reply reply;
    int body = dial(f), head = dial(f), idle = dial(f), line = dial(f);
    send_text(f, body, HEAD "Content-Length: 5\r\n\r\nab");
    send_text(f, head, HEAD "X-A: b\r\n");
    send_text(f, line, "POST / HT");
    /* A byte now and then does not help. */
    for (int i = 0; i < 8; i++) {
        turn_for(f, 40000);
        send_text(f, head, "X");
    }
    receive(f, body, 0, &reply);
    assert_non_null(strstr(reply.text, "HTTP/1.1 408 "));
    receive(f, head, 0, &reply);
    assert_non_null(strstr(reply.text, "HTTP/1.1 408 "));
    receive(f, idle, 0, &reply);
    assert_true(reply.is_closed && reply.length == 0);
    receive(f, line, 0, &reply);
    assert_true(reply.is_closed);
    assert_int_equal(f->aborts, 1);
    assert_int_equal(http_server_metrics(f->server)->refused_slow.value, 2);
    assert_int_equal(http_server_connections(f->server), 0);
    close(body);
    close(head);
    close(idle);
    close(line);
}

static void clients_that_leave_are_noticed(void **state)
{
    struct fixture *f = *state;
    f->behaviour = ANSWER_NEVER;
    start(f);
    int body = dial(f), waiting = dial(f);
    send_text(f, body, HEAD "Content-Length: 5\r\n\r\nab");
    send_text(f, waiting, POST2);
    turn_for(f, 20000);
    assert_int_equal(f->requests, 1);
    /* With a reset, as kill -9 may leave. */
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(body, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(body);
    close(waiting);
    turn_for(f, 700000);
    assert_int_equal(f->aborts, 1);
    assert_int_equal(f->cancels, 1);
    answer_waiting(f);
    turn_for(f, 20000);
    assert_int_equal(http_server_connections(f->server), 0);
}

/* Together with the last bytes: libmicrohttpd does not see that end by itself. */
static void clients_that_leave_within_their_body_are_noticed(void **state)
{
    struct fixture *f = *state;
    start(f);
    int fds[8];
    static char piece[100 * 1000];
    for (int i = 0; i < 8; i++) {
        fds[i] = dial(f);
        send_text(f, fds[i], HEAD "Content-Length: 1000000\r\n\r\n");
        assert_int_equal(send(fds[i], piece, sizeof(piece), MSG_NOSIGNAL), sizeof(piece));
        close(fds[i]);
    }
    turn_for(f, 700000);
    assert_int_equal(f->aborts, 8);
    assert_int_equal(http_server_connections(f->server), 0);
    assert_int_equal(http_server_metrics(f->server)->body_bytes.value, 0);
}

static void heads_over_the_limit_are_refused(void **state)
{
    struct fixture *f = *state;
    start(f);
    static struct reply reply;
    int fd = dial(f);
    char header[64];
    send_text(f, fd, "POST / HTTP/1.1\r\nHost: h\r\n");
    bool is_open = true;
    for (int i = 0; i < 5000 && is_open; i++) {
        snprintf(header, sizeof(header), "X-%d: 0123456789012345678901234567890\r\n", i);
        is_open = send_text(f, fd, header);
    }
    receive(f, fd, 0, &reply);
    assert_true(reply.is_closed);
    close(fd);
    fd = dial(f);
    send_text(f, fd, HEAD);
    for (int i = 0; i < HTTP_HEADERS_MAX; i++) {
        snprintf(header, sizeof(header), "X-%d: a\r\n", i);
        send_text(f, fd, header);
    }
    send_text(f, fd, "\r\n");
    receive(f, fd, 1, &reply);
    assert_non_null(strstr(reply.text, "HTTP/1.1 431 "));
    assert_int_equal(f->headers, 0);
    close(fd);
}

static void garbage_leaves_the_server_up(void **state)
{
    struct fixture *f = *state;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.request_timeout_us = 200000;
    limits.idle_timeout_us = 200000;
    start_with(f, limits);
    static struct reply reply;
    struct random r;
    random_init(&r, 11);
    for (int round = 0; round < 400; round++) {
        uint8_t bytes[2048];
        size_t length = 1 + random_below(&r, sizeof(bytes) - 1);
        size_t kept = 0;
        if (random_one_in(&r, 2)) { /* a request with some bytes spoilt */
            static const char good[] = HEAD "Transfer-Encoding: chunked\r\nConnection: "
                                            "keep-alive\r\n\r\n4\r\nabcd\r\n0\r\nT: x\r\n\r\n" POST2;
            kept = sizeof(good) - 1;
            memcpy(bytes, good, kept);
            for (uint64_t i = random_below(&r, 6); i > 0; i--)
                bytes[random_below(&r, kept)] = (uint8_t)random_u64(&r);
            length = kept;
        }
        for (size_t i = kept; i < length; i++)
            bytes[i] = (uint8_t)random_u64(&r);
        int fd = dial(f);
        send_bytes(f, fd, bytes, length);
        loop_run_once(&f->loop, 0);
        if (random_one_in(&r, 2))
            shutdown(fd, SHUT_WR);
        close(fd);
    }
    turn_for(f, 600000);
    int fd = dial(f);
    send_text(f, fd, POST2);
    receive(f, fd, 1, &reply);
    check_answer(&reply);
    close(fd);
    turn_for(f, 20000);
    assert_int_equal(http_server_connections(f->server), 0);
    assert_int_equal(http_server_metrics(f->server)->body_bytes.value, 0);
}

static void a_turn_ends_in_time_however_much_waits(void **state)
{
    struct fixture *f = *state;
    f->work_us = 1500;
    f->behaviour = ANSWER_AT_ONCE;
    start(f);
    static struct reply reply;
    int fds[40];
    for (int i = 0; i < 40; i++) {
        fds[i] = dial(f);
        assert_int_equal(send(fds[i], POST2, sizeof(POST2) - 1, 0), sizeof(POST2) - 1);
    }
    for (int i = 0; i < 40; i++) {
        receive(f, fds[i], 1, &reply);
        check_answer(&reply);
        close(fds[i]);
    }
    assert_true(http_server_metrics(f->server)->postponed.value > 10);
}

static void drain_finishes_what_is_at_work(void **state)
{
    struct fixture *f = *state;
    f->behaviour = ANSWER_AT_ONCE;
    start(f);
    static struct reply reply;
    int idle = dial(f), fresh = dial(f), working = dial(f), receiving = dial(f);
    send_text(f, idle, POST2);
    receive(f, idle, 1, &reply);
    f->behaviour = ANSWER_NEVER;
    send_text(f, working, POST2);
    send_text(f, receiving, HEAD "Content-Length: 2\r\n\r\n{");
    turn_for(f, 10000);
    uint16_t port = http_server_port(f->server);
    http_server_drain(f->server, on_drained, f);
    receive(f, idle, 0, &reply);
    assert_true(reply.is_closed && reply.length == 0);
    /* Nobody listens any more. */
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&to, sizeof(to)), -1);
    close(late);
    send_text(f, receiving, "}");
    send_text(f, fresh, POST2);
    turn_for(f, 10000);
    assert_int_equal(f->waiting_count, 3);
    assert_false(f->is_drained);
    answer_waiting(f);
    int fds[] = {working, receiving, fresh};
    for (int i = 0; i < 3; i++) {
        receive(f, fds[i], 0, &reply);
        check_answer(&reply);
        assert_non_null(strstr(reply.text, "Connection: close"));
        assert_true(reply.is_closed);
        close(fds[i]);
    }
    close(idle);
    turn_for(f, 10000);
    assert_true(f->is_drained);
}

static void close_cancels_and_waits_for_answers(void **state)
{
    struct fixture *f = *state;
    f->behaviour = ANSWER_NEVER;
    start(f);
    int working = dial(f), receiving = dial(f);
    send_text(f, working, POST2);
    send_text(f, receiving, HEAD "Content-Length: 2\r\n\r\n{");
    turn_for(f, 10000);
    http_server_close(f->server, on_closed, f);
    turn_for(f, 50000);
    assert_int_equal(f->cancels, 1);
    assert_int_equal(f->aborts, 1);
    assert_false(f->is_closed);
    static struct reply reply;
    answer_waiting(f);
    receive(f, working, 0, &reply);
    check_answer(&reply);
    turn_for(f, 50000);
    assert_true(f->is_closed);
    close(working);
    close(receiving);
}

static void two_servers_share_a_port(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct http_options options = {.host = "127.0.0.1",
                                   .port = http_server_port(f->server),
                                   .region = "eu-west-1",
                                   .limits = HTTP_LIMITS_DEFAULT,
                                   .workers = &f->workers};
    struct http_server *second;
    struct error error;
    assert_int_equal(http_server_create(&f->loop, &options, &CALLBACKS, f, &second, &error), ERR_OK);
    static struct reply reply;
    for (int i = 0; i < 40; i++) {
        int fd = dial(f);
        send_text(f, fd, POST2);
        receive(f, fd, 1, &reply);
        check_answer(&reply);
        close(fd);
    }
    assert_true(http_server_metrics(f->server)->requests.value > 0);
    assert_true(http_server_metrics(second)->requests.value > 0);
    bool is_closed = false;
    struct fixture other = {0};
    http_server_close(second, on_closed, &other);
    for (int i = 0; i < 1000 && !is_closed; i++, is_closed = other.is_closed)
        loop_run_once(&f->loop, 1);
    assert_true(is_closed);
}

static void addresses_that_are_none_are_refused(void **state)
{
    struct fixture *f = *state;
    struct http_options options = {.host = "nowhere", .region = "r", .limits = HTTP_LIMITS_DEFAULT};
    struct error error;
    assert_int_equal(http_server_create(&f->loop, &options, &CALLBACKS, f, &f->server, &error), ERR_CONFIG);
    options.host = "192.0.2.1"; /* not ours */
    assert_int_equal(http_server_create(&f->loop, &options, &CALLBACKS, f, &f->server, &error), ERR_IO);
    f->server = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(requests_are_answered_at_once_or_later),
        TEST(path_and_query_come_raw),
        TEST(health_and_cors_are_answered_without_the_router),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(chunked_bodies_are_put_together),
        TEST(large_bodies_pass_up_to_the_limit),
        TEST(chunked_bodies_over_the_limit_are_refused),
        TEST(declared_sizes_far_over_the_limit_are_answered_at_once),
        TEST(bodies_over_the_budget_of_all_are_refused),
        TEST(requests_refused_at_their_head_are_answered_after_their_body),
        TEST(expect_continue_is_answered),
        TEST(slow_clients_are_cut_off),
        TEST(clients_that_leave_are_noticed),
        TEST(clients_that_leave_within_their_body_are_noticed),
        TEST(heads_over_the_limit_are_refused),
        TEST(garbage_leaves_the_server_up),
        TEST(a_turn_ends_in_time_however_much_waits),
        TEST(drain_finishes_what_is_at_work),
        TEST(close_cancels_and_waits_for_answers),
        TEST(two_servers_share_a_port),
        TEST(addresses_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

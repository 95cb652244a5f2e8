#include "base/admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

static struct admin *admin;
static struct metrics *metrics;
static char reply[20000];

static int set_up(void **state)
{
    metrics = metrics_create();
    const struct admin_options options = {.metrics = metrics};
    return admin_open(&options, &admin, NULL) != ERR_OK;
}

static int tear_down(void **state)
{
    admin_close(admin);
    metrics_destroy(metrics);
    return 0;
}

static int exchange(const void *request, size_t bytes)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(admin_port(admin)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, request, bytes, MSG_NOSIGNAL), bytes);
    size_t length = 0;
    ssize_t count;
    while ((count = recv(fd, reply + length, sizeof reply - 1 - length, 0)) > 0)
        length += (size_t)count;
    reply[length] = '\0';
    close(fd);
    int status = 0;
    sscanf(reply, "HTTP/1.%*d %d", &status);
    return status;
}

static int ask(const char *method, const char *path)
{
    char request[256];
    int bytes = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                         method, path);
    return exchange(request, (size_t)bytes);
}

static void health_and_readiness_are_told_apart(void **state)
{
    assert_int_equal(ask("GET", "/healthz"), 200);
    assert_int_equal(ask("GET", "/readyz"), 503);
    admin_set_ready(admin, true);
    assert_int_equal(ask("GET", "/readyz"), 200);
    assert_non_null(strstr(reply, "\r\n\r\nready\n"));
    assert_int_equal(ask("HEAD", "/readyz"), 200);
    assert_int_equal(ask("GET", "/"), 200);
    assert_non_null(strstr(reply, "GET /metrics\n"));
}

static void metrics_come_from_the_registry(void **state)
{
    static struct loop_metrics set;
    metric_add(&set.turns, 42);
    assert_int_equal(metrics_add(metrics, &loop_metric_table, NULL, &set), ERR_OK);
    assert_int_equal(ask("GET", "/metrics"), 200);
    assert_non_null(strstr(reply, "sluice_loop_turns_count_total 42\n"));
}

static void unknown_paths_and_methods_are_refused(void **state)
{
    assert_int_equal(ask("GET", "/nowhere"), 404);
    assert_int_equal(ask("POST", "/metrics"), 405);
    assert_int_equal(ask("DELETE", "/healthz"), 405);
    exchange("\x16\x03\x01garbage\r\n\r\n", 14); /* closed, or answered with 400 */
    assert_int_equal(ask("GET", "/healthz"), 200);
}

static int on_echo(const struct admin_request *request, struct buffer *to, void *data)
{
    buffer_append(to, request->body);
    const char *id = admin_argument(request, "id");
    buffer_append_format(to, " id=%s data=%s", id == NULL ? "none" : id, (const char *)data);
    return 202;
}

static void registered_handlers_get_body_and_arguments(void **state)
{
    static char data[] = "mine";
    assert_int_equal(admin_handle(admin, "POST", "/echo", on_echo, data), ERR_OK);
    static const char request[] =
        "POST /echo?id=7 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    assert_int_equal(exchange(request, sizeof request - 1), 202);
    assert_non_null(strstr(reply, "hello id=7 data=mine"));
    assert_int_equal(ask("GET", "/echo"), 405);
}

static void a_body_over_the_limit_is_413(void **state)
{
    assert_int_equal(admin_handle(admin, "POST", "/echo", on_echo, NULL), ERR_OK);
    enum { BYTES = ADMIN_BODY_BYTES_MAX + 1 };
    char *request = memory_zalloc(BYTES + 200);
    int head =
        snprintf(request, 200,
                 "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", BYTES);
    memset(request + head, 'x', BYTES);
    assert_int_equal(exchange(request, (size_t)head + BYTES), 413);
    memory_free(request);
}

static void handlers_are_bounded(void **state)
{
    enum err err = ERR_OK;
    int count = 0;
    while ((err = admin_handle(admin, "GET", "/x", on_echo, NULL)) == ERR_OK)
        count++;
    assert_int_equal(err, ERR_LIMIT);
    assert_true(count < 64);
}

static struct loop loop;
static struct mailbox mailbox;
static bool must_end;

static void *run_loop(void *data)
{
    while (!__atomic_load_n(&must_end, __ATOMIC_ACQUIRE))
        loop_run_once(&loop, 5);
    return NULL;
}

static void fill(struct buffer *to, void *data)
{
    buffer_append_format(to, "turns %llu", (unsigned long long)loop.metrics.turns.value);
}

static void a_handler_may_look_into_a_loop_which_may_be_stuck(void **state)
{
    assert_int_equal(loop_init(&loop), ERR_OK);
    assert_int_equal(mailbox_open(&mailbox, &loop, 10), ERR_OK);
    assert_int_equal(admin_handle_on_loop(admin, "/debug/loop", &mailbox, fill, NULL), ERR_OK);
    pthread_t thread;
    pthread_create(&thread, NULL, run_loop, NULL);
    assert_int_equal(ask("GET", "/debug/loop"), 200);
    assert_non_null(strstr(reply, "turns "));
    __atomic_store_n(&must_end, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    assert_int_equal(ask("GET", "/debug/loop"), 503);
    assert_non_null(strstr(reply, "TIMEOUT"));
    mailbox_close(&mailbox, NULL, NULL);
    loop_deinit(&loop);
}

static void wrong_addresses_and_taken_ports_are_errors(void **state)
{
    struct error error = {0};
    struct admin *other;
    const struct admin_options named = {.host = "localhost", .metrics = metrics};
    assert_int_equal(admin_open(&named, &other, &error), ERR_CONFIG);
    const struct admin_options taken = {.port = admin_port(admin), .metrics = metrics};
    assert_int_equal(admin_open(&taken, &other, &error), ERR_EXISTS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(health_and_readiness_are_told_apart),
        TEST(metrics_come_from_the_registry),
        TEST(unknown_paths_and_methods_are_refused),
        TEST(registered_handlers_get_body_and_arguments),
        TEST(a_body_over_the_limit_is_413),
        TEST(handlers_are_bounded),
        TEST(a_handler_may_look_into_a_loop_which_may_be_stuck),
        TEST(wrong_addresses_and_taken_ports_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

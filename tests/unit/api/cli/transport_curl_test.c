#include "api/cli/transport_curl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_BYTES = 4096 };

/* Takes one connection: reads until `end` has come, answers, closes. */
struct server {
    int listener;
    uint16_t port;
    const char *end;
    const char *answer; /* NULL: none */
    char request[REQUEST_BYTES + 1];
    pthread_t thread;
};

static void *serve(void *data)
{
    struct server *s = data;
    size_t length = 0;
    int peer = accept(s->listener, NULL, NULL);
    while (peer >= 0 && length < REQUEST_BYTES && strstr(s->request, s->end) == NULL) {
        ssize_t bytes = read(peer, s->request + length, REQUEST_BYTES - length);
        if (bytes <= 0)
            break;
        length += (size_t)bytes;
    }
    if (s->answer != NULL && write(peer, s->answer, strlen(s->answer)) < 0)
        s->request[0] = '\0'; /* the test will miss it */
    close(peer);
    return NULL;
}

static void server_start(struct server *s, const char *end, const char *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    *s = (struct server){.end = end, .answer = answer};
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(s->listener, 1), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &bytes), 0);
    s->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    close(s->listener);
}

/* What came of sending `line`'s command ("tenant create acme", say) to the port. */
struct sent {
    enum err err;
    long status;
    struct buffer reply;
    struct error error;
};

static struct sent send_to(uint16_t port, int count, char **words, size_t reply_bytes_max)
{
    struct sent sent = {.status = 0};
    struct cli_command command;
    struct operator_call call;
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", port); /* fits */
    const struct operator_access access = {.url = url, .token = "t0ken"};
    const struct operator_transport transport = transport_curl();
    assert_int_equal(cli_command_parse(count, words, &command, NULL), ERR_OK);
    assert_int_equal(operator_call_init(&call, &command, NULL), ERR_OK);
    buffer_init(&sent.reply, reply_bytes_max);
    sent.err = transport.send(transport.data, &access, &call, &sent.status, &sent.reply, &sent.error);
    operator_call_deinit(&call);
    return sent;
}

static char tenant[] = "tenant", create[] = "create", acme[] = "acme", fleet[] = "fleet";

static void a_post_has_method_path_token_and_body(void **state)
{
    struct server s;
    char *words[] = {tenant, create, acme};
    server_start(&s, "{\"name\":\"acme\"}", "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}");
    struct sent sent = send_to(s.port, 3, words, 1024);
    server_stop(&s);
    assert_int_equal(sent.err, ERR_OK);
    assert_int_equal(sent.status, 409);
    assert_true(slice_equal_string(buffer_view(&sent.reply), "{}"));
    assert_int_equal(strncmp(s.request, "POST /v1/tenants HTTP/1.1\r\n", 27), 0);
    assert_non_null(strstr(s.request, "\r\nAuthorization: Bearer t0ken\r\n"));
    assert_non_null(strstr(s.request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(s.request, "\r\nContent-Length: 15\r\n"));
    buffer_deinit(&sent.reply);
}

static void a_get_has_no_body_and_proxies_are_not_asked(void **state)
{
    struct server s;
    char *words[] = {fleet};
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    server_start(&s, "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    struct sent sent = send_to(s.port, 1, words, 1024);
    server_stop(&s);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(sent.err, ERR_OK);
    assert_int_equal(sent.status, 200);
    assert_int_equal(strncmp(s.request, "GET /v1/fleet HTTP/1.1\r\n", 24), 0);
    assert_null(strstr(s.request, "Content-Length"));
    buffer_deinit(&sent.reply);
}

static void redirects_are_not_followed(void **state)
{
    struct server s;
    char *words[] = {fleet};
    server_start(&s, "\r\n\r\n",
                 "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    struct sent sent = send_to(s.port, 1, words, 1024);
    server_stop(&s);
    assert_int_equal(sent.err, ERR_OK);
    assert_int_equal(sent.status, 302);
    buffer_deinit(&sent.reply);
}

static void an_answer_over_the_bound_is_refused(void **state)
{
    struct server s;
    char *words[] = {fleet};
    server_start(&s, "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nabcdefghijkl");
    struct sent sent = send_to(s.port, 1, words, 8);
    server_stop(&s);
    assert_int_equal(sent.err, ERR_LIMIT);
    buffer_deinit(&sent.reply);
}

static void a_connection_that_ends_without_an_answer_is_no_answer(void **state)
{
    struct server s;
    char *words[] = {fleet};
    server_start(&s, "\r\n\r\n", NULL);
    struct sent sent = send_to(s.port, 1, words, 1024);
    server_stop(&s);
    assert_int_equal(sent.err, ERR_UNAVAILABLE);
    assert_int_equal(strncmp(sent.error.text, "cannot reach control at http://127.0.0.1:", 41), 0);
    buffer_deinit(&sent.reply);
}

static void nobody_there_is_no_answer(void **state)
{
    struct server s;
    char *words[] = {fleet};
    server_start(&s, "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct sent sent = send_to(s.port, 1, words, 1024);
    buffer_deinit(&sent.reply);
    server_stop(&s); /* its port is free now */
    sent = send_to(s.port, 1, words, 1024);
    assert_int_equal(sent.err, ERR_UNAVAILABLE);
    buffer_deinit(&sent.reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_post_has_method_path_token_and_body),
        cmocka_unit_test(a_get_has_no_body_and_proxies_are_not_asked),
        cmocka_unit_test(redirects_are_not_followed),
        cmocka_unit_test(an_answer_over_the_bound_is_refused),
        cmocka_unit_test(a_connection_that_ends_without_an_answer_is_no_answer),
        cmocka_unit_test(nobody_there_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Answers of any size on a real socket: packed on the loop or by workers, which a test can hold up. */
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
#include "base/memory.h"

enum { REPLY_BYTES = 8 << 20, LARGE = 200 * 1000, HUGE_BYTES = 12 << 20 };

struct fixture {
    struct loop loop;
    struct workers workers;
    struct http_server *server;
    struct http_request *request; /* waits for its answer */
    struct worker_job held[WORKERS_RUNNING_MAX];
    unsigned held_count;
    uv_sem_t gate;
    bool is_drained, is_closed;
    char *reply;
    size_t reply_bytes;
};

static void on_headers(struct http_request *r, void *data)
{
}

static void on_request(struct http_request *r, void *data)
{
    ((struct fixture *)data)->request = r;
}

static void on_abort(struct http_request *r, void *data)
{
}

static const struct http_callbacks CALLBACKS = {
    .on_headers = on_headers, .on_request = on_request, .on_abort = on_abort};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(loop_init(&f->loop), ERR_OK);
    assert_int_equal(workers_open(&f->workers, &f->loop, 0), ERR_OK);
    assert_int_equal(uv_sem_init(&f->gate, 0), 0);
    f->reply = malloc(REPLY_BYTES);
    *state = f;
    return 0;
}

static void start(struct fixture *f, size_t reply_budget_bytes)
{
    struct http_options options = {
        .host = "127.0.0.1", .region = "r", .limits = HTTP_LIMITS_DEFAULT, .workers = &f->workers};
    struct error error;
    options.limits.reply_budget_bytes = reply_budget_bytes;
    assert_int_equal(http_server_create(&f->loop, &options, &CALLBACKS, f, &f->server, &error), ERR_OK);
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
    if (!f->is_closed)
        http_server_close(f->server, on_closed, f);
    for (int i = 0; i < 5000 && !f->is_closed; i++)
        loop_run_once(&f->loop, 1);
    assert_true(f->is_closed);
    workers_close(&f->workers);
    loop_deinit(&f->loop);
    uv_sem_destroy(&f->gate);
    free(f->reply);
    free(f);
    return 0;
}

/* ---- workers that are busy ---- */

static void hold(struct worker_job *job)
{
    uv_sem_wait(&((struct fixture *)job->data)->gate);
}

static void held_done(struct worker_job *job, enum err err)
{
    ((struct fixture *)job->data)->held_count--;
}

static void hold_workers(struct fixture *f)
{
    for (; f->held_count < WORKERS_RUNNING_MAX; f->held_count++) {
        f->held[f->held_count] =
            (struct worker_job){.work = hold, .done = held_done, .deadline_us = UINT64_MAX, .data = f};
        workers_run(&f->workers, &f->held[f->held_count]);
    }
}

static void let_go(struct fixture *f)
{
    for (unsigned i = f->held_count; i > 0; i--)
        uv_sem_post(&f->gate);
    for (int i = 0; i < 5000 && f->held_count > 0; i++)
        loop_run_once(&f->loop, 1);
}

/* ---- a client ---- */

static int ask_with(struct fixture *f, const char *name, const char *value)
{
    char text[512];
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(f->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: h\r\n%s: %s\r\nContent-Length: 2\r\n\r\n{}", name,
             value);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    f->request = NULL;
    for (int i = 0; i < 5000 && f->request == NULL; i++)
        loop_run_once(&f->loop, 1);
    assert_non_null(f->request);
    return fd;
}

static int ask(struct fixture *f, const char *accept)
{
    return ask_with(f, "Accept-Encoding", accept);
}

static uint8_t byte_at(size_t i)
{
    return (uint8_t)("{\"a\":[1,2]}"[i * i % 11]);
}

static void answer(struct fixture *f, size_t bytes)
{
    struct buffer body;
    buffer_init(&body, 16 << 20);
    uint8_t *to = buffer_extend(&body, bytes);
    for (size_t i = 0; i < bytes; i++)
        to[i] = byte_at(i);
    http_respond(f->request, &(struct http_response){.status = 200, .body = &body});
    buffer_deinit(&body);
}

static const char *header(const struct fixture *f, const char *name)
{
    const char *at = strcasestr(f->reply, name);
    return at != NULL && at < strstr(f->reply, "\r\n\r\n") ? at + strlen(name) + 2 : NULL;
}

/* False: the connection ended before. */
static bool receive(struct fixture *f, int fd)
{
    uint64_t until_us = clock_boot_us() + 10000000;
    f->reply_bytes = 0;
    f->reply[0] = '\0';
    while (clock_boot_us() < until_us) {
        loop_run_once(&f->loop, 1);
        ssize_t got = recv(fd, f->reply + f->reply_bytes, REPLY_BYTES - 1 - f->reply_bytes, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return false;
        f->reply_bytes += got > 0 ? (size_t)got : 0;
        f->reply[f->reply_bytes] = '\0';
        const char *end = strstr(f->reply, "\r\n\r\n");
        if (end != NULL &&
            f->reply_bytes >= (size_t)(end + 4 - f->reply) + strtoul(header(f, "Content-Length"), NULL, 10))
            return true;
    }
    return false;
}

static struct slice wire_body(const struct fixture *f)
{
    return slice_make(strstr(f->reply, "\r\n\r\n") + 4, strtoul(header(f, "Content-Length"), NULL, 10));
}

static void check_plain(struct slice body, size_t bytes)
{
    assert_int_equal(body.length, bytes);
    for (size_t i = 0; i < bytes; i++)
        if (body.data[i] != byte_at(i))
            fail_msg("byte %zu of %zu differs", i, bytes);
}

/* window_bits: as zlib wants them; 0: the body is as it is. */
static void check_body(const struct fixture *f, size_t bytes, int window_bits)
{
    struct slice wire = wire_body(f);
    assert_non_null(strstr(f->reply, "HTTP/1.1 200 OK"));
    assert_int_equal(strtoul(header(f, "x-amz-crc32"), NULL, 10), crc32_z(0, wire.data, wire.length));
    if (window_bits == 0) {
        assert_null(header(f, "Content-Encoding"));
        check_plain(wire, bytes);
        return;
    }
    uint8_t *plain = malloc(bytes + 1);
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)wire.data,
                  .avail_in = (uInt)wire.length,
                  .next_out = plain,
                  .avail_out = (uInt)bytes + 1};
    assert_int_equal(inflateInit2(&z, window_bits), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    check_plain(slice_make(plain, z.total_out), bytes);
    inflateEnd(&z);
    free(plain);
}

/* ---- tests ---- */

static void answers_are_compressed_for_those_who_ask(void **state)
{
    struct fixture *f = *state;
    start(f, SIZE_MAX);
    static const size_t lengths[] = {1, 4096, 4097, 65536, 65537, 5000000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        bool is_long = lengths[i] > 4096;
        const struct {
            const char *accept, *encoding;
            int window_bits;
        } cases[] = {{"identity", NULL, 0}, {"br, gzip", "gzip\r\n", 31}, {"deflate", "deflate\r\n", 15}};
        for (size_t k = 0; k < 3; k++) {
            int fd = ask(f, cases[k].accept);
            answer(f, lengths[i]);
            assert_true(receive(f, fd));
            check_body(f, lengths[i], is_long ? cases[k].window_bits : 0);
            if (is_long && k > 0)
                assert_memory_equal(header(f, "Content-Encoding"), cases[k].encoding,
                                    strlen(cases[k].encoding));
            close(fd);
        }
    }
    assert_int_equal(http_server_metrics(f->server)->compressed.value, 8);
    assert_int_equal(f->workers.metrics.jobs.value, 6);
}

/* What follows the type in the request does not follow it in the answer. */
static void the_type_is_the_requests(void **state)
{
    struct fixture *f = *state;
    static const char *const cases[][2] = {
        {"application/json", "application/json\r\n"},
        {"application/json; charset=utf-8", "application/json\r\n"},
        {"application/json;", "application/json\r\n"},
        {"Application/JSON ; charset=utf-8", "application/json\r\n"},
        {"application/jsonp", "application/x-amz-json-1.0\r\n"},
        {"application/x-amz-json-1.0", "application/x-amz-json-1.0\r\n"},
        {"application/x-amz-json-1.0; charset=utf-8", "application/x-amz-json-1.0\r\n"},
        {"", "application/x-amz-json-1.0\r\n"},
    };
    start(f, SIZE_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = ask_with(f, "Content-Type", cases[i][0]);
        answer(f, 1);
        assert_true(receive(f, fd));
        assert_memory_equal(header(f, "Content-Type"), cases[i][1], strlen(cases[i][1]));
        close(fd);
    }
}

static void a_client_may_leave_while_its_answer_is_packed(void **state)
{
    struct fixture *f = *state;
    start(f, SIZE_MAX);
    hold_workers(f);
    int fd = ask(f, "gzip");
    answer(f, LARGE);
    close(fd);
    for (uint64_t until_us = clock_boot_us() + 600000; clock_boot_us() < until_us;)
        loop_run_once(&f->loop, 1); /* long enough for it to be noticed */
    assert_int_equal(http_server_connections(f->server), 1);
    let_go(f);
    for (int i = 0; i < 5000 && http_server_connections(f->server) > 0; i++)
        loop_run_once(&f->loop, 1);
    assert_int_equal(http_server_connections(f->server), 0);
    assert_int_equal(http_server_metrics(f->server)->reply_bytes.value, 0);
}

static void nothing_is_packed_for_a_client_that_left_before(void **state)
{
    struct fixture *f = *state;
    start(f, SIZE_MAX);
    hold_workers(f);
    close(ask(f, "gzip"));
    for (int i = 0; i < 5000 && !http_request_is_cancelled(f->request); i++)
        loop_run_once(&f->loop, 1);
    answer(f, LARGE);
    let_go(f);
    for (int i = 0; i < 5000 && http_server_connections(f->server) > 0; i++)
        loop_run_once(&f->loop, 1);
    assert_int_equal(f->workers.metrics.dropped_unwanted.value, 1);
    assert_int_equal(http_server_connections(f->server), 0);
}

static void a_server_that_drains_sends_what_is_packed(void **state)
{
    struct fixture *f = *state;
    start(f, SIZE_MAX);
    hold_workers(f);
    int fd = ask(f, "gzip");
    answer(f, LARGE);
    http_server_drain(f->server, on_drained, f);
    loop_run_once(&f->loop, 1);
    assert_false(f->is_drained);
    let_go(f);
    assert_true(receive(f, fd));
    check_body(f, LARGE, 31);
    assert_memory_equal(header(f, "Connection"), "close", 5);
    close(fd);
    for (int i = 0; i < 5000 && !f->is_drained; i++)
        loop_run_once(&f->loop, 1);
    assert_true(f->is_drained);
}

static void a_server_that_closes_waits_for_what_is_packed(void **state)
{
    struct fixture *f = *state;
    start(f, SIZE_MAX);
    hold_workers(f);
    int fd = ask(f, "");
    answer(f, LARGE);
    http_server_close(f->server, on_closed, f);
    for (int i = 0; i < 20; i++)
        loop_run_once(&f->loop, 1);
    assert_false(f->is_closed);
    let_go(f);
    assert_true(receive(f, fd));
    check_body(f, LARGE, 0);
    close(fd);
}

static void large_answers_have_a_budget(void **state)
{
    struct fixture *f = *state;
    start(f, LARGE + LARGE / 2);
    hold_workers(f);
    int first = ask(f, "");
    answer(f, LARGE);
    int second = ask(f, "");
    answer(f, LARGE);
    assert_true(receive(f, second));
    assert_non_null(strstr(f->reply, "HTTP/1.1 503 "));
    assert_non_null(strstr(f->reply, "ServiceUnavailable"));
    int small = ask(f, "");
    answer(f, WORKERS_BYTES_MIN);
    assert_true(receive(f, small));
    check_body(f, WORKERS_BYTES_MIN, 0);
    let_go(f);
    assert_true(receive(f, first));
    check_body(f, LARGE, 0);
    int third = ask(f, "");
    answer(f, LARGE);
    assert_true(receive(f, third));
    check_body(f, LARGE, 0);
    assert_int_equal(http_server_metrics(f->server)->refused_reply_budget.value, 1);
    close(first), close(second), close(third), close(small);
}

/* Whoever always takes all the room that a turn has. */
static void take_all(struct loop_task *task)
{
    struct fixture *f = task->data;
    loop_turn_take(&f->loop, LOOP_TURN_BYTES_MAX);
    loop_defer_for_room(&f->loop, task);
}

static void the_largest_answers_come_whole_beside_one_who_takes_all_room(void **state)
{
    struct fixture *f = *state;
    struct loop_task hog = {.run = take_all, .data = f};
    start(f, SIZE_MAX);
    loop_defer_for_room(&f->loop, &hog);
    int fd = ask(f, "identity");
    answer(f, 7000000);
    assert_true(receive(f, fd));
    check_body(f, 7000000, 0);
    close(fd);
    fd = ask(f, "identity"); /* its client leaves in the middle */
    answer(f, 7000000);
    for (int i = 0; i < 50; i++)
        loop_run_once(&f->loop, 1);
    close(fd);
    fd = ask(f, "identity");
    answer(f, 10);
    assert_true(receive(f, fd));
    check_body(f, 10, 0);
    close(fd);
    loop_undefer(&f->loop, &hog);
}

/* Of several answers together, which begin in the same turn. */
static void a_turn_sends_what_it_has_room_for(void **state)
{
    enum { CLIENTS = 3, BYTES = 6000000, BLOCK = 256 * 1024 };
    struct fixture *f = *state;
    int fds[CLIENTS];
    struct http_request *requests[CLIENTS];
    start(f, SIZE_MAX);
    hold_workers(f);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = ask(f, "identity");
        requests[i] = f->request;
    }
    for (int i = 0; i < CLIENTS; i++) {
        f->request = requests[i];
        answer(f, BYTES);
    }
    uint64_t turns = f->loop.metrics.turns.value;
    size_t all = 0;
    let_go(f);
    while (all < CLIENTS * BYTES) {
        loop_run_once(&f->loop, 10);
        for (int i = 0; i < CLIENTS; i++) {
            ssize_t one = recv(fds[i], f->reply, REPLY_BYTES, MSG_DONTWAIT);
            assert_true(one > 0 || (one < 0 && errno == EAGAIN));
            all += one > 0 ? (size_t)one : 0;
        }
        uint64_t passed = f->loop.metrics.turns.value - turns + 1;
        assert_in_range(all, 0, passed * (LOOP_TURN_BYTES_MAX + BLOCK) + CLIENTS * 1024);
    }
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
}

static void run_for(struct fixture *f, uint64_t us)
{
    for (uint64_t until_us = clock_boot_us() + us; clock_boot_us() < until_us;)
        loop_run_once(&f->loop, 1);
}

static void who_does_not_take_a_large_answer_makes_way(void **state)
{
    struct fixture *f = *state;
    start(f, HUGE_BYTES + LARGE / 2);
    int idle = ask(f, "");
    answer(f, HUGE_BYTES);
    run_for(f, 500000);
    int early = ask(f, "");
    answer(f, LARGE);
    assert_true(receive(f, early)); /* not yet: it may be about to */
    assert_non_null(strstr(f->reply, "HTTP/1.1 503 "));
    run_for(f, 2500000);
    assert_int_equal(http_server_metrics(f->server)->reply_bytes.value,
                     HUGE_BYTES); /* nobody wants the room */
    int late = ask(f, "");
    answer(f, LARGE);
    assert_true(receive(f, late));
    check_body(f, LARGE, 0);
    run_for(f, 50000);
    assert_int_equal(http_server_connections(f->server), 2);
    assert_int_equal(http_server_metrics(f->server)->reply_bytes.value, 0);
    assert_int_equal(http_server_metrics(f->server)->cut_stalled.value, 1);
    close(idle), close(early), close(late);
}

static void who_takes_a_large_answer_slowly_keeps_it(void **state)
{
    struct fixture *f = *state;
    start(f, HUGE_BYTES + LARGE / 2);
    int slow = ask(f, "");
    answer(f, HUGE_BYTES);
    for (int i = 0; i < 12; i++) {
        run_for(f, 250000);
        assert_true(recv(slow, f->reply, 200 * 1000, 0) > 0);
    }
    int other = ask(f, "");
    answer(f, LARGE);
    assert_true(receive(f, other));
    assert_non_null(strstr(f->reply, "HTTP/1.1 503 "));
    assert_int_equal(http_server_metrics(f->server)->cut_stalled.value, 0);
    close(slow), close(other);
}

/* The answer comes all the same, not compressed or not by a worker. */
static void without_memory_for_packing_it_goes_out_all_the_same(void **state)
{
    struct fixture *f = *state;
    start(f, SIZE_MAX);
    for (int nth = 0; nth < 4; nth++) {
        int fd = ask(f, "gzip");
        struct buffer body;
        buffer_init(&body, LARGE);
        uint8_t *to = buffer_extend(&body, LARGE);
        for (size_t i = 0; i < LARGE; i++)
            to[i] = byte_at(i);
        memory_fail_after(nth);
        http_respond(f->request, &(struct http_response){.status = 200, .body = &body});
        memory_fail_after(-1);
        assert_true(receive(f, fd));
        check_body(f, LARGE, header(f, "Content-Encoding") == NULL ? 0 : 31);
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(answers_are_compressed_for_those_who_ask),
        TEST(the_type_is_the_requests),
        TEST(a_client_may_leave_while_its_answer_is_packed),
        TEST(nothing_is_packed_for_a_client_that_left_before),
        TEST(a_server_that_drains_sends_what_is_packed),
        TEST(a_server_that_closes_waits_for_what_is_packed),
        TEST(large_answers_have_a_budget),
        TEST(the_largest_answers_come_whole_beside_one_who_takes_all_room),
        TEST(a_turn_sends_what_it_has_room_for),
        TEST(who_does_not_take_a_large_answer_makes_way),
        TEST(who_takes_a_large_answer_slowly_keeps_it),
        TEST(without_memory_for_packing_it_goes_out_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

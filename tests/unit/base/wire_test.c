#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/wire_client.h"
#include "base/wire_internal.h"

enum { TYPE_ECHO = 0x20, TYPE_HOLD = 0x21, TYPE_REFUSE = 0x22, TYPE_NOTE = 0x23, WAIT_US = 5000000 };

struct fixture {
    struct loop loop;
    struct wire_metrics server_metrics;
    struct wire_metrics client_metrics;
    struct wire_server *server;
    struct wire_client *client;
    uint16_t port;
    /* what the server saw */
    struct wire_call held[16];
    int held_count;
    int notes;
    int requests;
    uint8_t order[16]; /* first bytes of the requests' payloads */
    /* what the client saw */
    int answers;
    enum err errors[16];
    size_t answer_bytes;
    int readies;
    int breaks;
    int closed;
};

static void on_request(struct wire_call call, const struct frame *frame, void *data)
{
    struct fixture *f = data;
    if (f->requests < 16 && frame->payload.length > 0)
        f->order[f->requests] = frame->payload.data[0];
    f->requests++;
    const struct slice payload[2] = {slice_make(frame->payload.data, frame->payload.length / 2),
                                     slice_from(frame->payload, frame->payload.length / 2)};
    const struct wire_message echo = {.header_bytes = frame->header, .payload = payload, .payload_count = 2};
    if (call.is_one_way)
        f->notes++;
    else if (call.type == TYPE_ECHO)
        wire_reply(call, &echo);
    else if (call.type == TYPE_REFUSE)
        wire_refuse(call, ERR_BUSY);
    else
        f->held[f->held_count++] = call;
}

static void on_answer(enum err err, const struct frame *response, void *data)
{
    struct fixture *f = data;
    if (f->answers < 16)
        f->errors[f->answers] = err;
    f->answers++;
    assert_int_equal(err == ERR_OK, response != NULL);
    if (response != NULL)
        f->answer_bytes = response->header.length + response->payload.length;
}

static void on_state(struct wire_client *c, const struct wire_identity *peer, void *data)
{
    struct fixture *f = data;
    if (peer == NULL)
        f->breaks++;
    else
        f->readies++;
}

static void on_closed(void *data)
{
    (*(int *)data)++;
}

static void open_server(struct fixture *f, struct wire_server_options options)
{
    options.host = "127.0.0.1";
    options.port = f->port;
    options.metrics = &f->server_metrics;
    options.identity = (struct wire_identity){.cluster_id = 42, .role = WIRE_ROLE_NODE, .node_id = 3};
    options.on_request = on_request;
    options.data = f;
    assert_int_equal(wire_server_open(&f->loop, &options, &f->server, NULL), ERR_OK);
    f->port = wire_server_port(f->server);
    assert_int_not_equal(f->port, 0);
}

static void open_client(struct fixture *f, struct wire_client_options options)
{
    options.name = "peer";
    options.host = "127.0.0.1";
    options.port = f->port;
    options.metrics = &f->client_metrics;
    if (options.identity.cluster_id == 0)
        options.identity = (struct wire_identity){.cluster_id = 42, .role = WIRE_ROLE_ROUTER};
    options.on_state = on_state;
    options.data = f;
    assert_int_equal(wire_client_open(&f->loop, &options, &f->client, NULL), ERR_OK);
}

static struct fixture *begin(void)
{
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_ERROR);
    struct fixture *f = memory_zalloc(sizeof *f);
    assert_int_equal(loop_init(&f->loop), ERR_OK);
    return f;
}

#define RUN_UNTIL(f, condition)                          \
    do {                                                 \
        uint64_t give_up_us = clock_boot_us() + WAIT_US; \
        while (!(condition)) {                           \
            assert_true(clock_boot_us() < give_up_us);   \
            loop_run_once(&(f)->loop, 10);               \
        }                                                \
    } while (0)

static void end(struct fixture *f)
{
    int open_count = (f->client != NULL) + (f->server != NULL);
    if (f->client != NULL)
        wire_client_close(f->client, on_closed, &f->closed);
    if (f->server != NULL)
        wire_server_close(f->server, on_closed, &f->closed);
    RUN_UNTIL(f, f->closed == open_count);
    assert_int_equal(f->client_metrics.calls_in_flight.value, 0);
    assert_int_equal(f->client_metrics.connections.value, 0);
    assert_int_equal(f->server_metrics.connections.value, 0);
    loop_deinit(&f->loop);
    memory_free(f);
}

static uint64_t soon(void)
{
    return clock_boot_us() + WAIT_US;
}

static enum err call(struct fixture *f, uint16_t type, const char *text)
{
    const struct slice payload = slice_from_string(text);
    const struct wire_message m = {
        .type = type, .header_bytes = SLICE_LITERAL("header"), .payload = &payload, .payload_count = 1};
    return wire_client_call(f->client, &m, soon(), on_answer, f);
}

static void calls_are_answered_and_told_apart(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){.peer_node_id = 3});
    /* Held while connecting. */
    assert_int_equal(call(f, TYPE_ECHO, "hello"), ERR_OK);
    assert_int_equal(f->answers, 0);
    RUN_UNTIL(f, f->answers == 1);
    assert_int_equal(f->errors[0], ERR_OK);
    assert_int_equal(f->answer_bytes, 11);
    assert_true(wire_client_is_ready(f->client));
    assert_int_equal(call(f, TYPE_REFUSE, ""), ERR_OK);
    RUN_UNTIL(f, f->answers == 2);
    assert_int_equal(f->errors[1], ERR_BUSY);
    end(f);
}

static void many_frames_go_out_in_one_write(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    RUN_UNTIL(f, f->readies == 1);
    uint64_t writes = f->client_metrics.writes.value + f->server_metrics.writes.value;
    for (int i = 0; i < 100; i++)
        assert_int_equal(call(f, TYPE_ECHO, "x"), ERR_OK);
    RUN_UNTIL(f, f->answers == 100);
    assert_true(f->client_metrics.writes.value + f->server_metrics.writes.value - writes <= 6);
    end(f);
}

static void answers_may_come_later_and_in_any_order(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    for (int i = 0; i < 3; i++)
        assert_int_equal(call(f, TYPE_HOLD, "x"), ERR_OK);
    RUN_UNTIL(f, f->held_count == 3);
    assert_int_equal(wire_server_call_count(f->server), 3);
    struct wire_identity peer;
    assert_true(wire_call_peer(f->held[0], &peer));
    assert_int_equal(peer.role, WIRE_ROLE_ROUTER);
    const struct wire_message empty = {0};
    for (int i = 2; i >= 0; i--)
        wire_reply(f->held[i], &empty);
    RUN_UNTIL(f, f->answers == 3);
    assert_int_equal(wire_server_call_count(f->server), 0);
    end(f);
}

static void a_large_payload_passes_in_both_directions(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    enum { BYTES = 20 * 1024 * 1024 };
    uint8_t *bytes = memory_zalloc(BYTES);
    const struct slice payload = slice_make(bytes, BYTES);
    const struct wire_message m = {.type = TYPE_ECHO, .payload = &payload, .payload_count = 1};
    for (int i = 0; i < 2; i++)
        assert_int_equal(wire_client_call(f->client, &m, soon(), on_answer, f), ERR_OK);
    RUN_UNTIL(f, f->answers == 2);
    assert_int_equal(f->errors[1], ERR_OK);
    assert_int_equal(f->answer_bytes, BYTES);
    memory_free(bytes);
    end(f);
}

static void one_way_frames_arrive_and_are_refused_without_a_connection(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    const struct wire_message note = {.type = TYPE_NOTE, .header_bytes = SLICE_LITERAL("n")};
    assert_int_equal(wire_client_send(f->client, &note), ERR_UNAVAILABLE);
    RUN_UNTIL(f, f->readies == 1);
    assert_int_equal(wire_client_send(f->client, &note), ERR_OK);
    RUN_UNTIL(f, f->notes == 1);
    assert_int_equal(wire_server_call_count(f->server), 0);
    end(f);
}

static void a_call_that_never_left_is_unavailable(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    wire_server_close(f->server, on_closed, &f->closed);
    RUN_UNTIL(f, f->closed == 1);
    f->server = NULL;
    f->closed = 0;
    open_client(f, (struct wire_client_options){0});
    assert_int_equal(call(f, TYPE_ECHO, "x"), ERR_OK);
    RUN_UNTIL(f, f->answers == 1);
    assert_int_equal(f->errors[0], ERR_UNAVAILABLE);
    /* While it waits to connect again, calls are refused at once. */
    assert_int_equal(call(f, TYPE_ECHO, "x"), ERR_UNAVAILABLE);
    assert_int_equal(f->answers, 1);
    end(f);
}

static void a_call_that_left_and_lost_its_connection_is_of_unknown_outcome(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    assert_int_equal(call(f, TYPE_HOLD, "x"), ERR_OK);
    RUN_UNTIL(f, f->held_count == 1);
    wire_server_close(f->server, on_closed, &f->closed);
    f->server = NULL;
    RUN_UNTIL(f, f->answers == 1 && f->closed == 1);
    f->closed = 0;
    assert_int_equal(f->errors[0], ERR_UNKNOWN_OUTCOME);
    assert_int_equal(f->breaks, 1);
    assert_int_equal(f->client_metrics.calls_unknown.value, 1);
    end(f);
}

static void a_client_comes_back_to_a_server_that_comes_back(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    for (int round = 1; round <= 3; round++) {
        RUN_UNTIL(f, f->readies == round);
        wire_server_close(f->server, on_closed, &f->closed);
        RUN_UNTIL(f, f->breaks == round && f->closed == round);
        open_server(f, (struct wire_server_options){0});
    }
    RUN_UNTIL(f, f->readies == 4);
    assert_int_equal(call(f, TYPE_ECHO, "x"), ERR_OK);
    RUN_UNTIL(f, f->answers == 1);
    assert_int_equal(f->errors[0], ERR_OK);
    f->closed = 0;
    end(f);
}

static void a_deadline_ends_a_call_and_its_late_answer_is_dropped(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    RUN_UNTIL(f, f->readies == 1);
    const struct wire_message m = {.type = TYPE_HOLD};
    assert_int_equal(wire_client_call(f->client, &m, clock_boot_us() + 20000, on_answer, f), ERR_OK);
    RUN_UNTIL(f, f->answers == 1 && f->held_count == 1);
    assert_int_equal(f->errors[0], ERR_TIMEOUT);
    wire_reply(f->held[0], &(struct wire_message){0});
    RUN_UNTIL(f, f->client_metrics.responses_late.value == 1);
    assert_int_equal(f->answers, 1);
    assert_int_equal(wire_client_call(f->client, &m, 1, on_answer, f), ERR_UNAVAILABLE);
    end(f);
}

static void a_deadline_before_sending_takes_the_call_back(void **state)
{
    (void)state;
    struct fixture *f = begin();
    /* A listener that accepts (in its backlog) and says nothing until later: the client stays CONNECTING. */
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    f->port = ntohs(address.sin_port);
    open_client(f, (struct wire_client_options){0});
    const struct wire_message m = {.type = TYPE_HOLD, .header_bytes = SLICE_LITERAL("taken back")};
    assert_int_equal(wire_client_call(f->client, &m, clock_boot_us() + 20000, on_answer, f), ERR_OK);
    RUN_UNTIL(f, f->answers == 1);
    assert_int_equal(f->errors[0], ERR_UNAVAILABLE);
    assert_int_equal(call(f, TYPE_ECHO, "kept"), ERR_OK);
    /* Now the peer says hello: what it gets is a blank frame and the second call. */
    int peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    struct buffer hello;
    buffer_init(&hello, 1024);
    wire_hello_append(&hello,
                      &(struct wire_identity){.cluster_id = 42, .role = WIRE_ROLE_NODE, .node_id = 1});
    assert_int_equal(write(peer, hello.data, hello.length), hello.length);
    RUN_UNTIL(f, f->client_metrics.bytes_sent.value > 0);
    struct frame_decoder d;
    frame_decoder_init(&d, FRAME_BODY_BYTES_MAX);
    static const uint16_t expected[] = {WIRE_FRAME_HELLO, WIRE_FRAME_BLANK, TYPE_ECHO};
    size_t space;
    uint8_t *to = frame_decoder_space(&d, &space);
    ssize_t count = read(peer, to, space);
    assert_true(count > 0);
    frame_decoder_fill(&d, (size_t)count);
    for (int i = 0; i < 3; i++) {
        struct frame frame;
        assert_int_equal(frame_decoder_next(&d, &frame), ERR_OK);
        assert_int_equal(frame.type, expected[i]);
    }
    frame_decoder_deinit(&d);
    buffer_deinit(&hello);
    close(peer);
    close(listener);
    end(f);
}

static void another_cluster_is_refused_on_both_sides(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){.identity = {.cluster_id = 43, .role = WIRE_ROLE_TOOL}});
    RUN_UNTIL(f,
              f->server_metrics.refused_cluster.value >= 1 && f->client_metrics.refused_cluster.value >= 1);
    assert_int_equal(f->readies, 0);
    assert_int_equal(f->requests, 0);
    end(f);
}

static void another_node_than_expected_is_refused(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){.peer_node_id = 4});
    RUN_UNTIL(f, f->client_metrics.refused_node.value >= 1);
    assert_int_equal(f->readies, 0);
    end(f);
}

static int dial(struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(f->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void garbage_closes_its_connection_and_nothing_else(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    RUN_UNTIL(f, f->readies == 1);
    struct random random;
    random_init(&random, 5);
    for (int round = 0; round < 50; round++) {
        uint64_t damaged = f->server_metrics.damaged.value;
        int fd = dial(f);
        uint8_t bytes[512];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)random_u64(&random);
        if (round % 2 == 0)
            memset(bytes, 0, 4), bytes[0] = 100;
        struct buffer hello;
        buffer_init(&hello, 1024);
        wire_hello_append(&hello, &(struct wire_identity){.cluster_id = 42, .role = WIRE_ROLE_TOOL});
        if (round % 3 == 0) /* a good hello first */
            assert_true(send(fd, hello.data, hello.length, MSG_NOSIGNAL) > 0);
        (void)!send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
        buffer_deinit(&hello);
        if (round % 2 == 0) /* a whole frame's length: damaged for sure */
            RUN_UNTIL(f, f->server_metrics.damaged.value > damaged);
        close(fd);
        loop_run_once(&f->loop, 1);
    }
    RUN_UNTIL(f, wire_server_connection_count(f->server) == 1);
    assert_true(f->server_metrics.damaged.value >= 25);
    assert_int_equal(call(f, TYPE_ECHO, "still here"), ERR_OK);
    RUN_UNTIL(f, f->answers == 1);
    assert_int_equal(f->errors[0], ERR_OK);
    end(f);
}

static void a_first_frame_that_is_no_hello_is_refused(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    int fd = dial(f);
    struct buffer b;
    buffer_init(&b, 1024);
    assert_int_equal(frame_append(&b, &(struct frame){.type = TYPE_ECHO, .call_id = 1}), ERR_OK);
    assert_true(send(fd, b.data, b.length, MSG_NOSIGNAL) > 0);
    RUN_UNTIL(f, f->server_metrics.refused_hello.value == 1);
    assert_int_equal(f->requests, 0);
    close(fd);
    buffer_deinit(&b);
    end(f);
}

static void a_peer_that_never_reads_is_bounded_and_dropped(void **state)
{
    (void)state;
    struct fixture *f = begin();
    enum { LIMIT = 1024 * 1024, REQUEST = 64 * 1024, COUNT = 400 };
    open_server(f, (struct wire_server_options){.outgoing_bytes_max = LIMIT});
    int fd = dial(f);
    struct buffer b;
    buffer_init(&b, 64 * 1024 * 1024);
    wire_hello_append(&b, &(struct wire_identity){.cluster_id = 42, .role = WIRE_ROLE_TOOL});
    static uint8_t body[REQUEST];
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(
            frame_append(
                &b, &(struct frame){.type = TYPE_ECHO, .call_id = 1, .payload = slice_make(body, REQUEST)}),
            ERR_OK);
    size_t sent = 0;
    /* It writes requests and reads no answer: the server stops reading from it. */
    RUN_UNTIL(f, ({
                  ssize_t count = send(fd, b.data + sent, b.length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
                  sent += count > 0 ? (size_t)count : 0;
                  f->server_metrics.paused.value > 0;
              }));
    for (int i = 0; i < 50; i++)
        loop_run_once(&f->loop, 1);
    assert_true(f->requests < COUNT);
    /* When it reads at last, all is answered. */
    static uint8_t sink[1024 * 1024];
    uint64_t received = 0;
    RUN_UNTIL(f, ({
                  ssize_t count = send(fd, b.data + sent, b.length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
                  sent += count > 0 ? (size_t)count : 0;
                  count = recv(fd, sink, sizeof sink, MSG_DONTWAIT);
                  received += count > 0 ? (uint64_t)count : 0;
                  received > (uint64_t)COUNT *REQUEST;
              }));
    assert_int_equal(f->requests, COUNT);
    close(fd);
    buffer_deinit(&b);
    end(f);
}

static void answers_beyond_the_limit_close_the_connection(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){.outgoing_bytes_max = 64 * 1024});
    open_client(f, (struct wire_client_options){0});
    assert_int_equal(call(f, TYPE_HOLD, "x"), ERR_OK);
    RUN_UNTIL(f, f->held_count == 1);
    static uint8_t body[128 * 1024];
    const struct slice payload = slice_make(body, sizeof body);
    wire_reply(f->held[0], &(struct wire_message){.payload = &payload, .payload_count = 1});
    assert_int_equal(f->server_metrics.overrun.value, 1);
    assert_false(wire_call_is_open(f->held[0]));
    RUN_UNTIL(f, f->answers == 1);
    assert_int_equal(f->errors[0], ERR_UNKNOWN_OUTCOME);
    end(f);
}

static void too_many_calls_in_flight_are_refused_and_pause_the_server(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){.calls_max = 4});
    open_client(f, (struct wire_client_options){.calls_max = 64});
    RUN_UNTIL(f, f->readies == 1);
    for (int i = 0; i < 64; i++)
        assert_int_equal(call(f, i < 4 ? TYPE_HOLD : TYPE_ECHO, "x"), ERR_OK);
    assert_int_equal(call(f, TYPE_ECHO, "x"), ERR_BUSY);
    RUN_UNTIL(f, f->held_count == 4);
    assert_int_equal(f->requests, 4);
    for (int i = 0; i < 4; i++)
        wire_reply(f->held[i], &(struct wire_message){0});
    RUN_UNTIL(f, f->answers == 64);
    end(f);
}

/* All are on this one loop; what a turn takes in is counted for both sides. */
static void a_turn_takes_in_only_so_much(void **state)
{
    (void)state;
    enum { CALLS = 12, BODY = 200 * 1024 };
    static uint8_t body[BODY];
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    RUN_UNTIL(f, f->readies == 1);
    const struct slice payload = slice_make(body, sizeof body);
    const struct wire_message m = {
        .type = TYPE_ECHO, .header_bytes = SLICE_LITERAL("header"), .payload = &payload, .payload_count = 1};
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(wire_client_call(f->client, &m, soon(), on_answer, f), ERR_OK);
    while (f->answers < CALLS) {
        int before = f->requests + f->answers;
        uint64_t turn = f->loop.metrics.turns.value;
        loop_run_once(&f->loop, 10);
        if (f->loop.metrics.turns.value == turn + 1)
            assert_in_range(f->requests + f->answers - before, 0, LOOP_TURN_BYTES_MAX / BODY + 1);
    }
    assert_int_equal(f->answer_bytes, BODY + 6);
    assert_true(f->server_metrics.held.value > 0);
    end(f);
}

/* Whoever always takes all the room that a turn has. */
struct hog {
    struct loop *loop;
    struct loop_task task;
};

static void take_all(struct loop_task *task)
{
    struct hog *hog = task->data;
    loop_turn_take(hog->loop, LOOP_TURN_BYTES_MAX);
    loop_defer_for_room(hog->loop, task);
}

static void begin_hog(struct hog *hog, struct loop *loop)
{
    *hog = (struct hog){.loop = loop};
    hog->task = (struct loop_task){.run = take_all, .data = hog};
    loop_defer_for_room(loop, &hog->task);
}

static void echo_large(struct fixture *f, int calls)
{
    static uint8_t body[100 * 1024];
    for (int i = 0; i < calls; i++) {
        body[0] = (uint8_t)(i + 1);
        const struct slice payload = slice_make(body, sizeof body);
        const struct wire_message m = {.type = TYPE_ECHO, .payload = &payload, .payload_count = 1};
        assert_int_equal(wire_client_call(f->client, &m, soon(), on_answer, f), ERR_OK);
    }
}

static void a_held_stream_goes_on_in_order_beside_one_who_takes_all_room(void **state)
{
    (void)state;
    enum { CALLS = 12 };
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    RUN_UNTIL(f, f->readies == 1);
    struct hog hog;
    begin_hog(&hog, &f->loop);
    echo_large(f, CALLS);
    RUN_UNTIL(f, f->answers == CALLS);
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(f->order[i], i + 1);
    assert_true(f->server_metrics.held.value >= CALLS / 2);
    assert_true(f->client_metrics.held.value >= CALLS / 2);
    loop_undefer(&f->loop, &hog.task);
    end(f);
}

static void what_is_short_and_asks_for_nothing_is_not_held(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    RUN_UNTIL(f, f->readies == 1);
    struct hog hog;
    begin_hog(&hog, &f->loop);
    const struct wire_message note = {.type = TYPE_NOTE, .header_bytes = SLICE_LITERAL("beat")};
    for (int i = 0; i < 10; i++) {
        assert_int_equal(wire_client_send(f->client, &note), ERR_OK);
        RUN_UNTIL(f, f->notes == i + 1);
    }
    assert_int_equal(f->server_metrics.held.value, 0);
    assert_int_equal(call(f, TYPE_ECHO, "x"), ERR_OK);
    RUN_UNTIL(f, f->answers == 1);
    assert_true(f->server_metrics.held.value > 0); /* a request's answer may be large */
    assert_int_equal(f->client_metrics.held.value, 0);
    loop_undefer(&f->loop, &hog.task);
    end(f);
}

static void a_held_stream_may_be_closed(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    RUN_UNTIL(f, f->readies == 1);
    struct hog hog;
    begin_hog(&hog, &f->loop);
    echo_large(f, 10);
    RUN_UNTIL(f, f->server_metrics.held.value > 0);
    loop_undefer(&f->loop, &hog.task);
    end(f);
}

static void connections_are_bounded(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){.connections_max = 2});
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = dial(f);
    RUN_UNTIL(f, f->server_metrics.refused_full.value == 1);
    assert_int_equal(wire_server_connection_count(f->server), 2);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    RUN_UNTIL(f, wire_server_connection_count(f->server) == 0);
    end(f);
}

static void an_answer_after_the_connections_end_finds_nobody(void **state)
{
    (void)state;
    struct fixture *f = begin();
    open_server(f, (struct wire_server_options){0});
    open_client(f, (struct wire_client_options){0});
    assert_int_equal(call(f, TYPE_HOLD, "x"), ERR_OK);
    RUN_UNTIL(f, f->held_count == 1);
    wire_client_close(f->client, on_closed, &f->closed);
    assert_int_equal(f->errors[0], ERR_CLOSED);
    f->client = NULL;
    RUN_UNTIL(f, !wire_call_is_open(f->held[0]) && f->closed == 1);
    wire_reply(f->held[0], &(struct wire_message){0});
    assert_int_equal(wire_server_call_count(f->server), 0);
    f->closed = 0;
    end(f);
}

static void wrong_addresses_and_taken_ports_are_errors(void **state)
{
    (void)state;
    struct fixture *f = begin();
    struct error error = {0};
    struct wire_server *other;
    struct wire_server_options options = {.host = "localhost", .on_request = on_request};
    assert_int_equal(wire_server_open(&f->loop, &options, &other, &error), ERR_CONFIG);
    open_server(f, (struct wire_server_options){0});
    options.host = "127.0.0.1";
    options.port = f->port;
    assert_int_equal(wire_server_open(&f->loop, &options, &other, &error), ERR_EXISTS);
    struct wire_client *client;
    const struct wire_client_options client_options = {.host = "no address", .port = 1};
    assert_int_equal(wire_client_open(&f->loop, &client_options, &client, &error), ERR_CONFIG);
    end(f);
}

static void a_hello_of_another_protocol_is_refused(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 1024);
    const struct wire_identity us = {.cluster_id = 7, .role = WIRE_ROLE_GAC, .node_id = 9};
    wire_hello_append(&b, &us);
    struct frame frame = {.type = WIRE_FRAME_HELLO,
                          .flags = FRAME_ONE_WAY,
                          .payload = slice_from(buffer_view(&b), FRAME_PREFIX_BYTES)};
    struct wire_identity peer;
    assert_int_equal(wire_hello_decode(&frame, &peer), ERR_OK);
    assert_memory_equal(&peer, &us, sizeof us);
    for (size_t length = 0; length < frame.payload.length; length++) {
        struct frame cut = frame;
        cut.payload.length = length;
        assert_int_equal(wire_hello_decode(&cut, &peer), ERR_INVALID);
    }
    b.data[FRAME_PREFIX_BYTES + 6] = 2; /* understands version 2 and later only */
    assert_int_equal(wire_hello_decode(&frame, &peer), ERR_INVALID);
    buffer_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_answered_and_told_apart),
        cmocka_unit_test(many_frames_go_out_in_one_write),
        cmocka_unit_test(answers_may_come_later_and_in_any_order),
        cmocka_unit_test(a_large_payload_passes_in_both_directions),
        cmocka_unit_test(one_way_frames_arrive_and_are_refused_without_a_connection),
        cmocka_unit_test(a_call_that_never_left_is_unavailable),
        cmocka_unit_test(a_call_that_left_and_lost_its_connection_is_of_unknown_outcome),
        cmocka_unit_test(a_client_comes_back_to_a_server_that_comes_back),
        cmocka_unit_test(a_deadline_ends_a_call_and_its_late_answer_is_dropped),
        cmocka_unit_test(a_deadline_before_sending_takes_the_call_back),
        cmocka_unit_test(another_cluster_is_refused_on_both_sides),
        cmocka_unit_test(another_node_than_expected_is_refused),
        cmocka_unit_test(garbage_closes_its_connection_and_nothing_else),
        cmocka_unit_test(a_first_frame_that_is_no_hello_is_refused),
        cmocka_unit_test(a_peer_that_never_reads_is_bounded_and_dropped),
        cmocka_unit_test(answers_beyond_the_limit_close_the_connection),
        cmocka_unit_test(too_many_calls_in_flight_are_refused_and_pause_the_server),
        cmocka_unit_test(a_turn_takes_in_only_so_much),
        cmocka_unit_test(a_held_stream_goes_on_in_order_beside_one_who_takes_all_room),
        cmocka_unit_test(what_is_short_and_asks_for_nothing_is_not_held),
        cmocka_unit_test(a_held_stream_may_be_closed),
        cmocka_unit_test(connections_are_bounded),
        cmocka_unit_test(an_answer_after_the_connections_end_finds_nobody),
        cmocka_unit_test(wrong_addresses_and_taken_ports_are_errors),
        cmocka_unit_test(a_hello_of_another_protocol_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

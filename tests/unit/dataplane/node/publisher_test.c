/* The publisher against a MemDS that counts what it is told. */
#include "dataplane/node/publisher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/memory.h"
#include "controlplane/proto/frame_type.h"

enum { CLUSTER = 7, GROUPS_MAX = 2000 };

struct fixture {
    struct loop loop;
    struct arena arena;
    struct wire_server *memds;
    struct wire_server *silent; /* another MemDS, which takes everything and answers nothing */
    unsigned silent_messages;
    struct metric_histogram *time;
    struct publisher *publisher;
    struct metric_counter published;
    char addresses[64];
    bool is_led[GROUPS_MAX + 1];
    unsigned told[GROUPS_MAX + 1];
    unsigned messages;
    unsigned refusals_left; /* of the next messages */
};

static void on_request(struct wire_call call, const struct frame *frame, void *data)
{
    struct fixture *f = data;
    assert_int_equal(frame->type, CONTROLPLANE_FRAME_PUBLISH_ROUTES);
    f->messages++;
    if (f->refusals_left > 0) {
        f->refusals_left--;
        wire_refuse(call, ERR_BUSY);
        return;
    }
    arena_reset(&f->arena);
    const Sluice__Controlplane__PublishRoutes *routes =
        proto_unpack(&sluice__controlplane__publish_routes__descriptor, frame->header, &f->arena);
    assert_non_null(routes);
    for (size_t i = 0; i < routes->n_routes; i++)
        f->told[routes->routes[i]->group_id]++;
    const struct wire_message reply = {.header_bytes = SLICE_EMPTY};
    wire_reply(call, &reply);
}

static void on_silent_request(struct wire_call call, const struct frame *frame, void *data)
{
    struct fixture *f = data;
    f->silent_messages++;
}

static Sluice__Controlplane__GroupRoute *describe(uint64_t group_id, struct arena *arena, void *data)
{
    struct fixture *f = data;
    if (!f->is_led[group_id])
        return NULL;
    Sluice__Controlplane__GroupRoute *route = arena_alloc(arena, sizeof *route);
    assert_non_null(route);
    sluice__controlplane__group_route__init(route);
    route->group_id = group_id;
    return route;
}

static void mark_all(struct publisher *p, void *data)
{
    struct fixture *f = data;
    for (uint64_t group_id = 1; group_id <= GROUPS_MAX; group_id++)
        if (f->is_led[group_id])
            publisher_mark(p, group_id);
}

static int setup(void **state)
{
    struct fixture *f = memory_zalloc(sizeof *f);
    struct error error;
    assert_non_null(f);
    assert_int_equal(loop_init(&f->loop), ERR_OK);
    arena_init(&f->arena, 4096, 8 << 20);
    const struct wire_server_options memds = {
        .host = "127.0.0.1", .identity = {CLUSTER, WIRE_ROLE_MEMDS, 0}, .on_request = on_request, .data = f};
    assert_int_equal(wire_server_open(&f->loop, &memds, &f->memds, &error), ERR_OK);
    const struct wire_server_options silent = {.host = "127.0.0.1",
                                               .identity = {CLUSTER, WIRE_ROLE_MEMDS, 0},
                                               .on_request = on_silent_request,
                                               .data = f};
    assert_int_equal(wire_server_open(&f->loop, &silent, &f->silent, &error), ERR_OK);
    snprintf(f->addresses, sizeof f->addresses, "127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:1",
             wire_server_port(f->silent), wire_server_port(f->memds));
    f->time = memory_zalloc(sizeof *f->time);
    assert_non_null(f->time);
    const struct publisher_options options = {
        .addresses = f->addresses,
        .identity = {CLUSTER, WIRE_ROLE_NODE, 1},
        .published = &f->published,
        .time = f->time,
        .describe = describe,
        .mark_all = mark_all,
        .data = f,
    };
    assert_int_equal(publisher_create(&f->loop, &options, &f->publisher, &error), ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    publisher_destroy(f->publisher);
    wire_server_close(f->memds, NULL, NULL);
    wire_server_close(f->silent, NULL, NULL);
    loop_deinit(&f->loop);
    arena_deinit(&f->arena);
    memory_free(f->time);
    memory_free(f);
    return 0;
}

static void run_until_told(struct fixture *f, uint64_t group_id, unsigned times)
{
    uint64_t give_up_us = clock_boot_us() + 5 * 1000 * 1000;
    while (f->told[group_id] < times) {
        assert_true(clock_boot_us() < give_up_us);
        loop_run_once(&f->loop, 10);
    }
}

static void what_is_led_is_told_once_connected_and_again_when_marked(void **state)
{
    struct fixture *f = *state;
    f->is_led[1] = f->is_led[2] = true;
    publisher_mark(f->publisher, 1); /* before there is a connection */
    run_until_told(f, 1, 1);
    run_until_told(f, 2, 1);
    publisher_mark(f->publisher, 2);
    publisher_mark(f->publisher, 2);
    run_until_told(f, 2, 2);
    assert_int_equal(f->told[1], 1);
}

static void more_than_a_message_holds_goes_in_several(void **state)
{
    struct fixture *f = *state;
    for (uint64_t group_id = 1; group_id <= GROUPS_MAX; group_id++)
        f->is_led[group_id] = true;
    for (uint64_t group_id = 1; group_id <= GROUPS_MAX; group_id++)
        run_until_told(f, group_id, 1);
    assert_in_range(f->messages, GROUPS_MAX / 500, GROUPS_MAX / 500 + 1);
}

static void groups_that_are_not_led_any_more_do_not_hold_up_the_rest(void **state)
{
    struct fixture *f = *state;
    f->is_led[GROUPS_MAX] = true;
    run_until_told(f, GROUPS_MAX, 1);
    for (uint64_t group_id = 1; group_id <= GROUPS_MAX; group_id++)
        publisher_mark(f->publisher, group_id);
    run_until_told(f, GROUPS_MAX, 2);
    assert_int_equal(f->messages, 2);
}

static void what_was_refused_is_told_again(void **state)
{
    struct fixture *f = *state;
    f->is_led[1] = true;
    f->refusals_left = 2;
    run_until_told(f, 1, 1);
    assert_int_equal(f->messages, 3);
}

static void silent_or_absent_one_delays_no_other(void **state)
{
    enum { ROUNDS = 300, TIME_US_MAX = 100 * 1000 };
    struct fixture *f = *state;
    f->is_led[1] = true;
    run_until_told(f, 1, 1);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        publisher_mark(f->publisher, 1);
        run_until_told(f, 1, round + 1);
    }
    uint64_t end_us = clock_boot_us() + 1200 * 1000; /* beyond the wait for the silent one's answer */
    while (clock_boot_us() < end_us)
        loop_run_once(&f->loop, 10);
    assert_in_range(f->silent_messages, 1, 3);
    assert_int_equal(f->messages, ROUNDS + 1); /* nothing is repeated to those who answered */
    assert_int_equal(f->time->values.count, ROUNDS + 1);
    print_message("from the change to the acknowledgement: p50 %llu us, at most %llu us\n",
                  (unsigned long long)histogram_quantile(&f->time->values, 50, 100),
                  (unsigned long long)f->time->values.max);
    assert_in_range(histogram_quantile(&f->time->values, 50, 100), 0, TIME_US_MAX);
}

static void destroying_it_with_a_call_under_way_is_well(void **state)
{
    struct fixture *f = *state;
    f->is_led[1] = true;
    run_until_told(f, 1, 1);
    publisher_mark(f->publisher, 1);
    loop_run_once(&f->loop, 0);
    publisher_mark(f->publisher, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_led_is_told_once_connected_and_again_when_marked),
        TEST(more_than_a_message_holds_goes_in_several),
        TEST(groups_that_are_not_led_any_more_do_not_hold_up_the_rest),
        TEST(what_was_refused_is_told_again),
        TEST(silent_or_absent_one_delays_no_other),
        TEST(destroying_it_with_a_call_under_way_is_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Peers with several loops: what is said about a group arrives at the loop that has it. */
#include "dataplane/node/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "base/wire.h"

enum { CLUSTER = 7, PEER = 9, LOOPS = 3, FRAME_TYPE = 0x0111, PORT_TRIES = 200, WAIT_US = 5000000 };

struct fixture {
    struct loop loop;
    struct wire_server *servers[LOOPS];
    struct peers *peers;
    struct peer_address address;
    unsigned received[LOOPS];
};

struct listener {
    struct fixture *fixture;
    unsigned loop;
};
static struct listener listeners[LOOPS];

static void on_request(struct wire_call call, const struct frame *frame, void *data)
{
    struct listener *listener = data;
    assert_int_equal(frame->type, FRAME_TYPE);
    listener->fixture->received[listener->loop]++;
}

/* On ports that follow each other. */
static bool listen_from(struct fixture *f, uint16_t port)
{
    for (unsigned i = 0; i < LOOPS; i++) {
        struct error error;
        listeners[i] = (struct listener){f, i};
        const struct wire_server_options options = {.host = "127.0.0.1",
                                                    .port = (uint16_t)(port + i),
                                                    .identity = {CLUSTER, WIRE_ROLE_NODE, PEER},
                                                    .on_request = on_request,
                                                    .data = &listeners[i]};
        if (wire_server_open(&f->loop, &options, &f->servers[i], &error) == ERR_OK)
            continue;
        while (i-- > 0)
            wire_server_close(f->servers[i], NULL, NULL);
        return false;
    }
    return true;
}

static int setup(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    assert_int_equal(loop_init(&f.loop), ERR_OK);
    uint16_t port = (uint16_t)(25000 + clock_boot_us() % 5000);
    unsigned tries = 0;
    while (!listen_from(&f, port) && ++tries < PORT_TRIES)
        port = (uint16_t)(port + LOOPS);
    assert_true(tries < PORT_TRIES);
    f.peers = peers_create(&f.loop, (struct wire_identity){CLUSTER, WIRE_ROLE_NODE, 1}, NULL);
    assert_non_null(f.peers);
    f.address.node_id = PEER;
    assert_int_equal(peer_address_set(&f.address, slice_from_string("zone-a"), slice_from_string("127.0.0.1"),
                                      port, LOOPS),
                     ERR_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    peers_destroy(f->peers);
    for (unsigned i = 0; i < LOOPS; i++)
        wire_server_close(f->servers[i], NULL, NULL);
    loop_run(&f->loop);
    loop_deinit(&f->loop);
    return 0;
}

/* What is sent before the connection is there is lost, as on any network: until one has arrived. */
static void send_until_received(struct fixture *f, uint64_t group_id, unsigned loop)
{
    const struct wire_message message = {.type = FRAME_TYPE, .header_bytes = SLICE_EMPTY};
    uint64_t until_us = clock_boot_us() + WAIT_US;
    while (f->received[loop] == 0 && clock_boot_us() < until_us) {
        assert_int_not_equal(peers_send(f->peers, PEER, group_id, PEER_CHANNEL_LOG, &message), ERR_NOT_FOUND);
        loop_run_once(&f->loop, 5);
    }
    for (unsigned i = 0; i < LOOPS; i++)
        assert_int_equal(f->received[i] > 0, i == loop);
    memset(f->received, 0, sizeof f->received);
}

static void drain(struct fixture *f)
{
    for (unsigned i = 0; i < 10; i++)
        loop_run_once(&f->loop, 5);
    memset(f->received, 0, sizeof f->received);
}

static void a_groups_frames_go_to_its_loop(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(peers_set(f->peers, &f->address), ERR_OK);
    for (uint64_t group_id = 0; group_id < 2 * LOOPS; group_id++) {
        send_until_received(f, group_id, (unsigned)(group_id % LOOPS));
        drain(f);
    }
}

static void a_changed_number_of_loops_changes_the_port(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(peers_set(f->peers, &f->address), ERR_OK);
    send_until_received(f, 2, 2);
    drain(f);
    f->address.loops = 2;
    assert_int_equal(peers_set(f->peers, &f->address), ERR_OK);
    send_until_received(f, 2, 0);
}

static void strangers_are_not_found(void **state)
{
    struct fixture *f = *state;
    const struct wire_message message = {.type = FRAME_TYPE, .header_bytes = SLICE_EMPTY};
    assert_int_equal(peers_send(f->peers, PEER, 1, PEER_CHANNEL_LOG, &message), ERR_NOT_FOUND);
    assert_int_equal(peers_set(f->peers, &f->address), ERR_OK);
    peers_remove(f->peers, PEER);
    assert_null(peers_find(f->peers, PEER));
}

static void addresses_are_bounded(void **state)
{
    const struct slice zone = slice_from_string("z"), host = slice_from_string("127.0.0.1");
    static const uint8_t bytes[PEER_HOST_BYTES];
    const struct slice too_long = slice_make(bytes, sizeof bytes);
    struct peer_address a = {.node_id = 1};
    assert_int_equal(peer_address_set(&a, zone, host, 65533, LOOPS), ERR_OK);
    assert_int_equal(peer_port(&a, 5), 65535);
    assert_int_equal(peer_address_set(&a, zone, host, 65534, LOOPS), ERR_LIMIT);
    assert_int_equal(peer_address_set(&a, zone, host, 70000, 1), ERR_LIMIT);
    assert_int_equal(peer_address_set(&a, zone, host, 1, 70000), ERR_LIMIT);
    assert_int_equal(peer_address_set(&a, zone, too_long, 1, 1), ERR_LIMIT);
    assert_int_equal(peer_address_set(&a, too_long, host, 1, 1), ERR_LIMIT);
    assert_int_equal(peer_address_set(&a, zone, host, 8020, 0), ERR_OK);
    assert_int_equal(a.loops, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_groups_frames_go_to_its_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_number_of_loops_changes_the_port, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_are_not_found, setup, teardown),
        cmocka_unit_test(addresses_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

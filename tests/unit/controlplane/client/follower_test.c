#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/clock.h"
#include "controlplane/client/bundle_follower.h"
#include "controlplane/client/control_client.h"
#include "controlplane/client/route_client.h"
#include "controlplane/proto/frame_type.h"

/* A server that answers fetches from a store, routes with group 7, and control operations with their body. The first of
 * two control servers is a standby and refuses. */
struct world {
    struct loop loop;
    struct cluster_key key;
    struct bundle_store *store;
    struct wire_server *server;
    struct wire_server *standby;
    struct bundle_store *old; /* what the standby has, when it answers fetches; less than the server */
    struct peer_set *peers;
    struct dependency_metrics metrics;
    struct bundle_follower *follower;
    int changes;
    uint64_t version;
    bool is_done;
    enum err err;
    uint64_t group_id;
    char body[32];
};

static void answer_lookup(struct wire_call call, size_t keys)
{
    Sluice__Controlplane__GroupRoute route;
    sluice__controlplane__group_route__init(&route);
    Sluice__Controlplane__GroupRoute *routes[] = {&route, &route};
    Sluice__Controlplane__LookupRoutesReply reply;
    sluice__controlplane__lookup_routes_reply__init(&reply);
    route.group_id = 7;
    reply.n_routes = keys;
    reply.routes = routes;
    wire_reply(call, &(struct wire_message){.header = &reply.base});
}

static void on_request(struct wire_call call, const struct frame *frame, void *data)
{
    struct world *w = data;
    if (frame->type == CONTROLPLANE_FRAME_LOOKUP_ROUTES) {
        answer_lookup(call, 2);
    } else if (frame->type == CONTROLPLANE_FRAME_CONTROL) {
        Sluice__Controlplane__ControlReply reply;
        sluice__controlplane__control_reply__init(&reply);
        reply.http_status = 200;
        reply.bundle_version = 3;
        wire_reply(call, &(struct wire_message){
                             .header = &reply.base, .payload = &frame->payload, .payload_count = 1});
    } else {
        struct buffer packed;
        struct arena arena;
        arena_init(&arena, 1024, 4096);
        const Sluice__Controlplane__FetchBundle *request =
            proto_unpack(&sluice__controlplane__fetch_bundle__descriptor, frame->header, &arena);
        buffer_init(&packed, 1 << 20);
        bundle_update_append(&packed, w->store, request->since_version, 1);
        arena_deinit(&arena);
        wire_reply(call, &(struct wire_message){.header_bytes = buffer_view(&packed)});
        buffer_deinit(&packed);
    }
}

/* As a MemDS: what is newer, or a refusal to who knows more; nobody is held. */
static void on_standby_request(struct wire_call call, const struct frame *frame, void *data)
{
    struct world *w = data;
    if (w->old == NULL || frame->type != CONTROLPLANE_FRAME_FETCH_BUNDLE) {
        wire_refuse(call, ERR_NOT_LEADER);
        return;
    }
    struct buffer packed;
    struct arena arena;
    arena_init(&arena, 1024, 4096);
    const Sluice__Controlplane__FetchBundle *request =
        proto_unpack(&sluice__controlplane__fetch_bundle__descriptor, frame->header, &arena);
    buffer_init(&packed, 1 << 20);
    bundle_update_append(&packed, w->old, request->since_version, BUNDLE_UPDATE_BYTES_MAX);
    if (bundle_store_version(w->old) < request->since_version)
        wire_refuse(call, ERR_UNAVAILABLE);
    else
        wire_reply(call, &(struct wire_message){.header_bytes = buffer_view(&packed)});
    arena_deinit(&arena);
    buffer_deinit(&packed);
}

static struct wire_server *open_server(struct world *w, wire_request_cb on)
{
    const struct wire_server_options options = {.host = "127.0.0.1",
                                                .identity = {.cluster_id = 5, .role = WIRE_ROLE_MEMDS},
                                                .on_request = on,
                                                .data = w};
    struct wire_server *server = NULL;
    assert_int_equal(wire_server_open(&w->loop, &options, &server, NULL), ERR_OK);
    return server;
}

static void put_in(struct world *w, struct bundle_store *store, const char *id, uint64_t version)
{
    uint8_t signature[BUNDLE_SIGNATURE_BYTES];
    struct bundle_object object = {.kind = BUNDLE_TENANT, .version = version, .id = slice_from_string(id)};
    bundle_object_sign(&w->key, &object, signature);
    object.signature = slice_make(signature, sizeof signature);
    assert_int_equal(bundle_store_put(store, &object), ERR_OK);
    bundle_store_advance(store, version);
}

static void put(struct world *w, const char *id, uint64_t version)
{
    put_in(w, w->store, id, version);
}

static int set_up(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    char addresses[64];
    assert_int_equal(loop_init(&w->loop), ERR_OK);
    assert_int_equal(
        cluster_key_parse(SLICE_LITERAL("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
                          &w->key, NULL),
        ERR_OK);
    w->store = bundle_store_create();
    w->server = open_server(w, on_request);
    w->standby = open_server(w, on_standby_request);
    (void)snprintf(addresses, sizeof addresses, "127.0.0.1:%u,127.0.0.1:%u", wire_server_port(w->standby),
                   wire_server_port(w->server));
    const struct peer_set_options options = {.name = "peers",
                                             .addresses = addresses,
                                             .identity = {.cluster_id = 5, .role = WIRE_ROLE_ROUTER},
                                             .dependency = &w->metrics,
                                             .breaker = &breaker_item_path};
    assert_int_equal(peer_set_open(&w->loop, &options, &w->peers, NULL), ERR_OK);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    if (w->follower != NULL)
        bundle_follower_stop(w->follower);
    peer_set_close(w->peers, NULL, NULL);
    if (w->server != NULL)
        wire_server_close(w->server, NULL, NULL);
    wire_server_close(w->standby, NULL, NULL);
    loop_run(&w->loop);
    loop_deinit(&w->loop);
    bundle_store_destroy(w->store);
    bundle_store_destroy(w->old);
    test_free(w);
    return 0;
}

static void run_until(struct world *w, bool (*is_true)(struct world *))
{
    uint64_t deadline_us = clock_boot_us() + 5000000;
    while (!is_true(w)) {
        assert_true(clock_boot_us() < deadline_us);
        loop_run_once(&w->loop, 10);
    }
}

static bool is_done(struct world *w)
{
    return w->is_done;
}

static bool is_version_3(struct world *w)
{
    return w->version == 3;
}

static void on_change(const struct bundle_object *object, void *data)
{
    struct world *w = data;
    w->changes++;
}

static void on_version(uint64_t version, void *data)
{
    struct world *w = data;
    assert_true(version >= w->version);
    w->version = version;
}

static void on_waited(enum err err, void *data)
{
    struct world *w = data;
    w->err = err;
    w->is_done = true;
}

static void follower_starts_cold_and_waits_for_versions(void **state)
{
    struct world *w = *state;
    put(w, "a", 1);
    put(w, "b", 2);
    put(w, "c", 3);
    const struct bundle_follower_options options = {
        .memds = w->peers, .key = &w->key, .on_change = on_change, .on_version = on_version, .data = w};
    assert_int_equal(bundle_follower_start(&w->loop, &options, &w->follower), ERR_OK);
    assert_false(bundle_follower_is_ready(w->follower));
    assert_int_equal(bundle_follower_wait(w->follower, 3, clock_boot_us() + 5000000, on_waited, w), ERR_OK);
    run_until(w, is_version_3);
    run_until(w, is_done);
    assert_int_equal(w->err, ERR_OK);
    assert_int_equal(w->changes, 3);
    assert_true(bundle_follower_is_ready(w->follower));
    w->is_done = false;
    assert_int_equal(bundle_follower_wait(w->follower, 9, clock_boot_us() + 20000, on_waited, w), ERR_OK);
    run_until(w, is_done);
    assert_int_equal(w->err, ERR_TIMEOUT);
}

static bool is_version_4(struct world *w)
{
    return w->version == 4;
}

static void follower_never_goes_back_and_goes_on_with_whoever_is_left(void **state)
{
    struct world *w = *state;
    w->old = bundle_store_create();
    put(w, "a", 1);
    put(w, "b", 2);
    put(w, "c", 3);
    put_in(w, w->old, "a", 1);
    const struct bundle_follower_options options = {
        .memds = w->peers, .key = &w->key, .on_change = on_change, .on_version = on_version, .data = w};
    assert_int_equal(bundle_follower_start(&w->loop, &options, &w->follower), ERR_OK);
    run_until(w, is_version_3); /* whoever was asked first */
    wire_server_close(w->server, NULL, NULL);
    w->server = NULL;
    uint64_t end_us = clock_boot_us() + 300000; /* polls of who has less */
    while (clock_boot_us() < end_us)
        loop_run_once(&w->loop, 10);
    assert_int_equal(bundle_follower_version(w->follower), 3);
    assert_int_equal(w->changes, 3);
    put_in(w, w->old, "b", 2);
    put_in(w, w->old, "c", 3);
    put_in(w, w->old, "d", 4);
    run_until(w, is_version_4);
    assert_int_equal(w->changes, 4);
}

static void on_result(enum err err, const struct control_result *result, void *data)
{
    struct world *w = data;
    w->err = err;
    w->is_done = true;
    if (result != NULL)
        (void)snprintf(w->body, sizeof w->body, "%d %.*s", result->http_status, SLICE_PRINTF(result->body));
}

static bool is_ready(struct world *w)
{
    return peer_set_is_ready(w->peers);
}

static void control_call_goes_past_the_standby(void **state)
{
    struct world *w = *state;
    const struct control_request request = {.tenant_id = "1",
                                            .operation = "X",
                                            .principal_arn = "",
                                            .request_id = "",
                                            .body = SLICE_LITERAL("{}")};
    run_until(w, is_ready);
    assert_int_equal(control_call(w->peers, &request, clock_boot_us() + 5000000, on_result, w), ERR_OK);
    run_until(w, is_done);
    assert_int_equal(w->err, ERR_OK);
    assert_string_equal(w->body, "200 {}");
}

static void on_routes(enum err err, const Sluice__Controlplane__LookupRoutesReply *reply, void *data)
{
    struct world *w = data;
    w->err = err;
    w->is_done = true;
    w->group_id = reply == NULL ? 0 : reply->routes[0]->group_id;
}

static void lookup_wants_one_route_for_each_key(void **state)
{
    struct world *w = *state;
    const struct slice keys[] = {SLICE_LITERAL("a"), SLICE_LITERAL("b")};
    run_until(w, is_ready);
    assert_int_equal(route_lookup(w->peers, keys, 2, clock_boot_us() + 5000000, 0, on_routes, w), ERR_OK);
    run_until(w, is_done);
    assert_int_equal(w->err, ERR_OK);
    assert_int_equal(w->group_id, 7);
    w->is_done = false;
    assert_int_equal(route_lookup(w->peers, keys, 1, clock_boot_us() + 5000000, 0, on_routes, w), ERR_OK);
    run_until(w, is_done);
    assert_int_equal(w->err, ERR_INVALID);
    assert_int_equal(route_lookup(w->peers, keys, ROUTE_KEYS_MAX + 1, 0, 0, on_routes, w), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(follower_starts_cold_and_waits_for_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(follower_never_goes_back_and_goes_on_with_whoever_is_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(control_call_goes_past_the_standby, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lookup_wants_one_route_for_each_key, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

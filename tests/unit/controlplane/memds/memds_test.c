/* Several instances on one loop, and a client that plays leaders, routers and control. */
#include "controlplane/memds/memds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/proto.h"
#include "base/wire_client.h"
#include "controlplane/bundle/update.h"
#include "controlplane/memds/digest_tree.h"
#include "controlplane/proto/controlplane.pb-c.h"
#include "controlplane/proto/frame_type.h"

enum { CLUSTER = 9, INSTANCES = 3, COMPARE_US = 10000, PATIENCE_US = 500000, WAIT_US = 5000000 };

struct instance {
    struct memds *memds;
    struct memds_metrics metrics;
    char data_dir[64];
    uint16_t port;
    bool is_ready;
    struct wire_client *client;
};

struct world {
    struct loop loop;
    struct cluster_key key;
    struct bundle_store *control; /* what control has */
    struct arena arena;           /* of answers */
    struct instance instances[INSTANCES];
    bool is_answered;
    enum err err;
    const void *answer;
    const ProtobufCMessageDescriptor *expected;
};

static void run_until(struct world *w, const bool *is_true)
{
    uint64_t deadline_us = clock_boot_us() + WAIT_US;
    while (!*is_true) {
        assert_true(clock_boot_us() < deadline_us);
        loop_run_once(&w->loop, 5);
    }
}

static void run_for(struct world *w, uint64_t duration_us)
{
    uint64_t end_us = clock_boot_us() + duration_us;
    while (clock_boot_us() < end_us)
        loop_run_once(&w->loop, 5);
}

/* ---- instances ---- */

static void on_ready(void *data)
{
    ((struct instance *)data)->is_ready = true;
}

/* `peers` are those that were started before; the list of the first is empty. */
static void start(struct world *w, int number, const int *peers, int peer_count)
{
    struct instance *it = &w->instances[number];
    char addresses[256] = "";
    size_t length = 0;
    for (int i = 0; i < peer_count; i++)
        length += (size_t)snprintf(addresses + length, sizeof addresses - length, "127.0.0.1:%u,",
                                   w->instances[peers[i]].port);
    const struct memds_options options = {
        .host = "127.0.0.1",
        .port = it->port,
        .data_dir = it->data_dir,
        .peers = addresses,
        .cluster_id = CLUSTER,
        .key = w->key,
        .metrics = &it->metrics,
        .save_delay_us = 1000,
        .compare_us = COMPARE_US,
        .patience_us = PATIENCE_US,
        .on_ready = on_ready,
        .data = it,
    };
    it->is_ready = false;
    assert_int_equal(memds_open(&w->loop, &options, &it->memds, NULL), ERR_OK);
    it->port = memds_port(it->memds);
    const struct wire_client_options client = {
        .name = "test", .host = "127.0.0.1", .port = it->port, .identity = {CLUSTER, WIRE_ROLE_TOOL, 0}};
    assert_int_equal(wire_client_open(&w->loop, &client, &it->client, NULL), ERR_OK);
}

static void stop(struct world *w, int number)
{
    struct instance *it = &w->instances[number];
    uint64_t deadline_us = clock_boot_us() + WAIT_US;
    if (it->memds == NULL)
        return;
    while (!memds_drain(it->memds)) {
        assert_true(clock_boot_us() < deadline_us);
        loop_run_once(&w->loop, 5);
    }
    wire_client_close(it->client, NULL, NULL);
    memds_close(it->memds);
    run_for(w, 20000);
    memds_free(it->memds);
    it->memds = NULL;
}

static int set_up(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    assert_int_equal(loop_init(&w->loop), ERR_OK);
    arena_init(&w->arena, 4096, 64 << 20);
    assert_int_equal(
        cluster_key_parse(SLICE_LITERAL("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
                          &w->key, NULL),
        ERR_OK);
    w->control = bundle_store_create();
    for (int i = 0; i < INSTANCES; i++) {
        (void)snprintf(w->instances[i].data_dir, sizeof w->instances[i].data_dir, "/tmp/memds-test-XXXXXX");
        assert_non_null(mkdtemp(w->instances[i].data_dir));
    }
    *state = w;
    return 0;
}

static void forget_disk(const struct instance *it)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/bundle", it->data_dir);
    (void)unlink(path); /* may never have been written */
}

static int tear_down(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < INSTANCES; i++) {
        stop(w, i);
        forget_disk(&w->instances[i]);
        assert_int_equal(rmdir(w->instances[i].data_dir), 0);
    }
    loop_deinit(&w->loop);
    arena_deinit(&w->arena);
    bundle_store_destroy(w->control);
    test_free(w);
    return 0;
}

/* ---- calls ---- */

static void on_response(enum err err, const struct frame *response, void *data)
{
    struct world *w = data;
    w->is_answered = true;
    w->err = err;
    w->answer = err == ERR_OK ? proto_unpack(w->expected, response->header, &w->arena) : NULL;
    assert_true(err != ERR_OK || w->answer != NULL);
}

static enum err call_bytes(struct world *w, int number, uint16_t type, struct slice header,
                           const ProtobufCMessageDescriptor *expected)
{
    const struct wire_message message = {.type = type, .header_bytes = header};
    w->is_answered = false;
    w->expected = expected;
    assert_int_equal(
        wire_client_call(w->instances[number].client, &message, clock_boot_us() + WAIT_US, on_response, w),
        ERR_OK);
    run_until(w, &w->is_answered);
    return w->err;
}

static enum err call(struct world *w, int number, uint16_t type, const ProtobufCMessage *header,
                     const ProtobufCMessageDescriptor *expected)
{
    return call_bytes(w, number, type, proto_pack(header, &w->arena), expected);
}

/* Group g holds the keys that begin with letter 'a' + g. */
static void publish(struct world *w, int number, uint64_t group_id, uint64_t term, bool is_removed)
{
    uint8_t bounds[] = {(uint8_t)('a' + group_id), (uint8_t)('b' + group_id)};
    Sluice__Controlplane__GroupRoute route = SLUICE__CONTROLPLANE__GROUP_ROUTE__INIT;
    Sluice__Controlplane__GroupRoute *routes[] = {&route};
    Sluice__Controlplane__PublishRoutes request = SLUICE__CONTROLPLANE__PUBLISH_ROUTES__INIT;
    route.group_id = group_id;
    route.range_start = proto_bytes(slice_make(&bounds[0], 1));
    route.range_end = proto_bytes(slice_make(&bounds[1], 1));
    route.term = term;
    route.is_removed = is_removed;
    request.routes = routes;
    request.n_routes = 1;
    assert_int_equal(call(w, number, CONTROLPLANE_FRAME_PUBLISH_ROUTES, &request.base,
                          &sluice__controlplane__publish_routes_reply__descriptor),
                     ERR_OK);
}

/* The term of the group that holds the letter; 0: of none. */
static enum err look_up(struct world *w, int number, uint64_t group_id, uint64_t *ret_term)
{
    uint8_t letter = (uint8_t)('a' + group_id);
    ProtobufCBinaryData key = proto_bytes(slice_make(&letter, 1));
    Sluice__Controlplane__LookupRoutes request = SLUICE__CONTROLPLANE__LOOKUP_ROUTES__INIT;
    request.keys = &key;
    request.n_keys = 1;
    enum err err = call(w, number, CONTROLPLANE_FRAME_LOOKUP_ROUTES, &request.base,
                        &sluice__controlplane__lookup_routes_reply__descriptor);
    if (err == ERR_OK)
        *ret_term = ((const Sluice__Controlplane__LookupRoutesReply *)w->answer)->routes[0]->term;
    return err;
}

static void wait_for_term(struct world *w, int number, uint64_t group_id, uint64_t term)
{
    uint64_t deadline_us = clock_boot_us() + WAIT_US;
    uint64_t found = UINT64_MAX;
    while (look_up(w, number, group_id, &found) != ERR_OK || found != term) {
        assert_true(clock_boot_us() < deadline_us);
        run_for(w, 5000);
    }
}

static void change_bundle(struct world *w, const char *id)
{
    uint8_t signature[BUNDLE_SIGNATURE_BYTES];
    struct bundle_object object = {
        .kind = BUNDLE_TENANT, .version = bundle_store_version(w->control) + 1, .id = slice_from_string(id)};
    bundle_object_sign(&w->key, &object, signature);
    object.signature = slice_make(signature, sizeof signature);
    assert_int_equal(bundle_store_put(w->control, &object), ERR_OK);
    bundle_store_advance(w->control, object.version);
}

static void push(struct world *w, int number)
{
    struct buffer packed;
    buffer_init(&packed, 1 << 20);
    bundle_update_append(&packed, w->control, 0, BUNDLE_UPDATE_BYTES_MAX);
    assert_int_equal(call_bytes(w, number, CONTROLPLANE_FRAME_PUSH_BUNDLE, buffer_view(&packed),
                                &sluice__controlplane__bundle_update_reply__descriptor),
                     ERR_OK);
    buffer_deinit(&packed);
}

static enum err fetch(struct world *w, int number, uint64_t since, uint64_t *ret_version)
{
    Sluice__Controlplane__FetchBundle request = SLUICE__CONTROLPLANE__FETCH_BUNDLE__INIT;
    request.since_version = since;
    enum err err = call(w, number, CONTROLPLANE_FRAME_FETCH_BUNDLE, &request.base,
                        &sluice__controlplane__bundle_update__descriptor);
    if (err == ERR_OK)
        *ret_version = ((const Sluice__Controlplane__BundleUpdate *)w->answer)->version;
    return err;
}

/* ---- tests ---- */

static void instance_alone_is_ready_at_once(void **state)
{
    struct world *w = *state;
    start(w, 0, NULL, 0);
    run_until(w, &w->instances[0].is_ready);
    uint64_t term = 9;
    assert_int_equal(look_up(w, 0, 1, &term), ERR_OK);
    assert_int_equal(term, 0);
}

static void empty_instance_catches_up_before_it_is_ready(void **state)
{
    struct world *w = *state;
    change_bundle(w, "a");
    change_bundle(w, "b");
    start(w, 0, NULL, 0);
    push(w, 0);
    for (uint64_t group_id = 1; group_id <= 20; group_id++)
        publish(w, 0, group_id, group_id, false);
    publish(w, 0, 21, 1, true);
    start(w, 1, (const int[]){0}, 1);
    assert_false(w->instances[1].is_ready);
    run_until(w, &w->instances[1].is_ready);
    for (uint64_t group_id = 1; group_id <= 20; group_id++) {
        uint64_t term = 0;
        assert_int_equal(look_up(w, 1, group_id, &term), ERR_OK);
        assert_int_equal(term, group_id);
    }
    uint64_t version = 0;
    assert_int_equal(fetch(w, 1, 0, &version), ERR_OK);
    assert_int_equal(version, 2);
    publish(w, 1, 21, 7, false); /* it has heard of the removal */
    uint64_t term = 9;
    assert_int_equal(look_up(w, 1, 21, &term), ERR_OK);
    assert_int_equal(term, 0);
}

static void news_of_one_reaches_the_others(void **state)
{
    struct world *w = *state;
    start(w, 0, NULL, 0);
    start(w, 1, (const int[]){0}, 1);
    start(w, 2, (const int[]){0}, 1);
    for (int i = 0; i < INSTANCES; i++)
        run_until(w, &w->instances[i].is_ready);
    publish(w, 0, 3, 1, false); /* from the one that is asked */
    wait_for_term(w, 2, 3, 1);
    publish(w, 1, 3, 2, false); /* from one that asks, through the first, to the third */
    wait_for_term(w, 0, 3, 2);
    wait_for_term(w, 2, 3, 2);
    publish(w, 2, 3, 2, true);
    wait_for_term(w, 1, 3, 0);
    change_bundle(w, "a");
    push(w, 0);
    uint64_t version = 0;
    uint64_t deadline_us = clock_boot_us() + WAIT_US;
    while (fetch(w, 2, 0, &version) != ERR_OK || version != 1)
        assert_true(clock_boot_us() < deadline_us);
    assert_int_equal(w->instances[1].metrics.compares_failed.value, 0);
    assert_int_equal(w->instances[1].metrics.routes_given.value, 1);
}

static void without_peers_that_are_ready_a_disk_copy_will_do(void **state)
{
    struct world *w = *state;
    change_bundle(w, "a");
    start(w, 0, NULL, 0);
    start(w, 1, (const int[]){0}, 1);
    push(w, 1);
    run_until(w, &w->instances[1].is_ready);
    stop(w, 1);
    stop(w, 0);
    start(w, 1, (const int[]){0}, 1); /* there is nobody to ask */
    uint64_t began_us = clock_boot_us();
    uint64_t term, version;
    publish(w, 1, 4, 8, false);
    assert_int_equal(look_up(w, 1, 4, &term), ERR_OK); /* what it knows it says */
    assert_int_equal(look_up(w, 1, 5, &term), ERR_UNAVAILABLE);
    assert_int_equal(fetch(w, 1, 0, &version), ERR_UNAVAILABLE); /* an old copy is not taken for all */
    run_until(w, &w->instances[1].is_ready);
    assert_int_equal(fetch(w, 1, 0, &version), ERR_OK);
    assert_int_equal(version, 1);
    assert_true(clock_boot_us() - began_us >= PATIENCE_US / 2);
    assert_int_equal(look_up(w, 1, 5, &term), ERR_OK);
}

static void without_peers_and_disk_copy_it_waits_for_control(void **state)
{
    struct world *w = *state;
    uint64_t version;
    w->instances[0].port = 1; /* nobody is there */
    start(w, 1, (const int[]){0}, 1);
    run_for(w, 2 * PATIENCE_US);
    assert_false(w->instances[1].is_ready);
    assert_int_equal(fetch(w, 1, 0, &version), ERR_UNAVAILABLE);
    push(w, 1); /* of an empty fleet: this is all that there is */
    run_until(w, &w->instances[1].is_ready);
    assert_int_equal(fetch(w, 1, 0, &version), ERR_OK);
    assert_int_equal(version, 0);
    w->instances[0].port = 0;
}

static void who_knows_more_is_sent_on(void **state)
{
    struct world *w = *state;
    uint64_t version;
    change_bundle(w, "a");
    start(w, 0, NULL, 0);
    run_until(w, &w->instances[0].is_ready);
    push(w, 0);
    assert_int_equal(fetch(w, 0, 1, &version), ERR_OK);
    assert_int_equal(fetch(w, 0, 2, &version), ERR_UNAVAILABLE);
}

static void nonsense_is_refused(void **state)
{
    struct world *w = *state;
    start(w, 0, NULL, 0);
    Sluice__Controlplane__RoutePart part = SLUICE__CONTROLPLANE__ROUTE_PART__INIT;
    Sluice__Controlplane__RoutePart *parts[] = {&part};
    Sluice__Controlplane__CompareRoutes question = SLUICE__CONTROLPLANE__COMPARE_ROUTES__INIT;
    const ProtobufCMessageDescriptor *expected = &sluice__controlplane__compare_routes_reply__descriptor;
    question.parts = parts;
    question.n_parts = 1;
    assert_int_equal(call(w, 0, CONTROLPLANE_FRAME_COMPARE_ROUTES, &question.base, expected), ERR_OK);
    part.part = DIGEST_PART_COUNT;
    assert_int_equal(call(w, 0, CONTROLPLANE_FRAME_COMPARE_ROUTES, &question.base, expected), ERR_INVALID);
    assert_int_equal(
        call_bytes(w, 0, CONTROLPLANE_FRAME_COMPARE_ROUTES, SLICE_LITERAL("\xff\xff\xff"), expected),
        ERR_INVALID);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(instance_alone_is_ready_at_once),
        TEST(empty_instance_catches_up_before_it_is_ready),
        TEST(news_of_one_reaches_the_others),
        TEST(without_peers_that_are_ready_a_disk_copy_will_do),
        TEST(without_peers_and_disk_copy_it_waits_for_control),
        TEST(who_knows_more_is_sent_on),
        TEST(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

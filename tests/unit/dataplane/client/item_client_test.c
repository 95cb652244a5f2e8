/* The item client against nodes that follow a script. */
#include "dataplane/client/item_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/proto.h"
#include "dataplane/proto/frame_type.h"

enum {
    CLUSTER = 7,
    NODES = 3,
    STEPS_MAX = 64,
    GROUP = 5,
    ID_BYTES = 16,
    SILENCE = -1, /* instead of a status: no answer at all */
    ATTEMPT_US = 60 * 1000,
    REFRESH_US = 200 * 1000,
};

struct seen {
    uint32_t node;
    uint64_t range_epoch;
    uint32_t deadline_us;
    uint8_t request_id[ID_BYTES];
};

struct fixture;

struct node {
    struct fixture *fixture;
    struct wire_server *server;
    uint32_t id;
};

struct fixture {
    struct loop loop;
    struct arena arena;
    struct node nodes[NODES];
    struct item_client *client;
    struct item_client_metrics metrics;
    struct dependency_metrics dependency;
    struct wire_metrics wire_metrics;
    bool is_one_node; /* the servers are the loops of node 1 */
    /* The script: what the next request gets, whoever is asked; the last step repeats. */
    int steps[STEPS_MAX];
    uint32_t hints[STEPS_MAX]; /* node that the answer's route names as leader; 0: no route */
    size_t step_count;
    struct seen seen[STEPS_MAX];
    size_t seen_count;
    /* What a look-up finds: a route led by this node; 0: nothing. */
    uint32_t found_leader;
    bool is_found_empty; /* a route that names no replicas */
    unsigned lookups;
    unsigned refreshes;  /* keys */
    bool is_lookup_held; /* the test answers */
    uint64_t epoch;
    uint32_t hanging;     /* this node never answers; 0: none */
    uint32_t only_leader; /* the others say that they are not; 0: whoever is asked follows the script */
    size_t asked[NODES + 1];

    struct item_call call;
    uint8_t request_id[ID_BYTES];
    bool is_done;
    enum err err;
    int status;
    char payload[32];
};

/* ---- routes ---- */

static void fill_route(struct fixture *f, uint32_t leader, Sluice__Dataplane__Route *route,
                       Sluice__Dataplane__ReplicaAddress addresses[NODES],
                       Sluice__Dataplane__ReplicaAddress *list[NODES])
{
    static char host[] = "127.0.0.1", zone[] = "a";
    sluice__dataplane__route__init(route);
    route->group_id = GROUP;
    route->range_epoch = f->epoch;
    route->term = leader; /* a hint is newer, as a later leader is known by a later term */
    route->leader_replica_id = leader + 10;
    route->range_start = proto_bytes(SLICE_LITERAL("a"));
    route->range_end = proto_bytes(SLICE_LITERAL("z"));
    route->n_replicas = NODES;
    route->replicas = list;
    for (uint32_t i = 0; i < NODES; i++) {
        sluice__dataplane__replica_address__init(&addresses[i]);
        addresses[i].replica_id = i + 11;
        addresses[i].node_id = f->is_one_node ? 1 : i + 1;
        addresses[i].host = host;
        addresses[i].zone = zone;
        addresses[i].port = wire_server_port(f->nodes[i].server);
        list[i] = &addresses[i];
    }
}

static void learn(struct fixture *f, uint32_t leader)
{
    Sluice__Dataplane__Route route;
    Sluice__Dataplane__ReplicaAddress addresses[NODES], *list[NODES];
    fill_route(f, leader, &route, addresses, list);
    item_client_learn(f->client, &route);
}

static void look_up(struct item_client *client, const struct slice *keys, size_t count, bool is_refresh,
                    void *data)
{
    struct fixture *f = data;
    if (is_refresh) {
        f->refreshes += (unsigned)count;
        return;
    }
    f->lookups++;
    if (f->is_lookup_held)
        return;
    if (f->found_leader != 0 && !f->is_found_empty)
        learn(f, f->found_leader);
    if (f->is_found_empty) {
        Sluice__Dataplane__Route route;
        Sluice__Dataplane__ReplicaAddress addresses[NODES], *list[NODES];
        fill_route(f, 1, &route, addresses, list);
        route.n_replicas = 0;
        item_client_learn(client, &route);
    }
    item_client_looked_up(client);
}

/* ---- nodes ---- */

static void reply(struct node *node, struct wire_call call, int status, uint32_t hint)
{
    struct fixture *f = node->fixture;
    Sluice__Dataplane__Route route;
    Sluice__Dataplane__ReplicaAddress addresses[NODES], *list[NODES];
    Sluice__Dataplane__WriteResponse response;
    sluice__dataplane__write_response__init(&response);
    response.status = (Sluice__Dataplane__Status)status;
    if (hint != 0) {
        fill_route(f, hint, &route, addresses, list);
        response.route = &route;
    }
    const struct slice payload = SLICE_LITERAL("row");
    const struct wire_message message = {.header = &response.base, .payload = &payload, .payload_count = 1};
    wire_reply(call, &message);
}

static void on_range_request(struct node *node, struct wire_call call, const struct frame *frame, size_t step)
{
    struct fixture *f = node->fixture;
    const Sluice__Dataplane__RangeRequest *request =
        proto_unpack(&sluice__dataplane__range_request__descriptor, frame->header, &f->arena);
    assert_non_null(request);
    assert_int_equal(request->group_id, GROUP);
    assert_true(slice_equal_string(proto_slice(request->begin), "m"));
    assert_true(slice_equal_string(frame->payload, "filter"));
    f->seen[f->seen_count++] = (struct seen){.node = node->id, .range_epoch = request->range_epoch};
    Sluice__Dataplane__RangeResponse response;
    sluice__dataplane__range_response__init(&response);
    response.status = (Sluice__Dataplane__Status)f->steps[step];
    response.evaluated_count = 17;
    const struct slice payload = SLICE_LITERAL("rows");
    wire_reply(call,
               &(struct wire_message){.header = &response.base, .payload = &payload, .payload_count = 1});
}

static void on_request(struct wire_call call, const struct frame *frame, void *data)
{
    struct node *node = data;
    struct fixture *f = node->fixture;
    size_t step = f->seen_count < f->step_count ? f->seen_count : f->step_count - 1;
    arena_reset(&f->arena);
    if (frame->type == DATAPLANE_FRAME_RANGE) {
        on_range_request(node, call, frame, step);
        return;
    }
    const Sluice__Dataplane__WriteRequest *request =
        proto_unpack(&sluice__dataplane__write_request__descriptor, frame->header, &f->arena);
    assert_non_null(request);
    assert_int_equal(frame->type, DATAPLANE_FRAME_WRITE);
    assert_int_equal(request->group_id, GROUP);
    assert_int_equal(request->request_id.len, ID_BYTES);
    assert_true(request->deadline_us > 0);
    f->asked[node->id]++;
    struct seen *seen = &f->seen[f->seen_count < STEPS_MAX ? f->seen_count++ : STEPS_MAX - 1];
    seen->node = node->id;
    seen->range_epoch = request->range_epoch;
    seen->deadline_us = request->deadline_us;
    memcpy(seen->request_id, request->request_id.data, ID_BYTES);
    if (f->steps[step] == SILENCE || node->id == f->hanging)
        return;
    if (f->only_leader != 0 && node->id != f->only_leader)
        reply(node, call, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 0);
    else
        reply(node, call, f->steps[step], f->hints[step]);
}

static void open_node(struct fixture *f, uint32_t id)
{
    struct node *node = &f->nodes[id - 1];
    node->fixture = f;
    node->id = id;
    const struct wire_server_options options = {
        .host = "127.0.0.1",
        .identity = {CLUSTER, WIRE_ROLE_NODE, f->is_one_node ? 1 : id},
        .on_request = on_request,
        .data = node,
    };
    struct error error;
    assert_int_equal(wire_server_open(&f->loop, &options, &node->server, &error), ERR_OK);
}

/* ---- life ---- */

static int setup(void **state)
{
    struct fixture *f = memory_zalloc(sizeof *f);
    assert_non_null(f);
    assert_int_equal(loop_init(&f->loop), ERR_OK);
    arena_init(&f->arena, 4096, 1 << 20);
    f->epoch = 1;
    for (uint32_t id = 1; id <= NODES; id++)
        open_node(f, id);
    const struct item_client_options options = {
        .identity = {CLUSTER, WIRE_ROLE_ROUTER, 0},
        .metrics = &f->metrics,
        .dependency = &f->dependency,
        .wire_metrics = &f->wire_metrics,
        .zone = "a",
        .attempt_us = ATTEMPT_US,
        .refresh_us = REFRESH_US,
        .lookup = look_up,
        .data = f,
    };
    assert_int_equal(item_client_create(&f->loop, &options, &f->client), ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    item_client_destroy(f->client);
    for (int i = 0; i < NODES; i++)
        wire_server_close(f->nodes[i].server, NULL, NULL);
    loop_deinit(&f->loop);
    arena_deinit(&f->arena);
    memory_free(f);
    return 0;
}

static void on_done(struct item_call *call, enum err err, const ProtobufCMessage *header,
                    struct slice payload)
{
    struct fixture *f = call->data;
    assert_false(f->is_done);
    f->is_done = true;
    f->err = err;
    f->status = err == ERR_OK ? (int)((const Sluice__Dataplane__WriteResponse *)header)->status : -1;
    snprintf(f->payload, sizeof f->payload, "%.*s", SLICE_PRINTF(payload));
}

static void begin(struct fixture *f, uint64_t deadline_us)
{
    memset(f->request_id, 42, ID_BYTES);
    sluice__dataplane__write_request__init(&f->call.write);
    f->call.write.request_id = (ProtobufCBinaryData){.len = ID_BYTES, .data = f->request_id};
    f->call.key = SLICE_LITERAL("m");
    f->call.is_write = true;
    f->call.deadline_us = clock_boot_us() + deadline_us;
    f->call.done = on_done;
    f->call.data = f;
    item_client_begin(f->client, &f->call);
    assert_false(f->is_done); /* never inside the call that began it */
}

static void on_range_done(struct item_call *call, enum err err, const ProtobufCMessage *header,
                          struct slice payload)
{
    struct fixture *f = call->data;
    assert_false(f->is_done);
    f->is_done = true;
    f->err = err;
    f->status = err == ERR_OK ? (int)((const Sluice__Dataplane__RangeResponse *)header)->evaluated_count : -1;
    snprintf(f->payload, sizeof f->payload, "%.*s", SLICE_PRINTF(payload));
}

static void begin_range(struct fixture *f, Sluice__Dataplane__ReadConsistency consistency)
{
    sluice__dataplane__range_request__init(&f->call.range);
    f->call.range.begin = proto_bytes(SLICE_LITERAL("m"));
    f->call.range.consistency = consistency;
    f->call.payload[0] = SLICE_LITERAL("filter");
    f->call.payload_count = 1;
    f->call.key = SLICE_LITERAL("m");
    f->call.is_range = true;
    f->call.deadline_us = clock_boot_us() + 2 * 1000 * 1000;
    f->call.done = on_range_done;
    f->call.data = f;
    item_client_begin(f->client, &f->call);
}

static void finish(struct fixture *f)
{
    uint64_t give_up_us = clock_boot_us() + 5 * 1000 * 1000;
    while (!f->is_done) {
        assert_true(clock_boot_us() < give_up_us);
        loop_run_once(&f->loop, 10);
    }
}

static void script(struct fixture *f, int status, uint32_t hint)
{
    assert_true(f->step_count < STEPS_MAX);
    f->steps[f->step_count] = status;
    f->hints[f->step_count++] = hint;
}

enum { LONG_US = 2 * 1000 * 1000, SHORT_US = 250 * 1000 };

/* ---- the tests ---- */

static void a_write_is_answered_by_the_leader(void **state)
{
    struct fixture *f = *state;
    learn(f, 2);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->status, SLUICE__DATAPLANE__STATUS__OK);
    assert_string_equal(f->payload, "row");
    assert_int_equal(f->seen_count, 1);
    assert_int_equal(f->seen[0].node, 2);
    assert_int_equal(f->lookups, 0);
}

static void a_hint_to_the_leader_is_followed_and_remembered(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 3);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->seen[0].node, 1);
    assert_int_equal(f->seen[1].node, 3);
    f->is_done = false;
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->seen[2].node, 3);
    assert_int_equal(f->lookups, 0);
}

/* During a hand-over the first one asked may know only the one after it. */
static void each_newer_hint_is_followed_at_once(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 2);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 3);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin(f, LONG_US);
    while (f->seen_count < 2)
        loop_run_once(&f->loop, 10);
    while (f->seen_count < 3) {
        if (loop_timer_is_started(&f->call.timer))
            assert_true(f->call.timer.due_us <= loop_now_us(&f->loop));
        loop_run_once(&f->loop, 10);
    }
    finish(f);
    assert_int_equal(f->seen[2].node, 3);
}

static void an_older_hint_does_not_replace_what_is_known(void **state)
{
    struct fixture *f = *state;
    learn(f, 3);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 1);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 0);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    f->is_done = false;
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->seen[f->seen_count - 1].node, 3);
}

static void who_answers_in_the_leaders_place_is_asked_next(void **state)
{
    struct fixture *f = *state;
    learn(f, 3);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 0);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin(f, LONG_US);
    finish(f);
    uint32_t found = f->seen[1].node;
    assert_int_not_equal(found, 3);
    f->is_done = false;
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->seen_count, 3);
    assert_int_equal(f->seen[2].node, found);
}

/* ---- nodes that fail ---- */

enum { CROWD = 60 }; /* more than failures open a breaker */

struct crowd {
    struct item_call calls[CROWD];
    size_t ended;
};

static void on_one_done(struct item_call *call, enum err err, const ProtobufCMessage *header,
                        struct slice payload)
{
    ((struct crowd *)call->data)->ended++;
}

static void begin_crowd(struct fixture *f, struct crowd *crowd, size_t count, uint64_t deadline_us)
{
    memset(f->request_id, 42, ID_BYTES);
    crowd->ended = 0;
    for (size_t i = 0; i < count; i++) {
        struct item_call *call = &crowd->calls[i];
        *call = (struct item_call){.key = SLICE_LITERAL("m"),
                                   .deadline_us = clock_boot_us() + deadline_us,
                                   .done = on_one_done,
                                   .data = crowd,
                                   .is_write = true};
        sluice__dataplane__write_request__init(&call->write);
        call->write.request_id = (ProtobufCBinaryData){.len = ID_BYTES, .data = f->request_id};
        item_client_begin(f->client, call);
    }
}

static void finish_crowd(struct fixture *f, const struct crowd *crowd, size_t count)
{
    uint64_t give_up_us = clock_boot_us() + 5 * 1000 * 1000;
    while (crowd->ended < count) {
        assert_true(clock_boot_us() < give_up_us);
        loop_run_once(&f->loop, 10);
    }
}

/* Node 1 leads and hangs; the others say that they do not lead. */
static void a_hanging_leader_holds_nobody_once_its_breaker_is_open(void **state)
{
    struct fixture *f = *state;
    static struct crowd crowd;
    f->hanging = 1;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 0);
    begin_crowd(f, &crowd, CROWD, 3 * ATTEMPT_US);
    finish_crowd(f, &crowd, CROWD);
    assert_int_equal(metric_read(&f->dependency.breaker_opened), 1); /* and of nobody else */
    assert_int_equal(metric_value(&f->dependency.breakers_open), 1);
    size_t asked = f->asked[1];
    f->found_leader = 2;
    learn(f, 2); /* a new leader */
    f->steps[0] = SLUICE__DATAPLANE__STATUS__OK;
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->asked[1], asked);
}

static void a_node_that_answers_again_is_found_by_one_call(void **state)
{
    struct fixture *f = *state;
    static struct crowd crowd;
    f->hanging = 1;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 0);
    begin_crowd(f, &crowd, CROWD, 3 * ATTEMPT_US);
    finish_crowd(f, &crowd, CROWD);
    f->hanging = 0;
    f->steps[0] = SLUICE__DATAPLANE__STATUS__OK;
    f->only_leader = 1;
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(metric_value(&f->dependency.breakers_open), 0);
}

/* Refused by all, each call tries again and again: together no more than the budget has. */
static void retries_of_all_calls_are_bounded_together(void **state)
{
    struct fixture *f = *state;
    static struct crowd crowd;
    enum { ROUNDS = 15, BUDGET = 1000, PER_S = 200 };
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__OVERLOADED, 0);
    uint64_t began_us = clock_boot_us();
    for (int i = 0; i < ROUNDS; i++) {
        begin_crowd(f, &crowd, CROWD, 2 * ATTEMPT_US);
        finish_crowd(f, &crowd, CROWD);
    }
    uint64_t calls = metric_read(&f->dependency.calls), ms = (clock_boot_us() - began_us) / 1000;
    assert_int_equal(calls, ROUNDS * CROWD);
    assert_in_range(metric_read(&f->dependency.retries), BUDGET / 2,
                    BUDGET + calls / 5 + PER_S * ms / 1000 + 1);
    assert_true(metric_read(&f->dependency.retries_refused) > 0);
    assert_int_equal(metric_read(&f->dependency.breaker_opened), 0); /* a refusal is an answer */
}

static void an_unknown_outcome_is_tried_again_under_the_same_id(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__UNKNOWN, 0);
    script(f, SILENCE, 0);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->seen_count, 3);
    for (size_t i = 0; i < f->seen_count; i++)
        assert_memory_equal(f->seen[i].request_id, f->request_id, ID_BYTES);
    assert_int_equal(f->metrics.retries_unknown.value, 2);
}

static void an_outcome_that_stays_unknown_is_a_timeout(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__UNKNOWN, 0);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_APPLIED, 0);
    begin(f, SHORT_US);
    finish(f);
    assert_int_equal(f->err, ERR_TIMEOUT);
    assert_int_equal(f->metrics.timeouts.value, 1);
}

static void a_write_that_nobody_took_was_certainly_not_applied(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__OVERLOADED, 0);
    uint64_t began_us = clock_boot_us();
    begin(f, SHORT_US);
    finish(f);
    assert_int_equal(f->err, ERR_UNAVAILABLE);
    assert_in_range(clock_boot_us() - began_us, SHORT_US, SHORT_US + 200 * 1000);
    assert_in_range(f->seen_count, 3, 40); /* it waits longer with each */
}

static void a_silent_leader_is_not_asked_alone(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SILENCE, 0);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 2);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->seen[0].node, 1);
    assert_int_not_equal(f->seen[1].node, 1);
    assert_int_equal(f->seen[2].node, 2);
}

static void a_key_without_a_route_is_looked_up(void **state)
{
    struct fixture *f = *state;
    f->found_leader = 2;
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->lookups, 1);
    assert_int_equal(f->seen[0].node, 2);
}

static void on_other_done(struct item_call *call, enum err err, const ProtobufCMessage *header,
                          struct slice payload)
{
    bool *is_done = call->data;
    assert_int_equal(err, ERR_OK);
    *is_done = true;
}

static void those_who_come_during_a_look_up_share_what_it_finds(void **state)
{
    struct fixture *f = *state;
    bool is_other_done = false;
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    f->is_lookup_held = true;
    begin(f, LONG_US);
    loop_run_once(&f->loop, 0);
    assert_int_equal(f->lookups, 1);
    struct item_call other = {.key = SLICE_LITERAL("n"),
                              .deadline_us = clock_boot_us() + LONG_US,
                              .done = on_other_done,
                              .data = &is_other_done,
                              .is_write = true,
                              .write = f->call.write};
    item_client_begin(f->client, &other);
    loop_run_once(&f->loop, 0);
    loop_run_once(&f->loop, 0);
    assert_int_equal(f->lookups, 1);
    learn(f, 2);
    item_client_looked_up(f->client);
    finish(f);
    while (!is_other_done)
        loop_run_once(&f->loop, 10);
    assert_int_equal(f->lookups, 1);
    assert_int_equal(f->metrics.lookups.value, 1); /* keys */
}

static void those_whom_a_look_up_did_not_help_are_in_the_next(void **state)
{
    struct fixture *f = *state;
    bool is_other_done = false;
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    f->is_lookup_held = true;
    begin(f, LONG_US);
    loop_run_once(&f->loop, 0);
    struct item_call other = {.key = SLICE_LITERAL("n"),
                              .deadline_us = clock_boot_us() + LONG_US,
                              .done = on_other_done,
                              .data = &is_other_done,
                              .is_write = true,
                              .write = f->call.write};
    item_client_begin(f->client, &other);
    loop_run_once(&f->loop, 0);
    f->is_lookup_held = false;
    f->found_leader = 2;
    item_client_looked_up(f->client); /* it has found nothing */
    finish(f);
    while (!is_other_done)
        loop_run_once(&f->loop, 10);
    assert_int_equal(f->lookups, 2);
}

static void what_was_just_looked_up_is_not_refreshed_at_once(void **state)
{
    struct fixture *f = *state;
    f->found_leader = 2;
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin(f, LONG_US);
    finish(f);
    uint64_t end_us = clock_boot_us() + 5 * REFRESH_US;
    while (metric_read(&f->metrics.refreshes) == 0 && clock_boot_us() < end_us)
        loop_run_once(&f->loop, 10);
    assert_int_equal(f->refreshes, 0);
    for (int i = 0; f->refreshes == 0; i++) { /* used again, it is */
        assert_in_range(i, 0, 100);
        f->is_done = false;
        begin(f, LONG_US);
        finish(f);
        uint64_t pause_us = clock_boot_us() + REFRESH_US;
        while (clock_boot_us() < pause_us)
            loop_run_once(&f->loop, 10);
    }
    assert_int_equal(f->lookups, 1);
}

static void a_range_is_asked_of_the_leader_again_and_again_until_it_answers(void **state)
{
    struct fixture *f = *state;
    learn(f, 2);
    f->found_leader = 2;
    script(f, SLUICE__DATAPLANE__STATUS__OVERLOADED, 0);
    script(f, SLUICE__DATAPLANE__STATUS__WRONG_RANGE, 0);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin_range(f, SLUICE__DATAPLANE__READ_CONSISTENCY__STRONG);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->status, 17);
    assert_string_equal(f->payload, "rows");
    assert_int_equal(f->seen_count, 3);
    assert_int_equal(f->seen[0].node, 2);
    assert_int_equal(f->lookups, 1); /* its route was forgotten */
}

static void an_eventual_range_is_asked_of_any_replica_in_turn(void **state)
{
    struct fixture *f = *state;
    learn(f, 2);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 0);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 0);
    script(f, SLUICE__DATAPLANE__STATUS__NOT_LEADER, 0);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin_range(f, SLUICE__DATAPLANE__READ_CONSISTENCY__EVENTUAL);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    bool has_asked[NODES + 1] = {false};
    for (size_t i = 0; i < f->seen_count; i++)
        has_asked[f->seen[i].node] = true;
    assert_true(has_asked[1] && has_asked[2] && has_asked[3]);
}

static void a_key_that_nobody_knows_ends_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    begin(f, SHORT_US);
    finish(f);
    assert_int_equal(f->err, ERR_UNAVAILABLE);
    assert_in_range(f->lookups, 2, 40);
}

static void a_route_that_names_nobody_is_not_looked_up_in_a_circle(void **state)
{
    struct fixture *f = *state;
    f->is_found_empty = true;
    begin(f, SHORT_US);
    finish(f);
    assert_int_equal(f->err, ERR_UNAVAILABLE);
    assert_in_range(f->lookups, 2, 40);
}

static void a_group_that_is_gone_is_forgotten_and_looked_up(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    f->epoch = 2;
    f->found_leader = 3;
    script(f, SLUICE__DATAPLANE__STATUS__NO_GROUP, 0);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->lookups, 1);
    assert_int_equal(f->seen[1].node, 3);
    assert_int_equal(f->seen[1].range_epoch, 2);
}

static void a_node_that_moved_is_found_at_its_new_port(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin(f, LONG_US);
    finish(f);
    wire_server_close(f->nodes[0].server, NULL, NULL);
    open_node(f, 1);
    f->epoch = 2;
    learn(f, 1);
    f->is_done = false;
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->seen[1].node, 1);
}

static void the_loops_of_a_node_keep_their_connections(void **state)
{
    struct fixture *f = *state;
    f->is_one_node = true;
    wire_server_close(f->nodes[1].server, NULL, NULL);
    open_node(f, 2);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    for (unsigned i = 0; i < 10; i++) {
        f->epoch++;
        learn(f, 1 + i % 2);
        f->is_done = false;
        begin(f, LONG_US);
        finish(f);
        assert_int_equal(f->err, ERR_OK);
        assert_int_equal(f->seen[i].node, 1 + i % 2);
    }
    assert_int_equal(metric_read(&f->wire_metrics.connected), 2);
    assert_int_equal(metric_read(&f->wire_metrics.broken), 0);
}

static void a_node_that_cannot_has_the_last_word(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__INTERNAL, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_INTERNAL);
    assert_int_equal(f->seen_count, 1);
}

static void a_refused_condition_is_final(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__CONDITION_FAILED, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->status, SLUICE__DATAPLANE__STATUS__CONDITION_FAILED);
    assert_int_equal(f->seen_count, 1);
}

static void a_refusal_after_an_unanswered_attempt_leaves_the_outcome_unknown(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SILENCE, 0);
    script(f, SLUICE__DATAPLANE__STATUS__CONDITION_FAILED, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_UNKNOWN_OUTCOME);
    assert_int_equal(f->seen_count, 2);
}

static void a_refusal_after_a_lost_term_is_final(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__UNKNOWN, 0);
    script(f, SLUICE__DATAPLANE__STATUS__CONDITION_FAILED, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->status, SLUICE__DATAPLANE__STATUS__CONDITION_FAILED);
}

static void a_throttled_write_is_not_tried_again(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__THROTTLED, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_THROTTLED);
    assert_int_equal(f->seen_count, 1);
}

/* The cap says nothing about what became of the first attempt: only the node that has applied it does. */
static void a_throttled_retry_of_an_unanswered_write_goes_on(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SILENCE, 0);
    script(f, SLUICE__DATAPLANE__STATUS__THROTTLED, 0);
    script(f, SLUICE__DATAPLANE__STATUS__THROTTLED, 0);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->seen_count, 4);
    for (size_t i = 1; i < f->seen_count; i++)
        assert_memory_equal(f->seen[i].request_id, f->seen[0].request_id, ID_BYTES);
}

static void an_unanswered_write_that_stays_throttled_is_in_doubt(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SILENCE, 0);
    script(f, SLUICE__DATAPLANE__STATUS__THROTTLED, 0);
    begin(f, SHORT_US);
    finish(f);
    assert_int_equal(f->err, ERR_TIMEOUT);
}

static void a_throttled_write_whose_term_was_lost_is_not_applied(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__UNKNOWN, 0);
    script(f, SLUICE__DATAPLANE__STATUS__THROTTLED, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_THROTTLED);
}

static void a_throttled_strong_read_is_not_asked_elsewhere(void **state)
{
    struct fixture *f = *state;
    learn(f, 2);
    script(f, SLUICE__DATAPLANE__STATUS__THROTTLED, 0);
    begin_range(f, SLUICE__DATAPLANE__READ_CONSISTENCY__STRONG);
    finish(f);
    assert_int_equal(f->err, ERR_THROTTLED);
    assert_int_equal(f->seen_count, 1);
}

static void a_throttled_eventual_read_is_asked_of_each_replica_once(void **state)
{
    struct fixture *f = *state;
    learn(f, 2);
    script(f, SLUICE__DATAPLANE__STATUS__THROTTLED, 0);
    begin_range(f, SLUICE__DATAPLANE__READ_CONSISTENCY__EVENTUAL);
    finish(f);
    assert_int_equal(f->err, ERR_THROTTLED);
    assert_int_equal(f->seen_count, NODES);
    bool has_asked[NODES + 1] = {false};
    for (size_t i = 0; i < f->seen_count; i++)
        has_asked[f->seen[i].node] = true;
    assert_true(has_asked[1] && has_asked[2] && has_asked[3]);
}

static void a_throttled_eventual_read_is_answered_by_another_replica(void **state)
{
    struct fixture *f = *state;
    learn(f, 2);
    script(f, SLUICE__DATAPLANE__STATUS__THROTTLED, 0);
    script(f, SLUICE__DATAPLANE__STATUS__THROTTLED, 0);
    script(f, SLUICE__DATAPLANE__STATUS__OK, 0);
    begin_range(f, SLUICE__DATAPLANE__READ_CONSISTENCY__EVENTUAL);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->seen_count, NODES);
}

static void what_takes_longer_gets_longer_attempts_and_is_not_in_doubt(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SLUICE__DATAPLANE__STATUS__TIME_SHORT, 0);
    script(f, SLUICE__DATAPLANE__STATUS__OVERLOADED, 0);
    script(f, SLUICE__DATAPLANE__STATUS__CONDITION_FAILED, 0);
    begin(f, LONG_US);
    finish(f);
    assert_int_equal(f->err, ERR_OK);
    assert_int_equal(f->status, SLUICE__DATAPLANE__STATUS__CONDITION_FAILED);
    assert_int_equal(f->seen[0].deadline_us, ATTEMPT_US);
    for (size_t i = 1; i < f->seen_count; i++)
        assert_int_equal(f->seen[i].deadline_us, 4 * ATTEMPT_US);
}

static void a_deadline_that_has_passed_is_told_later(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    begin(f, 0);
    finish(f);
    assert_int_equal(f->err, ERR_UNAVAILABLE);
    assert_int_equal(f->seen_count, 0);
}

static void destroying_the_client_ends_its_calls(void **state)
{
    struct fixture *f = *state;
    learn(f, 1);
    script(f, SILENCE, 0);
    begin(f, LONG_US);
    while (f->seen_count == 0)
        loop_run_once(&f->loop, 10);
    item_client_destroy(f->client);
    f->client = NULL;
    assert_true(f->is_done);
    assert_int_equal(f->err, ERR_CLOSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_write_is_answered_by_the_leader),
        TEST(a_hint_to_the_leader_is_followed_and_remembered),
        TEST(each_newer_hint_is_followed_at_once),
        TEST(an_older_hint_does_not_replace_what_is_known),
        TEST(who_answers_in_the_leaders_place_is_asked_next),
        TEST(a_hanging_leader_holds_nobody_once_its_breaker_is_open),
        TEST(a_node_that_answers_again_is_found_by_one_call),
        TEST(retries_of_all_calls_are_bounded_together),
        TEST(an_unknown_outcome_is_tried_again_under_the_same_id),
        TEST(an_outcome_that_stays_unknown_is_a_timeout),
        TEST(a_write_that_nobody_took_was_certainly_not_applied),
        TEST(a_silent_leader_is_not_asked_alone),
        TEST(a_key_without_a_route_is_looked_up),
        TEST(those_who_come_during_a_look_up_share_what_it_finds),
        TEST(those_whom_a_look_up_did_not_help_are_in_the_next),
        TEST(what_was_just_looked_up_is_not_refreshed_at_once),
        TEST(a_range_is_asked_of_the_leader_again_and_again_until_it_answers),
        TEST(an_eventual_range_is_asked_of_any_replica_in_turn),
        TEST(a_key_that_nobody_knows_ends_at_the_deadline),
        TEST(a_route_that_names_nobody_is_not_looked_up_in_a_circle),
        TEST(a_group_that_is_gone_is_forgotten_and_looked_up),
        TEST(a_node_that_moved_is_found_at_its_new_port),
        TEST(the_loops_of_a_node_keep_their_connections),
        TEST(a_node_that_cannot_has_the_last_word),
        TEST(a_refused_condition_is_final),
        TEST(a_refusal_after_an_unanswered_attempt_leaves_the_outcome_unknown),
        TEST(a_refusal_after_a_lost_term_is_final),
        TEST(a_throttled_write_is_not_tried_again),
        TEST(a_throttled_retry_of_an_unanswered_write_goes_on),
        TEST(an_unanswered_write_that_stays_throttled_is_in_doubt),
        TEST(a_throttled_write_whose_term_was_lost_is_not_applied),
        TEST(a_throttled_strong_read_is_not_asked_elsewhere),
        TEST(a_throttled_eventual_read_is_asked_of_each_replica_once),
        TEST(a_throttled_eventual_read_is_answered_by_another_replica),
        TEST(what_takes_longer_gets_longer_attempts_and_is_not_in_doubt),
        TEST(a_deadline_that_has_passed_is_told_later),
        TEST(destroying_the_client_ends_its_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "dataplane/node/goals.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "controlplane/proto/frame_type.h"

enum {
    CONTROL_MAX = 8,
    HEARTBEAT_WAIT_MS = 500,
    CALL_US = 3 * 1000 * 1000,
    RETRY_US = 200 * 1000,
    REPORT_DELAY_US = 5 * 1000, /* collects the changes of many groups into one report */
    ARENA_BLOCK = 64 * 1024,
    ARENA_MAX = 64 * 1024 * 1024,
};

struct goals {
    struct goals_options options;
    struct loop *loop;
    struct wire_client *clients[CONTROL_MAX];
    size_t client_count;
    size_t current; /* the one that answered last */
    uint32_t node_id;
    uint64_t goals_version; /* taken up */
    uint64_t acknowledged;  /* report version that control has */
    uint64_t newest_call;   /* sequence: only the newest call's end sends the next */
    uint32_t taking;        /* answers whose goals are not taken up yet: the next heartbeat waits for them */
    bool is_next_due;
    struct loop_timer timer;
    struct arena arena;
    bool is_closing;
};

struct heartbeat_call {
    struct goals *goals;
    uint64_t sequence;
};

static void send_heartbeat(struct goals *g);

static void schedule(struct goals *g, uint64_t delay_us)
{
    uint64_t due_us = loop_now_us(g->loop) + delay_us;
    if (!loop_timer_is_started(&g->timer) || g->timer.due_us > due_us)
        loop_timer_start(g->loop, &g->timer, due_us);
}

static bool take(struct goals *g, const struct frame *response)
{
    arena_reset(&g->arena);
    const Sluice__Controlplane__NodeGoals *goals =
        proto_unpack(&sluice__controlplane__node_goals__descriptor, response->header, &g->arena);
    if (goals == NULL || (g->node_id != 0 && goals->node_id != g->node_id))
        return false; /* an answer to what we asked before we had an id */
    g->node_id = goals->node_id;
    g->acknowledged = goals->wants_full_report ? 0 : goals->report_version;
    if (goals->restart_boot == g->options.boot_epoch)
        g->options.on_restart(g->options.data);
    g->taking++;
    g->options.on_goals(goals, g->options.data);
    return true;
}

static void send_next(struct goals *g)
{
    if (!g->is_next_due || g->taking > 0)
        return;
    g->is_next_due = false;
    schedule(g, 0);
}

void goals_taken(struct goals *g, uint64_t goals_version, bool are_all)
{
    g->taking--;
    if (are_all)
        g->goals_version = goals_version;
    send_next(g);
}

static void on_answer(enum err err, const struct frame *response, void *data)
{
    struct heartbeat_call *call = data;
    struct goals *g = call->goals;
    bool is_newest = call->sequence == g->newest_call;
    memory_free(call);
    if (err == ERR_CLOSED || g->is_closing)
        return;
    if (err == ERR_OK && take(g, response)) {
        g->is_next_due |= is_newest;
        send_next(g);
        return;
    }
    if (is_newest) {
        g->current = (g->current + 1) % g->client_count;
        schedule(g, RETRY_US);
    }
}

static void send_heartbeat(struct goals *g)
{
    arena_reset(&g->arena);
    uint64_t version = g->options.report_version(g->options.data);
    union { /* protobuf-c wants char * and does not write through it */
        const char *in;
        char *out;
    } name = {g->options.node_name}, zone = {g->options.zone}, host = {g->options.host};
    Sluice__Controlplane__NodeHeartbeat heartbeat;
    sluice__controlplane__node_heartbeat__init(&heartbeat);
    heartbeat.node_id = g->node_id;
    heartbeat.node_name = name.out;
    heartbeat.zone = zone.out;
    heartbeat.host = host.out;
    heartbeat.port = g->options.port;
    heartbeat.loops = g->options.loops;
    heartbeat.boot_epoch = g->options.boot_epoch;
    heartbeat.is_full = g->acknowledged == 0;
    heartbeat.goals_version = g->goals_version;
    heartbeat.report_version = version;
    heartbeat.wait_ms = HEARTBEAT_WAIT_MS;
    g->options.fill_report(g->acknowledged, &heartbeat, &g->arena, g->options.data);
    struct heartbeat_call *call = memory_alloc(sizeof *call);
    if (call == NULL || arena_has_failed(&g->arena)) {
        memory_free(call);
        schedule(g, RETRY_US);
        return;
    }
    *call = (struct heartbeat_call){g, ++g->newest_call};
    const struct wire_message message = {.type = CONTROLPLANE_FRAME_NODE_HEARTBEAT,
                                         .header = &heartbeat.base};
    if (wire_client_call(g->clients[g->current], &message, clock_boot_us() + CALL_US, on_answer, call) !=
        ERR_OK) {
        memory_free(call);
        g->current = (g->current + 1) % g->client_count;
        schedule(g, RETRY_US);
        return;
    }
}

static void on_timer(struct loop_timer *timer)
{
    send_heartbeat(timer->data);
}

void goals_report(struct goals *g)
{
    /* The first heartbeat's answer gives us our id; before that there is nothing to report. */
    if (g->newest_call > 0)
        schedule(g, REPORT_DELAY_US);
}

static enum err connect_control(struct goals *g, struct error *error)
{
    const char *next = g->options.addresses;
    struct address address;
    enum err err;
    while ((err = address_next(&next, &address)) == ERR_OK) {
        if (g->client_count == CONTROL_MAX)
            return error_set(error, ERR_CONFIG, "more than %d addresses of control", CONTROL_MAX);
        const struct wire_client_options options = {
            .name = "control",
            .host = address.host,
            .port = address.port,
            .identity = g->options.identity,
            .metrics = g->options.wire_metrics,
        };
        TRY(wire_client_open(g->loop, &options, &g->clients[g->client_count], error));
        g->client_count++;
    }
    if (err != ERR_NOT_FOUND)
        return error_set(error, err, "not a list of host:port: '%s'", g->options.addresses);
    return g->client_count > 0 ? ERR_OK : error_set(error, ERR_CONFIG, "no address of control");
}

enum err goals_create(struct loop *loop, const struct goals_options *options, struct goals **ret_goals,
                      struct error *error)
{
    struct goals *g = memory_zalloc(sizeof *g);
    if (g == NULL)
        return ERR_NO_MEMORY;
    g->options = *options;
    g->loop = loop;
    g->node_id = options->node_id;
    g->timer = (struct loop_timer){.fire = on_timer, .data = g};
    arena_init(&g->arena, ARENA_BLOCK, ARENA_MAX);
    enum err err = connect_control(g, error);
    if (err != ERR_OK) {
        goals_destroy(g);
        return err;
    }
    schedule(g, 0);
    *ret_goals = g;
    return ERR_OK;
}

void goals_destroy(struct goals *g)
{
    if (g == NULL)
        return;
    g->is_closing = true;
    loop_timer_stop(g->loop, &g->timer);
    for (size_t i = 0; i < g->client_count; i++)
        wire_client_close(g->clients[i], NULL, NULL); /* ends the calls before it returns */
    arena_deinit(&g->arena);
    memory_free(g);
}

#include "controlplane/memds/memds.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/proto.h"
#include "base/wire.h"
#include "controlplane/memds/memds_internal.h"
#include "controlplane/memds/route_message.h"
#include "controlplane/proto/frame_type.h"

enum {
    SCRATCH_BLOCK_BYTES = 256 * 1024,
    SCRATCH_BYTES_MAX = 64 * 1024 * 1024,
    LOOKUP_KEYS_MAX = 1000,
};

static const struct metric_row metric_rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct memds_metrics, name, kind, unit, sentence)
#include "controlplane/memds/memds_metrics.def"
#undef METRIC
};
const struct metric_table memds_metric_table = METRIC_TABLE("memds", metric_rows);

/* ---- readiness ---- */

/* Never taken back: who is ready has at least what it had then. */
void memds_look_ready(struct memds *memds)
{
    bool is_ready = memds->has_caught_up || (memds->is_patience_over && memds->is_bundle_known);
    if (memds->is_ready || !is_ready)
        return;
    memds->is_ready = true;
    metric_set(&memds->metrics->ready, 1);
    log_info("caught_up", "with=%s routes=%zu bundle_version=%llu",
             memds->has_caught_up     ? "instance"
             : memds->peer_count == 0 ? "nobody"
                                      : "leaders",
             route_map_count(memds->routes), (unsigned long long)bundle_store_version(memds->bundle));
    memds->options.on_ready(memds->options.data);
}

/* An instance alone has nobody to wait for, and may be the first thing of a new fleet: its bundle is what it has. */
static void on_patience_over(struct loop_timer *timer)
{
    struct memds *memds = timer->data;
    memds->is_patience_over = true;
    memds->is_bundle_known |= memds->peer_count == 0;
    memds_look_ready(memds);
}

/* ---- routes ---- */

static void on_publish(struct memds *memds, struct wire_call call, const struct frame *frame)
{
    const Sluice__Controlplane__PublishRoutes *request =
        proto_unpack(&sluice__controlplane__publish_routes__descriptor, frame->header, &memds->scratch);
    if (request == NULL) {
        wire_refuse(call, ERR_INVALID);
        return;
    }
    Sluice__Controlplane__PublishRoutesReply reply;
    sluice__controlplane__publish_routes_reply__init(&reply);
    enum err err = ERR_OK;
    for (size_t i = 0; i < request->n_routes && err != ERR_INVALID && err != ERR_NO_MEMORY; i++) {
        err = route_map_publish(memds->routes, request->routes[i]);
        reply.taken += err == ERR_OK;
        reply.stale += err == ERR_STALE;
    }
    metric_add(&memds->metrics->routes_taken, reply.taken);
    metric_add(&memds->metrics->routes_stale, reply.stale);
    metric_set(&memds->metrics->routes, route_map_count(memds->routes));
    if (err == ERR_INVALID || err == ERR_NO_MEMORY)
        wire_refuse(call, err);
    else
        wire_reply(call, &(struct wire_message){.header = &reply.base});
}

static void on_lookup(struct memds *memds, struct wire_call call, const struct frame *frame)
{
    static const Sluice__Controlplane__GroupRoute unknown = SLUICE__CONTROLPLANE__GROUP_ROUTE__INIT;
    const Sluice__Controlplane__LookupRoutes *request =
        proto_unpack(&sluice__controlplane__lookup_routes__descriptor, frame->header, &memds->scratch);
    if (request == NULL || request->n_keys > LOOKUP_KEYS_MAX) {
        wire_refuse(call, request == NULL ? ERR_INVALID : ERR_LIMIT);
        return;
    }
    Sluice__Controlplane__LookupRoutesReply reply;
    sluice__controlplane__lookup_routes_reply__init(&reply);
    reply.routes = arena_alloc(&memds->scratch, (request->n_keys + 1) * sizeof *reply.routes);
    if (reply.routes == NULL) {
        wire_refuse(call, ERR_NO_MEMORY);
        return;
    }
    size_t unknown_count = 0;
    for (size_t i = 0; i < request->n_keys; i++) {
        const Sluice__Controlplane__GroupRoute *route =
            route_map_find(memds->routes, proto_slice(request->keys[i]));
        unknown_count += route == NULL;
        reply.routes[reply.n_routes++] = route_message_view(route == NULL ? &unknown : route);
    }
    if (unknown_count > 0 && !memds->is_ready) {
        metric_increment(&memds->metrics->refused_unready);
        wire_refuse(call, ERR_UNAVAILABLE);
        return;
    }
    metric_increment(&memds->metrics->lookups);
    metric_add(&memds->metrics->lookup_keys, request->n_keys);
    metric_add(&memds->metrics->lookup_keys_unknown, unknown_count);
    wire_reply(call, &(struct wire_message){.header = &reply.base});
}

static void on_compare(struct memds *memds, struct wire_call call, const struct frame *frame)
{
    const Sluice__Controlplane__CompareRoutes *question =
        proto_unpack(&sluice__controlplane__compare_routes__descriptor, frame->header, &memds->scratch);
    Sluice__Controlplane__CompareRoutesReply reply;
    sluice__controlplane__compare_routes_reply__init(&reply);
    enum err err =
        question == NULL ? ERR_INVALID : exchange_answer(memds->routes, question, &memds->scratch, &reply);
    if (err != ERR_OK) {
        wire_refuse(call, err);
        return;
    }
    reply.bundle_version = bundle_store_version(memds->bundle);
    reply.is_ready = memds->is_ready;
    wire_reply(call, &(struct wire_message){.header = &reply.base});
}

/* Control looks whether we are there; in a rolling restart it says whose turn it is. */
static void on_process_goal(struct memds *memds, struct wire_call call, const struct frame *frame)
{
    struct wire_identity peer;
    const Sluice__Controlplane__ProcessGoal *goal =
        proto_unpack(&sluice__controlplane__process_goal__descriptor, frame->header, &memds->scratch);
    if (goal == NULL || !wire_call_peer(call, &peer) || peer.role != WIRE_ROLE_CONTROL) {
        wire_refuse(call, ERR_INVALID);
        return;
    }
    union {
        const char *in;
        char *out;
    } role = {"memds"}, name = {memds->options.name}; /* protobuf-c does not write through them */
    Sluice__Controlplane__ProcessState state;
    sluice__controlplane__process_state__init(&state);
    state.role = role.out;
    state.name = name.out;
    state.boot_epoch = memds->boot_epoch;
    state.is_ready = memds->is_ready;
    wire_reply(call, &(struct wire_message){.header = &state.base});
    if (goal->restart_boot == memds->boot_epoch)
        memds->options.on_restart(memds->options.data);
}

/* ---- requests ---- */

static void on_request(struct wire_call call, const struct frame *frame, void *data)
{
    struct memds *memds = data;
    if (call.is_one_way)
        return;
    switch (frame->type) {
    case CONTROLPLANE_FRAME_PUBLISH_ROUTES:
        on_publish(memds, call, frame);
        break;
    case CONTROLPLANE_FRAME_LOOKUP_ROUTES:
        on_lookup(memds, call, frame);
        break;
    case CONTROLPLANE_FRAME_COMPARE_ROUTES:
        on_compare(memds, call, frame);
        break;
    case CONTROLPLANE_FRAME_PUSH_BUNDLE:
        memds_bundle_on_push(memds, call, frame);
        break;
    case CONTROLPLANE_FRAME_FETCH_BUNDLE:
        memds_bundle_on_fetch(memds, call, frame);
        break;
    case CONTROLPLANE_FRAME_PROCESS_GOAL:
        on_process_goal(memds, call, frame);
        break;
    default:
        wire_refuse(call, ERR_INVALID);
        break;
    }
    arena_reset(&memds->scratch);
}

/* ---- life ---- */

static void memds_init(struct memds *memds, struct loop *loop, const struct memds_options *options)
{
    memds->loop = loop;
    memds->options = *options;
    memds->metrics = options->metrics;
    memds->bundle = bundle_store_create();
    memds->routes = route_map_create();
    memds->patience = (struct loop_timer){.fire = on_patience_over, .data = memds};
    random_init(&memds->random, clock_boot_us());
    random_secret(&memds->boot_epoch, sizeof memds->boot_epoch);
    arena_init(&memds->scratch, SCRATCH_BLOCK_BYTES, SCRATCH_BYTES_MAX);
}

static enum err open_ports(struct memds *memds, struct error *error)
{
    const struct memds_options *options = &memds->options;
    const struct wire_server_options server_options = {
        .host = options->host,
        .port = options->port,
        .identity = {.cluster_id = options->cluster_id, .role = WIRE_ROLE_MEMDS},
        .metrics = options->wire_metrics,
        .on_request = on_request,
        .data = memds,
    };
    TRY(memds_peers_open(memds, error));
    return wire_server_open(memds->loop, &server_options, &memds->server, error);
}

enum err memds_open(struct loop *loop, const struct memds_options *options, struct memds **ret_memds,
                    struct error *error)
{
    struct memds *memds = memory_zalloc(sizeof *memds);
    if (memds == NULL)
        return error_set(error, ERR_NO_MEMORY, "no memory");
    memds_init(memds, loop, options);
    if (memds->bundle == NULL || memds->routes == NULL) {
        memds_free(memds);
        return error_set(error, ERR_NO_MEMORY, "no memory");
    }
    memds_bundle_load(memds);
    enum err err = open_ports(memds, error);
    if (err != ERR_OK) {
        memds_peers_close(memds);
        memds_free(memds);
        return err;
    }
    uint64_t patience_us = memds->peer_count == 0 ? 0 : options->patience_us;
    loop_timer_start(loop, &memds->patience, loop_now_us(loop) + patience_us);
    *ret_memds = memds;
    return ERR_OK;
}

bool memds_drain(struct memds *memds)
{
    wire_server_stop_listening(memds->server);
    memds_bundle_end_fetches(memds);
    return !memds->is_saving && memds->saved_version == bundle_store_version(memds->bundle);
}

void memds_close(struct memds *memds)
{
    memds->is_closing = true;
    memds_bundle_end_fetches(memds);
    memds_peers_close(memds);
    loop_timer_stop(memds->loop, &memds->patience);
    loop_timer_stop(memds->loop, &memds->save_timer);
    wire_server_close(memds->server, NULL, NULL);
    memds->server = NULL;
}

void memds_free(struct memds *memds)
{
    memds_peers_free(memds);
    bundle_store_destroy(memds->bundle);
    route_map_destroy(memds->routes);
    arena_deinit(&memds->scratch);
    memory_free(memds);
}

uint16_t memds_port(const struct memds *memds)
{
    return wire_server_port(memds->server);
}

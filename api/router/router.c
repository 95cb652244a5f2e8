#include "api/router/router.h"

#include "api/router/offload.h"
#include "api/router/reading.h"
#include "base/clock.h"
#include "base/random.h"
#include "controlplane/client/presence.h"

enum { SIGNING_KEYS_MAX = 4096, LOOKUP_US = 1000 * 1000, LOOKUP_ARENA_BLOCK = 16 * 1024 };

static const struct metric_row metric_rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct router_metrics, name, kind, unit, sentence)
#include "api/router/router_metrics.def"
#undef METRIC
};
static const struct metric_table metric_table = METRIC_TABLE("router", metric_rows);

/* ---- routes: MemDS's answers become the item client's knowledge ---- */

static Sluice__Dataplane__ReplicaAddress *to_address(const Sluice__Controlplane__RouteReplica *from,
                                                     struct arena *arena)
{
    Sluice__Dataplane__ReplicaAddress *to = arena_alloc(arena, sizeof *to);
    if (to == NULL)
        return NULL;
    sluice__dataplane__replica_address__init(to);
    to->replica_id = from->replica_id;
    to->node_id = from->node_id;
    to->zone = from->zone;
    to->host = from->host;
    to->port = from->port;
    to->kind = from->kind;
    return to;
}

static void learn(struct item_client *items, const Sluice__Controlplane__GroupRoute *from,
                  struct arena *arena)
{
    Sluice__Dataplane__Route route = SLUICE__DATAPLANE__ROUTE__INIT;
    route.group_id = from->group_id;
    route.range_start = from->range_start;
    route.range_end = from->range_end;
    route.range_epoch = from->range_epoch;
    route.membership_version = from->membership_version;
    route.term = from->term;
    route.leader_replica_id = from->leader_replica_id;
    route.replicas = arena_alloc(arena, (from->n_replicas + 1) * sizeof *route.replicas);
    for (size_t i = 0; route.replicas != NULL && i < from->n_replicas; i++) {
        Sluice__Dataplane__ReplicaAddress *address = to_address(from->replicas[i], arena);
        if (address != NULL)
            route.replicas[route.n_replicas++] = address;
    }
    if (!arena_has_failed(arena))
        item_client_learn(items, &route);
}

static void take_routes(struct router *r, enum err err, const Sluice__Controlplane__LookupRoutesReply *reply)
{
    struct arena arena;
    arena_init(&arena, LOOKUP_ARENA_BLOCK, REQUEST_ARENA_MAX);
    bool is_unknown = false;
    for (size_t i = 0; err == ERR_OK && i < reply->n_routes; i++)
        if (reply->routes[i]->group_id != 0)
            learn(r->items, reply->routes[i], &arena);
        else
            is_unknown = true;
    r->lookup_turn += is_unknown; /* another MemDS may know */
    arena_deinit(&arena);
}

static void on_routes(enum err err, const Sluice__Controlplane__LookupRoutesReply *reply, void *data)
{
    struct router *r = data;
    if (err == ERR_CLOSED)
        return; /* the item client is gone or going */
    take_routes(r, err, reply);
    item_client_looked_up(r->items);
}

static void on_refreshed(enum err err, const Sluice__Controlplane__LookupRoutesReply *reply, void *data)
{
    if (err != ERR_CLOSED)
        take_routes(data, err, reply);
}

static void look_up(struct item_client *client, const struct slice *keys, size_t count, bool is_refresh,
                    void *data)
{
    struct router *r = data;
    enum err err = route_lookup(r->memds, keys, count, clock_boot_us() + LOOKUP_US, r->lookup_turn,
                                is_refresh ? on_refreshed : on_routes, r);
    if (err != ERR_OK && !is_refresh)
        item_client_looked_up(client);
}

/* ---- the bundle ---- */

static enum err open_http(struct router *r, struct error *error)
{
    const struct http_options options = {
        .host = r->options.host,
        .port = r->options.port,
        .region = r->options.region,
        .limits = HTTP_LIMITS_DEFAULT,
        .workers = &r->workers,
    };
    static const struct http_callbacks callbacks = {
        .on_headers = request_on_headers,
        .on_chunk = request_on_chunk,
        .on_request = request_on_complete,
        .on_abort = request_on_abort,
    };
    TRY(http_server_create(r->loop, &options, &callbacks, r, &r->http, error));
    return metrics_add(r->registry, &http_metric_table, NULL, http_server_metrics(r->http));
}

static void on_change(const struct bundle_object *object, void *data)
{
    struct router *r = data;
    if (catalog_take(r->catalog, object) != ERR_OK)
        log_error("bundle_object_not_kept", "version=%llu reason=memory",
                  (unsigned long long)object->version);
}

/* The port is shared with other routers: whoever listens before it knows keys and tables gets its share of the
 * connections and refuses what the others would serve. */
static void on_version(uint64_t version, void *data)
{
    struct router *r = data;
    metric_set(&r->metrics.bundle_version, version);
    if (r->http != NULL)
        return;
    log_info("bundle_here", "version=%llu", (unsigned long long)version);
    struct error error = {.code = ERR_OK};
    enum err err = open_http(r, &error);
    if (err == ERR_OK) {
        r->options.on_ready(r->options.data);
        return;
    }
    log_error("not_listening", "err=%s text=%s", err_name(err), error.text);
    r->options.on_failed(r->options.data);
}

/* ---- life ---- */

static bool is_ready(void *data)
{
    const struct router *r = data;
    return r->http != NULL;
}

static void on_restart(void *data)
{
    const struct router *r = data;
    r->options.on_restart(r->options.data);
}

static enum err open_presence(struct router *r, const struct wire_identity *identity, struct error *error)
{
    const struct presence_options options = {.role = "router",
                                             .name = r->options.name,
                                             .control = r->options.control,
                                             .identity = *identity,
                                             .metrics = &r->wire_metrics,
                                             .is_ready = is_ready,
                                             .on_restart = on_restart,
                                             .data = r};
    return presence_start(r->loop, &options, &r->presence, error);
}

static enum err open_peers(struct router *r, struct error *error)
{
    const struct wire_identity identity = {r->options.cluster_id, WIRE_ROLE_ROUTER, 0};
    const struct peer_set_options memds = {.name = "memds",
                                           .addresses = r->options.memds,
                                           .identity = identity,
                                           .metrics = &r->wire_metrics,
                                           .dependency = &r->memds_metrics,
                                           .breaker = &breaker_item_path};
    const struct peer_set_options control = {.name = "control",
                                             .addresses = r->options.control,
                                             .identity = identity,
                                             .metrics = &r->wire_metrics,
                                             .dependency = &r->control_metrics,
                                             .breaker = &breaker_dependency,
                                             .is_sticky = true};
    TRY(peer_set_open(r->loop, &memds, &r->memds, error));
    TRY(peer_set_open(r->loop, &control, &r->control, error));
    TRY(open_presence(r, &identity, error));
    const struct item_client_options items = {
        .identity = identity,
        .wire_metrics = &r->wire_metrics,
        .metrics = &r->item_metrics,
        .dependency = &r->node_metrics,
        .zone = r->options.zone,
        .lookup = look_up,
        .data = r,
    };
    TRY(item_client_create(r->loop, &items, &r->items));
    const struct bundle_follower_options follower = {
        .memds = r->memds, .key = &r->key, .on_change = on_change, .on_version = on_version, .data = r};
    return bundle_follower_start(r->loop, &follower, &r->follower);
}

static enum err start(struct router *r, struct metrics *metrics, struct error *error)
{
    TRY(cluster_key_load(r->options.cluster_key_file, &r->key, error));
    TRY(metrics_add(metrics, &metric_table, NULL, &r->metrics));
    TRY(metrics_add(metrics, &wire_metric_table, NULL, &r->wire_metrics));
    TRY(metrics_add(metrics, &item_client_metric_table, NULL, &r->item_metrics));
    TRY(metrics_add(metrics, &dependency_metric_table, "dependency=\"memds\"", &r->memds_metrics));
    TRY(metrics_add(metrics, &dependency_metric_table, "dependency=\"control\"", &r->control_metrics));
    TRY(metrics_add(metrics, &dependency_metric_table, "dependency=\"nodes\"", &r->node_metrics));
    TRY(metrics_add(metrics, &workers_metric_table, NULL, &r->workers.metrics));
    r->catalog = catalog_create();
    r->verifier = sigv4_verifier_create(SIGNING_KEYS_MAX);
    if (r->catalog == NULL || r->verifier == NULL)
        return ERR_NO_MEMORY;
    static const struct slice dynamodb = SLICE_LITERAL("dynamodb"), sts = SLICE_LITERAL("sts");
    r->policy = (struct sigv4_policy){
        .region = slice_from_string(r->options.region),
        .services = &dynamodb,
        .service_count = 1,
        .skew_us = SIGV4_SKEW_US,
    };
    r->identity_policy = r->policy;
    r->identity_policy.services = &sts;
    return open_peers(r, error);
}

enum err router_create(struct loop *loop, struct metrics *metrics, const struct router_options *options,
                       struct router **ret_router, struct error *error)
{
    struct router *r = memory_zalloc(sizeof *r);
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->options = *options;
    r->loop = loop;
    r->registry = metrics;
    uint64_t seed;
    random_secret(&seed, sizeof seed); /* request ids must differ between routers and starts */
    random_init(&r->random, seed);
    reading_scratch_init(&r->scratch);
    TRY(workers_open(&r->workers, loop, OFFLOAD_BUDGET_BYTES));
    page_line_init(&r->page_line, loop, r->options.long_pages);
    TRY(start(r, metrics, error));
    *ret_router = r;
    return ERR_OK;
}

void router_drain(struct router *r, void (*drained)(void *data), void *data)
{
    if (r->http == NULL)
        drained(data);
    else
        http_server_drain(r->http, drained, data);
}

/* No request is left that could give them work. */
static void on_http_closed(void *data)
{
    struct router *r = data;
    workers_close(&r->workers);
}

void router_close(struct router *r)
{
    r->is_closing = true;
    presence_stop(r->presence);
    bundle_follower_stop(r->follower);
    page_line_close(&r->page_line);
    item_client_destroy(r->items); /* answers what waits for nodes */
    peer_set_close(r->control, NULL, NULL);
    peer_set_close(r->memds, NULL, NULL);
    if (r->http != NULL)
        http_server_close(r->http, on_http_closed, r);
    else
        workers_close(&r->workers);
}

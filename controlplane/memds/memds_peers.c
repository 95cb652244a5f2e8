/* The other instances: asked one after the other question, each about once a second.
 *
 *     timer -> questions of exchange.h, until the walk is over -> the bundle, if the peer's is newer -> timer   */
#include <stdio.h>

#include "base/address.h"
#include "base/log.h"
#include "base/proto.h"
#include "controlplane/memds/memds_internal.h"
#include "controlplane/proto/frame_type.h"

enum {
    CALL_US = 2000000,
    ARENA_BLOCK_BYTES = 64 * 1024,
    ARENA_BYTES_MAX = 64 * 1024 * 1024,
};

static void ask(struct memds_peer *peer);

/* ---- rounds ---- */

/* Jitter, so that instances started together do not ask each other in step. */
static void schedule(struct memds_peer *peer)
{
    struct memds *memds = peer->memds;
    uint64_t pause_us = memds->options.compare_us;
    pause_us = pause_us - pause_us / 4 + random_below(&memds->random, pause_us / 2 + 1);
    loop_timer_start(memds->loop, &peer->timer, loop_now_us(memds->loop) + pause_us);
}

static void end_round(struct memds_peer *peer, bool is_whole)
{
    struct memds *memds = peer->memds;
    peer->is_calling = false;
    arena_reset(&peer->arena);
    if (memds->is_closing)
        return;
    metric_add(&memds->metrics->routes_mended, exchange_taken(peer->exchange));
    metric_add(&memds->metrics->compares_different, peer->is_different);
    metric_add(&memds->metrics->compares_failed, !is_whole);
    metric_set(&memds->metrics->routes, route_map_count(memds->routes));
    if (is_whole && peer->is_ready) {
        memds->has_caught_up = true;
        memds_look_ready(memds);
    }
    schedule(peer);
}

static void begin_round(struct loop_timer *timer)
{
    struct memds_peer *peer = timer->data;
    if (peer->is_calling || !wire_client_is_ready(peer->client))
        return; /* begun again when it is */
    peer->is_calling = true;
    peer->is_different = false;
    metric_increment(&peer->memds->metrics->compares);
    exchange_begin(peer->exchange);
    ask(peer);
}

static void call(struct memds_peer *peer, uint16_t type, const ProtobufCMessage *header,
                 wire_response_cb on_response)
{
    const struct wire_message message = {.type = type, .header = header};
    uint64_t deadline_us = loop_now_us(peer->memds->loop) + CALL_US;
    if (arena_has_failed(&peer->arena) ||
        wire_client_call(peer->client, &message, deadline_us, on_response, peer) != ERR_OK)
        end_round(peer, false);
}

/* ---- the bundle ---- */

static void fetch(struct memds_peer *peer);

static void on_fetched(enum err err, const struct frame *response, void *data)
{
    struct memds_peer *peer = data;
    bool has_more = false;
    arena_reset(&peer->arena);
    if (err == ERR_OK)
        err = memds_bundle_take(peer->memds, response->header, &peer->arena, &has_more);
    if (err != ERR_OK) {
        end_round(peer, false);
        return;
    }
    metric_increment(&peer->memds->metrics->bundles_mended);
    if (has_more)
        fetch(peer);
    else
        end_round(peer, true);
}

static void fetch(struct memds_peer *peer)
{
    Sluice__Controlplane__FetchBundle request;
    sluice__controlplane__fetch_bundle__init(&request);
    request.since_version = bundle_store_version(peer->memds->bundle);
    arena_reset(&peer->arena);
    call(peer, CONTROLPLANE_FRAME_FETCH_BUNDLE, &request.base, on_fetched);
}

/* ---- routes ---- */

static void on_given(enum err err, const struct frame *response, void *data)
{
    struct memds_peer *peer = data;
    if (err == ERR_OK)
        ask(peer);
    else
        end_round(peer, false);
}

static void take(struct memds_peer *peer, const Sluice__Controlplane__CompareRoutesReply *reply)
{
    Sluice__Controlplane__PublishRoutes wanted;
    sluice__controlplane__publish_routes__init(&wanted);
    peer->is_ready = reply->is_ready;
    peer->bundle_version = reply->bundle_version;
    peer->is_different |= reply->n_newer > 0 || reply->n_wanted > 0;
    enum err err = exchange_take(peer->exchange, reply, &peer->arena, &wanted);
    if (err != ERR_OK) {
        log_error("comparison_failed", "err=%s", err_name(err));
        end_round(peer, false);
    } else if (wanted.n_routes > 0) {
        metric_add(&peer->memds->metrics->routes_given, wanted.n_routes);
        call(peer, CONTROLPLANE_FRAME_PUBLISH_ROUTES, &wanted.base, on_given);
    } else {
        ask(peer);
    }
}

static void on_compared(enum err err, const struct frame *response, void *data)
{
    struct memds_peer *peer = data;
    arena_reset(&peer->arena);
    const Sluice__Controlplane__CompareRoutesReply *reply = NULL;
    if (err == ERR_OK)
        reply = proto_unpack(&sluice__controlplane__compare_routes_reply__descriptor, response->header,
                             &peer->arena);
    if (reply == NULL)
        end_round(peer, false);
    else
        take(peer, reply);
}

static void ask(struct memds_peer *peer)
{
    struct memds *memds = peer->memds;
    Sluice__Controlplane__CompareRoutes question;
    sluice__controlplane__compare_routes__init(&question);
    arena_reset(&peer->arena);
    if (exchange_ask(peer->exchange, &peer->arena, &question)) {
        metric_increment(&memds->metrics->compare_questions);
        call(peer, CONTROLPLANE_FRAME_COMPARE_ROUTES, &question.base, on_compared);
    } else if (peer->bundle_version > bundle_store_version(memds->bundle)) {
        fetch(peer);
    } else {
        end_round(peer, true);
    }
}

/* ---- life ---- */

static void on_state(struct wire_client *client, const struct wire_identity *who, void *data)
{
    struct memds_peer *peer = data;
    struct memds *memds = peer->memds;
    size_t connected = 0;
    for (size_t i = 0; i < memds->peer_count; i++)
        connected += wire_client_is_ready(memds->peers[i].client);
    metric_set(&memds->metrics->peers_connected, connected);
    if (who != NULL && !memds->is_closing)
        loop_timer_start(memds->loop, &peer->timer, loop_now_us(memds->loop));
}

static enum err open_peer(struct memds *memds, const struct address *address, struct error *error)
{
    struct memds_peer *peer = &memds->peers[memds->peer_count];
    char name[32];
    (void)snprintf(name, sizeof name, "memds:%u", address->port); /* fits */
    const struct wire_client_options options = {
        .name = name,
        .host = address->host,
        .port = address->port,
        .identity = {.cluster_id = memds->options.cluster_id, .role = WIRE_ROLE_MEMDS},
        .metrics = memds->options.wire_metrics,
        .on_state = on_state,
        .data = peer,
    };
    peer->memds = memds;
    peer->timer = (struct loop_timer){.fire = begin_round, .data = peer};
    peer->exchange = exchange_create(memds->routes);
    if (peer->exchange == NULL)
        return error_set(error, ERR_NO_MEMORY, "no memory");
    arena_init(&peer->arena, ARENA_BLOCK_BYTES, ARENA_BYTES_MAX);
    enum err err = wire_client_open(memds->loop, &options, &peer->client, error);
    if (err == ERR_OK) {
        memds->peer_count++;
        return ERR_OK;
    }
    exchange_destroy(peer->exchange);
    arena_deinit(&peer->arena);
    return err;
}

static bool is_ourselves(const struct memds *memds, const struct address *address)
{
    return address->port == memds->options.port && strcmp(address->host, memds->options.host) == 0;
}

enum err memds_peers_open(struct memds *memds, struct error *error)
{
    const char *list = memds->options.peers;
    struct address address;
    enum err err;
    while ((err = address_next(&list, &address)) == ERR_OK) {
        if (is_ourselves(memds, &address))
            continue;
        if (memds->peer_count == MEMDS_PEERS_MAX)
            return error_set(error, ERR_CONFIG, "peers: at most %d addresses", MEMDS_PEERS_MAX);
        TRY(open_peer(memds, &address, error));
    }
    return err == ERR_NOT_FOUND ? ERR_OK : error_set(error, err, "peers: not a list of addresses: %s", list);
}

void memds_peers_close(struct memds *memds)
{
    memds->is_closing = true;
    for (size_t i = 0; i < memds->peer_count; i++) {
        loop_timer_stop(memds->loop, &memds->peers[i].timer);
        wire_client_close(memds->peers[i].client, NULL, NULL);
    }
}

void memds_peers_free(struct memds *memds)
{
    for (size_t i = 0; i < memds->peer_count; i++) {
        exchange_destroy(memds->peers[i].exchange);
        arena_deinit(&memds->peers[i].arena);
    }
}

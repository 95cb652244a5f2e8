#include "dataplane/node/peers.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/log.h"

struct peer {
    struct peer_address address;
    struct wire_client *clients[PEER_CHANNEL_COUNT]; /* NULL until used */
    UT_hash_handle hh;
};

struct peers {
    struct loop *loop;
    struct wire_identity identity;
    struct wire_metrics *metrics;
    struct peer *by_id;
};

static const char *const channel_names[PEER_CHANNEL_COUNT] = {"beat", "log", "bulk"};

struct peers *peers_create(struct loop *loop, struct wire_identity identity, struct wire_metrics *metrics)
{
    struct peers *p = memory_zalloc(sizeof *p);
    if (p == NULL)
        return NULL;
    p->loop = loop;
    p->identity = identity;
    p->metrics = metrics;
    return p;
}

void peers_set_identity(struct peers *p, struct wire_identity identity)
{
    p->identity = identity;
}

static void disconnect(struct peer *peer)
{
    for (int i = 0; i < PEER_CHANNEL_COUNT; i++) {
        if (peer->clients[i] != NULL)
            wire_client_close(peer->clients[i], NULL, NULL);
        peer->clients[i] = NULL;
    }
}

void peers_destroy(struct peers *p)
{
    if (p == NULL)
        return;
    while (p->by_id != NULL) {
        struct peer *peer = p->by_id;
        HASH_DEL(p->by_id, peer);
        disconnect(peer);
        memory_free(peer);
    }
    memory_free(p);
}

static struct peer *find(const struct peers *p, uint32_t node_id)
{
    struct peer *peer;
    HASH_FIND(hh, p->by_id, &node_id, sizeof node_id, peer);
    return peer;
}

static enum err add(struct peers *p, uint32_t node_id, struct peer **ret_peer)
{
    struct peer *peer = memory_zalloc(sizeof *peer);
    if (peer == NULL)
        return ERR_NO_MEMORY;
    peer->address.node_id = node_id;
    HASH_ADD(hh, p->by_id, address.node_id, sizeof peer->address.node_id, peer);
    if (HASH_ADD_FAILED(peer)) {
        memory_free(peer);
        return ERR_NO_MEMORY;
    }
    *ret_peer = peer;
    return ERR_OK;
}

enum err peers_set(struct peers *p, uint32_t node_id, struct slice zone, struct slice host, uint16_t port)
{
    if (zone.length >= PEER_ZONE_BYTES || host.length >= PEER_HOST_BYTES)
        return ERR_LIMIT;
    struct peer *peer = find(p, node_id);
    if (peer == NULL)
        TRY(add(p, node_id, &peer));
    struct peer_address *a = &peer->address;
    if (a->port == port && slice_equal_string(host, a->host) && slice_equal_string(zone, a->zone))
        return ERR_OK;
    disconnect(peer);
    a->port = port;
    snprintf(a->zone, sizeof a->zone, "%.*s", SLICE_PRINTF(zone));
    snprintf(a->host, sizeof a->host, "%.*s", SLICE_PRINTF(host));
    return ERR_OK;
}

void peers_remove(struct peers *p, uint32_t node_id)
{
    struct peer *peer = find(p, node_id);
    if (peer == NULL)
        return;
    HASH_DEL(p->by_id, peer);
    disconnect(peer);
    memory_free(peer);
}

const struct peer_address *peers_find(const struct peers *p, uint32_t node_id)
{
    const struct peer *peer = find(p, node_id);
    return peer == NULL ? NULL : &peer->address;
}

void peers_each(const struct peers *p, void (*each)(const struct peer_address *address, void *data),
                void *data)
{
    for (const struct peer *peer = p->by_id; peer != NULL; peer = peer->hh.next)
        each(&peer->address, data);
}

static enum err connect_channel(struct peers *p, struct peer *peer, enum peer_channel channel)
{
    char name[PEER_HOST_BYTES];
    snprintf(name, sizeof name, "node-%u-%s", peer->address.node_id, channel_names[channel]);
    const struct wire_client_options options = {
        .name = name,
        .host = peer->address.host,
        .port = peer->address.port,
        .identity = p->identity,
        .peer_node_id = peer->address.node_id,
        .metrics = p->metrics,
    };
    struct error error = {.code = ERR_OK};
    enum err err = wire_client_open(p->loop, &options, &peer->clients[channel], &error);
    if (err != ERR_OK)
        log_warn("peer_unusable", "node=%u reason=\"%s\"", peer->address.node_id, error.text);
    return err;
}

enum err peers_send(struct peers *p, uint32_t node_id, enum peer_channel channel,
                    const struct wire_message *message)
{
    ASSERT(channel < PEER_CHANNEL_COUNT);
    struct peer *peer = find(p, node_id);
    if (peer == NULL)
        return ERR_NOT_FOUND;
    if (peer->clients[channel] == NULL)
        TRY(connect_channel(p, peer, channel));
    return wire_client_send(peer->clients[channel], message);
}

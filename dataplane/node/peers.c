#include "dataplane/node/peers.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/log.h"

struct peer {
    struct peer_address address;
    UT_hash_handle hh;
    struct wire_client *clients[][PEER_CHANNEL_COUNT]; /* of each of its loops; NULL until used */
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
    for (uint32_t loop = 0; loop < peer->address.loops; loop++) {
        for (int i = 0; i < PEER_CHANNEL_COUNT; i++) {
            if (peer->clients[loop][i] != NULL)
                wire_client_close(peer->clients[loop][i], NULL, NULL);
            peer->clients[loop][i] = NULL;
        }
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

enum err peer_address_set(struct peer_address *address, struct slice zone, struct slice host, uint32_t port,
                          uint32_t loops)
{
    loops = loops == 0 ? 1 : loops;
    if (zone.length >= PEER_ZONE_BYTES || host.length >= PEER_HOST_BYTES || loops > UINT16_MAX ||
        port > UINT16_MAX - (loops - 1))
        return ERR_LIMIT;
    address->port = (uint16_t)port;
    address->loops = (uint16_t)loops;
    snprintf(address->zone, sizeof address->zone, "%.*s", SLICE_PRINTF(zone));
    snprintf(address->host, sizeof address->host, "%.*s", SLICE_PRINTF(host));
    return ERR_OK;
}

static bool is_same(const struct peer_address *a, const struct peer_address *b)
{
    return a->port == b->port && a->loops == b->loops && strcmp(a->host, b->host) == 0 &&
           strcmp(a->zone, b->zone) == 0;
}

enum err peers_set(struct peers *p, const struct peer_address *address)
{
    const struct peer *known = find(p, address->node_id);
    if (known != NULL && is_same(&known->address, address))
        return ERR_OK;
    struct peer *peer = memory_zalloc(sizeof *peer + address->loops * sizeof peer->clients[0]);
    if (peer == NULL)
        return ERR_NO_MEMORY;
    peer->address = *address;
    peers_remove(p, address->node_id);
    HASH_ADD(hh, p->by_id, address.node_id, sizeof peer->address.node_id, peer);
    if (!HASH_ADD_FAILED(peer))
        return ERR_OK;
    memory_free(peer);
    return ERR_NO_MEMORY;
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

static enum err connect_channel(struct peers *p, struct peer *peer, uint32_t loop, enum peer_channel channel)
{
    char name[PEER_HOST_BYTES];
    snprintf(name, sizeof name, "node-%u/%u-%s", peer->address.node_id, loop, channel_names[channel]);
    const struct wire_client_options options = {
        .name = name,
        .host = peer->address.host,
        .port = (uint16_t)(peer->address.port + loop),
        .identity = p->identity,
        .peer_node_id = peer->address.node_id,
        .metrics = p->metrics,
    };
    struct error error = {.code = ERR_OK};
    enum err err = wire_client_open(p->loop, &options, &peer->clients[loop][channel], &error);
    if (err != ERR_OK)
        log_warn("peer_unusable", "node=%u reason=\"%s\"", peer->address.node_id, error.text);
    return err;
}

/* The connection to the group's loop there; made on first use. */
static enum err client_for(struct peers *p, uint32_t node_id, uint64_t group_id, enum peer_channel channel,
                           struct wire_client **ret_client)
{
    ASSERT(channel < PEER_CHANNEL_COUNT);
    struct peer *peer = find(p, node_id);
    if (peer == NULL)
        return ERR_NOT_FOUND;
    uint32_t loop = loop_of_group(group_id, peer->address.loops);
    if (peer->clients[loop][channel] == NULL)
        TRY(connect_channel(p, peer, loop, channel));
    *ret_client = peer->clients[loop][channel];
    return ERR_OK;
}

enum err peers_send(struct peers *p, uint32_t node_id, uint64_t group_id, enum peer_channel channel,
                    const struct wire_message *message)
{
    struct wire_client *client;
    TRY(client_for(p, node_id, group_id, channel, &client));
    return wire_client_send(client, message);
}

enum err peers_call(struct peers *p, uint32_t node_id, uint64_t group_id, enum peer_channel channel,
                    const struct wire_message *message, uint64_t deadline_us, wire_response_cb on_response,
                    void *data)
{
    struct wire_client *client;
    TRY(client_for(p, node_id, group_id, channel, &client));
    return wire_client_call(client, message, deadline_us, on_response, data);
}

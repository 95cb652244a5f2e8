/* The other nodes: their addresses and three connections to each.
 *
 * Heartbeats and votes have a connection of their own, so that a full log connection cannot make a healthy
 * node look dead; bulk (snapshots) has the third. Connections are opened on first use and mend themselves.
 *
 * A node has one or several loops, each with a port of its own; a group lives on the loop that its id says, so what is
 * said about a group goes to that loop's port, and what is said to the node to its first one's. One loop of ours owns it all. */
#pragma once

#include "base/wire_client.h"

struct peers;

enum peer_channel { PEER_CHANNEL_BEAT, PEER_CHANNEL_LOG, PEER_CHANNEL_BULK, PEER_CHANNEL_COUNT };

enum { PEER_ZONE_BYTES = 64, PEER_HOST_BYTES = 64 };

struct peer_address {
    uint32_t node_id;
    uint16_t port;  /* of its first loop; the others' follow */
    uint16_t loops; /* not 0 */
    char zone[PEER_ZONE_BYTES];
    char host[PEER_HOST_BYTES];
};

/* Which of a node's loops has a group, for ever: rows do not move between loops. 0: what is of no group. */
static inline uint32_t loop_of_group(uint64_t group_id, uint32_t loops)
{
    return (uint32_t)(group_id % loops);
}

static inline uint16_t peer_port(const struct peer_address *address, uint64_t group_id)
{
    return (uint16_t)(address->port + loop_of_group(group_id, address->loops));
}

/* Fill in where a node is. loops 0: one, of a node that does not say. ERR_LIMIT: too long, or the ports end before its
 * loops do. */
enum err peer_address_set(struct peer_address *address, struct slice zone, struct slice host, uint32_t port,
                          uint32_t loops) MUST_CHECK;

/* NULL without memory. metrics: of this loop; may be NULL. identity: ours. */
struct peers *peers_create(struct loop *loop, struct wire_identity identity, struct wire_metrics *metrics);
/* Closes the connections, asynchronously as libuv does; the loop must run on until they are closed. */
void peers_destroy(struct peers *p);

/* Who we are has become known: for the connections from here on. */
void peers_set_identity(struct peers *p, struct wire_identity identity);

/* Learn or change an address; a changed one closes the old connections. ERR_NO_MEMORY. */
enum err peers_set(struct peers *p, const struct peer_address *address) MUST_CHECK;
/* It is nowhere any more. */
void peers_remove(struct peers *p, uint32_t node_id);
/* NULL when not known; valid until it is set again. */
const struct peer_address *peers_find(const struct peers *p, uint32_t node_id);
void peers_each(const struct peers *p, void (*each)(const struct peer_address *address, void *data),
                void *data);

/* Ask, and hear the answer: as wire_client_call. ERR_NOT_FOUND: no such node. */
enum err peers_call(struct peers *p, uint32_t node_id, uint64_t group_id, enum peer_channel channel,
                    const struct wire_message *message, uint64_t deadline_us, wire_response_cb on_response,
                    void *data) MUST_CHECK;

/* Send one way, to the loop of the group (0: to the node). ERR_NOT_FOUND: no such node. Else as wire_client_send; what is not sent is lost, as on any
 * network, and repeated by its protocol. */
enum err peers_send(struct peers *p, uint32_t node_id, uint64_t group_id, enum peer_channel channel,
                    const struct wire_message *message) MUST_CHECK;

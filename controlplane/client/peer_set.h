/* A few servers of one kind (MemDS, control), of which any may answer: calls go to the one that answered last
 * and move on to the next when it is away.
 *
 * A call that certainly was not done (ERR_UNAVAILABLE, ERR_NOT_LEADER) is tried once at each server in turn,
 * within its deadline; any other end is the caller's to judge. Belongs to one loop. */
#pragma once

#include "base/wire_client.h"

enum { PEER_SET_MAX = 8 };

struct peer_set;

/* addresses: a list as base/address.h reads it, hosts numeric.
 * on_state (may be NULL) tells each time that a connection comes or breaks.
 * ERR_CONFIG     no address, too many, or not understood
 * ERR_NO_MEMORY  */
struct peer_set_options {
    const char *name; /* for logs: "memds" */
    const char *addresses;
    struct wire_identity identity; /* ours */
    struct wire_metrics *metrics;  /* may be NULL */
    void (*on_state)(struct peer_set *set, void *data);
    void *data;
};
enum err peer_set_open(struct loop *loop, const struct peer_set_options *options, struct peer_set **ret_set,
                       struct error *error) MUST_CHECK;
/* Ends every call with ERR_CLOSED; frees later, then calls on_close (may be NULL). */
void peer_set_close(struct peer_set *set, void (*on_close)(void *data), void *data);

bool peer_set_is_ready(const struct peer_set *set);

/* As wire_client_call, over the set. The callback runs exactly once, and never inside this call, also when
 * there is nobody to ask (ERR_UNAVAILABLE) or no memory (ERR_NO_MEMORY, the only error returned, without a
 * callback). */
enum err peer_set_call(struct peer_set *set, const struct wire_message *message, uint64_t deadline_us,
                       wire_response_cb on_response, void *data) MUST_CHECK;

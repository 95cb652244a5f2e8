/* Who is it that heartbeats? A node's data directory has an id; one without an id is new, whatever its name was before.
 *
 * An id is never given to a second directory: replicas, votes and the count of starts that leases rest on are on the disk
 * that has the id, and a process without them must not be taken for the one that had them (docs/decisions/0009). A name can
 * go over to another directory once its owner is silent; if the owner comes back, it has the name again. Pure. */
#pragma once

#include "controlplane/control/catalog.h"

enum node_claim {
    NODE_KNOWN,       /* as stored */
    NODE_CHANGED,     /* its address or name is another, or it was taken for lost: store that first */
    NODE_NEW,         /* without an id: give it one that was never given */
    NODE_NAME_IN_USE, /* another that is alive has the name: refuse it for now */
    NODE_UNKNOWN, /* with an id that this database does not have: removed, of another fleet, or of a lost database */
};

struct node_claimant {
    uint32_t node_id; /* 0 = none */
    uint64_t boot_epoch;
    const char *name;
    const char *zone;
    const char *host;
    uint32_t port;
    uint32_t loops;
};

/* alive_from_us  boot clock: a node heard since then is alive
 * ret_node       KNOWN and CHANGED: which; else NULL. A process whose first answer was lost comes again without an id,
 *                with the same boot_epoch: it has not been given away. */
enum node_claim node_claim(const struct catalog *c, const struct node_claimant *claimant,
                           uint64_t alive_from_us, struct node **ret_node);

/* Routes from MemDS: which group holds this key, and who serves it. */
#pragma once

#include "controlplane/client/peer_set.h"
#include "controlplane/proto/controlplane.pb-c.h"

enum { ROUTE_KEYS_MAX = 1000 };

/* err ERR_OK: reply->routes has one route for each key, in order; group_id 0 = no group is known. Valid
 * during the callback. Otherwise reply is NULL. */
typedef void (*route_lookup_cb)(enum err err, const Sluice__Controlplane__LookupRoutesReply *reply,
                                void *data);

/* Asked at a second MemDS too when the first is slow. keys are copied. deadline_us on the boot clock; turn: which MemDS to
 * begin with, for who was told too little.
 * ERR_LIMIT  more than ROUTE_KEYS_MAX keys    ERR_NO_MEMORY; no callback then */
enum err route_lookup(struct peer_set *memds, const struct slice *keys, size_t count, uint64_t deadline_us,
                      unsigned turn, route_lookup_cb on_routes, void *data) MUST_CHECK;

/* Routes of the map as parts of messages. */
#pragma once

#include "base/arena.h"
#include "controlplane/memds/route_map.h"

/* protobuf-c takes pointers to non-const, and packing does not write through them. */
Sluice__Controlplane__GroupRoute *route_message_view(const Sluice__Controlplane__GroupRoute *route);
/* The route, or the word that the group is removed when route is NULL; that one is in the arena, and NULL when it is
 * spent. */
Sluice__Controlplane__GroupRoute *route_message(const struct route_version *version,
                                                const Sluice__Controlplane__GroupRoute *route,
                                                struct arena *arena);

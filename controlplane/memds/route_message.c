#include "controlplane/memds/route_message.h"

Sluice__Controlplane__GroupRoute *route_message_view(const Sluice__Controlplane__GroupRoute *route)
{
    union {
        const Sluice__Controlplane__GroupRoute *in;
        Sluice__Controlplane__GroupRoute *out;
    } pointer = {.in = route};
    return pointer.out;
}

Sluice__Controlplane__GroupRoute *route_message(const struct route_version *version,
                                                const Sluice__Controlplane__GroupRoute *route,
                                                struct arena *arena)
{
    if (route != NULL)
        return route_message_view(route);
    Sluice__Controlplane__GroupRoute *removed = arena_alloc(arena, sizeof *removed);
    if (removed == NULL)
        return NULL;
    sluice__controlplane__group_route__init(removed);
    removed->group_id = version->group_id;
    removed->is_removed = true;
    return removed;
}

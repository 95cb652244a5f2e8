#include "controlplane/client/route_client.h"

#include "base/memory.h"
#include "controlplane/proto/frame_type.h"

enum {
    SCRATCH_BLOCK_BYTES = 4096,
    SCRATCH_BYTES_MAX = 16 * 1024 * 1024,
    /* A MemDS answers within a millisecond. */
    HEDGE_US = 20 * 1000,
    ATTEMPT_US = 250 * 1000,
};

struct lookup {
    route_lookup_cb on_routes;
    void *data;
    size_t count;
};

static void answer(const struct lookup *lookup, const struct frame *response)
{
    struct arena scratch;
    arena_init(&scratch, SCRATCH_BLOCK_BYTES, SCRATCH_BYTES_MAX);
    const Sluice__Controlplane__LookupRoutesReply *reply =
        proto_unpack(&sluice__controlplane__lookup_routes_reply__descriptor, response->header, &scratch);
    if (reply == NULL || reply->n_routes != lookup->count)
        lookup->on_routes(ERR_INVALID, NULL, lookup->data);
    else
        lookup->on_routes(ERR_OK, reply, lookup->data);
    arena_deinit(&scratch);
}

static void on_response(enum err err, const struct frame *response, void *data)
{
    struct lookup *lookup = data;
    if (err == ERR_OK)
        answer(lookup, response);
    else
        lookup->on_routes(err, NULL, lookup->data);
    memory_free(lookup);
}

enum err route_lookup(struct peer_set *memds, const struct slice *keys, size_t count, uint64_t deadline_us,
                      unsigned turn, route_lookup_cb on_routes, void *data)
{
    if (count > ROUTE_KEYS_MAX)
        return ERR_LIMIT;
    struct lookup *lookup = memory_alloc(sizeof *lookup);
    ProtobufCBinaryData *bytes = memory_alloc((count + 1) * sizeof *bytes);
    enum err err = ERR_NO_MEMORY;
    if (lookup != NULL && bytes != NULL) {
        *lookup = (struct lookup){on_routes, data, count};
        for (size_t i = 0; i < count; i++)
            bytes[i] = proto_bytes(keys[i]);
        Sluice__Controlplane__LookupRoutes request;
        sluice__controlplane__lookup_routes__init(&request);
        request.n_keys = count;
        request.keys = bytes;
        const struct wire_message message = {.type = CONTROLPLANE_FRAME_LOOKUP_ROUTES,
                                             .header = &request.base};
        const struct peer_call_options options = {.deadline_us = deadline_us,
                                                  .attempt_us = ATTEMPT_US,
                                                  .hedge_us = HEDGE_US,
                                                  .is_repeatable = true,
                                                  .turn = turn};
        err = peer_set_call(memds, &message, &options, on_response, lookup);
    }
    memory_free(bytes);
    if (err != ERR_OK)
        memory_free(lookup);
    return err;
}

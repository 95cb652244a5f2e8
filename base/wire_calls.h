/* The calls of one client that wait for an answer. Pure. Internal to the wire.
 *
 * A call's id is its place in the table and the place's generation, so that finding it costs no search and a
 * late answer to an earlier call of the same place finds nothing. Places come in blocks that never move, as
 * timers are linked. */
#pragma once

#include "base/wire_client.h"

struct wire_pending {
    struct loop_timer timer;
    struct wire_client *client;
    wire_response_cb on_response;
    void *data;
    uint64_t position; /* where its frame begins in the stream */
    uint64_t began_us;
    uint64_t call_id;
    uint32_t index;
    uint32_t generation;
    struct wire_pending *next_free;
    bool is_open;
};

struct wire_calls {
    struct wire_pending **blocks;
    uint32_t block_count;
    uint32_t block_count_max;
    uint32_t count; /* open now */
    struct wire_pending *free;
};

/* Takes memory for the list of blocks. ERR_NO_MEMORY. */
enum err wire_calls_init(struct wire_calls *c, uint32_t calls_max) MUST_CHECK;
void wire_calls_deinit(struct wire_calls *c);
/* A place with a new call_id; its other fields are the caller's to fill in. ERR_BUSY: all in use.
 * ERR_NO_MEMORY. */
enum err wire_calls_open(struct wire_calls *c, struct wire_pending **ret_pending) MUST_CHECK;
void wire_calls_close(struct wire_calls *c, struct wire_pending *pending);
/* NULL: no such call is open. */
struct wire_pending *wire_calls_find(const struct wire_calls *c, uint64_t call_id);
/* The next open call at or behind *at, which moves; NULL at the end. Calls may be closed meanwhile. */
struct wire_pending *wire_calls_next(const struct wire_calls *c, uint32_t *at);

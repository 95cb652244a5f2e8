#include <string.h>

#include "tests/sim/sim.h"

/* When a message arrives; 0 = never. */
static uint64_t arrival(struct world *w, uint32_t from, uint32_t to)
{
    if (w->is_blocked[from][to] || world_chance(w, w->loss_ppm)) {
        w->figures.lost++;
        return 0;
    }
    uint64_t delay = world_uniform(w, 100, 2000);
    if (world_chance(w, w->slow_ppm))
        delay += world_uniform(w, 0, w->slow_us);
    return w->now_us + delay;
}

static struct sim_event *deliver(struct world *w, uint32_t from, uint32_t to, uint64_t at_us,
                                 enum sim_event_kind kind)
{
    struct sim_event *event = world_schedule(w, at_us, kind);
    event->from_node = from;
    event->node = to;
    return event;
}

/* One or, duplicated, two copies. */
static uint32_t copies(struct world *w)
{
    if (!world_chance(w, w->duplicate_ppm))
        return 1;
    w->figures.duplicated++;
    return 2;
}

/* The entries of an APPEND as the shell still has them; fewer than asked when a frame is bounded. */
static void attach_entries(struct world *w, struct sim_replica *r, struct group_message *m,
                           struct buffer *payload)
{
    uint32_t wanted = m->entry_count;
    if (wanted > 1 && world_chance(w, w->cut_ppm))
        wanted = (uint32_t)world_uniform(w, 1, wanted);
    m->entry_count = 0;
    for (uint32_t i = 0; i < wanted; i++) {
        const struct sim_entry *e = replica_entry(r, m->previous_index + 1 + i);
        ASSERT(e != NULL);
        const struct group_entry entry = {.term = e->term, .body = slice_make(e->body, e->bytes)};
        append_entry_encode(&entry, payload);
        m->entry_count++;
    }
}

void network_send_replication(struct world *w, struct sim_replica *from, const struct group_message *message)
{
    struct group_message m = *message;
    struct buffer fields;
    struct buffer payload;
    buffer_init(&fields, 1024);
    buffer_init(&payload, 64 * 1024 * 1024);
    if (m.kind == MESSAGE_APPEND)
        attach_entries(w, from, &m, &payload);
    message_encode(&m, &fields);
    ASSERT(!buffer_has_failed(&fields) && !buffer_has_failed(&payload));
    for (uint32_t left = copies(w); left > 0; left--) {
        uint64_t at_us = arrival(w, m.from_node, m.to_node);
        if (at_us == 0)
            continue;
        struct sim_event *event = deliver(w, m.from_node, m.to_node, at_us, SIM_REPLICATION);
        uint32_t head = (uint32_t)fields.length;
        event->bytes = 4 + fields.length + payload.length;
        event->data = memory_alloc(event->bytes);
        ASSERT(event->data != NULL);
        memcpy(event->data, &head, 4);
        memcpy(event->data + 4, fields.data, fields.length);
        if (payload.length > 0)
            memcpy(event->data + 4 + fields.length, payload.data, payload.length);
        event->group = from->group_no;
    }
    buffer_deinit(&fields);
    buffer_deinit(&payload);
}

void network_send_heartbeat(struct world *w, const struct support_message *m)
{
    for (uint32_t left = copies(w); left > 0; left--) {
        uint64_t at_us = arrival(w, m->from_node, m->to_node);
        if (at_us == 0 || w->is_mute[m->from_node][m->to_node])
            continue;
        uint8_t bytes[SUPPORT_MESSAGE_BYTES];
        support_message_encode(m, bytes);
        struct sim_event *event = deliver(w, m->from_node, m->to_node, at_us, SIM_HEARTBEAT);
        enum err err = support_message_decode(slice_make(bytes, sizeof bytes), &event->heartbeat);
        ASSERT(err == ERR_OK);
    }
}

/* Never duplicated: connections do not do that. */
void network_send_request(struct world *w, const struct sim_request *r, uint32_t node)
{
    uint64_t at_us = arrival(w, 0, node);
    if (at_us != 0)
        deliver(w, 0, node, at_us, SIM_REQUEST)->request = *r;
}

void network_send_answer(struct world *w, const struct sim_answer *a, uint32_t from_node)
{
    uint64_t at_us = arrival(w, from_node, 0);
    if (at_us != 0)
        deliver(w, from_node, 0, at_us, SIM_ANSWER)->answer = *a;
}

void network_send_snapshot(struct world *w, uint32_t from, uint32_t to, uint32_t group,
                           struct sim_snapshot *s)
{
    uint64_t at_us = arrival(w, from, to);
    if (at_us == 0) {
        snapshot_free(s);
        return;
    }
    struct sim_event *event = deliver(w, from, to, at_us + world_uniform(w, 10 * MS, 300 * MS), SIM_SNAPSHOT);
    event->group = group;
    event->snapshot = s;
}

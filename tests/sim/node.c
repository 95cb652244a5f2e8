#include "tests/sim/sim.h"

void node_init(struct world *w, struct sim_node *n, uint32_t id)
{
    n->id = id;
    disk_init(&n->disk);
    for (uint32_t g = 0; g < GROUPS; g++) {
        n->replicas[g].group_no = g;
        n->replicas[g].node_no = id;
        meta_init(&n->replicas[g].durable);
    }
    for (uint32_t t = 0; t < TABLES; t++) {
        items_init(&n->items[t]);
        items_init(&n->durable_items[t]);
    }
    n->true_base_us = w->now_us;
    n->boot_base_us = world_uniform(w, SECOND, 100 * SECOND);
    n->rate_ppm = (int64_t)world_uniform(w, 0, 2 * CLOCK_RATE_PPM) - CLOCK_RATE_PPM;
    node_start(w, n);
    world_schedule(w, w->now_us + world_uniform(w, SECOND, 3 * SECOND), SIM_FLUSH)->node = id;
}

static void schedule_beat(struct world *w, struct sim_node *n, uint64_t after_us)
{
    struct sim_event *event = world_schedule(w, clock_true(w, n, clock_boot(w, n) + after_us), SIM_BEAT);
    event->node = n->id;
    event->life = n->life;
}

void node_start(struct world *w, struct sim_node *n)
{
    n->is_up = true;
    n->life++;
    n->incarnation++;
    n->stalled_until_us = 0;
    const struct support_options options = {.node_id = n->id,
                                            .incarnation = n->incarnation,
                                            .lease_us = w->lease_us,
                                            .margin_us = w->lease_us / 10,
                                            .clock_rate_ppm = CLOCK_RATE_PPM};
    support_destroy(n->support);
    n->support = support_create(&options, clock_boot(w, n));
    ASSERT(n->support != NULL);
    for (uint32_t t = 0; t < TABLES; t++)
        items_copy(&n->items[t], &n->durable_items[t], 0, KEYS);
    disk_recover(w, n);
    split_recover(w, n);
    for (uint32_t g = 0; g < GROUPS; g++)
        if (replica_is_live(&n->replicas[g]))
            replica_start(w, &n->replicas[g]);
    schedule_beat(w, n, world_uniform(w, 0, 50 * MS));
    world_trace(w, "node %u: up, life %llu", n->id, (unsigned long long)n->life);
}

void node_crash(struct world *w, struct sim_node *n, bool is_machine, uint64_t down_us)
{
    if (!n->is_up)
        return;
    n->is_up = false;
    n->life++;
    w->figures.crashes++;
    bool has_lost = disk_crash(w, n);
    w->figures.dropping_crashes += has_lost;
    world_trace(w, "node %u: crash (%s%s)", n->id, is_machine ? "machine" : "process",
                has_lost ? ", unsynced data lost" : "");
    for (uint32_t g = 0; g < GROUPS; g++) {
        split_forget(w, &n->replicas[g]);
        replica_close(&n->replicas[g]);
        n->replicas[g].replica_id = n->replicas[g].tombstone = 0;
        n->replicas[g].is_quarantined = n->replicas[g].is_removing = false;
    }
    if (is_machine) {
        n->true_base_us = w->now_us;
        n->boot_base_us = world_uniform(w, SECOND, 20 * SECOND);
        n->rate_ppm = (int64_t)world_uniform(w, 0, 2 * CLOCK_RATE_PPM) - CLOCK_RATE_PPM;
    }
    struct sim_event *event = world_schedule(w, w->now_us + down_us, SIM_RESTART);
    event->node = n->id;
    event->life = n->life;
}

void node_on_beat(struct world *w, struct sim_node *n)
{
    for (uint32_t peer = 1; peer <= NODES; peer++) {
        if (peer == n->id)
            continue;
        struct support_message m = support_ask(n->support, peer, clock_boot(w, n));
        network_send_heartbeat(w, &m);
    }
    schedule_beat(w, n, w->lease_us / 5);
}

void node_on_heartbeat(struct world *w, struct sim_node *n, const struct support_message *m)
{
    struct support_result result;
    if (support_receive(n->support, m, clock_boot(w, n), &result) != ERR_OK)
        return;
    if (result.has_reply)
        network_send_heartbeat(w, &result.reply);
    for (uint32_t g = 0; g < GROUPS && (result.is_held_changed || result.is_restarted); g++)
        replica_tick(w, &n->replicas[g]);
}

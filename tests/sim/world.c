#include <stdarg.h>
#include <string.h>

#include "tests/sim/sim.h"

/* ---- Randomness, hashes, traces ---- */

uint64_t world_uniform(struct world *w, uint64_t low, uint64_t high)
{
    return low + random_below(&w->random, high - low + 1);
}

bool world_chance(struct world *w, uint32_t ppm)
{
    return random_below(&w->random, 1000 * 1000) < ppm;
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    uint64_t h = (seed ^ 0xcbf29ce484222325ULL) * 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    for (; bytes >= 8; bytes -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        h = (h ^ word) * 0x9E3779B97F4A7C15ULL;
        h ^= h >> 29;
    }
    for (; bytes > 0; bytes--, at++)
        h = (h ^ *at) * 0x100000001b3ULL;
    return h ^ (h >> 32);
}

void world_trace(struct world *w, const char *format, ...)
{
    if (!w->is_verbose)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%10.6f ", (double)w->now_us / SECOND);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

/* ---- Clocks ---- */

uint64_t clock_boot(const struct world *w, const struct sim_node *n)
{
    int64_t elapsed = (int64_t)(w->now_us - n->true_base_us);
    return n->boot_base_us + (uint64_t)(elapsed + elapsed * n->rate_ppm / (1000 * 1000));
}

uint64_t clock_wall(const struct world *w, const struct sim_node *n)
{
    return 1600000000ULL * SECOND + (uint64_t)((int64_t)w->now_us + n->wall_offset_us);
}

uint64_t clock_true(const struct world *w, const struct sim_node *n, uint64_t boot_us)
{
    uint64_t now_boot = clock_boot(w, n);
    if (boot_us <= now_boot)
        return w->now_us;
    int64_t left = (int64_t)(boot_us - now_boot);
    return w->now_us + (uint64_t)(left * 1000 * 1000 / (1000 * 1000 + n->rate_ppm)) + 2;
}

void clock_set_rate(struct world *w, struct sim_node *n, int64_t rate_ppm)
{
    n->boot_base_us = clock_boot(w, n);
    n->true_base_us = w->now_us;
    n->rate_ppm = rate_ppm;
}

/* ---- The queue: a binary heap by (time, sequence) ---- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

static void heap_push(struct world *w, struct sim_event *event)
{
    if (w->heap_count == w->heap_capacity) {
        w->heap_capacity = w->heap_capacity == 0 ? 256 : w->heap_capacity * 2;
        w->heap = memory_resize(w->heap, w->heap_capacity * sizeof(*w->heap));
        ASSERT(w->heap != NULL);
    }
    size_t at = w->heap_count++;
    while (at > 0 && is_before(event, w->heap[(at - 1) / 2])) {
        w->heap[at] = w->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    w->heap[at] = event;
}

static struct sim_event *heap_pop(struct world *w)
{
    struct sim_event *top = w->heap[0];
    struct sim_event *last = w->heap[--w->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= w->heap_count)
            break;
        if (child + 1 < w->heap_count && is_before(w->heap[child + 1], w->heap[child]))
            child++;
        if (!is_before(w->heap[child], last))
            break;
        w->heap[at] = w->heap[child];
        at = child;
    }
    if (w->heap_count > 0)
        w->heap[at] = last;
    return top;
}

struct sim_event *world_schedule(struct world *w, uint64_t at_us, enum sim_event_kind kind)
{
    struct sim_event *event = w->free_events;
    if (event != NULL)
        w->free_events = event->next_free;
    else
        event = memory_alloc(sizeof(*event));
    ASSERT(event != NULL);
    event->at_us = at_us < w->now_us ? w->now_us : at_us;
    event->sequence = w->sequence++;
    event->kind = kind;
    event->from_node = event->node = event->group = 0;
    event->life = 0;
    event->waits = 0;
    event->data = NULL;
    event->bytes = 0;
    event->snapshot = NULL;
    heap_push(w, event);
    return event;
}

static void event_free(struct world *w, struct sim_event *event)
{
    memory_free(event->data);
    if (event->snapshot != NULL)
        snapshot_free(event->snapshot);
    event->next_free = w->free_events;
    w->free_events = event;
}

/* ---- The run ---- */

static bool is_for_node(enum sim_event_kind kind)
{
    return (kind <= SIM_DOOM && kind != SIM_ANSWER) || kind >= SIM_SPLIT;
}

static void node_event(struct world *w, struct sim_node *n, struct sim_event *event)
{
    switch ((int)event->kind) {
    case SIM_REPLICATION:
        replica_on_message(w, n, event);
        break;
    case SIM_HEARTBEAT:
        node_on_heartbeat(w, n, &event->heartbeat);
        break;
    case SIM_REQUEST:
        serve_request(w, n, &event->request);
        break;
    case SIM_COMPUTED:
        serve_computed(w, n, event);
        break;
    case SIM_SNAPSHOT:
        replica_on_snapshot(w, n, event);
        break;
    case SIM_WAKE:
        if (n->replicas[event->group].wake_us == event->at_us)
            replica_tick(w, &n->replicas[event->group]);
        break;
    case SIM_BEAT:
        node_on_beat(w, n);
        break;
    case SIM_DOOM:
        faults_doom(w, n);
        break;
    case SIM_SYNCED:
        disk_on_synced(w, n);
        break;
    case SIM_SPLIT:
        split_propose(w, n, event->group);
        break;
    case SIM_BIRTH:
        split_birth(w, n, event->group);
        break;
    }
}

/* A node that is stalled does nothing until it goes on, and then with the turn that it was in. */
static bool defer(struct world *w, struct sim_node *n, struct sim_event *event)
{
    if (n->stalled_until_us <= w->now_us)
        return false;
    event->at_us = n->stalled_until_us;
    if (event->kind == SIM_WAKE && n->replicas[event->group].wake_us == w->now_us)
        n->replicas[event->group].wake_us = event->at_us;
    event->sequence = w->sequence++;
    heap_push(w, event);
    return true;
}

static void dispatch(struct world *w, struct sim_event *event)
{
    switch ((int)event->kind) {
    case SIM_ANSWER:
        client_on_answer(w, &event->answer);
        break;
    case SIM_CRASH:
        if (w->nodes[event->node].life == event->life && !w->is_healing)
            faults_crash(w, &w->nodes[event->node], event->group != 0);
        break;
    case SIM_RESTART:
        if (!w->nodes[event->node].is_up && w->nodes[event->node].life == event->life)
            node_start(w, &w->nodes[event->node]);
        break;
    case SIM_FLUSH:
        for (uint32_t g = 0; g < GROUPS; g++)
            if (w->nodes[event->node].is_up && replica_is_live(&w->nodes[event->node].replicas[g]))
                replica_flush(w, &w->nodes[event->node].replicas[g]);
        world_schedule(w, w->now_us + world_uniform(w, 500 * MS, 4 * SECOND), SIM_FLUSH)->node = event->node;
        break;
    case SIM_CLIENT:
        if (w->clients[event->node].serial == event->life)
            client_on_timer(w, event->node);
        break;
    case SIM_FAULT:
        faults_next(w);
        break;
    case SIM_HASTE:
        operator_hurry(w, event->group);
        break;
    case SIM_OPERATOR:
        operator_next(w);
        break;
    }
}

/* Returns false when the event was put off. */
static bool handle(struct world *w, struct sim_event *event)
{
    w->figures.events++;
    uint64_t mark[4] = {event->at_us, (uint64_t)event->kind, event->node, event->bytes};
    w->trace_hash = hash_bytes(w->trace_hash, mark, sizeof mark);
    if (event->data != NULL)
        w->trace_hash = hash_bytes(w->trace_hash, event->data, event->bytes);
    if (!is_for_node(event->kind)) {
        dispatch(w, event);
        return true;
    }
    struct sim_node *n = &w->nodes[event->node];
    if (!n->is_up || (event->life != 0 && event->life != n->life))
        return true;
    if (defer(w, n, event))
        return false;
    /* Events of one turn share its beginning; a turn that was stalled ends with what came meanwhile. */
    if (n->stalled_until_us != w->now_us)
        n->turn_us = clock_boot(w, n);
    node_event(w, n, event);
    return true;
}

void world_run(struct world *w)
{
    faults_plan(w);
    uint64_t end_us = RUN_US + SETTLE_US;
    while (w->heap_count > 0 && !w->has_failed && w->heap[0]->at_us <= end_us) {
        struct sim_event *event = heap_pop(w);
        w->now_us = event->at_us;
        if (!w->is_healing && w->now_us >= RUN_US)
            faults_heal(w);
        check_leases(w);
        if (handle(w, event))
            event_free(w, event);
    }
    if (!w->has_failed)
        check_settled(w);
    for (uint32_t t = 0; t < TABLES && !w->has_failed; t++) {
        for (uint32_t k = 0; k < KEYS && !w->has_failed; k++) {
            bool is_undecided = false;
            if (!linear_check(w->history, w->history_count, t, k, &is_undecided))
                check_print_history(w, t, k),
                    check_fail(w, "linearizability", "table %u key %u: no order explains what clients saw", t,
                               k);
        }
    }
}

static void groups_begin(struct world *w)
{
    w->group_count = TABLES;
    for (uint32_t g = 0; g < TABLES; g++) {
        struct sim_group_truth *truth = &w->groups[g];
        truth->group_id = 100 + g;
        truth->is_born = true;
        truth->table = g;
        truth->end_key = KEYS;
        truth->epoch = 1;
        for (uint32_t i = 0; i < 3; i++)
            truth->bootstrap[i] = (struct member){.replica_id = i + 1, .node_id = 1 + (g + i) % NODES};
        truth->next_replica_id = 4;
        for (uint32_t i = 0; i < 3; i++)
            replica_create(w, &w->nodes[truth->bootstrap[i].node_id], g, i + 1, MEMBER_STORAGE, true);
    }
}

static void clients_begin(struct world *w)
{
    for (uint32_t c = 0; c < CLIENTS; c++) {
        w->clients[c].node = 1 + c % NODES;
        for (uint32_t t = 0; t < TABLES; t++)
            for (uint32_t k = 0; k < KEYS; k++)
                w->clients[c].routes[t][k] = (struct sim_route){.group = t, .epoch = 1};
        world_schedule(w, w->now_us + world_uniform(w, 0, SECOND), SIM_CLIENT)->node = c;
    }
}

struct world *world_create(uint64_t seed, bool is_verbose)
{
    struct world *w = memory_zalloc(sizeof(*w));
    ASSERT(w != NULL);
    w->seed = seed;
    w->is_verbose = is_verbose;
    random_init(&w->random, seed);
    arena_init(&w->arena, 64 * 1024, 1024 * 1024);
    w->history = memory_zalloc(HISTORY_MAX * sizeof(w->history[0]));
    w->ids = memory_zalloc(HISTORY_MAX * sizeof(w->ids[0]));
    ASSERT(w->history != NULL && w->ids != NULL);
    w->now_us = SECOND;
    w->is_split = world_chance(w, 300 * 1000);
    w->wants_splits =
        hash_bytes(seed, "splits", 6) % 100 < 55; /* of no draw: other seeds stay what they are */
    w->lease_us = w->is_split || world_chance(w, 200 * 1000) ? 200 * MS : SECOND;
    for (uint32_t id = 1; id <= NODES; id++)
        node_init(w, &w->nodes[id], id);
    groups_begin(w);
    clients_begin(w);
    return w;
}

void world_destroy(struct world *w)
{
    while (w->heap_count > 0)
        event_free(w, heap_pop(w));
    while (w->free_events != NULL) {
        struct sim_event *next = w->free_events->next_free;
        memory_free(w->free_events);
        w->free_events = next;
    }
    memory_free(w->heap);
    for (uint32_t id = 1; id <= NODES; id++) {
        struct sim_node *n = &w->nodes[id];
        for (uint32_t g = 0; g < GROUPS; g++) {
            split_forget(w, &n->replicas[g]);
            replica_close(&n->replicas[g]);
        }
        for (uint32_t g = 0; g < GROUPS; g++)
            meta_deinit(&n->replicas[g].durable);
        for (uint32_t t = 0; t < TABLES; t++) {
            items_deinit(&n->items[t]);
            items_deinit(&n->durable_items[t]);
        }
        support_destroy(n->support);
        disk_deinit(&n->disk);
    }
    memory_free(w->ids);
    memory_free(w->history);
    arena_deinit(&w->arena);
    memory_free(w);
}

/* A shard: what one loop of the node holds. It is opened while its loop does not run yet, serves from a thread of its own (the
 * first one from the daemon's), and ends when its loop has closed everything.
 *
 *     shard_open -> [recovery] -> shard_begin_serving -> shard_start_thread -> ... shard_drain -> shard_close -> shard_destroy
 */
#include <signal.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "dataplane/node/node_internal.h"
#include "dataplane/proto/frame_type.h"

enum {
    ARENA_BLOCK = 64 * 1024,
    ARENA_MAX = 16 * 1024 * 1024,
    SCRATCH_MAX = 32 * 1024 * 1024,
    MAILBOX_CAPACITY = 65536,
    LEADER_CHECK_US = 1000 * 1000,
    DRAIN_US = 1500 * 1000,
    DRAIN_CHECK_US = 20 * 1000,
};

/* ---- a turn's time ---- */

uint64_t shard_turn_spent_us(struct shard *s)
{
    struct turn_time *time = &s->turn_time;
    uint64_t turn = metric_read(&s->loop->metrics.turns);
    if (time->turn != turn)
        *time = (struct turn_time){.turn = turn};
    return time->spent_us;
}

void shard_turn_spend(struct shard *s, uint64_t us)
{
    s->turn_time.spent_us = shard_turn_spent_us(s) + us;
}

/* ---- requests ---- */

/* Reads and writes are answered, the rest is one-way: a frame says for itself which it is, and is not to be
 * believed. */
static bool is_as_its_type(struct wire_call call, uint16_t type)
{
    bool is_answered = type == DATAPLANE_FRAME_READ || type == DATAPLANE_FRAME_WRITE ||
                       type == DATAPLANE_FRAME_RANGE ||
                       (type >= DATAPLANE_FRAME_SNAPSHOT_BEGIN && type <= DATAPLANE_FRAME_SNAPSHOT_END);
    return is_answered == !call.is_one_way;
}

static void refuse_malformed(struct shard *s, struct wire_call call)
{
    metric_increment(&s->metrics.messages_malformed);
    if (!call.is_one_way)
        wire_refuse(call, ERR_INVALID);
}

/* What is said to the node is said to its first loop. */
static void on_heartbeat(struct shard *s, struct wire_call call, const struct frame *frame)
{
    if (s->index == 0)
        node_on_heartbeat(s->node, call, frame);
    else
        refuse_malformed(s, call);
}

static void on_request(struct wire_call call, const struct frame *frame, void *data)
{
    struct shard *s = data;
    if (!is_as_its_type(call, frame->type)) {
        refuse_malformed(s, call);
        return;
    }
    switch (frame->type) {
    case DATAPLANE_FRAME_READ:
        request_on_read(s, call, frame);
        break;
    case DATAPLANE_FRAME_WRITE:
        request_on_write(s, call, frame);
        break;
    case DATAPLANE_FRAME_RANGE:
        request_on_range(s, call, frame);
        break;
    case DATAPLANE_FRAME_HEARTBEAT:
        on_heartbeat(s, call, frame);
        break;
    case DATAPLANE_FRAME_REPLICATION:
        replica_on_frame(s, call, frame);
        break;
    case DATAPLANE_FRAME_SNAPSHOT_BEGIN:
    case DATAPLANE_FRAME_SNAPSHOT_CHUNK:
    case DATAPLANE_FRAME_SNAPSHOT_END:
        snapshot_on_frame(s, call, frame);
        break;
    default:
        refuse_malformed(s, call);
        break;
    }
}

/* ---- leaders where control wants them ---- */

static void on_leader_check(struct loop_timer *timer)
{
    struct shard *s = timer->data;
    shard_look_at_peers(s);
    shard_look_caught_up(s);
    if (s->index == 0)
        node_pace_sample(s->node);
    for (struct replica *r = s->replicas; r != NULL; r = r->hh.next) {
        if (r->state != REPLICA_ACTIVE)
            continue;
        replica_report_size(r);
        split_check(r);
        replica_drive_membership(r);
        if (r->state != REPLICA_ACTIVE)
            continue;
        uint64_t better = replica_better_leader(r);
        if (better != 0) {
            replica_hand_over(r, better);
            metric_increment(&s->metrics.leads_given_up);
        } else if (replica_wants_to_hand_over(r)) {
            replica_hand_over(r, r->leader_preference);
        }
    }
    shard_heat_check(s);
    loop_timer_start(s->loop, timer, loop_now_us(s->loop) + LEADER_CHECK_US);
}

/* ---- publishing ---- */

static Sluice__Controlplane__RouteReplica *to_route_replica(const Sluice__Dataplane__ReplicaAddress *from,
                                                            struct arena *arena)
{
    Sluice__Controlplane__RouteReplica *to = arena_alloc(arena, sizeof *to);
    if (to == NULL)
        return NULL;
    sluice__controlplane__route_replica__init(to);
    to->replica_id = from->replica_id;
    to->node_id = from->node_id;
    to->zone = from->zone;
    to->host = from->host;
    to->port = from->port;
    to->kind = from->kind;
    return to;
}

static Sluice__Controlplane__GroupRoute *describe(uint64_t group_id, struct arena *arena, void *data)
{
    struct shard *s = data;
    struct replica *r = replica_find(s, group_id);
    if (r == NULL || r->state != REPLICA_ACTIVE || !r->is_leading || partition_is_split(r->partition))
        return NULL;
    const Sluice__Dataplane__Route *route = replica_route(r, arena);
    Sluice__Controlplane__GroupRoute *to = arena_alloc(arena, sizeof *to);
    if (route == NULL || to == NULL)
        return NULL;
    sluice__controlplane__group_route__init(to);
    to->group_id = route->group_id;
    to->range_start = route->range_start;
    to->range_end = route->range_end;
    to->range_epoch = route->range_epoch;
    to->membership_version = route->membership_version;
    to->term = route->term;
    to->leader_replica_id = route->leader_replica_id;
    to->replicas = arena_alloc(arena, route->n_replicas * sizeof *to->replicas);
    for (size_t i = 0; to->replicas != NULL && i < route->n_replicas; i++) {
        Sluice__Controlplane__RouteReplica *replica = to_route_replica(route->replicas[i], arena);
        if (replica != NULL)
            to->replicas[to->n_replicas++] = replica;
    }
    return arena_has_failed(arena) ? NULL : to;
}

static void mark_all(struct publisher *p, void *data)
{
    struct shard *s = data;
    for (struct replica *r = s->replicas; r != NULL; r = r->hh.next)
        if (r->is_leading)
            publisher_mark(p, r->group_id);
}

/* ---- beginning ---- */

static enum err open_loop(struct shard *s, struct metrics *metrics)
{
    s->loop = &s->own_loop;
    TRY(loop_init(s->loop));
    s->mailbox = &s->own_mailbox;
    TRY(mailbox_open(s->mailbox, s->loop, MAILBOX_CAPACITY));
    return metrics_add(metrics, &loop_metric_table, NULL, &s->loop->metrics);
}

static struct wire_identity identity(const struct node *n)
{
    return (struct wire_identity){n->options.cluster_id, WIRE_ROLE_NODE, n->node_id};
}

static enum err fill(struct shard *s, struct metrics *metrics)
{
    struct node *n = s->node;
    if (s->index == 0) {
        s->loop = n->loop;
        s->mailbox = n->options.mailbox;
    } else {
        TRY(open_loop(s, metrics));
    }
    TRY(metrics_add(metrics, &node_metric_table, NULL, &s->metrics));
    TRY(metrics_add(metrics, &wire_metric_table, NULL, &s->wire_metrics));
    hottest_init(&s->hottest, metrics);
    TRY(background_open(&s->background, s->loop, BACKGROUND_THREADS));
    TRY(background_open(&s->bulk, s->loop, 1));
    s->snapshot_pace.bytes_per_s = n->options.snapshot_bytes_per_s / n->shard_count;
    s->peers = peers_create(s->loop, identity(n), &s->wire_metrics);
    return s->peers == NULL ? ERR_NO_MEMORY : ERR_OK;
}

enum err shard_open(struct node *n, uint32_t index, struct metrics *metrics, struct shard **ret_shard)
{
    struct shard *s = memory_zalloc(sizeof *s);
    if (s == NULL)
        return ERR_NO_MEMORY;
    s->node = n;
    s->index = index;
    arena_init(&s->arena, ARENA_BLOCK, ARENA_MAX);
    buffer_init(&s->scratch, SCRATCH_MAX);
    buffer_init(&s->fields, SCRATCH_MAX);
    shard_report_init(s);
    enum err err = fill(s, metrics);
    if (err != ERR_OK)
        return err; /* the node does not start: what it had begun to hold goes with the process */
    *ret_shard = s;
    return ERR_OK;
}

static enum err open_server(struct shard *s, struct error *error)
{
    const struct node *n = s->node;
    const struct wire_server_options options = {
        .host = n->options.host,
        .port = (uint16_t)(n->options.port + s->index),
        .identity = identity(n),
        .metrics = &s->wire_metrics,
        .on_request = on_request,
        .data = s,
    };
    return wire_server_open(s->loop, &options, &s->server, error);
}

/* Each shard tells MemDS of its own leaders: no other loop stands between an election and its route. */
static enum err open_publisher(struct shard *s, struct error *error)
{
    const struct publisher_options options = {
        .addresses = s->node->options.memds,
        .identity = identity(s->node),
        .wire_metrics = &s->wire_metrics,
        .published = &s->metrics.routes_published,
        .time = &s->metrics.publication_time,
        .describe = describe,
        .mark_all = mark_all,
        .data = s,
    };
    return publisher_create(s->loop, &options, &s->publisher, error);
}

static enum err set_own_address(struct shard *s)
{
    const struct node *n = s->node;
    struct peer_address address = {.node_id = n->node_id};
    TRY(peer_address_set(&address, slice_from_string(n->options.zone), slice_from_string(n->options.host),
                         n->options.port, n->shard_count));
    return peers_set(s->peers, &address);
}

enum err shard_begin_serving(struct shard *s, struct error *error)
{
    peers_set_identity(s->peers, identity(s->node));
    TRY(set_own_address(s));
    TRY(open_publisher(s, error));
    TRY(open_server(s, error));
    TRY(shard_restart_replicas(s, error));
    if (!shard_report_all(s))
        return ERR_NO_MEMORY;
    shard_proof_start(s);
    shard_flush_start(s);
    s->leader_check = (struct loop_timer){.fire = on_leader_check, .data = s};
    loop_timer_start(s->loop, &s->leader_check, loop_now_us(s->loop) + LEADER_CHECK_US);
    return ERR_OK;
}

static void *run(void *data)
{
    struct shard *s = data;
    loop_run(s->loop);
    atomic_store(&s->has_ended, true);
    uv_async_send(&s->node->news);
    return NULL;
}

/* The daemon's own thread handles signals, not this one. */
enum err shard_start_thread(struct shard *s, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->is_running = true;
    int status = pthread_create(&s->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status == 0)
        return ERR_OK;
    s->is_running = false;
    return error_set(error, ERR_NO_MEMORY, "start the thread of loop %u", s->index);
}

void shard_tick(struct shard *s)
{
    struct replica *next;
    for (struct replica *r = s->replicas; r != NULL; r = next) {
        next = r->hh.next;
        replica_tick(r);
    }
}

/* ---- going ---- */

static uint32_t hand_all_over(struct shard *s)
{
    uint32_t led = 0;
    for (struct replica *r = s->replicas; r != NULL; r = r->hh.next) {
        if (r->state != REPLICA_ACTIVE || !r->is_leading)
            continue;
        led++;
        replica_hand_over(r, 0);
    }
    return led;
}

static void on_drained(struct mailbox_message *message)
{
    node_on_drained(((struct shard_signal *)message)->shard->node);
}

/* False: the node does not hear it now. */
static bool tell_drained(struct shard *s)
{
    s->drained = (struct shard_signal){.message.deliver = on_drained, .shard = s};
    if (s->index > 0)
        return mailbox_post(s->node->shards[0]->mailbox, &s->drained.message) == ERR_OK;
    on_drained(&s->drained.message);
    return true;
}

static void on_drain_check(struct loop_timer *timer)
{
    struct shard *s = timer->data;
    bool is_waiting = hand_all_over(s) > 0 && loop_now_us(s->loop) < s->drain_until_us;
    if (is_waiting || !tell_drained(s))
        loop_timer_start(s->loop, timer, loop_now_us(s->loop) + DRAIN_CHECK_US);
}

void shard_drain(struct shard *s)
{
    if (s->is_closing)
        return;
    s->drain_until_us = loop_now_us(s->loop) + DRAIN_US;
    loop_timer_stop(s->loop, &s->leader_check);
    s->leader_check = (struct loop_timer){.fire = on_drain_check, .data = s};
    on_drain_check(&s->leader_check);
}

static void on_port_closed(void *data)
{
    ((struct shard *)data)->port = NULL;
}

void shard_close(struct shard *s)
{
    s->is_closing = true;
    loop_timer_stop(s->loop, &s->proof);
    shard_flush_stop(s);
    loop_timer_stop(s->loop, &s->leader_check);
    publisher_destroy(s->publisher);
    for (struct replica *r = s->replicas; r != NULL; r = r->hh.next)
        replica_stop(r, r->state == REPLICA_ACTIVE ? REPLICA_CREATING : r->state);
    shard_report_close(s);
    shard_rest_close(s);
    if (s->server != NULL)
        wire_server_close(s->server, NULL, NULL);
    snapshot_close_all(s);
    peers_destroy(s->peers);
    background_close(&s->background, NULL, NULL);
    background_close(&s->bulk, NULL, NULL);
    if (s->port != NULL)
        wal_port_close(s->port, on_port_closed, s);
}

void shard_destroy(struct shard *s)
{
    ASSERT(s->port == NULL && !s->is_running);
    while (s->replicas != NULL)
        replica_destroy(s->replicas);
    early_frames_clear(&s->early);
    if (s->index > 0) {
        mailbox_close(s->mailbox, NULL, NULL);
        loop_deinit(s->loop);
    }
    store_close(s->store);
    buffer_deinit(&s->scratch);
    buffer_deinit(&s->fields);
    arena_deinit(&s->arena);
    memory_free(s);
}

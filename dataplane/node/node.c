#include "dataplane/node/node.h"

#include "base/clock.h"
#include "base/random.h"
#include "dataplane/node/node_internal.h"
#include "dataplane/proto/frame_type.h"

enum {
    ARENA_BLOCK = 64 * 1024,
    ARENA_MAX = 16 * 1024 * 1024,
    SCRATCH_MAX = 32 * 1024 * 1024,
    LEADER_CHECK_US = 1000 * 1000,
    DRAIN_US = 1500 * 1000,
    DRAIN_CHECK_US = 20 * 1000,
    READY_CHECK_US = 10 * 1000,
};

static const struct metric_row metric_rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct node_metrics, name, kind, unit, sentence)
#include "dataplane/node/node_metrics.def"
#undef METRIC
};
const struct metric_table node_metric_table = METRIC_TABLE("node", metric_rows);

void node_fail(struct node *n, const char *what, enum err err)
{
    if (n->has_failed || n->is_closing)
        return;
    n->has_failed = true;
    log_error("node_failed", "what=\"%s\" error=%s", what, err_name(err));
    n->options.on_failed(n->options.data);
}

/* Reads and writes are answered, the rest is one-way: a frame says for itself which it is, and is not to be
 * believed. */
static bool is_as_its_type(struct wire_call call, uint16_t type)
{
    bool is_answered = type == DATAPLANE_FRAME_READ || type == DATAPLANE_FRAME_WRITE;
    return is_answered == !call.is_one_way;
}

static void refuse_malformed(struct node *n, struct wire_call call)
{
    metric_increment(&n->metrics.messages_malformed);
    if (!call.is_one_way)
        wire_refuse(call, ERR_INVALID);
}

static void on_request(struct wire_call call, const struct frame *frame, void *data)
{
    struct node *n = data;
    if (!is_as_its_type(call, frame->type)) {
        refuse_malformed(n, call);
        return;
    }
    switch (frame->type) {
    case DATAPLANE_FRAME_READ:
        request_on_read(n, call, frame);
        break;
    case DATAPLANE_FRAME_WRITE:
        request_on_write(n, call, frame);
        break;
    case DATAPLANE_FRAME_HEARTBEAT:
        node_on_heartbeat(n, call, frame);
        break;
    case DATAPLANE_FRAME_REPLICATION:
        replica_on_frame(n, call, frame);
        break;
    default:
        refuse_malformed(n, call);
        break;
    }
}

/* ---- leaders where control wants them ---- */

/* The epoch in which the preferred replica's node supports us; 0 = there is nobody to hand over to. */
static uint64_t preferred_epoch(const struct replica *r)
{
    if (!r->is_leading || r->leader_preference == 0 || r->leader_preference == r->replica_id)
        return 0;
    const struct member *preferred = membership_find(group_membership(r->group), r->leader_preference);
    if (preferred == NULL || preferred->role != MEMBER_VOTER || preferred->kind != MEMBER_STORAGE)
        return 0;
    return support_held_epoch(r->node->support, preferred->node_id, clock_boot_us());
}

/* A restarted replica may not campaign for a lease and its margin: who hands over to it at once leaves the group
 * without a leader until then. So its node must have supported us, in one epoch, for longer than that. */
static bool wants_to_hand_over(struct replica *r)
{
    uint64_t now_us = clock_boot_us();
    uint64_t epoch = preferred_epoch(r);
    if (epoch == 0 || epoch != r->preferred_epoch) {
        r->preferred_epoch = epoch;
        r->preferred_since_us = now_us;
        return false;
    }
    return now_us - r->preferred_since_us >= 2 * support_lease_us(r->node->support) &&
           group_match_index(r->group, r->leader_preference) == group_status(r->group).last_index;
}

static void hand_over(struct replica *r, uint64_t to_replica)
{
    struct group_event event = {.kind = GROUP_EVENT_TRANSFER, .replica_id = to_replica};
    struct group_update update;
    (void)replica_step(r, &event, &update); /* when refused, it goes on leading */
}

static void on_leader_check(struct loop_timer *timer)
{
    struct node *n = timer->data;
    for (struct replica *r = n->replicas; r != NULL; r = r->hh.next)
        if (r->state == REPLICA_ACTIVE && wants_to_hand_over(r))
            hand_over(r, r->leader_preference);
    loop_timer_start(n->loop, timer, loop_now_us(n->loop) + LEADER_CHECK_US);
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
    struct node *n = data;
    struct replica *r = replica_find(n, group_id);
    if (r == NULL || r->state != REPLICA_ACTIVE || !r->is_leading)
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
    struct node *n = data;
    for (struct replica *r = n->replicas; r != NULL; r = r->hh.next)
        if (r->is_leading)
            publisher_mark(p, r->group_id);
}

/* ---- life ---- */

static uint64_t report_version(void *data)
{
    return ((struct node *)data)->report_version;
}

static struct wire_identity identity(const struct node *n)
{
    return (struct wire_identity){n->options.cluster_id, WIRE_ROLE_NODE, n->node_id};
}

static enum err open_server(struct node *n, struct error *error)
{
    const struct wire_server_options options = {
        .host = n->options.host,
        .port = n->options.port,
        .identity = identity(n),
        .metrics = &n->wire_metrics,
        .on_request = on_request,
        .data = n,
    };
    return wire_server_open(n->loop, &options, &n->server, error);
}

/* Ready once it may vote and campaign: a rolling restart that waits for that never takes a node away while
 * the one before could not yet take its leads over. */
static void on_ready_check(struct loop_timer *timer)
{
    struct node *n = timer->data;
    if (support_can_vote(n->support, clock_boot_us()))
        n->options.on_ready(n->options.data);
    else
        loop_timer_start(n->loop, timer, loop_now_us(n->loop) + READY_CHECK_US);
}

enum err node_begin_serving(struct node *n, struct error *error)
{
    n->incarnation++;
    if (identity_write(n->options.data_dir, n->node_id, n->incarnation) != ERR_OK)
        return error_set(error, ERR_IO, "write %s/node_id", n->options.data_dir);
    const struct support_options support = {
        .node_id = n->node_id,
        .incarnation = n->incarnation,
        .lease_us = n->options.lease_us,
    };
    n->support = support_create(&support, clock_boot_us());
    if (n->support == NULL)
        return ERR_NO_MEMORY;
    peers_set_identity(n->peers, identity(n));
    TRY(peers_set(n->peers, n->node_id, slice_from_string(n->options.zone),
                  slice_from_string(n->options.host), n->options.port));
    const struct publisher_options publisher = {
        .addresses = n->options.memds,
        .identity = identity(n),
        .wire_metrics = &n->wire_metrics,
        .published = &n->metrics.routes_published,
        .describe = describe,
        .mark_all = mark_all,
        .data = n,
    };
    TRY(publisher_create(n->loop, &publisher, &n->publisher, error));
    TRY(open_server(n, error));
    TRY(node_restart_replicas(n, error));
    node_heartbeat_start(n);
    node_flush_start(n);
    n->leader_check = (struct loop_timer){.fire = on_leader_check, .data = n};
    loop_timer_start(n->loop, &n->leader_check, loop_now_us(n->loop) + LEADER_CHECK_US);
    n->ready = (struct loop_timer){.fire = on_ready_check, .data = n};
    on_ready_check(&n->ready);
    return ERR_OK;
}

static enum err start_goals(struct node *n, struct error *error)
{
    uint64_t boot_epoch;
    random_secret(&boot_epoch, sizeof boot_epoch);
    const struct goals_options options = {
        .addresses = n->options.control,
        .identity = identity(n),
        .wire_metrics = &n->wire_metrics,
        .node_name = n->options.name,
        .zone = n->options.zone,
        .host = n->options.host,
        .port = n->options.port,
        .node_id = n->node_id,
        .boot_epoch = boot_epoch,
        .fill_report = node_fill_report,
        .report_version = report_version,
        .on_goals = node_on_goals,
        .data = n,
    };
    return goals_create(n->loop, &options, &n->goals, error);
}

static void count_recovered(void *data, const struct wal_replica *replica)
{
    size_t *count = data;
    (*count)++;
}

/* Somebody's replicas are here. Without the file that says whose, and how often it has started, they must not act. */
static bool has_history(const struct node *n)
{
    size_t recovered = 0;
    wal_recovered_each(n->wal, count_recovered, &recovered);
    return n->replicas != NULL || recovered > 0;
}

static enum err start(struct node *n, struct metrics *metrics, struct error *error)
{
    TRY(metrics_add(metrics, &node_metric_table, NULL, &n->metrics));
    TRY(metrics_add(metrics, &wire_metric_table, NULL, &n->wire_metrics));
    TRY(metrics_add(metrics, &wal_metric_table, NULL, &n->log_metrics));
    n->peers = peers_create(n->loop, identity(n), &n->wire_metrics);
    if (n->peers == NULL)
        return ERR_NO_MEMORY;
    enum err err = identity_read(n->options.data_dir, &n->node_id, &n->incarnation);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return error_set(error, err, "read %s/node_id", n->options.data_dir);
    TRY(node_recover(n, error));
    if (n->node_id == 0 && has_history(n))
        return error_set(error, ERR_CORRUPT, "%s holds replicas and no node_id: move it away, all of it",
                         n->options.data_dir);
    TRY(start_goals(n, error));
    return n->node_id == 0 ? ERR_OK : node_begin_serving(n, error);
}

enum err node_create(struct loop *loop, struct metrics *metrics, const struct node_options *options,
                     struct node **ret_node, struct error *error)
{
    struct node *n = memory_zalloc(sizeof *n);
    if (n == NULL)
        return ERR_NO_MEMORY;
    n->options = *options;
    n->loop = loop;
    arena_init(&n->arena, ARENA_BLOCK, ARENA_MAX);
    buffer_init(&n->scratch, SCRATCH_MAX);
    buffer_init(&n->fields, SCRATCH_MAX);
    buffer_init(&n->kept_peers, SCRATCH_MAX);
    /* A node that cannot start ends its process: what it had begun to hold goes with that. */
    TRY(start(n, metrics, error));
    *ret_node = n;
    return ERR_OK;
}

/* ---- going ---- */

static uint32_t hand_all_over(struct node *n)
{
    uint32_t led = 0;
    for (struct replica *r = n->replicas; r != NULL; r = r->hh.next) {
        if (r->state != REPLICA_ACTIVE || !r->is_leading)
            continue;
        led++;
        hand_over(r, 0);
    }
    return led;
}

static void on_drain_check(struct loop_timer *timer)
{
    struct node *n = timer->data;
    if (hand_all_over(n) > 0 && loop_now_us(n->loop) < n->drain_until_us)
        loop_timer_start(n->loop, timer, loop_now_us(n->loop) + DRAIN_CHECK_US);
    else
        n->on_drained(n->on_drained_data);
}

void node_drain(struct node *n, void (*drained)(void *data), void *data)
{
    n->on_drained = drained;
    n->on_drained_data = data;
    n->drain_until_us = loop_now_us(n->loop) + DRAIN_US;
    loop_timer_stop(n->loop, &n->leader_check);
    n->leader_check = (struct loop_timer){.fire = on_drain_check, .data = n};
    on_drain_check(&n->leader_check);
}

void node_close(struct node *n)
{
    n->is_closing = true;
    loop_timer_stop(n->loop, &n->heartbeat);
    node_flush_stop(n);
    loop_timer_stop(n->loop, &n->leader_check);
    loop_timer_stop(n->loop, &n->ready);
    goals_destroy(n->goals);
    n->goals = NULL;
    publisher_destroy(n->publisher);
    for (struct replica *r = n->replicas; r != NULL; r = r->hh.next)
        replica_stop(r, r->state == REPLICA_ACTIVE ? REPLICA_CREATING : r->state);
    if (n->server != NULL)
        wire_server_close(n->server, NULL, NULL);
    peers_destroy(n->peers);
    if (n->port != NULL)
        wal_port_close(n->port, NULL, NULL);
}

void node_destroy(struct node *n)
{
    if (n == NULL)
        return;
    while (n->replicas != NULL)
        replica_destroy(n->replicas);
    while (n->removed != NULL) {
        struct removed_replica *gone = n->removed;
        n->removed = gone->next;
        memory_free(gone);
    }
    wal_close(n->wal);
    store_close(n->store);
    support_destroy(n->support);
    buffer_deinit(&n->scratch);
    buffer_deinit(&n->fields);
    buffer_deinit(&n->kept_peers);
    arena_deinit(&n->arena);
    memory_free(n);
}

void node_show(struct buffer *to, void *data)
{
    struct node *n = data;
    static const char *const states[] = {"creating", "created", "active", "quarantined", "removing"};
    static const char *const roles[] = {"follower", "pre-candidate", "candidate", "leader"};
    for (struct replica *r = n->replicas; r != NULL; r = r->hh.next) {
        struct group_status s = group_status(r->group);
        buffer_append_format(to,
                             "group=%llu replica=%llu state=%s role=%s%s term=%llu first=%llu last=%llu "
                             "commit=%llu applied=%llu pending=%llu\n",
                             (unsigned long long)r->group_id, (unsigned long long)r->replica_id,
                             states[r->state], roles[s.role], r->is_leading ? " leading" : "",
                             (unsigned long long)s.term, (unsigned long long)s.first_index,
                             (unsigned long long)s.last_index, (unsigned long long)s.commit_index,
                             (unsigned long long)partition_applied_index(r->partition),
                             (unsigned long long)partition_pending_count(r->partition));
    }
}

#include "dataplane/node/node.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "dataplane/node/node_internal.h"

enum {
    READY_CHECK_US = 10 * 1000,
    KEPT_PEERS_MAX = 1024 * 1024,
    POOL_THREADS_PER_LOOP = 4,
};

static const struct metric_row metric_rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct node_metrics, name, kind, unit, sentence)
#include "dataplane/node/node_metrics.def"
#undef METRIC
};
const struct metric_table node_metric_table = METRIC_TABLE("node", metric_rows);

/* ---- news from the other shards ---- */

static void tell_failure(struct node *n)
{
    if (n->is_failure_told || atomic_load(&n->is_closing))
        return;
    n->is_failure_told = true;
    n->options.on_failed(n->options.data);
}

void node_fail(struct node *n, const char *what, enum err err)
{
    if (atomic_load(&n->is_closing) || atomic_exchange(&n->has_failed, true))
        return;
    log_error("node_failed", "what=\"%s\" error=%s", what, err_name(err));
    uv_async_send(&n->news);
}

/* The loop of the first shard lives until the threads of all others have ended. */
static void join_ended(struct node *n)
{
    uint32_t running = 0;
    for (uint32_t i = 1; i < n->shard_count; i++) {
        struct shard *s = n->shards[i];
        if (s->is_running && atomic_load(&s->has_ended)) {
            pthread_join(s->thread, NULL);
            s->is_running = false;
        }
        running += s->is_running;
    }
    if (running == 0 && !uv_is_closing((uv_handle_t *)&n->news))
        uv_close((uv_handle_t *)&n->news, NULL);
}

static void on_news(uv_async_t *news)
{
    struct node *n = news->data;
    if (atomic_load(&n->has_failed))
        tell_failure(n);
    if (atomic_load(&n->is_closing))
        join_ended(n);
}

/* ---- beginning ---- */

static struct wire_identity wire_identity(const struct node *n)
{
    return (struct wire_identity){n->options.cluster_id, WIRE_ROLE_NODE, n->node_id};
}

static uint64_t report_version(void *data)
{
    return ((struct node *)data)->report_version;
}

/* Ready once it may vote and campaign: a rolling restart that waits for that never takes a node away while
 * the one before could not yet take its leads over. */
static void on_ready_check(struct loop_timer *timer)
{
    struct node *n = timer->data;
    bool can_vote = support_can_vote(node_support_lock(n), clock_boot_us());
    node_support_unlock(n);
    if (can_vote)
        n->options.on_ready(n->options.data);
    else
        loop_timer_start(n->loop, timer, loop_now_us(n->loop) + READY_CHECK_US);
}

static enum err begin_life(struct node *n, struct error *error)
{
    n->incarnation++;
    const struct identity identity = {n->node_id, n->incarnation, n->shard_count};
    if (identity_write(n->options.data_dir, &identity) != ERR_OK)
        return error_set(error, ERR_IO, "write %s/node_id", n->options.data_dir);
    const struct support_options support = {
        .node_id = n->node_id,
        .incarnation = n->incarnation,
        .lease_us = n->options.lease_us,
    };
    n->support = support_create(&support, clock_boot_us());
    return n->support == NULL ? ERR_NO_MEMORY : ERR_OK;
}

enum err node_begin_serving(struct node *n, struct error *error)
{
    TRY(begin_life(n, error));
    for (uint32_t i = 0; i < n->shard_count; i++)
        TRY(shard_begin_serving(n->shards[i], error));
    for (uint32_t i = 1; i < n->shard_count; i++)
        TRY(shard_start_thread(n->shards[i], error));
    node_heartbeat_start(n);
    n->ready = (struct loop_timer){.fire = on_ready_check, .data = n};
    on_ready_check(&n->ready);
    return ERR_OK;
}

static void on_restart(void *data)
{
    const struct node *n = data;
    n->options.on_restart(n->options.data);
}

static enum err start_goals(struct node *n, struct error *error)
{
    uint64_t boot_epoch;
    random_secret(&boot_epoch, sizeof boot_epoch);
    const struct goals_options options = {
        .addresses = n->options.control,
        .identity = wire_identity(n),
        .wire_metrics = &n->shards[0]->wire_metrics,
        .node_name = n->options.name,
        .zone = n->options.zone,
        .host = n->options.host,
        .port = n->options.port,
        .loops = n->shard_count,
        .node_id = n->node_id,
        .boot_epoch = boot_epoch,
        .fill_report = node_fill_report,
        .report_version = report_version,
        .on_goals = node_on_goals,
        .on_restart = on_restart,
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
    for (uint32_t i = 0; i < n->shard_count; i++)
        recovered += n->shards[i]->replicas != NULL;
    return recovered > 0;
}

/* How many loops: as many as the data directory has stores, whatever is asked for. */
static enum err read_identity(struct node *n, struct error *error)
{
    uint32_t wanted = n->options.loops == 0 ? uv_available_parallelism() : n->options.loops;
    struct identity identity = {.loops = wanted < NODE_LOOPS_MAX ? wanted : NODE_LOOPS_MAX};
    enum err err = identity_read(n->options.data_dir, &identity);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return error_set(error, err, "read %s/node_id", n->options.data_dir);
    if (n->options.loops != 0 && identity.loops != n->options.loops)
        log_warn("loops_kept", "setting=%u data_directory=%u", n->options.loops, identity.loops);
    if (n->options.port + identity.loops - 1 > UINT16_MAX)
        return error_set(error, ERR_CONFIG, "no %u ports from %u on", identity.loops, n->options.port);
    n->node_id = identity.node_id;
    n->incarnation = identity.incarnation;
    n->shard_count = identity.loops;
    return ERR_OK;
}

/* libuv's pool has four threads unless the environment says otherwise: as many for each loop, so that one loop's flush
 * does not keep another's reads waiting. Before the pool is first used. */
static void size_pool(const struct node *n)
{
    char text[16];
    snprintf(text, sizeof text, "%u", n->shard_count * POOL_THREADS_PER_LOOP);
    (void)setenv("UV_THREADPOOL_SIZE", text, 0); /* no memory: then it stays at four */
}

static enum err start(struct node *n, struct metrics *metrics, struct error *error)
{
    TRY(read_identity(n, error));
    size_pool(n);
    TRY(metrics_add(metrics, &wal_metric_table, NULL, &n->log_metrics));
    for (uint32_t i = 0; i < n->shard_count; i++)
        TRY(shard_open(n, i, metrics, &n->shards[i]));
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
    pthread_mutex_init(&n->support_lock, NULL);
    buffer_init(&n->kept_peers, KEPT_PEERS_MAX);
    if (uv_async_init(&loop->uv, &n->news, on_news) != 0)
        return error_set(error, ERR_IO, "open the node's news");
    n->news.data = n;
    /* A node that cannot start ends its process: what it had begun to hold goes with that. */
    TRY(start(n, metrics, error));
    *ret_node = n;
    return ERR_OK;
}

/* ---- going ---- */

static void on_drain(struct mailbox_message *message)
{
    shard_drain(((struct shard_signal *)message)->shard);
}

/* One that does not hear it has nobody to hand over to in time. */
static void drain_other(struct node *n, struct shard *s)
{
    s->drain = (struct shard_signal){.message.deliver = on_drain, .shard = s};
    if (s->is_running && mailbox_post(s->mailbox, &s->drain.message) == ERR_OK)
        n->draining++;
}

void node_on_drained(struct node *n)
{
    if (--n->draining == 0 && !atomic_load(&n->is_closing))
        n->on_drained(n->on_drained_data);
}

void node_drain(struct node *n, void (*drained)(void *data), void *data)
{
    n->on_drained = drained;
    n->on_drained_data = data;
    n->draining = 1;
    for (uint32_t i = 1; i < n->shard_count; i++)
        drain_other(n, n->shards[i]);
    shard_drain(n->shards[0]);
}

static void on_close(struct mailbox_message *message)
{
    shard_close(((struct shard_signal *)message)->shard);
}

/* One whose mailbox is full has stood still for long: the daemon ends without it when its time is up. */
static void close_other(struct shard *s)
{
    s->close = (struct shard_signal){.message.deliver = on_close, .shard = s};
    if (!s->is_running)
        shard_close(s);
    else if (mailbox_post(s->mailbox, &s->close.message) != ERR_OK)
        log_error("loop_stuck", "loop=%u", s->index);
}

void node_close(struct node *n)
{
    atomic_store(&n->is_closing, true);
    loop_timer_stop(n->loop, &n->heartbeat);
    loop_timer_stop(n->loop, &n->ready);
    goals_destroy(n->goals);
    n->goals = NULL;
    for (uint32_t i = 1; i < n->shard_count; i++)
        close_other(n->shards[i]);
    shard_close(n->shards[0]);
    join_ended(n);
}

/* Loops that never ran have their handles' ends before them. */
static bool has_ended(struct node *n)
{
    bool has_ended = true;
    for (uint32_t i = 0; i < n->shard_count; i++) {
        struct shard *s = n->shards[i];
        if (i > 0 && !s->is_running)
            loop_run(s->loop);
        has_ended = has_ended && !s->is_running && s->port == NULL;
    }
    return has_ended;
}

void node_destroy(struct node *n)
{
    if (n == NULL || !has_ended(n))
        return;
    for (uint32_t i = 0; i < n->shard_count; i++)
        shard_destroy(n->shards[i]);
    wal_close(n->wal);
    node_forget_reports(n);
    support_destroy(n->support);
    pthread_mutex_destroy(&n->support_lock);
    buffer_deinit(&n->kept_peers);
    memory_free(n);
}

/* ---- looking in ---- */

static void show_shard(struct buffer *to, void *data)
{
    const struct shard *s = data;
    static const char *const states[] = {"creating", "created", "active", "quarantined", "removing"};
    static const char *const roles[] = {"follower", "pre-candidate", "candidate", "leader"};
    for (struct replica *r = s->replicas; r != NULL; r = r->hh.next) {
        struct group_status g = group_status(r->group);
        buffer_append_format(
            to,
            "group=%llu replica=%llu loop=%u state=%s role=%s%s%s term=%llu first=%llu "
            "last=%llu commit=%llu applied=%llu pending=%llu\n",
            (unsigned long long)r->group_id, (unsigned long long)r->replica_id, s->index, states[r->state],
            roles[g.role], r->is_leading ? " leading" : "", group_is_split(r->group) ? " split" : "",
            (unsigned long long)g.term, (unsigned long long)g.first_index, (unsigned long long)g.last_index,
            (unsigned long long)g.commit_index, (unsigned long long)partition_applied_index(r->partition),
            (unsigned long long)partition_pending_count(r->partition));
    }
}

enum err node_show(struct node *n, uint64_t timeout_us, struct buffer *to)
{
    for (uint32_t i = 0; i < n->shard_count; i++) {
        struct shard *s = n->shards[i];
        if (i == 0 || atomic_load(&s->is_running)) /* else it has nothing yet */
            TRY(mailbox_ask(s->mailbox, show_shard, s, timeout_us, to));
    }
    return ERR_OK;
}

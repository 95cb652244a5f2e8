/* From time to time the store is flushed, and the log shortened to what is needed after that.
 *
 * On the loop, a few in each turn, the checkpoint of each group that has moved goes into the store; in the pool the store
 * is flushed; back on the loop the log of every group, idle ones too, may start behind its checkpoint. How much of it really
 * goes depends on the retention: followers that were away catch up from the log, so the youngest segments stay
 * whole. */
#include "base/clock.h"
#include "dataplane/node/node_internal.h"

enum { TURN_US = 1000 }; /* checkpoints written in one turn */

struct flushed_group {
    uint64_t group_id;
    uint64_t replica_id;
    uint64_t index;
};

struct flushing {
    uv_work_t work;
    struct loop_task turn;
    struct shard *shard;
    enum err err;
    size_t group_count; /* to look at */
    size_t next;
    size_t count; /* of those with a new checkpoint: they move to the front */
    struct flushed_group groups[];
};

/* Up to a quarter earlier or later, so that shards and nodes that began together do not all flush at once. */
static void schedule(struct shard *s)
{
    uint64_t interval_us = s->node->options.flush_interval_us;
    uint64_t wait_us = interval_us - interval_us / 4 + random_below(&s->random, interval_us / 2 + 1);
    loop_timer_start(s->loop, &s->flush, loop_now_us(s->loop) + wait_us);
}

static void note_checkpoint(struct shard *s, const struct flushed_group *flushed)
{
    struct replica *r = replica_find(s, flushed->group_id);
    if (r != NULL && r->replica_id == flushed->replica_id)
        r->checkpoint_index = flushed->index;
}

/* Let go of entries that nobody needs from here and that lie before segment `generation`. */
static void shorten_log(struct replica *r, uint64_t generation)
{
    uint64_t first = wal_group_index_from(r->log, generation);
    uint64_t spare = replica_spare_index(r), wanted = snapshot_needs_log_from(r);
    if (first > spare + 1)
        first = spare + 1;
    if (first > wanted)
        first = wanted;
    uint64_t previous_term;
    if (first <= group_status(r->group).first_index ||
        !group_entry_term(r->group, first - 1, &previous_term) ||
        wal_group_truncate_prefix(r->log, first, previous_term) != ERR_OK)
        return; /* the next flush tries again */
    struct group_event event = {.kind = GROUP_EVENT_TRUNCATED, .index = first};
    struct group_update update;
    (void)replica_step(r, &event, &update); /* cannot be refused */
}

static void shorten_logs(struct shard *s)
{
    struct wal_figures figures = wal_figures(s->node->wal);
    uint64_t kept = s->node->options.log_retention_bytes / s->node->options.log_segment_bytes + 1;
    if (figures.segments_in_use <= kept)
        return;
    for (struct replica *r = s->replicas; r != NULL; r = r->hh.next)
        if (r->state == REPLICA_ACTIVE && !r->is_installing)
            shorten_log(r, figures.current_generation + 1 - kept);
}

static void after_flush(uv_work_t *work, int status)
{
    struct flushing *flushing = work->data;
    struct shard *s = flushing->shard;
    s->flushing = NULL;
    if (flushing->err != ERR_OK) {
        memory_free(flushing);
        node_fail(s->node, "store flush", flushing->err);
        return;
    }
    metric_increment(&s->metrics.flushes);
    for (size_t i = 0; i < flushing->count; i++)
        note_checkpoint(s, &flushing->groups[i]);
    memory_free(flushing);
    if (s->is_closing)
        return;
    shorten_logs(s);
    schedule(s);
}

static void in_pool(uv_work_t *work)
{
    struct flushing *flushing = work->data;
    flushing->err = store_flush(flushing->shard->store);
}

/* Nothing to flush, or not now: the next time. */
static void give_up(struct shard *s)
{
    memory_free(s->flushing);
    s->flushing = NULL;
    shorten_logs(s);
    schedule(s);
}

static void begin_flush(struct flushing *flushing)
{
    struct shard *s = flushing->shard;
    if (flushing->count == 0 || uv_queue_work(&s->loop->uv, &flushing->work, in_pool, after_flush) != 0)
        give_up(s);
}

/* Write its checkpoint if it has moved since the last one. False: the store takes nothing now. */
static bool checkpoint_next(struct flushing *flushing)
{
    struct flushed_group group = flushing->groups[flushing->next++];
    struct replica *r = replica_find(flushing->shard, group.group_id);
    if (r == NULL || r->state != REPLICA_ACTIVE || r->has_batch || r->is_installing)
        return true;
    uint64_t applied = partition_applied_index(r->partition);
    if (applied == r->checkpoint_index)
        return true;
    if (!replica_checkpoint(r))
        return false;
    flushing->groups[flushing->count++] = (struct flushed_group){r->group_id, r->replica_id, applied};
    return true;
}

static void on_turn(struct loop_task *task)
{
    struct flushing *flushing = task->data;
    struct shard *s = flushing->shard;
    uint64_t until_us = clock_boot_us() + TURN_US;
    while (flushing->next < flushing->group_count) {
        if (!checkpoint_next(flushing)) {
            give_up(s);
            return;
        }
        if (clock_boot_us() >= until_us) {
            loop_defer(s->loop, &flushing->turn);
            return;
        }
    }
    begin_flush(flushing);
}

static void on_flush_timer(struct loop_timer *timer)
{
    struct shard *s = timer->data;
    size_t count = HASH_COUNT(s->replicas);
    struct flushing *flushing = memory_zalloc(sizeof *flushing + count * sizeof flushing->groups[0]);
    if (flushing == NULL) {
        schedule(s);
        return;
    }
    flushing->shard = s;
    flushing->work.data = flushing;
    flushing->turn = (struct loop_task){.run = on_turn, .data = flushing};
    for (struct replica *r = s->replicas; r != NULL; r = r->hh.next)
        flushing->groups[flushing->group_count++].group_id = r->group_id;
    s->flushing = flushing;
    loop_defer(s->loop, &flushing->turn);
}

void shard_flush_start(struct shard *s)
{
    random_init(&s->random, clock_boot_us() ^ s->node->node_id ^ ((uint64_t)s->index << 32));
    s->flush = (struct loop_timer){.fire = on_flush_timer, .data = s};
    schedule(s);
}

void shard_flush_stop(struct shard *s)
{
    loop_timer_stop(s->loop, &s->flush);
    if (s->flushing == NULL || !loop_task_is_queued(&s->flushing->turn))
        return; /* in the pool: it comes back by itself */
    loop_undefer(s->loop, &s->flushing->turn);
    memory_free(s->flushing);
    s->flushing = NULL;
}

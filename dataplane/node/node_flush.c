/* From time to time the store is flushed, and the log shortened to what is needed after that.
 *
 * On the loop the checkpoint of each group that has moved goes into the store; in the pool the store is flushed;
 * back on the loop the log of every group, idle ones too, may start behind its checkpoint. How much of it really
 * goes depends on the retention: followers that were away catch up from the log, so the youngest segments stay
 * whole. */
#include "base/clock.h"
#include "dataplane/node/node_internal.h"

enum { CHECKPOINT_BYTES_MAX = 256 * 1024 * 1024 };

struct flushed_group {
    uint64_t group_id;
    uint64_t replica_id;
    uint64_t index;
};

struct flushing {
    uv_work_t work;
    struct node *node;
    enum err err;
    size_t count;
    struct flushed_group groups[];
};

static void schedule(struct node *n)
{
    loop_timer_start(n->loop, &n->flush, loop_now_us(n->loop) + n->options.flush_interval_us);
}

static void note_checkpoint(struct node *n, const struct flushed_group *flushed)
{
    struct replica *r = replica_find(n, flushed->group_id);
    if (r != NULL && r->replica_id == flushed->replica_id)
        r->checkpoint_index = flushed->index;
}

/* Let go of entries that the durable checkpoint covers and that lie before segment `generation`. */
static void shorten_log(struct replica *r, uint64_t generation)
{
    uint64_t first = wal_group_index_from(r->log, generation);
    if (first > r->checkpoint_index + 1)
        first = r->checkpoint_index + 1;
    uint64_t previous_term;
    if (first <= group_status(r->group).first_index ||
        !group_entry_term(r->group, first - 1, &previous_term) ||
        wal_group_truncate_prefix(r->log, first, previous_term) != ERR_OK)
        return; /* the next flush tries again */
    struct group_event event = {.kind = GROUP_EVENT_TRUNCATED, .index = first};
    struct group_update update;
    (void)replica_step(r, &event, &update); /* cannot be refused */
}

static void shorten_logs(struct node *n)
{
    struct wal_figures figures = wal_figures(n->wal);
    uint64_t kept = n->options.log_retention_bytes / n->options.log_segment_bytes + 1;
    if (figures.segments_in_use <= kept)
        return;
    for (struct replica *r = n->replicas; r != NULL; r = r->hh.next)
        if (r->state == REPLICA_ACTIVE)
            shorten_log(r, figures.current_generation + 1 - kept);
}

static void after_flush(uv_work_t *work, int status)
{
    struct flushing *flushing = work->data;
    struct node *n = flushing->node;
    n->flushing = NULL;
    if (flushing->err != ERR_OK) {
        memory_free(flushing);
        node_fail(n, "store flush", flushing->err);
        return;
    }
    metric_increment(&n->metrics.flushes);
    for (size_t i = 0; i < flushing->count; i++)
        note_checkpoint(n, &flushing->groups[i]);
    memory_free(flushing);
    if (n->is_closing)
        return;
    shorten_logs(n);
    schedule(n);
}

static void in_pool(uv_work_t *work)
{
    struct flushing *flushing = work->data;
    flushing->err = store_flush(flushing->node->store);
}

/* Every group that has moved since its last checkpoint. False: the store takes nothing now. */
static bool write_checkpoints(struct node *n, struct flushing *flushing)
{
    struct store_batch *batch = store_batch_create();
    struct buffer checkpoint;
    buffer_init(&checkpoint, CHECKPOINT_BYTES_MAX);
    bool is_good = batch != NULL;
    for (struct replica *r = n->replicas; r != NULL && is_good; r = r->hh.next) {
        uint64_t applied = partition_applied_index(r->partition);
        if (r->state != REPLICA_ACTIVE || r->has_batch || applied == r->checkpoint_index)
            continue;
        buffer_clear(&checkpoint);
        partition_checkpoint_encode(r->partition, &checkpoint);
        store_batch_clear(batch);
        store_batch_put_meta(batch, r->group_id, slice_from_string(NODE_META_CHECKPOINT),
                             buffer_view(&checkpoint));
        store_batch_set_applied(batch, r->group_id, r->replica_id, applied, r->applied_term);
        is_good = !buffer_has_failed(&checkpoint) && store_write(n->store, batch) == ERR_OK;
        flushing->groups[flushing->count++] = (struct flushed_group){r->group_id, r->replica_id, applied};
    }
    buffer_deinit(&checkpoint);
    store_batch_destroy(batch);
    return is_good;
}

static void on_flush_timer(struct loop_timer *timer)
{
    struct node *n = timer->data;
    size_t count = HASH_COUNT(n->replicas);
    struct flushing *flushing = memory_zalloc(sizeof *flushing + count * sizeof flushing->groups[0]);
    if (flushing == NULL || !write_checkpoints(n, flushing) || flushing->count == 0) {
        memory_free(flushing);
        shorten_logs(n);
        schedule(n);
        return;
    }
    flushing->node = n;
    flushing->work.data = flushing;
    n->flushing = flushing;
    if (uv_queue_work(&n->loop->uv, &flushing->work, in_pool, after_flush) != 0) {
        n->flushing = NULL;
        memory_free(flushing);
        schedule(n);
    }
}

void node_flush_start(struct node *n)
{
    n->flush = (struct loop_timer){.fire = on_flush_timer, .data = n};
    schedule(n);
}

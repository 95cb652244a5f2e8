/* How a leader splits its partition (docs/decisions/0016):
 *
 *     wish   it is too large: a key, found in the background; or too hot: shard_heat.c names one --> control hears of it
 *     order  control has given the children's ids --> [a key] --> watch, and a snapshot --> counted in the background
 *         --> flush, so that the one at birth is short --> the entry, offered until the group takes it
 *
 * Nothing holds a write up until the entry is proposed. Whatever fails is begun again by the next check, here or at the next
 * leader: the order stands until a split is applied. */
#include "base/clock.h"
#include "dataplane/item/envelope.h"
#include "dataplane/item/key.h"
#include "dataplane/item/size.h"
#include "dataplane/node/node_internal.h"
#include "dataplane/node/split_key.h"

enum {
    SLICE_BYTES = 256 * 1024,
    SLICE_US = 5 * 1000,
    PAUSE_US = 10 * 1000 * 1000,  /* after a walk that led to nothing */
    PROPOSE_US = 5 * 1000 * 1000, /* the entry is offered so long: a membership change may be open */
    ITEMS_MIN = 2,
    ENTRY_BYTES_MAX = SPLIT_KEY_BYTES_MAX + 256,
};

enum stage { STAGE_PICK, STAGE_COUNT, STAGE_FLUSH, STAGE_PROPOSE };

struct splitting {
    struct background_job job;
    uv_work_t flush;
    struct shard *shard;
    struct replica *replica;
    enum stage stage;
    atomic_bool is_given_up;
    bool has_seen_enough;
    enum err err;
    uint64_t propose_until_us;
    struct store_snapshot *snapshot; /* COUNT; of the index at which the watch began */
    struct slice begin, end;         /* of the walk; in bytes */
    struct split_key picked;         /* PICK */
    struct partition_size counted;   /* COUNT */
    uint8_t bytes[];
};

/* ---- a walk over rows, in the background ---- */

static bool on_row(void *data, struct slice key, struct slice stored)
{
    struct splitting *x = data;
    struct envelope envelope;
    x->err = envelope_decode(stored, &envelope);
    if (x->err != ERR_OK)
        return false;
    uint64_t bytes = item_size_bytes(envelope.body);
    if (x->stage == STAGE_PICK) {
        x->has_seen_enough = !split_key_add(&x->picked, key, bytes);
        return !x->has_seen_enough;
    }
    x->counted.item_count++;
    x->counted.item_bytes += bytes;
    return true;
}

static void walk(struct background_job *job)
{
    struct splitting *x = job->data;
    struct buffer at, next;
    buffer_init(&at, KEY_BYTES_MAX + 1);
    buffer_init(&next, KEY_BYTES_MAX + 1);
    buffer_append(&at, x->begin);
    enum store_scan_end end = STORE_SCAN_MORE;
    while (end == STORE_SCAN_MORE && x->err == ERR_OK && !x->has_seen_enough &&
           !atomic_load(&x->is_given_up)) {
        const struct store_scan scan = {
            .begin = buffer_view(&at),
            .end = x->end,
            .snapshot = x->snapshot,
            .bytes_max = SLICE_BYTES,
            .time_us_max = SLICE_US,
        };
        enum err err = store_scan_slice(x->shard->store, &scan, on_row, x, &end, &next);
        if (err != ERR_OK || buffer_has_failed(&next))
            x->err = err != ERR_OK ? err : ERR_NO_MEMORY;
        struct buffer was = at;
        at = next;
        next = was;
    }
    buffer_deinit(&at);
    buffer_deinit(&next);
}

/* ---- its course, on the loop ---- */

static void end(struct splitting *x)
{
    struct replica *r = x->replica;
    if (x->snapshot != NULL)
        store_snapshot_close(x->shard->store, x->snapshot);
    if (x->stage != STAGE_PICK)
        partition_split_unwatch(r->partition);
    r->split.under_way = NULL;
    r->pool_reads_in_flight--;
    split_key_deinit(&x->picked);
    memory_free(x);
}

/* It does not go on here: the replica leads no more, is split, or going. */
static bool is_over(const struct splitting *x)
{
    const struct replica *r = x->replica;
    return atomic_load(&x->is_given_up) || x->shard->is_closing || r->state != REPLICA_ACTIVE ||
           !r->is_leading;
}

static void after_walk(struct background_job *job);

static void begin_walk(struct replica *r, enum stage stage, struct slice end_key)
{
    struct shard *s = r->shard;
    struct splitting *x = memory_zalloc(sizeof *x + r->range_start.length + end_key.length);
    if (x == NULL)
        return;
    x->shard = s;
    x->replica = r;
    x->stage = stage;
    x->begin = slice_make(x->bytes, r->range_start.length);
    memcpy(x->bytes, r->range_start.data, r->range_start.length);
    x->end = slice_make(x->bytes + r->range_start.length, end_key.length);
    if (end_key.length > 0)
        memcpy(x->bytes + r->range_start.length, end_key.data, end_key.length);
    split_key_init(&x->picked, partition_size(r->partition).item_bytes);
    x->job = (struct background_job){.work = walk, .done = after_walk, .data = x};
    r->split.under_way = x;
    r->pool_reads_in_flight++;
    if (stage == STAGE_COUNT && (x->snapshot = store_snapshot_open(s->store)) == NULL) {
        end(x);
        return;
    }
    s->splits_in_background++;
    background_run(&s->background, &x->job);
}

static bool has_room(const struct replica *r)
{
    return r->shard->splits_in_background < SPLITS_IN_BACKGROUND && !r->shard->is_closing;
}

/* The store has just what the core has applied: the snapshot is of the index at which the watch begins. */
static void begin_count(struct replica *r, struct slice key)
{
    if (r->has_batch || !has_room(r) || !key_is_within(key, r->range_start, r->range_end) ||
        slice_compare(key, r->range_start) == 0 || partition_split_watch(r->partition, key) != ERR_OK)
        return;
    metric_increment(&r->shard->metrics.splits_begun);
    begin_walk(r, STAGE_COUNT, key);
}

static void pause_after(struct replica *r)
{
    r->split.not_before_us = clock_boot_us() + PAUSE_US;
}

static void on_picked(struct replica *r, struct slice key)
{
    if (key.length == 0) {
        pause_after(r);
        return;
    }
    if (r->split.is_ordered && r->split.order_key.length == 0)
        begin_count(r, key);
    else
        split_wish(r, key, SPLIT_REASON_SIZE);
}

/* ---- the entry ---- */

static enum err propose_entry(struct splitting *x)
{
    struct replica *r = x->replica;
    struct buffer body;
    struct group_update update;
    buffer_init(&body, ENTRY_BYTES_MAX);
    buffer_append_u8(&body, ENTRY_SPLIT);
    enum err err =
        partition_split_encode(r->partition, r->range_epoch + 1, r->split.group_ids, x->counted, &body);
    if (err == ERR_OK) {
        struct group_event event = {.kind = GROUP_EVENT_PROPOSE, .body = buffer_view(&body)};
        err = replica_step(r, &event, &update);
    }
    buffer_deinit(&body);
    return err;
}

static void propose(struct splitting *x)
{
    struct replica *r = x->replica;
    const struct partition_size counted = x->counted;
    enum err err = propose_entry(x); /* which may end it */
    if (err == ERR_BUSY && r->split.under_way == x && clock_boot_us() < x->propose_until_us)
        return; /* the next check offers it again; it counts what comes meanwhile */
    if (err != ERR_OK)
        log_warn("split_not_proposed", "group=%llu error=%s", (unsigned long long)r->group_id, err_name(err));
    else
        log_info("split_proposed", "group=%llu items_left=%llu bytes_left=%llu",
                 (unsigned long long)r->group_id, (unsigned long long)counted.item_count,
                 (unsigned long long)counted.item_bytes);
    if (r->split.under_way == x)
        end(x);
}

static void flush_in_pool(uv_work_t *work)
{
    struct splitting *x = work->data;
    x->err = store_flush(x->shard->store);
}

static void after_flush(uv_work_t *work, int status)
{
    struct splitting *x = work->data;
    if (is_over(x) ||
        x->err != ERR_OK) { /* a store that cannot flush fails its next birth or checkpoint, too */
        end(x);
        return;
    }
    x->stage = STAGE_PROPOSE;
    x->propose_until_us = clock_boot_us() + PROPOSE_US;
    propose(x);
}

static void begin_flush(struct splitting *x)
{
    x->stage = STAGE_FLUSH;
    x->flush.data = x;
    if (uv_queue_work(&x->shard->loop->uv, &x->flush, flush_in_pool, after_flush) != 0)
        end(x);
}

/* It is another one's turn. */
static void check_others(struct shard *s)
{
    for (struct replica *r = s->replicas; r != NULL && s->splits_in_background < SPLITS_IN_BACKGROUND;
         r = r->hh.next)
        if (r->split.under_way == NULL && r->is_leading)
            split_check(r);
}

static void on_walked(struct splitting *x)
{
    struct replica *r = x->replica;
    if (is_over(x)) {
        end(x);
        return;
    }
    if (x->err != ERR_OK) {
        pause_after(r);
        if (x->err == ERR_CORRUPT)
            replica_quarantine(r, "split_read");
        end(x);
        return;
    }
    if (x->stage == STAGE_COUNT) {
        begin_flush(x);
        return;
    }
    struct split_key picked = x->picked; /* outlives the walk, as another one may begin */
    x->picked = (struct split_key){0};
    end(x);
    on_picked(r, split_key_chosen(&picked));
    split_key_deinit(&picked);
}

static void after_walk(struct background_job *job)
{
    struct splitting *x = job->data;
    struct shard *s = x->shard;
    s->splits_in_background--;
    on_walked(x);
    if (!s->is_closing)
        check_others(s);
}

/* ---- when ---- */

void split_wish(struct replica *r, struct slice key, enum split_reason reason)
{
    struct replica_split *split = &r->split;
    if (slice_equal(key, buffer_view(&split->wished_key)) && reason == split->wished_reason)
        return;
    buffer_clear(&split->wished_key);
    buffer_append(&split->wished_key, key);
    split->wished_reason = reason;
    replica_report(r);
}

/* Where the order does not say: for throughput to come, the middle of the hashes; within one hash, of the bytes. */
static void find_order_key(struct replica *r)
{
    struct buffer key;
    buffer_init(&key, KEY_PREFIX_BYTES);
    if (split_key_halfway(r->range_start, r->range_end, &key))
        begin_count(r, buffer_view(&key));
    else if (has_room(r))
        begin_walk(r, STAGE_PICK, r->range_end);
    buffer_deinit(&key);
}

static bool is_too_large(const struct replica *r)
{
    struct partition_size size = partition_size(r->partition);
    return size.item_bytes >= r->shard->node->options.split_bytes && size.item_count >= ITEMS_MIN;
}

/* What the heat of its keys says (shard_heat.c); a wish that has cooled down is taken back. */
static void wish_for_heat(struct replica *r)
{
    if (!r->shard->node->options.has_heat_splits)
        return;
    if (r->hot_split_key.length > 0 && r->hot_split_key.length <= SPLIT_KEY_BYTES_MAX)
        split_wish(r, r->hot_split_key, SPLIT_REASON_HEAT);
    else if (r->split.wished_reason == SPLIT_REASON_HEAT)
        split_wish(r, SLICE_EMPTY, SPLIT_REASON_NONE);
}

void split_check(struct replica *r)
{
    struct replica_split *split = &r->split;
    if (r->state != REPLICA_ACTIVE)
        return;
    if (r->kind == MEMBER_LOG)
        split_on_passed(r);
    else
        split_on_applied(r); /* unless it is done, or on its way */
    if (group_is_split(r->group))
        return;
    if (split->under_way != NULL) {
        if (split->under_way->stage == STAGE_PROPOSE && !is_over(split->under_way))
            propose(split->under_way);
        return;
    }
    if (!r->is_leading || r->kind != MEMBER_STORAGE || group_status(r->group).split_index != 0 ||
        clock_boot_us() < split->not_before_us)
        return;
    wish_for_heat(r);
    if (split->is_ordered && split->order_key.length > 0)
        begin_count(r, buffer_view(&split->order_key));
    else if (split->is_ordered)
        find_order_key(r);
    else if (split->wished_key.length == 0 && is_too_large(r) && has_room(r))
        begin_walk(r, STAGE_PICK, r->range_end);
}

/* A child lives on the loop of its parent, which has its rows (docs/decisions/0010). */
static bool may_have(const struct replica *r, uint64_t child_id)
{
    return child_id != 0 && node_shard_of(r->shard->node, child_id) == r->shard &&
           replica_find(r->shard, child_id) == NULL;
}

void split_take_order(struct replica *r, const Sluice__Controlplane__ReplicaGoal *goal)
{
    struct replica_split *split = &r->split;
    split->group_ids[0] = goal->split_left_group;
    split->group_ids[1] = goal->split_right_group;
    split->is_ordered = may_have(r, goal->split_left_group) && may_have(r, goal->split_right_group) &&
                        goal->split_left_group != goal->split_right_group &&
                        (goal->split_key.len > 0 || goal->is_split_wanted);
    buffer_clear(&split->order_key);
    buffer_append(&split->order_key, proto_slice(goal->split_key));
    if (buffer_has_failed(&split->order_key))
        split->is_ordered = false;
    if (split->is_ordered)
        split_check(r);
}

void split_give_up(struct replica *r)
{
    struct splitting *x = r->split.under_way;
    if (x == NULL)
        return;
    atomic_store(&x->is_given_up, true);
    if (x->stage == STAGE_PROPOSE)
        end(x);
}

void split_init(struct replica_split *split)
{
    buffer_init(&split->order_key, SPLIT_KEY_BYTES_MAX);
    buffer_init(&split->wished_key, SPLIT_KEY_BYTES_MAX);
    buffer_init(&split->entry, ENTRY_BYTES_MAX);
}

void split_deinit(struct replica_split *split)
{
    buffer_deinit(&split->order_key);
    buffer_deinit(&split->wished_key);
    buffer_deinit(&split->entry);
}

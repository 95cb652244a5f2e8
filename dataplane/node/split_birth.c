/* What a split makes comes into being here (docs/decisions/0014, 3), in this order:
 *
 *     one batch: the parent's applied index, the children's applied rows and checkpoints
 *     the parent's checkpoint, which says that it is split; a flush
 *     log: for each child its creation, LOG_START behind the split, a hard state of the split's term and membership
 *     durable: the child acts, and knows who led its parent
 *
 * A crash anywhere leaves an unborn child, which has never said a word; the next start goes on from the parent. The rows stay where
 * they are: a closed parent that is removed takes none along. */
#include "base/assert.h"
#include "base/clock.h"
#include "dataplane/node/node_internal.h"

enum { CHECKPOINT_BYTES_MAX = 256 * 1024 * 1024 }; /* of a child: request ids of half a minute, mostly */

struct birth {
    uv_work_t work;
    struct shard *shard;
    uint64_t group_id;
    uint64_t replica_id;
    uint64_t checkpoint_index;
    enum err err;
};

/* The split that is applied here; of a log replica, the one in its log. */
static bool split_of(const struct replica *parent, uint64_t *ret_index, struct split_entry *ret_entry)
{
    if (parent->kind == MEMBER_STORAGE)
        return partition_split(parent->partition, ret_index, ret_entry);
    const struct replica_split *split = &parent->split;
    *ret_index = split->entry_index;
    return split->entry.length > 0 && group_status(parent->group).split_index == split->entry_index &&
           split_entry_decode(buffer_view(&split->entry), ret_entry) == ERR_OK;
}

static struct slice child_start(const struct replica *parent, const struct split_entry *entry,
                                enum partition_side side)
{
    return side == PARTITION_LEFT ? parent->range_start : entry->key;
}

static struct slice child_end(const struct replica *parent, const struct split_entry *entry,
                              enum partition_side side)
{
    return side == PARTITION_LEFT ? entry->key : parent->range_end;
}

/* ---- in the batch that applies the split ---- */

static bool add_child_checkpoint(struct replica *parent, enum partition_side side,
                                 struct store_applied *applied, uint64_t group_id)
{
    struct buffer bytes;
    struct partition_size size = partition_child_size(parent->partition, side);
    applied->item_count = size.item_count;
    applied->item_bytes = size.item_bytes;
    buffer_init(&bytes, CHECKPOINT_BYTES_MAX);
    partition_encode_child(parent->partition, side, &bytes);
    bool is_whole = !buffer_has_failed(&bytes);
    store_batch_put_meta(parent->batch, group_id, slice_from_string(NODE_META_CHECKPOINT),
                         buffer_view(&bytes));
    buffer_deinit(&bytes);
    return is_whole;
}

static bool add_child(struct replica *parent, const struct split_entry *entry, uint64_t index, uint64_t term,
                      enum partition_side side)
{
    struct shard *s = parent->shard;
    uint64_t group_id = entry->group_ids[side];
    struct store_applied applied = {.replica_id = parent->replica_id, .index = index, .term = term};
    const struct replica_row row = {
        .replica_id = parent->replica_id,
        .creation_id = parent->creation_id,
        .kind = parent->kind,
        .range_epoch = entry->range_epoch,
        .range_start = child_start(parent, entry, side),
        .range_end = child_end(parent, entry, side),
    };
    buffer_clear(&s->scratch);
    replica_row_encode(&row, &s->scratch);
    store_batch_put_meta(parent->batch, group_id, slice_from_string(NODE_META_REPLICA),
                         buffer_view(&s->scratch));
    bool is_whole = !buffer_has_failed(&s->scratch);
    if (parent->kind == MEMBER_STORAGE)
        is_whole &= add_child_checkpoint(parent, side, &applied, group_id);
    store_batch_set_applied(parent->batch, group_id, &applied);
    return is_whole;
}

static bool may_come_here(const struct replica *parent, uint64_t group_id)
{
    const struct shard *s = parent->shard;
    return replica_find(parent->shard, group_id) == NULL &&
           !wal_is_removed(s->node->wal, group_id, parent->replica_id);
}

void split_add_children(struct replica *parent, uint64_t term)
{
    uint64_t index;
    struct split_entry entry;
    bool is_split = split_of(parent, &index, &entry);
    ASSERT(is_split);
    split_give_up(parent);
    if (parent->is_leading)
        metric_increment(&parent->shard->metrics.splits_done);
    for (int side = PARTITION_LEFT; side <= PARTITION_RIGHT; side++)
        if (may_come_here(parent, entry.group_ids[side]) &&
            !add_child(parent, &entry, index, term, (enum partition_side)side))
            node_fail(parent->shard->node, "memory", ERR_NO_MEMORY); /* the batch must have both */
    log_info("split_applied", "group=%llu replica=%llu left=%llu right=%llu index=%llu",
             (unsigned long long)parent->group_id, (unsigned long long)parent->replica_id,
             (unsigned long long)entry.group_ids[0], (unsigned long long)entry.group_ids[1],
             (unsigned long long)index);
}

/* ---- into the log ---- */

/* What a start found of it: its creation, perhaps, and no hard state. The log goes on with what there is. */
static struct wal_group *forget_unborn(struct replica *child)
{
    struct wal_group *log = child->log;
    child->log = NULL;
    replica_destroy(child);
    return log;
}

static enum err fill_child(struct replica *child, const struct replica *parent, enum partition_side side)
{
    uint64_t index;
    struct split_entry entry;
    (void)split_of(parent, &index, &entry); /* it is */
    child->creation_id = parent->creation_id;
    child->checkpoint_index = index;
    child->split.parent_group = parent->group_id;
    child->leader_preference = parent->leader_preference;
    TRY(replica_set_range(child, child_start(parent, &entry, side), child_end(parent, &entry, side),
                          entry.range_epoch));
    if (child->kind != MEMBER_STORAGE)
        return ERR_OK;
    struct buffer bytes;
    buffer_init(&bytes, CHECKPOINT_BYTES_MAX);
    partition_encode_child(parent->partition, side, &bytes);
    enum err err = buffer_has_failed(&bytes)
                       ? ERR_NO_MEMORY
                       : partition_checkpoint_decode(child->partition, buffer_view(&bytes));
    buffer_deinit(&bytes);
    return err;
}

static enum err begin_log(struct replica *child, const struct replica *parent, uint64_t index, uint64_t term)
{
    struct shard *s = child->shard;
    struct group_update update;
    if (child->log == NULL)
        TRY(wal_group_create(&child->log, s->port, child->group_id, child->replica_id));
    TRY(wal_group_truncate_prefix(child->log, index + 1, term));
    TRY(group_bootstrap_split(child->group, index, term, group_membership(parent->group), &update));
    child->applied_term = term;
    return replica_persist(child, &update.persist); /* split_child_durable follows */
}

static enum err bear(struct replica *parent, enum partition_side side)
{
    struct shard *s = parent->shard;
    uint64_t index, term;
    struct split_entry entry;
    (void)split_of(parent, &index, &entry); /* it is */
    uint64_t group_id = entry.group_ids[side];
    struct replica *child = replica_find(s, group_id);
    if (child != NULL && !split_is_unborn(child)) {
        child->split.parent_group = parent->group_id; /* it was born before this start */
        return ERR_OK;
    }
    if (wal_is_removed(s->node->wal, group_id, parent->replica_id) ||
        membership_find(group_membership(parent->group), parent->replica_id) == NULL ||
        !group_entry_term(parent->group, index, &term))
        return ERR_OK;
    struct wal_group *log = child == NULL ? NULL : forget_unborn(child);
    child = replica_create(s, group_id, parent->replica_id, parent->kind);
    if (child == NULL)
        return ERR_NO_MEMORY;
    child->log = log;
    TRY(fill_child(child, parent, side));
    TRY(begin_log(child, parent, index, term));
    s->births++;
    return ERR_OK;
}

/* One of the births that are under way: of a parent's flush, of a child's first hard state. */
static void end_birth(struct shard *s)
{
    if (--s->births == 0)
        early_frames_clear(&s->early);
}

static void flush_in_pool(uv_work_t *work)
{
    struct birth *birth = work->data;
    birth->err = store_flush(birth->shard->store);
}

static void after_flush(uv_work_t *work, int status)
{
    struct birth *birth = work->data;
    struct shard *s = birth->shard;
    struct replica *parent = replica_find(s, birth->group_id);
    enum err err = birth->err;
    if (!s->is_closing && err == ERR_OK && parent != NULL && parent->replica_id == birth->replica_id &&
        parent->state == REPLICA_ACTIVE) {
        parent->checkpoint_index = birth->checkpoint_index;
        err = bear(parent, PARTITION_LEFT);
        if (err == ERR_OK)
            err = bear(parent, PARTITION_RIGHT);
        parent->split.birth = SPLIT_BORN;
        replica_report(parent);
    }
    end_birth(s);
    memory_free(birth);
    if (err != ERR_OK && !s->is_closing)
        node_fail(s->node, "birth of a split's groups", err); /* the next start goes on from the parent */
}

static void begin_birth(struct replica *parent)
{
    struct shard *s = parent->shard;
    struct birth *birth = memory_zalloc(sizeof *birth);
    if (birth == NULL)
        return;
    *birth = (struct birth){.shard = s,
                            .group_id = parent->group_id,
                            .replica_id = parent->replica_id,
                            .checkpoint_index = parent->kind == MEMBER_STORAGE
                                                    ? partition_applied_index(parent->partition)
                                                    : parent->checkpoint_index};
    birth->work.data = birth;
    parent->split.birth = SPLIT_BEARING;
    s->births++;
    if (uv_queue_work(&s->loop->uv, &birth->work, flush_in_pool, after_flush) != 0)
        node_fail(s->node, "pool", ERR_BUSY);
}

/* What cannot be done now is done by the check that comes each second. */
void split_on_applied(struct replica *parent)
{
    if (parent->split.birth == SPLIT_UNBORN && parent->kind == MEMBER_STORAGE &&
        partition_is_split(parent->partition) && replica_checkpoint(parent))
        begin_birth(parent);
}

/* ---- a log replica's ---- */

void split_keep_entry(struct replica *r, uint64_t index, struct slice body)
{
    struct replica_split *split = &r->split;
    buffer_clear(&split->entry);
    buffer_append(&split->entry, slice_from(body, 1));
    split->entry_index = index;
    if (buffer_has_failed(&split->entry))
        buffer_clear(&split->entry);
}

static enum err write_children(struct replica *r)
{
    struct shard *s = r->shard;
    uint64_t term;
    if (r->batch == NULL && (r->batch = store_batch_create()) == NULL)
        return ERR_NO_MEMORY;
    store_batch_clear(r->batch);
    if (!group_entry_term(r->group, r->split.entry_index, &term))
        return ERR_NOT_FOUND;
    split_add_children(r, term);
    enum err err = store_write(s->store, r->batch);
    store_batch_clear(r->batch);
    return err;
}

void split_on_passed(struct replica *r)
{
    uint64_t index = group_status(r->group).split_index;
    struct split_entry entry;
    if (r->state != REPLICA_ACTIVE || r->split.birth != SPLIT_UNBORN || !group_is_split(r->group))
        return;
    const struct cached_entry *cached = entry_cache_find(&r->entries, index);
    if (r->split.entry_index != index && cached != NULL)
        split_keep_entry(r, index, cached->body);
    if (split_of(r, &index, &entry) && write_children(r) == ERR_OK)
        begin_birth(r);
}

/* ---- acting ---- */

static void begin_acting(struct replica *child)
{
    struct shard *s = child->shard;
    const struct replica *parent = replica_find(s, child->split.parent_group);
    if (group_start(child->group, child->checkpoint_index, child->applied_term, clock_boot_us()) != ERR_OK) {
        replica_quarantine(child, "start");
        return;
    }
    child->commit_index = group_status(child->group).commit_index;
    child->state = REPLICA_ACTIVE;
    if (child->kind == MEMBER_LOG)
        child->checkpoint_index = 0; /* it has none: what it may let go is said elsewhere */
    metric_increment(&s->metrics.children_born);
    replica_report(child);
    replica_tick(child);
    if (parent == NULL || parent->state != REPLICA_ACTIVE || child->state != REPLICA_ACTIVE)
        return;
    struct group_event inherit = {.kind = GROUP_EVENT_INHERIT,
                                  .replica_id = group_status(parent->group).leader_replica};
    struct group_update update;
    (void)replica_step(child, &inherit, &update); /* nothing to refuse */
}

/* What it was sent meanwhile. */
static void deliver_early(struct shard *s, uint64_t group_id)
{
    struct early_frame *early;
    while ((early = early_frames_take(&s->early, group_id)) != NULL) {
        const struct frame frame = early_frame_view(early);
        replica_take_frame(s, early_frame_from(early), &frame);
        memory_free(early);
    }
}

void split_child_durable(struct replica *child)
{
    struct shard *s = child->shard;
    uint64_t group_id = child->group_id;
    begin_acting(child);
    deliver_early(s, group_id);
    end_birth(s);
}

/* ---- after a restart ---- */

bool split_is_unborn(const struct replica *child)
{
    return child->state == REPLICA_CREATING && child->split.parent_group != 0 &&
           group_status(child->group).term == 0;
}

bool split_claim_child(struct replica *child)
{
    for (const struct replica *parent = child->shard->replicas; parent != NULL; parent = parent->hh.next) {
        uint64_t index;
        struct split_entry entry;
        if (parent->state == REPLICA_ACTIVE && parent->replica_id == child->replica_id &&
            split_of(parent, &index, &entry) &&
            (entry.group_ids[0] == child->group_id || entry.group_ids[1] == child->group_id)) {
            child->split.parent_group = parent->group_id;
            return true;
        }
    }
    return false;
}

bool split_is_bearing(const struct replica *r)
{
    return r->state == REPLICA_ACTIVE && group_is_split(r->group) && r->split.birth != SPLIT_BORN;
}

/* ---- who owns the rows ---- */

static bool overlaps(const struct replica *a, struct slice start, struct slice end)
{
    return (a->range_end.length == 0 || slice_compare(start, a->range_end) < 0) &&
           (end.length == 0 || slice_compare(a->range_start, end) < 0);
}

/* One that is being born or removed has the range, too; only one that is set aside does nothing with it any more. */
bool split_is_waiting(struct shard *s, uint64_t group_id, struct slice start, struct slice end,
                      uint64_t epoch)
{
    for (const struct replica *r = s->replicas; r != NULL; r = r->hh.next)
        if (r->group_id != group_id && r->range_epoch < epoch && r->state != REPLICA_QUARANTINED &&
            r->split.birth != SPLIT_BORN && overlaps(r, start, end))
            return true;
    return false;
}

bool split_keeps_rows(const struct replica *r)
{
    if (r->kind == MEMBER_LOG || partition_is_split(r->partition))
        return true;
    for (const struct replica *other = r->shard->replicas; other != NULL; other = other->hh.next)
        if (other != r && other->range_epoch > r->range_epoch &&
            overlaps(other, r->range_start, r->range_end))
            return true;
    return false;
}

static struct replica *acting_child(struct replica *parent, const struct split_entry *entry,
                                    enum partition_side side)
{
    struct replica *child = replica_find(parent->shard, entry->group_ids[side]);
    return child != NULL && child->state == REPLICA_ACTIVE ? child : NULL;
}

struct replica *split_child_of(struct replica *parent, struct slice key)
{
    uint64_t index;
    struct split_entry entry;
    if (!split_of(parent, &index, &entry))
        return NULL;
    return acting_child(parent, &entry, slice_compare(key, entry.key) < 0 ? PARTITION_LEFT : PARTITION_RIGHT);
}

struct replica *split_child_before(struct replica *parent, struct slice end)
{
    uint64_t index;
    struct split_entry entry;
    if (!split_of(parent, &index, &entry))
        return NULL;
    return acting_child(parent, &entry,
                        slice_compare(end, entry.key) <= 0 ? PARTITION_LEFT : PARTITION_RIGHT);
}

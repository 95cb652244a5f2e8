/* Committed entries go through the partition core into the store, and whoever waited is answered. */
#include "base/assert.h"
#include "base/clock.h"
#include "dataplane/node/node_internal.h"

enum {
    APPLY_ENTRIES_MAX = 256,       /* of one group in one turn, ... */
    APPLY_BYTES_MAX = 1024 * 1024, /* ... and begun only below this many bytes of rows */
    STORE_RETRY_US = 2 * 1000,     /* when the store asks for a pause */
    CACHE_BYTES_MAX = 1024 * 1024, /* of applied entries kept for followers */
    IDS_CHUNK = 256,               /* request ids in a row of the store */
};

static enum partition_entry_kind kind_of(struct slice body)
{
    switch (body.length == 0 ? 0 : body.data[0]) {
    case ENTRY_WRITE:
        return PARTITION_ENTRY_WRITE;
    case ENTRY_SCHEMA:
        return PARTITION_ENTRY_SCHEMA;
    default:
        return PARTITION_ENTRY_NONE;
    }
}

static void add_effect(struct replica *r, const struct partition_effect *effect)
{
    switch (effect->kind) {
    case PARTITION_EFFECT_PUT:
        store_batch_put(r->batch, effect->key, effect->envelope);
        break;
    case PARTITION_EFFECT_DELETE:
        store_batch_delete(r->batch, effect->key);
        break;
    case PARTITION_EFFECT_SPLIT: /* kind_of passes none on: a node proposes no split yet */
    case PARTITION_EFFECT_SCHEMA:
    case PARTITION_EFFECT_NONE:
        break; /* the schema is part of the checkpoint */
    }
}

static void put_ids(struct replica *r, uint64_t name, struct slice bytes)
{
    uint8_t key[NODE_META_IDS_BYTES];
    node_meta_ids_name(name, key);
    struct slice row = slice_make(key, sizeof key);
    if (bytes.length > 0)
        store_batch_put_meta(r->batch, r->group_id, row, bytes);
    else
        store_batch_delete_meta(r->batch, r->group_id, row);
}

/* Without memory they stay unsaved until the next batch. */
static void save_ids(struct replica *r, size_t least)
{
    struct request_ids *ids = partition_request_ids(r->partition);
    struct buffer *bytes = &r->shard->scratch;
    uint64_t name;
    while (request_ids_unsaved_count(ids) >= least) {
        buffer_clear(bytes);
        if (request_ids_save(ids, IDS_CHUNK, bytes, &name) != ERR_OK)
            break;
        put_ids(r, name, buffer_view(bytes));
    }
    while (request_ids_next_expired(ids, &name))
        put_ids(r, name, SLICE_EMPTY);
}

static void set_applied(struct replica *r)
{
    struct partition_size size = partition_size(r->partition);
    const struct store_applied applied = {
        .replica_id = r->replica_id,
        .index = partition_applied_index(r->partition),
        .term = r->applied_term,
        .item_count = size.item_count,
        .item_bytes = size.item_bytes,
    };
    store_batch_set_applied(r->batch, r->group_id, &applied);
}

/* Move committed entries into the partition and the batch. False: nothing new. */
static bool fill_batch(struct replica *r)
{
    uint64_t first = partition_applied_index(r->partition) + 1;
    uint64_t last = r->commit_index;
    if (last >= first + APPLY_ENTRIES_MAX)
        last = first + APPLY_ENTRIES_MAX - 1;
    uint64_t index = first;
    for (; index <= last && store_batch_bytes(r->batch) < APPLY_BYTES_MAX; index++) {
        if (!loop_turn_has_room(r->shard->loop))
            break; /* the next turn goes on from here */
        const struct cached_entry *entry = entry_cache_find(&r->entries, index);
        if (entry == NULL) {
            replica_quarantine(r, "committed_entry_missing");
            return false;
        }
        struct partition_effect effect;
        enum err err =
            partition_apply(r->partition, index, kind_of(entry->body), slice_from(entry->body, 1), &effect);
        if (err == ERR_CORRUPT) {
            replica_quarantine(r, "entry_damaged");
            return false;
        }
        if (err != ERR_OK)
            break; /* no memory now: the retry timer goes on from here */
        if (effect.kind == PARTITION_EFFECT_SCHEMA) {
            r->has_proposed_schema = false; /* a newer goal may follow */
            replica_report(r);
        }
        add_effect(r, &effect);
        loop_turn_take(r->shard->loop, entry->body.length);
        r->applied_term = entry->term;
    }
    if (index == first)
        return false;
    save_ids(r, IDS_CHUNK);
    set_applied(r);
    metric_add(&r->shard->metrics.entries_applied, index - first);
    return true;
}

static void answer(struct replica *r, struct write_wait *wait)
{
    struct shard *s = r->shard;
    if (wait->is_repeat) {
        request_answer_repeat(r, wait);
        return;
    }
    Sluice__Dataplane__Status status = SLUICE__DATAPLANE__STATUS__OK;
    if (wait->answer.status == WRITE_STATUS_CONDITION_FAILED)
        status = SLUICE__DATAPLANE__STATUS__CONDITION_FAILED;
    else if (wait->answer.status == WRITE_STATUS_INVALID)
        status = SLUICE__DATAPLANE__STATUS__INVALID;
    request_reply_write(wait->call, status, &wait->answer, NULL, wait->is_proposed ? wait->index : 0);
    metric_increment(wait->is_proposed ? &s->metrics.writes_applied : &s->metrics.writes_refused);
    metric_record(&s->metrics.write_time, clock_boot_us() - wait->arrived_us);
}

static struct write_wait *pop(struct replica *r)
{
    struct write_wait *wait = r->waits;
    r->waits = wait->next;
    if (r->waits == NULL)
        r->waits_end = &r->waits;
    return wait;
}

static void answer_applied(struct replica *r)
{
    uint64_t applied = partition_applied_index(r->partition);
    while (r->waits != NULL && r->waits->index <= applied) {
        struct write_wait *wait = pop(r);
        answer(r, wait);
        memory_free(wait);
    }
}

void replica_lose_term(struct replica *r)
{
    struct shard *s = r->shard;
    if (r->is_leading) {
        metric_increment(&s->metrics.leads_lost);
        metric_set(&s->metrics.groups_led, metric_value(&s->metrics.groups_led) - 1);
    }
    r->is_leading = r->wants_lead = r->has_proposed_schema = r->has_unflushed_proposals = false;
    partition_drop_pending(r->partition);
    replica_heat_unwatch(r);
    while (r->waits != NULL) {
        struct write_wait *wait = pop(r);
        Sluice__Dataplane__Status status =
            wait->is_proposed ? SLUICE__DATAPLANE__STATUS__UNKNOWN : SLUICE__DATAPLANE__STATUS__NOT_APPLIED;
        request_reply_write(wait->call, status, NULL, NULL, 0);
        metric_increment(wait->is_proposed ? &s->metrics.writes_unknown : &s->metrics.writes_not_applied);
        memory_free(wait);
    }
}

/* ---- the beginning of a lead ---- */

static void propose_schema(struct replica *r)
{
    if (r->has_proposed_schema || r->goal_schema_version <= partition_schema_version(r->partition))
        return;
    struct buffer *body = &r->shard->scratch;
    buffer_clear(body);
    buffer_append_u8(body, ENTRY_SCHEMA);
    const struct schema_entry entry = {r->goal_schema_version, buffer_view(&r->goal_schema)};
    schema_entry_encode(&entry, body);
    if (buffer_has_failed(body))
        return;
    /* The step uses the scratch buffer for messages once it has taken the entry's bytes over. */
    uint8_t *copy = memory_alloc(body->length);
    if (copy == NULL)
        return;
    memcpy(copy, body->data, body->length);
    struct group_event event = {.kind = GROUP_EVENT_PROPOSE, .body = slice_make(copy, body->length)};
    struct group_update update;
    r->has_proposed_schema = replica_step(r, &event, &update) == ERR_OK;
    memory_free(copy);
}

static void begin_lead(struct replica *r)
{
    struct shard *s = r->shard;
    struct group_status status = group_status(r->group);
    if (r->wants_lead && status.role == GROUP_LEADER && status.noop_index != 0 &&
        partition_applied_index(r->partition) >= status.noop_index) {
        r->wants_lead = false;
        r->is_leading = true;
        r->led_since_us = clock_boot_us();
        partition_lead(r->partition, clock_boot_us());
        replica_heat_watch(r);
        metric_set(&s->metrics.groups_led, metric_value(&s->metrics.groups_led) + 1);
        publisher_mark(s->publisher, r->group_id);
        replica_report(r);
        replica_drive_membership(r);
    }
    if (r->is_leading)
        propose_schema(r);
}

/* ---- applying ---- */

static void after_write(struct replica *r)
{
    r->has_batch = false;
    store_batch_clear(r->batch);
    uint64_t applied = partition_applied_index(r->partition);
    struct group_event event = {.kind = GROUP_EVENT_APPLIED, .index = applied};
    struct group_update update;
    (void)replica_step(r, &event, &update); /* cannot be refused */
    entry_cache_trim(&r->entries, applied, CACHE_BYTES_MAX);
}

static bool has_batch_memory(struct replica *r)
{
    if (r->batch == NULL)
        r->batch = store_batch_create();
    return r->batch != NULL;
}

static void retry_soon(struct replica *r)
{
    struct shard *s = r->shard;
    loop_timer_start(s->loop, &r->apply_retry, loop_now_us(s->loop) + STORE_RETRY_US);
}

/* False: not now, it is tried again, or never, as the node goes down. */
static bool write_batch(struct replica *r)
{
    struct shard *s = r->shard;
    enum err err = store_write(s->store, r->batch);
    if (err == ERR_OK) {
        after_write(r);
        return true;
    }
    if (err == ERR_BUSY) {
        metric_increment(&s->metrics.store_busy);
        retry_soon(r);
    } else {
        node_fail(s->node, "store", err);
    }
    return false;
}

bool replica_checkpoint(struct replica *r)
{
    struct shard *s = r->shard;
    if (r->has_batch || !has_batch_memory(r))
        return false;
    save_ids(r, 1);
    if (request_ids_unsaved_count(partition_request_ids(r->partition)) > 0)
        return false;
    buffer_clear(&s->scratch);
    partition_checkpoint_encode_own(r->partition, &s->scratch);
    if (buffer_has_failed(&s->scratch))
        return false;
    store_batch_put_meta(r->batch, r->group_id, slice_from_string(NODE_META_CHECKPOINT),
                         buffer_view(&s->scratch));
    set_applied(r);
    r->has_batch = true; /* what it says is saved must be, also when the store takes it only later */
    return write_batch(r);
}

/* The membership that counts for others is the committed one. */
static void report_membership(struct replica *r)
{
    if (!r->is_leading || group_membership_committed(r->group)->version == r->reported_membership)
        return;
    replica_report(r);
    replica_drive_membership(r); /* what is committed, the next step may follow */
}

/* A log replica has no rows: what is committed is applied. */
static void pass_over(struct replica *r)
{
    struct group_event event = {.kind = GROUP_EVENT_APPLIED, .index = r->commit_index};
    struct group_update update;
    if (group_status(r->group).applied_index < r->commit_index)
        (void)replica_step(r, &event, &update); /* cannot be refused */
    entry_cache_trim(&r->entries, r->commit_index, CACHE_BYTES_MAX);
}

void replica_apply(struct replica *r)
{
    struct shard *s = r->shard;
    if (r->state != REPLICA_ACTIVE || r->is_installing)
        return;
    if (r->kind == MEMBER_LOG) {
        pass_over(r);
        return;
    }
    if (!has_batch_memory(r)) {
        retry_soon(r);
        return;
    }
    if (!r->has_batch)
        r->has_batch = fill_batch(r);
    bool has_moved = r->has_batch;
    if ((has_moved && !write_batch(r)) || r->state != REPLICA_ACTIVE)
        return;
    answer_applied(r);
    begin_lead(r);
    report_membership(r);
    if (r->commit_index <= partition_applied_index(r->partition))
        return;
    if (!loop_turn_has_room(s->loop))
        loop_defer_for_room(s->loop, &r->apply);
    else if (has_moved)
        loop_defer(s->loop, &r->work);
    else /* no memory: not again in this very turn */
        retry_soon(r);
}

enum err replica_replay(struct replica *r, const struct store_applied *stored)
{
    partition_set_stored(r->partition, stored->index,
                         (struct partition_size){stored->item_count, stored->item_bytes});
    for (uint64_t index = r->checkpoint_index + 1; index <= stored->index; index++) {
        const struct cached_entry *entry = entry_cache_find(&r->entries, index);
        if (entry == NULL)
            return ERR_CORRUPT;
        struct partition_effect effect;
        TRY(partition_apply(r->partition, index, kind_of(entry->body), slice_from(entry->body, 1), &effect));
    }
    return ERR_OK;
}

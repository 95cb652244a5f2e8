#include "base/assert.h"
#include "base/random.h"
#include "dataplane/node/node_internal.h"

enum { SCHEMA_BYTES_MAX = 256 * 1024 };

struct replica *replica_find(struct shard *s, uint64_t group_id)
{
    struct replica *r;
    HASH_FIND(hh, s->replicas, &group_id, sizeof group_id, r);
    return r;
}

static void on_wake(struct loop_timer *timer)
{
    replica_tick(timer->data);
}

static void on_apply(struct loop_task *task)
{
    replica_apply(task->data);
}

static void on_apply_retry(struct loop_timer *timer)
{
    replica_apply(timer->data);
}

static void on_membership_check(struct loop_timer *timer)
{
    replica_drive_membership(timer->data);
}

static void on_work(struct loop_task *task)
{
    struct replica *r = task->data;
    if (r->state != REPLICA_ACTIVE)
        return;
    if (r->has_unflushed_proposals) {
        r->has_unflushed_proposals = false;
        struct group_event flush = {.kind = GROUP_EVENT_FLUSH};
        struct group_update update;
        (void)replica_step(r, &flush, &update); /* when it leads no more, whoever waited has been told */
    }
    replica_apply(r);
}

struct replica *replica_create(struct shard *s, uint64_t group_id, uint64_t replica_id, enum member_kind kind)
{
    struct replica *r = memory_zalloc(sizeof *r);
    if (r == NULL)
        return NULL;
    r->shard = s;
    r->group_id = group_id;
    r->replica_id = replica_id;
    r->kind = kind;
    r->waits_end = &r->waits;
    r->wake = (struct loop_timer){.fire = on_wake, .data = r};
    r->work = (struct loop_task){.run = on_work, .data = r};
    r->apply = (struct loop_task){.run = on_apply, .data = r};
    r->apply_retry = (struct loop_timer){.fire = on_apply_retry, .data = r};
    r->membership_check = (struct loop_timer){.fire = on_membership_check, .data = r};
    entry_cache_init(&r->entries);
    replica_caps_init(r);
    buffer_init(&r->goal_schema, SCHEMA_BYTES_MAX);
    split_init(&r->split);
    uint64_t seed;
    random_secret(&seed, sizeof seed);
    const struct group_options options = {
        .group_id = group_id,
        .replica_id = replica_id,
        .node_id = s->node->node_id,
        .kind = kind,
        .seed = seed,
    };
    r->group = group_create(&options);
    r->partition = partition_create(0);
    HASH_ADD(hh, s->replicas, group_id, sizeof r->group_id, r);
    if (r->group == NULL || r->partition == NULL || HASH_ADD_FAILED(r)) {
        if (!HASH_ADD_FAILED(r))
            HASH_DEL(s->replicas, r);
        group_destroy(r->group);
        partition_destroy(r->partition);
        memory_free(r);
        return NULL;
    }
    metric_set(&s->metrics.groups, HASH_COUNT(s->replicas));
    return r;
}

static void free_range(struct replica *r)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } bytes = {r->range_start.data};
    memory_free(bytes.out);
}

void replica_destroy(struct replica *r)
{
    struct shard *s = r->shard;
    ASSERT(r->pool_reads_in_flight == 0 && r->log_reads_in_flight == 0 && r->waits == NULL);
    replica_unrest(r);
    loop_timer_stop(s->loop, &r->wake);
    loop_timer_stop(s->loop, &r->apply_retry);
    loop_timer_stop(s->loop, &r->membership_check);
    loop_undefer(s->loop, &r->work);
    loop_undefer(s->loop, &r->apply);
    replica_unreport(r);
    HASH_DEL(s->replicas, r);
    metric_set(&s->metrics.groups, HASH_COUNT(s->replicas));
    partition_destroy(r->partition); /* before the entries that its pending writes view */
    group_destroy(r->group);
    entry_cache_deinit(&r->entries);
    buffer_deinit(&r->goal_schema);
    split_deinit(&r->split);
    replica_caps_deinit(r);
    store_batch_destroy(r->batch);
    free_range(r);
    memory_free(r);
}

enum err replica_set_range(struct replica *r, struct slice start, struct slice end, uint64_t epoch)
{
    uint8_t *bytes = memory_alloc(start.length + end.length);
    if (bytes == NULL)
        return ERR_NO_MEMORY;
    if (start.length > 0)
        memcpy(bytes, start.data, start.length);
    if (end.length > 0)
        memcpy(bytes + start.length, end.data, end.length);
    free_range(r);
    r->range_start = slice_make(bytes, start.length);
    r->range_end = slice_make(bytes + start.length, end.length);
    r->range_epoch = epoch;
    return ERR_OK;
}

void replica_stop(struct replica *r, enum replica_state state)
{
    struct shard *s = r->shard;
    replica_lose_term(r);
    r->state = state;
    snapshot_stop(r);
    replica_unrest(r);
    loop_timer_stop(s->loop, &r->wake);
    loop_timer_stop(s->loop, &r->apply_retry);
    loop_timer_stop(s->loop, &r->membership_check);
    loop_undefer(s->loop, &r->work);
    loop_undefer(s->loop, &r->apply);
}

void replica_quarantine(struct replica *r, const char *reason)
{
    struct shard *s = r->shard;
    if (r->state == REPLICA_QUARANTINED || r->state == REPLICA_REMOVING)
        return;
    log_error("replica_quarantined", "group=%llu replica=%llu reason=%s", (unsigned long long)r->group_id,
              (unsigned long long)r->replica_id, reason);
    struct group_event halt = {.kind = GROUP_EVENT_HALT};
    struct group_update update;
    if (r->state == REPLICA_ACTIVE)
        (void)replica_step(r, &halt, &update); /* says nothing that could fail here */
    replica_stop(r, REPLICA_QUARANTINED);
    metric_set(&s->metrics.groups_quarantined, metric_value(&s->metrics.groups_quarantined) + 1);
    replica_report(r);
}

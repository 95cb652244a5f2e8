/* Which snapshots a leader sends, and when: a few of a loop at a time, the others in line, first come first. */
#include "base/random.h"
#include "dataplane/node/snapshot_internal.h"

enum {
    SENDING_MAX = 2,       /* of a loop, at once; those that are only being installed do not count */
    AGAIN_US = 300 * 1000, /* a receiver that is busy or away is asked again */
    TRIES_MAX = 100,
    NAME_BYTES_MAX = 64 * 1024,
};

static bool waits_in_line(const struct snapshot_out *out)
{
    return out->to.kind == MEMBER_STORAGE; /* log replicas' are one frame */
}

/* ---- ends ---- */

/* What it holds of the store goes. */
static void release(struct snapshot_out *out)
{
    if (out->store != NULL)
        store_snapshot_close(out->shard->store, out->store);
    out->store = NULL;
    buffer_deinit(&out->position);
    buffer_deinit(&out->payload);
}

void snapshot_out_settle(struct snapshot_out *out)
{
    struct shard *s = out->shard;
    if (out->phase != SENDING_OVER || out->is_reading || out->calls > 0)
        return;
    struct snapshot_out **at = &s->snapshots_out;
    while (*at != out)
        at = &(*at)->next;
    *at = out->next;
    release(out);
    out->replica->pool_reads_in_flight--;
    memory_free(out);
}

void snapshot_out_end(struct snapshot_out *out, const char *how)
{
    struct shard *s = out->shard;
    if (out->phase != SENDING_OVER && !s->is_closing)
        log_info("snapshot_over", "group=%llu replica=%llu node=%u how=%s index=%llu rows=%llu bytes=%llu",
                 (unsigned long long)out->replica->group_id, (unsigned long long)out->to.replica_id,
                 out->to.node_id, how, (unsigned long long)out->index, (unsigned long long)out->totals.rows,
                 (unsigned long long)out->totals.bytes);
    out->phase = SENDING_OVER;
    loop_undefer(s->loop, &out->begin);
    loop_timer_stop(s->loop, &out->timer);
    snapshot_out_settle(out);
    snapshot_out_next(s);
}

void snapshot_out_fail(struct snapshot_out *out, const char *why)
{
    metric_increment(&out->shard->metrics.snapshots_broken);
    snapshot_out_end(out, why);
}

bool snapshot_out_may_go_on(const struct snapshot_out *out)
{
    const struct replica *r = out->replica;
    return !out->shard->is_closing && r->state == REPLICA_ACTIVE &&
           group_status(r->group).role == GROUP_LEADER &&
           membership_find(group_membership(r->group), out->to.replica_id) != NULL;
}

/* ---- the line ---- */

void snapshot_out_put_back(struct snapshot_out *out, const char *why)
{
    struct loop *loop = out->shard->loop;
    if (!snapshot_out_may_go_on(out) || ++out->tries >= TRIES_MAX) {
        snapshot_out_fail(out, why);
        return;
    }
    release(out);
    out->phase = SENDING_LINE;
    out->index = 0;
    loop_timer_start(loop, &out->timer, loop_now_us(loop) + AGAIN_US);
    snapshot_out_next(out->shard);
}

static uint64_t draw_id(void)
{
    uint64_t id;
    random_secret(&id, sizeof id);
    return id | 1;
}

static void begin(struct snapshot_out *out)
{
    out->phase = SENDING_BEGIN;
    out->id =
        draw_id(); /* of each attempt another: what the one before has left at the receiver is not gone on with */
    out->is_meta = out->is_read = out->is_ready = false;
    out->totals = (struct snapshot_totals){0};
    buffer_init(&out->position, NAME_BYTES_MAX);
    buffer_init(&out->payload, SNAPSHOT_CHUNK_BYTES_MAX);
    loop_defer(out->shard->loop, &out->begin);
}

static uint32_t count_sending(const struct shard *s)
{
    uint32_t count = 0;
    for (const struct snapshot_out *out = s->snapshots_out; out != NULL; out = out->next)
        count += waits_in_line(out) &&
                 (out->phase == SENDING_BEGIN || out->phase == SENDING_ROWS || out->phase == SENDING_END);
    return count;
}

void snapshot_out_next(struct shard *s)
{
    if (s->is_closing)
        return;
    uint32_t sending = count_sending(s);
    for (struct snapshot_out *out = s->snapshots_out; out != NULL; out = out->next) {
        bool is_waiting = out->phase == SENDING_LINE && !loop_timer_is_started(&out->timer);
        if (!is_waiting || (waits_in_line(out) && sending >= SENDING_MAX))
            continue;
        sending += waits_in_line(out);
        begin(out);
    }
}

static void on_timer(struct loop_timer *timer)
{
    struct snapshot_out *out = timer->data;
    if (out->phase == SENDING_LINE)
        snapshot_out_next(out->shard);
    else
        snapshot_out_on_timer(out);
}

/* ---- what is asked for ---- */

static struct snapshot_out **find_or_end(const struct replica *r, uint64_t to_replica)
{
    struct snapshot_out **at = &r->shard->snapshots_out;
    while (*at != NULL && ((*at)->replica != r || (*at)->to.replica_id != to_replica))
        at = &(*at)->next;
    return at;
}

void snapshot_send(struct replica *r, const struct member *to)
{
    struct shard *s = r->shard;
    struct snapshot_out **at = find_or_end(r, to->replica_id);
    struct snapshot_out *out = s->is_closing || *at != NULL ? NULL : memory_zalloc(sizeof *out);
    if (out == NULL)
        return; /* it is under way, or the core asks again */
    *out = (struct snapshot_out){.shard = s, .replica = r, .to = *to};
    out->job = (struct background_job){.work = snapshot_out_read, .done = snapshot_out_on_read, .data = out};
    out->begin = (struct loop_task){.run = snapshot_out_begin, .data = out};
    out->timer = (struct loop_timer){.fire = on_timer, .data = out};
    *at = out;
    r->pool_reads_in_flight++;
    metric_increment(&s->metrics.snapshots_begun);
    snapshot_out_next(s);
}

uint64_t snapshot_needs_log_from(const struct replica *r)
{
    uint64_t first = UINT64_MAX;
    for (const struct snapshot_out *out = r->shard->snapshots_out; out != NULL; out = out->next)
        if (out->replica == r && out->index != 0 && out->index + 1 < first)
            first = out->index + 1;
    return first;
}

void snapshot_stop_sending(struct replica *r)
{
    struct snapshot_out *next;
    for (struct snapshot_out *out = r->shard->snapshots_out; out != NULL; out = next) {
        next = out->next;
        if (out->replica == r)
            snapshot_out_end(out, "stopped");
    }
}

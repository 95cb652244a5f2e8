/* A node's log on a simulated disk. The bytes are the real codec's (dataplane/log/segment.h); group commit, new
 * segments and recovery follow dataplane/log/wal.h, without threads: one batch is written and synced, then the
 * next. What a crash leaves of an unsynced batch is any subset of its sectors. */
#include <string.h>

#include "tests/sim/sim.h"

enum { SECTOR_BYTES = 512, QUEUE_BYTES_MAX = 64 * 1024 * 1024 };

void disk_init(struct sim_disk *d)
{
    buffer_init(&d->queue, QUEUE_BYTES_MAX);
}

void disk_deinit(struct sim_disk *d)
{
    buffer_deinit(&d->queue);
    for (uint32_t i = 0; i < d->segment_count; i++)
        memory_free(d->segments[i].bytes);
}

/* ---- Writing ---- */

void disk_append(struct world *w, struct sim_node *n, uint64_t group_id, uint64_t replica_id,
                 enum segment_record_type type, uint64_t index, uint64_t term, struct slice body)
{
    const struct segment_record record = {.type = type,
                                          .group_id = group_id,
                                          .replica_id = replica_id,
                                          .index = index,
                                          .term = term,
                                          .body = body};
    uint8_t *to = buffer_extend(&n->disk.queue, segment_record_bytes(body.length));
    ASSERT(to != NULL);
    segment_record_layout(to, &record);
}

static struct sim_segment *segment_begin(struct sim_disk *d, size_t batch_bytes)
{
    ASSERT(d->segment_count < SEGMENTS_MAX);
    struct sim_segment *last = d->segment_count == 0 ? NULL : &d->segments[d->segment_count - 1];
    struct sim_segment *s = &d->segments[d->segment_count++];
    size_t bytes = SEGMENT_START_BYTES + batch_bytes;
    bytes = bytes < SEGMENT_BYTES ? SEGMENT_BYTES : (bytes + 4095) & ~(size_t)4095;
    *s = (struct sim_segment){
        .generation = ++d->generation, .bytes = memory_zalloc(bytes), .capacity = (uint32_t)bytes};
    ASSERT(s->bytes != NULL);
    const struct segment_start start = {.previous_generation = last == NULL ? 0 : last->generation,
                                        .oldest_generation = 1,
                                        .previous_synced_offset = last == NULL ? 0 : last->synced,
                                        .segment_bytes = (uint32_t)bytes};
    uint8_t body[32];
    segment_start_encode(body, &start);
    const struct segment_record record = {.type = SEGMENT_START, .body = slice_make(body, sizeof body)};
    s->written = (uint32_t)segment_record_encode(s->bytes, s->generation, 0, 0, &record);
    return s;
}

static void write_batch(struct world *w, struct sim_node *n)
{
    struct sim_disk *d = &n->disk;
    struct sim_segment *s = d->segment_count == 0 ? NULL : &d->segments[d->segment_count - 1];
    if (s == NULL || s->is_closed || s->capacity - s->written < d->queue.length)
        s = segment_begin(d, d->queue.length);
    for (size_t at = 0; at < d->queue.length;) {
        size_t bytes = segment_record_bytes_at(d->queue.data + at);
        segment_record_seal(d->queue.data + at, s->generation, s->written, s->synced);
        memcpy(s->bytes + s->written, d->queue.data + at, bytes);
        s->written += (uint32_t)bytes;
        at += bytes;
    }
    buffer_clear(&d->queue);
    memcpy(d->writing, d->queued, d->queued_count * sizeof(d->queued[0]));
    d->writing_count = d->queued_count;
    d->queued_count = 0;
    d->is_writing = true;
    uint64_t delay = world_uniform(w, 80, 600);
    if (w->now_us < d->slow_until_us)
        delay += world_uniform(w, 1 * MS, 200 * MS);
    delay += d->hang_us;
    d->hang_us = 0;
    if (d->must_crash) {
        d->must_crash = false;
        struct sim_event *crash = world_schedule(w, w->now_us + world_uniform(w, 1, delay - 1), SIM_CRASH);
        crash->node = n->id;
        crash->life = n->life;
    }
    struct sim_event *event = world_schedule(w, w->now_us + delay, SIM_SYNCED);
    event->node = n->id;
    event->life = n->life;
}

void disk_flush(struct world *w, struct sim_node *n, const struct sim_persist *persist)
{
    struct sim_disk *d = &n->disk;
    ASSERT(d->queued_count < PERSISTS_MAX);
    d->queued[d->queued_count++] = *persist;
    if (!d->is_writing)
        write_batch(w, n);
}

void disk_on_synced(struct world *w, struct sim_node *n)
{
    struct sim_disk *d = &n->disk;
    if (d->must_fail) {
        /* Nothing of this file is acknowledged any more; the process starts again on what recovery finds. */
        d->must_fail = false;
        world_trace(w, "node %u: fsync fails", n->id);
        node_crash(w, n, false, world_uniform(w, 100 * MS, SECOND));
        return;
    }
    struct sim_segment *s = &d->segments[d->segment_count - 1];
    s->proven = s->synced; /* the batch says so, and is on disk now */
    if (d->segment_count > 1)
        d->segments[d->segment_count - 2].proven = d->segments[d->segment_count - 2].synced;
    s->synced = s->written;
    d->is_writing = false;
    struct sim_persist done[PERSISTS_MAX];
    uint32_t count = d->writing_count;
    memcpy(done, d->writing, count * sizeof(done[0]));
    d->writing_count = 0;
    if (d->queued_count > 0)
        write_batch(w, n);
    for (uint32_t i = 0; i < count && n->is_up; i++) {
        struct sim_replica *r = &n->replicas[done[i].group];
        if (done[i].kind == PERSIST_REMOVED) {
            r->is_removing = false;
            store_drop_range(w, r);
        }
        if (r->replica_id == done[i].replica_id && replica_is_live(r))
            replica_on_persisted(w, r, &done[i]);
    }
}

/* ---- Failing ---- */

bool disk_crash(struct world *w, struct sim_node *n)
{
    struct sim_disk *d = &n->disk;
    bool has_lost = d->queue.length > 0;
    buffer_clear(&d->queue);
    d->queued_count = d->writing_count = 0;
    d->is_writing = false;
    if (d->segment_count == 0)
        return has_lost;
    struct sim_segment *s = &d->segments[d->segment_count - 1];
    uint64_t mood = world_uniform(w, 0, 3); /* all gone, all there, or any subset */
    for (uint32_t at = s->synced; at < s->written;) {
        uint32_t end = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
        end = end > s->written ? s->written : end;
        bool is_kept = mood == 1 || (mood > 1 && world_chance(w, 500 * 1000));
        uint32_t keep = is_kept ? end - at : 0;
        if (mood > 1 && world_chance(w, 60 * 1000))
            keep = (uint32_t)world_uniform(w, 0, end - at);
        if (keep < end - at) {
            memset(s->bytes + at + keep, 0, end - at - keep);
            has_lost = true;
        }
        at = end;
    }
    s->synced = s->written; /* what is left is on the platter now */
    return has_lost;
}

bool disk_damage(struct world *w, struct sim_node *n)
{
    struct sim_disk *d = &n->disk;
    if (d->segment_count == 0)
        return false;
    struct sim_segment *s = &d->segments[world_uniform(w, 0, d->segment_count - 1)];
    if (s->proven <= SEGMENT_START_BYTES)
        return false;
    uint32_t at = (uint32_t)world_uniform(w, SEGMENT_START_BYTES, s->proven - 1);
    s->bytes[at] ^= (uint8_t)(1U << world_uniform(w, 0, 7));
    d->is_damaged = d->is_damage_pending = true;
    w->figures.damages++;
    world_trace(w, "node %u: a bit flips in segment %llu at %u", n->id, (unsigned long long)s->generation,
                at);
    return true;
}

/* ---- Recovery ---- */

/* What the next segment's START proves about this one; 0 when there is none. */
static bool read_start(const struct sim_segment *s, struct segment_start *ret_start)
{
    struct segment_record record;
    return segment_record_decode(slice_make(s->bytes, s->capacity), s->generation, 0, &record) == ERR_OK &&
           record.type == SEGMENT_START && segment_start_decode(record.body, ret_start) == ERR_OK;
}

static void on_damage(struct world *w, struct sim_node *n, const struct segment_damage *damage)
{
    for (uint32_t g = 0; g < w->group_count; g++) {
        struct sim_replica *r = &n->replicas[g];
        /* All that there was of it may be gone: its parent must not bear it again. */
        if (r->replica_id == 0 && damage->is_group_known && damage->group_id == w->groups[g].group_id &&
            damage->replica_id > r->tombstone)
            r->tombstone = damage->replica_id;
        bool is_other =
            damage->is_group_known && (damage->group_id != w->groups[g].group_id ||
                                       (r->replica_id != 0 && damage->replica_id != r->replica_id));
        if (r->replica_id != 0 && !is_other)
            replica_quarantine(w, r, "damaged record");
    }
}

static void recover_segment(struct world *w, struct sim_node *n, struct sim_segment *s,
                            uint32_t synced_offset)
{
    struct segment_scan scan;
    struct segment_record record;
    segment_scan_init(&scan, slice_make(s->bytes, s->capacity), s->generation, synced_offset);
    for (;;) {
        enum segment_step step = segment_scan_next(&scan, &record);
        if (step == SEGMENT_STEP_END)
            break;
        if (step == SEGMENT_STEP_DAMAGE)
            on_damage(w, n, &scan.damage);
        else if (record.group_id != 0)
            replica_on_record(w, n, &record);
    }
    s->synced = s->written = scan.offset;
    s->proven = scan.synced_offset;
    s->is_closed = true;
}

void disk_recover(struct world *w, struct sim_node *n)
{
    struct sim_disk *d = &n->disk;
    struct segment_start start;
    d->is_damage_pending = false;
    /* A last segment whose first batch was torn in its START never came to be. */
    if (d->segment_count > 0 && !read_start(&d->segments[d->segment_count - 1], &start))
        memory_free(d->segments[--d->segment_count].bytes);
    for (uint32_t i = 0; i < d->segment_count; i++) {
        bool has_next = i + 1 < d->segment_count && read_start(&d->segments[i + 1], &start);
        recover_segment(w, n, &d->segments[i], has_next ? start.previous_synced_offset : 0);
    }
}

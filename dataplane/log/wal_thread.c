/* The log thread: takes what is queued, writes it behind what is there, syncs, reports.
 *
 *            +---- queue empty, idle for a while: write a SYNCED mark ----+
 *            v                                                            |
 *     wait for work --> fits into the segment? --no--> switch segments ---+--> none: refuse (NO_SPACE)
 *            ^                 | yes
 *            |        write, fdatasync --failed--> everything fails from now on (IO)
 *            +--- report ------+ */
#include "base/assert.h"
#include "base/clock.h"
#include "base/schedule.h"
#include "base/memory.h"
#include "dataplane/log/wal_internal.h"

enum { SYNC_SLOW_US = 10 * 1000 };

void wal_batch_list_push(struct wal_batch_list *list, struct wal_batch *batch)
{
    batch->next = NULL;
    if (list->first == NULL)
        list->first = batch;
    else
        list->last->next = batch;
    list->last = batch;
}

static struct wal_batch *pop(struct wal_batch_list *list)
{
    struct wal_batch *batch = list->first;
    if (batch != NULL)
        list->first = batch->next;
    return batch;
}

/* ---- Reporting (mutex held) ---- */

static void report(struct wal_batch *batch, enum err err)
{
    batch->err = err;
    wal_batch_list_push(&batch->port->done, batch);
    wake_send(&batch->port->wake);
}

/* Refuse this batch, and all of its port that were made before the port hears of it. */
static void refuse(struct wal_batch *batch, enum err err)
{
    batch->port->refused_epoch = batch->epoch;
    batch->port->refused_err = err;
    report(batch, err);
}

static void fail_everything(struct wal *wal)
{
    struct wal_batch *batch;
    atomic_store(&wal->has_failed, true);
    while ((batch = pop(&wal->queue)) != NULL)
        report(batch, ERR_IO);
}

static bool is_refused_already(const struct wal_batch *batch)
{
    return batch->epoch <= batch->port->refused_epoch;
}

/* ---- What to write ---- */

/* A write: our own records first, then batches in the order in which they were queued. */
struct writing {
    uint8_t own[SEGMENT_START_BYTES + SEGMENT_SYNCED_BYTES];
    struct buffer tombstones;
    struct wal_batch_list batches;
    struct iovec iov[WAL_IOV_MAX];
    int iov_count;
    uint32_t bytes;
};

static uint32_t room(const struct wal *wal, bool is_upkeep)
{
    uint32_t end = wal->current->bytes - (is_upkeep ? 0 : wal->upkeep_reserve_bytes);
    return end > wal->offset ? end - wal->offset : 0;
}

static bool fits(const struct wal *wal, const struct writing *w, const struct wal_batch *batch)
{
    return w->bytes + batch->bytes.length <= room(wal, batch->is_upkeep);
}

static void add_bytes(struct wal *wal, struct writing *w, uint8_t *bytes, size_t length)
{
    uint32_t begin = wal->offset + w->bytes;
    for (size_t at = 0; at < length; at += segment_record_bytes_at(bytes + at))
        segment_record_seal(bytes + at, wal->current->generation, begin + (uint32_t)at, wal->synced_offset);
    w->iov[w->iov_count++] = (struct iovec){bytes, length};
    w->bytes += (uint32_t)length;
}

static void add_batch(struct wal *wal, struct writing *w, struct wal_batch *batch)
{
    batch->at = (struct wal_location){(uint32_t)wal->current->generation, wal->offset + w->bytes};
    add_bytes(wal, w, batch->bytes.data, batch->bytes.length);
    wal_batch_list_push(&w->batches, batch);
}

/* As many queued batches as fit, in order. Checksums are computed without the mutex: a popped batch is ours. */
static void add_queued(struct wal *wal, struct writing *w)
{
    while (wal->queue.first != NULL && w->iov_count < WAL_IOV_MAX) {
        struct wal_batch *batch = wal->queue.first;
        if (is_refused_already(batch)) {
            report(pop(&wal->queue), batch->port->refused_err);
            continue;
        }
        if (!fits(wal, w, batch) ||
            (w->bytes > 0 && w->bytes + batch->bytes.length > wal->options.batch_bytes_max))
            return;
        pop(&wal->queue);
        pthread_mutex_unlock(&wal->mutex);
        add_batch(wal, w, batch);
        pthread_mutex_lock(&wal->mutex);
    }
}

/* ---- Writing (mutex not held) ---- */

static enum err commit(struct wal *wal, struct writing *w, uint64_t *ret_us)
{
    uint64_t begin_us = clock_boot_us();
    wal->sync_gap_us = begin_us - wal->sync_began_us;
    wal->sync_began_us = begin_us;
    TRY(wal_file_append(wal->current, w->iov, w->iov_count, wal->offset));
    TRY(wal_file_sync(wal->current));
    wal->offset += w->bytes;
    wal->synced_offset = wal->offset;
    wal->last_batch_us = clock_boot_us();
    *ret_us = wal->last_batch_us - begin_us;
    return ERR_OK;
}

static void measure(struct wal_metrics *m, uint64_t bytes, uint64_t us)
{
    metric_increment(&m->syncs);
    metric_add(&m->written, bytes);
    metric_record(&m->sync_time, us);
    if (us > SYNC_SLOW_US)
        metric_increment(&m->syncs_slow);
}

static void count(struct wal *wal, const struct writing *w, uint64_t us)
{
    struct wal_figures *f = &wal->figures;
    measure(wal->options.metrics, w->bytes, us);
    f->batches++;
    f->bytes += w->bytes;
    f->sync_us_sum += us;
    f->sync_us_max = us > f->sync_us_max ? us : f->sync_us_max;
    f->last_sync_boot_us = wal->last_batch_us;
    for (const struct wal_batch *batch = w->batches.first; batch != NULL; batch = batch->next) {
        f->appends += batch->append_count;
        f->records += batch->record_count;
    }
}

/* Mutex held on entry and exit. */
static enum err write_and_report(struct wal *wal, struct writing *w)
{
    struct wal_batch *batch;
    uint64_t us = 0;
    pthread_mutex_unlock(&wal->mutex);
    enum err err = commit(wal, w, &us);
    pthread_mutex_lock(&wal->mutex);
    if (err == ERR_OK)
        count(wal, w, us);
    else
        atomic_store(&wal->has_failed, true);
    while ((batch = pop(&w->batches)) != NULL)
        report(batch, err == ERR_OK ? ERR_OK : ERR_IO);
    if (err != ERR_OK)
        fail_everything(wal);
    return err;
}

/* ---- Segments (mutex held) ---- */

static void want_next(struct wal *wal)
{
    wal->next_state = WAL_NEXT_WANTED;
    pthread_cond_signal(&wal->prepare);
}

static enum err take_next(struct wal *wal)
{
    if (wal->next_state == WAL_NEXT_REFUSED)
        want_next(wal);
    while (wal->next_state == WAL_NEXT_WANTED && !wal->must_stop_preparing)
        pthread_cond_wait(&wal->prepared, &wal->mutex);
    if (wal->next_state != WAL_NEXT_READY)
        return wal->next_err == ERR_NO_SPACE || wal->next_err == ERR_NO_MEMORY ? ERR_NO_SPACE : ERR_IO;
    return ERR_OK;
}

/* Go on in the next segment: its START is the first thing in `w`. The current one is synced. */
static enum err switch_segment(struct wal *wal, struct writing *w)
{
    TRY(take_next(wal));
    uint8_t body[SEGMENT_START_BYTES - SEGMENT_RECORD_HEADER_BYTES];
    struct segment_start start = {.previous_generation = wal->current->generation,
                                  .previous_synced_offset = wal->synced_offset,
                                  .oldest_generation = wal->oldest_recorded,
                                  .segment_bytes = wal->next->bytes};
    if (wal_files_add(wal, wal->next) != ERR_OK)
        return ERR_NO_SPACE;
    wal->current = wal->next;
    wal->next = NULL;
    wal->offset = wal->synced_offset = 0;
    want_next(wal);
    segment_start_encode(body, &start);
    struct segment_record record = {.type = SEGMENT_START, .body = slice_make(body, sizeof body)};
    segment_record_layout(w->own, &record);
    add_bytes(wal, w, w->own, SEGMENT_START_BYTES);
    for (struct wal_port *port = wal->ports; port != NULL; port = port->next) {
        port->must_compute_needs = true;
        wake_send(&port->wake);
    }
    return ERR_OK;
}

uint32_t wal_needed_generation(struct wal *wal)
{
    uint32_t needed = (uint32_t)wal->current->generation;
    for (const struct wal_port *port = wal->ports; port != NULL; port = port->next)
        if (port->needed_generation < needed)
            needed = port->needed_generation;
    for (size_t i = 0; i < WAL_GROUP_BUCKETS; i++)
        for (const struct wal_group *group = wal->groups[i]; group != NULL; group = group->hash_next) {
            if (group->port != NULL)
                continue;
            uint32_t entries = wal_group_entries_generation(group), meta = wal_group_meta_generation(group);
            needed = entries < needed ? entries : needed;
            needed = meta < needed ? meta : needed;
        }
    return needed;
}

static bool add_tombstones(struct wal *wal, struct writing *w, uint32_t below)
{
    for (size_t i = 0; i < WAL_GROUP_BUCKETS; i++)
        for (struct wal_tombstone *t = wal->tombstones[i]; t != NULL; t = t->next) {
            if (t->generation >= below)
                continue;
            struct segment_record record = {
                .type = SEGMENT_GROUP_REMOVED, .group_id = t->group_id, .replica_id = t->replica_id};
            uint8_t *to = buffer_extend(&w->tombstones, segment_record_bytes(0));
            if (to == NULL)
                return false;
            segment_record_layout(to, &record);
        }
    size_t needed = w->tombstones.length + SEGMENT_SYNCED_BYTES;
    if (needed > room(wal, true))
        return false;
    if (w->tombstones.length > 0)
        add_bytes(wal, w, w->tombstones.data, w->tombstones.length);
    for (size_t i = 0; i < WAL_GROUP_BUCKETS; i++)
        for (struct wal_tombstone *t = wal->tombstones[i]; t != NULL; t = t->next)
            if (t->generation < below)
                t->generation = (uint32_t)wal->current->generation;
    return true;
}

static void add_mark(struct wal *wal, struct writing *w, uint64_t oldest)
{
    uint8_t *to = w->own + SEGMENT_START_BYTES;
    segment_record_layout(to, &(struct segment_record){.type = SEGMENT_SYNCED, .index = oldest});
    add_bytes(wal, w, to, SEGMENT_SYNCED_BYTES);
}

/* Say durably from where on the log is needed, then let the older segments go. Tombstones move along. */
static void recycle(struct wal *wal)
{
    struct writing w = {0};
    wal->must_consider_recycling = false;
    uint32_t needed = wal_needed_generation(wal);
    if (needed <= wal->oldest_recorded)
        return;
    buffer_init(&w.tombstones, wal->current->bytes);
    if (add_tombstones(wal, &w, needed) && room(wal, true) >= w.bytes + SEGMENT_SYNCED_BYTES) {
        add_mark(wal, &w, needed);
        if (write_and_report(wal, &w) == ERR_OK) {
            wal->oldest_recorded = needed;
            wal->is_marked = true;
            wal->recyclable_below = needed;
            pthread_cond_signal(&wal->prepare);
        }
    }
    buffer_deinit(&w.tombstones);
}

static void mark(struct wal *wal)
{
    struct writing w = {0};
    wal->is_marked = true;
    if (room(wal, true) < SEGMENT_SYNCED_BYTES)
        return; /* full: the next segment's START says the same */
    add_mark(wal, &w, wal->oldest_recorded);
    write_and_report(wal, &w);
}

/* ---- The loop (mutex held, except while writing) ---- */

static void write_queue(struct wal *wal)
{
    struct writing w = {0};
    add_queued(wal, &w);
    if (w.bytes == 0 && wal->queue.first != NULL) {
        enum err err = switch_segment(wal, &w);
        if (err == ERR_OK) {
            add_queued(wal, &w);
        } else if (err == ERR_NO_SPACE) {
            refuse(pop(&wal->queue), err);
            return;
        } else {
            fail_everything(wal);
            return;
        }
    }
    if (w.bytes == 0)
        return;
    wal->is_marked = false;
    /* The result has been reported to all concerned. */
    (void)write_and_report(wal, &w);
}

/* While syncs follow each other closely, hold the next one back a little: all that arrives meanwhile shares it, and
 * neither its writers nor this thread are woken for each. A lone writer is not held back: it comes later than that. */
static void pace(struct wal *wal)
{
    uint64_t interval_us = wal->options.sync_interval_us;
    uint64_t now_us = clock_boot_us();
    if (wal->sync_gap_us > 2 * interval_us || now_us >= wal->sync_began_us + interval_us)
        return;
    uint64_t left_us = wal->sync_began_us + interval_us - now_us;
    wal->is_pacing = true;
    pthread_mutex_unlock(&wal->mutex);
    nanosleep(&(struct timespec){.tv_nsec = (long)(left_us * 1000)}, NULL);
    pthread_mutex_lock(&wal->mutex);
    wal->is_pacing = false;
}

/* Sleep until there is work, or until the log has been idle for long enough to be marked. */
static void wait_for_work(struct wal *wal)
{
    if (wal->is_marked || atomic_load(&wal->has_failed)) {
        pthread_cond_wait(&wal->work, &wal->mutex);
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + 1000ull * wal->options.synced_mark_delay_us;
    until.tv_sec += (time_t)(ns / 1000000000u);
    until.tv_nsec = (long)(ns % 1000000000u);
    if (pthread_cond_timedwait(&wal->work, &wal->mutex, &until) != 0 && wal->queue.first == NULL)
        mark(wal);
}

void *wal_log_thread(void *data)
{
    struct wal *wal = data;
    schedule_wake_soon();
    pthread_mutex_lock(&wal->mutex);
    while (!wal->must_stop || wal->queue.first != NULL) {
        bool has_failed = atomic_load(&wal->has_failed);
        if (wal->queue.first != NULL && has_failed)
            fail_everything(wal);
        else if (wal->queue.first != NULL) {
            write_queue(wal);
            pace(wal);
        } else if (wal->must_consider_recycling && !has_failed)
            recycle(wal);
        else
            wait_for_work(wal);
    }
    if (!wal->is_marked && !atomic_load(&wal->has_failed))
        mark(wal);
    pthread_mutex_unlock(&wal->mutex);
    return NULL;
}

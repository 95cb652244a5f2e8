#include "dataplane/log/wal.h"

#include <signal.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "dataplane/log/wal_internal.h"

enum {
    SEGMENT_BYTES_MIN = 64 * 1024,
    SEGMENT_BYTES_MAX = 1024 * 1024 * 1024,
    SEGMENT_ALIGNMENT = 4096,
    BATCH_BYTES_LIMIT = 4 * 1024 * 1024,
    UPKEEP_RESERVE_PARTS = 16, /* of a segment: kept for truncations and removals when the disk is full */
};

static const struct metric_row metric_rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct wal_metrics, name, kind, unit, sentence)
#include "dataplane/log/wal_metrics.def"
#undef METRIC
};
const struct metric_table wal_metric_table = METRIC_TABLE("log", metric_rows);

static enum err take_options(struct wal *wal, const struct wal_options *options, struct error *error)
{
    struct wal_options *o = &wal->options;
    *o = *options;
    if (o->segment_bytes == 0)
        o->segment_bytes = 64 * 1024 * 1024;
    if (o->segment_bytes < SEGMENT_BYTES_MIN || o->segment_bytes > SEGMENT_BYTES_MAX ||
        o->segment_bytes % SEGMENT_ALIGNMENT != 0)
        return error_set(error, ERR_CONFIG, "segment_bytes %u is not a multiple of 4096 from 64 KiB to 1 GiB",
                         o->segment_bytes);
    if (o->batch_bytes_max == 0)
        o->batch_bytes_max =
            o->segment_bytes / 4 < BATCH_BYTES_LIMIT ? o->segment_bytes / 4 : BATCH_BYTES_LIMIT;
    if (o->batch_bytes_max > o->segment_bytes / 2)
        return error_set(error, ERR_CONFIG, "batch_bytes_max %u is more than half a segment",
                         o->batch_bytes_max);
    if (o->segments_max == 0)
        o->segments_max = 64;
    if (o->segments_max < 3)
        return error_set(error, ERR_CONFIG, "segments_max %u is less than 3", o->segments_max);
    o->queue_bytes_max = o->queue_bytes_max == 0 ? 32 * 1024 * 1024 : o->queue_bytes_max;
    o->index_entries_max = o->index_entries_max == 0 ? 16 * 1024 * 1024 : o->index_entries_max;
    o->synced_mark_delay_us = o->synced_mark_delay_us == 0 ? 100 * 1000 : o->synced_mark_delay_us;
    o->metrics = o->metrics == NULL ? &wal->own_metrics : o->metrics;
    wal->upkeep_reserve_bytes = o->segment_bytes / UPKEEP_RESERVE_PARTS;
    return ERR_OK;
}

static void init_sync(struct wal *wal)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&wal->mutex, NULL);
    pthread_cond_init(&wal->work, &attributes);
    pthread_cond_init(&wal->prepared, NULL);
    pthread_cond_init(&wal->prepare, NULL);
    pthread_condattr_destroy(&attributes);
}

/* The daemon's own thread handles signals, not these. */
static enum err start_threads(struct wal *wal, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    wal->has_prepare_thread = pthread_create(&wal->prepare_thread, NULL, wal_prepare_thread, wal) == 0;
    wal->has_log_thread = pthread_create(&wal->log_thread, NULL, wal_log_thread, wal) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (wal->has_prepare_thread && wal->has_log_thread)
        return ERR_OK;
    return error_set(error, ERR_NO_MEMORY, "start the log's threads");
}

enum err wal_open(struct wal **ret_wal, const struct wal_options *options,
                  const struct wal_recovery *recovery, struct error *error)
{
    struct wal *wal = memory_zalloc(sizeof *wal);
    if (wal == NULL)
        return error_set(error, ERR_NO_MEMORY, "open the log");
    wal->directory_fd = -1;
    wal->next_state = WAL_NEXT_WANTED;
    init_sync(wal);
    enum err err = take_options(wal, options, error);
    if (err == ERR_OK)
        err = wal_directory_open(wal, error);
    if (err == ERR_OK)
        err = wal_recover(wal, recovery, error);
    if (err == ERR_OK)
        err = start_threads(wal, error);
    if (err != ERR_OK) {
        wal_close(wal);
        return err;
    }
    *ret_wal = wal;
    return ERR_OK;
}

static void stop_threads(struct wal *wal)
{
    pthread_mutex_lock(&wal->mutex);
    wal->must_stop = true;
    pthread_cond_signal(&wal->work);
    pthread_mutex_unlock(&wal->mutex);
    if (wal->has_log_thread)
        pthread_join(wal->log_thread, NULL);
    pthread_mutex_lock(&wal->mutex);
    wal->must_stop_preparing = true;
    pthread_cond_signal(&wal->prepare);
    pthread_mutex_unlock(&wal->mutex);
    if (wal->has_prepare_thread)
        pthread_join(wal->prepare_thread, NULL);
}

static void free_tables(struct wal *wal)
{
    for (size_t i = 0; i < WAL_GROUP_BUCKETS; i++) {
        while (wal->groups[i] != NULL)
            wal_group_forget(wal->groups[i]);
        while (wal->tombstones[i] != NULL) {
            struct wal_tombstone *tombstone = wal->tombstones[i];
            wal->tombstones[i] = tombstone->next;
            memory_free(tombstone);
        }
    }
    for (size_t i = 0; i < wal->file_count; i++)
        wal_file_close(wal->files[i]);
    memory_free(wal->files);
}

void wal_close(struct wal *wal)
{
    if (wal == NULL)
        return;
    ASSERT(wal->ports == NULL);
    stop_threads(wal);
    free_tables(wal);
    wal_file_close(wal->next);
    if (wal->directory_fd >= 0)
        close(wal->directory_fd);
    pthread_mutex_destroy(&wal->mutex);
    pthread_cond_destroy(&wal->work);
    pthread_cond_destroy(&wal->prepared);
    pthread_cond_destroy(&wal->prepare);
    memory_free(wal);
}

bool wal_has_failed(const struct wal *wal)
{
    return atomic_load(&wal->has_failed);
}

bool wal_is_removed(struct wal *wal, uint64_t group_id, uint64_t replica_id)
{
    pthread_mutex_lock(&wal->mutex);
    bool is_removed = wal_tombstone_find(wal, group_id, replica_id) != NULL;
    pthread_mutex_unlock(&wal->mutex);
    return is_removed;
}

struct wal_figures wal_figures(struct wal *wal)
{
    pthread_mutex_lock(&wal->mutex);
    struct wal_figures figures = wal->figures;
    figures.segments_in_use = wal->file_count;
    figures.segments_spare = wal->spare_count;
    figures.current_generation = wal->current->generation;
    figures.oldest_generation = wal->file_count > 0 ? wal->files[0]->generation : 0;
    figures.index_entries = atomic_load(&wal->index_entries);
    pthread_mutex_unlock(&wal->mutex);
    return figures;
}

/* A snapshot that has come in full takes the place of store and log.
 *
 *     the core agrees (INSTALLING: no acknowledgements, no reads, no applying from here)
 *         -> log: SNAPSHOT_INSTALLING, durable -> store: the rows, in one moment -> log: SNAPSHOT_INSTALLED, durable
 *         -> the partition as it was loaded, the core (INSTALLED)
 *
 * The store turns over as a whole, with a row that names the snapshot; so after a crash it is what it was, and then the replica is too, or
 * what came, and then the log is completed (snapshot_recover). There is no half of it to vote on. What fails after the
 * core has agreed takes the process down, as any failure of log or store does.
 *
 * A log replica has no store to replace: SNAPSHOT_INSTALLED alone. */
#include <dirent.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/reader.h"
#include "dataplane/node/snapshot_internal.h"

enum { INSTALLED_ROW_VERSION = 1, BODY_BYTES_MAX = 16 + MEMBERSHIP_BYTES_MAX, ROW_BYTES_MAX = 64 * 1024 };

/* ---- bytes (docs/formats/wal.md, replica.md) ---- */

static void row_encode(uint64_t snapshot_id, struct buffer *to)
{
    buffer_append_u8(to, INSTALLED_ROW_VERSION);
    buffer_append_u64(to, snapshot_id);
}

static void body_encode(const struct snapshot_in *in, struct buffer *to)
{
    buffer_append_u64(to, in->id);
    buffer_append_u64(to, in->membership_index);
    buffer_append(to, slice_make(in->membership, in->membership_bytes));
}

struct body {
    uint64_t snapshot_id;
    struct slice membership;
};

static enum err body_decode(struct slice bytes, struct body *ret_body)
{
    struct reader reader;
    reader_init(&reader, bytes);
    struct body body = {.snapshot_id = reader_u64(&reader)};
    (void)reader_u64(
        &reader); /* the membership's index: a restart takes it for older than the log, as it is */
    body.membership = reader_rest(&reader);
    if (reader_has_failed(&reader))
        return ERR_CORRUPT;
    *ret_body = body;
    return ERR_OK;
}

enum err snapshot_complete_import(struct snapshot_in *in)
{
    struct buffer row;
    buffer_init(&row, ROW_BYTES_MAX);
    row_encode(in->id, &row);
    enum err err =
        store_import_put_meta(in->import, slice_from_string(NODE_META_INSTALLED), buffer_view(&row));
    buffer_clear(&row);
    replica_row_encode(in->replica, &row);
    if (err == ERR_OK && buffer_has_failed(&row))
        err = ERR_NO_MEMORY;
    if (err == ERR_OK)
        err = store_import_put_meta(in->import, slice_from_string(NODE_META_REPLICA), buffer_view(&row));
    buffer_deinit(&row);
    return err == ERR_OK ? store_import_finish(in->import) : err;
}

/* ---- step by step ---- */

static void append(struct snapshot_in *in, enum segment_record_type type, wal_append_cb done)
{
    struct replica *r = in->replica;
    struct buffer body;
    buffer_init(&body, BODY_BYTES_MAX);
    body_encode(in, &body);
    const struct segment_record record = {
        .type = type, .index = in->index, .term = in->term, .body = buffer_view(&body)};
    enum err err = buffer_has_failed(&body) ? ERR_NO_MEMORY : wal_append(r->log, &record, 1, done, in);
    buffer_deinit(&body);
    if (err != ERR_OK) {
        node_fail(in->shard->node, "install", err);
        return;
    }
    in->is_working = true;
    shard_append_begins(in->shard);
}

/* Something that was under way has come back. False: nobody waits for it any more, and `in` may be gone. */
static bool has_come_home(struct snapshot_in *in)
{
    in->is_working = false;
    if (in->phase == RECEIVING_OVER)
        snapshot_in_settle(in);
    else if (in->shard->is_closing || in->replica->state != REPLICA_ACTIVE)
        snapshot_in_end(in);
    else
        return true;
    return false;
}

static void take_place(struct snapshot_in *in)
{
    struct replica *r = in->replica;
    entry_cache_truncate(&r->entries, 0);
    if (in->partition != NULL) {
        partition_destroy(r->partition);
        r->partition = in->partition;
        in->partition = NULL;
        r->applied_term = in->term;
        r->checkpoint_index = in->checkpoint_index;
    }
    r->is_installing = false;
    struct group_event event = {.kind = GROUP_EVENT_INSTALLED,
                                .index = in->index,
                                .term = in->term,
                                .membership = slice_make(in->membership, in->membership_bytes),
                                .membership_index = in->membership_index};
    struct group_update update;
    if (replica_step(r, &event, &update) != ERR_OK) {
        replica_quarantine(r, "install");
        return;
    }
    metric_increment(&in->shard->metrics.snapshots_installed);
    log_info("snapshot_installed", "group=%llu replica=%llu from=%u index=%llu items=%llu",
             (unsigned long long)r->group_id, (unsigned long long)r->replica_id, in->from_node,
             (unsigned long long)in->index, (unsigned long long)in->size.item_count);
    replica_report(r);
}

static void on_installed_durable(void *cookie, enum err err)
{
    struct snapshot_in *in = cookie;
    shard_append_ends(in->shard);
    if (err != ERR_OK)
        node_fail(in->shard->node, "log", err);
    if (!has_come_home(in))
        return;
    if (err == ERR_OK)
        take_place(in);
    snapshot_in_end(in);
}

static void ingest(struct background_job *job)
{
    struct snapshot_in *in = job->data;
    struct store *store = in->shard->store;
    in->job_err = store_import_ingest(in->import);
    if (in->job_err != ERR_OK)
        return;
    in->partition = partition_create(0);
    in->job_err = in->partition == NULL ? ERR_NO_MEMORY
                                        : store_load_partition(store, in->replica->group_id, in->partition,
                                                               &in->checkpoint_index);
    if (in->job_err == ERR_OK && partition_applied_index(in->partition) != in->index)
        in->job_err = ERR_CORRUPT;
}

static void on_ingested(struct background_job *job)
{
    struct snapshot_in *in = job->data;
    if (!has_come_home(in))
        return;
    if (in->job_err == ERR_OK)
        append(in, SEGMENT_SNAPSHOT_INSTALLED, on_installed_durable);
    else
        node_fail(in->shard->node, "install", in->job_err);
}

static void on_installing_durable(void *cookie, enum err err)
{
    struct snapshot_in *in = cookie;
    shard_append_ends(in->shard);
    if (err != ERR_OK)
        node_fail(in->shard->node, "log", err);
    if (!has_come_home(in) || err != ERR_OK)
        return;
    in->is_working = true;
    in->job.work = ingest;
    in->job.done = on_ingested;
    background_run(&in->shard->bulk, &in->job);
}

bool snapshot_install(struct snapshot_in *in)
{
    struct replica *r = in->replica;
    struct group_event event = {.kind = GROUP_EVENT_INSTALLING, .index = in->index, .term = in->term};
    struct group_update update;
    if (replica_step(r, &event, &update) != ERR_OK)
        return false;
    in->phase = RECEIVING_INSTALL;
    r->is_installing = true;
    if (r->has_batch) { /* committed, and older than what comes */
        r->has_batch = false;
        store_batch_clear(r->batch);
    }
    if (in->has_rows)
        append(in, SEGMENT_SNAPSHOT_INSTALLING, on_installing_durable);
    else
        append(in, SEGMENT_SNAPSHOT_INSTALLED, on_installed_durable);
    return true;
}

/* ---- restarts ---- */

static enum err stored_snapshot_id(struct replica *r, uint64_t *ret_id)
{
    struct store_value value;
    enum err err =
        store_get_meta(r->shard->store, r->group_id, slice_from_string(NODE_META_INSTALLED), &value);
    if (err == ERR_NOT_FOUND) {
        *ret_id = 0;
        return ERR_OK;
    }
    TRY(err);
    struct reader reader;
    reader_init(&reader, value.bytes);
    uint8_t version = reader_u8(&reader);
    uint64_t id = reader_u64(&reader);
    bool is_good = reader_is_done(&reader) && version == INSTALLED_ROW_VERSION;
    store_value_release(&value);
    if (!is_good)
        return ERR_CORRUPT;
    *ret_id = id;
    return ERR_OK;
}

enum err snapshot_restore(struct replica *r, const struct segment_record *record)
{
    struct body body;
    TRY(body_decode(record->body, &body));
    entry_cache_truncate(&r->entries, 0);
    return group_restore_snapshot(r->group, record->index, record->term, body.membership);
}

enum err snapshot_recover(struct replica *r)
{
    struct wal_replica logged = wal_group_replica(r->log);
    struct body body;
    uint64_t stored_id;
    if (!logged.is_installing || body_decode(logged.snapshot, &body) != ERR_OK)
        return ERR_OK;
    TRY(stored_snapshot_id(r, &stored_id));
    if (stored_id != body.snapshot_id)
        return ERR_OK; /* that one came to nothing */
    const struct segment_record record = {.type = SEGMENT_SNAPSHOT_INSTALLED,
                                          .index = logged.snapshot_index,
                                          .term = logged.snapshot_term,
                                          .body = logged.snapshot};
    TRY(snapshot_restore(r, &record));
    log_info("snapshot_completed", "group=%llu replica=%llu index=%llu", (unsigned long long)r->group_id,
             (unsigned long long)r->replica_id, (unsigned long long)record.index);
    return wal_append(r->log, &record, 1, NULL, NULL);
}

void snapshot_forget_files(const char *data_dir)
{
    DIR *directory = opendir(data_dir);
    if (directory == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char path[4096];
        int length = snprintf(path, sizeof path, "%s/%s", data_dir, entry->d_name);
        if (strncmp(entry->d_name, "import-", 7) == 0 && length < (int)sizeof path)
            store_import_remove_files(path);
    }
    closedir(directory);
}

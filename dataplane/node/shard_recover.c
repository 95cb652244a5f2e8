/* After a restart: a shard's store says which replicas were here and what they had applied; the log, read once for all
 * shards (node_recover.c), says what they knew. What the store has and the checkpoint has not is replayed for its request ids; the rest is applied as
 * the group commits it again. */
#include <stdio.h>

#include "base/clock.h"
#include "base/reader.h"
#include "dataplane/node/node_internal.h"

enum { REPLICA_ROW_VERSION = 2 };

/* ---- rows ---- */

void replica_row_encode(const struct replica *r, struct buffer *to)
{
    buffer_append_u8(to, REPLICA_ROW_VERSION);
    buffer_append_u64(to, r->replica_id);
    buffer_append_u64(to, r->creation_id);
    buffer_append_u8(to, (uint8_t)r->kind);
    buffer_append_u64(to, r->range_epoch);
    buffer_append_prefixed(to, r->range_start);
    buffer_append_prefixed(to, r->range_end);
}

static enum err replica_from_row(struct shard *s, uint64_t group_id, struct slice row)
{
    struct reader reader;
    reader_init(&reader, row);
    uint8_t version = reader_u8(&reader);
    uint64_t replica_id = reader_u64(&reader);
    uint64_t creation_id = reader_u64(&reader);
    uint8_t kind = reader_u8(&reader);
    uint64_t range_epoch = reader_u64(&reader);
    struct slice start = reader_prefixed(&reader);
    struct slice end = reader_prefixed(&reader);
    if (!reader_is_done(&reader) || version != REPLICA_ROW_VERSION || kind > MEMBER_LOG)
        return ERR_CORRUPT;
    struct replica *r = replica_create(s, group_id, replica_id, (enum member_kind)kind);
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->state = REPLICA_CREATING;
    r->creation_id = creation_id;
    return replica_set_range(r, start, end, range_epoch);
}

/* ---- the store ---- */

struct group_list {
    uint64_t *ids;
    size_t count;
    size_t capacity;
    bool has_failed;
};

static void add_group(void *data, uint64_t group_id, const struct store_applied *applied)
{
    struct group_list *list = data;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        uint64_t *ids = memory_resize(list->ids, capacity * sizeof *ids);
        if (ids == NULL) {
            list->has_failed = true;
            return;
        }
        list->ids = ids;
        list->capacity = capacity;
    }
    list->ids[list->count++] = group_id;
}

void node_meta_ids_name(uint64_t name, uint8_t ret_key[NODE_META_IDS_BYTES])
{
    memcpy(ret_key, NODE_META_IDS, sizeof NODE_META_IDS - 1);
    for (int i = 0; i < 8; i++)
        ret_key[sizeof NODE_META_IDS - 1 + i] = (uint8_t)(name >> (56 - 8 * i));
}

static enum err load_ids(void *data, struct slice row, struct slice value)
{
    struct partition *partition = data;
    struct reader reader;
    reader_init(&reader, slice_from(row, sizeof NODE_META_IDS - 1));
    uint64_t name = reader_u64_be(&reader);
    if (!reader_is_done(&reader))
        return ERR_CORRUPT;
    return request_ids_load(partition_request_ids(partition), name, value);
}

enum err store_load_partition(struct store *store, uint64_t group_id, struct partition *partition,
                              uint64_t *ret_checkpoint)
{
    struct store_value value;
    enum err err = store_get_meta(store, group_id, slice_from_string(NODE_META_CHECKPOINT), &value);
    if (err == ERR_OK) {
        err = partition_checkpoint_decode(partition, value.bytes);
        store_value_release(&value);
        *ret_checkpoint = partition_applied_index(partition);
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    return store_each_meta(store, NULL, group_id, slice_from_string(NODE_META_IDS), load_ids, partition);
}

static enum err load_checkpoint(struct replica *r)
{
    return store_load_partition(r->shard->store, r->group_id, r->partition, &r->checkpoint_index);
}

static enum err load_group(struct shard *s, uint64_t group_id)
{
    struct store_value value;
    if (node_shard_of(s->node, group_id) != s)
        return ERR_CORRUPT; /* somebody has changed the number of loops: its rows would be in two stores */
    enum err err = store_get_meta(s->store, group_id, slice_from_string(NODE_META_REPLICA), &value);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    err = replica_from_row(s, group_id, value.bytes);
    store_value_release(&value);
    return err == ERR_OK ? load_checkpoint(replica_find(s, group_id)) : err;
}

/* The first shard's is `store`, as if it were alone. The settings are the node's: each store has its part. */
enum err shard_load_store(struct shard *s, struct error *error)
{
    const struct node_options *o = &s->node->options;
    uint32_t shard_count = s->node->shard_count;
    char path[4096];
    if (s->index == 0)
        snprintf(path, sizeof path, "%s/store", o->data_dir);
    else
        snprintf(path, sizeof path, "%s/store-%u", o->data_dir, s->index);
    const struct store_options options = {
        .directory = path,
        .block_cache_bytes = o->block_cache_bytes / shard_count,
        .write_buffer_bytes = o->write_buffer_bytes / shard_count,
    };
    TRY(store_open(&s->store, &options, error));
    struct group_list list = {0};
    enum err err = store_each_group(s->store, add_group, &list);
    if (err == ERR_OK && list.has_failed)
        err = ERR_NO_MEMORY;
    for (size_t i = 0; i < list.count && err == ERR_OK; i++)
        err = load_group(s, list.ids[i]);
    memory_free(list.ids);
    return err == ERR_OK ? ERR_OK : error_wrap(error, err, "read replicas from '%s'", path);
}

/* ---- the log ---- */

static enum err on_entry(struct replica *r, const struct segment_record *record)
{
    TRY(group_restore_entry(r->group, record->index, record->term, record->body));
    if (record->index < group_status(r->group).first_index)
        return ERR_OK; /* void: a later start of the log was read already */
    if (record->index <= r->checkpoint_index || r->kind == MEMBER_LOG) {
        entry_cache_truncate(&r->entries, record->index);
        return ERR_OK;
    }
    return entry_cache_put(&r->entries, record->index, record->term, record->body);
}

enum err shard_load_record(struct shard *s, const struct segment_record *record)
{
    struct replica *r = replica_find(s, record->group_id);
    if (r == NULL || r->replica_id != record->replica_id || r->state == REPLICA_QUARANTINED)
        return ERR_OK;
    enum err err = ERR_OK;
    switch ((int)record->type) {
    case SEGMENT_ENTRY:
        err = on_entry(r, record);
        break;
    case SEGMENT_TRUNCATE_SUFFIX:
        entry_cache_truncate(&r->entries, record->index);
        err = group_restore_truncate_suffix(r->group, record->index);
        break;
    case SEGMENT_LOG_START:
        err = group_restore_log_start(r->group, record->index, record->term);
        break;
    case SEGMENT_SNAPSHOT_INSTALLED:
        err = snapshot_restore(r, record);
        break;
    case SEGMENT_HARD_STATE:
        err = group_restore_hard_state(r->group, record->body);
        break;
    default:
        break;
    }
    if (err == ERR_CORRUPT) {
        r->state = REPLICA_QUARANTINED;
        log_error("replica_quarantined", "group=%llu reason=log_record type=%d index=%llu",
                  (unsigned long long)r->group_id, (int)record->type, (unsigned long long)record->index);
        return ERR_OK;
    }
    return err;
}

/* ---- acting again ---- */

/* Either its creation never reached the log, and the goal comes again; or it was removed, and the rows may have
 * outlived the tombstone. A third case is not normal: it had applied something, so there was a log. It must not
 * come back as if it were new, for it may have voted. */
static enum err restart_without_log(struct replica *r)
{
    struct shard *s = r->shard;
    struct store_applied applied;
    TRY(store_applied(s->store, r->group_id, &applied));
    if (applied.index > 0 && !wal_is_removed(s->node->wal, r->group_id, r->replica_id)) {
        replica_quarantine(r, "log_lost");
        return ERR_OK;
    }
    enum err err = store_drop(s->store, r->range_start, r->range_end, r->group_id);
    replica_destroy(r);
    return err;
}

/* It has never acted: a vote or an acknowledgement raises the term on disk first. Perhaps control does not know of it
 * yet. */
static bool is_untouched(const struct replica *r, const struct store_applied *applied)
{
    struct group_status status = group_status(r->group);
    return applied->index == 0 && status.term == 0 && status.last_index == 0;
}

static enum err restart(struct replica *r)
{
    struct shard *s = r->shard;
    enum err err = wal_group_open(&r->log, s->port, r->group_id);
    if (err == ERR_NOT_FOUND)
        return restart_without_log(r);
    TRY(err);
    if (r->state == REPLICA_QUARANTINED || wal_group_replica(r->log).is_damaged) {
        r->state = REPLICA_CREATING; /* so that quarantining it takes effect */
        replica_quarantine(r, "log_damage");
        return ERR_OK;
    }
    struct store_applied applied;
    TRY(snapshot_recover(r));
    TRY(store_applied(s->store, r->group_id, &applied));
    if (is_untouched(r, &applied)) {
        replica_created(r);
        return ERR_OK;
    }
    if (r->kind == MEMBER_LOG) /* it has nothing but its log */
        applied = (struct store_applied){.index = group_status(r->group).first_index - 1};
    else
        err = replica_replay(r, &applied);
    if (err == ERR_OK)
        err = group_start(r->group, applied.index, applied.term, clock_boot_us());
    if (err == ERR_CORRUPT) {
        replica_quarantine(r, "restart");
        return ERR_OK;
    }
    TRY(err);
    r->applied_term = applied.term;
    r->commit_index = group_status(r->group).commit_index;
    r->state = REPLICA_ACTIVE;
    replica_report(r);
    replica_tick(r);
    loop_defer(s->loop, &r->work);
    return ERR_OK;
}

enum err shard_restart_replicas(struct shard *s, struct error *error)
{
    struct replica *next;
    for (struct replica *r = s->replicas; r != NULL; r = next) {
        next = r->hh.next;
        enum err err = restart(r);
        if (err != ERR_OK)
            return error_set(error, err, "restart replica of group %llu: %s", (unsigned long long)r->group_id,
                             err_sentence(err));
    }
    return ERR_OK;
}

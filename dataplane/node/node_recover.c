/* After a restart: the store says which replicas were here and what they had applied; the log says what they
 * knew. What the store has and the checkpoint has not is replayed for its request ids; the rest is applied as
 * the group commits it again. */
#include <stdio.h>

#include "base/clock.h"
#include "base/reader.h"
#include "dataplane/node/node_internal.h"

enum { REPLICA_ROW_VERSION = 2, NODES_ROW_VERSION = 1 };

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

static enum err replica_from_row(struct node *n, uint64_t group_id, struct slice row)
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
    struct replica *r = replica_create(n, group_id, replica_id, (enum member_kind)kind);
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->state = REPLICA_CREATING;
    r->creation_id = creation_id;
    return replica_set_range(r, start, end, range_epoch);
}

struct kept_peers {
    struct buffer *to;
    uint32_t count;
};

static void keep_peer(const struct peer_address *address, void *data)
{
    struct kept_peers *kept = data;
    buffer_append_u32(kept->to, address->node_id);
    buffer_append_u16(kept->to, address->port);
    buffer_append_prefixed(kept->to, slice_from_string(address->zone));
    buffer_append_prefixed(kept->to, slice_from_string(address->host));
    kept->count++;
}

void node_keep_peers(struct node *n)
{
    buffer_clear(&n->scratch);
    buffer_append_u8(&n->scratch, NODES_ROW_VERSION);
    struct kept_peers kept = {.to = &n->scratch};
    peers_each(n->peers, keep_peer, &kept);
    if (buffer_has_failed(&n->scratch) || slice_equal(buffer_view(&n->scratch), buffer_view(&n->kept_peers)))
        return;
    struct store_batch *batch = store_batch_create();
    if (batch == NULL)
        return; /* with the next goals */
    store_batch_put_meta(batch, 0, slice_from_string(NODE_META_NODES), buffer_view(&n->scratch));
    if (store_write(n->store, batch) == ERR_OK) {
        buffer_clear(&n->kept_peers);
        buffer_append(&n->kept_peers, buffer_view(&n->scratch));
    }
    store_batch_destroy(batch);
}

static enum err load_peers(struct node *n)
{
    struct store_value value;
    enum err err = store_get_meta(n->store, 0, slice_from_string(NODE_META_NODES), &value);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    struct reader r;
    reader_init(&r, value.bytes);
    err = reader_u8(&r) == NODES_ROW_VERSION ? ERR_OK : ERR_CORRUPT;
    while (err == ERR_OK && reader_left(&r) > 0) {
        uint32_t node_id = reader_u32(&r);
        uint16_t port = reader_u16(&r);
        struct slice zone = reader_prefixed(&r);
        struct slice host = reader_prefixed(&r);
        err = reader_has_failed(&r) ? ERR_CORRUPT : peers_set(n->peers, node_id, zone, host, port);
    }
    store_value_release(&value);
    return err;
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
    struct replica *r = data;
    struct reader reader;
    reader_init(&reader, slice_from(row, sizeof NODE_META_IDS - 1));
    uint64_t name = reader_u64_be(&reader);
    if (!reader_is_done(&reader))
        return ERR_CORRUPT;
    return request_ids_load(partition_request_ids(r->partition), name, value);
}

static enum err load_checkpoint(struct replica *r)
{
    struct store_value value;
    enum err err =
        store_get_meta(r->node->store, r->group_id, slice_from_string(NODE_META_CHECKPOINT), &value);
    if (err == ERR_OK) {
        err = partition_checkpoint_decode(r->partition, value.bytes);
        store_value_release(&value);
        r->checkpoint_index = partition_applied_index(r->partition);
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    return store_each_meta(r->node->store, r->group_id, slice_from_string(NODE_META_IDS), load_ids, r);
}

static enum err load_group(struct node *n, uint64_t group_id)
{
    struct store_value value;
    enum err err = store_get_meta(n->store, group_id, slice_from_string(NODE_META_REPLICA), &value);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    err = replica_from_row(n, group_id, value.bytes);
    store_value_release(&value);
    return err == ERR_OK ? load_checkpoint(replica_find(n, group_id)) : err;
}

static enum err load_store(struct node *n, struct error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/store", n->options.data_dir);
    const struct store_options options = {
        .directory = path,
        .block_cache_bytes = n->options.block_cache_bytes,
        .write_buffer_bytes = n->options.write_buffer_bytes,
    };
    TRY(store_open(&n->store, &options, error));
    struct group_list list = {0};
    enum err err = store_each_group(n->store, add_group, &list);
    if (err == ERR_OK && list.has_failed)
        err = ERR_NO_MEMORY;
    for (size_t i = 0; i < list.count && err == ERR_OK; i++)
        err = load_group(n, list.ids[i]);
    memory_free(list.ids);
    if (err == ERR_OK)
        err = load_peers(n);
    return err == ERR_OK ? ERR_OK : error_wrap(error, err, "read replicas from '%s'", path);
}

/* ---- the log ---- */

static enum err on_entry(struct replica *r, const struct segment_record *record)
{
    TRY(group_restore_entry(r->group, record->index, record->term, record->body));
    if (record->index < group_status(r->group).first_index)
        return ERR_OK; /* void: a later start of the log was read already */
    if (record->index <= r->checkpoint_index) {
        entry_cache_truncate(&r->entries, record->index);
        return ERR_OK;
    }
    return entry_cache_put(&r->entries, record->index, record->term, record->body);
}

static enum err on_record(void *data, const struct segment_record *record)
{
    struct node *n = data;
    struct replica *r = replica_find(n, record->group_id);
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

static void on_damage(void *data, const struct wal_damage *damage)
{
    log_error("log_damaged", "generation=%llu begin=%u end=%u", (unsigned long long)damage->generation,
              damage->where.begin, damage->where.end);
}

static enum err load_log(struct node *n, struct error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/log", n->options.data_dir);
    uint64_t segments = n->options.log_retention_bytes / n->options.log_segment_bytes;
    const struct wal_options options = {
        .directory = path,
        .segment_bytes = (uint32_t)n->options.log_segment_bytes,
        .segments_max = (uint32_t)(segments * 4 + 16),
        .queue_bytes_max = 512 * 1024 * 1024,
        .metrics = &n->log_metrics,
        .sync_interval_us = (uint32_t)n->options.log_sync_interval_us,
    };
    const struct wal_recovery recovery = {.on_record = on_record, .on_damage = on_damage, .data = n};
    TRY(wal_open(&n->wal, &options, &recovery, error));
    return wal_port_open(&n->port, n->wal, &n->loop->uv);
}

enum err node_recover(struct node *n, struct error *error)
{
    uint64_t began_us = clock_boot_us();
    TRY(load_store(n, error));
    TRY(load_log(n, error));
    log_info("recovered", "replicas=%u ms=%llu", HASH_COUNT(n->replicas),
             (unsigned long long)((clock_boot_us() - began_us) / 1000));
    return ERR_OK;
}

/* ---- acting again ---- */

/* Either its creation never reached the log, and the goal comes again; or it was removed, and the rows may have
 * outlived the tombstone. A third case is not normal: it had applied something, so there was a log. It must not
 * come back as if it were new, for it may have voted. */
static enum err restart_without_log(struct replica *r)
{
    struct node *n = r->node;
    struct store_applied applied;
    TRY(store_applied(n->store, r->group_id, &applied));
    if (applied.index > 0 && !wal_is_removed(n->wal, r->group_id, r->replica_id)) {
        replica_quarantine(r, "log_lost");
        return ERR_OK;
    }
    enum err err = store_drop(n->store, r->range_start, r->range_end, r->group_id);
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
    struct node *n = r->node;
    enum err err = wal_group_open(&r->log, n->port, r->group_id);
    if (err == ERR_NOT_FOUND)
        return restart_without_log(r);
    TRY(err);
    if (r->state == REPLICA_QUARANTINED || wal_group_replica(r->log).is_damaged) {
        r->state = REPLICA_CREATING; /* so that quarantining it takes effect */
        replica_quarantine(r, "log_damage");
        return ERR_OK;
    }
    struct store_applied applied;
    TRY(store_applied(n->store, r->group_id, &applied));
    if (is_untouched(r, &applied)) {
        replica_created(r);
        return ERR_OK;
    }
    err = replica_replay(r, applied.index);
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
    loop_defer(n->loop, &r->work);
    return ERR_OK;
}

enum err node_restart_replicas(struct node *n, struct error *error)
{
    struct replica *next;
    for (struct replica *r = n->replicas; r != NULL; r = next) {
        next = r->hh.next;
        enum err err = restart(r);
        if (err != ERR_OK)
            return error_set(error, err, "restart replica of group %llu: %s", (unsigned long long)r->group_id,
                             err_sentence(err));
    }
    return ERR_OK;
}

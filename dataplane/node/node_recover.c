/* After a restart, what is of all shards: the log is read once and its records go to the shards that have their groups; the
 * other nodes' addresses come from the first shard's store, so that groups elect leaders without control. */
#include <stdio.h>

#include "base/clock.h"
#include "base/reader.h"
#include "dataplane/node/node_internal.h"

enum {
    NODES_ROW_VERSION = 2,
    NODES_ROW_WITHOUT_LOOPS = 1,
    LOG_QUEUE_BYTES_MAX = 512 * 1024 * 1024, /* of all loops together */
};

/* ---- where the other nodes are ---- */

static void keep_peer(const struct peer_address *address, void *data)
{
    struct buffer *to = data;
    buffer_append_u32(to, address->node_id);
    buffer_append_u16(to, address->port);
    buffer_append_u16(to, address->loops);
    buffer_append_prefixed(to, slice_from_string(address->zone));
    buffer_append_prefixed(to, slice_from_string(address->host));
}

void node_keep_peers(struct node *n)
{
    struct shard *s = n->shards[0];
    struct buffer *row = &s->scratch;
    buffer_clear(row);
    buffer_append_u8(row, NODES_ROW_VERSION);
    peers_each(s->peers, keep_peer, row);
    if (buffer_has_failed(row) || slice_equal(buffer_view(row), buffer_view(&n->kept_peers)))
        return;
    struct store_batch *batch = store_batch_create();
    if (batch == NULL)
        return; /* with the next goals */
    store_batch_put_meta(batch, 0, slice_from_string(NODE_META_NODES), buffer_view(row));
    if (store_write(s->store, batch) == ERR_OK) {
        buffer_clear(&n->kept_peers);
        buffer_append(&n->kept_peers, buffer_view(row));
    }
    store_batch_destroy(batch);
}

static enum err load_peer(struct node *n, struct reader *r, uint8_t version)
{
    struct peer_address address = {.node_id = reader_u32(r)};
    uint16_t port = reader_u16(r);
    uint16_t loops = version == NODES_ROW_WITHOUT_LOOPS ? 1 : reader_u16(r);
    struct slice zone = reader_prefixed(r);
    struct slice host = reader_prefixed(r);
    if (reader_has_failed(r) || peer_address_set(&address, zone, host, port, loops) != ERR_OK)
        return ERR_CORRUPT;
    for (uint32_t i = 0; i < n->shard_count; i++)
        TRY(peers_set(n->shards[i]->peers, &address));
    return ERR_OK;
}

static enum err load_peers(struct node *n)
{
    struct store_value value;
    enum err err = store_get_meta(n->shards[0]->store, 0, slice_from_string(NODE_META_NODES), &value);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    struct reader r;
    reader_init(&r, value.bytes);
    uint8_t version = reader_u8(&r);
    err = version == NODES_ROW_VERSION || version == NODES_ROW_WITHOUT_LOOPS ? ERR_OK : ERR_CORRUPT;
    while (err == ERR_OK && reader_left(&r) > 0)
        err = load_peer(n, &r, version);
    store_value_release(&value);
    return err;
}

/* ---- the log ---- */

static enum err on_record(void *data, const struct segment_record *record)
{
    return shard_load_record(node_shard_of(data, record->group_id), record);
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
        .queue_bytes_max = LOG_QUEUE_BYTES_MAX / n->shard_count,
        .metrics = &n->log_metrics,
        .sync_interval_us = (uint32_t)n->options.log_sync_interval_us,
    };
    const struct wal_recovery recovery = {.on_record = on_record, .on_damage = on_damage, .data = n};
    TRY(wal_open(&n->wal, &options, &recovery, error));
    for (uint32_t i = 0; i < n->shard_count; i++)
        TRY(wal_port_open(&n->shards[i]->port, n->wal, &n->shards[i]->loop->uv));
    return ERR_OK;
}

enum err node_recover(struct node *n, struct error *error)
{
    uint64_t began_us = clock_boot_us();
    uint32_t replicas = 0;
    snapshot_forget_files(n->options.data_dir);
    for (uint32_t i = 0; i < n->shard_count; i++) {
        TRY(shard_load_store(n->shards[i], error));
        replicas += HASH_COUNT(n->shards[i]->replicas);
    }
    enum err err = load_peers(n);
    if (err != ERR_OK)
        return error_set(error, err, "read the nodes' addresses from '%s/store'", n->options.data_dir);
    TRY(load_log(n, error));
    log_info("recovered", "replicas=%u loops=%u ms=%llu", replicas, n->shard_count,
             (unsigned long long)((clock_boot_us() - began_us) / 1000));
    return ERR_OK;
}

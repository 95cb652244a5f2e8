/* Writes. A batch that ran out of memory remembers it and is refused as a whole. */
#include "base/memory.h"
#include "base/reader.h"
#include "dataplane/store/store_internal.h"

struct store_batch *store_batch_create(void)
{
    struct store_batch *batch = memory_zalloc(sizeof *batch);
    if (batch != NULL)
        batch->batch = rocksdb_writebatch_create();
    return batch;
}

void store_batch_destroy(struct store_batch *batch)
{
    if (batch == NULL)
        return;
    rocksdb_writebatch_destroy(batch->batch);
    memory_free(batch);
}

void store_batch_clear(struct store_batch *batch)
{
    rocksdb_writebatch_clear(batch->batch);
    batch->has_failed = false;
}

size_t store_batch_bytes(const struct store_batch *batch)
{
    size_t bytes = 0;
    rocksdb_writebatch_data(batch->batch, &bytes);
    return bytes;
}

static void put(struct store_batch *batch, enum err err, struct store_key *key, struct slice value)
{
    if (err != ERR_OK) {
        batch->has_failed = true;
        return;
    }
    rocksdb_writebatch_put(batch->batch, (const char *)key->data, key->length, (const char *)value.data,
                           value.length);
    store_key_deinit(key);
}

static void drop(struct store_batch *batch, enum err err, struct store_key *key)
{
    if (err != ERR_OK) {
        batch->has_failed = true;
        return;
    }
    rocksdb_writebatch_delete(batch->batch, (const char *)key->data, key->length);
    store_key_deinit(key);
}

void store_batch_put(struct store_batch *batch, struct slice item_key, struct slice value)
{
    struct store_key key;
    put(batch, store_key_item(&key, item_key), &key, value);
}

void store_batch_delete(struct store_batch *batch, struct slice item_key)
{
    struct store_key key;
    drop(batch, store_key_item(&key, item_key), &key);
}

void store_batch_put_meta(struct store_batch *batch, uint64_t group_id, struct slice name, struct slice value)
{
    struct store_key key;
    put(batch, store_key_meta(&key, group_id, name), &key, value);
}

void store_batch_delete_meta(struct store_batch *batch, uint64_t group_id, struct slice name)
{
    struct store_key key;
    drop(batch, store_key_meta(&key, group_id, name), &key);
}

void store_applied_encode(const struct store_applied *applied, uint8_t to[STORE_APPLIED_BYTES])
{
    const uint64_t fields[] = {applied->replica_id, applied->index, applied->term, applied->item_count,
                               applied->item_bytes};
    to[0] = STORE_APPLIED_VERSION;
    for (size_t i = 0; i < STORE_APPLIED_BYTES - 1; i++)
        to[1 + i] = (uint8_t)(fields[i / 8] >> (8 * (i % 8)));
}

void store_batch_set_applied(struct store_batch *batch, uint64_t group_id,
                             const struct store_applied *applied)
{
    uint8_t value[STORE_APPLIED_BYTES];
    store_applied_encode(applied, value);
    store_batch_put_meta(batch, group_id, STORE_APPLIED_NAME, slice_make(value, sizeof value));
}

enum err store_applied_decode(struct slice value, struct store_applied *ret_applied)
{
    struct reader reader;
    reader_init(&reader, value);
    uint8_t version = reader_u8(&reader);
    struct store_applied applied = {.replica_id = reader_u64(&reader)};
    applied.index = reader_u64(&reader);
    applied.term = reader_u64(&reader);
    applied.item_count = reader_u64(&reader);
    applied.item_bytes = reader_u64(&reader);
    if (!reader_is_done(&reader) || version != STORE_APPLIED_VERSION)
        return ERR_CORRUPT;
    *ret_applied = applied;
    return ERR_OK;
}

static enum err write_batch(struct store *store, const struct store_batch *batch,
                            const rocksdb_writeoptions_t *options)
{
    char *message = NULL;
    if (batch->has_failed)
        return ERR_NO_MEMORY;
    rocksdb_write(store->db, options, batch->batch, &message);
    return store_error(message, NULL);
}

enum err store_write(struct store *store, const struct store_batch *batch)
{
    return write_batch(store, batch, store->write_now);
}

enum err store_write_waiting(struct store *store, const struct store_batch *batch)
{
    return write_batch(store, batch, store->write_waiting);
}

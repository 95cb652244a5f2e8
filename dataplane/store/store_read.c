/* Single rows. */
#include "base/assert.h"
#include "base/memory.h"
#include "dataplane/store/store_internal.h"

void store_value_release(struct store_value *value)
{
    rocksdb_pinnableslice_destroy(value->pin);
    *value = (struct store_value){0};
}

static enum err lookup(struct store *store, const rocksdb_readoptions_t *options, const struct store_key *key,
                       enum store_lookup *ret_lookup, struct store_value *ret_value)
{
    char *message = NULL;
    rocksdb_pinnableslice_t *pin =
        rocksdb_get_pinned(store->db, options, (const char *)key->data, key->length, &message);
    if (store_is_incomplete(message)) {
        rocksdb_free(message);
        *ret_lookup = STORE_INCOMPLETE;
        return ERR_OK;
    }
    TRY(store_error(message, NULL));
    *ret_lookup = pin == NULL ? STORE_MISS : STORE_HIT;
    if (pin != NULL) {
        size_t length;
        const char *data = rocksdb_pinnableslice_value(pin, &length);
        *ret_value = (struct store_value){.bytes = slice_make(data, length), .pin = pin};
    }
    return ERR_OK;
}

enum err store_get_cached(struct store *store, struct slice item_key, enum store_lookup *ret_lookup,
                          struct store_value *ret_value)
{
    struct store_key key;
    TRY(store_key_item(&key, item_key));
    enum err err = lookup(store, store->read_cached, &key, ret_lookup, ret_value);
    store_key_deinit(&key);
    return err;
}

enum err store_get(struct store *store, const struct store_snapshot *snapshot, struct slice item_key,
                   enum store_lookup *ret_lookup, struct store_value *ret_value)
{
    struct store_key key;
    TRY(store_key_item(&key, item_key));
    rocksdb_readoptions_t *options = store->read_all;
    if (snapshot != NULL) {
        options = rocksdb_readoptions_create();
        rocksdb_readoptions_set_snapshot(options, (const rocksdb_snapshot_t *)snapshot);
    }
    enum err err = lookup(store, options, &key, ret_lookup, ret_value);
    if (snapshot != NULL)
        rocksdb_readoptions_destroy(options);
    store_key_deinit(&key);
    return err;
}

struct store_snapshot *store_snapshot_open(struct store *store)
{
    const rocksdb_snapshot_t *snapshot = rocksdb_create_snapshot(store->db);
    struct store_snapshot *ours;
    memcpy(&ours, &snapshot, sizeof ours); /* RocksDB's own object, under our name */
    return ours;
}

void store_snapshot_close(struct store *store, struct store_snapshot *snapshot)
{
    rocksdb_release_snapshot(store->db, (const rocksdb_snapshot_t *)snapshot);
}

static enum err get_meta(struct store *store, const rocksdb_readoptions_t *options, uint64_t group_id,
                         struct slice name, struct store_value *ret_value)
{
    struct store_key key;
    enum store_lookup found;
    TRY(store_key_meta(&key, group_id, name));
    enum err err = lookup(store, options, &key, &found, ret_value);
    store_key_deinit(&key);
    if (err == ERR_OK && found != STORE_HIT)
        return ERR_NOT_FOUND;
    return err;
}

enum err store_get_meta(struct store *store, uint64_t group_id, struct slice name,
                        struct store_value *ret_value)
{
    return get_meta(store, store->read_all, group_id, name, ret_value);
}

static enum err get_applied(struct store *store, const rocksdb_readoptions_t *options, uint64_t group_id,
                            struct store_applied *ret_applied)
{
    struct store_value value;
    TRY(get_meta(store, options, group_id, STORE_APPLIED_NAME, &value));
    enum err err = store_applied_decode(value.bytes, ret_applied);
    store_value_release(&value);
    return err;
}

enum err store_applied(struct store *store, uint64_t group_id, struct store_applied *ret_applied)
{
    return get_applied(store, store->read_all, group_id, ret_applied);
}

enum err store_applied_durable(struct store *store, uint64_t group_id, struct store_applied *ret_applied)
{
    return get_applied(store, store->read_durable, group_id, ret_applied);
}

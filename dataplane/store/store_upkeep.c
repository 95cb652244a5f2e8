/* Flushes, drops and copies: all of them may take long, none belongs on a loop. */
#include <sys/stat.h>

#include "dataplane/store/store_internal.h"

enum err store_flush(struct store *store)
{
    char *message = NULL;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, 1);
    rocksdb_flush(store->db, options, &message);
    rocksdb_flushoptions_destroy(options);
    return store_error(message, NULL);
}

/* Whole files first, which gives their space back at once; a tombstone for the rest. */
static enum err drop_keys(struct store *store, const struct store_key *begin, const struct store_key *end)
{
    char *message = NULL;
    rocksdb_delete_file_in_range(store->db, (const char *)begin->data, begin->length, (const char *)end->data,
                                 end->length, &message);
    TRY(store_error(message, NULL));
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_delete_range(batch, (const char *)begin->data, begin->length, (const char *)end->data,
                                    end->length);
    rocksdb_write(store->db, store->write_waiting, batch, &message);
    rocksdb_writebatch_destroy(batch);
    return store_error(message, NULL);
}

static enum err drop_items(struct store *store, struct slice begin, struct slice end)
{
    struct store_key first, last;
    TRY(store_key_item(&first, begin));
    enum err err = store_key_item(&last, end);
    if (err == ERR_OK) {
        if (end.length == 0)
            last.data[0] = STORE_ITEM_PREFIX + 1;
        err = drop_keys(store, &first, &last);
        store_key_deinit(&last);
    }
    store_key_deinit(&first);
    return err;
}

static enum err drop_group(struct store *store, uint64_t group_id)
{
    struct store_key first, last;
    TRY(store_key_meta(&first, group_id, SLICE_EMPTY));
    enum err err = store_key_meta(&last, group_id + 1, SLICE_EMPTY);
    if (err == ERR_OK) {
        if (group_id == UINT64_MAX)
            last.data[0] = STORE_META_PREFIX + 1;
        err = drop_keys(store, &first, &last);
        store_key_deinit(&last);
    }
    store_key_deinit(&first);
    return err;
}

enum err store_drop(struct store *store, struct slice begin, struct slice end, uint64_t group_id)
{
    TRY(drop_items(store, begin, end));
    return group_id == 0 ? ERR_OK : drop_group(store, group_id);
}

enum err store_checkpoint(struct store *store, const char *directory, struct error *error)
{
    struct stat status;
    char *message = NULL;
    if (stat(directory, &status) == 0)
        return error_set(error, ERR_EXISTS, "checkpoint %s: it exists already", directory);
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(store->db, &message);
    TRY(store_error(message, error));
    rocksdb_checkpoint_create(checkpoint, directory, 0, &message);
    rocksdb_checkpoint_object_destroy(checkpoint);
    return store_error(message, error);
}

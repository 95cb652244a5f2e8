/* Ordered walks, a slice at a time. Each slice opens its own iterator, so that nothing is held between two. */
#include "base/clock.h"
#include "base/reader.h"
#include "dataplane/store/store_internal.h"

enum {
    SLICE_BYTES = 64 * 1024,
    SLICE_US = 1000,
    ROWS_PER_CLOCK_READ = 16,
    READ_CACHED_TIER = 1,
    SKIPPED_ROWS_MAX =
        1000, /* deleted ones, between two that are there: stepping over a million takes long */
};

struct walk {
    struct store *store;
    const struct store_scan *scan;
    struct store_key begin, end;
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *iterator;
};

/* RocksDB keeps pointers to the bounds: they live in the walk. */
static enum err walk_open(struct walk *w)
{
    const struct store_scan *scan = w->scan;
    static const uint8_t after_items[] = {STORE_ITEM_PREFIX + 1};
    TRY(store_key_item(&w->begin, scan->begin));
    enum err err = store_key_item(&w->end, scan->end);
    if (err != ERR_OK) {
        store_key_deinit(&w->begin);
        return err;
    }
    if (scan->end.length == 0)
        memcpy(w->end.data, after_items, sizeof after_items);
    w->options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_lower_bound(w->options, (const char *)w->begin.data, w->begin.length);
    rocksdb_readoptions_set_iterate_upper_bound(w->options, (const char *)w->end.data, w->end.length);
    if (scan->snapshot != NULL)
        rocksdb_readoptions_set_snapshot(w->options, (const rocksdb_snapshot_t *)scan->snapshot);
    if (scan->is_cached_only) {
        rocksdb_readoptions_set_read_tier(w->options, READ_CACHED_TIER);
        rocksdb_readoptions_set_max_skippable_internal_keys(w->options, SKIPPED_ROWS_MAX);
    } else {
        rocksdb_readoptions_set_fill_cache(w->options, scan->keeps_blocks);
    }
    w->iterator = rocksdb_create_iterator(w->store->db, w->options);
    if (scan->is_reverse)
        rocksdb_iter_seek_to_last(w->iterator);
    else
        rocksdb_iter_seek_to_first(w->iterator);
    return ERR_OK;
}

static void walk_close(struct walk *w)
{
    rocksdb_iter_destroy(w->iterator);
    rocksdb_readoptions_destroy(w->options);
    store_key_deinit(&w->begin);
    store_key_deinit(&w->end);
}

static void step(struct walk *w)
{
    if (w->scan->is_reverse)
        rocksdb_iter_prev(w->iterator);
    else
        rocksdb_iter_next(w->iterator);
}

/* The key to go on with behind `key`: as `begin`, which is inclusive, the next possible key; as `end`, itself. */
static void set_next(const struct store_scan *scan, struct slice key, struct buffer *ret_next)
{
    buffer_clear(ret_next);
    buffer_append(ret_next, key);
    if (!scan->is_reverse)
        buffer_append_u8(ret_next, 0);
}

static enum err end_of(struct walk *w, enum store_scan_end *ret_end)
{
    char *message = NULL;
    rocksdb_iter_get_error(w->iterator, &message);
    *ret_end = STORE_SCAN_DONE;
    if (store_is_incomplete(message)) {
        rocksdb_free(message);
        *ret_end = STORE_SCAN_INCOMPLETE;
        return ERR_OK;
    }
    return store_error(message, NULL);
}

static enum err walk_rows(struct walk *w, bool (*each)(void *, struct slice, struct slice), void *data,
                          enum store_scan_end *ret_end, struct buffer *ret_next)
{
    const struct store_scan *scan = w->scan;
    size_t bytes_max = scan->bytes_max == 0 ? SLICE_BYTES : scan->bytes_max, bytes = 0;
    uint64_t until_us = clock_boot_us() + (scan->time_us_max == 0 ? SLICE_US : scan->time_us_max);
    size_t rows = 0;
    buffer_clear(ret_next);
    buffer_append(ret_next, scan->is_reverse ? scan->end : scan->begin);
    for (; rocksdb_iter_valid(w->iterator); step(w)) {
        size_t key_bytes, value_bytes;
        const char *key = rocksdb_iter_key(w->iterator, &key_bytes);
        const char *value = rocksdb_iter_value(w->iterator, &value_bytes);
        struct slice item_key = slice_make(key + 1, key_bytes - 1);
        bool goes_on = each(data, item_key, slice_make(value, value_bytes));
        set_next(scan, item_key, ret_next);
        bytes += key_bytes + value_bytes;
        bool is_late = ++rows % ROWS_PER_CLOCK_READ == 0 && clock_boot_us() >= until_us;
        if (!goes_on || bytes >= bytes_max || is_late) {
            *ret_end = STORE_SCAN_MORE;
            return ERR_OK;
        }
    }
    return end_of(w, ret_end);
}

enum err store_scan_slice(struct store *store, const struct store_scan *scan,
                          bool (*each)(void *data, struct slice item_key, struct slice value), void *data,
                          enum store_scan_end *ret_end, struct buffer *ret_next)
{
    struct walk w = {.store = store, .scan = scan};
    TRY(walk_open(&w));
    enum err err = walk_rows(&w, each, data, ret_end, ret_next);
    walk_close(&w);
    if (err == ERR_OK && buffer_has_failed(ret_next))
        return ERR_NO_MEMORY;
    return err;
}

enum err store_each_group(struct store *store,
                          void (*each)(void *data, uint64_t group_id, const struct store_applied *applied),
                          void *data)
{
    static const char prefix[] = {STORE_META_PREFIX};
    char *message = NULL;
    enum err err = ERR_OK;
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(store->db, store->read_all);
    rocksdb_iter_seek(iterator, prefix, sizeof prefix);
    for (; err == ERR_OK && rocksdb_iter_valid(iterator); rocksdb_iter_next(iterator)) {
        size_t length;
        struct reader key;
        const char *bytes = rocksdb_iter_key(iterator, &length);
        reader_init(&key, slice_make(bytes, length));
        if (reader_u8(&key) != STORE_META_PREFIX)
            break;
        uint64_t group_id = reader_u64_be(&key);
        if (!slice_equal(reader_rest(&key), STORE_APPLIED_NAME))
            continue;
        struct store_applied applied;
        bytes = rocksdb_iter_value(iterator, &length);
        err = store_applied_decode(slice_make(bytes, length), &applied);
        if (err == ERR_OK)
            each(data, group_id, &applied);
    }
    rocksdb_iter_get_error(iterator, &message);
    rocksdb_iter_destroy(iterator);
    enum err read_err = store_error(message, NULL);
    return err != ERR_OK ? err : read_err;
}

enum err store_each_meta(struct store *store, const struct store_snapshot *snapshot, uint64_t group_id,
                         struct slice prefix,
                         enum err (*each)(void *data, struct slice name, struct slice value), void *data)
{
    struct store_key begin;
    char *message = NULL;
    TRY(store_key_meta(&begin, group_id, prefix));
    enum err err = ERR_OK;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(options, 1);
    if (snapshot != NULL)
        rocksdb_readoptions_set_snapshot(options, (const rocksdb_snapshot_t *)snapshot);
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(store->db, options);
    rocksdb_iter_seek(iterator, (const char *)begin.data, begin.length);
    for (; err == ERR_OK && rocksdb_iter_valid(iterator); rocksdb_iter_next(iterator)) {
        size_t key_bytes, value_bytes;
        const char *key = rocksdb_iter_key(iterator, &key_bytes);
        if (key_bytes < begin.length || memcmp(key, begin.data, begin.length) != 0)
            break;
        const char *value = rocksdb_iter_value(iterator, &value_bytes);
        err = each(data, slice_make(key + STORE_META_KEY_BYTES, key_bytes - STORE_META_KEY_BYTES),
                   slice_make(value, value_bytes));
    }
    rocksdb_iter_get_error(iterator, &message);
    rocksdb_iter_destroy(iterator);
    rocksdb_readoptions_destroy(options);
    store_key_deinit(&begin);
    enum err read_err = store_error(message, NULL);
    return err != ERR_OK ? err : read_err;
}

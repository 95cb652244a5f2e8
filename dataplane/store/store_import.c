/* Another replica's rows take the place of a range, as a whole or not at all.
 *
 * They come in order, so they go straight into table files beside the store, which RocksDB then takes over by links, in one
 * record of its manifest. Each file begins with a tombstone for its part of the range: what was there before goes in the same moment
 * (a tombstone does not touch rows of its own file). The files' parts do not overlap, so that they need not all lie in level 0.
 *
 *     <directory>/0.sst  [begin, k1)   1.sst  [k1, k2)   ...   N.sst  [kN, end)   meta.sst  the group's own rows */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "dataplane/store/store_internal.h"

enum {
    FILES_MAX = 256,
    PATH_BYTES = 4096,
    INGEST_TRIES = 5,
    KEY_BYTES_MAX = 64 * 1024,
};

/* Few large files: in level 0 their number counts. */
static const uint64_t FILE_BYTES = 1024 * 1024 * 1024;

struct store_import {
    struct store *store;
    uint64_t group_id;
    uint64_t file_bytes_max;
    rocksdb_envoptions_t *env_options;
    rocksdb_sstfilewriter_t *writer;
    struct buffer part_begin; /* of the file that is open, as a row's key */
    struct buffer end;
    struct buffer last_key;
    uint64_t file_bytes;
    uint32_t file_count;
    bool is_meta;
    char directory[PATH_BYTES];
};

/* ---- Files ---- */

static void file_path(const struct store_import *import, uint32_t number, char to[PATH_BYTES])
{
    snprintf(to, PATH_BYTES, "%.*s/%u.sst", PATH_BYTES - 32, import->directory, number);
}

static enum err open_file(struct store_import *import)
{
    char path[PATH_BYTES];
    char *message = NULL;
    if (import->file_count == FILES_MAX)
        return ERR_LIMIT;
    file_path(import, import->file_count, path);
    rocksdb_sstfilewriter_open(import->writer, path, &message);
    TRY(store_error(message, NULL));
    import->file_count++;
    import->file_bytes = 0;
    return ERR_OK;
}

/* The open file has all of [part_begin, end). */
static enum err close_file(struct store_import *import, struct slice end)
{
    char *message = NULL;
    rocksdb_sstfilewriter_delete_range(import->writer, (const char *)import->part_begin.data,
                                       import->part_begin.length, (const char *)end.data, end.length,
                                       &message);
    TRY(store_error(message, NULL));
    rocksdb_sstfilewriter_finish(import->writer, &message);
    return store_error(message, NULL);
}

static enum err set(struct buffer *to, struct slice bytes)
{
    buffer_clear(to);
    buffer_append(to, bytes);
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

/* Rows from `begin` on go to a new file. */
static enum err begin_part(struct store_import *import, struct slice begin)
{
    TRY(set(&import->part_begin, begin));
    return open_file(import);
}

/* ---- Life ---- */

void store_import_remove_files(const char *directory)
{
    char path[PATH_BYTES];
    for (uint32_t i = 0; i < FILES_MAX; i++) {
        snprintf(path, sizeof path, "%.*s/%u.sst", PATH_BYTES - 32, directory, i);
        (void)unlink(path); /* most are not there */
    }
    (void)rmdir(directory); /* likewise; what stays is removed when the next one begins */
}

static enum err make_directory(const char *directory)
{
    store_import_remove_files(directory);
    if (mkdir(directory, 0700) != 0)
        return errno == ENOSPC ? ERR_NO_SPACE : ERR_IO;
    return ERR_OK;
}

static enum err begin_items(struct store_import *import, struct slice begin, struct slice end)
{
    struct store_key first, last;
    TRY(store_key_item(&first, begin));
    enum err err = store_key_item(&last, end);
    if (err == ERR_OK) {
        if (end.length == 0)
            last.data[0] = STORE_ITEM_PREFIX + 1;
        err = set(&import->end, slice_make(last.data, last.length));
        if (err == ERR_OK)
            err = begin_part(import, slice_make(first.data, first.length));
        store_key_deinit(&last);
    }
    store_key_deinit(&first);
    return err;
}

enum err store_import_create(struct store *store, const struct store_import_options *options,
                             struct store_import **ret_import)
{
    if (strlen(options->directory) >= PATH_BYTES - 32)
        return ERR_LIMIT;
    struct store_import *import = memory_zalloc(sizeof *import);
    if (import == NULL)
        return ERR_NO_MEMORY;
    import->store = store;
    import->group_id = options->group_id;
    import->file_bytes_max = options->file_bytes_max == 0 ? FILE_BYTES : options->file_bytes_max;
    buffer_init(&import->part_begin, KEY_BYTES_MAX);
    buffer_init(&import->end, KEY_BYTES_MAX);
    buffer_init(&import->last_key, KEY_BYTES_MAX);
    snprintf(import->directory, sizeof import->directory, "%s", options->directory);
    import->env_options = rocksdb_envoptions_create();
    import->writer = rocksdb_sstfilewriter_create(import->env_options, store->options);
    enum err err = make_directory(options->directory);
    if (err == ERR_OK)
        err = begin_items(import, options->begin, options->end);
    if (err != ERR_OK) {
        store_import_destroy(import);
        return err;
    }
    *ret_import = import;
    return ERR_OK;
}

void store_import_destroy(struct store_import *import)
{
    if (import == NULL)
        return;
    rocksdb_sstfilewriter_destroy(import->writer);
    rocksdb_envoptions_destroy(import->env_options);
    store_import_remove_files(import->directory);
    buffer_deinit(&import->part_begin);
    buffer_deinit(&import->end);
    buffer_deinit(&import->last_key);
    memory_free(import);
}

/* ---- Rows ---- */

static bool is_in_order(const struct store_import *import, struct slice key)
{
    bool is_first = import->last_key.length == 0;
    return (is_first ? slice_compare(key, buffer_view(&import->part_begin)) >= 0
                     : slice_compare(key, buffer_view(&import->last_key)) > 0) &&
           slice_compare(key, buffer_view(&import->end)) < 0;
}

static enum err put(struct store_import *import, struct slice key, struct slice value)
{
    char *message = NULL;
    if (!is_in_order(import, key))
        return ERR_CORRUPT;
    if (import->file_bytes >= import->file_bytes_max) {
        TRY(close_file(import, key));
        TRY(begin_part(import, key));
    }
    rocksdb_sstfilewriter_put(import->writer, (const char *)key.data, key.length, (const char *)value.data,
                              value.length, &message);
    TRY(store_error(message, NULL));
    import->file_bytes += key.length + value.length;
    return set(&import->last_key, key);
}

enum err store_import_put(struct store_import *import, struct slice item_key, struct slice value)
{
    struct store_key key;
    if (import->is_meta)
        return ERR_CORRUPT;
    TRY(store_key_item(&key, item_key));
    enum err err = put(import, slice_make(key.data, key.length), value);
    store_key_deinit(&key);
    return err;
}

/* The items are complete: the group's own rows follow. */
static enum err begin_meta(struct store_import *import)
{
    struct store_key first, last;
    TRY(close_file(import, buffer_view(&import->end)));
    TRY(store_key_meta(&first, import->group_id, SLICE_EMPTY));
    enum err err = store_key_meta(&last, import->group_id + 1, SLICE_EMPTY);
    if (err == ERR_OK) {
        if (import->group_id == UINT64_MAX)
            last.data[0] = STORE_META_PREFIX + 1;
        buffer_clear(&import->last_key);
        import->is_meta = true;
        err = set(&import->end, slice_make(last.data, last.length));
        if (err == ERR_OK)
            err = begin_part(import, slice_make(first.data, first.length));
        store_key_deinit(&last);
    }
    store_key_deinit(&first);
    return err;
}

enum err store_import_put_meta(struct store_import *import, struct slice name, struct slice value)
{
    struct store_key key;
    if (!import->is_meta)
        TRY(begin_meta(import));
    TRY(store_key_meta(&key, import->group_id, name));
    enum err err = put(import, slice_make(key.data, key.length), value);
    store_key_deinit(&key);
    return err;
}

enum err store_import_put_applied(struct store_import *import, const struct store_applied *applied)
{
    uint8_t value[STORE_APPLIED_BYTES];
    store_applied_encode(applied, value);
    return store_import_put_meta(import, STORE_APPLIED_NAME, slice_make(value, sizeof value));
}

enum err store_import_finish(struct store_import *import)
{
    if (!import->is_meta)
        TRY(begin_meta(import));
    return close_file(import, buffer_view(&import->end));
}

/* ---- The moment ---- */

static enum err ingest(struct store_import *import)
{
    char(*paths)[PATH_BYTES] = memory_alloc(import->file_count * sizeof *paths);
    const char *names[FILES_MAX];
    char *message = NULL;
    if (paths == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < import->file_count; i++) {
        file_path(import, i, paths[i]);
        names[i] = paths[i];
    }
    rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
    /* Writers of all groups would wait for such a flush: rather flush before, and try again. */
    rocksdb_ingestexternalfileoptions_set_allow_blocking_flush(options, 0);
    rocksdb_ingest_external_file(import->store->db, names, import->file_count, options, &message);
    rocksdb_ingestexternalfileoptions_destroy(options);
    memory_free(paths);
    return store_error(message, NULL);
}

enum err store_import_ingest(struct store_import *import)
{
    enum err err = ERR_OK;
    for (int i = 0; i < INGEST_TRIES; i++) {
        TRY(store_flush(import->store));
        err = ingest(import);
        if (err != ERR_IO)
            break;
    }
    return err;
}

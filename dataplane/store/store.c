#include "dataplane/store/store.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "dataplane/store/store_internal.h"

enum { READ_CACHED_TIER = 1, READ_PERSISTED_TIER = 2 }; /* rocksdb::ReadTier, not named in the C API */

enum {
    BLOCK_BYTES = 4096,
    BLOOM_BITS_PER_KEY = 10,
    LIMITER_PERIOD_US = 10 * 1000,
    LIMITER_FAIRNESS = 10,
    ZSTD_LEVELS_FROM = 2, /* upper levels live briefly: not compressed */
    FILE_BYTES = 64 * 1024 * 1024,
};

static uint64_t or_default(uint64_t value, uint64_t when_zero)
{
    return value == 0 ? when_zero : value;
}

static void set_table(struct store *store, const struct store_options *options)
{
    store->cache = rocksdb_cache_create_lru((size_t)or_default(options->block_cache_bytes, 256ull << 20));
    store->filter = rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS_PER_KEY);
    store->table_options = rocksdb_block_based_options_create();
    rocksdb_block_based_table_options_t *table = store->table_options;
    rocksdb_block_based_options_set_block_cache(table, store->cache);
    rocksdb_block_based_options_set_block_size(table, BLOCK_BYTES);
    rocksdb_block_based_options_set_filter_policy(table, store->filter);
    store->filter = NULL; /* the table options own it now */
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_options_set_block_based_table_factory(store->options, table);
}

static void set_compression(rocksdb_options_t *o)
{
    int levels[7];
    for (int level = 0; level < 7; level++)
        levels[level] = level < ZSTD_LEVELS_FROM ? rocksdb_no_compression : rocksdb_lz4_compression;
    rocksdb_options_set_compression_per_level(o, levels, 7);
}

static void set_background(struct store *store, const struct store_options *options)
{
    int threads = (int)or_default(options->background_threads, 2);
    uint64_t rate = or_default(options->rate_limit_bytes_per_s, 64ull << 20);
    store->env = rocksdb_create_default_env();
    rocksdb_env_set_background_threads(store->env, threads);
    rocksdb_env_set_high_priority_background_threads(store->env, 1);
    rocksdb_env_lower_thread_pool_cpu_priority(store->env);
    rocksdb_env_lower_high_priority_thread_pool_cpu_priority(store->env);
    rocksdb_options_set_env(store->options, store->env);
    rocksdb_options_set_max_background_jobs(store->options, threads + 1);
    if (rate == UINT64_MAX)
        return;
    store->limiter = rocksdb_ratelimiter_create((int64_t)rate, LIMITER_PERIOD_US, LIMITER_FAIRNESS);
    rocksdb_options_set_ratelimiter(store->options, store->limiter);
}

static void set_options(struct store *store, const struct store_options *options)
{
    rocksdb_options_t *o = store->options = rocksdb_options_create();
    uint64_t buffer_bytes = or_default(options->write_buffer_bytes, 64ull << 20);
    rocksdb_options_set_create_if_missing(o, !options->must_exist);
    rocksdb_options_set_paranoid_checks(o, 1);
    rocksdb_options_set_write_buffer_size(o, (size_t)buffer_bytes);
    rocksdb_options_set_max_write_buffer_number(o, (int)or_default(options->write_buffers_max, 4));
    rocksdb_options_set_target_file_size_base(o, buffer_bytes < FILE_BYTES ? buffer_bytes : FILE_BYTES);
    rocksdb_options_set_max_bytes_for_level_base(o, 4 * buffer_bytes);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_atomic_flush(o, 1);
    rocksdb_options_set_bytes_per_sync(o, 1 << 20);
    rocksdb_options_set_max_open_files(o, 512);
    rocksdb_options_set_keep_log_file_num(o, 2);
    rocksdb_options_set_max_log_file_size(o, 1 << 20);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_info_log_level(o, 2); /* warnings */
    set_compression(o);
    set_table(store, options);
    set_background(store, options);
}

static void set_ways(struct store *store)
{
    store->read_all = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(store->read_all, 1);
    store->read_cached = rocksdb_readoptions_create();
    rocksdb_readoptions_set_read_tier(store->read_cached, READ_CACHED_TIER);
    store->read_durable = rocksdb_readoptions_create();
    rocksdb_readoptions_set_read_tier(store->read_durable, READ_PERSISTED_TIER);
    store->write_now = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(store->write_now, 1);
    rocksdb_writeoptions_set_no_slowdown(store->write_now, 1);
    store->write_waiting = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(store->write_waiting, 1);
}

/* A new store gets the version's row; one of another version is refused. */
static enum err check_format(struct store *store, struct error *error)
{
    static const char key[] = {STORE_FORMAT_PREFIX};
    char *message = NULL;
    size_t length = 0;
    char *value = rocksdb_get(store->db, store->read_all, key, sizeof key, &length, &message);
    TRY(store_error(message, error));
    if (value != NULL) {
        bool is_known = length == 1 && value[0] == STORE_FORMAT_VERSION;
        rocksdb_free(value);
        return is_known ? ERR_OK
                        : error_set(error, ERR_INVALID, "store format is not %d", STORE_FORMAT_VERSION);
    }
    static const char version[] = {STORE_FORMAT_VERSION};
    rocksdb_put(store->db, store->write_waiting, key, sizeof key, version, sizeof version, &message);
    return store_error(message, error);
}

enum err store_open(struct store **ret_store, const struct store_options *options, struct error *error)
{
    char *message = NULL;
    if (!options->must_exist && mkdir(options->directory, 0700) != 0 && errno != EEXIST)
        return error_set(error, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, "create %s: %s", options->directory,
                         strerror(errno));
    struct store *store = memory_zalloc(sizeof *store);
    if (store == NULL)
        return error_set(error, ERR_NO_MEMORY, "open store %s", options->directory);
    set_options(store, options);
    set_ways(store);
    store->db = rocksdb_open(store->options, options->directory, &message);
    enum err err = store_error(message, error);
    if (err == ERR_OK)
        err = check_format(store, error);
    if (err != ERR_OK) {
        store_close(store);
        return error_wrap(error, err, "open store %s", options->directory);
    }
    *ret_store = store;
    return ERR_OK;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    if (store->db != NULL) {
        rocksdb_cancel_all_background_work(store->db, 1);
        rocksdb_close(store->db);
    }
    rocksdb_readoptions_destroy(store->read_all);
    rocksdb_readoptions_destroy(store->read_cached);
    rocksdb_readoptions_destroy(store->read_durable);
    rocksdb_writeoptions_destroy(store->write_now);
    rocksdb_writeoptions_destroy(store->write_waiting);
    rocksdb_options_destroy(store->options);
    rocksdb_block_based_options_destroy(store->table_options);
    rocksdb_cache_destroy(store->cache);
    if (store->limiter != NULL)
        rocksdb_ratelimiter_destroy(store->limiter);
    rocksdb_env_destroy(store->env);
    memory_free(store);
}

enum err store_destroy_files(const char *directory, struct error *error)
{
    char *message = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_destroy_db(options, directory, &message);
    rocksdb_options_destroy(options);
    return store_error(message, error);
}

struct store_health store_health(struct store *store)
{
    struct store_health health = {0};
    uint64_t value = 0;
    if (rocksdb_property_int(store->db, "rocksdb.background-errors", &value) == 0)
        health.has_background_error = value > 0;
    if (rocksdb_property_int(store->db, "rocksdb.is-write-stopped", &value) == 0)
        health.is_write_stopped = value > 0;
    if (rocksdb_property_int(store->db, "rocksdb.cur-size-all-mem-tables", &value) == 0)
        health.memory_unflushed_bytes = value;
    if (rocksdb_property_int(store->db, "rocksdb.total-sst-files-size", &value) == 0)
        health.disk_bytes = value;
    health.cache_bytes = rocksdb_cache_get_usage(store->cache);
    return health;
}

/* What the files of the store share: store.c (life cycle), store_error.c, store_key.c, store_read.c,
 * store_scan.c, store_batch.c, store_upkeep.c, store_import.c. The store has no state of its own beside RocksDB's, which may be
 * used from any thread. */
#pragma once

#include <rocksdb/c.h>

#include "dataplane/store/store.h"

enum {
    STORE_ITEM_PREFIX = 'i',
    STORE_META_PREFIX = 'm',
    STORE_FORMAT_PREFIX = 'f', /* one row: the version of all this */
    STORE_FORMAT_VERSION = 2,
    STORE_META_KEY_BYTES = 1 + 8, /* and the name */
};

struct store {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table_options;
    rocksdb_cache_t *cache;
    rocksdb_filterpolicy_t *filter;
    rocksdb_ratelimiter_t *limiter;
    rocksdb_env_t *env;
    rocksdb_readoptions_t *read_all, *read_cached, *read_durable;
    rocksdb_writeoptions_t *write_now, *write_waiting;
};

struct store_batch {
    rocksdb_writebatch_t *batch;
    bool has_failed; /* no memory for a key */
};

/* The one meta row that the store itself knows. */
#define STORE_APPLIED_NAME SLICE_LITERAL("applied")
enum { STORE_APPLIED_VERSION = 2, STORE_APPLIED_BYTES = 1 + 5 * 8 };
void store_applied_encode(const struct store_applied *applied, uint8_t to[STORE_APPLIED_BYTES]);
enum err store_applied_decode(struct slice value, struct store_applied *ret_applied) MUST_CHECK;

/* The key of a row: prefix and bytes. Short keys, that is all in practice, need no allocation. */
struct store_key {
    uint8_t *data;
    size_t length;
    uint8_t inside[256];
};
/* ERR_NO_MEMORY */
enum err store_key_item(struct store_key *key, struct slice item_key) MUST_CHECK;
enum err store_key_meta(struct store_key *key, uint64_t group_id, struct slice name) MUST_CHECK;
void store_key_deinit(struct store_key *key);

/* Turn RocksDB's message (freed here; NULL: no error) into a code and, if asked, words. */
enum err store_error(char *message, struct error *error);
/* The message says that the answer is not in memory, or that a write would have to wait. */
bool store_is_incomplete(const char *message);

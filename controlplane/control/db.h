/* The one connection to PostgreSQL, non-blocking, that mends itself.
 *
 *                connected             lock held                       broken, or a job took too long
 *   WAITING ---> CONNECTING ---> LOCKING ---> HELD (jobs run, one at a time) ---> WAITING (100 ms .. 2 s)
 *                                   ^  | another control holds it: STANDBY, asks again each 200 ms
 *                                   +--+
 *
 * The session holds the advisory lock that makes this control the active one, and all changes go through this session:
 * whoever has lost the lock cannot change anything any more. Jobs are served in order. A batch is one transaction, sent
 * as one pipeline: one round trip, whatever its length. */
#pragma once

#include "base/loop.h"
#include "controlplane/control/sql.h"

struct db;
struct db_results;

struct db_options {
    const char *connection;  /* libpq's "host=... dbname=..." */
    uint64_t job_timeout_us; /* a job that takes longer breaks the connection */
    /* The lock is held: begin with migrations and loading. */
    void (*on_held)(void *data);
    /* The lock is lost; jobs have ended with an error before this. */
    void (*on_lost)(void *data);
    void *data;
};

/* Connects, for ever. ERR_NO_MEMORY */
enum err db_open(struct loop *loop, const struct db_options *options, struct db **ret_db) MUST_CHECK;
/* Ends jobs with ERR_CLOSED, frees later, then calls on_close. */
void db_close(struct db *db, void (*on_close)(void *data), void *data);
bool db_is_held(const struct db *db);

/* The end of a job, never inside the call that began it. results has one result for each statement (NULL unless
 * ERR_OK), valid during the call.
 * ERR_UNAVAILABLE      not connected when its turn came: nothing was done
 * ERR_UNKNOWN_OUTCOME  the connection broke meanwhile: done or not
 * ERR_INVALID          PostgreSQL refused a statement: nothing was done; `text` has its words
 * ERR_CLOSED           db_close: as ERR_UNKNOWN_OUTCOME */
typedef void (*db_done_cb)(enum err err, const char *text, const struct db_results *results, void *data);

/* Run the batch as one transaction. It stays the caller's and must live until the callback. */
void db_run(struct db *db, const struct sql_batch *batch, db_done_cb on_done, void *data);
/* Run a script of several statements (a migration) as one transaction, without results. `script` must live
 * until the callback. */
void db_run_script(struct db *db, const char *script, db_done_cb on_done, void *data);

size_t db_row_count(const struct db_results *results, size_t statement);
/* Text of a field, NUL-terminated, "" for NULL. */
const char *db_field(const struct db_results *results, size_t statement, size_t row, size_t column);
bool db_field_is_null(const struct db_results *results, size_t statement, size_t row, size_t column);
uint64_t db_field_u64(const struct db_results *results, size_t statement, size_t row, size_t column);
bool db_field_bool(const struct db_results *results, size_t statement, size_t row, size_t column);
/* A bytea, decoded into the arena; ERR_CORRUPT: it is none, ERR_NO_MEMORY. */
enum err db_field_bytes(const struct db_results *results, size_t statement, size_t row, size_t column,
                        struct arena *arena, struct slice *ret_bytes) MUST_CHECK;

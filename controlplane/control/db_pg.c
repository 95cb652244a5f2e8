#include "controlplane/control/db.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"

enum {
    CONNECT_TIMEOUT_US = 5000000,
    LOCK_RETRY_US = 200000,
    BACKOFF_US_MIN = 100000,
    BACKOFF_US_MAX = 2000000,
};

enum db_state { DB_WAITING, DB_CONNECTING, DB_LOCKING, DB_STANDBY, DB_HELD, DB_CLOSED };

struct job {
    const struct sql_batch *batch; /* or */
    const char *script;
    db_done_cb on_done;
    void *data;
    struct job *next;
};

struct db_results {
    PGresult **rows;
    size_t count;
};

/* Lives until its close callback, apart from the connection. */
struct poll {
    uv_poll_t handle;
    struct db *db;
};

struct db {
    struct loop *loop;
    struct db_options options;
    char *connection;
    enum db_state state;
    PGconn *session;
    struct poll *poll;
    struct job *jobs; /* the first one runs when is_job_sent */
    struct job **jobs_end;
    bool is_job_sent;
    struct db_results results;
    char text[ERROR_TEXT_BYTES]; /* PostgreSQL's words about the job that runs */
    struct loop_timer timer;
    struct loop_task pump;
    struct sql_batch lock_batch;
    uint64_t backoff_us;
    struct random random;
    void (*on_close)(void *data);
    void *on_close_data;
};

static void session_break(struct db *db, const char *why);
static void ask_for_lock(struct db *db);

/* ---- results ---- */

size_t db_row_count(const struct db_results *results, size_t statement)
{
    ASSERT(statement < results->count);
    return (size_t)PQntuples(results->rows[statement]);
}

const char *db_field(const struct db_results *results, size_t statement, size_t row, size_t column)
{
    ASSERT(statement < results->count);
    return PQgetvalue(results->rows[statement], (int)row, (int)column);
}

bool db_field_is_null(const struct db_results *results, size_t statement, size_t row, size_t column)
{
    return PQgetisnull(results->rows[statement], (int)row, (int)column) != 0;
}

uint64_t db_field_u64(const struct db_results *results, size_t statement, size_t row, size_t column)
{
    return strtoull(db_field(results, statement, row, column), NULL, 10);
}

bool db_field_bool(const struct db_results *results, size_t statement, size_t row, size_t column)
{
    return db_field(results, statement, row, column)[0] == 't';
}

enum err db_field_bytes(const struct db_results *results, size_t statement, size_t row, size_t column,
                        struct arena *arena, struct slice *ret_bytes)
{
    struct slice text = slice_from_string(db_field(results, statement, row, column));
    if (!slice_starts_with(text, SLICE_LITERAL("\\x")))
        return ERR_CORRUPT;
    text = slice_from(text, 2);
    uint8_t *bytes = arena_alloc(arena, text.length / 2 + 1);
    if (bytes == NULL)
        return ERR_NO_MEMORY;
    if (hex_decode(text, bytes) != ERR_OK)
        return ERR_CORRUPT;
    *ret_bytes = slice_make(bytes, text.length / 2);
    return ERR_OK;
}

static void results_clear(struct db_results *results)
{
    for (size_t i = 0; i < results->count; i++)
        PQclear(results->rows[i]);
    memory_free(results->rows);
    *results = (struct db_results){0};
}

/* ---- jobs ---- */

static void add_job(struct db *db, struct job wanted)
{
    struct job *job = memory_alloc(sizeof *job);
    ASSERT(job != NULL); /* some bytes at the rate of control operations: the process is beyond help */
    *job = wanted;
    *db->jobs_end = job;
    db->jobs_end = &job->next;
    loop_defer(db->loop, &db->pump);
}

void db_run(struct db *db, const struct sql_batch *batch, db_done_cb on_done, void *data)
{
    add_job(db, (struct job){.batch = batch, .on_done = on_done, .data = data});
}

void db_run_script(struct db *db, const char *script, db_done_cb on_done, void *data)
{
    add_job(db, (struct job){.script = script, .on_done = on_done, .data = data});
}

static struct job *take_job(struct db *db)
{
    struct job *job = db->jobs;
    db->jobs = job->next;
    if (db->jobs == NULL)
        db->jobs_end = &db->jobs;
    db->is_job_sent = false;
    return job;
}

static void end_job(struct db *db, enum err err)
{
    struct job *job = take_job(db);
    job->on_done(err, db->text, err == ERR_OK ? &db->results : NULL, job->data);
    results_clear(&db->results);
    db->text[0] = '\0';
    memory_free(job);
}

static void end_all_jobs(struct db *db, enum err for_sent, enum err for_others)
{
    while (db->jobs != NULL)
        end_job(db, db->is_job_sent ? for_sent : for_others);
}

static bool send_batch(struct db *db, const struct sql_batch *batch)
{
    if (PQenterPipelineMode(db->session) != 1)
        return false;
    for (const struct sql_statement *s = batch->first; s != NULL; s = s->next) {
        if (PQsendQueryParams(db->session, s->text, s->parameter_count, NULL, s->values, s->lengths,
                              s->formats, 0) != 1)
            return false;
    }
    return PQpipelineSync(db->session) == 1;
}

static bool send_job(struct db *db)
{
    const struct job *job = db->jobs;
    size_t count = job->batch == NULL ? 1 : job->batch->count;
    db->results.rows = memory_zalloc((count + 1) * sizeof *db->results.rows);
    if (db->results.rows == NULL)
        return false;
    db->is_job_sent = true;
    loop_timer_start(db->loop, &db->timer, loop_now_us(db->loop) + db->options.job_timeout_us);
    if (job->batch != NULL)
        return send_batch(db, job->batch);
    return PQexitPipelineMode(db->session) == 1 && PQsendQuery(db->session, job->script) == 1;
}

/* ---- the socket ---- */

static void on_poll(uv_poll_t *handle, int status, int events);

static void on_poll_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

static void poll_close(struct db *db)
{
    if (db->poll == NULL)
        return;
    db->poll->db = NULL;
    uv_close((uv_handle_t *)&db->poll->handle, on_poll_closed);
    db->poll = NULL;
}

/* Watch the session's socket, which libpq may exchange while it connects. */
static bool poll_open(struct db *db, int events)
{
    struct poll *poll = memory_zalloc(sizeof *poll);
    if (poll == NULL)
        return false;
    if (uv_poll_init(&db->loop->uv, &poll->handle, PQsocket(db->session)) != 0) {
        memory_free(poll);
        return false;
    }
    poll->db = db;
    poll->handle.data = poll;
    db->poll = poll;
    return uv_poll_start(&poll->handle, events, on_poll) == 0;
}

static bool flush(struct db *db)
{
    int left = PQflush(db->session);
    if (left < 0)
        return false;
    int events = left > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE;
    return uv_poll_start(&db->poll->handle, events, on_poll) == 0;
}

static void keep_result(struct db *db, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if ((status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) && db->text[0] == '\0')
        (void)snprintf(db->text, sizeof db->text, "%.200s",
                       PQresultErrorMessage(result)); /* cut for the log */
    const struct job *job = db->jobs;
    if (job->batch != NULL && db->results.count < job->batch->count)
        db->results.rows[db->results.count++] = result;
    else
        PQclear(result);
}

/* One result of the job that runs; true when it was the last. */
static bool take_result(struct db *db)
{
    PGresult *result = PQgetResult(db->session);
    if (result == NULL)
        return db->jobs->script != NULL;
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        return true;
    }
    keep_result(db, result);
    return false;
}

static void read_results(struct db *db)
{
    while (db->is_job_sent && PQisBusy(db->session) == 0) {
        if (!take_result(db))
            continue;
        loop_timer_stop(db->loop, &db->timer);
        end_job(db, db->text[0] == '\0' ? ERR_OK : ERR_INVALID);
        if (db->session == NULL)
            return;
        loop_defer(db->loop, &db->pump);
    }
}

static void on_ready(struct db *db)
{
    if (PQconsumeInput(db->session) != 1 || PQstatus(db->session) == CONNECTION_BAD) {
        session_break(db, PQerrorMessage(db->session));
        return;
    }
    read_results(db);
    if (db->session != NULL && db->poll != NULL && !flush(db))
        session_break(db, "cannot send");
}

static void on_pump(struct loop_task *task)
{
    struct db *db = task->data;
    if (db->is_job_sent || db->jobs == NULL)
        return;
    if (db->state != DB_HELD && db->state != DB_LOCKING) {
        end_all_jobs(db, ERR_UNAVAILABLE, ERR_UNAVAILABLE);
        return;
    }
    if (!send_job(db) || !flush(db))
        session_break(db, PQerrorMessage(db->session));
}

/* ---- connecting ---- */

static void ignore_notice(void *data, const char *message)
{
}

static void session_ready(struct db *db)
{
    if (PQsetnonblocking(db->session, 1) != 0 || !poll_open(db, UV_READABLE)) {
        session_break(db, "cannot watch the connection");
        return;
    }
    db->backoff_us = BACKOFF_US_MIN;
    ask_for_lock(db);
}

static void go_on_connecting(struct db *db)
{
    poll_close(db);
    PostgresPollingStatusType status = PQconnectPoll(db->session);
    if (status == PGRES_POLLING_OK)
        session_ready(db);
    else if (status == PGRES_POLLING_FAILED)
        session_break(db, PQerrorMessage(db->session));
    else if (!poll_open(db, status == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE))
        session_break(db, "cannot watch the connection");
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct db *db = ((struct poll *)handle->data)->db;
    if (db == NULL)
        return;
    if (db->state == DB_CONNECTING)
        go_on_connecting(db);
    else
        on_ready(db);
}

static void begin_connecting(struct db *db)
{
    db->state = DB_CONNECTING;
    db->session = PQconnectStart(db->connection);
    if (db->session == NULL || PQstatus(db->session) == CONNECTION_BAD) {
        session_break(db, db->session == NULL ? "no memory" : PQerrorMessage(db->session));
        return;
    }
    (void)PQsetNoticeProcessor(db->session, ignore_notice, NULL); /* returns the one before */
    loop_timer_start(db->loop, &db->timer, loop_now_us(db->loop) + CONNECT_TIMEOUT_US);
    if (!poll_open(db, UV_WRITABLE))
        session_break(db, "cannot watch the connection");
}

static void on_lock(enum err err, const char *text, const struct db_results *results, void *data)
{
    struct db *db = data;
    if (err == ERR_INVALID)
        log_error("database_lock_failed", "text=%s", text);
    if (err != ERR_OK && err != ERR_INVALID)
        return; /* broken meanwhile; the next connection asks again */
    if (err == ERR_OK && db_field_bool(results, 0, 0, 0)) {
        db->state = DB_HELD;
        log_info("database_lock_held", "");
        db->options.on_held(db->options.data);
        return;
    }
    db->state = DB_STANDBY;
    loop_timer_start(db->loop, &db->timer, loop_now_us(db->loop) + LOCK_RETRY_US);
}

static void ask_for_lock(struct db *db)
{
    db->state = DB_LOCKING;
    sql_batch_reset(&db->lock_batch);
    sql_begin(&db->lock_batch,
              "SELECT pg_try_advisory_lock(5865431)"); /* any number, the same in all releases */
    db_run(db, &db->lock_batch, on_lock, db);
}

static void session_break(struct db *db, const char *why)
{
    bool was_held = db->state == DB_HELD;
    log_warn(was_held ? "database_lost" : "database_unreachable", "why=%.150s", why);
    poll_close(db);
    PQfinish(db->session);
    db->session = NULL;
    db->state = DB_WAITING;
    end_all_jobs(db, ERR_UNKNOWN_OUTCOME, ERR_UNAVAILABLE);
    uint64_t wait_us = db->backoff_us / 2 + random_below(&db->random, db->backoff_us / 2 + 1);
    db->backoff_us = db->backoff_us * 2 < BACKOFF_US_MAX ? db->backoff_us * 2 : BACKOFF_US_MAX;
    loop_timer_start(db->loop, &db->timer, loop_now_us(db->loop) + wait_us);
    if (was_held)
        db->options.on_lost(db->options.data);
}

static void on_timer(struct loop_timer *timer)
{
    struct db *db = timer->data;
    if (db->state == DB_WAITING)
        begin_connecting(db);
    else if (db->state == DB_STANDBY)
        ask_for_lock(db);
    else
        session_break(db, "no answer in time");
}

/* ---- life ---- */

enum err db_open(struct loop *loop, const struct db_options *options, struct db **ret_db)
{
    struct db *db = memory_zalloc(sizeof *db);
    char *connection = memory_alloc(strlen(options->connection) + 1);
    if (db == NULL || connection == NULL) {
        memory_free(db);
        memory_free(connection);
        return ERR_NO_MEMORY;
    }
    memcpy(connection, options->connection, strlen(options->connection) + 1);
    db->loop = loop;
    db->options = *options;
    db->connection = connection;
    db->jobs_end = &db->jobs;
    db->backoff_us = BACKOFF_US_MIN;
    db->timer = (struct loop_timer){.fire = on_timer, .data = db};
    db->pump = (struct loop_task){.run = on_pump, .data = db};
    sql_batch_init(&db->lock_batch);
    uint64_t seed;
    random_secret(&seed, sizeof seed);
    random_init(&db->random, seed);
    db->state = DB_WAITING;
    loop_timer_start(loop, &db->timer, loop_now_us(loop));
    *ret_db = db;
    return ERR_OK;
}

static void on_closed(struct loop_task *task)
{
    struct db *db = task->data;
    void (*on_close)(void *) = db->on_close;
    void *data = db->on_close_data;
    sql_batch_deinit(&db->lock_batch);
    memory_free(db->connection);
    memory_free(db);
    if (on_close != NULL)
        on_close(data);
}

void db_close(struct db *db, void (*on_close)(void *data), void *data)
{
    db->state = DB_CLOSED;
    loop_timer_stop(db->loop, &db->timer);
    loop_undefer(db->loop, &db->pump);
    poll_close(db);
    PQfinish(db->session);
    db->session = NULL;
    end_all_jobs(db, ERR_CLOSED, ERR_UNAVAILABLE);
    db->on_close = on_close;
    db->on_close_data = data;
    db->pump = (struct loop_task){.run = on_closed, .data = db};
    loop_defer(db->loop, &db->pump);
}

bool db_is_held(const struct db *db)
{
    return db->state == DB_HELD;
}

/* Brings the database to the schema of this build: each step in one transaction with its row. Refuses a database that
 * is newer, or one in which a released step differs. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/memory.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/migrations/migrations.h"

enum { CHECKSUM_CHARACTERS = 64, SCRIPT_BYTES_MAX = 1024 * 1024 };

struct migration_run {
    struct control *control;
    control_step_cb done;
    size_t next; /* index into migrations */
    struct sql_batch batch;
    struct buffer script;
};

static void apply_next(struct migration_run *run);

static void end(struct migration_run *run, enum err err)
{
    struct control *control = run->control;
    control_step_cb done = run->done;
    sql_batch_deinit(&run->batch);
    buffer_deinit(&run->script);
    memory_free(run);
    done(control, err);
}

static bool is_failed(struct migration_run *run, enum err err, const char *text)
{
    if (err == ERR_OK)
        return false;
    log_error("migration_failed", "err=%s text=%s", err_name(err), text);
    end(run, err);
    return true;
}

static void checksum(const char *sql, char ret_text[CHECKSUM_CHARACTERS + 1])
{
    uint8_t digest[CHECKSUM_CHARACTERS / 2] = {0};
    unsigned length = sizeof digest;
    if (EVP_Digest(sql, strlen(sql), digest, &length, EVP_sha256(), NULL) != 1)
        length = 0; /* an all-zero sum matches no row: refused */
    hex_encode(slice_make(digest, sizeof digest), ret_text);
}

static void on_applied(enum err err, const char *text, const struct db_results *results, void *data)
{
    struct migration_run *run = data;
    if (is_failed(run, err, text))
        return;
    log_info("migration_applied", "name=%s", migrations[run->next].name);
    run->next++;
    apply_next(run);
}

static void apply_next(struct migration_run *run)
{
    if (run->next == migrations_count) {
        end(run, ERR_OK);
        return;
    }
    const struct migration *migration = &migrations[run->next];
    char sum[CHECKSUM_CHARACTERS + 1];
    checksum(migration->sql, sum);
    buffer_clear(&run->script);
    buffer_append_string(&run->script, migration->sql);
    buffer_append_format(
        &run->script,
        "\nINSERT INTO migrations (number, name, checksum, applied_us) VALUES (%u, '%s', '%s', %" PRIu64 ");",
        migration->number, migration->name, sum, clock_wall_us());
    buffer_append_u8(&run->script, 0);
    if (buffer_has_failed(&run->script))
        end(run, ERR_NO_MEMORY);
    else
        db_run_script(run->control->db, (const char *)run->script.data, on_applied, run);
}

static enum err compare(const struct db_results *results, size_t statement, size_t *ret_applied)
{
    size_t rows = db_row_count(results, statement);
    for (size_t i = 0; i < rows; i++) {
        uint64_t number = db_field_u64(results, statement, i, 0);
        if (number != i + 1 || number > migrations_count) {
            log_error("database_is_newer", "migration=%" PRIu64 " known=%zu", number, migrations_count);
            return ERR_CONFIG;
        }
        char sum[CHECKSUM_CHARACTERS + 1];
        checksum(migrations[i].sql, sum);
        if (strcmp(sum, db_field(results, statement, i, 1)) != 0) {
            log_error("migration_differs", "name=%s", migrations[i].name);
            return ERR_CONFIG;
        }
    }
    *ret_applied = rows;
    return ERR_OK;
}

static void on_known(enum err err, const char *text, const struct db_results *results, void *data)
{
    struct migration_run *run = data;
    if (is_failed(run, err, text))
        return;
    err = compare(results, 1, &run->next);
    if (err != ERR_OK)
        end(run, err);
    else
        apply_next(run);
}

void control_migrate(struct control *control, control_step_cb done)
{
    struct migration_run *run = memory_zalloc(sizeof *run);
    if (run == NULL) {
        done(control, ERR_NO_MEMORY);
        return;
    }
    run->control = control;
    run->done = done;
    sql_batch_init(&run->batch);
    buffer_init(&run->script, SCRIPT_BYTES_MAX);
    sql_begin(&run->batch,
              "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL, "
              "checksum text NOT NULL, applied_us bigint NOT NULL)");
    sql_begin(&run->batch, "SELECT number, checksum FROM migrations ORDER BY number");
    db_run(control->db, &run->batch, on_known, run);
}

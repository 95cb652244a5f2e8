/* Another replica's rows take the place of a range, whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/store/store.h"

enum { GROUP = 7, OTHER_GROUP = 8 };

struct fixture {
    char directory[64];
    char files[96];
    struct store *store;
    struct store_batch *batch;
    struct store_import *import;
    unsigned rows;
};

static void open_store(struct fixture *f)
{
    struct error error = {0};
    const struct store_options options = {
        .directory = f->directory, .write_buffer_bytes = 64 * 1024, .block_cache_bytes = 8 << 20};
    if (store_open(&f->store, &options, &error) != ERR_OK)
        fail_msg("%s", error.text);
}

static void put(struct fixture *f, const char *key, const char *value)
{
    store_batch_clear(f->batch);
    store_batch_put(f->batch, slice_from_string(key), slice_from_string(value));
    assert_int_equal(store_write_waiting(f->store, f->batch), ERR_OK);
}

static void put_meta(struct fixture *f, uint64_t group_id, const char *name, const char *value)
{
    store_batch_clear(f->batch);
    store_batch_put_meta(f->batch, group_id, slice_from_string(name), slice_from_string(value));
    store_batch_set_applied(f->batch, group_id, &(struct store_applied){.replica_id = 1, .index = 5});
    assert_int_equal(store_write_waiting(f->store, f->batch), ERR_OK);
}

/* Group 7 has ["c", "f"), with rows of its neighbours around it. */
static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->directory, sizeof f->directory, "/tmp/store_import_XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->files, sizeof f->files, "%s/import", f->directory);
    f->batch = store_batch_create();
    open_store(f);
    static const char *const keys[] = {"bz", "c", "cc", "d", "ezz", "f"};
    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
        put(f, keys[i], "old");
    put_meta(f, GROUP, "checkpoint", "old");
    put_meta(f, GROUP, "ids/1", "old");
    put_meta(f, OTHER_GROUP, "checkpoint", "other");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[160];
    store_import_destroy(f->import);
    store_batch_destroy(f->batch);
    store_close(f->store);
    snprintf(command, sizeof command, "rm -rf %s", f->directory);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void begin(struct fixture *f, uint64_t file_bytes_max)
{
    const struct store_import_options options = {.directory = f->files,
                                                 .group_id = GROUP,
                                                 .begin = SLICE_LITERAL("c"),
                                                 .end = SLICE_LITERAL("f"),
                                                 .file_bytes_max = file_bytes_max};
    assert_int_equal(store_import_create(f->store, &options, &f->import), ERR_OK);
}

static void add(struct fixture *f, const char *key)
{
    assert_int_equal(store_import_put(f->import, slice_from_string(key), SLICE_LITERAL("new")), ERR_OK);
}

static void complete(struct fixture *f)
{
    const struct store_applied applied = {.replica_id = 2, .index = 9, .term = 3, .item_count = 3};
    assert_int_equal(store_import_put_applied(f->import, &applied), ERR_OK);
    assert_int_equal(store_import_put_meta(f->import, SLICE_LITERAL("checkpoint"), SLICE_LITERAL("new")),
                     ERR_OK);
    assert_int_equal(store_import_finish(f->import), ERR_OK);
}

static void assert_item(struct fixture *f, const char *key, const char *expected)
{
    enum store_lookup found;
    struct store_value value;
    assert_int_equal(store_get(f->store, NULL, slice_from_string(key), &found, &value), ERR_OK);
    assert_int_equal(found, expected == NULL ? STORE_MISS : STORE_HIT);
    if (found != STORE_HIT)
        return;
    assert_true(slice_equal_string(value.bytes, expected));
    store_value_release(&value);
}

static void assert_meta(struct fixture *f, uint64_t group_id, const char *name, const char *expected)
{
    struct store_value value;
    enum err err = store_get_meta(f->store, group_id, slice_from_string(name), &value);
    assert_int_equal(err, expected == NULL ? ERR_NOT_FOUND : ERR_OK);
    if (err != ERR_OK)
        return;
    assert_true(slice_equal_string(value.bytes, expected));
    store_value_release(&value);
}

static void assert_neighbours(struct fixture *f)
{
    assert_item(f, "bz", "old");
    assert_item(f, "f", "old");
    assert_meta(f, OTHER_GROUP, "checkpoint", "other");
}

static void assert_old(struct fixture *f)
{
    assert_item(f, "c", "old");
    assert_item(f, "cc", "old");
    assert_item(f, "d", "old");
    assert_item(f, "dd", NULL);
    assert_meta(f, GROUP, "checkpoint", "old");
    assert_meta(f, GROUP, "ids/1", "old");
    assert_neighbours(f);
}

static void assert_new(struct fixture *f)
{
    struct store_applied applied;
    assert_item(f, "c", "new");
    assert_item(f, "cc", NULL);
    assert_item(f, "d", "new");
    assert_item(f, "dd", "new");
    assert_item(f, "ezz", NULL);
    assert_meta(f, GROUP, "checkpoint", "new");
    assert_meta(f, GROUP, "ids/1", NULL);
    assert_int_equal(store_applied(f->store, GROUP, &applied), ERR_OK);
    assert_int_equal(applied.index, 9);
    assert_int_equal(applied.replica_id, 2);
    assert_neighbours(f);
}

static bool count_row(void *data, struct slice key, struct slice value)
{
    struct fixture *f = data;
    assert_true(slice_equal_string(value, "new"));
    f->rows++;
    return true;
}

static unsigned rows_in_range(struct fixture *f)
{
    const struct store_scan scan = {
        .begin = SLICE_LITERAL("c"), .end = SLICE_LITERAL("f"), .bytes_max = 1 << 20, .time_us_max = 1 << 20};
    enum store_scan_end end;
    struct buffer next;
    buffer_init(&next, 1024);
    f->rows = 0;
    assert_int_equal(store_scan_slice(f->store, &scan, count_row, f, &end, &next), ERR_OK);
    assert_int_equal(end, STORE_SCAN_DONE);
    buffer_deinit(&next);
    return f->rows;
}

/* Enough flushes that what was imported is merged with what was there. */
static void churn(struct fixture *f)
{
    char key[32], value[1024];
    memset(value, 'x', sizeof value);
    value[sizeof value - 1] = 0;
    for (int round = 0; round < 24; round++) {
        for (int i = 0; i < 100; i++) {
            snprintf(key, sizeof key, "%c%d", i % 2 == 0 ? 'a' : 'z', (i * 7 + round) % 100);
            put(f, key, value);
        }
        assert_int_equal(store_flush(f->store), ERR_OK);
    }
}

static void the_new_rows_are_there_and_the_old_ones_are_not(void **state)
{
    struct fixture *f = *state;
    begin(f, 0);
    add(f, "c");
    add(f, "d");
    add(f, "dd");
    complete(f);
    assert_old(f);
    assert_int_equal(store_import_ingest(f->import), ERR_OK);
    assert_new(f);
    assert_int_equal(rows_in_range(f), 3);
    churn(f);
    assert_new(f);
    put(f, "cc", "newer");
    assert_item(f, "cc", "newer");
}

static void it_is_durable_without_a_flush(void **state)
{
    struct fixture *f = *state;
    char copy[80], command[320];
    struct store_applied applied;
    begin(f, 0);
    add(f, "c");
    add(f, "d");
    add(f, "dd");
    complete(f);
    assert_int_equal(store_import_ingest(f->import), ERR_OK);
    assert_int_equal(store_applied_durable(f->store, GROUP, &applied), ERR_OK);
    assert_int_equal(applied.index, 9);
    /* As a kill would leave it. */
    snprintf(copy, sizeof copy, "%s.copy", f->directory);
    snprintf(command, sizeof command, "cp -r %s %s && rm -f %s/LOCK", f->directory, copy, copy);
    assert_int_equal(system(command), 0);
    store_import_destroy(f->import);
    f->import = NULL;
    store_close(f->store);
    snprintf(command, sizeof command, "rm -rf %s && mv %s %s", f->directory, copy, f->directory);
    assert_int_equal(system(command), 0);
    open_store(f);
    assert_new(f);
}

static void many_files_are_one(void **state)
{
    struct fixture *f = *state;
    char key[16];
    begin(f, 1000);
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "d%05d", i);
        add(f, key);
    }
    assert_int_equal(store_import_finish(f->import), ERR_OK);
    assert_int_equal(store_import_ingest(f->import), ERR_OK);
    assert_int_equal(rows_in_range(f), 2000);
    assert_item(f, "c", NULL);
    assert_item(f, "d", NULL);
    assert_item(f, "ezz", NULL);
    assert_meta(f, GROUP, "checkpoint", NULL);
    assert_neighbours(f);
    churn(f);
    assert_int_equal(rows_in_range(f), 2000);
}

static void no_rows_at_all_empty_the_range(void **state)
{
    struct fixture *f = *state;
    begin(f, 0);
    assert_int_equal(store_import_finish(f->import), ERR_OK);
    assert_int_equal(store_import_ingest(f->import), ERR_OK);
    assert_int_equal(rows_in_range(f), 0);
    assert_neighbours(f);
}

static void a_snapshot_from_before_sees_what_was(void **state)
{
    struct fixture *f = *state;
    enum store_lookup found;
    struct store_value value;
    struct store_snapshot *snapshot = store_snapshot_open(f->store);
    begin(f, 0);
    add(f, "d");
    assert_int_equal(store_import_finish(f->import), ERR_OK);
    assert_int_equal(store_import_ingest(f->import), ERR_OK);
    assert_int_equal(store_get(f->store, snapshot, SLICE_LITERAL("cc"), &found, &value), ERR_OK);
    assert_int_equal(found, STORE_HIT);
    assert_true(slice_equal_string(value.bytes, "old"));
    store_value_release(&value);
    store_snapshot_close(f->store, snapshot);
    assert_item(f, "cc", NULL);
}

static void rows_out_of_order_or_range_are_refused(void **state)
{
    struct fixture *f = *state;
    begin(f, 0);
    assert_int_equal(store_import_put(f->import, SLICE_LITERAL("b"), SLICE_LITERAL("x")), ERR_CORRUPT);
    assert_int_equal(store_import_put(f->import, SLICE_LITERAL("f"), SLICE_LITERAL("x")), ERR_CORRUPT);
    add(f, "d");
    assert_int_equal(store_import_put(f->import, SLICE_LITERAL("d"), SLICE_LITERAL("x")), ERR_CORRUPT);
    assert_int_equal(store_import_put(f->import, SLICE_LITERAL("cz"), SLICE_LITERAL("x")), ERR_CORRUPT);
    complete(f);
    assert_int_equal(store_import_put(f->import, SLICE_LITERAL("e"), SLICE_LITERAL("x")), ERR_CORRUPT);
    assert_old(f);
}

static void one_that_is_given_up_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct stat status;
    begin(f, 100);
    add(f, "c");
    add(f, "d");
    store_import_destroy(f->import);
    f->import = NULL;
    assert_old(f);
    assert_int_not_equal(stat(f->files, &status), 0);
    begin(f, 100); /* nor does one that was interrupted stand in another's way */
    add(f, "c");
    struct store_import *interrupted = f->import;
    begin(f, 0);
    add(f, "c");
    add(f, "d");
    add(f, "dd");
    complete(f);
    assert_int_equal(store_import_ingest(f->import), ERR_OK);
    assert_new(f);
    store_import_destroy(interrupted);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_new_rows_are_there_and_the_old_ones_are_not),
        TEST(it_is_durable_without_a_flush),
        TEST(many_files_are_one),
        TEST(no_rows_at_all_empty_the_range),
        TEST(a_snapshot_from_before_sees_what_was),
        TEST(rows_out_of_order_or_range_are_refused),
        TEST(one_that_is_given_up_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

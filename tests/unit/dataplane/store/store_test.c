/* The store over a real directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/store/store.h"

struct fixture {
    char directory[64];
    struct store *store;
    struct store_batch *batch;
    struct store_options options;
    char seen[4096];
    unsigned seen_max;
    unsigned seen_count;
};

static void run(const char *format, const char *a)
{
    char command[160];
    snprintf(command, sizeof command, "%s %s", format, a);
    assert_int_equal(system(command), 0);
}

static void open_store(struct fixture *f)
{
    struct error error = {0};
    if (store_open(&f->store, &f->options, &error) != ERR_OK)
        fail_msg("%s", error.text);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->directory, sizeof f->directory, "/tmp/store_test_XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    f->options = (struct store_options){
        .directory = f->directory, .write_buffer_bytes = 256 * 1024, .block_cache_bytes = 8 << 20};
    f->batch = store_batch_create();
    f->seen_max = UINT32_MAX;
    open_store(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    store_batch_destroy(f->batch);
    store_close(f->store);
    run("rm -rf", f->directory);
    free(f);
    return 0;
}

static void put(struct fixture *f, const char *key, const char *value)
{
    store_batch_clear(f->batch);
    store_batch_put(f->batch, slice_from_string(key), slice_from_string(value));
    assert_int_equal(store_write(f->store, f->batch), ERR_OK);
}

static void assert_item(struct fixture *f, const char *key, const char *expected)
{
    enum store_lookup found;
    struct store_value value;
    assert_int_equal(store_get(f->store, NULL, slice_from_string(key), &found, &value), ERR_OK);
    if (expected == NULL) {
        assert_int_equal(found, STORE_MISS);
        return;
    }
    assert_int_equal(found, STORE_HIT);
    assert_true(slice_equal_string(value.bytes, expected));
    store_value_release(&value);
}

static void items_are_put_got_and_deleted(void **state)
{
    struct fixture *f = *state;
    enum store_lookup found;
    struct store_value value;
    put(f, "a", "1");
    put(f, "", "the empty key");
    assert_item(f, "a", "1");
    assert_item(f, "", "the empty key");
    assert_int_equal(store_get_cached(f->store, SLICE_LITERAL("a"), &found, &value), ERR_OK);
    assert_int_equal(found, STORE_HIT);
    store_value_release(&value);
    assert_int_equal(store_get_cached(f->store, SLICE_LITERAL("b"), &found, &value), ERR_OK);
    assert_int_equal(found, STORE_MISS);
    store_batch_clear(f->batch);
    store_batch_delete(f->batch, SLICE_LITERAL("a"));
    assert_int_equal(store_write(f->store, f->batch), ERR_OK);
    assert_item(f, "a", NULL);
}

static void keys_longer_than_the_inline_buffer_work(void **state)
{
    struct fixture *f = *state;
    char key[3001];
    memset(key, 'k', 3000);
    key[3000] = 0;
    put(f, key, "long");
    assert_item(f, key, "long");
}

/* Several blocks in a file, none of them in the cache but the first, which holds the store's own row. */
static void put_on_disk(struct fixture *f)
{
    static char value[1000];
    char key[16];
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "%02d", i);
        put(f, key, value);
    }
    put(f, "a", "1");
    assert_int_equal(store_flush(f->store), ERR_OK);
    store_close(f->store);
    open_store(f);
}

static void what_is_not_in_memory_is_incomplete_on_the_loop(void **state)
{
    struct fixture *f = *state;
    enum store_lookup found;
    struct store_value value;
    put_on_disk(f);
    assert_int_equal(store_get_cached(f->store, SLICE_LITERAL("a"), &found, &value), ERR_OK);
    assert_int_equal(found, STORE_INCOMPLETE);
    assert_item(f, "a", "1"); /* brings it in */
    assert_int_equal(store_get_cached(f->store, SLICE_LITERAL("a"), &found, &value), ERR_OK);
    assert_int_equal(found, STORE_HIT);
    store_value_release(&value);
}

static void a_snapshot_does_not_see_later_writes(void **state)
{
    struct fixture *f = *state;
    enum store_lookup found;
    struct store_value value;
    put(f, "a", "old");
    struct store_snapshot *snapshot = store_snapshot_open(f->store);
    put(f, "a", "new");
    assert_int_equal(store_get(f->store, snapshot, SLICE_LITERAL("a"), &found, &value), ERR_OK);
    assert_true(slice_equal_string(value.bytes, "old"));
    store_value_release(&value);
    store_snapshot_close(f->store, snapshot);
    assert_item(f, "a", "new");
}

static void applied_becomes_durable_by_a_flush_and_together_with_the_data(void **state)
{
    struct fixture *f = *state;
    struct store_applied applied;
    assert_int_equal(store_applied(f->store, 7, &applied), ERR_NOT_FOUND);
    store_batch_put(f->batch, SLICE_LITERAL("a"), SLICE_LITERAL("1"));
    store_batch_set_applied(f->batch, 7, &(struct store_applied){70, 41, 3, 2, 1ull << 40});
    assert_int_equal(store_write(f->store, f->batch), ERR_OK);
    assert_int_equal(store_applied(f->store, 7, &applied), ERR_OK);
    assert_int_equal(applied.index, 41);
    assert_int_equal(applied.term, 3);
    assert_int_equal(applied.replica_id, 70);
    assert_int_equal(applied.item_count, 2);
    assert_int_equal(applied.item_bytes, 1ull << 40);
    assert_int_equal(store_applied_durable(f->store, 7, &applied), ERR_NOT_FOUND);
    assert_int_equal(store_flush(f->store), ERR_OK);
    assert_int_equal(store_applied_durable(f->store, 7, &applied), ERR_OK);
    assert_int_equal(applied.index, 41);
    store_batch_clear(f->batch);
    store_batch_set_applied(f->batch, 7, &(struct store_applied){.replica_id = 70, .index = 42, .term = 3});
    assert_int_equal(store_write(f->store, f->batch), ERR_OK);
    assert_int_equal(store_applied_durable(f->store, 7, &applied), ERR_OK);
    assert_int_equal(applied.index, 41);
}

static void on_group(void *data, uint64_t group_id, const struct store_applied *applied)
{
    struct fixture *f = data;
    char text[64];
    snprintf(text, sizeof text, "%llu@%llu ", (unsigned long long)group_id,
             (unsigned long long)applied->index);
    strncat(f->seen, text, sizeof f->seen - strlen(f->seen) - 1);
}

static void groups_are_listed_and_their_rows_dropped_with_the_items(void **state)
{
    struct fixture *f = *state;
    struct store_value value;
    for (uint64_t group = 1; group <= 3; group++) {
        store_batch_set_applied(f->batch, group, &(struct store_applied){group * 10, group * 100, 1, 0, 0});
        store_batch_put_meta(f->batch, group, SLICE_LITERAL("schema"), SLICE_LITERAL("s"));
    }
    store_batch_put_meta(f->batch, 9, SLICE_LITERAL("schema"), SLICE_LITERAL("never applied"));
    store_batch_put(f->batch, SLICE_LITERAL("b1"), SLICE_LITERAL("1"));
    store_batch_put(f->batch, SLICE_LITERAL("c1"), SLICE_LITERAL("1"));
    assert_int_equal(store_write(f->store, f->batch), ERR_OK);
    assert_int_equal(store_flush(f->store), ERR_OK);
    assert_int_equal(store_each_group(f->store, on_group, f), ERR_OK);
    assert_string_equal(f->seen, "1@100 2@200 3@300 ");
    assert_int_equal(store_drop(f->store, SLICE_LITERAL("b"), SLICE_LITERAL("c"), 2), ERR_OK);
    f->seen[0] = 0;
    assert_int_equal(store_each_group(f->store, on_group, f), ERR_OK);
    assert_string_equal(f->seen, "1@100 3@300 ");
    assert_int_equal(store_get_meta(f->store, 2, SLICE_LITERAL("schema"), &value), ERR_NOT_FOUND);
    assert_int_equal(store_get_meta(f->store, 3, SLICE_LITERAL("schema"), &value), ERR_OK);
    store_value_release(&value);
    assert_item(f, "b1", NULL);
    assert_item(f, "c1", "1");
    store_batch_clear(f->batch);
    store_batch_delete_meta(f->batch, 3, SLICE_LITERAL("schema"));
    assert_int_equal(store_write(f->store, f->batch), ERR_OK);
    assert_int_equal(store_get_meta(f->store, 3, SLICE_LITERAL("schema"), &value), ERR_NOT_FOUND);
}

static bool on_row(void *data, struct slice key, struct slice value)
{
    struct fixture *f = data;
    strncat(f->seen, (const char *)key.data, key.length);
    strncat(f->seen, " ", sizeof f->seen - strlen(f->seen) - 1);
    return ++f->seen_count < f->seen_max;
}

static void scan_all(struct fixture *f, struct store_scan *scan, const char *expected)
{
    struct buffer next, from;
    enum store_scan_end end = STORE_SCAN_MORE;
    buffer_init(&next, 1000);
    buffer_init(&from, 1000);
    f->seen[0] = 0;
    while (end != STORE_SCAN_DONE) {
        f->seen_count = 0;
        assert_int_equal(store_scan_slice(f->store, scan, on_row, f, &end, &next), ERR_OK);
        buffer_clear(&from);
        buffer_append(&from, buffer_view(&next));
        if (scan->is_reverse)
            scan->end = buffer_view(&from);
        else
            scan->begin = buffer_view(&from);
    }
    assert_string_equal(f->seen, expected);
    buffer_deinit(&next);
    buffer_deinit(&from);
}

static void ranges_are_walked_in_slices_in_both_directions(void **state)
{
    struct fixture *f = *state;
    for (const char *key = "abcdefg"; *key != 0; key++)
        put(f, (char[]){*key, 0}, "value");
    store_batch_clear(f->batch);
    store_batch_set_applied(f->batch, 1,
                            &(struct store_applied){1, 1, 1, 0, 0}); /* not an item: never seen by a scan */
    assert_int_equal(store_write(f->store, f->batch), ERR_OK);
    f->seen_max = 2;
    struct store_scan scan = {.begin = SLICE_LITERAL("b"), .end = SLICE_LITERAL("f")};
    scan_all(f, &scan, "b c d e ");
    scan = (struct store_scan){.begin = SLICE_LITERAL("b"), .end = SLICE_LITERAL("f"), .is_reverse = true};
    scan_all(f, &scan, "e d c b ");
    f->seen_max = UINT32_MAX;
    scan = (struct store_scan){.bytes_max = 1};
    scan_all(f, &scan, "a b c d e f g ");
    scan = (struct store_scan){.is_cached_only = true};
    scan_all(f, &scan, "a b c d e f g ");
    scan = (struct store_scan){.begin = SLICE_LITERAL("x"), .end = SLICE_LITERAL("z")};
    scan_all(f, &scan, "");
}

static void a_cached_scan_stops_where_the_disk_begins(void **state)
{
    struct fixture *f = *state;
    struct buffer next;
    enum store_scan_end end;
    put_on_disk(f);
    buffer_init(&next, 100);
    struct store_scan scan = {.begin = SLICE_LITERAL("a"), .is_cached_only = true};
    assert_int_equal(store_scan_slice(f->store, &scan, on_row, f, &end, &next), ERR_OK);
    assert_int_equal(end, STORE_SCAN_INCOMPLETE);
    assert_true(slice_equal_string(buffer_view(&next), "a"));
    assert_int_equal(f->seen_count, 0);
    buffer_deinit(&next);
}

static void a_cached_scan_does_not_step_over_thousands_of_deleted_rows(void **state)
{
    struct fixture *f = *state;
    struct buffer next;
    enum store_scan_end end;
    buffer_init(&next, 100);
    store_batch_clear(f->batch);
    for (int i = 0; i < 5000; i++) {
        char key[16];
        int length = snprintf(key, sizeof key, "b%06d", i);
        store_batch_put(f->batch, slice_make(key, (size_t)length), SLICE_LITERAL("value"));
        store_batch_delete(f->batch, slice_make(key, (size_t)length));
    }
    assert_int_equal(store_write(f->store, f->batch), ERR_OK);
    put(f, "a", "before them");
    put(f, "c", "behind them");
    f->seen_max = UINT32_MAX;
    struct store_scan scan = {.is_cached_only = true};
    assert_int_equal(store_scan_slice(f->store, &scan, on_row, f, &end, &next), ERR_OK);
    assert_int_equal(end, STORE_SCAN_INCOMPLETE);
    assert_string_equal(f->seen, "a ");
    scan = (struct store_scan){.begin = buffer_view(&next)};
    f->seen[0] = 0;
    struct buffer last;
    buffer_init(&last, 100);
    assert_int_equal(store_scan_slice(f->store, &scan, on_row, f, &end, &last), ERR_OK);
    assert_int_equal(end, STORE_SCAN_DONE);
    assert_string_equal(f->seen, "c ");
    buffer_deinit(&last);
    buffer_deinit(&next);
}

static void writes_beyond_what_can_be_flushed_are_refused_as_busy(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    f->options.write_buffer_bytes = 64 * 1024;
    f->options.write_buffers_max = 2;
    f->options.rate_limit_bytes_per_s = 64 * 1024;
    open_store(f);
    static char value[8000];
    memset(value, 'x', sizeof value - 1);
    enum err err = ERR_OK;
    for (int i = 0; i < 2000 && err == ERR_OK; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        store_batch_clear(f->batch);
        store_batch_put(f->batch, slice_from_string(key), slice_from_string(value));
        err = store_write(f->store, f->batch);
    }
    assert_int_equal(err, ERR_BUSY);
    assert_int_equal(store_write_waiting(f->store, f->batch), ERR_OK);
}

static void a_checkpoint_is_a_store_of_its_own(void **state)
{
    struct fixture *f = *state;
    char copy[128];
    struct error error;
    snprintf(copy, sizeof copy, "%s/copy", f->directory);
    put(f, "a", "1");
    assert_int_equal(store_checkpoint(f->store, copy, &error), ERR_OK);
    assert_int_equal(store_checkpoint(f->store, copy, &error), ERR_EXISTS);
    put(f, "a", "2");
    store_close(f->store);
    f->options.directory = copy;
    open_store(f);
    assert_item(f, "a", "1");
}

static void flipped_bytes_in_a_file_end_in_corrupt_and_never_in_a_wrong_answer(void **state)
{
    struct fixture *f = *state;
    char key[16];
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "%03d", i);
        put(f, key, "the value that must not be another");
    }
    assert_int_equal(store_flush(f->store), ERR_OK);
    store_close(f->store);
    f->store = NULL;
    DIR *directory = opendir(f->directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strstr(entry->d_name, ".sst") == NULL)
            continue;
        int fd = openat(dirfd(directory), entry->d_name, O_RDWR);
        uint8_t byte;
        for (off_t at = 100; at < 3000; at += 500) {
            assert_int_equal(pread(fd, &byte, 1, at), 1);
            byte ^= 4;
            assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        }
        close(fd);
    }
    closedir(directory);
    struct error error;
    enum err err = store_open(&f->store, &f->options, &error);
    if (err != ERR_OK) {
        assert_int_equal(err, ERR_CORRUPT);
        return;
    }
    enum store_lookup found;
    struct store_value value;
    assert_int_equal(store_get(f->store, NULL, SLICE_LITERAL("000"), &found, &value), ERR_CORRUPT);
    struct buffer next;
    enum store_scan_end end;
    buffer_init(&next, 100);
    struct store_scan scan = {0};
    assert_int_equal(store_scan_slice(f->store, &scan, on_row, f, &end, &next), ERR_CORRUPT);
    buffer_deinit(&next);
}

static void a_missing_store_and_a_newer_one_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store *store;
    struct error error;
    struct store_options options = {.directory = "/tmp/store_test_there_is_none", .must_exist = true};
    assert_int_equal(store_open(&store, &options, &error), ERR_NOT_FOUND);
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(store_destroy_files(f->directory, &error), ERR_OK);
    open_store(f);
    struct store_health health = store_health(f->store);
    assert_false(health.has_background_error);
    assert_false(health.is_write_stopped);
    assert_true(health.memory_unflushed_bytes > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(items_are_put_got_and_deleted),
        TEST(keys_longer_than_the_inline_buffer_work),
        TEST(what_is_not_in_memory_is_incomplete_on_the_loop),
        TEST(a_snapshot_does_not_see_later_writes),
        TEST(applied_becomes_durable_by_a_flush_and_together_with_the_data),
        TEST(groups_are_listed_and_their_rows_dropped_with_the_items),
        TEST(ranges_are_walked_in_slices_in_both_directions),
        TEST(a_cached_scan_stops_where_the_disk_begins),
        TEST(a_cached_scan_does_not_step_over_thousands_of_deleted_rows),
        TEST(writes_beyond_what_can_be_flushed_are_refused_as_busy),
        TEST(a_checkpoint_is_a_store_of_its_own),
        TEST(flipped_bytes_in_a_file_end_in_corrupt_and_never_in_a_wrong_answer),
        TEST(a_missing_store_and_a_newer_one_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

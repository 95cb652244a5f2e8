#include "dataplane/partition/partition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/item/envelope.h"
#include "dataplane/item/size.h"

static const uint64_t GROUP_IDS[2] = {101, 102};
static const uint8_t REQUEST[REQUEST_ID_BYTES] = {7, 7, 7};

struct fixture {
    struct partition *p;
    uint64_t index; /* of the last entry */
    struct buffer entry, bytes;
};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.p = partition_create(0)};
    assert_non_null(f.p);
    buffer_init(&f.entry, 1 << 20);
    buffer_init(&f.bytes, 1 << 20);
    partition_lead(f.p, 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    partition_destroy(f->p);
    buffer_deinit(&f->entry);
    buffer_deinit(&f->bytes);
    return 0;
}

/* `before` and `after`: sizes of the item; 0: there is none. */
static void write_entry_make(struct fixture *f, const char *key, uint32_t before, uint32_t after)
{
    struct buffer capacity;
    buffer_init(&capacity, 64);
    const struct capacity_vector units = {.table = {1000}};
    capacity_vector_encode(&units, &capacity);
    struct write_entry entry = {
        .flags = (uint8_t)((before > 0 ? WRITE_ENTRY_REPLACES : 0) | (after > 0 ? 0 : WRITE_ENTRY_DELETE)),
        .commit_time_us = 5000 + f->index,
        .id_clock_us = 100 + f->index,
        .capacity = buffer_view(&capacity),
        .item_bytes_before = before,
        .item_bytes_after = after,
        .key = slice_from_string(key),
        .image = SLICE_LITERAL("image"),
    };
    entry.request_id[0] = (uint8_t)(f->index + 1);
    entry.request_id[1] = 1;
    if (strcmp(key, "seven") == 0)
        memcpy(entry.request_id, REQUEST, sizeof REQUEST);
    buffer_clear(&f->entry);
    write_entry_encode(&entry, &f->entry);
    buffer_deinit(&capacity);
}

static enum err apply(struct fixture *f, enum partition_entry_kind kind, struct partition_effect *ret_effect)
{
    enum err err = partition_apply(f->p, f->index + 1, kind, buffer_view(&f->entry), ret_effect);
    f->index += err == ERR_OK;
    return err;
}

static void write_one(struct fixture *f, const char *key, uint32_t before, uint32_t after)
{
    struct partition_effect effect;
    write_entry_make(f, key, before, after);
    assert_int_equal(apply(f, PARTITION_ENTRY_WRITE, &effect), ERR_OK);
}

static void split(struct fixture *f, struct partition_size counted)
{
    struct partition_effect effect;
    buffer_clear(&f->entry);
    assert_int_equal(partition_split_encode(f->p, 2, GROUP_IDS, counted, &f->entry), ERR_OK);
    assert_int_equal(apply(f, PARTITION_ENTRY_SPLIT, &effect), ERR_OK);
    assert_int_equal(effect.kind, PARTITION_EFFECT_SPLIT);
}

static void assert_sides(const struct partition *p, uint64_t left_count, uint64_t left_bytes,
                         uint64_t right_count, uint64_t right_bytes)
{
    struct partition_size left = partition_child_size(p, PARTITION_LEFT);
    struct partition_size right = partition_child_size(p, PARTITION_RIGHT);
    assert_int_equal(left.item_count, left_count);
    assert_int_equal(left.item_bytes, left_bytes);
    assert_int_equal(right.item_count, right_count);
    assert_int_equal(right.item_bytes, right_bytes);
}

static void an_entry_reads_as_it_was_written(void **state)
{
    struct fixture *f = *state;
    const struct split_entry entry = {.range_epoch = 3,
                                      .group_ids = {4, 5},
                                      .item_count_left = 6,
                                      .item_bytes_left = 7,
                                      .key = SLICE_LITERAL("m")};
    struct split_entry found;
    split_entry_encode(&entry, &f->bytes);
    assert_int_equal(split_entry_decode(buffer_view(&f->bytes), &found), ERR_OK);
    assert_int_equal(found.range_epoch, 3);
    assert_int_equal(found.group_ids[0], 4);
    assert_int_equal(found.group_ids[1], 5);
    assert_int_equal(found.item_count_left, 6);
    assert_int_equal(found.item_bytes_left, 7);
    assert_true(slice_equal_string(found.key, "m"));
    for (size_t cut = 0; cut < f->bytes.length; cut++)
        assert_int_equal(split_entry_decode(slice_make(f->bytes.data, cut), &found), ERR_CORRUPT);
    buffer_append_u8(&f->bytes, 0);
    assert_int_equal(split_entry_decode(buffer_view(&f->bytes), &found), ERR_CORRUPT);
}

static void groups_that_are_one_or_none_are_damage(void **state)
{
    struct fixture *f = *state;
    const uint64_t wrong[][2] = {{0, 5}, {5, 0}, {5, 5}};
    for (size_t i = 0; i < 3; i++) {
        struct split_entry found,
            entry = {.group_ids = {wrong[i][0], wrong[i][1]}, .key = SLICE_LITERAL("m")};
        buffer_clear(&f->bytes);
        split_entry_encode(&entry, &f->bytes);
        assert_int_equal(split_entry_decode(buffer_view(&f->bytes), &found), ERR_CORRUPT);
    }
}

static void the_count_follows_what_is_written_after_the_snapshot(void **state)
{
    struct fixture *f = *state;
    write_one(f, "a", 0, 10);
    write_one(f, "x", 0, 100);
    assert_int_equal(partition_split_watch(f->p, SLICE_LITERAL("m")), ERR_OK);
    write_one(f, "b", 0, 20);
    write_one(f, "a", 10, 15);
    write_one(f, "y", 0, 200);
    write_one(f, "b", 20, 0);
    write_one(f, "m", 0, 1000); /* the key itself is the second child's */
    split(f, (struct partition_size){1, 10});
    assert_sides(f->p, 1, 15, 3, 1300);
}

static void what_is_pending_comes_before_the_split(void **state)
{
    struct fixture *f = *state;
    write_one(f, "a", 0, 10);
    assert_int_equal(partition_split_watch(f->p, SLICE_LITERAL("m")), ERR_OK);
    write_entry_make(f, "b", 0, 20);
    struct buffer pending;
    buffer_init(&pending, 1 << 16);
    buffer_append(&pending, buffer_view(&f->entry));
    assert_int_equal(partition_proposed(f->p, f->index + 1, buffer_view(&pending)), ERR_OK);
    struct buffer proposed;
    buffer_init(&proposed, 1 << 16);
    assert_int_equal(partition_split_encode(f->p, 2, GROUP_IDS, (struct partition_size){1, 10}, &proposed),
                     ERR_OK);
    struct partition_effect effect;
    assert_int_equal(apply(f, PARTITION_ENTRY_WRITE, &effect), ERR_OK);
    assert_int_equal(
        partition_apply(f->p, f->index + 1, PARTITION_ENTRY_SPLIT, buffer_view(&proposed), &effect), ERR_OK);
    assert_sides(f->p, 2, 30, 0, 0);
    buffer_deinit(&pending);
    buffer_deinit(&proposed);
}

static void a_count_that_cannot_be_is_refused(void **state)
{
    struct fixture *f = *state;
    write_one(f, "a", 0, 10);
    assert_int_equal(partition_split_encode(f->p, 2, GROUP_IDS, (struct partition_size){0}, &f->bytes),
                     ERR_UNAVAILABLE); /* nothing is watched */
    assert_int_equal(partition_split_watch(f->p, SLICE_LITERAL("m")), ERR_OK);
    write_one(f, "a", 10, 0);
    assert_int_equal(partition_split_encode(f->p, 2, GROUP_IDS, (struct partition_size){0}, &f->bytes),
                     ERR_INVALID);
    partition_split_unwatch(f->p);
    assert_int_equal(partition_split_encode(f->p, 2, GROUP_IDS, (struct partition_size){1, 10}, &f->bytes),
                     ERR_UNAVAILABLE);
}

static void more_on_one_side_than_there_is_is_damage(void **state)
{
    struct fixture *f = *state;
    write_one(f, "a", 0, 10);
    const struct split_entry entry = {
        .group_ids = {4, 5}, .item_count_left = 1, .item_bytes_left = 11, .key = SLICE_LITERAL("m")};
    struct partition_effect effect;
    buffer_clear(&f->entry);
    split_entry_encode(&entry, &f->entry);
    assert_int_equal(apply(f, PARTITION_ENTRY_SPLIT, &effect), ERR_CORRUPT);
    assert_false(partition_is_split(f->p));
}

static void behind_a_split_there_are_no_writes(void **state)
{
    struct fixture *f = *state;
    struct partition_effect effect;
    write_one(f, "a", 0, 10);
    assert_int_equal(partition_split_watch(f->p, SLICE_LITERAL("m")), ERR_OK);
    split(f, (struct partition_size){1, 10});
    assert_int_equal(partition_split_watch(f->p, SLICE_LITERAL("n")), ERR_CLOSED);
    write_entry_make(f, "a", 10, 20);
    assert_int_equal(apply(f, PARTITION_ENTRY_WRITE, &effect), ERR_CORRUPT);
    assert_int_equal(apply(f, PARTITION_ENTRY_NONE, &effect), ERR_OK); /* a no-op of a new term */
    assert_int_equal(partition_size(f->p).item_bytes, 10);
}

static void children_begin_with_clocks_schema_and_request_ids(void **state)
{
    struct fixture *f = *state;
    struct partition_effect effect;
    schema_entry_encode(&(struct schema_entry){7, SLICE_LITERAL("schema")}, &f->entry);
    assert_int_equal(apply(f, PARTITION_ENTRY_SCHEMA, &effect), ERR_OK);
    write_one(f, "seven", 0, 40);
    assert_int_equal(partition_split_watch(f->p, SLICE_LITERAL("m")), ERR_OK);
    split(f, (struct partition_size){0});
    for (int side = 0; side < 2; side++) {
        struct partition *child = partition_create(0);
        buffer_clear(&f->bytes);
        partition_encode_child(f->p, (enum partition_side)side, &f->bytes);
        assert_int_equal(partition_checkpoint_decode(child, buffer_view(&f->bytes)), ERR_OK);
        assert_int_equal(partition_applied_index(child), f->index);
        assert_int_equal(partition_size(child).item_count, side);
        assert_int_equal(partition_size(child).item_bytes, 40 * side);
        assert_int_equal(partition_schema_version(child), 7);
        assert_non_null(request_ids_find(partition_request_ids(child), REQUEST));
        assert_false(partition_is_split(child));
        /* Its own entries go on behind the parent's index, and later than the parent's times. */
        struct buffer own;
        buffer_init(&own, 1 << 16);
        partition_checkpoint_encode(child, &own);
        assert_true(slice_equal(buffer_view(&own), buffer_view(&f->bytes)));
        buffer_deinit(&own);
        partition_destroy(child);
    }
}

static void a_checkpoint_knows_that_the_group_was_split(void **state)
{
    struct fixture *f = *state;
    write_one(f, "a", 0, 10);
    partition_checkpoint_encode(f->p, &f->bytes);
    assert_int_equal(f->bytes.data[0], 2); /* as older releases read it */
    assert_int_equal(partition_split_watch(f->p, SLICE_LITERAL("m")), ERR_OK);
    split(f, (struct partition_size){1, 10});
    buffer_clear(&f->bytes);
    partition_checkpoint_encode(f->p, &f->bytes);
    struct partition *again = partition_create(0);
    assert_int_equal(partition_checkpoint_decode(again, buffer_view(&f->bytes)), ERR_OK);
    uint64_t index;
    struct split_entry entry;
    assert_true(partition_split(again, &index, &entry));
    assert_int_equal(index, 2);
    assert_int_equal(entry.group_ids[1], 102);
    assert_sides(again, 1, 10, 0, 0);
    partition_destroy(again);
    for (size_t cut = 0; cut < f->bytes.length; cut++) {
        again = partition_create(0);
        assert_int_equal(partition_checkpoint_decode(again, slice_make(f->bytes.data, cut)), ERR_CORRUPT);
        partition_destroy(again);
    }
}

/* The store has applied more than the checkpoint covers: the split is read from the log again. */
static void a_replay_finds_the_split(void **state)
{
    struct fixture *f = *state;
    write_one(f, "a", 0, 10);
    assert_int_equal(partition_split_watch(f->p, SLICE_LITERAL("m")), ERR_OK);
    split(f, (struct partition_size){1, 10});
    struct partition *again = partition_create(0);
    struct partition_effect effect;
    partition_set_stored(again, 2, (struct partition_size){1, 10});
    assert_int_equal(partition_apply(again, 1, PARTITION_ENTRY_NONE, SLICE_EMPTY, &effect), ERR_OK);
    assert_int_equal(partition_apply(again, 2, PARTITION_ENTRY_SPLIT, buffer_view(&f->entry), &effect),
                     ERR_OK);
    assert_int_equal(effect.kind, PARTITION_EFFECT_NONE);
    assert_sides(again, 1, 10, 0, 0);
    partition_destroy(again);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_entry_reads_as_it_was_written),
        TEST(groups_that_are_one_or_none_are_damage),
        TEST(the_count_follows_what_is_written_after_the_snapshot),
        TEST(what_is_pending_comes_before_the_split),
        TEST(a_count_that_cannot_be_is_refused),
        TEST(more_on_one_side_than_there_is_is_damage),
        TEST(behind_a_split_there_are_no_writes),
        TEST(children_begin_with_clocks_schema_and_request_ids),
        TEST(a_checkpoint_knows_that_the_group_was_split),
        TEST(a_replay_finds_the_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

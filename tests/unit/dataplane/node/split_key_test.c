#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "dataplane/item/key.h"
#include "dataplane/node/split_key.h"

/* Rows of a space: a hash, then a sort key. The last four stay. */
static struct slice row(uint8_t hash, const char *sort)
{
    static uint8_t all[4][64];
    static size_t next;
    uint8_t *bytes = all[next++ % 4];
    memset(bytes, 0, sizeof all[0]);
    bytes[7] = 9;
    bytes[8] = hash;
    size_t length = strlen(sort);
    memcpy(bytes + KEY_PREFIX_BYTES, sort, length);
    return slice_make(bytes, KEY_PREFIX_BYTES + length);
}

static void the_middle_by_bytes_is_taken(void **state)
{
    struct split_key k;
    split_key_init(&k, 100);
    for (uint8_t i = 0; i < 10; i++)
        if (!split_key_add(&k, row((uint8_t)(10 * i + 1), "a"), 10))
            break;
    assert_true(k.seen_bytes < 100); /* it did not have to see all */
    struct slice chosen = split_key_chosen(&k);
    assert_true(slice_compare(chosen, row(41, "a")) > 0);
    assert_true(slice_compare(chosen, row(51, "a")) <= 0);
    assert_int_equal(chosen.length, 9); /* as much as tells the two apart */
    split_key_deinit(&k);
}

static void one_row_cannot_be_divided(void **state)
{
    struct split_key k;
    split_key_init(&k, 100);
    split_key_add(&k, row(1, "a"), 100);
    assert_int_equal(split_key_chosen(&k).length, 0);
    split_key_deinit(&k);
}

static void a_place_between_partition_keys_goes_before_one_within(void **state)
{
    struct split_key k;
    split_key_init(&k, 100);
    split_key_add(&k, row(1, "a"), 35);
    split_key_add(&k, row(2, "a"), 15);
    split_key_add(&k, row(2, "b"), 15);
    split_key_add(&k, row(2, "c"), 35);
    assert_true(slice_compare(split_key_chosen(&k), row(1, "a")) > 0);
    assert_true(slice_compare(split_key_chosen(&k), row(2, "a")) <= 0);
    split_key_deinit(&k);
}

static void a_collection_that_has_nearly_all_is_divided(void **state)
{
    struct split_key k;
    split_key_init(&k, 100);
    split_key_add(&k, row(1, "a"), 5);
    split_key_add(&k, row(2, "aa"), 40);
    split_key_add(&k, row(2, "ab"), 40);
    split_key_add(&k, row(2, "ac"), 15);
    assert_true(slice_compare(split_key_chosen(&k), row(2, "aa")) > 0);
    assert_true(slice_compare(split_key_chosen(&k), row(2, "ab")) <= 0);
    split_key_deinit(&k);
}

static void a_large_first_row_leaves_the_rest_to_the_other_side(void **state)
{
    struct split_key k;
    split_key_init(&k, 100);
    split_key_add(&k, row(1, "a"), 96);
    split_key_add(&k, row(2, "a"), 2);
    split_key_add(&k, row(3, "a"), 2);
    assert_true(slice_compare(split_key_chosen(&k), row(1, "a")) > 0);
    assert_true(slice_compare(split_key_chosen(&k), row(2, "a")) <= 0);
    split_key_deinit(&k);
}

static void keys_that_differ_too_late_are_no_place(void **state)
{
    static uint8_t a[SPLIT_KEY_BYTES_MAX + 2], b[SPLIT_KEY_BYTES_MAX + 2];
    a[sizeof a - 1] = 1;
    b[sizeof b - 1] = 2;
    struct split_key k;
    split_key_init(&k, 20);
    split_key_add(&k, slice_make(a, sizeof a), 10);
    split_key_add(&k, slice_make(b, sizeof b), 10);
    assert_int_equal(split_key_chosen(&k).length, 0);
    split_key_deinit(&k);
}

static void halfway_lies_strictly_between(void **state)
{
    struct buffer key;
    buffer_init(&key, KEY_PREFIX_BYTES);
    struct key_bound start, end;
    for (uint32_t i = 0; i < 7; i++) {
        key_range(5, i, 7, &start, &end);
        assert_true(split_key_halfway(key_bound_view(&start), key_bound_view(&end), &key));
        assert_int_equal(key.length, KEY_PREFIX_BYTES);
        assert_true(slice_compare(buffer_view(&key), key_bound_view(&start)) > 0);
        assert_true(slice_compare(buffer_view(&key), key_bound_view(&end)) < 0);
    }
    assert_true(split_key_halfway(row(1, "a"), SLICE_EMPTY, &key));
    assert_true(split_key_halfway(row(1, "zz"), row(2, ""), &key));
    assert_true(slice_compare(buffer_view(&key), row(1, "zz")) > 0);
    buffer_deinit(&key);
}

static void there_is_no_halfway_within_a_hash(void **state)
{
    struct buffer key;
    uint8_t next[KEY_PREFIX_BYTES + 1];
    buffer_init(&key, KEY_PREFIX_BYTES);
    memcpy(next, row(1, "x").data, sizeof next);
    assert_false(split_key_halfway(row(1, "a"), slice_make(next, sizeof next), &key));
    next[KEY_PREFIX_BYTES - 1] = 1; /* the very next hash */
    assert_false(split_key_halfway(row(1, "a"), slice_make(next, KEY_PREFIX_BYTES), &key));
    assert_false(split_key_halfway(SLICE_EMPTY, SLICE_EMPTY, &key));
    buffer_deinit(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_middle_by_bytes_is_taken),
        cmocka_unit_test(one_row_cannot_be_divided),
        cmocka_unit_test(a_place_between_partition_keys_goes_before_one_within),
        cmocka_unit_test(a_collection_that_has_nearly_all_is_divided),
        cmocka_unit_test(a_large_first_row_leaves_the_rest_to_the_other_side),
        cmocka_unit_test(keys_that_differ_too_late_are_no_place),
        cmocka_unit_test(halfway_lies_strictly_between),
        cmocka_unit_test(there_is_no_halfway_within_a_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "dataplane/replication/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char WRITE[] = "\x03write"; /* an entry of no interest to the core */

static const struct member members[] = {
    {.replica_id = 11, .node_id = 1, .kind = MEMBER_STORAGE, .role = MEMBER_VOTER},
    {.replica_id = 12, .node_id = 2, .kind = MEMBER_STORAGE, .role = MEMBER_VOTER},
    {.replica_id = 13, .node_id = 3, .kind = MEMBER_STORAGE, .role = MEMBER_VOTER},
};

static struct group *group_of(void)
{
    struct group *g = group_create(&(struct group_options){.group_id = 1, .replica_id = 11, .node_id = 1});
    assert_non_null(g);
    return g;
}

/* A replica as the log has it, with the hard state of a new group but for the term. */
static struct group *restored(void)
{
    struct group *new = group_of(), *g = group_of();
    struct group_update update;
    assert_int_equal(group_bootstrap(new, members, 3, &update), ERR_OK);
    assert_int_equal(group_restore_hard_state(g, update.persist.hard_state), ERR_OK);
    group_destroy(new);
    return g;
}

static void entries(struct group *g, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++)
        assert_int_equal(group_restore_entry(g, i, 0, slice_make(WRITE, sizeof WRITE)), ERR_OK);
}

static void expect_log(const struct group *g, uint64_t first, uint64_t last)
{
    struct group_status status = group_status(g);
    assert_int_equal(status.first_index, first);
    assert_int_equal(status.last_index, last);
}

/* The log's older files were used again: what is left begins with an entry, and its LOG_START was repeated behind
 * it. All replicas of a fleet were quarantined at their next start. */
static void a_log_whose_older_files_are_gone_is_restored(void **state)
{
    struct group *g = restored();
    entries(g, 100, 120);
    assert_int_equal(group_restore_log_start(g, 110, 0), ERR_OK);
    entries(g, 121, 130);
    expect_log(g, 110, 130);
    assert_int_equal(group_start(g, 125, 0, 1), ERR_OK);
    group_destroy(g);
}

static void a_log_start_at_the_first_entry_tells_the_term_before_it(void **state)
{
    struct group *g = restored();
    entries(g, 100, 102);
    assert_int_equal(group_restore_log_start(g, 100, 7), ERR_OK);
    uint64_t term;
    assert_true(group_entry_term(g, 99, &term));
    assert_int_equal(term, 7);
    group_destroy(g);
}

static void entries_that_replace_those_of_lost_files_are_taken(void **state)
{
    struct group *g = restored();
    entries(g, 100, 105);
    entries(g, 95, 97); /* an earlier leader's 100 to 105 were void */
    assert_int_equal(group_restore_truncate_suffix(g, 90), ERR_OK);
    entries(g, 90, 92);
    assert_int_equal(group_restore_log_start(g, 90, 0), ERR_OK);
    expect_log(g, 90, 92);
    assert_int_equal(group_start(g, 89, 0, 1), ERR_OK);
    group_destroy(g);
}

static void a_log_that_begins_behind_its_start_is_refused(void **state)
{
    struct group *g = restored();
    assert_int_equal(group_restore_log_start(g, 100, 0), ERR_OK);
    entries(g, 103, 105);
    assert_int_equal(group_start(g, 105, 0, 1), ERR_CORRUPT);
    group_destroy(g);
    g = restored();
    entries(g, 2, 5); /* nothing says that the log does not begin at 1 */
    assert_int_equal(group_start(g, 5, 0, 1), ERR_CORRUPT);
    group_destroy(g);
}

static void what_a_log_start_made_void_stays_void(void **state)
{
    struct group *g = restored();
    entries(g, 1, 10);
    assert_int_equal(group_restore_log_start(g, 8, 0), ERR_OK);
    entries(g, 5, 7);
    assert_int_equal(group_restore_truncate_suffix(g, 7), ERR_CORRUPT);
    expect_log(g, 8, 10);
    assert_int_equal(group_start(g, 9, 0, 1), ERR_OK);
    group_destroy(g);
}

static void records_of_index_0_are_damaged(void **state)
{
    struct group *g = restored();
    assert_int_equal(group_restore_entry(g, 0, 1, slice_make(WRITE, sizeof WRITE)), ERR_CORRUPT);
    assert_int_equal(group_restore_log_start(g, 0, 0), ERR_CORRUPT);
    assert_int_equal(group_restore_truncate_suffix(g, 0), ERR_CORRUPT);
    assert_int_equal(group_restore_entry(g, 1, 1, SLICE_EMPTY), ERR_CORRUPT);
    group_destroy(g);
}

/* The index before the first entry, or behind the last, would wrap. */
static void records_of_the_largest_indexes_are_damaged(void **state)
{
    struct group *g = restored();
    const struct member alone[] = {{.replica_id = 11, .node_id = 1}};
    struct membership m;
    struct buffer bytes;
    buffer_init(&bytes, 1024);
    assert_int_equal(membership_init(&m, alone, 1), ERR_OK);
    membership_encode(&m, &bytes);
    for (uint64_t index = UINT64_MAX; index > UINT64_MAX - 3; index--) {
        assert_int_equal(group_restore_snapshot(g, index, 1, buffer_view(&bytes)), ERR_CORRUPT);
        assert_int_equal(group_restore_entry(g, index, 1, slice_make(WRITE, sizeof WRITE)), ERR_CORRUPT);
        assert_int_equal(group_restore_log_start(g, index, 1), ERR_CORRUPT);
    }
    buffer_deinit(&bytes);
    group_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_whose_older_files_are_gone_is_restored),
        cmocka_unit_test(a_log_start_at_the_first_entry_tells_the_term_before_it),
        cmocka_unit_test(entries_that_replace_those_of_lost_files_are_taken),
        cmocka_unit_test(a_log_that_begins_behind_its_start_is_refused),
        cmocka_unit_test(what_a_log_start_made_void_stays_void),
        cmocka_unit_test(records_of_index_0_are_damaged),
        cmocka_unit_test(records_of_the_largest_indexes_are_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

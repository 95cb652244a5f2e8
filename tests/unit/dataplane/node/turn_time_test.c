#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "dataplane/node/node_internal.h"

enum { TURN_US = 2000 };

static struct loop loop;
static struct shard *shard;

static int setup(void **state)
{
    shard = memory_zalloc(sizeof *shard);
    assert_non_null(shard);
    assert_int_equal(loop_init(&loop), ERR_OK);
    shard->loop = &loop;
    return 0;
}

static int teardown(void **state)
{
    loop_deinit(&loop);
    memory_free(shard);
    return 0;
}

static void what_is_spent_is_not_left(void **state)
{
    assert_int_equal(shard_turn_left_us(shard), TURN_US);
    shard_turn_spend(shard, 1500);
    assert_int_equal(shard_turn_left_us(shard), TURN_US - 1500);
    shard_turn_spend(shard, 1500); /* one piece of work may be longer than what was left */
    assert_int_equal(shard_turn_left_us(shard), 0);
}

static void each_turn_has_its_own(void **state)
{
    shard_turn_spend(shard, 2 * TURN_US);
    loop_run_once(&loop, 1);
    assert_int_equal(shard_turn_left_us(shard), TURN_US);
    loop_run_once(&loop, 1);
    shard_turn_spend(shard, 500); /* not what an earlier one had left */
    assert_int_equal(shard_turn_left_us(shard), TURN_US - 500);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_spent_is_not_left),
        TEST(each_turn_has_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

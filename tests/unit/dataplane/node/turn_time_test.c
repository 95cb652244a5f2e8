#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "dataplane/node/node_internal.h"

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

static void what_is_spent_adds_up(void **state)
{
    assert_int_equal(shard_turn_spent_us(shard), 0);
    shard_turn_spend(shard, 1500);
    shard_turn_spend(shard, 700);
    assert_int_equal(shard_turn_spent_us(shard), 2200);
}

static void each_turn_has_its_own(void **state)
{
    shard_turn_spend(shard, 4000);
    loop_run_once(&loop, 1);
    assert_int_equal(shard_turn_spent_us(shard), 0);
    shard_turn_spend(shard, 4000);
    loop_run_once(&loop, 1);
    shard_turn_spend(shard, 500); /* nothing of the turn before */
    assert_int_equal(shard_turn_spent_us(shard), 500);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_spent_adds_up),
        TEST(each_turn_has_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

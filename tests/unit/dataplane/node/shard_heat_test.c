/* Replicas' caps and what a shard makes of their heat, without the rest of a node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "dataplane/item/key.h"
#include "dataplane/node/node_internal.h"

enum { US_PER_S = 1000 * 1000, READ_UNITS = 30, WRITE_UNITS = 10 };

struct fixture {
    struct node node;
    struct loop loop;
    struct shard shard;
    struct metrics *metrics;
    struct replica *r;
};

static int setup(void **state)
{
    struct fixture *f = memory_zalloc(sizeof *f);
    assert_non_null(f);
    assert_int_equal(loop_init(&f->loop), ERR_OK);
    f->metrics = metrics_create();
    assert_non_null(f->metrics);
    f->node.options.partition_read_units = READ_UNITS;
    f->node.options.partition_write_units = WRITE_UNITS;
    f->shard.node = &f->node;
    f->shard.loop = &f->loop;
    hottest_init(&f->shard.hottest, f->metrics);
    shard_report_init(&f->shard);
    f->r = replica_create(&f->shard, 17, 5, MEMBER_STORAGE);
    assert_non_null(f->r);
    f->r->state = REPLICA_ACTIVE;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    replica_destroy(f->r);
    shard_report_close(&f->shard);
    metrics_destroy(f->metrics);
    loop_deinit(&f->loop);
    memory_free(f);
    return 0;
}

static int64_t units(const struct bucket *b)
{
    return bucket_rate(b).milli / 1000;
}

static void take_goal(struct fixture *f, uint64_t read_units, uint64_t write_units)
{
    Sluice__Controlplane__ReplicaGoal goal;
    sluice__controlplane__replica_goal__init(&goal);
    goal.read_units_max = read_units;
    goal.write_units_max = write_units;
    replica_caps_take(f->r, &goal);
}

static void a_replica_begins_with_the_nodes_caps(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(units(&f->r->reads.bucket), READ_UNITS);
    assert_int_equal(units(&f->r->writes.bucket), WRITE_UNITS);
    assert_true(cap_admits(&f->r->writes, clock_boot_us()));
}

static void a_goal_may_say_otherwise(void **state)
{
    struct fixture *f = *state;
    take_goal(f, 0, 500);
    assert_int_equal(units(&f->r->reads.bucket), READ_UNITS);
    assert_int_equal(units(&f->r->writes.bucket), 500);
    take_goal(f, UINT64_MAX, 0);
    assert_int_equal(bucket_rate(&f->r->reads.bucket).milli, BUCKET_MILLI_PER_S_MAX);
    assert_int_equal(units(&f->r->writes.bucket), WRITE_UNITS);
}

static void what_is_charged_is_counted(void **state)
{
    struct fixture *f = *state;
    replica_charge_read(f->r, SLICE_LITERAL("k"), (struct capacity){2500}, clock_boot_us());
    replica_charge_write(f->r, SLICE_LITERAL("k"), (struct capacity){7000});
    assert_int_equal(metric_read(&f->shard.metrics.consumed_reads), 2500);
    assert_int_equal(metric_read(&f->shard.metrics.consumed_writes), 7000);
}

static struct slice make_key(uint8_t to[KEY_PREFIX_BYTES], uint8_t number)
{
    memset(to, number, KEY_PREFIX_BYTES);
    return slice_make(to, KEY_PREFIX_BYTES);
}

/* As if the last seconds had been at the cap: requests are noted with the times that they would have had. */
static void heat_up(struct fixture *f, uint8_t keys)
{
    uint64_t now_us = clock_boot_us();
    for (uint64_t i = 0; i < 12ull * WRITE_UNITS; i++) {
        uint8_t bytes[KEY_PREFIX_BYTES];
        uint64_t at_us = now_us - 12ull * US_PER_S + i * US_PER_S / WRITE_UNITS;
        cap_charge(&f->r->writes, make_key(bytes, (uint8_t)(i % keys)), (struct capacity){1000}, at_us);
    }
}

static void a_leader_whose_partition_is_hot_wants_a_split(void **state)
{
    struct fixture *f = *state;
    replica_heat_watch(f->r);
    heat_up(f, 100);
    shard_heat_check(&f->shard);
    assert_int_equal(f->r->hot_split_key.length, KEY_PREFIX_BYTES);
    assert_in_range(f->r->hot_split_key.data[0], 25, 75);
    assert_int_equal(metric_value(&f->shard.metrics.partitions_to_split), 1);
    assert_true(f->r->is_unreported); /* control will hear of it */
    assert_in_range(f->r->reported_writes.milli, 8000, 12000);
    assert_int_equal(f->shard.hottest.shown[0], 17);
    replica_heat_unwatch(f->r); /* the lead is lost */
    assert_int_equal(f->r->hot_split_key.length, 0);
    shard_heat_check(&f->shard);
    assert_int_equal(metric_value(&f->shard.metrics.partitions_to_split), 0);
}

static void one_hot_item_is_told_and_not_split(void **state)
{
    struct fixture *f = *state;
    replica_heat_watch(f->r);
    heat_up(f, 1);
    shard_heat_check(&f->shard);
    assert_int_equal(f->r->hot_split_key.length, 0);
    assert_int_equal(metric_value(&f->shard.metrics.partitions_indivisible), 1);
}

static void a_follower_wants_nothing(void **state)
{
    struct fixture *f = *state;
    heat_up(f, 100);
    shard_heat_check(&f->shard);
    assert_int_equal(f->r->hot_split_key.length, 0);
    assert_in_range(f->r->reported_writes.milli, 8000, 12000); /* what it gives counts all the same */
}

static void an_idle_replica_is_not_reported(void **state)
{
    struct fixture *f = *state;
    replica_heat_watch(f->r);
    shard_heat_check(&f->shard);
    assert_false(f->r->is_unreported);
    assert_int_equal(f->shard.hottest.shown[0], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_replica_begins_with_the_nodes_caps), TEST(a_goal_may_say_otherwise),
        TEST(what_is_charged_is_counted),           TEST(a_leader_whose_partition_is_hot_wants_a_split),
        TEST(one_hot_item_is_told_and_not_split),   TEST(a_follower_wants_nothing),
        TEST(an_idle_replica_is_not_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

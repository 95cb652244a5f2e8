#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "controlplane/control/placement.h"
#include "controlplane/control/table_spec.h"

enum { PARTITIONS = 600 };

#define NODE(id, in, replicas)                                     \
    {                                                              \
        .node_id = (id), .zone = (in), .replica_count = (replicas) \
    }

static void two_zones_are_too_few(void **state)
{
    struct placement_node nodes[] = {NODE(1, "a", 0), NODE(2, "b", 0), NODE(3, "b", 0)};
    struct placement placement;
    assert_int_equal(placement_choose(nodes, 3, &placement), ERR_UNAVAILABLE);
    assert_int_equal(placement_choose(nodes, 0, &placement), ERR_UNAVAILABLE);
    assert_int_equal(nodes[0].replica_count, 0);
}

static void each_replica_is_in_another_zone(void **state)
{
    struct placement_node nodes[] = {NODE(1, "a", 9), NODE(2, "b", 0), NODE(3, "b", 0), NODE(4, "c", 5),
                                     NODE(5, "a", 1)};
    struct placement placement;
    assert_int_equal(placement_choose(nodes, 5, &placement), ERR_OK);
    for (size_t i = 0; i < REPLICAS_PER_PARTITION; i++) {
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(nodes[placement.nodes[i]].zone, nodes[placement.nodes[k]].zone);
    }
    assert_int_equal(nodes[0].replica_count, 9); /* the emptier node of its zone took it */
    assert_int_equal(nodes[4].replica_count, 2);
}

static void replicas_and_leaders_spread_evenly(void **state)
{
    struct placement_node nodes[] = {NODE(1, "a", 0), NODE(2, "b", 0), NODE(3, "c", 0),
                                     NODE(4, "a", 0), NODE(5, "b", 0), NODE(6, "c", 0)};
    for (int i = 0; i < PARTITIONS; i++) {
        struct placement placement;
        assert_int_equal(placement_choose(nodes, 6, &placement), ERR_OK);
        assert_true(placement.leader < REPLICAS_PER_PARTITION);
    }
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(nodes[i].replica_count, PARTITIONS * 3 / 6);
        assert_in_range(nodes[i].leader_count, PARTITIONS / 6 - 2, PARTITIONS / 6 + 2);
    }
}

static void emptiest_of_many_zones_are_taken(void **state)
{
    struct placement_node nodes[] = {NODE(1, "a", 5), NODE(2, "b", 1), NODE(3, "c", 9), NODE(4, "d", 2),
                                     NODE(5, "e", 3)};
    struct placement placement;
    assert_int_equal(placement_choose(nodes, 5, &placement), ERR_OK);
    assert_int_equal(nodes[placement.nodes[0]].node_id, 2);
    assert_int_equal(nodes[placement.nodes[1]].node_id, 4);
    assert_int_equal(nodes[placement.nodes[2]].node_id, 5);
}

static void bytes_and_consumption_count_beside_replicas(void **state)
{
    struct placement_node nodes[] = {NODE(1, "a", 10), NODE(2, "b", 10), NODE(3, "c", 10),
                                     NODE(4, "a", 12), NODE(5, "b", 12), NODE(6, "c", 12)};
    struct placement placement;
    nodes[0].bytes = UINT64_C(100) << 30;
    nodes[1].milli_per_s = 50 * 1000 * 1000;
    assert_int_equal(placement_choose(nodes, 6, &placement), ERR_OK);
    assert_int_equal(nodes[3].replica_count, 13);
    assert_int_equal(nodes[4].replica_count, 13);
    assert_int_equal(nodes[2].replica_count, 11);
}

static void an_average_node_has_one_share_of_each(void **state)
{
    struct placement_node node = {.node_id = 1,
                                  .zone = "a",
                                  .replica_count = 8,
                                  .leader_count = 2,
                                  .bytes = UINT64_C(5) << 30,
                                  .milli_per_s = 700 * 1000,
                                  .leader_milli_per_s = 300 * 1000};
    struct placement_totals totals = {0};
    placement_count(&totals, &node);
    placement_count(&totals, &node);
    struct placement_shares shares = placement_shares(&node, &totals);
    for (size_t i = 0; i < PLACEMENT_WHATS; i++)
        assert_int_equal(shares.of[i], PLACEMENT_SHARE);
    assert_int_equal(placement_fill(&shares), 3 * PLACEMENT_SHARE);
    assert_int_equal(placement_leads(&shares), 2 * PLACEMENT_SHARE);
    struct placement_node with = placement_with(&node, 7, 9);
    assert_int_equal(with.replica_count, 9);
    assert_int_equal(with.bytes, node.bytes + 7);
    assert_int_equal(with.milli_per_s, node.milli_per_s + 9);
    struct placement_node again = placement_without(&with, 7, 9);
    assert_int_equal(again.replica_count, node.replica_count);
    assert_int_equal(again.bytes, node.bytes);
    assert_int_equal(again.milli_per_s, node.milli_per_s);
    assert_int_equal(placement_without(&node, UINT64_MAX, 0).bytes, 0);
}

static uint32_t count(uint64_t read_units, uint64_t write_units)
{
    struct table_spec spec = {.read_units = read_units, .write_units = write_units};
    return table_spec_partition_count(&spec);
}

static void partition_count_is_the_sum_of_both_shares_rounded_up(void **state)
{
    assert_int_equal(count(1, 1), 1);
    assert_int_equal(count(3000, 1), 2);
    assert_int_equal(count(1500, 500), 1);
    assert_int_equal(count(1501, 500), 2);
    assert_int_equal(count(3000, 1000), 2);
    assert_int_equal(count(3001, 1000), 3);
    assert_int_equal(count(40000, 40000), 54);
    struct table_spec on_demand = {.is_on_demand = true};
    assert_int_equal(table_spec_partition_count(&on_demand), ON_DEMAND_PARTITIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_zones_are_too_few),
        cmocka_unit_test(each_replica_is_in_another_zone),
        cmocka_unit_test(replicas_and_leaders_spread_evenly),
        cmocka_unit_test(emptiest_of_many_zones_are_taken),
        cmocka_unit_test(bytes_and_consumption_count_beside_replicas),
        cmocka_unit_test(an_average_node_has_one_share_of_each),
        cmocka_unit_test(partition_count_is_the_sum_of_both_shares_rounded_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

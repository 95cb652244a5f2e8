#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "controlplane/control/catalog.h"

enum { SPACE = 5, NODES = PARTITION_REPLICAS_MAX + 1 };

static struct catalog catalog;
static struct table *table;
static struct node *nodes[NODES];

static int begin(void **state)
{
    catalog_init(&catalog);
    struct tenant *tenant = catalog_add_tenant(&catalog, "100000000001", "acme", 1);
    struct table_spec spec = {.name = "music"};
    assert_non_null(tenant);
    table = catalog_add_table(&catalog, tenant, SPACE, "id", "arn", &spec, TABLE_ACTIVE);
    assert_non_null(table);
    for (size_t i = 0; i < NODES; i++)
        nodes[i] = catalog_add_node(&catalog, (uint32_t)i + 1);
    return 0;
}

static int end(void **state)
{
    catalog_clear(&catalog);
    return 0;
}

static struct partition *add(uint64_t group_id, const char *start, const char *stop, uint64_t epoch)
{
    struct partition *partition = catalog_add_partition(&catalog, table, group_id, slice_from_string(start),
                                                        slice_from_string(stop), epoch);
    assert_non_null(partition);
    return partition;
}

static void the_partitions_of_a_table_are_sorted_by_range(void **state)
{
    add(1, "b", "c", 1);
    add(2, "d", "", 1);
    add(3, "c", "d", 1);
    add(4, "", "b", 1);
    add(6, "d", "", 2);
    add(7, "ca", "d", 2);
    add(8, "c", "ca", 1);
    add(9, "ab", "b", 2);
    assert_int_equal(table->partition_count, 8);
    for (size_t i = 0; i + 1 < table->partition_count; i++) {
        const struct partition *a = table->partitions[i];
        const struct partition *b = table->partitions[i + 1];
        int order = slice_compare(a->start, b->start);
        assert_true(order < 0 || (order == 0 && a->range_epoch <= b->range_epoch));
    }
    assert_int_equal(table->partitions[0]->group_id, 4);
    assert_int_equal(table->partitions[7]->group_id, 6);
    assert_true(slice_equal_string(table->partitions[1]->start, "ab"));
    assert_true(slice_equal_string(table->partitions[1]->end, "b"));
}

static void a_partition_stays_where_it_is_when_others_come_and_go(void **state)
{
    struct partition *first = add(1, "", "m", 1);
    struct replica *replica = catalog_add_replica(&catalog, first, nodes[0], 1, 0, GOAL_PRESENT, true);
    for (uint64_t i = 0; i < 50; i++)
        add(2 + i, "m", "", i + 1);
    assert_ptr_equal(catalog_partition(&catalog, 1), first);
    assert_ptr_equal(replica->partition, first);
    for (uint64_t i = 0; i < 50; i++)
        catalog_remove_partition(&catalog, catalog_partition(&catalog, 2 + i));
    assert_int_equal(table->partition_count, 1);
    assert_ptr_equal(table->partitions[0], first);
    assert_null(catalog_partition(&catalog, 2));
}

static void two_groups_may_have_the_same_replica_id(void **state)
{
    struct partition *left = add(1, "", "m", 1);
    struct partition *right = add(2, "m", "", 1);
    struct replica *a = catalog_add_replica(&catalog, left, nodes[0], 7, 0, GOAL_PRESENT, true);
    struct replica *b = catalog_add_replica(&catalog, right, nodes[0], 7, 0, GOAL_PRESENT, false);
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_equal(catalog_replica(&catalog, 1, 7), a);
    assert_ptr_equal(catalog_replica(&catalog, 2, 7), b);
    assert_null(catalog_replica(&catalog, 3, 7));
    assert_int_equal(nodes[0]->replica_count, 2);
    catalog_remove_replica(&catalog, a);
    assert_null(catalog_replica(&catalog, 1, 7));
    assert_ptr_equal(catalog_replica(&catalog, 2, 7), b);
    assert_int_equal(nodes[0]->replica_count, 1);
}

static void a_group_has_a_replica_id_once(void **state)
{
    struct partition *partition = add(1, "", "", 1);
    assert_non_null(catalog_add_replica(&catalog, partition, nodes[0], 7, 0, GOAL_PRESENT, true));
    assert_null(catalog_add_replica(&catalog, partition, nodes[1], 7, 0, GOAL_PRESENT, true));
    assert_int_equal(partition->replica_count, 1);
    assert_null(catalog_add_partition(&catalog, table, 1, SLICE_EMPTY, SLICE_EMPTY, 1));
    assert_int_equal(table->partition_count, 1);
}

static void a_partition_has_room_for_a_whole_membership(void **state)
{
    struct partition *partition = add(1, "", "", 1);
    for (uint64_t i = 0; i < PARTITION_REPLICAS_MAX; i++)
        assert_non_null(catalog_add_replica(&catalog, partition, nodes[i], i + 1, 0, GOAL_PRESENT, i == 0));
    assert_null(catalog_add_replica(&catalog, partition, nodes[NODES - 1], NODES, 0, GOAL_PRESENT, false));
    catalog_remove_replica(&catalog, catalog_replica(&catalog, 1, 3));
    assert_non_null(
        catalog_add_replica(&catalog, partition, nodes[NODES - 1], NODES, 0, GOAL_PRESENT, false));
}

static void a_table_goes_with_its_partitions(void **state)
{
    add(1, "", "m", 1);
    add(2, "m", "", 1);
    catalog_set_status(&catalog, table, TABLE_GONE);
    catalog_remove_table(&catalog, table);
    assert_null(catalog_partition(&catalog, 1));
    assert_null(catalog_partition(&catalog, 2));
    assert_null(catalog_table(&catalog, SPACE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_partitions_of_a_table_are_sorted_by_range, begin, end),
        cmocka_unit_test_setup_teardown(a_partition_stays_where_it_is_when_others_come_and_go, begin, end),
        cmocka_unit_test_setup_teardown(two_groups_may_have_the_same_replica_id, begin, end),
        cmocka_unit_test_setup_teardown(a_group_has_a_replica_id_once, begin, end),
        cmocka_unit_test_setup_teardown(a_partition_has_room_for_a_whole_membership, begin, end),
        cmocka_unit_test_setup_teardown(a_table_goes_with_its_partitions, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

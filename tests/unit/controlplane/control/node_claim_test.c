#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "controlplane/control/node_claim.h"

enum { NOW_US = 10000000, ALIVE_FROM_US = 7000000 };

static struct catalog catalog;

static int begin(void **state)
{
    catalog_init(&catalog);
    return 0;
}

static int end(void **state)
{
    catalog_clear(&catalog);
    return 0;
}

static struct node *add(uint32_t node_id, const char *name, uint64_t boot_epoch, uint64_t heard_at_us)
{
    struct node *node = catalog_add_node(&catalog, node_id);
    assert_non_null(node);
    catalog_name_node(&catalog, node, name);
    (void)snprintf(node->zone, sizeof node->zone, "zone-a");
    (void)snprintf(node->host, sizeof node->host, "127.0.0.1");
    node->port = 8020;
    node->loops = 2;
    node->boot_epoch = boot_epoch;
    node->heard_at_us = heard_at_us;
    return node;
}

static struct node_claimant claimant(uint32_t node_id, const char *name, uint64_t boot_epoch)
{
    return (struct node_claimant){node_id, boot_epoch, name, "zone-a", "127.0.0.1", 8020, 2};
}

static void expect(struct node_claimant who, enum node_claim it_is, const struct node *node)
{
    struct node *got;
    assert_int_equal(node_claim(&catalog, &who, ALIVE_FROM_US, &got), it_is);
    assert_ptr_equal(got, node);
}

static void a_name_never_heard_is_a_new_node(void **state)
{
    expect(claimant(0, "node-1", 5), NODE_NEW, NULL);
}

static void an_id_is_known_whatever_its_process(void **state)
{
    struct node *node = add(1, "node-1", 5, NOW_US);
    expect(claimant(1, "node-1", 6), NODE_KNOWN, node);
    struct node_claimant moved = claimant(1, "node-1", 5);
    moved.port = 8022;
    expect(moved, NODE_CHANGED, node);
    struct node_claimant other_loops = claimant(1, "node-1", 5);
    other_loops.loops = 1;
    expect(other_loops, NODE_CHANGED, node);
    expect(claimant(1, "node-9", 5), NODE_CHANGED, node);
}

static void a_new_directory_under_a_known_name_is_a_new_node(void **state)
{
    (void)add(1, "node-1", 5, ALIVE_FROM_US - 1);
    expect(claimant(0, "node-1", 6), NODE_NEW, NULL);
}

static void a_new_directory_waits_while_its_name_is_alive(void **state)
{
    (void)add(1, "node-1", 5, NOW_US);
    expect(claimant(0, "node-1", 6), NODE_NAME_IN_USE, NULL);
}

static void the_same_process_that_lost_its_answer_gets_the_same_id(void **state)
{
    struct node *node = add(1, "node-1", 5, NOW_US);
    expect(claimant(0, "node-1", 5), NODE_KNOWN, node);
}

static void a_node_of_another_database_is_unknown(void **state)
{
    (void)add(1, "node-1", 5, NOW_US);
    expect(claimant(2, "node-1", 5), NODE_UNKNOWN, NULL);
}

static void a_lost_node_that_is_back_has_its_name_again(void **state)
{
    struct node *old = add(1, "node-1", 5, 0);
    struct node *young = add(2, "node-1", 6, ALIVE_FROM_US - 1);
    assert_true(old->is_lost);
    assert_ptr_equal(catalog_node_by_name(&catalog, "node-1"), young);
    expect(claimant(1, "node-1", 7), NODE_CHANGED, old);
    young->heard_at_us = NOW_US;
    expect(claimant(1, "node-1", 7), NODE_NAME_IN_USE, NULL);
    catalog_name_node(&catalog, old, "node-1");
    assert_false(old->is_lost);
    assert_true(young->is_lost);
    assert_int_equal(young->boot_epoch, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_never_heard_is_a_new_node, begin, end),
        cmocka_unit_test_setup_teardown(an_id_is_known_whatever_its_process, begin, end),
        cmocka_unit_test_setup_teardown(a_new_directory_under_a_known_name_is_a_new_node, begin, end),
        cmocka_unit_test_setup_teardown(a_new_directory_waits_while_its_name_is_alive, begin, end),
        cmocka_unit_test_setup_teardown(the_same_process_that_lost_its_answer_gets_the_same_id, begin, end),
        cmocka_unit_test_setup_teardown(a_node_of_another_database_is_unknown, begin, end),
        cmocka_unit_test_setup_teardown(a_lost_node_that_is_back_has_its_name_again, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

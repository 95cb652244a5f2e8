/* Many groups on few nodes: moves and leads are taken until there are none, and then all is even; and it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/random.h"
#include "controlplane/control/balance.h"

enum { GROUPS = 300, NODES_MAX = 9, MOVES_MAX = 2000 };

static struct repair_node nodes[NODES_MAX];
static struct repair_group groups[GROUPS];
static struct repair_fleet fleet;

static void add_node(const char *zone)
{
    nodes[fleet.count] = (struct repair_node){.place = {.node_id = (uint32_t)fleet.count + 1, .zone = zone},
                                              .life = NODE_ALIVE};
    fleet.count++;
}

static void count_up(void)
{
    fleet.totals = (struct placement_totals){0};
    for (size_t i = 0; i < fleet.count; i++) {
        struct placement_node *place = &nodes[i].place;
        *place = (struct placement_node){.node_id = place->node_id, .zone = place->zone};
        for (size_t g = 0; g < GROUPS; g++) {
            for (size_t k = 0; k < 3; k++) {
                const struct repair_replica *r = &groups[g].replicas[k];
                if (r->node != i)
                    continue;
                place->replica_count++;
                place->bytes += groups[g].bytes;
                place->milli_per_s += groups[g].milli_per_s;
                place->leader_count += r->is_leader_wanted;
                place->leader_milli_per_s += r->is_leader_wanted ? groups[g].milli_per_s : 0;
            }
        }
        placement_count(&fleet.totals, place);
    }
    repair_weigh(&fleet);
}

static void begin(size_t node_count, size_t used)
{
    static const char *const zones[] = {"a", "b", "c"};
    fleet = (struct repair_fleet){.nodes = nodes, .node_builds_max = 2};
    memset(groups, 0, sizeof groups);
    for (size_t i = 0; i < node_count; i++)
        add_node(zones[i % 3]);
    for (size_t g = 0; g < GROUPS; g++) {
        groups[g] = (struct repair_group){.count = 3, .voters = 3, .id_floor = 4};
        for (size_t k = 0; k < 3; k++) {
            size_t node = k + 3 * (g % ((used + 2 - k) / 3));
            groups[g].replicas[k] = (struct repair_replica){.replica_id = k + 1,
                                                            .node = node,
                                                            .is_wanted = true,
                                                            .is_created = true,
                                                            .is_leader_wanted = k == 0,
                                                            .membership = REPAIR_VOTER};
        }
    }
    count_up();
}

/* The best move over all groups, carried out at once. */
static bool move_once(void)
{
    struct balance_step best = {.gain = 0};
    struct repair_group *of = NULL;
    for (size_t g = 0; g < GROUPS; g++) {
        struct balance_step step = balance_move(&groups[g], &fleet);
        if (step.gain <= best.gain)
            continue;
        best = step;
        of = &groups[g];
    }
    if (of == NULL)
        return false;
    assert_int_equal(best.step.kind, REPAIR_LEAVE);
    for (size_t k = 0; k < 3; k++) {
        assert_int_not_equal(of->replicas[k].node, best.step.node);
        if (k != best.step.replica)
            assert_string_not_equal(nodes[of->replicas[k].node].place.zone, nodes[best.step.node].place.zone);
    }
    of->replicas[best.step.replica].node = best.step.node;
    count_up();
    return true;
}

static size_t move_all(void)
{
    size_t moves = 0;
    while (move_once())
        assert_true(++moves < MOVES_MAX);
    return moves;
}

static void a_sixth_node_gets_its_share_and_no_more(void **state)
{
    begin(6, 5);
    assert_int_equal(nodes[2].place.replica_count, GROUPS);
    size_t moves = move_all();
    assert_in_range(nodes[5].place.replica_count, GROUPS * 4 / 10, GROUPS / 2);
    assert_int_equal(moves, nodes[5].place.replica_count); /* nothing moved twice, nobody else's */
    assert_int_equal(move_all(), 0);
}

static void what_is_even_stays(void **state)
{
    begin(6, 6);
    assert_int_equal(move_all(), 0);
    begin(3, 3);
    assert_int_equal(move_all(), 0);
    begin(5, 5);
    assert_int_equal(move_all(), 0); /* one node of its zone has all: zones are kept apart */
}

static void large_and_busy_groups_count_for_more(void **state)
{
    struct random random;
    random_init(&random, 7);
    begin(6, 6);
    for (size_t g = 0; g < GROUPS; g++) {
        bool is_hot = groups[g].replicas[0].node == 0 && random_one_in(&random, 2);
        groups[g].bytes = is_hot ? UINT64_C(8) << 30 : UINT64_C(1) << 26;
        groups[g].milli_per_s = is_hot ? 900000 : 10000;
    }
    count_up();
    assert_true(nodes[0].place.bytes > 10 * nodes[3].place.bytes);
    assert_true(move_all() > 0);
    assert_true(nodes[0].place.bytes < 2 * nodes[3].place.bytes);
    assert_true(nodes[3].place.bytes < 2 * nodes[0].place.bytes);
}

static void leads_are_spread(void **state)
{
    begin(6, 6);
    size_t steps = 0;
    for (bool is_done = false; !is_done;) {
        is_done = true;
        for (size_t g = 0; g < GROUPS; g++) {
            struct balance_step step = balance_lead(&groups[g], &fleet);
            if (step.gain == 0)
                continue;
            assert_int_equal(step.step.kind, REPAIR_LEAD);
            repair_take(&groups[g], &fleet, &step.step, 0);
            assert_true(++steps < MOVES_MAX);
            is_done = false;
        }
    }
    uint32_t leads = 0;
    for (size_t i = 0; i < fleet.count; i++) {
        assert_in_range(nodes[i].place.leader_count, GROUPS / 6 * 7 / 10, GROUPS / 6 * 13 / 10);
        leads += nodes[i].place.leader_count;
    }
    assert_int_equal(leads, GROUPS);
}

static void only_whole_groups_are_touched(void **state)
{
    begin(6, 5);
    assert_true(balance_is_settled(&groups[0], &fleet));
    nodes[1].life = NODE_SUSPECT;
    nodes[4].is_draining = true;
    assert_false(balance_is_settled(&groups[0], &fleet));
    assert_int_equal(move_all(), 0);
    begin(6, 5);
    nodes[5].builds = 2;
    assert_int_equal(move_all(), 0); /* it has enough to do */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sixth_node_gets_its_share_and_no_more), cmocka_unit_test(what_is_even_stays),
        cmocka_unit_test(large_and_busy_groups_count_for_more),    cmocka_unit_test(leads_are_spread),
        cmocka_unit_test(only_whole_groups_are_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

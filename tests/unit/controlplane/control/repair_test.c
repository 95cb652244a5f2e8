/* The cases that repair.h names, step by step; what chance brings about is in repair_random_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "controlplane/control/repair.h"

enum { NODES = 6 };

static struct repair_node nodes[NODES];
static struct repair_fleet fleet;
static struct repair_group group;
static uint64_t newest_id;

static void add_member(size_t node, bool is_log, enum repair_membership membership)
{
    group.replicas[group.count++] = (struct repair_replica){.replica_id = ++newest_id,
                                                            .node = node,
                                                            .is_log = is_log,
                                                            .is_wanted = true,
                                                            .is_created = true,
                                                            .membership = membership};
    group.id_floor = newest_id + 1;
    group.voters += membership == REPAIR_VOTER;
}

/* Nodes 1 to `count` in zones a, b, c, a, b, c; a group on the first three. */
static void begin(size_t count)
{
    static const char *const zones[] = {"a", "b", "c"};
    memset(&group, 0, sizeof group);
    group.replicas_max = 9;
    newest_id = 0;
    fleet = (struct repair_fleet){.nodes = nodes, .count = count, .node_builds_max = 2, .builds_left = 4};
    for (size_t i = 0; i < count; i++) {
        nodes[i] = (struct repair_node){
            .place = {.node_id = (uint32_t)i + 1, .zone = zones[i % 3], .replica_count = 10},
            .life = NODE_ALIVE};
        placement_count(&fleet.totals, &nodes[i].place);
    }
    for (size_t i = 0; i < 3; i++)
        add_member(i, false, REPAIR_VOTER);
    group.replicas[0].is_leader_wanted = true;
}

/* The next step is this one; takes it. */
static void expect(enum repair_kind kind, size_t replica_or_node)
{
    repair_weigh(&fleet);
    struct repair_step step = repair_next(&group, &fleet);
    bool is_add = kind == REPAIR_ADD_LOG || kind == REPAIR_ADD_STORAGE;
    assert_int_equal(step.kind, kind);
    if (kind != REPAIR_NOTHING)
        assert_int_equal(is_add ? step.node : step.replica, replica_or_node);
    repair_take(&group, &fleet, &step, ++newest_id);
}

static void expect_nothing(void)
{
    expect(REPAIR_NOTHING, 0);
}

/* All that is wanted has joined, all else has left. */
static void settle_members(void)
{
    group.voters = 0;
    for (size_t i = 0; i < group.count; i++) {
        struct repair_replica *r = &group.replicas[i];
        r->is_created = true;
        r->membership = r->is_wanted ? REPAIR_VOTER : REPAIR_NO_MEMBER;
        group.voters += r->is_wanted;
    }
    group.id_floor = newest_id + 1;
}

static void a_whole_group_is_left_alone(void **state)
{
    begin(5);
    expect_nothing();
    nodes[1].life = NODE_SUSPECT;
    expect_nothing();
    nodes[1].life = NODE_NEVER_HEARD;
    expect_nothing();
}

static void two_log_replicas_stand_in_for_a_dead_voter(void **state)
{
    begin(5);
    nodes[2].life = NODE_DEAD;
    expect(REPAIR_ADD_LOG, 3);
    expect(REPAIR_ADD_LOG, 4);
    expect_nothing();
    assert_true(group.replicas[2].is_wanted);
    settle_members();
    nodes[2].life = NODE_RETURNING;
    expect_nothing();
    nodes[2].life = NODE_ALIVE;
    expect(REPAIR_UNWANT, 3);
    expect(REPAIR_UNWANT, 4);
    expect_nothing();
    settle_members();
    expect(REPAIR_ABSENT, 3);
    expect(REPAIR_ABSENT, 4);
    group.replicas[3].is_removed = true;
    expect(REPAIR_FORGET, 3);
    assert_int_equal(group.count, 4);
}

static void one_log_replica_would_only_make_more_voters_needed(void **state)
{
    begin(4);
    nodes[2].life = NODE_DEAD;
    expect_nothing();
    nodes[2].life = NODE_ABANDONED;
    expect(REPAIR_ADD_STORAGE, 3);
    expect_nothing();
    group.replicas[3].is_created = true;
    expect_nothing(); /* until the leader has it: it may have to remove the dead one first */
    group.replicas[3].membership = REPAIR_LEARNER;
    expect(REPAIR_UNWANT, 2);
    expect_nothing();
}

static void what_an_abandoned_node_had_is_built_elsewhere(void **state)
{
    begin(5);
    add_member(3, true, REPAIR_VOTER);
    add_member(4, true, REPAIR_VOTER);
    nodes[2].life = NODE_ABANDONED;
    expect(REPAIR_UNWANT, 2);
    expect(REPAIR_UNWANT, 3); /* one is enough then, and its node is wanted */
    expect_nothing();
    settle_members();
    expect(REPAIR_ABSENT, 2);
    expect(REPAIR_ABSENT, 3);
    group.replicas[3].is_removed = true;
    expect(REPAIR_FORGET, 3);
    expect(REPAIR_ADD_STORAGE, 3);
    expect_nothing();
    group.replicas[4].is_created = true;
    group.replicas[4].membership = REPAIR_LEARNER;
    expect_nothing();
    settle_members();
    expect(REPAIR_UNWANT, 3); /* the last log replica */
    expect_nothing();
    assert_true(group.replicas[3].is_log);
}

static void a_build_is_in_another_zone_if_there_is_one(void **state)
{
    begin(6);
    nodes[2].life = NODE_ABANDONED;
    nodes[5].place.replica_count = 90;
    expect(REPAIR_ADD_STORAGE, 5);
}

static void builds_wait_for_their_turn(void **state)
{
    begin(5);
    nodes[2].life = NODE_ABANDONED;
    fleet.builds_left = 0;
    expect(REPAIR_ADD_LOG, 3);
    expect_nothing(); /* the other node is kept free for the build */
    fleet.builds_left = 1;
    nodes[4].builds = 2;
    expect_nothing();
    nodes[4].builds = 1;
    expect(REPAIR_ADD_STORAGE, 4);
    assert_int_equal(fleet.builds_left, 0);
}

static void the_only_free_node_is_kept_for_a_build(void **state)
{
    begin(4);
    nodes[2].life = NODE_ABANDONED;
    fleet.builds_left = 0;
    expect_nothing();
    fleet.builds_left = 1;
    expect(REPAIR_ADD_STORAGE, 3);
}

static void the_last_log_replica_makes_room_when_no_other_node_is_left(void **state)
{
    begin(4);
    group.replicas[2] = group.replicas[--group.count];
    add_member(3, true, REPAIR_VOTER);
    settle_members();
    nodes[2].life = NODE_ABANDONED;
    expect(REPAIR_UNWANT, 2);
    expect_nothing();
    settle_members();
    expect(REPAIR_ABSENT, 2);
    group.replicas[2].is_removed = true;
    expect(REPAIR_FORGET, 2);
    expect(REPAIR_ADD_STORAGE, 3);
    expect_nothing();
}

static void without_a_quorum_or_a_report_nothing_is_done(void **state)
{
    begin(6);
    nodes[2].life = NODE_ABANDONED;
    nodes[1].life = NODE_DEAD;
    expect_nothing();
    begin(6);
    nodes[2].life = NODE_ABANDONED;
    group.id_floor = 0;
    expect_nothing();
}

static void a_damaged_replica_makes_room_where_only_its_node_is_left(void **state)
{
    begin(3);
    group.replicas[1].is_damaged = true;
    expect(REPAIR_UNWANT, 1);
    expect_nothing();
    settle_members();
    expect(REPAIR_ABSENT, 1);
    group.replicas[1].is_removed = true;
    expect(REPAIR_FORGET, 1);
    expect(REPAIR_ADD_STORAGE, 1);
    expect_nothing();
}

static void the_last_but_one_with_rows_stays_a_member(void **state)
{
    begin(6);
    add_member(3, true, REPAIR_VOTER);
    add_member(4, true, REPAIR_VOTER);
    group.replicas[0].is_leader_wanted = false;
    group.replicas[1].is_leader_wanted = true;
    nodes[2].life = NODE_ABANDONED;
    nodes[0].life = NODE_ABANDONED;
    expect(REPAIR_ADD_STORAGE, 5);
    expect_nothing();
    assert_true(group.replicas[0].is_wanted && group.replicas[2].is_wanted);
}

static void a_draining_node_gives_its_lead_first_and_its_replica_when_another_votes(void **state)
{
    begin(6);
    nodes[0].is_draining = true;
    nodes[1].place.leader_count = 1;
    expect(REPAIR_LEAD, 2);
    expect(REPAIR_ADD_STORAGE, 3);
    expect_nothing();
    group.replicas[3].is_created = true;
    group.replicas[3].membership = REPAIR_LEARNER;
    expect_nothing();
    settle_members();
    expect(REPAIR_UNWANT, 0);
    expect_nothing();
}

static void a_node_that_shall_stay_after_all_keeps_its_replica(void **state)
{
    begin(6);
    group.replicas[0].is_leader_wanted = false;
    group.replicas[1].is_leader_wanted = true;
    nodes[0].is_draining = true;
    expect(REPAIR_ADD_STORAGE, 3);
    group.replicas[3].is_created = true;
    nodes[0].is_draining = false;
    expect(REPAIR_UNWANT, 3);
    expect_nothing(); /* a leader may be adding it */
    group.replicas[3].is_forgotten = true;
    expect(REPAIR_ABSENT, 3);
}

static void a_move_with_nowhere_to_go_ends(void **state)
{
    begin(5);
    group.replicas[2].is_leaving = true;
    expect(REPAIR_STAY, 2);
    expect_nothing();
}

static void zones_are_kept_apart_again(void **state)
{
    begin(6);
    nodes[2].place.zone = "a";
    nodes[0].place.replica_count = 12;
    group.replicas[0].is_leader_wanted = false;
    group.replicas[1].is_leader_wanted = true;
    expect(REPAIR_LEAVE, 0);
    expect(REPAIR_ADD_STORAGE, 5);
    expect_nothing();
}

static void a_newcomer_that_cannot_join_any_more_goes(void **state)
{
    begin(6);
    group.replicas[group.count++] =
        (struct repair_replica){.replica_id = 2, .node = 3, .is_wanted = true, .is_created = true};
    expect(REPAIR_ABSENT, 3);
}

static void what_is_missing_is_counted(void **state)
{
    begin(5);
    struct repair_need need = repair_look(&group, &fleet);
    assert_false(need.is_short || need.is_waiting || need.is_covered || need.is_stuck);
    nodes[2].life = NODE_DEAD;
    add_member(3, true, REPAIR_VOTER);
    need = repair_look(&group, &fleet);
    assert_true(need.is_short && need.is_covered && !need.is_stuck && !need.is_waiting);
    nodes[2].life = NODE_ABANDONED;
    assert_true(repair_look(&group, &fleet).is_waiting);
    nodes[2].life = NODE_DEAD;
    nodes[1].life = NODE_DEAD;
    assert_true(repair_look(&group, &fleet).is_stuck);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_group_is_left_alone),
        cmocka_unit_test(two_log_replicas_stand_in_for_a_dead_voter),
        cmocka_unit_test(one_log_replica_would_only_make_more_voters_needed),
        cmocka_unit_test(what_an_abandoned_node_had_is_built_elsewhere),
        cmocka_unit_test(a_build_is_in_another_zone_if_there_is_one),
        cmocka_unit_test(builds_wait_for_their_turn),
        cmocka_unit_test(the_only_free_node_is_kept_for_a_build),
        cmocka_unit_test(the_last_log_replica_makes_room_when_no_other_node_is_left),
        cmocka_unit_test(without_a_quorum_or_a_report_nothing_is_done),
        cmocka_unit_test(a_damaged_replica_makes_room_where_only_its_node_is_left),
        cmocka_unit_test(the_last_but_one_with_rows_stays_a_member),
        cmocka_unit_test(a_draining_node_gives_its_lead_first_and_its_replica_when_another_votes),
        cmocka_unit_test(a_node_that_shall_stay_after_all_keeps_its_replica),
        cmocka_unit_test(a_move_with_nowhere_to_go_ends),
        cmocka_unit_test(zones_are_kept_apart_again),
        cmocka_unit_test(a_newcomer_that_cannot_join_any_more_goes),
        cmocka_unit_test(what_is_missing_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

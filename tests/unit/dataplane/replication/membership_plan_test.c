/* One step at a time from any membership to any wanted one. The small cases by name; then all of a small fleet, each
 * driven to its end, with what must never happen checked at every step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "dataplane/replication/membership_plan.h"

enum { STEPS_MAX = 40, ALL = -1 };

static struct member member(uint64_t replica_id, uint32_t node_id)
{
    return (struct member){.replica_id = replica_id, .node_id = node_id, .kind = MEMBER_STORAGE};
}

/* Replicas 1, 2, 3 on nodes 1, 2, 3; 1 leads. */
static struct membership three(void)
{
    const struct member members[] = {member(1, 1), member(2, 2), member(3, 3)};
    struct membership m;
    assert_int_equal(membership_init(&m, members, 3), ERR_OK);
    return m;
}

static struct membership_view view_of(const struct membership *current, const struct member *wanted,
                                      uint32_t count)
{
    return (struct membership_view){.current = current,
                                    .self = 1,
                                    .wanted = wanted,
                                    .wanted_count = count,
                                    .alive = (uint32_t)ALL,
                                    .caught_up = (uint32_t)ALL,
                                    .reachable = (uint32_t)ALL};
}

static void expect_change(struct membership_step step, enum membership_change_kind kind, uint64_t replica_id)
{
    assert_int_equal(step.kind, MEMBERSHIP_STEP_CHANGE);
    assert_int_equal(step.change.kind, kind);
    assert_int_equal(step.change.member.replica_id, replica_id);
}

static void take(struct membership *m, struct membership_step step)
{
    struct membership to;
    assert_int_equal(step.kind, MEMBERSHIP_STEP_CHANGE);
    assert_int_equal(membership_apply(m, &step.change, &to), ERR_OK);
    *m = to;
}

/* ---- by name ---- */

static void nothing_is_wanted(void **state)
{
    struct membership m = three();
    struct membership_view v = view_of(&m, NULL, 0);
    assert_int_equal(membership_plan(&v).kind, MEMBERSHIP_STEP_DONE);
}

static void it_is_as_wanted(void **state)
{
    struct membership m = three();
    struct membership_view v = view_of(&m, m.members, 3);
    assert_int_equal(membership_plan(&v).kind, MEMBERSHIP_STEP_DONE);
}

static void a_dead_voter_goes_when_its_replacement_stands_by(void **state)
{
    struct membership m = three();
    const struct member wanted[] = {member(1, 1), member(2, 2), member(4, 4)};
    struct membership_view v = view_of(&m, wanted, 3);
    v.alive = 1 | 2;
    expect_change(membership_plan(&v), MEMBERSHIP_ADD_LEARNER, 4);
    take(&m, membership_plan(&v));
    v.alive = 1 | 2 | 8;
    v.caught_up = 0;
    assert_int_equal(membership_plan(&v).kind, MEMBERSHIP_STEP_WAIT);
    v.caught_up = 8;
    expect_change(membership_plan(&v), MEMBERSHIP_REMOVE, 3);
    take(&m, membership_plan(&v));
    v.alive = 1 | 2 | 4;
    v.caught_up = 4;
    expect_change(membership_plan(&v), MEMBERSHIP_PROMOTE, 4);
    take(&m, membership_plan(&v));
    assert_int_equal(membership_plan(&v).kind, MEMBERSHIP_STEP_DONE);
}

static void a_live_voter_goes_after_its_replacement_counts(void **state)
{
    struct membership m = three();
    const struct member wanted[] = {member(1, 1), member(2, 2), member(4, 4)};
    struct membership_view v = view_of(&m, wanted, 3);
    take(&m, membership_plan(&v));
    expect_change(membership_plan(&v), MEMBERSHIP_PROMOTE, 4);
    take(&m, membership_plan(&v));
    expect_change(membership_plan(&v), MEMBERSHIP_REMOVE, 3);
    take(&m, membership_plan(&v));
    assert_int_equal(membership_plan(&v).kind, MEMBERSHIP_STEP_DONE);
}

static void a_leader_that_is_not_wanted_hands_over_last(void **state)
{
    struct membership m = three();
    const struct member wanted[] = {member(2, 2), member(3, 3), member(4, 4)};
    struct membership_view v = view_of(&m, wanted, 3);
    v.preferred = 3;
    take(&m, membership_plan(&v));
    take(&m, membership_plan(&v));
    struct membership_step step = membership_plan(&v);
    assert_int_equal(step.kind, MEMBERSHIP_STEP_TRANSFER);
    assert_int_equal(step.transfer_to, 3);
    v.self = 3;
    expect_change(membership_plan(&v), MEMBERSHIP_REMOVE, 1);
}

static void nobody_hands_over_to_a_log_replica(void **state)
{
    struct member members[] = {member(1, 1), member(2, 2), member(3, 3)};
    members[1].kind = MEMBER_LOG;
    struct membership m;
    assert_int_equal(membership_init(&m, members, 3), ERR_OK);
    const struct member wanted[] = {members[1], members[2]};
    struct membership_view v = view_of(&m, wanted, 2);
    assert_int_equal(membership_plan(&v).transfer_to, 3);
    v.alive = 1 | 2;
    assert_int_equal(membership_plan(&v).kind, MEMBERSHIP_STEP_WAIT);
}

static void a_newcomer_on_the_node_of_a_dead_replica_waits_for_its_removal(void **state)
{
    struct membership m = three();
    const struct member wanted[] = {member(1, 1), member(2, 2), member(4, 3)};
    struct membership_view v = view_of(&m, wanted, 3);
    v.alive = 1 | 2;
    expect_change(membership_plan(&v), MEMBERSHIP_REMOVE, 3);
    take(&m, membership_plan(&v));
    expect_change(membership_plan(&v), MEMBERSHIP_ADD_LEARNER, 4);
}

static void a_quorum_that_lives_is_never_given_up(void **state)
{
    struct membership m = three();
    const struct member wanted[] = {member(1, 1), member(3, 3)};
    struct membership_view v = view_of(&m, wanted, 2);
    v.alive = 1 | 2; /* the wanted 3 is dead: without 2 there would be one of two */
    assert_int_equal(membership_plan(&v).kind, MEMBERSHIP_STEP_WAIT);
}

static void rows_are_never_given_up(void **state)
{
    struct member members[] = {member(1, 1), member(2, 2), member(3, 3)};
    members[0].kind = members[2].kind = MEMBER_LOG;
    struct membership m;
    assert_int_equal(membership_init(&m, members, 3), ERR_OK);
    const struct member wanted[] = {members[0], members[2]};
    struct membership_view v = view_of(&m, wanted, 2);
    assert_int_equal(membership_plan(&v).kind, MEMBERSHIP_STEP_WAIT);
}

static void an_earlier_newcomer_that_is_away_is_not_passed_by(void **state)
{
    struct membership m = three();
    const struct member wanted[] = {member(1, 1), member(5, 5), member(4, 4)};
    struct membership_view v = view_of(&m, wanted, 3);
    v.reachable = 1 | 2;
    assert_int_equal(membership_plan(&v).kind, MEMBERSHIP_STEP_WAIT);
}

static void one_that_was_removed_is_not_waited_for_at_the_cost_of_others(void **state)
{
    struct membership m = three();
    const struct member gone[] = {member(1, 1), member(2, 2), member(4, 4)};
    m.replica_id_floor = 6; /* 4 was here, and 5 */
    struct membership_view v = view_of(&m, gone, 3);
    assert_int_equal(membership_plan(&v).kind, MEMBERSHIP_STEP_WAIT);
}

static void an_unwanted_learner_goes_first(void **state)
{
    struct membership m = three();
    const struct member more[] = {member(1, 1), member(2, 2), member(3, 3), member(4, 4)};
    struct membership_view v = view_of(&m, more, 4);
    take(&m, membership_plan(&v));
    v.wanted_count = 3;
    expect_change(membership_plan(&v), MEMBERSHIP_REMOVE, 4);
}

/* ---- all of a small fleet ---- */

struct run {
    struct membership m;
    struct member wanted[4];
    uint32_t wanted_count;
    uint32_t dead_nodes;
    uint64_t leader;
};

static bool lives(const struct run *run, uint32_t node_id)
{
    return (run->dead_nodes >> node_id & 1) == 0;
}

static uint32_t living_voters(const struct run *run, bool must_have_rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < run->m.count; i++)
        count += run->m.members[i].role == MEMBER_VOTER && lives(run, run->m.members[i].node_id) &&
                 (!must_have_rows || run->m.members[i].kind == MEMBER_STORAGE);
    return count;
}

static struct membership_step next(const struct run *run)
{
    struct membership_view v = {.current = &run->m,
                                .self = run->leader,
                                .wanted = run->wanted,
                                .wanted_count = run->wanted_count,
                                .caught_up = (uint32_t)ALL};
    for (uint32_t i = 0; i < run->m.count; i++)
        v.alive |= (uint32_t)lives(run, run->m.members[i].node_id) << i;
    for (uint32_t i = 0; i < run->wanted_count; i++)
        v.reachable |= (uint32_t)lives(run, run->wanted[i].node_id) << i;
    return membership_plan(&v);
}

static bool is_as_wanted(const struct run *run)
{
    if (run->m.count != run->wanted_count)
        return false;
    for (uint32_t i = 0; i < run->wanted_count; i++) {
        const struct member *m = membership_find(&run->m, run->wanted[i].replica_id);
        if (m == NULL || m->role != MEMBER_VOTER)
            return false;
    }
    return true;
}

/* To its end: DONE or WAIT. */
static enum membership_step_kind drive(struct run *run)
{
    for (int i = 0; i < STEPS_MAX; i++) {
        struct membership_step step = next(run);
        if (step.kind == MEMBERSHIP_STEP_TRANSFER) {
            const struct member *to = membership_find(&run->m, step.transfer_to);
            assert_true(to != NULL && to->role == MEMBER_VOTER && to->kind == MEMBER_STORAGE &&
                        lives(run, to->node_id) && step.transfer_to != run->leader);
            run->leader = step.transfer_to;
        } else if (step.kind == MEMBERSHIP_STEP_CHANGE) {
            assert_int_not_equal(step.change.kind == MEMBERSHIP_REMOVE ? step.change.member.replica_id : 0,
                                 run->leader);
            take(&run->m, step);
        } else {
            return step.kind;
        }
        assert_true(living_voters(run, false) >= membership_quorum(&run->m));
        assert_true(living_voters(run, true) > 0);
    }
    fail_msg("it never ends");
    return MEMBERSHIP_STEP_WAIT;
}

/* Replica i + 1 on node i + 1; `voters` says which of 1..3 there are, `wanted` which of 1..6 shall be. */
static bool set_up(struct run *run, uint32_t voters, uint32_t wanted, uint32_t log_replicas)
{
    struct member members[3];
    uint32_t count = 0;
    for (uint32_t i = 0; i < 3; i++)
        if (voters >> i & 1)
            members[count++] = member(i + 1, i + 1);
    if (count == 0 || membership_init(&run->m, members, count) != ERR_OK)
        return false;
    run->m.replica_id_floor = 4;
    run->wanted_count = 0;
    for (uint32_t i = 0; i < 6; i++) {
        if ((wanted >> i & 1) == 0)
            continue;
        if (run->wanted_count == 4)
            return false;
        struct member m = member(i + 1, i + 1);
        m.kind = i >= 3 && (log_replicas >> (i - 3) & 1) != 0 ? MEMBER_LOG : MEMBER_STORAGE;
        run->wanted[run->wanted_count++] = m;
    }
    run->leader = members[0].replica_id;
    return run->wanted_count > 0;
}

/* Those that are wanted and cannot be, as they were removed, are out of the question. */
static bool is_possible(const struct run *run)
{
    uint32_t storage = 0;
    for (uint32_t i = 0; i < run->wanted_count; i++) {
        const struct member *m = &run->wanted[i];
        if (m->replica_id < 4 && membership_find(&run->m, m->replica_id) == NULL)
            return false;
        storage += m->kind == MEMBER_STORAGE;
    }
    return storage > 0;
}

static void every_wish_comes_true_where_all_live_and_nothing_breaks_where_not(void **state)
{
    for (uint32_t at = 0; at < 8 * 64 * 8 * 64; at++) {
        struct run run = {.dead_nodes = (at / (8 * 64 * 8)) << 1};
        if (!set_up(&run, at % 8, at / 8 % 64, at / (8 * 64) % 8))
            continue;
        if (living_voters(&run, false) < membership_quorum(&run.m) ||
            !lives(&run, membership_find(&run.m, run.leader)->node_id))
            continue;
        bool is_possible_at_all = is_possible(&run);
        enum membership_step_kind end = drive(&run);
        assert_true((end == MEMBERSHIP_STEP_DONE) == is_as_wanted(&run));
        if (run.dead_nodes == 0 && is_possible_at_all)
            assert_int_equal(end, MEMBERSHIP_STEP_DONE);
    }
}

/* Wishes change in the middle, nodes die and come back, leaders change: nothing that must not happen does. */
static void wishes_that_change_in_the_middle_break_nothing(void **state)
{
    struct random random;
    random_init(&random, 7);
    for (int round = 0; round < 2000; round++) {
        struct run run = {0};
        run.m = three();
        run.leader = 1;
        uint64_t next_id = 4;
        for (int wish = 0; wish < 8; wish++) {
            uint32_t used = 0;
            run.wanted_count = 0;
            while (run.wanted_count < 3) {
                const struct member *kept = &run.m.members[random_below(&random, run.m.count)];
                struct member m = random_below(&random, 2) == 0
                                      ? *kept
                                      : member(next_id++, (uint32_t)random_below(&random, 6) + 1);
                if (used >> m.node_id & 1)
                    continue;
                used |= 1U << m.node_id;
                run.wanted[run.wanted_count++] = m;
            }
            run.wanted[0].kind = MEMBER_STORAGE;
            run.dead_nodes = 1U << random_below(&random, 8);
            const struct member *leader = membership_find(&run.m, run.leader);
            if (!lives(&run, leader->node_id) || living_voters(&run, false) < membership_quorum(&run.m) ||
                living_voters(&run, true) == 0)
                continue;
            (void)drive(&run);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_wanted),
        cmocka_unit_test(it_is_as_wanted),
        cmocka_unit_test(a_dead_voter_goes_when_its_replacement_stands_by),
        cmocka_unit_test(a_live_voter_goes_after_its_replacement_counts),
        cmocka_unit_test(a_leader_that_is_not_wanted_hands_over_last),
        cmocka_unit_test(nobody_hands_over_to_a_log_replica),
        cmocka_unit_test(a_newcomer_on_the_node_of_a_dead_replica_waits_for_its_removal),
        cmocka_unit_test(a_quorum_that_lives_is_never_given_up),
        cmocka_unit_test(rows_are_never_given_up),
        cmocka_unit_test(an_earlier_newcomer_that_is_away_is_not_passed_by),
        cmocka_unit_test(one_that_was_removed_is_not_waited_for_at_the_cost_of_others),
        cmocka_unit_test(an_unwanted_learner_goes_first),
        cmocka_unit_test(every_wish_comes_true_where_all_live_and_nothing_breaks_where_not),
        cmocka_unit_test(wishes_that_change_in_the_middle_break_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

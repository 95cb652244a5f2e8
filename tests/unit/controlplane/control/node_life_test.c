#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controlplane/control/node_life.h"

enum { SECOND = 1000000, BEGIN = 100 * SECOND };

static const struct node_life_limits limits = {
    .dead_us = 2 * SECOND, .abandon_us = 30 * SECOND, .return_us = 5 * SECOND};

static enum node_life after(enum node_life life, uint64_t silent_us, bool is_cut_off)
{
    const struct node_signs signs = {.heard_at_us = BEGIN,
                                     .listening_at_us = BEGIN - SECOND,
                                     .is_cut_off = is_cut_off,
                                     .life = life,
                                     .life_at_us = BEGIN};
    return node_life_now(&signs, &limits, BEGIN + silent_us);
}

static void silence_makes_a_node_suspect_then_dead_then_abandoned(void **state)
{
    assert_int_equal(after(NODE_ALIVE, 900000, false), NODE_ALIVE);
    assert_int_equal(after(NODE_ALIVE, SECOND, false), NODE_SUSPECT);
    assert_int_equal(after(NODE_SUSPECT, 1999999, false), NODE_SUSPECT);
    assert_int_equal(after(NODE_SUSPECT, 2 * SECOND, false), NODE_DEAD);
    assert_int_equal(after(NODE_DEAD, 31 * SECOND, false), NODE_DEAD);
    assert_int_equal(after(NODE_DEAD, 32 * SECOND, false), NODE_ABANDONED);
    assert_int_equal(after(NODE_SUSPECT, 0, false), NODE_ALIVE);
}

static void a_closed_connection_makes_it_quicker(void **state)
{
    assert_int_equal(after(NODE_ALIVE, 1499999, true), NODE_SUSPECT);
    assert_int_equal(after(NODE_ALIVE, 1500000, true), NODE_DEAD);
    assert_int_equal(after(NODE_ALIVE, 1500000, false), NODE_SUSPECT);
}

static void who_is_back_must_stay_for_a_while(void **state)
{
    assert_int_equal(after(NODE_DEAD, 1000, false), NODE_RETURNING);
    assert_int_equal(after(NODE_ABANDONED, 1000, false), NODE_RETURNING);
    struct node_signs signs = {
        .heard_at_us = BEGIN + 4 * SECOND, .life = NODE_RETURNING, .life_at_us = BEGIN};
    assert_int_equal(node_life_now(&signs, &limits, BEGIN + 4 * SECOND), NODE_RETURNING);
    signs.heard_at_us = BEGIN + 5 * SECOND;
    assert_int_equal(node_life_now(&signs, &limits, BEGIN + 5 * SECOND), NODE_ALIVE);
    assert_int_equal(after(NODE_RETURNING, 2 * SECOND, false), NODE_DEAD);
}

static void a_control_that_has_just_begun_waits_before_it_judges(void **state)
{
    struct node_signs signs = {.listening_at_us = BEGIN, .life = NODE_NEVER_HEARD};
    assert_int_equal(node_life_now(&signs, &limits, BEGIN + SECOND), NODE_NEVER_HEARD);
    assert_int_equal(node_life_now(&signs, &limits, BEGIN + 2 * SECOND), NODE_DEAD);
    signs.heard_at_us = BEGIN - 60 * SECOND; /* it stood still itself */
    signs.life = NODE_ALIVE;
    assert_int_equal(node_life_now(&signs, &limits, BEGIN + SECOND / 2), NODE_ALIVE);
}

static void a_node_whose_name_another_has_is_given_up(void **state)
{
    const struct node_signs signs = {.heard_at_us = BEGIN, .is_given_up = true, .life = NODE_ALIVE};
    assert_int_equal(node_life_now(&signs, &limits, BEGIN), NODE_ABANDONED);
}

static void every_life_has_a_name(void **state)
{
    for (int life = 0; life < NODE_LIVES; life++)
        assert_non_null(node_life_name((enum node_life)life));
    assert_string_equal(node_life_name(NODE_SUSPECT), "suspect");
    assert_true(node_life_is_silent(NODE_ABANDONED) && !node_life_is_silent(NODE_RETURNING));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_makes_a_node_suspect_then_dead_then_abandoned),
        cmocka_unit_test(a_closed_connection_makes_it_quicker),
        cmocka_unit_test(who_is_back_must_stay_for_a_while),
        cmocka_unit_test(a_control_that_has_just_begun_waits_before_it_judges),
        cmocka_unit_test(a_node_whose_name_another_has_is_given_up),
        cmocka_unit_test(every_life_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/sm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

enum { HELD, SENT, DONE, STATES };

static const struct sm_row rows[STATES] = {
    [HELD] = {"held", SM_TO(SENT) | SM_TO(DONE)},
    [SENT] = {"sent", SM_TO(DONE)},
    [DONE] = {"done", 0},
};

static int from_seen, to_seen;

static void on_move(const struct sm *sm, int from, int to)
{
    from_seen = from;
    to_seen = to;
}

static void allowed_moves_are_made_and_told(void **state)
{
    struct sm sm;
    sm_init(&sm, "call", rows, STATES, HELD);
    sm.observe = on_move;
    assert_true(sm_may_move(&sm, SENT));
    assert_false(sm_may_move(&sm, HELD));
    assert_false(sm_may_move(&sm, STATES));
    assert_false(sm_may_move(&sm, -1));
    sm_move(&sm, SENT);
    assert_string_equal(sm_state_name(&sm), "sent");
    assert_int_equal(from_seen, HELD);
    assert_int_equal(to_seen, SENT);
}

static bool is_never_done(const struct sm *sm)
{
    return sm->state != DONE;
}

static bool aborts(int to, bool (*check)(const struct sm *))
{
    pid_t pid = fork();
    if (pid == 0) {
        close(STDERR_FILENO);
        struct sm sm;
        sm_init(&sm, "call", rows, STATES, HELD);
        sm.check = check;
        sm_move(&sm, to);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status);
}

static void other_moves_and_broken_invariants_assert(void **state)
{
    assert_true(aborts(HELD, NULL));
    assert_false(aborts(DONE, NULL));
    assert_true(aborts(DONE, is_never_done));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allowed_moves_are_made_and_told),
        cmocka_unit_test(other_moves_and_broken_invariants_assert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

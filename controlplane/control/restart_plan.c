#include "controlplane/control/restart_plan.h"

enum restart_state restart_state(const struct restart_step *step, const struct restart_seen *seen)
{
    if (!seen->is_there)
        return RESTART_RETURNING;
    if (seen->boot == step->boot)
        return RESTART_WAITING;
    return seen->is_ready ? RESTART_DONE : RESTART_RETURNING;
}

static bool serve_all_but(const struct restart_seen *seen, size_t count, size_t one)
{
    for (size_t i = 0; i < count; i++)
        if (i != one && !(seen[i].is_there && seen[i].is_ready))
            return false;
    return true;
}

struct restart_verdict restart_decide(const struct restart_step *steps, const struct restart_seen *seen,
                                      size_t count, bool is_whole)
{
    struct restart_verdict verdict = {.current = 0};
    while (verdict.current < count &&
           restart_state(&steps[verdict.current], &seen[verdict.current]) == RESTART_DONE)
        verdict.current++;
    if (verdict.current == count)
        verdict.is_finished = is_whole;
    else
        verdict.is_order = is_whole && serve_all_but(seen, count, verdict.current) &&
                           restart_state(&steps[verdict.current], &seen[verdict.current]) == RESTART_WAITING;
    return verdict;
}

#include "base/sm.h"

#include <stddef.h>

#include "base/assert.h"

void sm_init(struct sm *sm, const char *name, const struct sm_row *rows, int count, int state)
{
    ASSERT(count > 0 && count <= SM_STATES_MAX && state >= 0 && state < count);
    *sm = (struct sm){.state = state, .rows = rows, .count = count, .name = name};
}

bool sm_may_move(const struct sm *sm, int to)
{
    return to >= 0 && to < sm->count && (sm->rows[sm->state].next & SM_TO(to)) != 0;
}

void sm_move(struct sm *sm, int to)
{
    ASSERT(sm_may_move(sm, to));
    int from = sm->state;
    sm->state = to;
    ASSERT(sm->check == NULL || sm->check(sm));
    if (sm->observe != NULL)
        sm->observe(sm, from, to);
}

const char *sm_state_name(const struct sm *sm)
{
    return sm->rows[sm->state].name;
}

/* State machines: an enum, a table of allowed moves, and one function that makes them.
 *
 *     enum { CALL_HELD, CALL_SENT, CALL_DONE, CALL_STATES };
 *     static const struct sm_row call_states[CALL_STATES] = {
 *         [CALL_HELD] = {"held", SM_TO(CALL_SENT) | SM_TO(CALL_DONE)},
 *         [CALL_SENT] = {"sent", SM_TO(CALL_DONE)},
 *         [CALL_DONE] = {"done", 0},
 *     };
 *
 * A move that is not in the table is our mistake and asserts. After dqlite's lib/sm.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { SM_STATES_MAX = 64 };

#define SM_TO(state) (UINT64_C(1) << (state))

struct sm_row {
    const char *name;
    uint64_t next; /* SM_TO of each state that may follow */
};

struct sm;
/* Tells of each move: for traces and logs. */
typedef void (*sm_observer)(const struct sm *sm, int from, int to);

struct sm {
    int state;
    /* Leave alone. */
    const struct sm_row *rows;
    int count;
    const char *name;
    bool (*check)(const struct sm *sm); /* the invariant after each move; may be NULL */
    sm_observer observe;                /* may be NULL */
};

void sm_init(struct sm *sm, const char *name, const struct sm_row *rows, int count, int state);
void sm_move(struct sm *sm, int to);
bool sm_may_move(const struct sm *sm, int to);
const char *sm_state_name(const struct sm *sm);

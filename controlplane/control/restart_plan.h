/* A rolling restart: one process after the other, each of them only while all the others serve. Pure.
 *
 * Nothing but the list is stored: a step is done when its process is seen in another life than at the list's making. So
 * whoever is control next goes on where the last one was, and a process that crashed meanwhile has had its turn. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RESTART_ROLE_BYTES = 16, RESTART_NAME_BYTES = 128, RESTART_STEPS_MAX = 1024 };

struct restart_step {
    char role[RESTART_ROLE_BYTES]; /* "node", "router", "memds", "control" */
    char name[RESTART_NAME_BYTES];
    uint64_t boot; /* of its life when the restart began */
};

/* What is known of a step's process now. */
struct restart_seen {
    bool is_there; /* heard lately */
    bool is_ready; /* ... and it serves, with all that it had missed */
    uint64_t boot;
};

enum restart_state { RESTART_WAITING, RESTART_RETURNING, RESTART_DONE };

enum restart_state restart_state(const struct restart_step *step, const struct restart_seen *seen);

struct restart_verdict {
    bool is_finished;
    bool is_order;  /* tell the process of `current` to start again */
    size_t current; /* the first that is not done; count: none */
};

/* is_whole  each partition has all its replicas and a leader */
struct restart_verdict restart_decide(const struct restart_step *steps, const struct restart_seen *seen,
                                      size_t count, bool is_whole);

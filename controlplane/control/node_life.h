/* Is a node there? A state machine over the times of its heartbeats (boot clock).
 *
 *                    heard           silent for dead_us / 2       dead_us        dead_us + abandon_us
 *     NEVER_HEARD ----------> ALIVE <-------------> SUSPECT ----------> DEAD -------------> ABANDONED
 *                               ^                                        | heard                | heard
 *                               +------- RETURNING, for return_us <------+----------------------+
 *
 * DEAD is cheap to be wrong about: log replicas stand in, and what the node has stays a member of its groups. ABANDONED is
 * not: its replicas are built again elsewhere. Who is back must stay for a while before others give up what they hold in
 * its place. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum node_life {
    NODE_NEVER_HEARD, /* since this control began, and that is not long ago */
    NODE_ALIVE,
    NODE_SUSPECT, /* a heartbeat is overdue */
    NODE_DEAD,
    NODE_ABANDONED, /* also when its disk is another one now, or when it was removed */
    NODE_RETURNING,
    NODE_LIVES /* how many there are */
};

struct node_life_limits {
    uint64_t dead_us;
    uint64_t abandon_us;
    uint64_t return_us;
};

/* What is known of a node. */
struct node_signs {
    uint64_t heard_at_us;     /* 0 = never */
    uint64_t listening_at_us; /* since when we would have heard it */
    bool is_cut_off;          /* the connection of its last heartbeat is closed: see node_life_now */
    bool is_given_up;         /* another data directory has its name, or an operator has removed it */
    enum node_life life;      /* up to now */
    uint64_t life_at_us;      /* when it became that */
};

/* What it is now. Once its connection is closed a node is dead after three quarters of dead_us: a process that was killed
 * closes its connections, one that is only slow does not. */
enum node_life node_life_now(const struct node_signs *signs, const struct node_life_limits *limits,
                             uint64_t now_us);
/* "alive", "suspect", ...: for people. */
const char *node_life_name(enum node_life life);

/* It does not say anything, and has had the time to. */
static inline bool node_life_is_silent(enum node_life life)
{
    return life == NODE_DEAD || life == NODE_ABANDONED;
}

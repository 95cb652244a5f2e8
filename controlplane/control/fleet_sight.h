/* What control sees of the fleet's processes: who is there, in which life, and whether each partition has all its replicas.
 * Nodes are in the catalog; routers and MemDS, which have no goals, are here. */
#pragma once

#include "controlplane/control/control_internal.h"
#include "controlplane/control/restart_plan.h"

enum { SIGHT_PROCESSES_MAX = 256, SIGHT_WORDS_BYTES = 256 };

struct seen_process {
    char role[RESTART_ROLE_BYTES];
    char name[RESTART_NAME_BYTES];
    uint64_t boot;
    bool is_ready;
    uint64_t heard_at_us;
};

/* Zero it first. */
struct fleet_sight {
    struct seen_process processes[SIGHT_PROCESSES_MAX];
    size_t count;
    uint64_t own_boot;
};

/* A router or MemDS says what it is. One beyond the table's size, or without a fitting name, is not seen. */
void sight_note(struct fleet_sight *sight, const char *role, const char *name, uint64_t boot, bool is_ready,
                uint64_t now_us);
/* Those that have been silent for ten minutes were taken away. */
void sight_forget_old(struct fleet_sight *sight, uint64_t now_us);
/* The step's process, as it is now. */
struct restart_seen sight_of(const struct control *control, const struct fleet_sight *sight,
                             const struct restart_step *step);
/* All processes in the order in which they are to start again: nodes, routers, MemDS, control. ERR_LIMIT, and with words
 * ERR_UNAVAILABLE: one of them is not there or does not serve. */
enum err sight_list(const struct control *control, const struct fleet_sight *sight,
                    struct restart_step steps[RESTART_STEPS_MAX], size_t *ret_count,
                    char why[SIGHT_WORDS_BYTES]) MUST_CHECK;
/* Each partition has all its replicas, on nodes that are there, and a leader; if not, `why` says what is missing. */
bool sight_is_whole(const struct control *control, char why[SIGHT_WORDS_BYTES]);

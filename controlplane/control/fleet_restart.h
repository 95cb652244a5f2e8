/* The rolling restart of a fleet, as control carries it out: docs/decisions/0022. What happens next is decided by
 * restart_plan.h; here is what control sees of the processes, the order to start again, and the row in PostgreSQL. */
#pragma once

#include "controlplane/control/control_internal.h"

/* ERR_NO_MEMORY */
enum err control_restart_init(struct control *control) MUST_CHECK;
void control_restart_deinit(struct control *control);
/* What the database says; NULL: that there never was a restart. ERR_CORRUPT, ERR_NO_MEMORY */
enum err control_restart_load(struct control *control, const char *json) MUST_CHECK;
/* From time to time while this control is the active one. */
void control_restart_tick(struct control *control);
/* A router says that it is there. */
void control_restart_on_process(struct control *control, struct wire_call call, const struct frame *frame);
/* The boot epoch of the process that is to start again now; 0: none. */
uint64_t control_restart_boot(const struct control *control);

/* For operators. Begin: the answer refuses with ERR_RESOURCE_IN_USE while one is under way, and with ERR_UNAVAILABLE's
 * exception while a partition lacks a replica or a process does not serve. Stop: what was told to start again does so. */
void control_restart_begin(struct control *control, struct answer *answer, answer_cb done, void *data);
void control_restart_stop(struct control *control, struct answer *answer, answer_cb done, void *data);
void control_restart_show(const struct control *control, struct answer *answer);

/* Moves the lead of a partition, as an operator asks for it: it is stored which replica is to lead, and the nodes carry it out. */
#pragma once

#include <stdint.h>

#include "controlplane/control/control_internal.h"

/* `done` gets the answer once it is stored; the hand-over follows within about a second, as soon as the node called
 * `node_name` can take the lead over. Asking twice is harmless. The answer refuses with
 * ERR_RESOURCE_NOT_FOUND  no such partition, or no storage replica of it on that node */
void control_move_lead(struct control *control, uint64_t group_id, const char *node_name,
                       struct answer *answer, answer_cb done, void *data);

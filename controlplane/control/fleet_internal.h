/* What the files fleet_*.c share: how control looks after nodes and replicas. The decisions are in node_life.h, repair.h and
 * balance.h, which know nothing of the catalog.
 *
 *     fleet_life.c    a timer: who lives                fleet_view.c     catalog --> what the cores look at
 *     fleet_report.c  memberships as leaders say them   fleet_repair.c   their steps --> one transaction --> catalog
 *     fleet_steps.c   a step as SQL, and in the catalog     fleet_json.c     for people                               */
#pragma once

#include "controlplane/control/balance.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/control/repair.h"

/* ---- fleet_view.c ---- */

struct fleet_view {
    struct repair_fleet fleet;
    struct node **origins; /* same order */
    uint32_t moves;        /* replicas that are leaving their nodes for balance */
};

/* All nodes as they are. ERR_NO_MEMORY */
enum err fleet_view_init(struct fleet_view *view, const struct control *control) MUST_CHECK;
void fleet_view_deinit(struct fleet_view *view);
/* Same order of replicas; nodes by their index in the newest view. */
void fleet_view_group(const struct partition *partition, struct repair_group *to);
/* A storage replica that does not vote yet. */
bool fleet_is_build(const struct replica *r);

/* ---- fleet_steps.c ---- */

/* A step in the catalog's terms. */
struct fleet_step {
    enum repair_kind kind;
    struct partition *partition;
    struct replica *replica; /* of an ADD: none */
    struct node *node;       /* of an ADD */
    uint64_t new_id;         /* of an ADD */
};

void fleet_step_store(const struct fleet_step *step, struct sql_batch *batch);
/* After the commit. ERR_NO_MEMORY */
enum err fleet_step_apply(struct control *control, const struct fleet_step *step) MUST_CHECK;

/* ---- fleet_json.c: NULL, or without a part, when there is no memory ---- */

struct json_t;
struct json_t *fleet_json(const struct control *control);
struct json_t *fleet_node_json(const struct node *node);
struct json_t *fleet_show_json(const struct node *node);

/* ---- fleet_repair.c ---- */

enum err fleet_repair_init(struct control *control) MUST_CHECK;
void fleet_repair_deinit(struct control *control);
/* Some times a second: begins a walk when one is due. */
void fleet_repair_look(struct control *control);

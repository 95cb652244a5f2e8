/* The node's talk with control: reports of what it holds, goals of what it should hold.
 *
 * A heartbeat is a long poll: control answers at once when there is something new for us, else after
 * HEARTBEAT_WAIT; a newer heartbeat ends the wait of the older one, so a changed report leaves at once too.
 * Without control nothing happens here but tries to reach it; the data plane does not care. One loop owns it.
 */
#pragma once

#include "base/arena.h"
#include "base/wire_client.h"
#include "controlplane/proto/controlplane.pb-c.h"

struct goals;

struct goals_options {
    const char *addresses; /* control's, "127.0.0.1:8012,..." */
    struct wire_identity identity;
    struct wire_metrics *wire_metrics;
    /* Who we are; borrowed for the life of the object. node_id 0: not known yet. */
    const char *node_name;
    const char *zone;
    const char *host;
    uint16_t port;
    uint32_t loops;
    uint32_t node_id;
    uint64_t boot_epoch; /* random per process start */
    /* List the replicas whose report changed after `since_version` (0: all), in the arena. */
    void (*fill_report)(uint64_t since_version, Sluice__Controlplane__NodeHeartbeat *heartbeat,
                        struct arena *arena, void *data);
    /* The version of the newest change of any report; grows. */
    uint64_t (*report_version)(void *data);
    /* Take goals up and say so by goals_taken, once, in this call or later. Must be idempotent. */
    void (*on_goals)(const Sluice__Controlplane__NodeGoals *goals, void *data);
    /* Control wants this life of the process to end, and the next to begin; perhaps more than once. */
    void (*on_restart)(void *data);
    void *data;
};

/* ERR_CONFIG, ERR_NO_MEMORY */
enum err goals_create(struct loop *loop, const struct goals_options *options, struct goals **ret_goals,
                      struct error *error) MUST_CHECK;
void goals_destroy(struct goals *g);

/* What on_goals was given with this goals_version is taken up, in the order in which it was given. are_all false: not all
 * of it could be; it comes again. */
void goals_taken(struct goals *g, uint64_t goals_version, bool are_all);

/* A report has changed: send it soon. */
void goals_report(struct goals *g);

/* Tells every MemDS who serves which range: leaders publish their groups' routes as they change.
 *
 * A group is marked; its route is described when it is sent, so that a burst of changes is one message. All
 * MemDS are told at the same time, and one that is slow or away delays no other. What a MemDS did not take is sent
 * again; a MemDS that (re)connects gets all led groups. Aim: a new leader is known everywhere within 100 ms. One
 * loop owns it. */
#pragma once

#include "base/arena.h"
#include "base/wire_client.h"
#include "controlplane/proto/controlplane.pb-c.h"

struct publisher;

struct publisher_options {
    const char *addresses; /* "127.0.0.1:8010,127.0.0.1:8016" */
    struct wire_identity identity;
    struct wire_metrics *wire_metrics;
    struct metric_counter *published; /* may be NULL */
    struct metric_histogram *time;    /* from a mark to a MemDS's acknowledgement, of each; may be NULL */
    /* The route as it is now, in the arena; NULL when this node does not lead the group. */
    Sluice__Controlplane__GroupRoute *(*describe)(uint64_t group_id, struct arena *arena, void *data);
    /* Call publisher_mark for every group that this node leads. */
    void (*mark_all)(struct publisher *p, void *data);
    void *data;
};

/* ERR_CONFIG: the addresses are not understood. ERR_NO_MEMORY */
enum err publisher_create(struct loop *loop, const struct publisher_options *options,
                          struct publisher **ret_publisher, struct error *error) MUST_CHECK;
void publisher_destroy(struct publisher *p);

/* The group's route has changed (or may have): publish it soon. */
void publisher_mark(struct publisher *p, uint64_t group_id);

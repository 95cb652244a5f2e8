/* sluice-control: every control operation, on top of PostgreSQL.
 *
 * Serves on its data port: operations of tenants that routers pass on (CONTROL), heartbeats of nodes (NODE_HEARTBEAT);
 * on its operator port: tenants, keys, the fleet, as JSON over HTTP with a bearer token. Pushes bundles to every MemDS.
 * Of several controls the one with PostgreSQL's advisory lock is active; the others refuse with ERR_NOT_LEADER. Without
 * PostgreSQL all is refused with ERR_UNAVAILABLE, and the data plane goes on without us. One loop. */
#pragma once

#include "base/admin.h"
#include "base/daemon.h"
#include "controlplane/bundle/cluster_key.h"

struct control;
struct wire_metrics;

struct fleet_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "controlplane/control/fleet_metrics.def"
#undef METRIC
};
extern const struct metric_table fleet_metric_table;

struct control_options {
    const char *host;
    uint16_t port;
    uint16_t operator_port;
    const char *operator_token; /* what bearers must show */
    const char *database;       /* libpq's connection string */
    const char *memds;          /* addresses: "127.0.0.1:8010,..." */
    const char *region;
    uint64_t cluster_id;
    struct cluster_key key;
    uint64_t job_timeout_us;
    uint64_t node_timeout_us; /* without a heartbeat for so long a node is dead */
    uint64_t node_abandon_us; /* dead for so long its replicas are built elsewhere */
    uint64_t node_return_us;  /* heard again, it must stay for so long to count */
    uint32_t node_builds_max; /* storage replicas built at once on a node, */
    uint32_t builds_max;      /* and in all */
    uint32_t moves_max;       /* of these, for balance */
    struct fleet_metrics *fleet_metrics;
    struct wire_metrics *wire_metrics; /* of this loop; may be NULL */
    struct mailbox *mailbox;           /* into the loop */
    /* Active or not any more: for readiness. */
    void (*on_active)(bool is_active, void *data);
    /* A restart of the fleet has come to this process: drain, stop, start again. May be called more than once. */
    void (*on_restart)(void *data);
    void *data;
};

/* Strings of the options must outlive it. ERR_CONFIG, ERR_EXISTS (a port is taken), ERR_IO, ERR_NO_MEMORY */
enum err control_open(struct loop *loop, const struct control_options *options, struct control **ret_control,
                      struct error *error) MUST_CHECK;
/* Take no new operations; true when none is under way. */
bool control_drain(struct control *control);
/* Closes everything; the loop empties. control_free afterwards. */
void control_close(struct control *control);
void control_free(struct control *control);
uint16_t control_port(const struct control *control);
uint16_t control_operator_port(const struct control *control);

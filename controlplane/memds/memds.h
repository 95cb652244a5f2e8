/* sluice-memds: key -> group in memory, and the last bundle, for routers that must not depend on control.
 *
 * Serves on its data port: PUBLISH_ROUTES (leaders; control for removals), LOOKUP_ROUTES, PUSH_BUNDLE (control),
 * FETCH_BUNDLE (routers; a long poll that ends when something newer comes), COMPARE_ROUTES (other instances) and PROCESS_GOAL
 * (control, which learns that we are there and may want us to start again). Routes live
 * in memory only: leaders publish on every connection, to every instance. Bundles are on disk too (docs/formats/bundle.md).
 *
 * Several instances have the same: each compares itself with each other one about once a second and takes from it what is
 * newer (docs/formats/exchange.md). One that starts is ready when it has caught up with one that is ready. Where there is
 * none, it waits for a time in which leaders publish, and for a bundle: that of its disk, or control's word that it has all. */
#pragma once

#include "base/loop.h"
#include "controlplane/bundle/cluster_key.h"

enum { MEMDS_PEERS_MAX = 8 };

struct memds;
struct wire_metrics;

struct memds_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "controlplane/memds/memds_metrics.def"
#undef METRIC
};
extern const struct metric_table memds_metric_table;

struct memds_options {
    const char *name; /* of this instance, for operators */
    const char *host;
    uint16_t port;
    const char *data_dir; /* exists; the file is "bundle" in it */
    const char *peers;    /* addresses of all instances, our own left out or not; "" = there are no others */
    uint64_t cluster_id;
    struct cluster_key key;
    struct wire_metrics *wire_metrics; /* of this loop; may be NULL */
    struct memds_metrics *metrics;     /* of this loop */
    uint64_t save_delay_us;            /* changes within this time go to disk together */
    uint64_t compare_us;               /* from one comparison with an instance to the next, on average */
    uint64_t patience_us;              /* how long to wait for another instance that is ready */
    void (*on_ready)(void *data);      /* once, never inside memds_open */
    void (*on_restart)(void *data);    /* control's order: drain, stop, start again; perhaps more than once */
    void *data;
};

/* Loads the bundle (blocks). A damaged file is logged, set aside as "bundle.damaged" and rebuilt by others.
 * ERR_CONFIG, ERR_EXISTS (the port is taken), ERR_IO, ERR_NO_MEMORY */
enum err memds_open(struct loop *loop, const struct memds_options *options, struct memds **ret_memds,
                    struct error *error) MUST_CHECK;
/* Answers held fetches, takes no more connections; true when the last change is on disk. */
bool memds_drain(struct memds *memds);
/* Closes everything; the loop empties. memds_free afterwards. */
void memds_close(struct memds *memds);
void memds_free(struct memds *memds);
uint16_t memds_port(const struct memds *memds);

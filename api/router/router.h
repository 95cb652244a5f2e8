/* The router: the tenant's endpoint. HTTP and SigV4 at the front, nodes, MemDS and control behind.
 * See README.md beside this file for threads and invariants. */
#pragma once

#include "base/daemon.h"

struct router;

struct router_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "api/router/router_metrics.def"
#undef METRIC
};

/* Strings are borrowed for the router's life. */
struct router_options {
    const char *name;
    const char *host;
    uint16_t port;
    const char *zone;
    const char *region;
    uint64_t cluster_id;
    const char *cluster_key_file;
    const char *memds; /* "host:port,..." */
    const char *control;
    uint64_t request_us;            /* for one item request, retries included */
    unsigned long_pages;            /* of Query and Scan at once; the others wait (api/router/page_line.h) */
    void (*on_ready)(void *data);   /* keys and tables are known, the port is open */
    void (*on_failed)(void *data);  /* the port cannot be opened */
    void (*on_restart)(void *data); /* control's order: drain, stop, start again; perhaps more than once */
    void *data;
};

/* ERR_CONFIG, ERR_IO, ERR_NO_MEMORY, with words. On failure the process ends: nothing is undone. */
enum err router_create(struct loop *loop, struct metrics *metrics, const struct router_options *options,
                       struct router **ret_router, struct error *error) MUST_CHECK;
/* Take no new connections, answer what is under way. */
void router_drain(struct router *r, void (*drained)(void *data), void *data);
void router_close(struct router *r);

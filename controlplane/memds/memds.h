/* sluice-memds: key -> group in memory, and the last bundle, for routers that must not depend on control.
 *
 * Serves on its data port: PUBLISH_ROUTES (leaders; control for removals), LOOKUP_ROUTES, PUSH_BUNDLE (control) and
 * FETCH_BUNDLE (routers; a long poll that ends when something newer comes). Routes live in memory only: leaders publish on
 * every connection. Bundles are on disk too (docs/formats/bundle.md) and served from there at once after a restart. */
#pragma once

#include "base/loop.h"
#include "controlplane/bundle/cluster_key.h"

struct memds;
struct wire_metrics;

struct memds_options {
    const char *host;
    uint16_t port;
    const char *data_dir; /* exists; the file is "bundle" in it */
    uint64_t cluster_id;
    struct cluster_key key;
    struct wire_metrics *wire_metrics; /* of this loop; may be NULL */
    uint64_t save_delay_us;            /* changes within this time go to disk together */
};

/* Loads the bundle (blocks). A damaged file is logged, set aside as "bundle.damaged" and rebuilt by control.
 * ERR_CONFIG, ERR_EXISTS (the port is taken), ERR_IO, ERR_NO_MEMORY */
enum err memds_open(struct loop *loop, const struct memds_options *options, struct memds **ret_memds,
                    struct error *error) MUST_CHECK;
/* Answers held fetches, takes no more connections; true when the last change is on disk. */
bool memds_drain(struct memds *memds);
/* Closes everything; the loop empties. memds_free afterwards. */
void memds_close(struct memds *memds);
void memds_free(struct memds *memds);
uint16_t memds_port(const struct memds *memds);

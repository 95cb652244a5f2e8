/* A process without goals of its own (a router) tells control twice a second that it is there, so that a rolling restart of the
 * fleet includes it, and hears when its turn has come. Without control nothing happens: the process serves on. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/wire_client.h"

struct presence;

/* Strings are borrowed for its life. */
struct presence_options {
    const char *role; /* "router" */
    const char *name;
    const char *control; /* addresses */
    struct wire_identity identity;
    struct wire_metrics *metrics; /* may be NULL */
    bool (*is_ready)(void *data);
    void (*on_restart)(void *data); /* drain, stop, start again; may be called more than once */
    void *data;
};

/* ERR_CONFIG: an address is not understood. ERR_NO_MEMORY */
enum err presence_start(struct loop *loop, const struct presence_options *options,
                        struct presence **ret_presence, struct error *error) MUST_CHECK;
/* Frees when its calls have ended; NULL is allowed. */
void presence_stop(struct presence *p);

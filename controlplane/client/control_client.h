/* Operations that control serves (CreateTable, ...), asked by routers on behalf of a tenant.
 *
 * The router has authenticated the tenant; control trusts tenant_id. */
#pragma once

#include "controlplane/client/peer_set.h"

/* Views, borrowed for the call. */
struct control_request {
    const char *tenant_id;
    const char *operation; /* "CreateTable" */
    const char *principal_arn;
    const char *request_id; /* the one that the tenant sees */
    struct slice body;      /* JSON */
};

/* Valid during the callback. */
struct control_result {
    int http_status;
    const char *exception; /* full __type; "" on success */
    const char *message;
    uint64_t bundle_version; /* the answer shows in bundles from here on; 0 = nothing changed */
    struct slice body;       /* JSON, on success */
};

/* err ERR_OK: the result is control's answer, good or bad. Otherwise NULL: ERR_UNAVAILABLE (not done),
 * ERR_TIMEOUT or ERR_UNKNOWN_OUTCOME (perhaps done), ERR_INVALID (no sense in the answer), ERR_CLOSED. */
typedef void (*control_call_cb)(enum err err, const struct control_result *result, void *data);

/* deadline_us on the boot clock. ERR_NO_MEMORY: no callback then. */
enum err control_call(struct peer_set *control, const struct control_request *request, uint64_t deadline_us,
                      control_call_cb on_result, void *data) MUST_CHECK;

/* A command as one request to control's operator port (controlplane/control/operator_api.c), and the ways to
 * send it: HTTP (api/cli/transport_curl.h), or a test's script. */
#pragma once

#include "api/cli/command.h"
#include "base/buffer.h"
#include "base/error.h"

enum { CLI_PATH_BYTES = 192, CLI_BODY_BYTES_MAX = 4096, CLI_REPLY_BYTES_MAX = 16 * 1024 * 1024 };

struct operator_call {
    const char *method;
    char path[CLI_PATH_BYTES];
    struct buffer body; /* JSON; empty = none */
};

/* On success the caller deinits ret_call.
 *
 * ERR_CONFIG     a name is not UTF-8
 * ERR_NO_MEMORY
 * Only for verbs that ask control something: not CLI_HELP, not CLI_VERSION. */
enum err operator_call_init(struct operator_call *ret_call, const struct cli_command *command,
                            struct error *error) MUST_CHECK;
void operator_call_deinit(struct operator_call *call);

/* Where control is and how to show that we may ask. */
struct operator_access {
    const char *url;   /* http://host:port or https://..., without a path */
    const char *token; /* printable ASCII */
};

struct operator_transport {
    /* Send the call and collect the whole answer; blocks. `reply` is initialised and empty.
     *
     * ERR_UNAVAILABLE  no answer; whether control saw the call is not known
     * ERR_LIMIT        the answer is longer than the reply may grow */
    enum err (*send)(void *data, const struct operator_access *access, const struct operator_call *call,
                     long *ret_status, struct buffer *reply, struct error *error);
    void *data;
};

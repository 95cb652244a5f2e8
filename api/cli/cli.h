/* One run of `sluice`: words in, text and an exit status out. */
#pragma once

#include <stdio.h>

#include "api/cli/operator_call.h"

enum cli_exit { CLI_EXIT_DONE = 0, CLI_EXIT_FAILED = 1, CLI_EXIT_USAGE = 2 };

struct cli_options {
    const char *environment_url;   /* SLUICE_OPERATOR_URL, or NULL */
    const char *environment_token; /* SLUICE_OPERATOR_TOKEN, or NULL */
    struct operator_transport transport;
    FILE *out; /* the answer, and nothing else */
    FILE *err; /* one line where something went wrong */
};

/* words  as main has them, without the program's name
 *
 * An answer that could not be written to `out` in full is a failure. */
enum cli_exit cli_run(int count, char *const *words, const struct cli_options *options);

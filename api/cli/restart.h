/* The rolling restart of a fleet, as control tells of it (GET /v1/fleet/restart), for people. */
#pragma once

#include <stdio.h>

#include "api/cli/operator_call.h"

struct json_t;

/* Append a line for each process and what is waited for. ERR_INVALID: not the answer that it should be; ERR_NO_MEMORY */
enum err restart_report(const struct json_t *answer, struct buffer *to) MUST_CHECK;

/* Ask every `pause_us` and write a line to `out` for each process that is back, until all are. Control itself starts again
 * meanwhile, so a minute without an answer is borne.
 *
 * ERR_UNAVAILABLE  no answer for longer than that
 * ERR_INVALID      the restart was stopped, or the answer is not the one it should be
 * ERR_IO           `out` cannot be written to
 * ERR_NO_MEMORY */
enum err restart_follow(const struct operator_transport *transport, const struct operator_access *access,
                        FILE *out, uint64_t pause_us, struct error *error) MUST_CHECK;

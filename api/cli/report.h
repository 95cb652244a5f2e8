/* Control's answers as text for people. Pure. */
#pragma once

#include "api/cli/command.h"
#include "base/buffer.h"
#include "base/error.h"

struct json_t;

/* Append the answer to a command that succeeded.
 *
 * ERR_INVALID    the answer lacks what it should have: another version of control, or not control at all
 * ERR_NO_MEMORY  `to` has failed */
enum err report_answer(const struct cli_command *command, const struct json_t *answer, struct buffer *to,
                       struct error *error) MUST_CHECK;

/* What control said when it refused; always returns an error: ERR_UNAVAILABLE for status 5xx, else ERR_INVALID.
 *
 * answer  NULL where the body was not JSON */
enum err report_refusal(long status, const struct json_t *answer, struct error *error) MUST_CHECK;

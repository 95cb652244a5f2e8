/* Operator calls over HTTP with libcurl: one call, one connection, no redirects, no proxy (the token is for
 * control alone). Blocks for at most 30 s, 5 of them to connect. */
#pragma once

#include "api/cli/operator_call.h"

/* The process's only one; it needs no end. */
struct operator_transport transport_curl(void);

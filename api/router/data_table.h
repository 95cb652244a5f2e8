/* The table that a data operation names, for the tenant that asks. */
#pragma once

#include "api/router/router_internal.h"

/* Valid until the next news of tables. NULL: no such table, an ARN that is not this tenant's, or a table that is being
 * created or deleted.
 * given  name or ARN */
const struct catalog_table *data_table_find(const struct request *r, struct slice given);

/* Another router may have told our caller of a table before its news reached us: wait a little, once.
 * done  with the request as data, exactly once, never inside this call.
 * Anything but ERR_OK: it will not be called. */
enum err data_table_wait(struct request *r, void (*done)(enum err err, void *data)) MUST_CHECK;

/* What DynamoDB says to those whose requests a partition has refused because its cap is reached. */
#pragma once

#include "api/router/router_internal.h"

/* Answer with the exception, which a table that was bought by the unit has in other words than one on demand, and with the reason
 * for each table.
 * tables  as the request names them, at least one; the first says which exception it is */
void answer_throttled(struct request *r, bool is_write, const struct slice *tables, size_t count);

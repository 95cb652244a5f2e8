/* ConsumedCapacity in answers: TOTAL has the sum, INDEXES the table's share as well; NONE leaves it out. */
#pragma once

#include "api/json/json_writer.h"
#include "api/router/item_parameters.h"

/* One object, as a value. `table` is the name or ARN that the request has. Only for a detail other than NONE. */
void consumed_capacity_write(struct json_writer *w, enum capacity_detail detail, struct slice table,
                             int64_t milli);

/* The TableDescription of DynamoDB's answers. */
#pragma once

#include <jansson.h>

#include "controlplane/control/catalog.h"

/* A new reference, with this status rather than the table's; NULL when there is no memory. */
json_t *table_description(const struct table *table, enum table_status status);

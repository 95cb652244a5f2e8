/* The shapes of the requests that control serves (controlplane/control/shape.h), after DynamoDB's published model. */
#pragma once

#include "controlplane/control/shape.h"

extern const struct shape shape_create_table;
extern const struct shape shape_table_name; /* DescribeTable, DeleteTable */
extern const struct shape shape_list_tables;

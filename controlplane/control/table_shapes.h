/* The shapes of the requests that control serves (controlplane/control/shape.h), after DynamoDB's published model. */
#pragma once

#include "controlplane/control/shape.h"

extern const struct shape shape_create_table;
extern const struct shape shape_update_table;
extern const struct shape shape_table_name; /* DescribeTable, DeleteTable, and others with TableName alone */
extern const struct shape shape_list_tables;
extern const struct shape shape_tag_resource;
extern const struct shape shape_untag_resource;
extern const struct shape shape_list_tags;

#include "api/router/router_internal.h"

/* By name; the whole of what is served. docs/compat.md lists the rest. */
static const struct operation operations[] = {
    {"GetItem", operation_get_item},
    {"PutItem", operation_put_item},
    {"UpdateItem", operation_update_item},
    {"DeleteItem", operation_delete_item},
    {"Query", operation_query},
    {"Scan", operation_scan},
    {"CreateTable", operation_control},
    {"DescribeTable", operation_control},
    {"ListTables", operation_control},
    {"DeleteTable", operation_control},
    {"UpdateTable", operation_control},
    {"DescribeLimits", operation_control},
    {"TagResource", operation_control},
    {"UntagResource", operation_control},
    {"ListTagsOfResource", operation_control},
    {"DescribeTimeToLive", operation_control},
    {"DescribeContinuousBackups", operation_control},
    {"DescribeEndpoints", operation_describe_endpoints},
    {"BatchGetItem", operation_batch_get_item},
    {"BatchWriteItem", operation_batch_write_item},
};

const struct operation *operation_find(struct slice name)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (slice_equal_string(name, operations[i].name))
            return &operations[i];
    return NULL;
}

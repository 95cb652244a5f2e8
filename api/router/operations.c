#include "api/router/batch_parameters.h"
#include "api/router/item_parameters.h"
#include "api/router/reading.h"

/* By name; the whole of what is served. docs/compat.md lists the rest. */
static const struct operation operations[] = {
    {"GetItem", item_operation_read, item_operation_run, ITEM_GET},
    {"PutItem", item_operation_read, item_operation_run, ITEM_PUT},
    {"UpdateItem", item_operation_read, item_operation_run, ITEM_UPDATE},
    {"DeleteItem", item_operation_read, item_operation_run, ITEM_DELETE},
    {"Query", range_operation_read, range_operation_run, true},
    {"Scan", range_operation_read, range_operation_run, false},
    {"CreateTable", reading_plain, operation_control, 0},
    {"DescribeTable", reading_plain, operation_control, 0},
    {"ListTables", reading_plain, operation_control, 0},
    {"DeleteTable", reading_plain, operation_control, 0},
    {"UpdateTable", reading_plain, operation_control, 0},
    {"DescribeLimits", reading_plain, operation_control, 0},
    {"TagResource", reading_plain, operation_control, 0},
    {"UntagResource", reading_plain, operation_control, 0},
    {"ListTagsOfResource", reading_plain, operation_control, 0},
    {"DescribeTimeToLive", reading_plain, operation_control, 0},
    {"DescribeContinuousBackups", reading_plain, operation_control, 0},
    {"DescribeEndpoints", reading_plain, operation_describe_endpoints, 0},
    {"BatchGetItem", batch_operation_read, batch_operation_run, BATCH_GET},
    {"BatchWriteItem", batch_operation_read, batch_operation_run, BATCH_WRITE},
};

const struct operation *operation_find(struct slice name)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (slice_equal_string(name, operations[i].name))
            return &operations[i];
    return NULL;
}

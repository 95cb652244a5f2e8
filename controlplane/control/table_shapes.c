#include "controlplane/control/table_shapes.h"

#define NAME_PATTERN "[a-zA-Z0-9_.-]+"

static const char *const attribute_types[] = {"B", "N", "S", NULL};
static const char *const key_types[] = {"HASH", "RANGE", NULL};
static const char *const billing_modes[] = {"PROVISIONED", "PAY_PER_REQUEST", NULL};
static const char *const table_classes[] = {"STANDARD", "STANDARD_INFREQUENT_ACCESS", NULL};
static const char *const view_types[] = {"NEW_AND_OLD_IMAGES", "OLD_IMAGE", "NEW_IMAGE", "KEYS_ONLY", NULL};

static const struct shape definition_members[] = {
    {.name = "AttributeName", .kind = SHAPE_STRING, .is_required = true, .minimum = 1, .maximum = 255},
    {.name = "AttributeType", .kind = SHAPE_STRING, .is_required = true, .allowed = attribute_types},
};
static const struct shape definition = {
    .name = "", .kind = SHAPE_STRUCT, .class_name = "AttributeDefinition", SHAPE_MEMBERS(definition_members)};

static const struct shape key_members[] = {
    {.name = "AttributeName", .kind = SHAPE_STRING, .is_required = true, .minimum = 1, .maximum = 255},
    {.name = "KeyType", .kind = SHAPE_STRING, .is_required = true, .allowed = key_types},
};
static const struct shape key_element = {
    .name = "", .kind = SHAPE_STRUCT, .class_name = "KeySchemaElement", SHAPE_MEMBERS(key_members)};

static const struct shape throughput_members[] = {
    {.name = "WriteCapacityUnits", .kind = SHAPE_LONG, .is_required = true, .minimum = 1},
    {.name = "ReadCapacityUnits", .kind = SHAPE_LONG, .is_required = true, .minimum = 1},
};
static const struct shape maximum_members[] = {
    {.name = "MaxReadRequestUnits", .kind = SHAPE_LONG},
    {.name = "MaxWriteRequestUnits", .kind = SHAPE_LONG},
};
static const struct shape stream_members[] = {
    {.name = "StreamEnabled", .kind = SHAPE_BOOLEAN, .is_required = true},
    {.name = "StreamViewType", .kind = SHAPE_STRING, .allowed = view_types},
};
static const struct shape encryption_members[] = {
    {.name = "Enabled", .kind = SHAPE_BOOLEAN},
    {.name = "SSEType", .kind = SHAPE_STRING},
    {.name = "KMSMasterKeyId", .kind = SHAPE_STRING},
};

static const struct shape tag_members[] = {
    {.name = "Key", .kind = SHAPE_STRING, .is_required = true, .minimum = 1, .maximum = 128},
    {.name = "Value", .kind = SHAPE_STRING, .is_required = true, .maximum = 256},
};
static const struct shape tag = {
    .name = "", .kind = SHAPE_STRUCT, .class_name = "Tag", SHAPE_MEMBERS(tag_members)};

/* An element of a list that is refused as a whole. */
static const struct shape index_element = {.name = "", .kind = SHAPE_STRUCT, .class_name = "SecondaryIndex"};

static const struct shape create_members[] = {
    {.name = "AttributeDefinitions",
     .kind = SHAPE_LIST,
     .is_required = true,
     .members = &definition,
     .member_count = 1},
    {.name = "TableName", .kind = SHAPE_STRING, .pattern = NAME_PATTERN},
    {.name = "BillingMode", .kind = SHAPE_STRING, .allowed = billing_modes},
    {.name = "ProvisionedThroughput",
     .kind = SHAPE_STRUCT,
     .class_name = "ProvisionedThroughput",
     SHAPE_MEMBERS(throughput_members)},
    {.name = "KeySchema",
     .kind = SHAPE_LIST,
     .is_required = true,
     .minimum = 1,
     .maximum = 2,
     .members = &key_element,
     .member_count = 1},
    {.name = "LocalSecondaryIndexes", .kind = SHAPE_LIST, .members = &index_element, .member_count = 1},
    {.name = "GlobalSecondaryIndexes", .kind = SHAPE_LIST, .members = &index_element, .member_count = 1},
    {.name = "StreamSpecification",
     .kind = SHAPE_STRUCT,
     .class_name = "StreamSpecification",
     SHAPE_MEMBERS(stream_members)},
    {.name = "SSESpecification",
     .kind = SHAPE_STRUCT,
     .class_name = "SSESpecification",
     SHAPE_MEMBERS(encryption_members)},
    {.name = "Tags", .kind = SHAPE_LIST, .members = &tag, .member_count = 1},
    {.name = "TableClass", .kind = SHAPE_STRING, .allowed = table_classes},
    {.name = "DeletionProtectionEnabled", .kind = SHAPE_BOOLEAN},
    {.name = "OnDemandThroughput",
     .kind = SHAPE_STRUCT,
     .class_name = "OnDemandThroughput",
     SHAPE_MEMBERS(maximum_members)},
};
const struct shape shape_create_table = {
    .name = "", .kind = SHAPE_STRUCT, .class_name = "CreateTableInput", SHAPE_MEMBERS(create_members)};

static const struct shape update_members[] = {
    {.name = "AttributeDefinitions", .kind = SHAPE_LIST, .members = &definition, .member_count = 1},
    {.name = "TableName", .kind = SHAPE_STRING}, /* may be an ARN: shape_table_name checks a name */
    {.name = "BillingMode", .kind = SHAPE_STRING, .allowed = billing_modes},
    {.name = "ProvisionedThroughput",
     .kind = SHAPE_STRUCT,
     .class_name = "ProvisionedThroughput",
     SHAPE_MEMBERS(throughput_members)},
    {.name = "GlobalSecondaryIndexUpdates", .kind = SHAPE_LIST, .members = &index_element, .member_count = 1},
    {.name = "StreamSpecification",
     .kind = SHAPE_STRUCT,
     .class_name = "StreamSpecification",
     SHAPE_MEMBERS(stream_members)},
    {.name = "SSESpecification",
     .kind = SHAPE_STRUCT,
     .class_name = "SSESpecification",
     SHAPE_MEMBERS(encryption_members)},
    {.name = "TableClass", .kind = SHAPE_STRING, .allowed = table_classes},
    {.name = "DeletionProtectionEnabled", .kind = SHAPE_BOOLEAN},
    {.name = "OnDemandThroughput",
     .kind = SHAPE_STRUCT,
     .class_name = "OnDemandThroughput",
     SHAPE_MEMBERS(maximum_members)},
};
const struct shape shape_update_table = {
    .name = "", .kind = SHAPE_STRUCT, .class_name = "UpdateTableInput", SHAPE_MEMBERS(update_members)};

static const struct shape table_name_members[] = {
    {.name = "TableName",
     .kind = SHAPE_STRING,
     .is_required = true,
     .minimum = 1,
     .maximum = 255,
     .pattern = NAME_PATTERN},
};
const struct shape shape_table_name = {
    .name = "", .kind = SHAPE_STRUCT, .class_name = "TableNameInput", SHAPE_MEMBERS(table_name_members)};

static const struct shape list_members[] = {
    {.name = "ExclusiveStartTableName",
     .kind = SHAPE_STRING,
     .minimum = 3,
     .maximum = 255,
     .pattern = NAME_PATTERN},
    {.name = "Limit", .kind = SHAPE_LONG, .minimum = 1, .maximum = 100},
};
const struct shape shape_list_tables = {
    .name = "", .kind = SHAPE_STRUCT, .class_name = "ListTablesInput", SHAPE_MEMBERS(list_members)};

/* ---- tags ---- */

#define ARN_MEMBER                                                                                      \
    {                                                                                                   \
        .name = "ResourceArn", .kind = SHAPE_STRING, .is_required = true, .minimum = 1, .maximum = 1283 \
    }

static const struct shape tag_key = {.name = "", .kind = SHAPE_STRING, .minimum = 1, .maximum = 128};

static const struct shape tag_resource_members[] = {
    ARN_MEMBER,
    {.name = "Tags", .kind = SHAPE_LIST, .is_required = true, .members = &tag, .member_count = 1},
};
const struct shape shape_tag_resource = {
    .name = "", .kind = SHAPE_STRUCT, .class_name = "TagResourceInput", SHAPE_MEMBERS(tag_resource_members)};

static const struct shape untag_resource_members[] = {
    ARN_MEMBER,
    {.name = "TagKeys", .kind = SHAPE_LIST, .is_required = true, .members = &tag_key, .member_count = 1},
};
const struct shape shape_untag_resource = {.name = "",
                                           .kind = SHAPE_STRUCT,
                                           .class_name = "UntagResourceInput",
                                           SHAPE_MEMBERS(untag_resource_members)};

static const struct shape list_tags_members[] = {
    ARN_MEMBER,
    {.name = "NextToken", .kind = SHAPE_STRING},
};
const struct shape shape_list_tags = {.name = "",
                                      .kind = SHAPE_STRUCT,
                                      .class_name = "ListTagsOfResourceInput",
                                      SHAPE_MEMBERS(list_tags_members)};

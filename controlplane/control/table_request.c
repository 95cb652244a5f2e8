#include "controlplane/control/table_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "controlplane/control/table_request_internal.h"
#include "dataplane/item/item.h"

#define THROUGHPUT_BOUND INT64_C(1000000000000) /* DynamoDB's own bound before any quota */

json_t *request_member(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

const char *request_text(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text == NULL ? "" : text;
}

bool request_is_text(const json_t *object, const char *member, const char *wanted)
{
    return strcmp(request_text(object, member), wanted) == 0;
}

uint64_t request_units(const json_t *object, const char *member)
{
    double value = json_number_value(json_object_get(object, member));
    return value >= 1 && value <= (double)THROUGHPUT_BOUND ? (uint64_t)value : 0;
}

static const char *name_of(const json_t *list, size_t index)
{
    return request_text(json_array_get(list, index), "AttributeName");
}

/* What only a router sends that did not check its requests against the model. */
static enum err refuse_form(struct answer *answer)
{
    return answer_refuse(answer, ERR_VALIDATION, "The request does not have the form of its operation");
}

/* ---- CreateTable ---- */

static uint8_t type_of(const json_t *definitions, size_t index)
{
    return value_tag_from_name(
        slice_from_string(request_text(json_array_get(definitions, index), "AttributeType")));
}

/* The rest of the model's constraints is not relied on here. */
static enum err check_form(const json_t *request, struct answer *answer)
{
    const json_t *definitions = request_member(request, "AttributeDefinitions");
    size_t name_bytes = strlen(request_text(request, "TableName"));
    size_t key_count = json_array_size(request_member(request, "KeySchema"));
    bool is_good = name_bytes >= 3 && name_bytes <= TABLE_NAME_BYTES_MAX && key_count >= 1 && key_count <= 2;
    for (size_t i = 0; i < json_array_size(definitions); i++) {
        uint8_t type = type_of(definitions, i);
        is_good = is_good && (type == VALUE_S || type == VALUE_N || type == VALUE_B) &&
                  name_of(definitions, i)[0] != '\0' && strlen(name_of(definitions, i)) <= KEY_NAME_BYTES_MAX;
    }
    return is_good ? ERR_OK : refuse_form(answer);
}

static enum err check_bound(const json_t *throughput, const char *member, struct answer *answer)
{
    double value = json_number_value(json_object_get(throughput, member));
    if (value <= (double)THROUGHPUT_BOUND)
        return ERR_OK;
    return answer_refuse(answer, ERR_VALIDATION, "Given value %.0f for %s is out of bounds", value, member);
}

enum err request_check_throughput(const json_t *throughput, struct answer *answer)
{
    if (throughput != NULL && (json_number_value(json_object_get(throughput, "ReadCapacityUnits")) < 1 ||
                               json_number_value(json_object_get(throughput, "WriteCapacityUnits")) < 1))
        return refuse_form(answer);
    TRY(check_bound(throughput, "ReadCapacityUnits", answer));
    return check_bound(throughput, "WriteCapacityUnits", answer);
}

static enum err check_maximum(const json_t *maximum, const char *member, struct answer *answer)
{
    const json_t *value = request_member(maximum, member);
    if (value == NULL || json_number_value(value) >= 1 || json_number_value(value) == -1)
        return check_bound(maximum, member, answer);
    return answer_refuse(answer, ERR_VALIDATION, POPV "%s must be at least 1, or -1 for no maximum: %.0f",
                         member, json_number_value(value));
}

enum err request_check_maximum(const json_t *maximum, struct answer *answer)
{
    TRY(check_maximum(maximum, "MaxReadRequestUnits", answer));
    return check_maximum(maximum, "MaxWriteRequestUnits", answer);
}

uint64_t request_take_maximum(const json_t *maximum, const char *member, uint64_t absent)
{
    const json_t *value = request_member(maximum, member);
    if (value == NULL)
        return absent;
    return request_units(maximum, member);
}

static enum err check_mode(const json_t *request, struct answer *answer)
{
    const json_t *throughput = request_member(request, "ProvisionedThroughput");
    const json_t *maximum = request_member(request, "OnDemandThroughput");
    bool is_on_demand = request_is_text(request, "BillingMode", "PAY_PER_REQUEST");
    if (is_on_demand && throughput != NULL)
        return answer_refuse(
            answer, ERR_VALIDATION,
            POPV "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
                 "PAY_PER_REQUEST");
    if (is_on_demand)
        return request_check_maximum(maximum, answer);
    if (maximum != NULL)
        return answer_refuse(answer, ERR_VALIDATION,
                             POPV
                             "OnDemandThroughput can only be specified when BillingMode is PAY_PER_REQUEST");
    if (throughput == NULL)
        return answer_refuse(
            answer, ERR_VALIDATION,
            POPV "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is "
                 "PROVISIONED");
    return request_check_throughput(throughput, answer);
}

static bool is_defined(const json_t *definitions, const char *name)
{
    for (size_t i = 0; i < json_array_size(definitions); i++) {
        if (strcmp(name_of(definitions, i), name) == 0)
            return true;
    }
    return false;
}

static void append_names(const json_t *list, char *to, size_t bytes)
{
    size_t length = 0;
    to[0] = '\0';
    for (size_t i = 0; i < json_array_size(list) && length < bytes; i++)
        length += (size_t)snprintf(to + length, bytes - length, "%s%s", i == 0 ? "" : ", ", name_of(list, i));
}

static enum err check_keys_defined(const json_t *definitions, const json_t *keys, struct answer *answer)
{
    bool is_missing = false;
    for (size_t i = 0; i < json_array_size(keys); i++)
        is_missing = is_missing || !is_defined(definitions, name_of(keys, i));
    if (!is_missing)
        return ERR_OK;
    if (json_array_size(keys) == 2)
        return answer_refuse(answer, ERR_VALIDATION,
                             "Invalid KeySchema: Some index key attribute have no definition");
    char key_names[ANSWER_MESSAGE_BYTES / 3];
    char defined_names[ANSWER_MESSAGE_BYTES / 3];
    append_names(keys, key_names, sizeof key_names);
    append_names(definitions, defined_names, sizeof defined_names);
    return answer_refuse(answer, ERR_VALIDATION,
                         POPV
                         "Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], "
                         "AttributeDefinitions: [%s]",
                         key_names, defined_names);
}

static enum err check_definitions_unique(const json_t *definitions, struct answer *answer)
{
    for (size_t i = 0; i < json_array_size(definitions); i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(name_of(definitions, i), name_of(definitions, k)) == 0)
                return answer_refuse(answer, ERR_VALIDATION, "Cannot have two attributes with the same name");
        }
    }
    return ERR_OK;
}

static enum err check_key_schema(const json_t *request, struct answer *answer)
{
    const json_t *definitions = request_member(request, "AttributeDefinitions");
    const json_t *keys = request_member(request, "KeySchema");
    TRY(check_definitions_unique(definitions, answer));
    TRY(check_keys_defined(definitions, keys, answer));
    bool has_sort = json_array_size(keys) == 2;
    if (has_sort && strcmp(name_of(keys, 0), name_of(keys, 1)) == 0)
        return answer_refuse(
            answer, ERR_VALIDATION,
            "Both the Hash Key and the Range Key element in the KeySchema have the same name");
    if (!request_is_text(json_array_get(keys, 0), "KeyType", "HASH"))
        return answer_refuse(answer, ERR_VALIDATION,
                             "Invalid KeySchema: The first KeySchemaElement is not a HASH key type");
    if (has_sort && !request_is_text(json_array_get(keys, 1), "KeyType", "RANGE"))
        return answer_refuse(answer, ERR_VALIDATION,
                             "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type");
    return ERR_OK;
}

/* Without secondary indexes every defined attribute is one of the key's. */
static enum err check_definition_count(const json_t *request, struct answer *answer)
{
    if (json_array_size(request_member(request, "KeySchema")) ==
        json_array_size(request_member(request, "AttributeDefinitions")))
        return ERR_OK;
    return answer_refuse(
        answer, ERR_VALIDATION,
        POPV "Number of attributes in KeySchema does not exactly match number of attributes defined in "
             "AttributeDefinitions");
}

enum err request_refuse_feature(struct answer *answer, const char *name)
{
    return answer_refuse(answer, ERR_VALIDATION, POPV "%s is not supported by this version of the service",
                         name);
}

enum err request_refuse_given(const json_t *request, const char *const *names, struct answer *answer)
{
    for (; *names != NULL; names++) {
        if (request_member(request, *names) != NULL)
            return request_refuse_feature(answer, *names);
    }
    return ERR_OK;
}

static enum err check_features(const json_t *request, struct answer *answer)
{
    static const char *const lists[] = {"LocalSecondaryIndexes", "GlobalSecondaryIndexes", "VectorIndexes"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const json_t *list = request_member(request, lists[i]);
        if (list != NULL && json_array_size(list) == 0)
            return answer_refuse(answer, ERR_VALIDATION, POPV "List of %s is empty", lists[i]);
        if (list != NULL)
            return request_refuse_feature(answer, lists[i]);
    }
    static const char *const others[] = {"WarmThroughput", "ResourcePolicy", "GlobalTableSourceArn",
                                         "GlobalTableSettingsReplicationMode", NULL};
    TRY(request_refuse_given(request, others, answer));
    if (json_is_true(request_member(request_member(request, "StreamSpecification"), "StreamEnabled")))
        return request_refuse_feature(answer, "StreamSpecification");
    if (json_is_true(request_member(request_member(request, "SSESpecification"), "Enabled")))
        return request_refuse_feature(answer, "SSESpecification");
    return ERR_OK;
}

enum err request_check_tags(const json_t *tags, struct answer *answer)
{
    if (json_array_size(tags) > TABLE_TAGS_MAX)
        return answer_refuse(answer, ERR_VALIDATION, POPV "Too many tags: at most %d are allowed",
                             TABLE_TAGS_MAX);
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *key = request_text(json_array_get(tags, i), "Key");
        if (strncmp(key, "aws:", 4) == 0)
            return answer_refuse(answer, ERR_VALIDATION,
                                 POPV "Tag keys starting with 'aws:' are reserved for system use");
        for (size_t k = 0; k < i; k++) {
            if (strcmp(key, request_text(json_array_get(tags, k), "Key")) == 0)
                return answer_refuse(answer, ERR_VALIDATION, POPV "Duplicate tag key: %s", key);
        }
    }
    return ERR_OK;
}

enum err request_check_table_quota(const json_t *throughput, struct answer *answer)
{
    if (json_number_value(json_object_get(throughput, "ReadCapacityUnits")) <= TABLE_READ_UNITS_MAX &&
        json_number_value(json_object_get(throughput, "WriteCapacityUnits")) <= TABLE_WRITE_UNITS_MAX)
        return ERR_OK;
    return answer_refuse(
        answer, ERR_LIMIT_EXCEEDED,
        "Subscriber limit exceeded: Provisioned throughput of a table is limited to %d read and %d write "
        "capacity units",
        TABLE_READ_UNITS_MAX, TABLE_WRITE_UNITS_MAX);
}

static void take_key(struct table_key *key, const char *name, const json_t *definitions)
{
    (void)snprintf(key->name, sizeof key->name, "%s", name); /* its length was checked */
    for (size_t i = 0; i < json_array_size(definitions); i++) {
        if (strcmp(name_of(definitions, i), name) == 0)
            key->type = type_of(definitions, i);
    }
}

static enum err take_spec(const json_t *request, struct table_spec *ret_spec, struct answer *answer)
{
    struct table_spec spec = {0};
    const json_t *definitions = request_member(request, "AttributeDefinitions");
    const json_t *keys = request_member(request, "KeySchema");
    const json_t *throughput = request_member(request, "ProvisionedThroughput");
    const json_t *maximum = request_member(request, "OnDemandThroughput");
    (void)snprintf(spec.name, sizeof spec.name, "%s",
                   request_text(request, "TableName")); /* its length was checked */
    take_key(&spec.hash, name_of(keys, 0), definitions);
    if (json_array_size(keys) == 2)
        take_key(&spec.sort, name_of(keys, 1), definitions);
    spec.is_on_demand = throughput == NULL;
    spec.read_units = request_units(throughput, "ReadCapacityUnits");
    spec.write_units = request_units(throughput, "WriteCapacityUnits");
    spec.max_read_units = request_take_maximum(maximum, "MaxReadRequestUnits", 0);
    spec.max_write_units = request_take_maximum(maximum, "MaxWriteRequestUnits", 0);
    if (request_text(request, "TableClass")[0] != '\0')
        spec.table_class = request_is_text(request, "TableClass", "STANDARD") ? TABLE_CLASS_STANDARD
                                                                              : TABLE_CLASS_INFREQUENT_ACCESS;
    spec.is_deletion_protected = json_is_true(request_member(request, "DeletionProtectionEnabled"));
    const json_t *tags = request_member(request, "Tags");
    if (tags != NULL && (spec.tags = json_dumps(tags, JSON_COMPACT)) == NULL)
        return answer_refuse(answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
    *ret_spec = spec;
    return ERR_OK;
}

enum err table_request_create(const json_t *request, struct table_spec *ret_spec, struct answer *answer)
{
    TRY(check_form(request, answer));
    TRY(check_mode(request, answer));
    TRY(check_key_schema(request, answer));
    TRY(check_features(request, answer));
    TRY(check_definition_count(request, answer));
    TRY(request_check_tags(request_member(request, "Tags"), answer));
    TRY(request_check_table_quota(request_member(request, "ProvisionedThroughput"), answer));
    return take_spec(request, ret_spec, answer);
}

/* ---- the others ---- */

const char *request_name_in_arn(const char *arn, const struct table_scope *scope, bool *ret_is_foreign)
{
    char start[128];
    const char *name = strstr(arn, ":table/");
    (void)snprintf(start, sizeof start, "arn:aws:dynamodb:%s:%s:table/", scope->region,
                   scope->tenant_id); /* fits */
    if (name == NULL)
        return NULL;
    *ret_is_foreign = strncmp(arn, start, strlen(start)) != 0;
    return name + strlen(":table/");
}

enum err table_request_name(const json_t *request, const struct table_scope *scope,
                            char ret_name[TABLE_NAME_BYTES_MAX + 1], struct answer *answer)
{
    const char *name = request_text(request, "TableName");
    bool is_foreign = false;
    if (strncmp(name, "arn:", 4) == 0)
        name = request_name_in_arn(name, scope, &is_foreign);
    if (name == NULL || name[0] == '\0' || strlen(name) > TABLE_NAME_BYTES_MAX)
        return refuse_form(answer);
    if (is_foreign)
        return answer_refuse(answer, ERR_RESOURCE_NOT_FOUND,
                             "Requested resource not found: Table: %s not found", name);
    (void)snprintf(ret_name, TABLE_NAME_BYTES_MAX + 1, "%s", name); /* its length was checked */
    return ERR_OK;
}

enum err table_request_list(const json_t *request, const char **ret_start, size_t *ret_limit,
                            struct answer *answer)
{
    const json_t *limit = request_member(request, "Limit");
    double count = limit == NULL ? LIST_TABLES_MAX : json_number_value(limit);
    if (!(count >= 1 && count < LIST_TABLES_MAX + 1))
        return refuse_form(answer);
    *ret_start = request_text(request, "ExclusiveStartTableName");
    *ret_limit = (size_t)count;
    return ERR_OK;
}

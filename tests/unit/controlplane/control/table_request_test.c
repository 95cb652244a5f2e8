#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "controlplane/control/table_request.h"
#include "dataplane/item/item.h"

#define POPV "One or more parameter values were invalid: "
#define NAME "'TableName':'tab'"
#define KEYS ",'KeySchema':[{'AttributeName':'pk','KeyType':'HASH'}]"
#define DEFINITIONS ",'AttributeDefinitions':[{'AttributeName':'pk','AttributeType':'S'}]"
#define ON_DEMAND ",'BillingMode':'PAY_PER_REQUEST'"
#define UNITS(read, write) \
    ",'ProvisionedThroughput':{'ReadCapacityUnits':" read ",'WriteCapacityUnits':" write "}"
#define GOOD NAME KEYS DEFINITIONS ON_DEMAND

/* JSON with ' for ". */
static json_t *parse(const char *text)
{
    char json[4096];
    size_t length = strlen(text);
    json[0] = '{';
    for (size_t i = 0; i < length; i++)
        json[i + 1] = text[i] == '\'' ? '"' : text[i];
    json[length + 1] = '}';
    json_t *value = json_loadb(json, length + 2, 0, NULL);
    assert_non_null(value);
    return value;
}

static void assert_refused(const char *text, enum err code, const char *message)
{
    struct answer answer;
    struct table_spec spec;
    json_t *request = parse(text);
    answer_init(&answer);
    assert_int_equal(table_request_create(request, &spec, &answer), code);
    assert_int_equal(answer.code, code);
    assert_string_equal(answer.message, message);
    answer_deinit(&answer);
    json_decref(request);
}

static struct table_spec create(const char *text)
{
    struct answer answer;
    struct table_spec spec;
    json_t *request = parse(text);
    answer_init(&answer);
    if (table_request_create(request, &spec, &answer) != ERR_OK)
        fail_msg("%s", answer.message);
    answer_deinit(&answer);
    json_decref(request);
    return spec;
}

static void what_no_router_passes_on_is_refused_in_few_words(void **state)
{
    static const char *const requests[] = {
        "",
        "'TableName':5",
        "'TableName':'ab'" KEYS DEFINITIONS ON_DEMAND,
        NAME DEFINITIONS ON_DEMAND,
        NAME DEFINITIONS ON_DEMAND ",'KeySchema':{}",
        NAME DEFINITIONS ON_DEMAND ",'KeySchema':[]",
        NAME DEFINITIONS ON_DEMAND ",'KeySchema':[1,2,3]",
        NAME KEYS ON_DEMAND ",'AttributeDefinitions':[{'AttributeName':'pk','AttributeType':'X'}]",
        NAME KEYS ON_DEMAND ",'AttributeDefinitions':[null]",
        NAME KEYS DEFINITIONS UNITS("0", "1"),
        NAME KEYS DEFINITIONS ",'ProvisionedThroughput':7",
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        assert_refused(requests[i], ERR_VALIDATION, "The request does not have the form of its operation");
}

static void what_is_of_another_type_is_not_there(void **state)
{
    assert_refused(NAME DEFINITIONS ON_DEMAND ",'KeySchema':[1]", ERR_VALIDATION,
                   POPV "Some index key attributes are not defined in AttributeDefinitions. Keys: [], "
                        "AttributeDefinitions: [pk]");
    assert_refused(NAME KEYS DEFINITIONS ",'BillingMode':7", ERR_VALIDATION,
                   POPV "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is "
                        "PROVISIONED");
    struct table_spec spec = create(GOOD ",'TableClass':{},'DeletionProtectionEnabled':'yes'");
    assert_false(spec.is_deletion_protected);
    table_spec_deinit(&spec);
}

static void throughput_fits_the_billing_mode(void **state)
{
    assert_refused(GOOD UNITS("1", "1"), ERR_VALIDATION,
                   POPV
                   "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
                   "PAY_PER_REQUEST");
    assert_refused(
        NAME KEYS DEFINITIONS, ERR_VALIDATION,
        POPV
        "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED");
    assert_refused(NAME KEYS DEFINITIONS UNITS("1000000000001", "1"), ERR_VALIDATION,
                   "Given value 1000000000001 for ReadCapacityUnits is out of bounds");
    assert_refused(NAME KEYS DEFINITIONS UNITS("40001", "1"), ERR_LIMIT_EXCEEDED,
                   "Subscriber limit exceeded: Provisioned throughput of a table is limited to 40000 read "
                   "and 40000 write "
                   "capacity units");
}

#define TWO(a, type_a, b, type_b)                                                         \
    ",'KeySchema':[{'AttributeName':'" a "','KeyType':'" type_a "'},{'AttributeName':'" b \
    "','KeyType':'" type_b "'}]"

static void key_schema_is_checked_in_order(void **state)
{
    assert_refused(NAME ON_DEMAND KEYS ",'AttributeDefinitions':[{'AttributeName':'x','AttributeType':'S'}]",
                   ERR_VALIDATION,
                   POPV "Some index key attributes are not defined in AttributeDefinitions. Keys: [pk], "
                        "AttributeDefinitions: [x]");
    assert_refused(NAME ON_DEMAND DEFINITIONS TWO("pk", "HASH", "sk", "RANGE"), ERR_VALIDATION,
                   "Invalid KeySchema: Some index key attribute have no definition");
    assert_refused(NAME ON_DEMAND DEFINITIONS TWO("pk", "HASH", "pk", "RANGE"), ERR_VALIDATION,
                   "Both the Hash Key and the Range Key element in the KeySchema have the same name");
    assert_refused(NAME ON_DEMAND DEFINITIONS ",'KeySchema':[{'AttributeName':'pk','KeyType':'RANGE'}]",
                   ERR_VALIDATION, "Invalid KeySchema: The first KeySchemaElement is not a HASH key type");
    assert_refused(
        NAME ON_DEMAND TWO("pk", "HASH", "sk", "HASH") ",'AttributeDefinitions':[{'AttributeName':'pk',"
                                                       "'AttributeType':'S'},{'AttributeName':'sk',"
                                                       "'AttributeType':'N'}]",
        ERR_VALIDATION, "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type");
    assert_refused(NAME ON_DEMAND KEYS ",'AttributeDefinitions':[{'AttributeName':'pk','AttributeType':'S'},"
                                       "{'AttributeName':'sk','AttributeType':'N'}]",
                   ERR_VALIDATION,
                   POPV
                   "Number of attributes in KeySchema does not exactly match number of attributes defined in "
                   "AttributeDefinitions");
}

static void what_is_not_served_yet_is_refused_by_name(void **state)
{
    assert_refused(GOOD ",'LocalSecondaryIndexes':[]", ERR_VALIDATION,
                   POPV "List of LocalSecondaryIndexes is empty");
    assert_refused(GOOD ",'GlobalSecondaryIndexes':[{}]", ERR_VALIDATION,
                   POPV "GlobalSecondaryIndexes is not supported by this version of the service");
    assert_refused(GOOD ",'StreamSpecification':{'StreamEnabled':true,'StreamViewType':'NEW_IMAGE'}",
                   ERR_VALIDATION,
                   POPV "StreamSpecification is not supported by this version of the service");
    assert_refused(GOOD ",'SSESpecification':{'Enabled':true}", ERR_VALIDATION,
                   POPV "SSESpecification is not supported by this version of the service");
    assert_refused(GOOD ",'WarmThroughput':{'ReadUnitsPerSecond':5}", ERR_VALIDATION,
                   POPV "WarmThroughput is not supported by this version of the service");
}

static void good_requests_are_taken_whole(void **state)
{
    struct table_spec spec =
        create(GOOD ",'Tags':[{'Key':'a','Value':'b'}],'TableClass':'STANDARD',"
                    "'DeletionProtectionEnabled':true,'StreamSpecification':{'StreamEnabled':false}");
    assert_string_equal(spec.name, "tab");
    assert_string_equal(spec.hash.name, "pk");
    assert_int_equal(spec.hash.type, VALUE_S);
    assert_false(table_spec_has_sort(&spec));
    assert_true(spec.is_on_demand && spec.is_deletion_protected);
    assert_int_equal(spec.table_class, TABLE_CLASS_STANDARD);
    assert_string_equal(spec.tags, "[{\"Key\":\"a\",\"Value\":\"b\"}]");
    table_spec_deinit(&spec);
    spec = create(NAME TWO("pk", "HASH", "sk", "RANGE")
                      UNITS("7", "9") ",'AttributeDefinitions':[{'AttributeName':'sk',"
                                      "'AttributeType':'B'},{'AttributeName':'pk',"
                                      "'AttributeType':'N'}]");
    assert_int_equal(spec.hash.type, VALUE_N);
    assert_int_equal(spec.sort.type, VALUE_B);
    assert_int_equal(spec.read_units, 7);
    assert_int_equal(spec.write_units, 9);
    table_spec_deinit(&spec);
}

static void tags_are_bounded_and_unique(void **state)
{
    assert_refused(GOOD ",'Tags':[{'Key':'a','Value':'b'},{'Key':'a','Value':'c'}]", ERR_VALIDATION,
                   POPV "Duplicate tag key: a");
    assert_refused(GOOD ",'Tags':[{'Key':'aws:x','Value':'b'}]", ERR_VALIDATION,
                   POPV "Tag keys starting with 'aws:' are reserved for system use");
}

static enum err name_of(const char *text, char *ret_name, struct answer *answer)
{
    const struct table_scope scope = {"us-east-1", "000000000001"};
    json_t *request = parse(text);
    enum err err = table_request_name(request, &scope, ret_name, answer);
    json_decref(request);
    return err;
}

static void table_is_named_by_name_or_arn(void **state)
{
    char name[TABLE_NAME_BYTES_MAX + 1];
    struct answer answer;
    answer_init(&answer);
    assert_int_equal(name_of(NAME, name, &answer), ERR_OK);
    assert_string_equal(name, "tab");
    assert_int_equal(
        name_of("'TableName':'arn:aws:dynamodb:us-east-1:000000000001:table/other'", name, &answer), ERR_OK);
    assert_string_equal(name, "other");
    assert_int_equal(
        name_of("'TableName':'arn:aws:dynamodb:us-east-1:000000000002:table/other'", name, &answer),
        ERR_RESOURCE_NOT_FOUND);
    assert_string_equal(answer.message, "Requested resource not found: Table: other not found");
    assert_int_equal(name_of("'TableName':'arn:nonsense'", name, &answer), ERR_VALIDATION);
    assert_int_equal(name_of("'TableName':7", name, &answer), ERR_VALIDATION);
    assert_int_equal(name_of("'TableName':'arn:aws:dynamodb:us-east-1:000000000001:table/'", name, &answer),
                     ERR_VALIDATION);
    answer_deinit(&answer);
}

static void list_has_its_bounds(void **state)
{
    const char *start;
    size_t limit;
    struct answer answer;
    answer_init(&answer);
    json_t *request = parse("'Limit':0,'ExclusiveStartTableName':'tab'");
    assert_int_equal(table_request_list(request, &start, &limit, &answer), ERR_VALIDATION);
    json_decref(request);
    request = parse("");
    assert_int_equal(table_request_list(request, &start, &limit, &answer), ERR_OK);
    assert_int_equal(limit, 100);
    assert_string_equal(start, "");
    json_decref(request);
    answer_deinit(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_router_passes_on_is_refused_in_few_words),
        cmocka_unit_test(what_is_of_another_type_is_not_there),
        cmocka_unit_test(throughput_fits_the_billing_mode),
        cmocka_unit_test(key_schema_is_checked_in_order),
        cmocka_unit_test(what_is_not_served_yet_is_refused_by_name),
        cmocka_unit_test(good_requests_are_taken_whole),
        cmocka_unit_test(tags_are_bounded_and_unique),
        cmocka_unit_test(table_is_named_by_name_or_arn),
        cmocka_unit_test(list_has_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

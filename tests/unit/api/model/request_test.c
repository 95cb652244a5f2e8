#include "api/model/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define FAILED "' failed to satisfy constraint: "
#define ONE "1 validation error detected: "
#define NAME "\"TableName\":\"music\""
#define SCALAR "Start of structure or map found where not expected."

struct reply {
    enum err err;
    char words[80000];
};

static struct reply reply;

/* The words of the last refusal stay until the next read. */
static void read_body(const char *operation, struct slice body)
{
    struct arena arena;
    struct model_request request;
    const char *words = NULL;
    arena_init(&arena, 4096, 1 << 20);
    const struct model_operation *model = model_operation_find(slice_from_string(operation));
    assert_non_null(model);
    reply.err = model_read(model, body, &(struct model_options){.hooks = NULL}, &arena, &request, &words);
    assert_int_equal(reply.err == ERR_OK, words == NULL);
    (void)snprintf(reply.words, sizeof reply.words, "%s", words == NULL ? "" : words);
    arena_deinit(&arena);
}

static void refuses(const char *operation, const char *body, enum err err, const char *words)
{
    read_body(operation, slice_from_string(body));
    assert_string_equal(reply.words, words);
    assert_int_equal(reply.err, err);
}

static void violates(const char *operation, const char *body, const char *words)
{
    refuses(operation, body, ERR_VALIDATION, words);
}

static void accepts(const char *operation, const char *body)
{
    refuses(operation, body, ERR_OK, "");
}

static void mistypes(const char *operation, const char *body, const char *words)
{
    refuses(operation, body, ERR_SERIALIZATION, words);
}

/* ---- operations ---- */

static void every_operation_is_found_by_its_name(void **state)
{
    for (size_t i = 0; i < model_operation_count; i++)
        assert_ptr_equal(model_operation_find(slice_from_string(model_operations[i].name)),
                         &model_operations[i]);
    assert_null(model_operation_find(SLICE_LITERAL("")));
    assert_null(model_operation_find(SLICE_LITERAL("PutItems")));
    assert_null(model_operation_find(SLICE_LITERAL("Zebra")));
}

/* ---- what is good ---- */

static void good_requests_pass(void **state)
{
    accepts("GetItem", "{" NAME ",\"Key\":{\"pk\":{\"S\":\"a\"}}}");
    accepts("GetItem",
            " { " NAME " , \"Key\" : { } , \"ConsistentRead\" : true , \"Unknown\" : [ 1 , { } ] } ");
    accepts("GetItem", "{\"TableName\":\"arn:aws:dynamodb:us-east-1:100000000001:table/music\",\"Key\":{}}");
    accepts("GetItem", "{\"Table\\u004eame\":\"m\\u0075sic\",\"Key\":{}}");
    accepts("GetItem", "{" NAME ",\"Key\":{},\"ConsistentRead\":null,\"AttributesToGet\":null}");
    accepts("DescribeLimits", "{}");
    accepts("Scan", "{" NAME ",\"Segment\":0,\"TotalSegments\":1000000}");
    accepts("CreateTable",
            "{\"TableName\":\"abc\",\"KeySchema\":[{\"AttributeName\":\"pk\",\"KeyType\":\"HASH\"}],"
            "\"AttributeDefinitions\":[{\"AttributeName\":\"pk\",\"AttributeType\":\"S\"}]}");
}

static void of_a_name_that_occurs_twice_the_last_value_counts(void **state)
{
    accepts("GetItem", "{\"TableName\":\"a b\",\"Key\":{}," NAME "}");
    violates("GetItem", "{" NAME ",\"Key\":{},\"Key\":null}",
             ONE "Value null at 'key" FAILED "Member must not be null");
    mistypes("GetItem", "{\"TableName\":1,\"Key\":{}," NAME "}",
             "NUMBER_VALUE cannot be converted to String");
}

/* ---- layer 1 ---- */

static void what_is_not_json_comes_first(void **state)
{
    static const char *const bodies[] = {
        "", "{", "[]", "null", "{\"a\":1,}", "{}{}", "{\"Key\":{}", "{\"a\" 1}", "{\"TableName\":\"\xc3\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        mistypes("GetItem", bodies[i], "Unexpected token received from parser");
    mistypes("GetItem", "{\"TableName\":\"\"", "Unexpected token received from parser");
}

static void a_wrong_type_is_told_before_any_constraint(void **state)
{
    mistypes("GetItem", "{\"TableName\":\"\",\"Key\":{},\"ConsistentRead\":1}",
             "NUMBER_VALUE cannot be converted to Boolean");
    mistypes("GetItem", "{\"TableName\":1}", "NUMBER_VALUE cannot be converted to String");
    mistypes("GetItem", "{\"TableName\":1.5}", "DECIMAL_VALUE cannot be converted to String");
    mistypes("GetItem", "{\"TableName\":true}", "TRUE_VALUE cannot be converted to String");
    mistypes("GetItem", "{\"TableName\":{}}", SCALAR);
    mistypes("GetItem", "{\"TableName\":[]}", "Unrecognized collection type class java.lang.String");
    mistypes("Scan", "{\"Limit\":\"1\"}", "STRING_VALUE cannot be converted to Integer");
    mistypes("Scan", "{\"Limit\":[]}", "Unrecognized collection type class java.lang.Integer");
    mistypes("UpdateTable", "{\"ProvisionedThroughput\":{\"ReadCapacityUnits\":\"1\"}}",
             "STRING_VALUE cannot be converted to Long");
}

static void containers_of_the_wrong_kind_have_their_own_words(void **state)
{
    mistypes("CreateTable", "{\"ProvisionedThroughput\":1}", "Unexpected field type");
    mistypes("CreateTable", "{\"ProvisionedThroughput\":[]}",
             "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.ProvisionedThroughput");
    mistypes("CreateTable", "{\"KeySchema\":{}}", SCALAR);
    mistypes("CreateTable", "{\"KeySchema\":\"pk\"}", "Unexpected field type");
    mistypes("CreateTable", "{\"KeySchema\":[\"pk\"]}", "Unexpected value type in payload");
    mistypes("CreateTable", "{\"KeySchema\":[[]]}",
             "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.KeySchemaElement");
    mistypes("GetItem", "{\"Key\":\"pk\"}", "Unexpected field type");
    mistypes("GetItem", "{\"Key\":[]}",
             "Unrecognized collection type java.util.Map<java.lang.String, "
             "com.amazonaws.dynamodb.v20120810.AttributeValue>");
    mistypes("GetItem", "{\"ExpressionAttributeNames\":[]}",
             "Unrecognized collection type java.util.Map<java.lang.String, java.lang.String>");
    mistypes("BatchWriteItem", "{\"RequestItems\":[]}",
             "Unrecognized collection type java.util.Map<java.lang.String, "
             "java.util.List<com.amazonaws.dynamodb.v20120810.WriteRequest>>");
    mistypes("GetItem", "{\"AttributesToGet\":[1]}", "NUMBER_VALUE cannot be converted to String");
}

/* ---- layer 2 ---- */

static void some_members_must_be_given_before_anything_is_constrained(void **state)
{
    violates("CreateTable", "{\"BillingMode\":\"x\"}",
             "The parameter 'TableName' is required but was not present in the request");
    violates("CreateTable", "{\"TableName\":\"ab\",\"BillingMode\":\"x\"}",
             "TableName must be at least 3 characters long and at most 255 characters long");
    violates("DescribeTable", "{}",
             "The parameter 'TableName' is required but was not present in the request");
    violates("DeleteTable", "{\"TableName\":null}",
             "The parameter 'TableName' is required but was not present in the request");
    violates("ListTagsOfResource", "{\"ResourceArn\":null}", "Invalid TableArn");
    violates("TagResource", "{}", "Invalid TableArn");
}

/* ---- layer 3 ---- */

static void a_required_member_must_not_be_null(void **state)
{
    violates("GetItem", "{}",
             "2 validation errors detected: Value null at 'tableName" FAILED
             "Member must not be null; Value null at 'key" FAILED "Member must not be null");
    violates("GetItem", "{\"TableName\":null,\"Key\":{}}",
             ONE "Value null at 'tableName" FAILED "Member must not be null");
}

static void names_of_tables_violate_one_constraint_at_a_time(void **state)
{
    char body[1200], name[1026];
    violates("GetItem", "{\"TableName\":\"\",\"Key\":{}}",
             ONE "Value '' at 'tableName" FAILED "Member must have length greater than or equal to 1");
    violates("GetItem", "{\"TableName\":\"a b\",\"Key\":{}}",
             ONE "Value 'a b' at 'tableName" FAILED
                 "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+");
    violates("GetItem", "{\"TableName\":\"arn:aws:dynamodb:r:1:table/a b\",\"Key\":{}}",
             ONE "Value 'arn:aws:dynamodb:r:1:table/a b' at 'tableName" FAILED
                 "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+");
    memset(name, 'a', sizeof name);
    (void)snprintf(body, sizeof body, "{\"TableName\":\"%.255s\",\"Key\":{}}", name);
    accepts("GetItem", body);
    (void)snprintf(body, sizeof body, "{\"TableName\":\"%.256s\",\"Key\":{}}", name);
    read_body("GetItem", slice_from_string(body));
    assert_non_null(
        strstr(reply.words, "aaa' at 'tableName" FAILED "Member must have length less than or equal to 255"));
    memcpy(name, "arn:", 4);
    (void)snprintf(body, sizeof body, "{\"TableName\":\"%.1025s\",\"Key\":{}}", name);
    read_body("GetItem", slice_from_string(body));
    assert_non_null(
        strstr(reply.words, "' at 'tableName" FAILED "Member must have length less than or equal to 1024"));
}

static void an_enum_is_one_of_its_set_in_dynamodbs_order(void **state)
{
    violates("DeleteItem", "{" NAME ",\"Key\":{},\"ReturnValues\":\"all_old\"}",
             ONE "Value 'all_old' at 'returnValues" FAILED
                 "Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]");
    violates("Query", "{" NAME ",\"Select\":\"X\"}",
             ONE "Value 'X' at 'select" FAILED
                 "Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, "
                 "ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]");
    violates(
        "CreateTable",
        "{" NAME ",\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":\"HASH\"},{\"AttributeName\":\"b\","
        "\"KeyType\":\"SORT\"}],\"AttributeDefinitions\":[{\"AttributeName\":\"a\",\"AttributeType\":\"X\"}]"
        "}",
        "2 validation errors detected: Value 'X' at 'attributeDefinitions.1.member.attributeType" FAILED
        "Member must satisfy enum value set: [B, N, S]; Value 'SORT' at 'keySchema.2.member.keyType" FAILED
        "Member must satisfy enum value set: [HASH, RANGE]");
}

static void numbers_have_a_range(void **state)
{
    violates("Scan", "{" NAME ",\"Limit\":0}",
             ONE "Value '0' at 'limit" FAILED "Member must have value greater than or equal to 1");
    violates("Scan", "{" NAME ",\"TotalSegments\":1000001,\"Segment\":-1}",
             "2 validation errors detected: Value '1000001' at 'totalSegments" FAILED
             "Member must have value less than or equal to 1000000; Value '-1' at 'segment" FAILED
             "Member must have value greater than or equal to 0");
    accepts("Scan", "{" NAME ",\"Limit\":1.9}"); /* cut off, as Java does */
    violates("Scan", "{" NAME ",\"Limit\":0.9}",
             ONE "Value '0' at 'limit" FAILED "Member must have value greater than or equal to 1");
}

static void some_members_have_new_words(void **state)
{
    violates("Query", "{" NAME ",\"Limit\":0,\"Select\":\"X\"}",
             "2 validation errors detected: Value 'X' at 'select" FAILED
             "Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, "
             "ALL_PROJECTED_ATTRIBUTES]; Value at 'Limit" FAILED
             "Member must have value greater than or equal to 1");
    char body[2000] = "{\"RequestItems\":{\"music\":{\"Keys\":[{}";
    for (int i = 0; i < 100; i++)
        strncat(body, ",{}", sizeof body - strlen(body) - 1);
    strncat(body, "]}}}", sizeof body - strlen(body) - 1);
    violates("BatchGetItem", body,
             ONE "Value at 'RequestItems.music.member.Keys" FAILED
                 "Member must have length less than or equal to 100");
    violates("BatchGetItem", "{\"RequestItems\":{\"music\":{\"Keys\":[]}},\"ReturnConsumedCapacity\":\"x\"}",
             "2 validation errors detected: Value '[]' at 'requestItems.music.member.keys" FAILED
             "Member must have length greater than or equal to 1; Value 'x' at 'returnConsumedCapacity" FAILED
             "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]");
}

static void lists_have_a_length(void **state)
{
    violates("GetItem", "{" NAME ",\"Key\":{},\"AttributesToGet\":[]}",
             ONE "Value '[]' at 'attributesToGet" FAILED
                 "Member must have length greater than or equal to 1");
    violates(
        "CreateTable",
        "{" NAME ",\"AttributeDefinitions\":[],\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":\"HASH\"},"
        "{\"AttributeName\":\"b\",\"KeyType\":\"RANGE\"},{\"AttributeName\":\"c\",\"KeyType\":\"RANGE\"}]}",
        ONE "Value '[KeySchemaElement(attributeName=a, keyType=HASH), KeySchemaElement(attributeName=b, "
            "keyType=RANGE), KeySchemaElement(attributeName=c, keyType=RANGE)]' at 'keySchema" FAILED
            "Member must have length less than or equal to 2");
}

static void elements_that_are_scalars_are_told_of_their_list(void **state)
{
    violates(
        "UntagResource", "{\"ResourceArn\":\"arn\",\"TagKeys\":[\"a\",\"\",\"\"]}",
        ONE "Value '[a, , ]' at 'tagKeys" FAILED
            "Member must satisfy constraint: [Member must have length less than or equal to 128, Member must "
            "have length greater than or equal to 1]");
}

static void values_of_maps_are_told_of_their_map(void **state)
{
    violates(
        "BatchWriteItem", "{\"RequestItems\":{\"music\":[]}}",
        ONE
        "Value '{music=[...]}' at 'requestItems" FAILED
        "Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must "
        "have length greater than or equal to 1]");
    violates(
        "BatchWriteItem", "{\"RequestItems\":{\"a b\":[{}]}}",
        ONE
        "Value '{a b=[...]}' at 'requestItems" FAILED
        "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must "
        "have length greater than or equal to 1, Member must satisfy regular expression pattern: "
        "[a-zA-Z0-9_.-]+]");
}

static void paths_lead_through_maps_and_lists(void **state)
{
    violates("BatchWriteItem", "{\"RequestItems\":{\"music\":[{},{\"DeleteRequest\":{}}]}}",
             ONE "Value null at 'requestItems.music.member.2.member.deleteRequest.key" FAILED
                 "Member must not be null");
    violates("TransactWriteItems",
             "{\"TransactItems\":[{\"Put\":{" NAME ",\"Item\":{}}},{\"Update\":{" NAME "}}]}",
             "2 validation errors detected: Value null at 'transactItems.2.member.update.key" FAILED
             "Member must not be null; Value null at 'transactItems.2.member.update.updateExpression" FAILED
             "Member must not be null");
}

static void lengths_count_utf16_units(void **state)
{
    violates("TagResource", "{\"ResourceArn\":\"arn\",\"Tags\":[{\"Key\":\"\",\"Value\":\"\"}]}",
             ONE "Value '' at 'tags.1.member.key" FAILED
                 "Member must have length greater than or equal to 1");
    accepts("TransactWriteItems",
            "{\"TransactItems\":[{}],\"ClientRequestToken\":\""
            "\\u00e9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
            "\xf0\x9f\x8e\xb5\xf0\x9f\x8e\xb5\xf0\x9f\x8e\xb5\xf0\x9f\x8e\xb5\xf0\x9f\x8e\xb5"
            "\xf0\x9f\x8e\xb5\xf0\x9f\x8e\xb5\xf0\x9f\x8e\xb5\xf0\x9f\x8e\xb5\xf0\x9f\x8e\xb5"
            "123456\"}");
    violates("TransactWriteItems",
             "{\"TransactItems\":[{}],\"ClientRequestToken\":\"\xf0\x9f\x8e\xb5"
             "12345678901234567890123456789012345\"}",
             ONE "Value '\xf0\x9f\x8e\xb5"
                 "12345678901234567890123456789012345' at 'clientRequestToken" FAILED
                 "Member must have length less than or equal to 36");
}

static void violations_are_told_in_the_models_order(void **state)
{
    violates("GetItem", "{\"ReturnConsumedCapacity\":\"x\",\"AttributesToGet\":[],\"TableName\":\"\"}",
             "4 validation errors detected: Value '' at 'tableName" FAILED
             "Member must have length greater than or equal to 1; Value null at 'key" FAILED
             "Member must not be null; Value '[]' at 'attributesToGet" FAILED
             "Member must have length greater than or equal to 1; Value 'x' at 'returnConsumedCapacity" FAILED
             "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]");
    violates("CreateTable", "{" NAME ",\"KeySchema\":[],\"ProvisionedThroughput\":{\"ReadCapacityUnits\":0}}",
             "4 validation errors detected: Value null at 'attributeDefinitions" FAILED
             "Member must not be null; Value null at 'provisionedThroughput.writeCapacityUnits" FAILED
             "Member must not be null; Value '0' at 'provisionedThroughput.readCapacityUnits" FAILED
             "Member must have value greater than or equal to 1; Value '[]' at 'keySchema" FAILED
             "Member must have length greater than or equal to 1");
}

static void there_are_at_most_ten(void **state)
{
    char body[4000] = "{" NAME ",\"KeySchema\":[{}],\"AttributeDefinitions\":[{}";
    for (int i = 0; i < 50; i++)
        strncat(body, ",{}", sizeof body - strlen(body) - 1);
    strncat(body, "]}", sizeof body - strlen(body) - 1);
    read_body("CreateTable", slice_from_string(body));
    assert_int_equal(strncmp(reply.words, "10 validation errors detected: ", 31), 0);
    assert_non_null(strstr(reply.words, "attributeDefinitions.5.member.attributeType"));
    assert_null(strstr(reply.words, "attributeDefinitions.6.member"));
    assert_null(strstr(reply.words, "keySchema"));
}

/* ---- bounds ---- */

static void long_values_are_cut_between_characters(void **state)
{
    char body[5000] = "{" NAME ",\"Key\":{},\"ReturnValues\":\"x";
    for (int i = 0; i < 1000; i++)
        strncat(body, "\xc3\xa9", sizeof body - strlen(body) - 1);
    strncat(body, "\"}", sizeof body - strlen(body) - 1);
    read_body("DeleteItem", slice_from_string(body));
    assert_int_equal(reply.err, ERR_VALIDATION);
    const char *end = strstr(reply.words, "' at 'returnValues");
    assert_non_null(end);
    assert_int_equal(end - strchr(reply.words, '\''), 1 + 1023);
}

static void a_nul_does_not_end_the_words(void **state)
{
    violates("GetItem", "{\"TableName\":\"a\\u0000b\",\"Key\":{}}",
             ONE "Value 'a b' at 'tableName" FAILED
                 "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+");
}

static void ten_long_values_and_paths_fit(void **state)
{
    static char body[1 << 20], name[100000];
    memset(name, 'n', sizeof name - 1);
    int length = snprintf(body, sizeof body, "{\"RequestItems\":{\"%s\":[{\"PutRequest\":{}}", name);
    for (int i = 0; i < 20; i++)
        length += snprintf(body + length, sizeof body - (size_t)length, ",{\"PutRequest\":{}}");
    (void)snprintf(body + length, sizeof body - (size_t)length, "]}}");
    read_body("BatchWriteItem", slice_from_string(body));
    assert_int_equal(reply.err, ERR_VALIDATION);
    assert_int_equal(strncmp(reply.words, "10 validation errors detected: Value '{nnn", 42), 0);
    assert_in_range(strlen(reply.words), 1000, 40000);
    assert_non_null(strstr(reply.words, "n.member.9.member.putRequest.item"));
}

static void every_cut_and_every_changed_byte_is_survived(void **state)
{
    static const char whole[] =
        "{\"TableName\":\"\\u00e9 b\",\"KeySchema\":[{\"AttributeName\":\"\",\"KeyType\":\"SORT\"},null],"
        "\"AttributeDefinitions\":[{\"AttributeName\":\"a\"}],\"ProvisionedThroughput\":{"
        "\"ReadCapacityUnits\":0},"
        "\"Tags\":[{\"Key\":\"\\n\",\"Value\":null}],\"VectorIndexes\":[{}]}";
    char body[sizeof whole];
    static const char bytes[] = {'\0', '"', '{', '}', '[', ']', ':', ',', '0', 'n', '\\', '\xff'};
    for (size_t i = 0; i + 1 < sizeof whole; i++) {
        read_body("CreateTable", slice_make(whole, i));
        assert_int_equal(reply.err, ERR_SERIALIZATION);
        for (size_t k = 0; k < sizeof bytes; k++) {
            memcpy(body, whole, sizeof whole);
            body[i] = bytes[k];
            read_body("CreateTable", slice_make(body, sizeof whole - 1));
            assert_true(reply.err == ERR_SERIALIZATION || reply.err == ERR_VALIDATION);
        }
    }
}

static void a_spent_arena_is_told(void **state)
{
    for (size_t capacity = 64; capacity < 3000; capacity += 100) {
        struct arena arena;
        struct model_request request;
        const char *words;
        arena_init(&arena, 64, capacity);
        enum err err =
            model_read(model_operation_find(SLICE_LITERAL("CreateTable")), SLICE_LITERAL("{" NAME "}"),
                       &(struct model_options){.hooks = NULL}, &arena, &request, &words);
        assert_true(err == ERR_NO_MEMORY || err == ERR_VALIDATION);
        assert_int_equal(err == ERR_VALIDATION, words != NULL);
        arena_deinit(&arena);
    }
}

/* ---- afterwards ---- */

struct taken {
    struct slice key;
    enum err err;
};

static enum err take_key(void *data, struct json *j, struct error *error)
{
    struct taken *taken = data;
    assert_true(json_raw(j, &taken->key));
    return taken->err == ERR_OK ? ERR_OK : error_set(error, taken->err, "the hook's words");
}

static enum err read_with_hook(struct taken *taken, const char *body, struct arena *arena,
                               struct model_request *request, const char **words)
{
    const struct model_hook hook = {.id = MEMBER_KEY, .read = take_key};
    const struct model_options options = {.hooks = &hook, .hook_count = 1, .data = taken};
    return model_read(model_operation_find(SLICE_LITERAL("GetItem")), slice_from_string(body), &options,
                      arena, request, words);
}

static void members_are_there_afterwards(void **state)
{
    struct arena arena;
    struct model_request request;
    struct taken taken = {.err = ERR_OK};
    const char *words;
    arena_init(&arena, 1024, 4096);
    assert_int_equal(
        read_with_hook(&taken,
                       "{\"TableName\":\"m\\u0075sic\",\"Key\":{\"a\" : 1},\"ConsistentRead\":true,"
                       "\"ReturnConsumedCapacity\":\"TOTAL\",\"AttributesToGet\":[\"a\"],"
                       "\"ExpressionAttributeNames\":null}",
                       &arena, &request, &words),
        ERR_OK);
    assert_true(slice_equal_string(taken.key, "{\"a\" : 1}"));
    assert_true(slice_equal_string(model_string(&request, MEMBER_TABLE_NAME, &arena), "music"));
    assert_true(slice_equal_string(model_json(&request, MEMBER_ATTRIBUTES_TO_GET), "[\"a\"]"));
    assert_true(model_boolean(&request, MEMBER_CONSISTENT_READ));
    assert_int_equal(model_choice(&request, MEMBER_RETURN_CONSUMED_CAPACITY, 9),
                     MODEL_RETURN_CONSUMED_CAPACITY_TOTAL);
    assert_int_equal(model_choice(&request, MEMBER_RETURN_VALUES, 9), 9);
    assert_true(model_has(&request, MEMBER_KEY));
    assert_false(model_has(&request, MEMBER_EXPRESSION_ATTRIBUTE_NAMES));
    assert_false(model_has(&request, MEMBER_ITEM));
    assert_false(model_boolean(&request, MEMBER_SCAN_INDEX_FORWARD));
    assert_null(model_string(&request, MEMBER_PROJECTION_EXPRESSION, &arena).data);
    arena_deinit(&arena);
}

static void integers_saturate_as_they_were_checked(void **state)
{
    struct arena arena;
    struct model_request request;
    const char *words;
    arena_init(&arena, 1024, 4096);
    assert_int_equal(model_read(model_operation_find(SLICE_LITERAL("Scan")),
                                SLICE_LITERAL("{" NAME ",\"Limit\":99999999999}"),
                                &(struct model_options){.hooks = NULL}, &arena, &request, &words),
                     ERR_OK);
    assert_int_equal(model_integer(&request, MEMBER_LIMIT, 7), INT32_MAX);
    assert_int_equal(model_integer(&request, MEMBER_SEGMENT, 7), 7);
    arena_deinit(&arena);
}

static void a_hook_may_refuse(void **state)
{
    struct arena arena;
    struct model_request request;
    struct taken taken = {.err = ERR_SERIALIZATION};
    const char *words;
    arena_init(&arena, 1024, 4096);
    assert_int_equal(read_with_hook(&taken, "{\"TableName\":\"\",\"Key\":{}}", &arena, &request, &words),
                     ERR_SERIALIZATION);
    assert_string_equal(words, "the hook's words");
    taken = (struct taken){.key = SLICE_EMPTY, .err = ERR_OK};
    assert_int_equal(read_with_hook(&taken, "{" NAME ",\"Key\":null}", &arena, &request, &words),
                     ERR_VALIDATION);
    assert_null(taken.key.data);
    arena_deinit(&arena);
}

static void what_is_checked_is_read_by_the_hook_as_well(void **state)
{
    struct arena arena;
    struct model_request request;
    struct taken taken = {.err = ERR_OK};
    const char *words;
    const struct model_hook hook = {.id = MEMBER_REQUEST_ITEMS, .is_checked = true, .read = take_key};
    const struct model_options options = {.hooks = &hook, .hook_count = 1, .data = &taken};
    const struct model_operation *write = model_operation_find(SLICE_LITERAL("BatchWriteItem"));
    arena_init(&arena, 1024, 8192);
    assert_int_equal(model_read(write, SLICE_LITERAL("{\"RequestItems\":{\"music\":5}}"), &options, &arena,
                                &request, &words),
                     ERR_SERIALIZATION);
    assert_null(taken.key.data);
    assert_int_equal(model_read(write, SLICE_LITERAL("{\"RequestItems\":{\"music\":[]}}"), &options, &arena,
                                &request, &words),
                     ERR_VALIDATION);
    assert_true(slice_equal_string(taken.key, "{\"music\":[]}"));
    taken.err = ERR_SERIALIZATION;
    assert_int_equal(model_read(write, SLICE_LITERAL("{\"RequestItems\":{\"music\":[]}}"), &options, &arena,
                                &request, &words),
                     ERR_SERIALIZATION);
    assert_string_equal(words, "the hook's words");
    taken.err = ERR_OK;
    assert_int_equal(model_read(write, SLICE_LITERAL("{\"RequestItems\":{\"music\":[{}]}}"), &options, &arena,
                                &request, &words),
                     ERR_OK);
    arena_deinit(&arena);
}

static void the_name_is_what_follows_table_in_an_arn(void **state)
{
    struct slice arn = SLICE_LITERAL("arn:aws:dynamodb:us-east-1:100000000001:table/Music");
    assert_true(slice_equal_string(model_table_name(arn), "Music"));
    assert_true(slice_equal_string(model_table_name(SLICE_LITERAL("Music")), "Music"));
    assert_true(slice_equal_string(model_table_name(SLICE_LITERAL("arn:")), "arn:"));
    assert_int_equal(model_table_name(SLICE_LITERAL("arn:x:table/")).length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_found_by_its_name),
        cmocka_unit_test(good_requests_pass),
        cmocka_unit_test(of_a_name_that_occurs_twice_the_last_value_counts),
        cmocka_unit_test(what_is_not_json_comes_first),
        cmocka_unit_test(a_wrong_type_is_told_before_any_constraint),
        cmocka_unit_test(containers_of_the_wrong_kind_have_their_own_words),
        cmocka_unit_test(some_members_must_be_given_before_anything_is_constrained),
        cmocka_unit_test(a_required_member_must_not_be_null),
        cmocka_unit_test(names_of_tables_violate_one_constraint_at_a_time),
        cmocka_unit_test(an_enum_is_one_of_its_set_in_dynamodbs_order),
        cmocka_unit_test(numbers_have_a_range),
        cmocka_unit_test(some_members_have_new_words),
        cmocka_unit_test(lists_have_a_length),
        cmocka_unit_test(elements_that_are_scalars_are_told_of_their_list),
        cmocka_unit_test(values_of_maps_are_told_of_their_map),
        cmocka_unit_test(paths_lead_through_maps_and_lists),
        cmocka_unit_test(lengths_count_utf16_units),
        cmocka_unit_test(violations_are_told_in_the_models_order),
        cmocka_unit_test(there_are_at_most_ten),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(a_nul_does_not_end_the_words),
        cmocka_unit_test(ten_long_values_and_paths_fit),
        cmocka_unit_test(every_cut_and_every_changed_byte_is_survived),
        cmocka_unit_test(a_spent_arena_is_told),
        cmocka_unit_test(members_are_there_afterwards),
        cmocka_unit_test(integers_saturate_as_they_were_checked),
        cmocka_unit_test(a_hook_may_refuse),
        cmocka_unit_test(what_is_checked_is_read_by_the_hook_as_well),
        cmocka_unit_test(the_name_is_what_follows_table_in_an_arn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

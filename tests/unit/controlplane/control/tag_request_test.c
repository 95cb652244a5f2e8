#include "controlplane/control/tag_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

#define ARN "arn:aws:dynamodb:us-east-1:100000000001:table/tab"
#define ON_TAB "'ResourceArn':'" ARN "'"
#define POPV "One or more parameter values were invalid: "

static const struct table_scope scope = {"us-east-1", "100000000001"};

/* JSON with ' for ". */
static json_t *parse(const char *text)
{
    static char json[16384];
    size_t length = 0;
    json[length++] = '{';
    for (; *text != '\0'; text++)
        json[length++] = *text == '\'' ? '"' : *text;
    json[length++] = '}';
    json_t *request = json_loadb(json, length, 0, NULL);
    assert_non_null(request);
    return request;
}

static void assert_refused(enum tag_operation operation, const char *text, enum err code, const char *words)
{
    struct answer answer;
    struct tag_request request;
    json_t *json = parse(text);
    answer_init(&answer);
    assert_int_equal(tag_request_read(operation, json, &scope, "arn:aws:iam::1:user/x", &request, &answer),
                     code);
    assert_int_equal(answer.code, code);
    assert_string_equal(answer.message, words);
    answer_deinit(&answer);
    json_decref(json);
}

/* The tags afterwards; NULL: refused. */
static char *apply(enum tag_operation operation, const char *text, const char *tags)
{
    struct answer answer;
    struct tag_request request;
    char *changed = NULL;
    json_t *json = parse(text);
    answer_init(&answer);
    if (tag_request_read(operation, json, &scope, "", &request, &answer) != ERR_OK)
        fail_msg("%s", answer.message);
    assert_string_equal(request.name, "tab");
    assert_string_equal(request.arn, ARN);
    if (tag_request_apply(&request, tags, &changed, &answer) != ERR_OK) {
        assert_null(changed);
        assert_int_equal(answer.code, ERR_VALIDATION);
        assert_string_equal(answer.message, POPV "Too many tags: at most 50 are allowed");
    }
    answer_deinit(&answer);
    json_decref(json);
    return changed;
}

static void the_resource_is_a_table_of_ours(void **state)
{
    assert_refused(TAG_LIST, "", ERR_VALIDATION, "Invalid TableArn");
    assert_refused(TAG_LIST, "'ResourceArn':'tab'", ERR_VALIDATION,
                   "Invalid TableArn: Invalid ResourceArn provided as input tab");
    assert_refused(TAG_LIST, "'ResourceArn':'arn:aws:dynamodb:us-east-1:100000000001:table/'", ERR_VALIDATION,
                   "Invalid TableArn: Invalid ResourceArn provided as input "
                   "arn:aws:dynamodb:us-east-1:100000000001:table/");
    assert_refused(TAG_LIST, "'ResourceArn':5", ERR_VALIDATION, "Invalid TableArn");
    assert_refused(TAG_LIST, "'ResourceArn':'arn:aws:dynamodb:us-east-1:100000000002:table/tab'",
                   ERR_ACCESS_DENIED,
                   "User: arn:aws:iam::1:user/x is not authorized to perform: dynamodb:ListTagsOfResource on "
                   "resource: arn:aws:dynamodb:us-east-1:100000000002:table/tab");
}

/* Words that are cut are text all the same: jansson takes no other. */
static void a_long_resource_is_cut_between_characters(void **state)
{
    struct answer answer;
    struct tag_request request;
    char arn[1600] = "xx";
    for (size_t i = 2; i + 2 < sizeof arn; i += 2)
        memcpy(arn + i, "\xc3\xa9", 3);
    json_t *json = json_pack("{s:s}", "ResourceArn", arn);
    answer_init(&answer);
    assert_int_equal(tag_request_read(TAG_LIST, json, &scope, "", &request, &answer), ERR_VALIDATION);
    json_t *words = json_string(answer.message);
    assert_non_null(words);
    assert_int_equal(strlen(answer.message),
                     strlen("Invalid TableArn: Invalid ResourceArn provided as input ") + 1282);
    json_decref(words);
    answer_deinit(&answer);
    json_decref(json);
}

static void tags_are_checked(void **state)
{
    assert_refused(TAG_ADD, ON_TAB, ERR_VALIDATION, "Atleast one Tag needs to be provided as Input.");
    assert_refused(TAG_ADD, ON_TAB ",'Tags':[]", ERR_VALIDATION,
                   "Atleast one Tag needs to be provided as Input.");
    assert_refused(TAG_REMOVE, ON_TAB ",'TagKeys':[]", ERR_VALIDATION,
                   "Atleast one Tag Key needs to be provided as Input.");
    assert_refused(TAG_ADD, ON_TAB ",'Tags':[{'Key':'a','Value':'1'},{'Key':'a','Value':'2'}]",
                   ERR_VALIDATION, POPV "Duplicate tag key: a");
    assert_refused(TAG_ADD, ON_TAB ",'Tags':[{'Key':'aws:a','Value':'1'}]", ERR_VALIDATION,
                   POPV "Tag keys starting with 'aws:' are reserved for system use");
}

static void tags_come_change_and_go(void **state)
{
    char *tags = apply(TAG_ADD, ON_TAB ",'Tags':[{'Key':'a','Value':'1'},{'Key':'b','Value':''}]", NULL);
    assert_string_equal(tags, "[{\"Key\":\"a\",\"Value\":\"1\"},{\"Key\":\"b\",\"Value\":\"\"}]");
    char *changed = apply(TAG_ADD, ON_TAB ",'Tags':[{'Key':'a','Value':'2'}]", tags);
    assert_string_equal(changed, "[{\"Key\":\"b\",\"Value\":\"\"},{\"Key\":\"a\",\"Value\":\"2\"}]");
    char *left = apply(TAG_REMOVE, ON_TAB ",'TagKeys':['a','none']", changed);
    assert_string_equal(left, "[{\"Key\":\"b\",\"Value\":\"\"}]");
    memory_free(tags);
    memory_free(changed);
    memory_free(left);
}

static void there_are_at_most_fifty(void **state)
{
    char text[8192] = ON_TAB ",'Tags':[";
    for (int i = 0; i < 50; i++) {
        size_t length = strlen(text);
        (void)snprintf(text + length, sizeof text - length, "%s{'Key':'k%d','Value':''}", i == 0 ? "" : ",",
                       i);
    }
    memcpy(text + strlen(text), "]", 2);
    char *tags = apply(TAG_ADD, text, NULL);
    assert_non_null(tags);
    assert_null(apply(TAG_ADD, ON_TAB ",'Tags':[{'Key':'one more','Value':''}]", tags));
    char *same = apply(TAG_ADD, ON_TAB ",'Tags':[{'Key':'k7','Value':'new'}]", tags);
    assert_non_null(same);
    memory_free(tags);
    memory_free(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_resource_is_a_table_of_ours),
        cmocka_unit_test(a_long_resource_is_cut_between_characters),
        cmocka_unit_test(tags_are_checked),
        cmocka_unit_test(tags_come_change_and_go),
        cmocka_unit_test(there_are_at_most_fifty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "controlplane/control/table_update_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define POPV "One or more parameter values were invalid: "
#define UNITS(read, write) \
    "'ProvisionedThroughput':{'ReadCapacityUnits':" read ",'WriteCapacityUnits':" write "}"
#define DAY_US (24 * HOUR_US)
#define HOUR_US UINT64_C(3600000000)

static const struct table_scope scope = {"us-east-1", "100000000001"};

/* JSON with ' for ", of a table named "tab". */
static enum err read_update(const char *text, struct table_update *update, struct answer *answer)
{
    char json[1024] = "{\"TableName\":\"tab\"";
    size_t length = strlen(json);
    if (text[0] != '\0')
        json[length++] = ',';
    for (; *text != '\0'; text++)
        json[length++] = *text == '\'' ? '"' : *text;
    json[length++] = '}';
    json_t *request = json_loadb(json, length, 0, NULL);
    assert_non_null(request);
    enum err err = table_update_read(request, &scope, update, answer);
    json_decref(request);
    return err;
}

static struct table_spec provisioned(uint64_t read_units, uint64_t write_units)
{
    return (struct table_spec){.name = "tab", .read_units = read_units, .write_units = write_units};
}

static struct table_spec on_demand(void)
{
    return (struct table_spec){.name = "tab", .is_on_demand = true, .history.on_demand_us = 1};
}

static enum err apply(const char *text, uint64_t now_us, struct table_spec *spec, struct answer *answer)
{
    struct table_update update;
    answer_init(answer);
    enum err err = read_update(text, &update, answer);
    return err == ERR_OK ? table_update_apply(&update, now_us, spec, answer) : err;
}

static void assert_refused(const char *text, struct table_spec spec, enum err code, const char *words)
{
    struct answer answer;
    const struct table_spec before = spec;
    assert_int_equal(apply(text, DAY_US, &spec, &answer), code);
    assert_int_equal(answer.code, code);
    assert_string_equal(answer.message, words);
    if (code != ERR_OK)
        assert_int_equal(spec.read_units, before.read_units);
    answer_deinit(&answer);
}

static void something_must_change_and_one_kind_only(void **state)
{
    const char *least = "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, "
                        "GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required";
    const char *one =
        POPV "Throughput, TableClass and DeletionProtectionEnabled can only be changed one at a time";
    assert_refused("", on_demand(), ERR_VALIDATION, least);
    assert_refused("'GlobalSecondaryIndexUpdates':[]", on_demand(), ERR_VALIDATION, least);
    assert_refused("'BillingMode':'PAY_PER_REQUEST','DeletionProtectionEnabled':true", on_demand(),
                   ERR_VALIDATION, one);
    assert_refused("'TableClass':'STANDARD','DeletionProtectionEnabled':true", on_demand(), ERR_VALIDATION,
                   one);
}

static void what_is_not_served_is_refused_by_name(void **state)
{
    static const char *const names[] = {"StreamSpecification", "SSESpecification", "ReplicaUpdates",
                                        "WarmThroughput"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[128], words[256];
        const char *value = i == 0 ? "{'StreamEnabled':false}" : i == 2 ? "[]" : "{}";
        (void)snprintf(text, sizeof text, "'%s':%s", names[i], value);
        (void)snprintf(words, sizeof words, POPV "%s is not supported by this version of the service",
                       names[i]);
        assert_refused(text, on_demand(), ERR_VALIDATION, words);
    }
    assert_refused("'GlobalSecondaryIndexUpdates':[{}]", on_demand(), ERR_VALIDATION,
                   POPV "GlobalSecondaryIndexUpdates is not supported by this version of the service");
}

static void units_belong_to_the_mode(void **state)
{
    const char *neither =
        POPV "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
             "PAY_PER_REQUEST";
    assert_refused("'BillingMode':'PAY_PER_REQUEST'," UNITS("1", "1"), provisioned(5, 5), ERR_VALIDATION,
                   neither);
    assert_refused(UNITS("1", "1"), on_demand(), ERR_VALIDATION, neither);
    assert_refused("'BillingMode':'PROVISIONED'", on_demand(), ERR_VALIDATION,
                   POPV "ProvisionedThroughput must be specified when BillingMode is PROVISIONED");
    const char *maximum = POPV "OnDemandThroughput can only be specified when BillingMode is PAY_PER_REQUEST";
    assert_refused("'OnDemandThroughput':{'MaxReadRequestUnits':5}", provisioned(5, 5), ERR_VALIDATION,
                   maximum);
    assert_refused("'BillingMode':'PROVISIONED','OnDemandThroughput':{}," UNITS("1", "1"), on_demand(),
                   ERR_VALIDATION, maximum);
    assert_refused("'OnDemandThroughput':{'MaxReadRequestUnits':0}", on_demand(), ERR_VALIDATION,
                   POPV "MaxReadRequestUnits must be at least 1, or -1 for no maximum: 0");
    assert_refused(
        UNITS("40001", "1"), provisioned(5, 5), ERR_LIMIT_EXCEEDED,
        "Subscriber limit exceeded: Provisioned throughput of a table is limited to 40000 read and "
        "40000 write capacity units");
}

static void throughput_that_does_not_change_is_refused(void **state)
{
    assert_refused(
        UNITS("5", "6"), provisioned(5, 6), ERR_VALIDATION,
        "The provisioned throughput for the table will not change. The requested value equals the current "
        "value. Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. "
        "Current WriteCapacityUnits provisioned for the table: 6. Requested WriteCapacityUnits: 6. Refer to "
        "the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.");
}

static void the_same_again_changes_nothing(void **state)
{
    struct answer answer;
    struct table_spec spec = on_demand();
    assert_int_equal(apply("'BillingMode':'PAY_PER_REQUEST'", DAY_US, &spec, &answer), ERR_STALE);
    assert_int_equal(apply("'DeletionProtectionEnabled':false", DAY_US, &spec, &answer), ERR_STALE);
    spec.table_class = TABLE_CLASS_STANDARD;
    assert_int_equal(apply("'TableClass':'STANDARD'", DAY_US, &spec, &answer), ERR_STALE);
    spec = provisioned(5, 5);
    assert_int_equal(apply("'BillingMode':'PROVISIONED'", DAY_US, &spec, &answer), ERR_STALE);
    answer_deinit(&answer);
}

static void modes_are_switched_and_remembered(void **state)
{
    struct answer answer;
    struct table_spec spec = provisioned(5, 6);
    assert_int_equal(apply("'BillingMode':'PAY_PER_REQUEST','OnDemandThroughput':{'MaxReadRequestUnits':9}",
                           2 * DAY_US, &spec, &answer),
                     ERR_OK);
    assert_true(spec.is_on_demand && spec.read_units == 0 && spec.write_units == 0);
    assert_true(spec.max_read_units == 9 && spec.max_write_units == 0);
    assert_int_equal(spec.history.on_demand_us, 2 * DAY_US);
    assert_int_equal(apply("'OnDemandThroughput':{'MaxReadRequestUnits':-1,'MaxWriteRequestUnits':3}",
                           3 * DAY_US, &spec, &answer),
                     ERR_OK);
    assert_true(spec.max_read_units == 0 && spec.max_write_units == 3);
    assert_int_equal(spec.history.on_demand_us, 2 * DAY_US);
    assert_int_equal(apply("'BillingMode':'PROVISIONED'," UNITS("7", "8"), 3 * DAY_US, &spec, &answer),
                     ERR_OK);
    assert_true(!spec.is_on_demand && spec.read_units == 7 && spec.write_units == 8);
    assert_true(spec.max_write_units == 0 && spec.history.on_demand_us == 2 * DAY_US);
    assert_int_equal(spec.history.increase_us, 3 * DAY_US);
    answer_deinit(&answer);
}

static void class_and_protection_are_set(void **state)
{
    struct answer answer;
    struct table_spec spec = on_demand();
    assert_int_equal(apply("'TableClass':'STANDARD_INFREQUENT_ACCESS'", DAY_US, &spec, &answer), ERR_OK);
    assert_int_equal(spec.table_class, TABLE_CLASS_INFREQUENT_ACCESS);
    assert_int_equal(spec.history.table_class_us, DAY_US);
    assert_int_equal(apply("'DeletionProtectionEnabled':true", DAY_US, &spec, &answer), ERR_OK);
    assert_true(spec.is_deletion_protected);
    answer_deinit(&answer);
}

/* Four at midnight, one more each hour: 27 on a day, as DynamoDB's guide has it. */
static void decreases_are_rationed(void **state)
{
    struct answer answer;
    struct table_spec spec = provisioned(1000, 1000);
    unsigned count = 0;
    for (uint64_t now_us = 5 * DAY_US; now_us < 6 * DAY_US; now_us += HOUR_US / 6) {
        char text[128];
        (void)snprintf(text, sizeof text, UNITS("%llu", "1000"), (unsigned long long)spec.read_units - 1);
        enum err err = apply(text, now_us, &spec, &answer);
        assert_true(err == ERR_OK || err == ERR_LIMIT_EXCEEDED);
        count += err == ERR_OK;
        assert_int_equal(table_history_decreases_today(&spec.history, now_us), count);
    }
    assert_int_equal(count, 27);
    assert_int_equal(table_history_decreases_today(&spec.history, 6 * DAY_US), 0);
    assert_int_equal(table_history_decreases_left(&spec.history, 6 * DAY_US), TABLE_DECREASES_MAX);
    assert_int_equal(spec.history.increase_us, 0);
    answer_deinit(&answer);
}

static void one_up_and_one_down_is_both(void **state)
{
    struct answer answer;
    struct table_spec spec = provisioned(10, 10);
    assert_int_equal(apply(UNITS("20", "5"), DAY_US, &spec, &answer), ERR_OK);
    assert_true(spec.history.increase_us == DAY_US && spec.history.decrease_us == DAY_US);
    assert_int_equal(spec.history.decrease_count, 1);
    assert_int_equal(spec.history.decreases_left, 3);
    /* A clock that goes back gives nothing away. */
    assert_int_equal(table_history_decreases_left(&spec.history, DAY_US), 3);
    answer_deinit(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(something_must_change_and_one_kind_only),
        cmocka_unit_test(what_is_not_served_is_refused_by_name),
        cmocka_unit_test(units_belong_to_the_mode),
        cmocka_unit_test(throughput_that_does_not_change_is_refused),
        cmocka_unit_test(the_same_again_changes_nothing),
        cmocka_unit_test(modes_are_switched_and_remembered),
        cmocka_unit_test(class_and_protection_are_set),
        cmocka_unit_test(decreases_are_rationed),
        cmocka_unit_test(one_up_and_one_down_is_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "api/cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"

#define TENANTS                                                                                     \
    "{\"tenants\":[{\"tenant_id\":\"100000000001\",\"name\":\"acme\",\"is_suspended\":false,"       \
    "\"tables\":3,\"created_us\":1795240441000000},{\"tenant_id\":\"100000000002\",\"name\":\"b\"," \
    "\"is_suspended\":true,\"tables\":12,\"created_us\":0}]}"
#define FLEET                                                                                        \
    "{\"nodes\":[{\"node_id\":1,\"name\":\"node-1\",\"zone\":\"zone-a\",\"host\":\"127.0.0.1\","     \
    "\"port\":8020,\"is_alive\":true,\"replicas\":4,\"wanted_leaders\":2,\"last_heartbeat_us\":0}]," \
    "\"memds\":[{\"host\":\"127.0.0.1\",\"port\":8010,\"is_connected\":true,\"bundle_version\":9},"  \
    "{\"host\":\"127.0.0.1\",\"port\":8016,\"is_connected\":true,\"bundle_version\":8},"             \
    "{\"host\":\"127.0.0.1\",\"port\":8018,\"is_connected\":false,\"bundle_version\":0}],"           \
    "\"tables\":{\"creating\":1,\"active\":2,\"gone\":0},\"partitions\":4,\"replicas\":12,"          \
    "\"bundle_version\":9}"

/* What control will answer, and what it was asked. */
struct script {
    enum err err;
    long status;
    const char *answer;
    int calls;
    char method[8];
    char path[CLI_PATH_BYTES];
    char body[256];
    char url[256];
    char token[256];
};

struct outcome {
    enum cli_exit status;
    char *out;
    char *err;
};

static enum err scripted(void *data, const struct operator_access *access, const struct operator_call *call,
                         long *ret_status, struct buffer *reply, struct error *error)
{
    struct script *s = data;
    s->calls++;
    (void)snprintf(s->method, sizeof s->method, "%s", call->method);                         /* fits */
    (void)snprintf(s->path, sizeof s->path, "%s", call->path);                               /* fits */
    (void)snprintf(s->body, sizeof s->body, "%.*s", SLICE_PRINTF(buffer_view(&call->body))); /* fits */
    (void)snprintf(s->url, sizeof s->url, "%s", access->url);                                /* fits */
    (void)snprintf(s->token, sizeof s->token, "%s", access->token);                          /* fits */
    if (s->err != ERR_OK)
        return error_set(error, s->err, "cannot reach control at %s: scripted", access->url);
    *ret_status = s->status;
    buffer_append_string(reply, s->answer);
    return ERR_OK;
}

/* Words separated by '|'. */
static struct outcome run_with(struct script *s, const char *line, const char *url, const char *token)
{
    struct outcome outcome = {0};
    char text[256];
    char *words[8];
    int count = 0;
    size_t bytes;
    (void)snprintf(text, sizeof text, "%s", line); /* fits */
    for (char *at = text; at != NULL; count++)
        words[count] = strsep(&at, "|");
    struct cli_options options = {
        .environment_url = url, .environment_token = token, .transport = {.send = scripted, .data = s}};
    options.out = open_memstream(&outcome.out, &bytes);
    options.err = open_memstream(&outcome.err, &bytes);
    outcome.status = cli_run(count, words, &options);
    assert_int_equal(fclose(options.out), 0);
    assert_int_equal(fclose(options.err), 0);
    return outcome;
}

static struct outcome run(struct script *s, const char *line)
{
    return run_with(s, line, "http://127.0.0.1:8014/", "secret");
}

static void assert_outcome(struct outcome outcome, enum cli_exit status, const char *out, const char *err)
{
    assert_string_equal(outcome.err, err);
    assert_string_equal(outcome.out, out);
    assert_int_equal(outcome.status, status);
    free(outcome.out);
    free(outcome.err);
}

/* ---- what is asked ---- */

static void each_command_is_one_request_of_the_operator_api(void **state)
{
    static const struct {
        const char *line, *method, *path, *body;
    } cases[] = {
        {"tenant|create|a \"b\"", "POST", "/v1/tenants", "{\"name\":\"a \\\"b\\\"\"}"},
        {"tenant|list", "GET", "/v1/tenants", ""},
        {"key|create|100000000001", "POST", "/v1/tenants/100000000001/keys", "{}"},
        {"key|create|100000000001|--user|bob", "POST", "/v1/tenants/100000000001/keys",
         "{\"user_name\":\"bob\"}"},
        {"key|revoke|AKIA2", "POST", "/v1/keys/AKIA2/revoke", ""},
        {"fleet", "GET", "/v1/fleet", ""},
        {"fleet|list", "GET", "/v1/fleet", ""},
        {"fleet|show|node-1", "GET", "/v1/fleet/nodes/node-1", ""},
        {"fleet|drain|7", "POST", "/v1/fleet/nodes/7/drain", ""},
        {"fleet|undrain|node-1", "POST", "/v1/fleet/nodes/node-1/undrain", ""},
        {"fleet|remove|node-1", "POST", "/v1/fleet/nodes/node-1/remove", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct script s = {.status = 200, .answer = "{}"};
        struct outcome outcome = run(&s, cases[i].line);
        assert_int_equal(s.calls, 1);
        assert_string_equal(s.method, cases[i].method);
        assert_string_equal(s.path, cases[i].path);
        assert_string_equal(s.body, cases[i].body);
        assert_string_equal(s.url, "http://127.0.0.1:8014");
        assert_string_equal(s.token, "secret");
        free(outcome.out);
        free(outcome.err);
    }
}

static void options_win_over_the_environment(void **state)
{
    char path[] = "/tmp/cli_test_token_XXXXXX";
    char line[128];
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "from-file\n", 10), 10);
    assert_int_equal(close(file), 0);
    struct script s = {.status = 200, .answer = "{\"tenants\":[]}"};
    (void)snprintf(line, sizeof line, "--url=https://control|--token-file=%s|tenant|list", path); /* fits */
    assert_outcome(run(&s, line), CLI_EXIT_DONE, "TENANT ID  NAME  TABLES  STATE  CREATED\n", "");
    assert_string_equal(s.url, "https://control");
    assert_string_equal(s.token, "from-file");
    assert_int_equal(unlink(path), 0);
}

static void without_address_or_token_nothing_is_sent(void **state)
{
    struct script s = {.status = 200, .answer = "{}"};
    assert_outcome(run_with(&s, "fleet", NULL, "t"), CLI_EXIT_USAGE, "",
                   "sluice: where is control? Set SLUICE_OPERATOR_URL or give --url\n");
    assert_outcome(run_with(&s, "fleet", "127.0.0.1:8014", "t"), CLI_EXIT_USAGE, "",
                   "sluice: the address '127.0.0.1:8014' does not begin with http:// or https://\n");
    assert_outcome(run_with(&s, "fleet", "http://a", NULL), CLI_EXIT_USAGE, "",
                   "sluice: set SLUICE_OPERATOR_TOKEN or give --token-file\n");
    assert_outcome(run_with(&s, "fleet", "http://a", "a\r\nX: y"), CLI_EXIT_USAGE, "",
                   "sluice: the operator's token is empty or has characters that it may not have\n");
    assert_outcome(run_with(&s, "fleet|--token-file|/no/such", "http://a", "t"), CLI_EXIT_USAGE, "",
                   "sluice: token file /no/such: No such file or directory\n");
    assert_outcome(run(&s, "tenant|create|\xff"), CLI_EXIT_USAGE, "", "sluice: a name must be UTF-8\n");
    assert_int_equal(s.calls, 0);
}

/* ---- what is shown ---- */

static void a_new_key_shows_its_secret(void **state)
{
    struct script s = {.status = 200,
                       .answer =
                           "{\"access_key_id\":\"AKIA2\",\"secret_access_key\":\"s3\","
                           "\"tenant_id\":\"100000000001\",\"user_name\":\"root\",\"bundle_version\":2}"};
    assert_outcome(run(&s, "key|create|100000000001"), CLI_EXIT_DONE,
                   "tenant id          100000000001\n"
                   "user               root\n"
                   "access key id      AKIA2\n"
                   "secret access key  s3\n"
                   "Keep the secret now: it cannot be shown again.\n",
                   "");
}

static void tenants_are_a_table(void **state)
{
    struct script s = {.status = 200, .answer = TENANTS};
    assert_outcome(run(&s, "tenant|list"), CLI_EXIT_DONE,
                   "TENANT ID     NAME  TABLES  STATE      CREATED\n"
                   "100000000001  acme       3  active     2026-11-21T05:54:01Z\n"
                   "100000000002  b         12  suspended  never\n",
                   "");
}

static void the_fleet_is_a_table_and_counts(void **state)
{
    struct script s = {.status = 200, .answer = FLEET};
    assert_outcome(
        run(&s, "fleet"), CLI_EXIT_DONE,
        "NODE  NAME    ZONE    ADDRESS         STATE  REPLICAS  WANTED LEADERS  ITEMS  LAST HEARTBEAT\n"
        "   1  node-1  zone-a  127.0.0.1:8020  alive         4               2  0 B    never\n"
        "\n"
        "MEMDS           STATE    BUNDLE VERSION\n"
        "127.0.0.1:8010  current               9\n"
        "127.0.0.1:8016  behind                8\n"
        "127.0.0.1:8018  away                  0\n"
        "\n"
        "tables          1 creating, 2 active\n"
        "partitions      4\n"
        "replicas        12\n"
        "bundle version  9\n",
        "");
}

static void what_is_missing_in_the_fleet_is_told(void **state)
{
    struct script s = {.status = 200,
                       .answer =
                           "{\"nodes\":[{\"node_id\":12,\"name\":\"n\",\"zone\":\"z\",\"host\":\"h\","
                           "\"port\":1,\"state\":\"draining\",\"item_bytes\":1610612736}],\"tables\":{},"
                           "\"care\":{\"groups_short\":7,\"groups_covered\":5,\"groups_stuck\":1,"
                           "\"builds_running\":2,\"moves_running\":0}}"};
    assert_outcome(run(&s, "fleet"), CLI_EXIT_DONE,
                   "NODE  NAME  ZONE  ADDRESS  STATE     REPLICAS  WANTED LEADERS  ITEMS    LAST HEARTBEAT\n"
                   "  12  n     z     h:1      draining         0               0  1.5 GiB  never\n"
                   "\n"
                   "tables          none\n"
                   "partitions      0\n"
                   "replicas        0\n"
                   "short groups    7, 5 with log replicas, 1 without a quorum\n"
                   "building        2\n"
                   "moving          0\n"
                   "bundle version  0\n",
                   "");
}

static void a_node_is_shown_with_what_it_has(void **state)
{
    struct script s = {
        .status = 200,
        .answer =
            "{\"node_id\":3,\"name\":\"node-3\",\"zone\":\"zone-c\",\"host\":\"127.0.0.1\",\"port\":8024,"
            "\"loops\":2,\"state\":\"alive\",\"replicas\":2,\"quarantined\":1,\"leaders\":1,"
            "\"wanted_leaders\":1,\"item_bytes\":2048,\"milli_units_per_s\":12345,\"last_heartbeat_us\":0,"
            "\"replica_list\":[{\"group_id\":5,\"replica_id\":14,\"tenant_id\":\"100000000001\","
            "\"table\":\"music\",\"kind\":\"storage\",\"state\":\"leader\",\"is_leader_wanted\":true,"
            "\"item_bytes\":2048}],\"replica_list_count\":2}"};
    assert_outcome(run(&s, "fleet|show|node-3"), CLI_EXIT_DONE,
                   "node id         3\n"
                   "name            node-3\n"
                   "zone            zone-c\n"
                   "address         127.0.0.1:8024\n"
                   "loops           2\n"
                   "state           alive\n"
                   "last heartbeat  never\n"
                   "replicas        2, 1 quarantined\n"
                   "leaders         1, 1 wanted\n"
                   "items           2.0 KiB\n"
                   "consumed        12.3 units/s\n"
                   "\n"
                   "GROUP  REPLICA  TENANT        TABLE  KIND     STATE   SHOULD LEAD  ITEMS\n"
                   "    5       14  100000000001  music  storage  leader  yes          2.0 KiB\n"
                   "... and 1 more\n",
                   "");
    s.answer = "{\"tenants\":[]}";
    assert_outcome(run(&s, "fleet|show|node-3"), CLI_EXIT_FAILED, "",
                   "sluice: control's answer is not the expected one; --json shows it\n");
}

static void orders_to_nodes_are_confirmed(void **state)
{
    struct script s = {.status = 200, .answer = "{\"node_id\":3,\"name\":\"node-3\",\"replicas\":4}"};
    assert_outcome(run(&s, "fleet|drain|node-3"), CLI_EXIT_DONE,
                   "node-3 drains: 4 replicas to move. `sluice fleet show node-3` tells how far it is.\n",
                   "");
    assert_outcome(run(&s, "fleet|undrain|node-3"), CLI_EXIT_DONE,
                   "node-3 can have replicas again; it keeps 4.\n", "");
    assert_outcome(run(&s, "fleet|remove|node-3"), CLI_EXIT_DONE,
                   "node-3 (node 3) is removed; 4 replicas are built elsewhere.\n", "");
    s.answer = "{\"name\":\"node-3\",\"replicas\":0}";
    assert_outcome(run(&s, "fleet|drain|node-3"), CLI_EXIT_DONE, "node-3 is drained: it has no replicas.\n",
                   "");
}

static void a_new_tenant_and_a_revoked_key_are_confirmed(void **state)
{
    struct script s = {.status = 200, .answer = "{\"tenant_id\":\"100000000001\",\"name\":\"acme\"}"};
    assert_outcome(run(&s, "tenant|create|acme"), CLI_EXIT_DONE,
                   "tenant id          100000000001\n"
                   "name               acme\n",
                   "");
    s.answer = "{\"access_key_id\":\"AKIA2\",\"is_revoked\":true}";
    assert_outcome(run(&s, "key|revoke|AKIA2"), CLI_EXIT_DONE,
                   "AKIA2 is revoked; routers refuse it within seconds.\n", "");
}

static void json_is_controls_answer_as_it_came(void **state)
{
    struct script s = {.status = 200, .answer = FLEET};
    assert_outcome(run(&s, "--json|fleet"), CLI_EXIT_DONE, FLEET "\n", "");
}

static void help_and_version_need_no_fleet(void **state)
{
    struct script s = {0};
    assert_outcome(run_with(&s, "--version", NULL, NULL), CLI_EXIT_DONE, "sluice " SLUICE_VERSION "\n", "");
    struct outcome help = run_with(&s, "help", NULL, NULL);
    assert_int_equal(help.status, CLI_EXIT_DONE);
    assert_int_equal(strncmp(help.out, "sluice [OPTION...] COMMAND\n", 27), 0);
    free(help.out);
    free(help.err);
    assert_int_equal(s.calls, 0);
}

/* ---- what goes wrong ---- */

static void a_refusal_is_one_line(void **state)
{
    struct script s = {.status = 409,
                       .answer = "{\"error\":\"ResourceInUseException\",\"message\":\"exists:\\na\"}"};
    assert_outcome(run(&s, "tenant|create|a"), CLI_EXIT_FAILED, "",
                   "sluice: exists: a (ResourceInUseException)\n");
    s = (struct script){.status = 401, .answer = "{\"error\":\"Unauthorized\",\"message\":\"show it\"}"};
    assert_outcome(run(&s, "fleet"), CLI_EXIT_FAILED, "", "sluice: control does not take this token\n");
    s = (struct script){.status = 502, .answer = "<html>"};
    assert_outcome(run(&s, "fleet"), CLI_EXIT_FAILED, "",
                   "sluice: HTTP status 502, and no reason given; is this control's operator port?\n");
}

static void an_answer_that_is_none_of_controls_is_a_failure(void **state)
{
    static const char *const answers[] = {"{}", "{\"tables\":7}", "{\"tables\":{},\"nodes\":{}}"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct script s = {.status = 200, .answer = answers[i]};
        assert_outcome(run(&s, "fleet"), CLI_EXIT_FAILED, "",
                       "sluice: control's answer is not the expected one; --json shows it\n");
    }
    struct script s = {.status = 200, .answer = "hello"};
    assert_outcome(
        run(&s, "fleet"), CLI_EXIT_FAILED, "",
        "sluice: http://127.0.0.1:8014 does not answer with JSON; is this control's operator port?\n");
}

static void rows_with_strange_fields_are_shown_and_do_no_harm(void **state)
{
    struct script s = {.status = 200,
                       .answer = "{\"tables\":{\"a\":\"x\"},\"nodes\":[7,{\"port\":\"x\"},null],"
                                 "\"memds\":[7,{\"port\":\"x\"},null]}"};
    struct outcome outcome = run(&s, "fleet");
    assert_int_equal(outcome.status, CLI_EXIT_DONE);
    free(outcome.out);
    free(outcome.err);
}

static void no_answer_is_a_failure(void **state)
{
    struct script s = {.err = ERR_UNAVAILABLE};
    assert_outcome(run(&s, "fleet"), CLI_EXIT_FAILED, "",
                   "sluice: cannot reach control at http://127.0.0.1:8014: scripted\n");
}

static void an_answer_that_cannot_be_written_is_a_failure(void **state)
{
    struct script s = {.status = 200, .answer = FLEET};
    char words[] = "fleet";
    char *line[] = {words};
    char *text;
    size_t bytes;
    FILE *full = fopen("/dev/full", "w");
    FILE *err = open_memstream(&text, &bytes);
    assert_non_null(full);
    const struct cli_options options = {.environment_url = "http://a",
                                        .environment_token = "t",
                                        .transport = {.send = scripted, .data = &s},
                                        .out = full,
                                        .err = err};
    assert_int_equal(cli_run(1, line, &options), CLI_EXIT_FAILED);
    assert_int_equal(fclose(err), 0);
    assert_string_equal(text, "sluice: cannot write the answer: No space left on device\n");
    (void)fclose(full); /* it has failed already */
    free(text);
}

static void a_failing_allocation_ends_in_a_failure(void **state)
{
    bool has_failed = true;
    for (int64_t n = 0; has_failed; n++) {
        struct script s = {.status = 200, .answer = FLEET};
        memory_fail_after(n);
        struct outcome outcome = run(&s, "fleet");
        memory_fail_after(-1);
        has_failed = outcome.status != CLI_EXIT_DONE;
        assert_int_equal(strlen(outcome.out) > 0, !has_failed);
        assert_int_equal(strlen(outcome.err) > 0, has_failed);
        free(outcome.out);
        free(outcome.err);
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_is_one_request_of_the_operator_api),
        cmocka_unit_test(options_win_over_the_environment),
        cmocka_unit_test(without_address_or_token_nothing_is_sent),
        cmocka_unit_test(a_new_key_shows_its_secret),
        cmocka_unit_test(tenants_are_a_table),
        cmocka_unit_test(the_fleet_is_a_table_and_counts),
        cmocka_unit_test(what_is_missing_in_the_fleet_is_told),
        cmocka_unit_test(a_node_is_shown_with_what_it_has),
        cmocka_unit_test(orders_to_nodes_are_confirmed),
        cmocka_unit_test(a_new_tenant_and_a_revoked_key_are_confirmed),
        cmocka_unit_test(json_is_controls_answer_as_it_came),
        cmocka_unit_test(help_and_version_need_no_fleet),
        cmocka_unit_test(a_refusal_is_one_line),
        cmocka_unit_test(an_answer_that_is_none_of_controls_is_a_failure),
        cmocka_unit_test(rows_with_strange_fields_are_shown_and_do_no_harm),
        cmocka_unit_test(no_answer_is_a_failure),
        cmocka_unit_test(an_answer_that_cannot_be_written_is_a_failure),
        cmocka_unit_test(a_failing_allocation_ends_in_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

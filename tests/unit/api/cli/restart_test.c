#include "api/cli/restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#define STEPS(node, control)                                                     \
    "\"steps\":[{\"role\":\"node\",\"name\":\"node-1\",\"state\":\"" node "\"}," \
    "{\"role\":\"control\",\"name\":\"control\",\"state\":\"" control "\"}]}"
#define RUNNING "{\"is_running\":true,\"waits_for\":\"group 7 has 2 of 3 replicas and a leader\","
#define OVER "{\"is_running\":false,\"waits_for\":\"\","

/* What control says, one after the other; NULL: it does not answer. */
struct script {
    const char *const *answers;
    size_t next;
    long status;
};

static enum err scripted(void *data, const struct operator_access *access, const struct operator_call *call,
                         long *ret_status, struct buffer *reply, struct error *error)
{
    struct script *s = data;
    const char *answer = s->answers[s->next++];
    assert_string_equal(call->method, "GET");
    assert_string_equal(call->path, "/v1/fleet/restart");
    if (answer == NULL)
        return error_set(error, ERR_UNAVAILABLE, "nobody answers");
    *ret_status = s->status == 0 ? 200 : s->status;
    buffer_append(reply, slice_from_string(answer));
    return ERR_OK;
}

static char *text;
static struct error error;

static enum err follow(struct script *s)
{
    const struct operator_transport transport = {.send = scripted, .data = s};
    const struct operator_access access = {.url = "http://127.0.0.1:1", .token = "t"};
    size_t bytes;
    free(text);
    FILE *out = open_memstream(&text, &bytes);
    error = (struct error){0};
    enum err err = restart_follow(&transport, &access, out, 0, &error);
    fclose(out);
    return err;
}

static void each_process_is_named_once_as_it_comes_back(void **state)
{
    static const char *const answers[] = {RUNNING STEPS("waiting", "waiting"),
                                          RUNNING STEPS("done", "waiting"),
                                          RUNNING STEPS("done", "restarting"), OVER STEPS("done", "done")};
    assert_int_equal(follow(&(struct script){.answers = answers}), ERR_OK);
    assert_string_equal(text, "node-1                   is back\n"
                              "control                  is back\n"
                              "all 2 processes have started again\n");
}

static void control_may_be_away_meanwhile(void **state)
{
    static const char *const answers[] = {RUNNING STEPS("done", "restarting"), NULL, NULL,
                                          OVER STEPS("done", "done")};
    assert_int_equal(follow(&(struct script){.answers = answers}), ERR_OK);
    assert_non_null(strstr(text, "all 2"));
}

static void one_that_was_stopped_is_a_failure(void **state)
{
    static const char *const answers[] = {RUNNING STEPS("done", "waiting"), OVER STEPS("done", "waiting")};
    assert_int_equal(follow(&(struct script){.answers = answers}), ERR_INVALID);
    assert_string_equal(error.text, "the restart was stopped: 1 of 2 processes have started again");
}

static void nonsense_is_not_followed(void **state)
{
    static const char *const answers[] = {"{\"steps\":[]}", "hello", "{\"is_running\":true,\"steps\":3}"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        assert_int_equal(follow(&(struct script){.answers = answers, .next = i}), ERR_INVALID);
}

static void a_refusal_has_controls_words(void **state)
{
    static const char *const answers[] = {"{\"error\":\"X\",\"message\":\"not for you\"}"};
    assert_int_equal(follow(&(struct script){.answers = answers, .status = 403}), ERR_INVALID);
    assert_string_equal(error.text, "not for you (X)");
}

static void the_report_says_what_is_waited_for(void **state)
{
    struct buffer to;
    buffer_init(&to, 4096);
    json_t *answer = json_loads(RUNNING STEPS("done", "waiting"), 0, NULL);
    assert_int_equal(restart_report(answer, &to), ERR_OK);
    json_decref(answer);
    buffer_append_u8(&to, 0);
    assert_string_equal((char *)to.data, "node       node-1                   done\n"
                                         "control    control                  waiting\n"
                                         "waiting: group 7 has 2 of 3 replicas and a leader\n"
                                         "the restart is under way\n");
    buffer_deinit(&to);
}

static int tear_down(void **state)
{
    free(text);
    text = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_process_is_named_once_as_it_comes_back),
        cmocka_unit_test(control_may_be_away_meanwhile),
        cmocka_unit_test(one_that_was_stopped_is_a_failure),
        cmocka_unit_test(nonsense_is_not_followed),
        cmocka_unit_test(a_refusal_has_controls_words),
        cmocka_unit_test(the_report_says_what_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}

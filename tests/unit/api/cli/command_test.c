#include "api/cli/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { WORDS_MAX = 8 };

static struct error error;

/* Words separated by single spaces; they live until the next call. */
static enum err parse(const char *line, struct cli_command *ret_command)
{
    static char text[256];
    char *words[WORDS_MAX];
    int count = 0;
    assert_true(strlen(line) < sizeof text);
    memcpy(text, line, strlen(line) + 1);
    for (char *at = text; *at != '\0';) {
        words[count++] = at;
        at += strcspn(at, " ");
        if (*at == ' ')
            *at++ = '\0';
    }
    error = (struct error){0};
    return cli_command_parse(count, words, ret_command, &error);
}

static struct cli_command parsed(const char *line)
{
    struct cli_command command;
    assert_int_equal(parse(line, &command), ERR_OK);
    return command;
}

static void assert_refused(const char *line, const char *words)
{
    struct cli_command command;
    assert_int_equal(parse(line, &command), ERR_CONFIG);
    assert_string_equal(error.text, words);
}

static void each_command_has_its_verb_and_argument(void **state)
{
    assert_int_equal(parsed("tenant create acme").verb, CLI_TENANT_CREATE);
    assert_string_equal(parsed("tenant create acme").argument, "acme");
    assert_int_equal(parsed("tenant list").verb, CLI_TENANT_LIST);
    assert_null(parsed("tenant list").argument);
    assert_int_equal(parsed("key create 100000000001").verb, CLI_KEY_CREATE);
    assert_string_equal(parsed("key create 100000000001").argument, "100000000001");
    assert_int_equal(parsed("key revoke AKIAEXAMPLE").verb, CLI_KEY_REVOKE);
    assert_int_equal(parsed("fleet").verb, CLI_FLEET);
    assert_int_equal(parsed("fleet list").verb, CLI_FLEET_LIST);
    assert_int_equal(parsed("fleet drain node-1").verb, CLI_FLEET_DRAIN);
    assert_string_equal(parsed("fleet remove node-1").argument, "node-1");
    assert_int_equal(parsed("fleet restart").verb, CLI_FLEET_RESTART);
    assert_true(parsed("fleet restart --stop").is_stop);
    assert_int_equal(parsed("help").verb, CLI_HELP);
}

static void options_stand_anywhere_and_take_their_value_both_ways(void **state)
{
    struct cli_command command = parsed("--url http://a tenant --json list --token-file=t");
    assert_int_equal(command.verb, CLI_TENANT_LIST);
    assert_string_equal(command.url, "http://a");
    assert_string_equal(command.token_file, "t");
    assert_true(command.is_json);
    assert_string_equal(parsed("key create 100000000001 --user=bob").user_name, "bob");
    assert_null(parsed("fleet").url);
    assert_false(parsed("fleet").is_json);
}

static void what_follows_two_dashes_is_no_option(void **state)
{
    assert_string_equal(parsed("tenant create -- --json").argument, "--json");
    assert_false(parsed("tenant create -- --json").is_json);
    assert_string_equal(parsed("tenant create -").argument, "-");
}

static void help_and_version_win_over_the_rest_of_the_line(void **state)
{
    assert_int_equal(parsed("--version").verb, CLI_VERSION);
    assert_int_equal(parsed("--help").verb, CLI_HELP);
    assert_int_equal(parsed("tenant create -h").verb, CLI_HELP);
    assert_int_equal(parsed("--version --bogus").verb, CLI_VERSION);
}

static void wrong_words_are_refused_with_a_hint(void **state)
{
    assert_refused("", "what is to be done? `sluice help` lists the commands");
    assert_refused("teant list", "no command 'teant'; `sluice help` lists them");
    assert_refused("tenant", "tenant what? create or list");
    assert_refused("tenant drop", "no command 'tenant drop'; tenant can be followed by create or list");
    assert_refused("tenant create", "tenant create wants NAME");
    assert_refused("fleet now",
                   "no command 'fleet now'; fleet can be followed by list or show or drain or undrain or "
                   "remove or restart");
    assert_refused("fleet drain", "fleet drain wants NODE");
    assert_refused("fleet show a/b",
                   "a node is called by its name or its id, and not 'a/b'; `sluice fleet list`");
    assert_refused("fleet list now", "one word too many: 'now'");
    assert_refused("tenant list all", "one word too many: 'all'");
    assert_refused("key create 1 2", "one word too many: '2'");
}

static void wrong_options_are_refused(void **state)
{
    assert_refused("fleet --fast", "no option '--fast'");
    assert_refused("fleet --json=yes", "no option '--json=yes'");
    assert_refused("fleet --url", "--url wants a value behind it");
    assert_refused("fleet --url=", "--url has an empty value");
    assert_refused("fleet --url a --url b", "--url is given twice");
    assert_refused("fleet --user bob", "--user belongs to `key create` only");
    assert_refused("fleet --status", "--status or --stop belongs to `fleet restart` only");
    assert_refused("fleet restart --status --stop", "--status or --stop belongs to `fleet restart` only");
}

static void arguments_that_cannot_be_meant_never_reach_control(void **state)
{
    assert_refused("key create 12", "a tenant's id has 12 digits, this is '12'; `sluice tenant list`");
    assert_refused("key create 10000000000x",
                   "a tenant's id has 12 digits, this is '10000000000x'; `sluice tenant list`");
    assert_refused("key revoke a/b", "an access key's id has letters and digits only, this is 'a/b'");
    assert_refused("tenant create "
                   "0123456789012345678901234567890123456789012345678901234567890123"
                   "0123456789012345678901234567890123456789012345678901234567890123",
                   "a tenant's name has 1 to 127 bytes");
}

static void help_has_a_line_for_each_command(void **state)
{
    struct buffer text;
    buffer_init(&text, 8192);
    cli_help(&text);
    buffer_append_u8(&text, 0);
    assert_false(buffer_has_failed(&text));
#define COMMAND(verb, noun, action, argument, sentence) assert_non_null(strstr((char *)text.data, sentence));
#include "api/cli/commands.def"
#undef COMMAND
    assert_non_null(strstr((char *)text.data, "\n  key create TENANT_ID       a new"));
    buffer_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_has_its_verb_and_argument),
        cmocka_unit_test(options_stand_anywhere_and_take_their_value_both_ways),
        cmocka_unit_test(what_follows_two_dashes_is_no_option),
        cmocka_unit_test(help_and_version_win_over_the_rest_of_the_line),
        cmocka_unit_test(wrong_words_are_refused_with_a_hint),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(arguments_that_cannot_be_meant_never_reach_control),
        cmocka_unit_test(help_has_a_line_for_each_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

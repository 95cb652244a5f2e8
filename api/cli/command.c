#include "api/cli/command.h"

#include <ctype.h>
#include <stdio.h>

enum { POSITIONS_MAX = 3, TENANT_ID_DIGITS = 12, NAME_BYTES_MAX = 127, KEY_ID_BYTES_MAX = 128 };

struct row {
    enum cli_verb verb;
    const char *noun;
    const char *action;
    const char *argument;
    const char *sentence;
};

static const struct row rows[] = {
#define COMMAND(verb, noun, action, argument, sentence) {CLI_##verb, noun, action, argument, sentence},
#include "api/cli/commands.def"
#undef COMMAND
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

/* The words that are no options, and where reading them stands. */
struct words {
    int count;
    char *const *all;
    int next;
    bool only_positions; /* behind "--" */
    const char *positions[POSITIONS_MAX];
    int position_count;
};

/* ---- options ---- */

static enum err option_value(struct words *w, const char *word, const char *inline_value, const char **value,
                             struct error *error)
{
    if (*value != NULL)
        return error_set(error, ERR_CONFIG, "%s is given twice", word);
    if (inline_value == NULL && w->next == w->count)
        return error_set(error, ERR_CONFIG, "%s wants a value behind it", word);
    *value = inline_value != NULL ? inline_value : w->all[w->next++];
    if ((*value)[0] == '\0')
        return error_set(error, ERR_CONFIG, "%s has an empty value", word);
    return ERR_OK;
}

static enum err switch_option(const char *word, struct cli_command *command, bool *ret_ends,
                              struct error *error)
{
    *ret_ends = true;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        command->verb = CLI_HELP;
    } else if (strcmp(word, "--version") == 0) {
        command->verb = CLI_VERSION;
    } else if (strcmp(word, "--json") == 0) {
        command->is_json = true;
        *ret_ends = false;
    } else if (strcmp(word, "--status") == 0) {
        command->is_status = true;
        *ret_ends = false;
    } else if (strcmp(word, "--stop") == 0) {
        command->is_stop = true;
        *ret_ends = false;
    } else {
        return error_set(error, ERR_CONFIG, "no option '%s'", word);
    }
    return ERR_OK;
}

static enum err read_option(struct words *w, const char *word, struct cli_command *command, bool *ret_ends,
                            struct error *error)
{
    const struct {
        const char *name;
        const char **value;
    } valued[] = {
        {"--url", &command->url}, {"--token-file", &command->token_file}, {"--user", &command->user_name}};
    size_t name_bytes = strcspn(word, "=");
    const char *inline_value = word[name_bytes] == '=' ? word + name_bytes + 1 : NULL;
    *ret_ends = false;
    for (size_t i = 0; i < sizeof valued / sizeof valued[0]; i++) {
        if (strlen(valued[i].name) == name_bytes && strncmp(word, valued[i].name, name_bytes) == 0)
            return option_value(w, valued[i].name, inline_value, valued[i].value, error);
    }
    return switch_option(word, command, ret_ends, error);
}

/* Split the words; ends early where an option asks for help or version. */
static enum err split(struct words *w, struct cli_command *command, bool *ret_ends, struct error *error)
{
    *ret_ends = false;
    while (w->next < w->count && !*ret_ends) {
        const char *word = w->all[w->next++];
        if (!w->only_positions && strcmp(word, "--") == 0)
            w->only_positions = true;
        else if (!w->only_positions && word[0] == '-' && word[1] != '\0')
            TRY(read_option(w, word, command, ret_ends, error));
        else if (w->position_count == POSITIONS_MAX)
            return error_set(error, ERR_CONFIG, "one word too many: '%s'", word);
        else
            w->positions[w->position_count++] = word;
    }
    return ERR_OK;
}

/* ---- commands ---- */

/* "create or list": the actions of a noun. */
static void list_actions(const char *noun, char *to, size_t bytes)
{
    size_t used = 0;
    to[0] = '\0';
    for (int i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].noun, noun) == 0 && rows[i].action[0] != '\0' && used < bytes)
            used +=
                (size_t)snprintf(to + used, bytes - used, "%s%s", used == 0 ? "" : " or ", rows[i].action);
    }
}

/* The row of noun and action, or the noun's row without one, when nothing follows or the noun has no other. */
static enum err find_row(const struct words *w, const struct row **ret_row, struct error *error)
{
    char actions[64];
    const struct row *bare = NULL;
    bool is_noun = false;
    for (int i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].noun, w->positions[0]) != 0)
            continue;
        is_noun = true;
        if (rows[i].action[0] == '\0')
            bare = &rows[i];
        if (w->position_count > 1 && strcmp(rows[i].action, w->positions[1]) == 0) {
            *ret_row = &rows[i];
            return ERR_OK;
        }
    }
    if (!is_noun)
        return error_set(error, ERR_CONFIG, "no command '%s'; `sluice help` lists them", w->positions[0]);
    list_actions(w->positions[0], actions, sizeof actions);
    if (bare != NULL && (w->position_count == 1 || actions[0] == '\0')) {
        *ret_row = bare;
        return ERR_OK;
    }
    if (w->position_count == 1)
        return error_set(error, ERR_CONFIG, "%s what? %s", w->positions[0], actions);
    return error_set(error, ERR_CONFIG, "no command '%s %s'; %s can be followed by %s", w->positions[0],
                     w->positions[1], w->positions[0], actions);
}

static int is_name_character(int c)
{
    return isalnum(c) || c == '-' || c == '_' || c == '.';
}

static bool is_node_order(enum cli_verb verb)
{
    return verb == CLI_FLEET_SHOW || verb == CLI_FLEET_DRAIN || verb == CLI_FLEET_UNDRAIN ||
           verb == CLI_FLEET_REMOVE;
}

static bool is_only(const char *text, int (*is_wanted)(int c))
{
    for (; *text != '\0'; text++) {
        if (!is_wanted((unsigned char)*text))
            return false;
    }
    return true;
}

/* What goes into a path of HTTP is checked here, so that it never needs escaping. */
static enum err check_argument(const struct cli_command *command, struct error *error)
{
    const char *argument = command->argument;
    if (command->verb == CLI_TENANT_CREATE && (argument[0] == '\0' || strlen(argument) > NAME_BYTES_MAX))
        return error_set(error, ERR_CONFIG, "a tenant's name has 1 to %d bytes", NAME_BYTES_MAX);
    if (command->verb == CLI_KEY_CREATE &&
        (strlen(argument) != TENANT_ID_DIGITS || !is_only(argument, isdigit)))
        return error_set(error, ERR_CONFIG, "a tenant's id has %d digits, this is '%s'; `sluice tenant list`",
                         TENANT_ID_DIGITS, argument);
    if (command->verb == CLI_KEY_REVOKE &&
        (argument[0] == '\0' || strlen(argument) > KEY_ID_BYTES_MAX || !is_only(argument, isalnum)))
        return error_set(error, ERR_CONFIG, "an access key's id has letters and digits only, this is '%s'",
                         argument);
    if (is_node_order(command->verb) &&
        (argument[0] == '\0' || strlen(argument) > NAME_BYTES_MAX || !is_only(argument, is_name_character)))
        return error_set(error, ERR_CONFIG,
                         "a node is called by its name or its id, and not '%s'; `sluice fleet list`",
                         argument);
    return ERR_OK;
}

static enum err interpret(const struct words *w, struct cli_command *command, struct error *error)
{
    const struct row *row = NULL;
    TRY(find_row(w, &row, error));
    bool has_argument = row->argument[0] != '\0';
    int argument_at = row->action[0] == '\0' ? 1 : 2;
    const char *space = row->action[0] == '\0' ? "" : " ";
    if (has_argument && w->position_count == argument_at)
        return error_set(error, ERR_CONFIG, "%s%s%s wants %s", row->noun, space, row->action, row->argument);
    if (w->position_count > argument_at + has_argument)
        return error_set(error, ERR_CONFIG, "one word too many: '%s'",
                         w->positions[argument_at + has_argument]);
    if (command->user_name != NULL && row->verb != CLI_KEY_CREATE)
        return error_set(error, ERR_CONFIG, "--user belongs to `key create` only");
    if ((command->is_status || command->is_stop) &&
        (row->verb != CLI_FLEET_RESTART || (command->is_status && command->is_stop)))
        return error_set(error, ERR_CONFIG, "--status or --stop belongs to `fleet restart` only");
    command->verb = row->verb;
    if (!has_argument)
        return ERR_OK;
    command->argument = w->positions[argument_at];
    return check_argument(command, error);
}

enum err cli_command_parse(int count, char *const *words, struct cli_command *ret_command,
                           struct error *error)
{
    struct words w = {.count = count, .all = words};
    struct cli_command command = {.verb = CLI_HELP};
    bool ends;
    TRY(split(&w, &command, &ends, error));
    if (!ends && w.position_count == 0)
        return error_set(error, ERR_CONFIG, "what is to be done? `sluice help` lists the commands");
    if (!ends)
        TRY(interpret(&w, &command, error));
    *ret_command = command;
    return ERR_OK;
}

/* ---- help ---- */

void cli_help(struct buffer *to)
{
    buffer_append_string(to, "sluice [OPTION...] COMMAND\n\nCommands:\n");
    for (int i = 0; i < ROW_COUNT; i++) {
        char command[64];
        (void)snprintf(command, sizeof command, "%s%s%s%s%s", rows[i].noun,
                       rows[i].action[0] == '\0' ? "" : " ", rows[i].action,
                       rows[i].argument[0] == '\0' ? "" : " ", rows[i].argument); /* fits */
        buffer_append_format(to, "  %-26s %s\n", command, rows[i].sentence);
    }
    buffer_append_string(
        to, "\nOptions:\n"
            "  --url URL                  control's operator port (SLUICE_OPERATOR_URL)\n"
            "  --token-file FILE          a file with the operator's token "
            "(SLUICE_OPERATOR_TOKEN has the token itself)\n"
            "  --user NAME                key create: whose key it is (root)\n"
            "  --status, --stop           fleet restart: only look at it; end it before its end\n"
            "  --json                     print control's answer as JSON\n"
            "  --version                  print the version\n"
            "\nExit status: 0 done, 1 refused or failed, 2 the command was wrong.\n");
}

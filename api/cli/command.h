/* What the words on the command line ask for. Pure: nothing is read but the words and, for what they leave
 * open, the two values of the environment that the caller hands in.
 *
 *     sluice [OPTION...] NOUN [ACTION] [ARGUMENT]
 *
 * Options may stand anywhere, as --name VALUE or --name=VALUE; what follows "--" is no option. The commands are
 * api/cli/commands.def. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

enum cli_verb {
#define COMMAND(verb, noun, action, argument, sentence) CLI_##verb,
#include "api/cli/commands.def"
#undef COMMAND
    CLI_VERSION
};

/* All strings are borrowed from the words. */
struct cli_command {
    enum cli_verb verb;
    const char
        *argument; /* tenant's name or id, access key id, node's name or id; NULL where the verb has none */
    const char *user_name;  /* of a new key; NULL = control's default, "root" */
    const char *url;        /* NULL = not given */
    const char *token_file; /* NULL = not given */
    bool is_json;
    bool is_status; /* fleet restart: only look at it */
    bool is_stop;   /* ... or end it */
};

/* words  as main has them, without the program's name; at least as long-lived as the command
 *
 * ERR_CONFIG  the words ask for nothing that we know, or for too much; `error` says which and why */
enum err cli_command_parse(int count, char *const *words, struct cli_command *ret_command,
                           struct error *error) MUST_CHECK;

/* The text of `sluice help`. */
void cli_help(struct buffer *to);

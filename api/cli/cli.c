#include "api/cli/cli.h"

#include <errno.h>
#include <jansson.h>

#include "api/cli/report.h"
#include "api/cli/restart.h"

enum { FOLLOW_PAUSE_US = 500 * 1000 };
enum { TOKEN_BYTES_MAX = 4096, URL_BYTES_MAX = 2048, TEXT_BYTES_MAX = 32 * 1024 * 1024 };

/* What one run owns. */
struct run {
    const struct cli_options *options;
    struct cli_command command;
    char url[URL_BYTES_MAX + 1];
    char token[TOKEN_BYTES_MAX + 1];
    struct buffer text; /* for `out` */
};

/* ---- address and token ---- */

static enum err read_url(struct run *run, struct error *error)
{
    const char *url = run->command.url != NULL ? run->command.url : run->options->environment_url;
    if (url == NULL || url[0] == '\0')
        return error_set(error, ERR_CONFIG, "where is control? Set SLUICE_OPERATOR_URL or give --url");
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return error_set(error, ERR_CONFIG, "the address '%s' does not begin with http:// or https://", url);
    size_t length = strlen(url);
    while (length > 0 && url[length - 1] == '/')
        length--;
    if (length > URL_BYTES_MAX)
        return error_set(error, ERR_CONFIG, "the address is longer than %d bytes", URL_BYTES_MAX);
    memcpy(run->url, url, length);
    run->url[length] = '\0';
    return ERR_OK;
}

static enum err read_token_file(const char *path, char to[TOKEN_BYTES_MAX + 1], struct error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(error, ERR_CONFIG, "token file %s: %s", path, strerror(errno));
    size_t length = fread(to, 1, TOKEN_BYTES_MAX + 1, file);
    bool has_failed = ferror(file) != 0;
    (void)fclose(file); /* it was only read */
    if (has_failed)
        return error_set(error, ERR_CONFIG, "token file %s cannot be read", path);
    if (length > TOKEN_BYTES_MAX)
        return error_set(error, ERR_CONFIG, "token file %s is longer than %d bytes", path, TOKEN_BYTES_MAX);
    to[length] = '\0';
    to[strcspn(to, "\r\n")] = '\0'; /* the first line */
    return ERR_OK;
}

/* A token travels in a header: a control character would begin another one. */
static bool is_token(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~')
            return false;
    }
    return text[0] != '\0';
}

static enum err read_token(struct run *run, struct error *error)
{
    const char *token = run->options->environment_token;
    if (run->command.token_file != NULL)
        TRY(read_token_file(run->command.token_file, run->token, error));
    else if (token == NULL || token[0] == '\0')
        return error_set(error, ERR_CONFIG, "set SLUICE_OPERATOR_TOKEN or give --token-file");
    else if (snprintf(run->token, sizeof run->token, "%s", token) > TOKEN_BYTES_MAX)
        return error_set(error, ERR_CONFIG, "the token is longer than %d bytes", TOKEN_BYTES_MAX);
    if (!is_token(run->token))
        return error_set(error, ERR_CONFIG,
                         "the operator's token is empty or has characters that it may not have");
    return ERR_OK;
}

/* ---- asking ---- */

static enum err write_reply(struct run *run, const json_t *answer, struct slice reply, struct error *error)
{
    if (!run->command.is_json)
        return report_answer(&run->command, answer, &run->text, error);
    buffer_append(&run->text, reply);
    buffer_append_u8(&run->text, '\n');
    return buffer_has_failed(&run->text) ? error_set(error, ERR_NO_MEMORY, "no memory") : ERR_OK;
}

static enum err take_reply(struct run *run, long status, struct slice reply, struct error *error)
{
    enum err err;
    json_t *answer = json_loadb((const char *)reply.data, reply.length, 0, NULL);
    if (status != 200)
        err = report_refusal(status, answer, error);
    else if (!json_is_object(answer))
        err = error_set(error, ERR_INVALID, "%s does not answer with JSON; is this control's operator port?",
                        run->url);
    else
        err = write_reply(run, answer, reply, error);
    json_decref(answer);
    return err;
}

static enum err ask(struct run *run, const struct operator_call *call, struct error *error)
{
    const struct operator_transport *transport = &run->options->transport;
    const struct operator_access access = {.url = run->url, .token = run->token};
    struct buffer reply;
    long status = 0;
    buffer_init(&reply, CLI_REPLY_BYTES_MAX);
    enum err err = transport->send(transport->data, &access, call, &status, &reply, error);
    if (err == ERR_OK)
        err = take_reply(run, status, buffer_view(&reply), error);
    buffer_deinit(&reply);
    return err;
}

/* What was begun and takes its time is followed to its end, line by line. */
static enum err follow(struct run *run, struct error *error)
{
    const struct operator_access access = {.url = run->url, .token = run->token};
    const struct cli_command *command = &run->command;
    if (command->verb != CLI_FLEET_RESTART || command->is_status || command->is_stop || command->is_json)
        return ERR_OK;
    buffer_clear(&run->text);
    return restart_follow(&run->options->transport, &access, run->options->out, FOLLOW_PAUSE_US, error);
}

static enum err execute(struct run *run, struct error *error)
{
    struct operator_call call;
    if (run->command.verb == CLI_HELP) {
        cli_help(&run->text);
        return ERR_OK;
    }
    if (run->command.verb == CLI_VERSION) {
        buffer_append_string(&run->text, "sluice " SLUICE_VERSION "\n");
        return ERR_OK;
    }
    TRY(read_url(run, error));
    TRY(read_token(run, error));
    TRY(operator_call_init(&call, &run->command, error));
    enum err err = ask(run, &call, error);
    operator_call_deinit(&call);
    return err == ERR_OK ? follow(run, error) : err;
}

/* ---- */

static enum err print(const struct run *run, struct error *error)
{
    FILE *out = run->options->out;
    size_t length = run->text.length;
    if (length > 0 && fwrite(run->text.data, 1, length, out) != length)
        return error_set(error, ERR_IO, "cannot write the answer: %s", strerror(errno));
    if (fflush(out) != 0)
        return error_set(error, ERR_IO, "cannot write the answer: %s", strerror(errno));
    return ERR_OK;
}

/* Control's words may hold a tenant's name: one line it stays. */
static void complain(FILE *to, const struct error *error)
{
    (void)fputs("sluice: ", to); /* nobody is left to be told */
    for (const char *at = error->text; *at != '\0'; at++)
        (void)fputc((unsigned char)*at < ' ' || *at == 0x7f ? ' ' : *at, to); /* likewise */
    (void)fputc('\n', to);                                                    /* likewise */
}

enum cli_exit cli_run(int count, char *const *words, const struct cli_options *options)
{
    struct run run = {.options = options};
    struct error error = {0};
    buffer_init(&run.text, TEXT_BYTES_MAX);
    enum err err = cli_command_parse(count, words, &run.command, &error);
    if (err == ERR_OK)
        err = execute(&run, &error);
    if (err == ERR_OK)
        err = print(&run, &error);
    buffer_deinit(&run.text);
    if (err == ERR_OK)
        return CLI_EXIT_DONE;
    complain(options->err, &error);
    return err == ERR_CONFIG ? CLI_EXIT_USAGE : CLI_EXIT_FAILED;
}

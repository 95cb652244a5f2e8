/* sluice: the command line for operators. */
#include <curl/curl.h>
#include <signal.h>
#include <stdlib.h>

#include "api/cli/cli.h"
#include "api/cli/transport_curl.h"

int main(int count, char **words)
{
    (void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write, and said so */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        (void)fputs("sluice: libcurl does not start\n", stderr); /* nobody is left to be told */
        return CLI_EXIT_FAILED;
    }
    const struct cli_options options = {
        .environment_url = getenv("SLUICE_OPERATOR_URL"),
        .environment_token = getenv("SLUICE_OPERATOR_TOKEN"),
        .transport = transport_curl(),
        .out = stdout,
        .err = stderr,
    };
    enum cli_exit status = cli_run(count - 1, words + 1, &options);
    curl_global_cleanup();
    return (int)status;
}

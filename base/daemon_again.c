/* The end of a daemon that begins anew. */
#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/daemon.h"

enum { EXIT_FAILED = 1, FIRST_OWN_FD = 3 };

/* What is still open belongs to this life: sockets that would go on listening, locks that would go on being held. */
int daemon_finish(int status, char **argv)
{
    if (status != DAEMON_AGAIN)
        return status;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    (void)close_range(FIRST_OWN_FD, ~0U, CLOSE_RANGE_CLOEXEC); /* most are marked already */
    execvp(argv[0], argv);
    fprintf(stderr, "%s: cannot be executed again: %s\n", argv[0], strerror(errno));
    return EXIT_FAILED;
}

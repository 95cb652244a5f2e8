#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/daemon.h"
#include "base/daemon_internal.h"

enum { FRAMES_MAX = 48 };

/* As the log sink, process-wide: a signal handler has no other way to learn it. */
static const char *name = "sluice";
static _Thread_local const char *context;

void daemon_context(const char *text)
{
    context = text;
}

/* snprintf with %s and %d does not allocate in glibc; everything else here is safe in a signal handler. */
static void report(const char *what, int number)
{
    char line[512];
    snprintf(line, sizeof line, "crash name=%s pid=%d what=\"%.200s\" number=%d context=\"%.200s\"\n", name,
             (int)getpid(), what, number, context == NULL ? "" : context);
    log_crash(line);
    void *frames[FRAMES_MAX];
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
}

static void on_assert(const char *condition, const char *file, int line)
{
    char what[200];
    snprintf(what, sizeof what, "assertion failed: %s in %s", condition, file);
    report(what, line);
}

static void on_fatal_signal(int number)
{
    report("signal", number);
    raise(number); /* its handler is reset: this ends the process, with a core where they are wanted */
}

void daemon_install_crash_hooks(const char *daemon_name)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    name = daemon_name;
    void *frame[1];
    (void)backtrace(frame, 1); /* loads libgcc now: that allocates, which a handler must not */
    assert_set_hook(on_assert);
    signal(SIGPIPE, SIG_IGN);
    struct sigaction action = {.sa_handler = on_fatal_signal, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        sigaction(fatal[i], &action, NULL);
}

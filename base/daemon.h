/* The life that all daemons share, so that their main.c only composes.
 *
 *   settings -> log -> metrics, loop, mailbox, admin port -> start() -> ... daemon_ready() ... run
 *   SIGTERM or SIGINT -> not ready, drain() -> daemon_drained() or drain_timeout -> stop() -> loop empties ->
 * exit 0 a second signal while draining: stop() at once.  SIGHUP: the log file is opened again.
 *   SIGUSR2 or daemon_restart: as SIGTERM, then the program is executed again, under the same pid and with the same
 * arguments; so it needs nobody to start it, and a newer program of that name takes over (docs/decisions/0022).
 *
 * Example of a main.c:
 *
 *     int main(int argc, char **argv)
 *     {
 *         static struct node_settings settings;
 *         static struct node_daemon node = {.settings = &settings};
 *         const struct daemon_options options = {
 *             .name = "sluice-node", .sentence = "Keeps replicas of partitions.",
 *             .rows = rows, .row_count = sizeof rows / sizeof rows[0], .settings = &settings,
 *             .start = node_start, .drain = node_drain, .stop = node_stop, .data = &node};
 *         return daemon_finish(daemon_run(&options, argc, argv), argv);
 *     }
 *
 * --help and --version print and exit 0; a wrong setting exits 2 with a sentence; a start() that fails
 * exits 1. Crashes (ASSERT, SIGSEGV, SIGBUS, SIGFPE, SIGILL) write the daemon's name and `daemon_context`
 * lines to the log and abort. */
#pragma once

#include "base/admin.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/metrics.h"
#include "base/settings.h"

/* Settings that every daemon has (base/daemon_settings.def). */
struct daemon_settings {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) SETTING_FIELD_##kind(name)
#include "base/daemon_settings.def"
#undef SETTING
};

struct daemon;

struct daemon_options {
    const char *name;     /* "sluice-node" */
    const char *sentence; /* for --help */
    const struct setting_row *rows;
    size_t row_count;
    void *settings; /* the struct that the rows fill */
    /* Build everything, on the loop's thread before it runs. May call daemon_ready later. On failure stop()
     * is not called: start cleans up after itself. */
    enum err (*start)(struct daemon *d, void *data, struct error *error);
    /* Take no new work; call daemon_drained when the last of the old is done (may be at once). NULL = nothing
     * to drain. */
    void (*drain)(struct daemon *d, void *data);
    /* Close all handles (asynchronously, as libuv does); the process ends when the last is closed, or after 5
     * s. */
    void (*stop)(struct daemon *d, void *data);
    void *data;
};

enum {
    DAEMON_SIGNALS = 4,
    DAEMON_AGAIN = -1, /* instead of an exit status: the program is to be executed again */
};

struct daemon {
    struct loop loop;
    struct mailbox mailbox; /* into the loop; also for admin_handle_on_loop */
    struct metrics *metrics;
    struct admin *admin;
    struct daemon_settings settings;
    struct arena arena; /* as long as the process: strings of the settings */
    /* Leave alone. */
    const struct daemon_options *options;
    uv_signal_t signals[DAEMON_SIGNALS];
    struct loop_timer drain_timer;
    uv_timer_t stop_timer; /* libuv's, as it must not keep the loop alive */
    struct loop_task drained;
    struct loop_task shut_down;
    enum daemon_phase {
        DAEMON_STARTING,
        DAEMON_RUNNING,
        DAEMON_DRAINING,
        DAEMON_STOPPING,
        DAEMON_STOPPED
    } phase;
    int exit_status;
};

/* The process's exit status, or DAEMON_AGAIN: for daemon_finish. */
int daemon_run(const struct daemon_options *options, int argc, char **argv);
/* The last that main does, when all that it holds is freed: the exit status, or no return, as the program starts again. */
int daemon_finish(int status, char **argv);

/* We serve: /readyz answers 200 and the log has `ready` (once). daemon_not_ready takes it back. */
void daemon_ready(struct daemon *d);
void daemon_not_ready(struct daemon *d);
/* Draining is over. */
void daemon_drained(struct daemon *d);
/* Go down by ourselves, as if by SIGTERM, with this exit status. Never drains inside this call. */
void daemon_shut_down(struct daemon *d, int exit_status);
/* Drain, stop, and start again. Never drains inside this call; nothing happens when the daemon goes down already. */
void daemon_restart(struct daemon *d);

/* What this thread is doing, for the crash report: "request 7f3a partition 12". Kept by reference: the text
 * lives until it is replaced; NULL = nothing. */
void daemon_context(const char *text);

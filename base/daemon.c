#include "base/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/daemon_internal.h"

enum {
    ARENA_BLOCK_BYTES = 4096,
    ARENA_BYTES_MAX = 8 * 1024 * 1024, /* a settings file of 1 MiB and its strings */
    MAILBOX_CAPACITY = 65536,
    STOP_TIMEOUT_MS = 5000,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
};

static const struct setting_row common_rows[] = {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) \
    SETTING_ROW(struct daemon_settings, name, kind, unit, initial, minimum, maximum, sentence)
#include "base/daemon_settings.def"
#undef SETTING
};

enum { GROUPS = 2 };

static void group_settings(struct daemon *d, struct settings_group groups[GROUPS])
{
    groups[0] = (struct settings_group){d->options->rows, d->options->row_count, d->options->settings};
    groups[1] =
        (struct settings_group){common_rows, sizeof common_rows / sizeof common_rows[0], &d->settings};
}

static void print_help(struct daemon *d)
{
    struct settings_group groups[GROUPS];
    group_settings(d, groups);
    struct buffer text;
    buffer_init(&text, 1024 * 1024);
    buffer_append_format(&text, "%s: %s\n\nUsage: %s [--name value]... | --help | --version\n\n",
                         d->options->name, d->options->sentence, d->options->name);
    settings_help(groups, GROUPS, &text);
    fwrite(text.data, 1, text.length, stdout);
    buffer_deinit(&text);
}

/* True: that was all that was asked. */
static bool answer_questions(struct daemon *d, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(d);
            return true;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("%s %s\n", d->options->name, SLUICE_VERSION);
            return true;
        }
    }
    return false;
}

static enum err configure(struct daemon *d, int argc, char **argv, struct error *error)
{
    struct settings_group groups[GROUPS];
    group_settings(d, groups);
    TRY(settings_parse(groups, GROUPS, argc, argv, &d->arena, error));
    enum log_level level;
    if (log_level_parse(d->settings.log_level, &level) != ERR_OK)
        return error_set(error, ERR_CONFIG, "setting log_level: '%s' is none of debug, info, warn, error",
                         d->settings.log_level);
    log_set_level(level);
    return log_open(d->settings.log_file, error);
}

static void show_settings(struct buffer *to, void *data)
{
    struct settings_group groups[GROUPS];
    group_settings(data, groups);
    settings_show(groups, GROUPS, to);
}

static enum err open_admin(struct daemon *d, struct error *error)
{
    const struct admin_options options = {
        .host = d->settings.admin_host,
        .port = (uint16_t)d->settings.admin_port,
        .metrics = d->metrics,
    };
    TRY(admin_open(&options, &d->admin, error));
    return admin_handle_on_loop(d->admin, "/debug/settings", &d->mailbox, show_settings, d);
}

static enum err open_foundation(struct daemon *d, struct error *error)
{
    d->metrics = metrics_create();
    if (d->metrics == NULL)
        return ERR_NO_MEMORY;
    TRY(loop_init(&d->loop));
    TRY(metrics_add(d->metrics, &loop_metric_table, NULL, &d->loop.metrics));
    TRY(mailbox_open(&d->mailbox, &d->loop, MAILBOX_CAPACITY));
    return open_admin(d, error);
}

/* Whatever is still open after this is left to the kernel. */
static void on_stop_timeout(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    log_error("stop_timeout", "seconds=%d", STOP_TIMEOUT_MS / 1000);
    d->phase = DAEMON_STOPPED;
    loop_stop(&d->loop);
}

static void go_down(struct daemon *d)
{
    d->phase = DAEMON_STOPPING;
    log_info("stopping", "");
    loop_timer_stop(&d->loop, &d->drain_timer);
    uv_timer_start(&d->stop_timer, on_stop_timeout, STOP_TIMEOUT_MS, 0);
    for (int i = 0; i < DAEMON_SIGNALS; i++)
        uv_close((uv_handle_t *)&d->signals[i], NULL);
    if (d->options->stop != NULL)
        d->options->stop(d, d->options->data);
}

static void on_drain_timeout(struct loop_timer *timer)
{
    log_warn("drain_timeout", "");
    go_down(timer->data);
}

static void drain(struct daemon *d)
{
    if (d->phase == DAEMON_DRAINING) {
        go_down(d);
        return;
    }
    if (d->phase != DAEMON_RUNNING)
        return;
    d->phase = DAEMON_DRAINING;
    admin_set_ready(d->admin, false);
    log_info("draining", "");
    loop_timer_start(&d->loop, &d->drain_timer, clock_boot_us() + d->settings.drain_timeout_us);
    if (d->options->drain != NULL)
        d->options->drain(d, d->options->data);
    else
        daemon_drained(d);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;
    if (number == SIGHUP) {
        log_reopen();
        return;
    }
    log_info("signal", "number=%d", number);
    if (number == SIGUSR2) {
        daemon_restart(d);
        return;
    }
    if (d->exit_status == DAEMON_AGAIN)
        d->exit_status = 0; /* who wants it gone is right */
    drain(d);
}

static enum err watch_signals(struct daemon *d)
{
    uv_timer_init(&d->loop.uv, &d->stop_timer);
    uv_unref((uv_handle_t *)&d->stop_timer);
    d->stop_timer.data = d;
    static const int numbers[DAEMON_SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGUSR2};
    for (int i = 0; i < DAEMON_SIGNALS; i++) {
        uv_signal_init(&d->loop.uv, &d->signals[i]);
        d->signals[i].data = d;
        if (uv_signal_start(&d->signals[i], on_signal, numbers[i]) != 0)
            return ERR_IO;
    }
    return ERR_OK;
}

void daemon_drained(struct daemon *d)
{
    if (d->phase == DAEMON_DRAINING)
        loop_defer(&d->loop, &d->drained); /* often called from inside drain */
}

static void on_drained(struct loop_task *task)
{
    struct daemon *d = task->data;
    if (d->phase == DAEMON_DRAINING)
        go_down(d);
}

void daemon_shut_down(struct daemon *d, int exit_status)
{
    d->exit_status = exit_status;
    loop_defer(&d->loop, &d->shut_down); /* may be called from inside start */
}

void daemon_restart(struct daemon *d)
{
    if (d->phase <= DAEMON_RUNNING && d->exit_status == 0)
        daemon_shut_down(d, DAEMON_AGAIN);
}

static void on_shut_down(struct loop_task *task)
{
    struct daemon *d = task->data;
    if (d->phase == DAEMON_RUNNING)
        drain(d);
}

void daemon_ready(struct daemon *d)
{
    if (d->phase > DAEMON_RUNNING || admin_is_ready(d->admin))
        return;
    admin_set_ready(d->admin, true);
    log_info("ready", "name=%s version=%s pid=%d admin_port=%u", d->options->name, SLUICE_VERSION,
             (int)getpid(), admin_port(d->admin));
}

void daemon_not_ready(struct daemon *d)
{
    if (!admin_is_ready(d->admin))
        return;
    admin_set_ready(d->admin, false);
    log_warn("not_ready", "name=%s", d->options->name);
}

/* The loop ends by itself when the last handle is closed. The admin port lives until then, so that a slow end can be
 * looked at; it goes first, as its handlers look into the loop. */
static void close_foundation(struct daemon *d)
{
    admin_close(d->admin);
    if (d->phase == DAEMON_STOPPED)
        return;
    mailbox_close(&d->mailbox, NULL, NULL);
    uv_close((uv_handle_t *)&d->stop_timer, NULL);
    loop_deinit(&d->loop);
    metrics_destroy(d->metrics);
}

static enum err begin(struct daemon *d, struct error *error)
{
    TRY(open_foundation(d, error));
    TRY(watch_signals(d));
    log_info("starting", "name=%s version=%s pid=%d", d->options->name, SLUICE_VERSION, (int)getpid());
    return d->options->start(d, d->options->data, error);
}

static int fail(struct daemon *d, enum err err, const struct error *error)
{
    const char *words = error->code == err && error->text[0] != '\0' ? error->text : err_sentence(err);
    log_error("start_failed", "name=%s error=%s text=\"%s\"", d->options->name, err_name(err), words);
    fprintf(stderr, "%s: %s\n", d->options->name, words);
    return err == ERR_CONFIG ? EXIT_USAGE : EXIT_FAILED;
}

static int run(struct daemon *d, int argc, char **argv)
{
    struct error error = {0};
    enum err err = configure(d, argc, argv, &error);
    if (err != ERR_OK)
        return fail(d, err, &error);
    err = begin(d, &error);
    if (err != ERR_OK)
        return fail(d, err, &error); /* the process ends: the kernel takes what start has left */
    d->phase = DAEMON_RUNNING;
    loop_run(&d->loop);
    log_info("stopped", "status=%d", d->exit_status);
    close_foundation(d);
    return d->exit_status;
}

int daemon_run(const struct daemon_options *options, int argc, char **argv)
{
    static struct daemon d; /* large, and for the life of the process */
    memset(&d, 0, sizeof d);
    d.options = options;
    d.drain_timer = (struct loop_timer){.fire = on_drain_timeout, .data = &d};
    d.shut_down = (struct loop_task){.run = on_shut_down, .data = &d};
    d.drained = (struct loop_task){.run = on_drained, .data = &d};
    arena_init(&d.arena, ARENA_BLOCK_BYTES, ARENA_BYTES_MAX);
    daemon_install_crash_hooks(options->name);
    int status = answer_questions(&d, argc, argv) ? 0 : run(&d, argc, argv);
    log_close();
    arena_deinit(&d.arena);
    return status;
}

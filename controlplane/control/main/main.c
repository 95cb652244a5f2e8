/* sluice-control: compose, start, stop. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "base/daemon.h"
#include "base/wire.h"
#include "controlplane/control/control.h"

struct control_settings {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) SETTING_FIELD_##kind(name)
#include "controlplane/control/main/settings.def"
#undef SETTING
};

static const struct setting_row rows[] = {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) \
    SETTING_ROW(struct control_settings, name, kind, unit, initial, minimum, maximum, sentence)
#include "controlplane/control/main/settings.def"
#undef SETTING
};

enum { TOKEN_BYTES_MAX = 512, DRAIN_LOOK_US = 20000 };

struct control_daemon {
    struct control_settings settings;
    struct daemon *daemon;
    struct control *control;
    struct loop_timer drain;
    struct wire_metrics wire_metrics;
    struct fleet_metrics fleet_metrics;
    char token[TOKEN_BYTES_MAX];
};

static enum err read_token(const char *path, char *to, struct error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(error, ERR_CONFIG, "operator_token_file %s cannot be read", path);
    size_t length = fread(to, 1, TOKEN_BYTES_MAX - 1, file);
    (void)fclose(file); /* only read from */
    to[length] = '\0';
    to[strcspn(to, " \r\n\t")] = '\0';
    if (to[0] == '\0')
        return error_set(error, ERR_CONFIG, "operator_token_file %s has no token", path);
    return ERR_OK;
}

static void on_active(bool is_active, void *data)
{
    struct control_daemon *c = data;
    if (is_active)
        daemon_ready(c->daemon);
    else
        daemon_not_ready(c->daemon);
}

static void on_restart(void *data)
{
    daemon_restart(((struct control_daemon *)data)->daemon);
}

static enum err start(struct daemon *d, void *data, struct error *error)
{
    struct control_daemon *c = data;
    c->daemon = d;
    struct control_options options = {
        .host = c->settings.host,
        .port = (uint16_t)c->settings.port,
        .operator_port = (uint16_t)c->settings.operator_port,
        .operator_token = c->token,
        .database = c->settings.database,
        .memds = c->settings.memds,
        .region = c->settings.region,
        .cluster_id = c->settings.cluster_id,
        .job_timeout_us = c->settings.database_timeout_us,
        .node_timeout_us = c->settings.node_timeout_us,
        .node_abandon_us = c->settings.node_abandon_us,
        .node_return_us = c->settings.node_return_us,
        .node_builds_max = (uint32_t)c->settings.builds_per_node,
        .builds_max = (uint32_t)c->settings.builds,
        .moves_max = (uint32_t)c->settings.moves,
        .fleet_metrics = &c->fleet_metrics,
        .wire_metrics = &c->wire_metrics,
        .mailbox = &d->mailbox,
        .on_active = on_active,
        .on_restart = on_restart,
        .data = c,
    };
    TRY(metrics_add(d->metrics, &wire_metric_table, NULL, &c->wire_metrics));
    TRY(metrics_add(d->metrics, &fleet_metric_table, NULL, &c->fleet_metrics));
    TRY(read_token(c->settings.operator_token_file, c->token, error));
    TRY(cluster_key_load(c->settings.cluster_key_file, &options.key, error));
    enum err err = control_open(&d->loop, &options, &c->control, error);
    OPENSSL_cleanse(&options.key, sizeof options.key);
    if (err == ERR_OK)
        log_info("listening", "port=%u operator_port=%u", control_port(c->control),
                 control_operator_port(c->control));
    return err;
}

static void look_drained(struct loop_timer *timer)
{
    struct control_daemon *c = timer->data;
    if (control_drain(c->control))
        daemon_drained(c->daemon);
    else
        loop_timer_start(&c->daemon->loop, timer, loop_now_us(&c->daemon->loop) + DRAIN_LOOK_US);
}

static void drain(struct daemon *d, void *data)
{
    struct control_daemon *c = data;
    c->drain = (struct loop_timer){.fire = look_drained, .data = c};
    loop_timer_start(&d->loop, &c->drain, loop_now_us(&d->loop));
}

static void stop(struct daemon *d, void *data)
{
    struct control_daemon *c = data;
    loop_timer_stop(&d->loop, &c->drain);
    control_close(c->control);
}

int main(int argc, char **argv)
{
    static struct control_daemon control;
    const struct daemon_options options = {
        .name = "sluice-control",
        .sentence =
            "Owns tenants, tables and where they live; serves control operations on top of PostgreSQL.",
        .rows = rows,
        .row_count = sizeof rows / sizeof rows[0],
        .settings = &control.settings,
        .start = start,
        .drain = drain,
        .stop = stop,
        .data = &control,
    };
    int status = daemon_run(&options, argc, argv);
    if (control.control != NULL)
        control_free(control.control);
    return daemon_finish(status, argv);
}

/* sluice-memds: compose, start, stop. */
#include <openssl/crypto.h>

#include "base/daemon.h"
#include "base/wire.h"
#include "controlplane/memds/memds.h"

struct memds_settings {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) SETTING_FIELD_##kind(name)
#include "controlplane/memds/main/settings.def"
#undef SETTING
};

static const struct setting_row rows[] = {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) \
    SETTING_ROW(struct memds_settings, name, kind, unit, initial, minimum, maximum, sentence)
#include "controlplane/memds/main/settings.def"
#undef SETTING
};

enum { DRAIN_LOOK_US = 20000 };

struct memds_daemon {
    struct memds_settings settings;
    struct daemon *daemon;
    struct memds *memds;
    struct loop_timer drain;
    struct wire_metrics wire_metrics;
    struct memds_metrics metrics;
};

static void on_ready(void *data)
{
    daemon_ready(((struct memds_daemon *)data)->daemon);
}

static void on_restart(void *data)
{
    daemon_restart(((struct memds_daemon *)data)->daemon);
}

static enum err start(struct daemon *d, void *data, struct error *error)
{
    struct memds_daemon *m = data;
    m->daemon = d;
    struct memds_options options = {
        .name = m->settings.name,
        .host = m->settings.host,
        .port = (uint16_t)m->settings.port,
        .data_dir = m->settings.data_dir,
        .cluster_id = m->settings.cluster_id,
        .peers = m->settings.peers,
        .wire_metrics = &m->wire_metrics,
        .metrics = &m->metrics,
        .save_delay_us = m->settings.save_delay_us,
        .compare_us = m->settings.compare_interval_us,
        .patience_us = m->settings.peer_patience_us,
        .on_ready = on_ready,
        .on_restart = on_restart,
        .data = m,
    };
    TRY(metrics_add(d->metrics, &wire_metric_table, NULL, &m->wire_metrics));
    TRY(metrics_add(d->metrics, &memds_metric_table, NULL, &m->metrics));
    TRY(cluster_key_load(m->settings.cluster_key_file, &options.key, error));
    enum err err = memds_open(&d->loop, &options, &m->memds, error);
    OPENSSL_cleanse(&options.key, sizeof options.key);
    if (err != ERR_OK)
        return err;
    log_info("listening", "port=%u", memds_port(m->memds));
    return ERR_OK;
}

static void look_drained(struct loop_timer *timer)
{
    struct memds_daemon *m = timer->data;
    if (memds_drain(m->memds))
        daemon_drained(m->daemon);
    else
        loop_timer_start(&m->daemon->loop, timer, loop_now_us(&m->daemon->loop) + DRAIN_LOOK_US);
}

static void drain(struct daemon *d, void *data)
{
    struct memds_daemon *m = data;
    m->drain = (struct loop_timer){.fire = look_drained, .data = m};
    loop_timer_start(&d->loop, &m->drain, loop_now_us(&d->loop));
}

static void stop(struct daemon *d, void *data)
{
    struct memds_daemon *m = data;
    loop_timer_stop(&d->loop, &m->drain);
    memds_close(m->memds);
}

int main(int argc, char **argv)
{
    static struct memds_daemon memds;
    const struct daemon_options options = {
        .name = "sluice-memds",
        .sentence = "Tells which group holds a key, and keeps the last bundle for routers.",
        .rows = rows,
        .row_count = sizeof rows / sizeof rows[0],
        .settings = &memds.settings,
        .start = start,
        .drain = drain,
        .stop = stop,
        .data = &memds,
    };
    int status = daemon_run(&options, argc, argv);
    if (memds.memds != NULL)
        memds_free(memds.memds);
    return daemon_finish(status, argv);
}

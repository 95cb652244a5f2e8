/* sluice-router: composes the tenant endpoint from its settings. */
#include "api/router/router.h"
#include "base/memory.h"

struct router_settings {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) SETTING_FIELD_##kind(name)
#include "api/router/main/settings.def"
#undef SETTING
};

static const struct setting_row rows[] = {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) \
    SETTING_ROW(struct router_settings, name, kind, unit, initial, minimum, maximum, sentence)
#include "api/router/main/settings.def"
#undef SETTING
};

struct process {
    struct router_settings settings;
    struct daemon *daemon;
    struct router *router;
};

static void on_ready(void *data)
{
    daemon_ready(((struct process *)data)->daemon);
}

static void on_failed(void *data)
{
    daemon_shut_down(((struct process *)data)->daemon, 1);
}

static void on_restart(void *data)
{
    daemon_restart(((struct process *)data)->daemon);
}

static enum err start(struct daemon *d, void *data, struct error *error)
{
    struct process *p = data;
    const struct router_settings *s = &p->settings;
    p->daemon = d;
    const struct router_options options = {
        .name = s->name,
        .host = s->host,
        .port = (uint16_t)s->port,
        .zone = s->zone,
        .region = s->region,
        .cluster_id = s->cluster_id,
        .cluster_key_file = s->cluster_key_file,
        .memds = s->memds,
        .control = s->control,
        .request_us = s->request_timeout_us,
        .long_pages = (unsigned)s->long_pages,
        .on_ready = on_ready,
        .on_failed = on_failed,
        .on_restart = on_restart,
        .data = p,
    };
    return router_create(&d->loop, d->metrics, &options, &p->router, error);
}

static void on_drained(void *data)
{
    daemon_drained(data);
}

static void drain(struct daemon *d, void *data)
{
    router_drain(((struct process *)data)->router, on_drained, d);
}

static void stop(struct daemon *d, void *data)
{
    router_close(((struct process *)data)->router);
}

int main(int argc, char **argv)
{
    static struct process process;
    memory_keep_little();
    const struct daemon_options options = {
        .name = "sluice-router",
        .sentence = "The tenant's endpoint: HTTP, signatures, routing.",
        .rows = rows,
        .row_count = sizeof rows / sizeof rows[0],
        .settings = &process.settings,
        .start = start,
        .drain = drain,
        .stop = stop,
        .data = &process,
    };
    return daemon_finish(daemon_run(&options, argc, argv), argv);
}

/* sluice-node: composes the storage node from its settings. */
#include <errno.h>
#include <sys/stat.h>

#include "base/daemon.h"
#include "base/memory.h"
#include "dataplane/node/node.h"

enum { SHOW_US = 1000 * 1000, HTTP_OK = 200, HTTP_UNAVAILABLE = 503 };

struct node_settings {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) SETTING_FIELD_##kind(name)
#include "dataplane/node/main/settings.def"
#undef SETTING
};

static const struct setting_row rows[] = {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) \
    SETTING_ROW(struct node_settings, name, kind, unit, initial, minimum, maximum, sentence)
#include "dataplane/node/main/settings.def"
#undef SETTING
};

struct process {
    struct node_settings settings;
    struct daemon *daemon;
    struct node *node;
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

static int show_replicas(const struct admin_request *request, struct buffer *to, void *data)
{
    enum err err = node_show(data, SHOW_US, to);
    if (err == ERR_OK)
        return HTTP_OK;
    buffer_clear(to);
    buffer_append_format(to, "a loop did not answer: %s\n", err_name(err));
    return HTTP_UNAVAILABLE;
}

static enum err start(struct daemon *d, void *data, struct error *error)
{
    struct process *p = data;
    const struct node_settings *s = &p->settings;
    p->daemon = d;
    if (mkdir(s->data_dir, 0750) != 0 && errno != EEXIST)
        return error_set(error, ERR_IO, "cannot create '%s'", s->data_dir);
    const struct node_options options = {
        .name = s->name,
        .zone = s->zone,
        .host = s->host,
        .port = (uint16_t)s->port,
        .loops = (uint32_t)s->loops,
        .mailbox = &d->mailbox,
        .cluster_id = s->cluster_id,
        .data_dir = s->data_dir,
        .control = s->control,
        .memds = s->memds,
        .lease_us = s->lease_us,
        .heartbeat_us = s->heartbeat_us,
        .flush_interval_us = s->flush_interval_us,
        .log_retention_bytes = s->log_retention_bytes,
        .snapshot_bytes_per_s = s->snapshot_bytes_per_s_bytes,
        .log_segment_bytes = s->log_segment_bytes,
        .log_sync_interval_us = s->log_sync_interval_us,
        .split_bytes = s->split_size_bytes,
        .has_heat_splits = s->heat_splits,
        .partition_read_units = s->partition_read_units,
        .partition_write_units = s->partition_write_units,
        .block_cache_bytes = s->block_cache_bytes,
        .write_buffer_bytes = s->write_buffer_bytes,
        .on_ready = on_ready,
        .on_failed = on_failed,
        .on_restart = on_restart,
        .data = p,
    };
    TRY(node_create(&d->loop, d->metrics, &options, &p->node, error));
    return admin_handle(d->admin, "GET", "/debug/replicas", show_replicas, p->node);
}

static void on_drained(void *data)
{
    daemon_drained(data);
}

static void drain(struct daemon *d, void *data)
{
    node_drain(((struct process *)data)->node, on_drained, d);
}

static void stop(struct daemon *d, void *data)
{
    node_close(((struct process *)data)->node);
}

int main(int argc, char **argv)
{
    static struct process process;
    memory_keep_heap();
    const struct daemon_options options = {
        .name = "sluice-node",
        .sentence = "Holds replicas of partitions: log, store, replication.",
        .rows = rows,
        .row_count = sizeof rows / sizeof rows[0],
        .settings = &process.settings,
        .start = start,
        .drain = drain,
        .stop = stop,
        .data = &process,
    };
    int status = daemon_run(&options, argc, argv);
    node_destroy(process.node);
    return daemon_finish(status, argv);
}

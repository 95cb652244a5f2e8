#include "controlplane/memds/memds.h"

#include <stdio.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/proto.h"
#include "base/wire.h"
#include "controlplane/bundle/file.h"
#include "controlplane/bundle/update.h"
#include "controlplane/memds/route_map.h"
#include "controlplane/proto/frame_type.h"

enum {
    PATH_BYTES_MAX = 4096,
    WAIT_MS_MAX = 30000,
    SCRATCH_BLOCK_BYTES = 256 * 1024,
    SCRATCH_BYTES_MAX = 64 * 1024 * 1024,
    LOOKUP_KEYS_MAX = 1000,
    SAVE_RETRY_US = 1000000,
};

/* A fetch that waits for something newer. */
struct fetch {
    struct memds *memds;
    struct wire_call call;
    uint64_t since;
    struct loop_timer timer;
    struct fetch *next;
};

struct memds {
    struct loop *loop;
    struct memds_options options;
    char path[PATH_BYTES_MAX];
    struct wire_server *server;
    struct bundle_store *bundle;
    struct route_map *routes;
    struct fetch *fetches;
    struct arena scratch; /* for one request at a time */
    struct loop_timer save_timer;
    uv_work_t save_work;
    struct buffer save_bytes; /* the pool's while is_saving */
    uint64_t save_version;
    enum err save_err;
    struct error save_error;
    bool is_saving;
    uint64_t saved_version;
    bool is_closing;
};

/* ---- the file ---- */

static void schedule_save(struct memds *memds, uint64_t delay_us)
{
    if (!memds->is_saving && !memds->is_closing && !loop_timer_is_started(&memds->save_timer))
        loop_timer_start(memds->loop, &memds->save_timer, loop_now_us(memds->loop) + delay_us);
}

static void save_in_pool(uv_work_t *work)
{
    struct memds *memds = work->data;
    memds->save_err = bundle_file_write(memds->path, buffer_view(&memds->save_bytes), &memds->save_error);
}

static void on_saved(uv_work_t *work, int status)
{
    struct memds *memds = work->data;
    memds->is_saving = false;
    buffer_deinit(&memds->save_bytes);
    if (memds->save_err == ERR_OK)
        memds->saved_version = memds->save_version;
    else
        log_error("bundle_not_saved", "err=%s text=%s", err_name(memds->save_err), memds->save_error.text);
    if (memds->saved_version < bundle_store_version(memds->bundle))
        schedule_save(memds, memds->save_err == ERR_OK ? memds->options.save_delay_us : SAVE_RETRY_US);
}

static void on_save_due(struct loop_timer *timer)
{
    struct memds *memds = timer->data;
    buffer_init(&memds->save_bytes, BUNDLE_FILE_BYTES_MAX);
    bundle_file_encode(&memds->save_bytes, memds->bundle);
    memds->save_version = bundle_store_version(memds->bundle);
    memds->is_saving = !buffer_has_failed(&memds->save_bytes) &&
                       uv_queue_work(&memds->loop->uv, &memds->save_work, save_in_pool, on_saved) == 0;
    if (memds->is_saving)
        return;
    log_error("bundle_not_saved", "err=%s", err_name(ERR_NO_MEMORY));
    buffer_deinit(&memds->save_bytes);
    schedule_save(memds, SAVE_RETRY_US);
}

static void set_aside(const char *path)
{
    char aside[PATH_BYTES_MAX + 16];
    (void)snprintf(aside, sizeof aside, "%s.damaged", path); /* fits */
    if (rename(path, aside) != 0)
        log_error("bundle_not_set_aside", "path=%s", path);
}

/* A MemDS without a bundle serves routes, and gets its bundle from control: no reason not to start. */
static void load(struct memds *memds)
{
    struct buffer bytes;
    struct error error = {0};
    buffer_init(&bytes, BUNDLE_FILE_BYTES_MAX);
    enum err err = bundle_file_read(memds->path, &bytes, &error);
    if (err == ERR_OK) {
        err = bundle_file_decode(buffer_view(&bytes), &memds->options.key, memds->bundle, &error);
        if (err == ERR_CORRUPT)
            set_aside(memds->path);
    }
    buffer_deinit(&bytes);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        log_error("bundle_not_loaded", "err=%s text=%s", err_name(err), error.text);
    memds->saved_version = bundle_store_version(memds->bundle);
    log_info("bundle_loaded", "version=%llu objects=%zu", (unsigned long long)memds->saved_version,
             bundle_store_count(memds->bundle));
}

/* ---- bundles ---- */

static void answer_fetch(struct memds *memds, struct wire_call call, uint64_t since)
{
    struct buffer packed;
    buffer_init(&packed, FRAME_BODY_BYTES_MAX);
    bundle_update_append(&packed, memds->bundle, since, BUNDLE_UPDATE_BYTES_MAX);
    if (buffer_has_failed(&packed))
        wire_refuse(call, ERR_NO_MEMORY);
    else
        wire_reply(call, &(struct wire_message){.header_bytes = buffer_view(&packed)});
    buffer_deinit(&packed);
}

static void end_fetch(struct memds *memds, struct fetch *fetch)
{
    struct fetch **link = &memds->fetches;
    while (*link != fetch)
        link = &(*link)->next;
    *link = fetch->next;
    loop_timer_stop(memds->loop, &fetch->timer);
    answer_fetch(memds, fetch->call, fetch->since);
    memory_free(fetch);
}

static void on_fetch_waited(struct loop_timer *timer)
{
    struct fetch *fetch = timer->data;
    end_fetch(fetch->memds, fetch);
}

static void end_fetches(struct memds *memds)
{
    while (memds->fetches != NULL)
        end_fetch(memds, memds->fetches);
}

static void hold_fetch(struct memds *memds, struct wire_call call, uint64_t since, uint32_t wait_ms)
{
    struct fetch *fetch = memory_zalloc(sizeof *fetch);
    if (fetch == NULL) {
        wire_refuse(call, ERR_NO_MEMORY);
        return;
    }
    *fetch = (struct fetch){.memds = memds, .call = call, .since = since, .next = memds->fetches};
    fetch->timer = (struct loop_timer){.fire = on_fetch_waited, .data = fetch};
    memds->fetches = fetch;
    uint64_t wait_us = (uint64_t)(wait_ms < WAIT_MS_MAX ? wait_ms : WAIT_MS_MAX) * 1000;
    loop_timer_start(memds->loop, &fetch->timer, loop_now_us(memds->loop) + wait_us);
}

static void on_fetch(struct memds *memds, struct wire_call call, const struct frame *frame)
{
    const Sluice__Controlplane__FetchBundle *request =
        proto_unpack(&sluice__controlplane__fetch_bundle__descriptor, frame->header, &memds->scratch);
    if (request == NULL) {
        wire_refuse(call, ERR_INVALID);
        return;
    }
    bool is_newer = bundle_store_version(memds->bundle) > request->since_version;
    if (is_newer || request->wait_ms == 0)
        answer_fetch(memds, call, request->since_version);
    else
        hold_fetch(memds, call, request->since_version, request->wait_ms);
}

static void on_push(struct memds *memds, struct wire_call call, const struct frame *frame)
{
    bool has_more = false;
    uint64_t before = bundle_store_version(memds->bundle);
    enum err err = bundle_update_apply(memds->bundle, &memds->options.key, frame->header, &memds->scratch,
                                       NULL, NULL, &has_more);
    if (err != ERR_OK && err != ERR_STALE) {
        log_error("bundle_refused", "err=%s", err_name(err));
        wire_refuse(call, err);
        return;
    }
    Sluice__Controlplane__BundleUpdateReply reply;
    sluice__controlplane__bundle_update_reply__init(&reply);
    reply.version = bundle_store_version(memds->bundle);
    wire_reply(call, &(struct wire_message){.header = &reply.base});
    if (reply.version == before)
        return;
    end_fetches(memds);
    schedule_save(memds, memds->options.save_delay_us);
}

/* ---- routes ---- */

static void on_publish(struct memds *memds, struct wire_call call, const struct frame *frame)
{
    const Sluice__Controlplane__PublishRoutes *request =
        proto_unpack(&sluice__controlplane__publish_routes__descriptor, frame->header, &memds->scratch);
    if (request == NULL) {
        wire_refuse(call, ERR_INVALID);
        return;
    }
    Sluice__Controlplane__PublishRoutesReply reply;
    sluice__controlplane__publish_routes_reply__init(&reply);
    enum err err = ERR_OK;
    for (size_t i = 0; i < request->n_routes && err != ERR_INVALID && err != ERR_NO_MEMORY; i++) {
        err = route_map_publish(memds->routes, request->routes[i]);
        reply.taken += err == ERR_OK;
        reply.stale += err == ERR_STALE;
    }
    if (err == ERR_INVALID || err == ERR_NO_MEMORY)
        wire_refuse(call, err);
    else
        wire_reply(call, &(struct wire_message){.header = &reply.base});
}

/* protobuf-c takes pointers to non-const, and packing does not write through them. */
static Sluice__Controlplane__GroupRoute *writable(const Sluice__Controlplane__GroupRoute *route)
{
    union {
        const Sluice__Controlplane__GroupRoute *in;
        Sluice__Controlplane__GroupRoute *out;
    } pointer = {.in = route};
    return pointer.out;
}

static void on_lookup(struct memds *memds, struct wire_call call, const struct frame *frame)
{
    static const Sluice__Controlplane__GroupRoute unknown = SLUICE__CONTROLPLANE__GROUP_ROUTE__INIT;
    const Sluice__Controlplane__LookupRoutes *request =
        proto_unpack(&sluice__controlplane__lookup_routes__descriptor, frame->header, &memds->scratch);
    if (request == NULL || request->n_keys > LOOKUP_KEYS_MAX) {
        wire_refuse(call, request == NULL ? ERR_INVALID : ERR_LIMIT);
        return;
    }
    Sluice__Controlplane__LookupRoutesReply reply;
    sluice__controlplane__lookup_routes_reply__init(&reply);
    reply.routes = arena_alloc(&memds->scratch, (request->n_keys + 1) * sizeof *reply.routes);
    if (reply.routes == NULL) {
        wire_refuse(call, ERR_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < request->n_keys; i++) {
        const Sluice__Controlplane__GroupRoute *route =
            route_map_find(memds->routes, proto_slice(request->keys[i]));
        reply.routes[reply.n_routes++] = writable(route == NULL ? &unknown : route);
    }
    wire_reply(call, &(struct wire_message){.header = &reply.base});
}

/* ---- requests ---- */

static void on_request(struct wire_call call, const struct frame *frame, void *data)
{
    struct memds *memds = data;
    if (call.is_one_way)
        return;
    switch (frame->type) {
    case CONTROLPLANE_FRAME_PUBLISH_ROUTES:
        on_publish(memds, call, frame);
        break;
    case CONTROLPLANE_FRAME_LOOKUP_ROUTES:
        on_lookup(memds, call, frame);
        break;
    case CONTROLPLANE_FRAME_PUSH_BUNDLE:
        on_push(memds, call, frame);
        break;
    case CONTROLPLANE_FRAME_FETCH_BUNDLE:
        on_fetch(memds, call, frame);
        break;
    default:
        wire_refuse(call, ERR_INVALID);
        break;
    }
    arena_reset(&memds->scratch);
}

/* ---- life ---- */

static void memds_init(struct memds *memds, struct loop *loop, const struct memds_options *options)
{
    memds->loop = loop;
    memds->options = *options;
    memds->bundle = bundle_store_create();
    memds->routes = route_map_create();
    memds->save_timer = (struct loop_timer){.fire = on_save_due, .data = memds};
    memds->save_work.data = memds;
    arena_init(&memds->scratch, SCRATCH_BLOCK_BYTES, SCRATCH_BYTES_MAX);
    (void)snprintf(memds->path, sizeof memds->path, "%s/bundle",
                   options->data_dir); /* bounded by its setting */
}

enum err memds_open(struct loop *loop, const struct memds_options *options, struct memds **ret_memds,
                    struct error *error)
{
    struct memds *memds = memory_zalloc(sizeof *memds);
    if (memds == NULL)
        return error_set(error, ERR_NO_MEMORY, "no memory");
    memds_init(memds, loop, options);
    if (memds->bundle == NULL || memds->routes == NULL) {
        memds_free(memds);
        return error_set(error, ERR_NO_MEMORY, "no memory");
    }
    load(memds);
    const struct wire_server_options server_options = {
        .host = options->host,
        .port = options->port,
        .identity = {.cluster_id = options->cluster_id, .role = WIRE_ROLE_MEMDS},
        .metrics = options->wire_metrics,
        .on_request = on_request,
        .data = memds,
    };
    enum err err = wire_server_open(loop, &server_options, &memds->server, error);
    if (err != ERR_OK)
        memds_free(memds);
    else
        *ret_memds = memds;
    return err;
}

bool memds_drain(struct memds *memds)
{
    wire_server_stop_listening(memds->server);
    end_fetches(memds);
    return !memds->is_saving && memds->saved_version == bundle_store_version(memds->bundle);
}

void memds_close(struct memds *memds)
{
    memds->is_closing = true;
    end_fetches(memds);
    loop_timer_stop(memds->loop, &memds->save_timer);
    wire_server_close(memds->server, NULL, NULL);
    memds->server = NULL;
}

void memds_free(struct memds *memds)
{
    bundle_store_destroy(memds->bundle);
    route_map_destroy(memds->routes);
    arena_deinit(&memds->scratch);
    memory_free(memds);
}

uint16_t memds_port(const struct memds *memds)
{
    return wire_server_port(memds->server);
}

/* The bundle in sluice-memds: the file, pushes of control, long polls of routers. */
#include <stdio.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/proto.h"
#include "base/wire.h"
#include "controlplane/bundle/file.h"
#include "controlplane/bundle/update.h"
#include "controlplane/memds/memds_internal.h"
#include "controlplane/proto/controlplane.pb-c.h"

enum { WAIT_MS_MAX = 30000, SAVE_RETRY_US = 1000000 };

/* A fetch that waits for something newer. */
struct fetch {
    struct memds *memds;
    struct wire_call call;
    uint64_t since;
    struct loop_timer timer;
    struct fetch *next;
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
    char aside[MEMDS_PATH_BYTES + 16];
    (void)snprintf(aside, sizeof aside, "%s.damaged", path); /* fits */
    if (rename(path, aside) != 0)
        log_error("bundle_not_set_aside", "path=%s", path);
}

/* A MemDS without a bundle gets one from another instance or from control: no reason not to start. */
void memds_bundle_load(struct memds *memds)
{
    memds->save_timer = (struct loop_timer){.fire = on_save_due, .data = memds};
    memds->save_work.data = memds;
    (void)snprintf(memds->path, sizeof memds->path, "%s/bundle",
                   memds->options.data_dir); /* bounded by its setting */
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
    memds->is_bundle_known = err == ERR_OK;
    memds->saved_version = bundle_store_version(memds->bundle);
    metric_set(&memds->metrics->bundle_version, memds->saved_version);
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

void memds_bundle_end_fetches(struct memds *memds)
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

/* Whoever is told "nothing new" here, or "this is all", would not ask elsewhere. Another instance takes what it can get. */
static bool may_others_know_more(const struct memds *memds, struct wire_call call, uint64_t since)
{
    struct wire_identity who;
    bool is_instance = wire_call_peer(call, &who) && who.role == WIRE_ROLE_MEMDS;
    return bundle_store_version(memds->bundle) < since || (!memds->is_ready && !is_instance);
}

void memds_bundle_on_fetch(struct memds *memds, struct wire_call call, const struct frame *frame)
{
    const Sluice__Controlplane__FetchBundle *request =
        proto_unpack(&sluice__controlplane__fetch_bundle__descriptor, frame->header, &memds->scratch);
    if (request == NULL) {
        wire_refuse(call, ERR_INVALID);
        return;
    }
    if (may_others_know_more(memds, call, request->since_version)) {
        metric_increment(&memds->metrics->refused_unready);
        wire_refuse(call, ERR_UNAVAILABLE);
        return;
    }
    bool is_newer = bundle_store_version(memds->bundle) > request->since_version;
    if (is_newer || request->wait_ms == 0)
        answer_fetch(memds, call, request->since_version);
    else
        hold_fetch(memds, call, request->since_version, request->wait_ms);
}

enum err memds_bundle_take(struct memds *memds, struct slice packed, struct arena *scratch,
                           bool *ret_has_more)
{
    uint64_t before = bundle_store_version(memds->bundle);
    enum err err =
        bundle_update_apply(memds->bundle, &memds->options.key, packed, scratch, NULL, NULL, ret_has_more);
    if (err != ERR_OK && err != ERR_STALE)
        log_error("bundle_refused", "err=%s", err_name(err));
    uint64_t version = bundle_store_version(memds->bundle);
    if (version == before)
        return err;
    metric_set(&memds->metrics->bundle_version, version);
    memds_bundle_end_fetches(memds);
    schedule_save(memds, memds->options.save_delay_us);
    return err;
}

void memds_bundle_on_push(struct memds *memds, struct wire_call call, const struct frame *frame)
{
    bool has_more = false;
    enum err err = memds_bundle_take(memds, frame->header, &memds->scratch, &has_more);
    if (err != ERR_OK && err != ERR_STALE) {
        wire_refuse(call, err);
        return;
    }
    Sluice__Controlplane__BundleUpdateReply reply;
    sluice__controlplane__bundle_update_reply__init(&reply);
    reply.version = bundle_store_version(memds->bundle);
    wire_reply(call, &(struct wire_message){.header = &reply.base});
    if (err == ERR_OK && !has_more) {
        memds->is_bundle_known = true;
        memds_look_ready(memds);
    }
}

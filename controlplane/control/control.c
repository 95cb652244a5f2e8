#include "controlplane/control/control.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/memory.h"
#include "controlplane/control/fleet_internal.h"
#include "controlplane/control/fleet_restart.h"
#include "controlplane/control/operator_http.h"
#include "controlplane/proto/frame_type.h"

enum { TICK_US = 500000, SCRATCH_BLOCK_BYTES = 64 * 1024, SCRATCH_BYTES_MAX = 64 * 1024 * 1024 };

static const struct metric_row fleet_metric_rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct fleet_metrics, name, kind, unit, sentence)
#include "controlplane/control/fleet_metrics.def"
#undef METRIC
};
const struct metric_table fleet_metric_table = METRIC_TABLE("fleet", fleet_metric_rows);

/* ---- changes, one at a time ---- */

static void finish_change(struct control *control, enum err err)
{
    struct change *change = control->changes;
    control->changes = change->next;
    if (control->changes == NULL)
        control->changes_end = &control->changes;
    control->is_changing = false;
    change->next = NULL;
    change->done(control, change, err);
    loop_defer(control->loop, &control->pump);
}

static void begin_loading(struct control *control);

static void on_committed(enum err err, const char *text, const struct db_results *results, void *data)
{
    struct control *control = data;
    if (err == ERR_INVALID) {
        /* A statement of ours was refused: what we believe and what is stored differ. Believe the database. */
        log_error("change_refused", "text=%s", text);
        finish_change(control, ERR_INTERNAL);
        begin_loading(control);
        return;
    }
    if (err != ERR_OK) {
        finish_change(control, err == ERR_CLOSED ? ERR_UNKNOWN_OUTCOME : err);
        return;
    }
    err = control->changes->apply(control, control->changes);
    finish_change(control, ERR_OK);
    if (err != ERR_OK)
        begin_loading(control);
}

static void on_pump(struct loop_task *task)
{
    struct control *control = task->data;
    if (control->is_changing || control->changes == NULL || control->state == CONTROL_LOADING)
        return;
    control->is_changing = true;
    if (control->state != CONTROL_ACTIVE) {
        finish_change(control, ERR_UNAVAILABLE);
        return;
    }
    sql_batch_reset(&control->batch);
    enum err err = control->changes->prepare(control, control->changes, &control->batch);
    if (err == ERR_OK && sql_batch_has_failed(&control->batch))
        err = ERR_NO_MEMORY;
    if (err == ERR_OK)
        db_run(control->db, &control->batch, on_committed, control);
    else
        finish_change(control, err == ERR_STALE ? ERR_OK : err);
}

void control_submit(struct control *control, struct change *change)
{
    change->next = NULL;
    *control->changes_end = change;
    control->changes_end = &change->next;
    loop_defer(control->loop, &control->pump);
}

/* ---- active or not ---- */

static void set_state(struct control *control, enum control_state state)
{
    bool was_active = control->state == CONTROL_ACTIVE;
    control->state = state;
    if (was_active && state != CONTROL_ACTIVE)
        control_drop_polls(control, ERR_UNAVAILABLE);
    if (was_active != (state == CONTROL_ACTIVE))
        control->options.on_active(state == CONTROL_ACTIVE, control->options.data);
    loop_defer(control->loop, &control->pump);
}

static void on_loaded(struct control *control, enum err err)
{
    if (control->state != CONTROL_LOADING)
        return; /* lost meanwhile */
    if (err != ERR_OK) {
        set_state(control, CONTROL_INACTIVE); /* logged; the ticker tries again */
        return;
    }
    set_state(control, CONTROL_ACTIVE);
    log_info("control_active", "tenants=%u tables=%u nodes=%u bundle_version=%llu",
             HASH_COUNT(control->catalog.tenants), HASH_COUNT(control->catalog.tables),
             HASH_COUNT(control->catalog.nodes),
             (unsigned long long)control->catalog.counters.bundle_version);
    for (size_t i = 0; i < control->publisher_count; i++)
        publisher_wake(control->publishers[i]);
    control->listening_at_us = loop_now_us(control->loop);
    control_wake_reconcile(control);
    control_wake_repair(control);
}

static void on_migrated(struct control *control, enum err err)
{
    if (control->state != CONTROL_LOADING)
        return;
    if (err == ERR_OK)
        control_load(control, on_loaded);
    else
        set_state(control, CONTROL_INACTIVE);
}

static void begin_loading(struct control *control)
{
    if (control->state == CONTROL_LOADING || !db_is_held(control->db))
        return;
    set_state(control, CONTROL_LOADING);
    control_migrate(control, on_migrated);
}

static void on_lock_held(void *data)
{
    begin_loading(data);
}

static void on_lock_lost(void *data)
{
    set_state(data, CONTROL_INACTIVE);
}

static void on_tick(struct loop_timer *timer)
{
    struct control *control = timer->data;
    loop_timer_start(control->loop, timer, loop_now_us(control->loop) + TICK_US);
    if (control->state == CONTROL_INACTIVE)
        begin_loading(control);
    if (control->state != CONTROL_ACTIVE)
        return;
    control_wake_reconcile(control);
    control_wake_splits(control);
    control_restart_tick(control);
}

/* ---- requests ---- */

static void on_request(struct wire_call call, const struct frame *frame, void *data)
{
    struct control *control = data;
    if (call.is_one_way)
        return;
    if (control->state != CONTROL_ACTIVE) {
        wire_refuse(call, ERR_UNAVAILABLE);
        return;
    }
    if (frame->type == CONTROLPLANE_FRAME_CONTROL)
        control_on_request(control, call, frame);
    else if (frame->type == CONTROLPLANE_FRAME_NODE_HEARTBEAT)
        control_on_heartbeat(control, call, frame);
    else if (frame->type == CONTROLPLANE_FRAME_PROCESS_STATE)
        control_restart_on_process(control, call, frame);
    else
        wire_refuse(call, ERR_INVALID);
    arena_reset(&control->scratch);
}

/* ---- life ---- */

static enum err open_publishers(struct control *control, struct error *error)
{
    const char *addresses = control->options.memds;
    struct address address;
    enum err err;
    while ((err = address_next(&addresses, &address)) == ERR_OK) {
        if (control->publisher_count == CONTROL_MEMDS_MAX)
            return error_set(error, ERR_CONFIG, "memds: at most %d addresses", CONTROL_MEMDS_MAX);
        struct publisher *publisher = NULL;
        TRY(publisher_open(control, &address, &publisher, error));
        control->publishers[control->publisher_count++] = publisher;
    }
    return err == ERR_NOT_FOUND ? ERR_OK
                                : error_set(error, err, "memds: not an address: %s", control->options.memds);
}

static enum err open_server(struct control *control, struct error *error)
{
    const struct wire_server_options options = {
        .host = control->options.host,
        .port = control->options.port,
        .identity = {.cluster_id = control->options.cluster_id, .role = WIRE_ROLE_CONTROL},
        .metrics = control->options.wire_metrics,
        .on_request = on_request,
        .data = control,
    };
    return wire_server_open(control->loop, &options, &control->server, error);
}

static void control_init(struct control *control, struct loop *loop, const struct control_options *options)
{
    control->loop = loop;
    control->options = *options;
    control->changes_end = &control->changes;
    control->pump = (struct loop_task){.run = on_pump, .data = control};
    control->ticker = (struct loop_timer){.fire = on_tick, .data = control};
    catalog_init(&control->catalog);
    /* Above those of any control before us, so that a node's word about them can be compared. */
    control->catalog.goal_version = clock_wall_us();
    control->goal_version_first = control->catalog.goal_version;
    sql_batch_init(&control->batch);
    arena_init(&control->scratch, SCRATCH_BLOCK_BYTES, SCRATCH_BYTES_MAX);
}

static enum err open_parts(struct control *control, struct error *error)
{
    control->bundle = bundle_store_create();
    TRY(control_reconcile_init(control));
    TRY(control_splits_init(control));
    TRY(control_restart_init(control));
    TRY(fleet_repair_init(control));
    if (control->bundle == NULL)
        return error_set(error, ERR_NO_MEMORY, "no memory");
    const struct db_options db_options = {
        .connection = control->options.database,
        .job_timeout_us = control->options.job_timeout_us,
        .on_held = on_lock_held,
        .on_lost = on_lock_lost,
        .data = control,
    };
    TRY(db_open(control->loop, &db_options, &control->db));
    TRY(open_publishers(control, error));
    TRY(open_server(control, error));
    const struct operator_http_options http_options = {
        .host = control->options.host,
        .port = control->options.operator_port,
        .token = control->options.operator_token,
        .mailbox = control->options.mailbox,
        .control = control,
    };
    TRY(operator_http_open(&http_options, &control->operator_http, error));
    loop_timer_start(control->loop, &control->ticker, loop_now_us(control->loop) + TICK_US);
    control_fleet_start(control);
    return ERR_OK;
}

enum err control_open(struct loop *loop, const struct control_options *options, struct control **ret_control,
                      struct error *error)
{
    struct control *control = memory_zalloc(sizeof *control);
    if (control == NULL)
        return error_set(error, ERR_NO_MEMORY, "no memory");
    control_init(control, loop, options);
    enum err err = open_parts(control, error);
    if (err != ERR_OK) {
        control_close(control);
        loop_run(loop);
        control_free(control);
        return err;
    }
    *ret_control = control;
    return ERR_OK;
}

bool control_drain(struct control *control)
{
    if (control->server != NULL)
        wire_server_stop_listening(control->server);
    control_drop_polls(control, ERR_UNAVAILABLE);
    return control->changes == NULL;
}

void control_close(struct control *control)
{
    operator_http_close(control->operator_http);
    control->operator_http = NULL;
    control_drop_polls(control, ERR_CLOSED);
    loop_timer_stop(control->loop, &control->ticker);
    control_fleet_stop(control);
    for (size_t i = 0; i < control->publisher_count; i++)
        publisher_close(control->publishers[i]);
    control->publisher_count = 0;
    if (control->db != NULL)
        db_close(control->db, NULL, NULL); /* ends the change that waits for it */
    control->db = NULL;
    control->state = CONTROL_INACTIVE;
    while (control->changes != NULL)
        finish_change(control, ERR_UNAVAILABLE);
    loop_undefer(control->loop, &control->pump);
    if (control->server != NULL)
        wire_server_close(control->server, NULL, NULL);
    control->server = NULL;
}

void control_free(struct control *control)
{
    control_reconcile_deinit(control);
    control_splits_deinit(control);
    control_restart_deinit(control);
    fleet_repair_deinit(control);
    catalog_clear(&control->catalog);
    bundle_store_destroy(control->bundle);
    sql_batch_deinit(&control->batch);
    arena_deinit(&control->scratch);
    memory_free(control);
}

uint16_t control_port(const struct control *control)
{
    return wire_server_port(control->server);
}

uint16_t control_operator_port(const struct control *control)
{
    return operator_http_port(control->operator_http);
}

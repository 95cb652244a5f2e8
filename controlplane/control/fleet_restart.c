#include "controlplane/control/fleet_restart.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/proto.h"
#include "base/random.h"
#include "controlplane/control/fleet_sight.h"
#include "controlplane/proto/controlplane.pb-c.h"
#include "controlplane/proto/frame_type.h"

enum { BOOT_CHARACTERS = 24, SCRATCH_BYTES = 4096 };

/* What is stored, as it is here. */
struct restart {
    bool is_running;
    uint64_t started_us;        /* wall clock; 0: there never was one */
    struct restart_step *steps; /* owned */
    size_t count;
};

struct fleet_restart {
    struct fleet_sight sight;
    struct restart now;
    uint64_t told_boot;          /* whose life was last to end; 0: nobody's yet */
    bool is_order;               /* ... and still is */
    bool is_ending;              /* the change that ends it is under way */
    char why[SIGHT_WORDS_BYTES]; /* what it waits for */
};

/* One for beginning and ending, as they store the same row. */
struct restart_change {
    struct change change;
    struct restart next; /* taken over by `apply` */
    bool is_begin;
    struct answer *answer; /* NULL: nobody asked, it has come to its end */
    answer_cb done;
    void *data;
};

/* ---- the row ---- */

static json_t *step_json(const struct restart_step *step)
{
    char boot[BOOT_CHARACTERS];
    (void)snprintf(boot, sizeof boot, "%llu", (unsigned long long)step->boot); /* fits */
    return json_pack("{s:s, s:s, s:s}", "role", step->role, "name", step->name, "boot", boot);
}

/* NULL without memory. */
static char *restart_encode(const struct restart *restart)
{
    json_t *steps = json_array();
    bool is_good = true;
    for (size_t i = 0; i < restart->count; i++)
        is_good = json_array_append_new(steps, step_json(&restart->steps[i])) == 0 && is_good;
    json_t *all = json_pack("{s:b, s:I, s:o}", "is_running", (int)restart->is_running, "started_us",
                            (json_int_t)restart->started_us, "steps", steps);
    char *text = is_good && all != NULL ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    return text;
}

static enum err step_decode(const json_t *row, struct restart_step *step)
{
    const char *role = json_string_value(json_object_get(row, "role"));
    const char *name = json_string_value(json_object_get(row, "name"));
    const char *boot = json_string_value(json_object_get(row, "boot"));
    if (role == NULL || name == NULL || boot == NULL || strlen(role) >= sizeof step->role ||
        strlen(name) >= sizeof step->name)
        return ERR_CORRUPT;
    (void)snprintf(step->role, sizeof step->role, "%s", role); /* its length was checked */
    (void)snprintf(step->name, sizeof step->name, "%s", name); /* likewise */
    step->boot = strtoull(boot, NULL, 10);
    return ERR_OK;
}

static enum err restart_decode(const json_t *all, struct restart *ret_restart)
{
    const json_t *steps = json_object_get(all, "steps");
    size_t count = json_array_size(steps);
    if (count > RESTART_STEPS_MAX)
        return ERR_CORRUPT;
    struct restart restart = {.is_running = json_is_true(json_object_get(all, "is_running")),
                              .started_us = (uint64_t)json_integer_value(json_object_get(all, "started_us")),
                              .steps = memory_zalloc((count + 1) * sizeof *restart.steps),
                              .count = count};
    enum err err = restart.steps == NULL ? ERR_NO_MEMORY : ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = step_decode(json_array_get(steps, i), &restart.steps[i]);
    if (err == ERR_OK)
        *ret_restart = restart;
    else
        memory_free(restart.steps);
    return err;
}

static void take_over(struct fleet_restart *r, const struct restart *next)
{
    memory_free(r->now.steps);
    r->now = *next;
    r->told_boot = 0;
    r->is_order = false;
    r->why[0] = '\0';
}

enum err control_restart_load(struct control *control, const char *json)
{
    struct restart restart = {0};
    json_t *all = json == NULL ? NULL : json_loads(json, 0, NULL);
    enum err err = json == NULL ? ERR_OK : restart_decode(all, &restart);
    json_decref(all);
    if (err == ERR_OK)
        take_over(control->fleet_restart, &restart);
    return err;
}

/* ---- storing it ---- */

static struct restart_change *change_of(struct change *change)
{
    return (struct restart_change *)change;
}

static enum err store(const struct restart *restart, struct sql_batch *batch)
{
    char *text = restart_encode(restart);
    if (text == NULL)
        return ERR_NO_MEMORY;
    sql_begin(batch, "INSERT INTO settings (name, value) VALUES ('fleet_restart', $1) "
                     "ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value");
    sql_text(batch, text);
    free(text); /* jansson's */
    return ERR_OK;
}

static enum err refuse(struct restart_change *c, enum err code, const char *words)
{
    return c->answer == NULL ? code : answer_refuse(c->answer, code, "%s", words);
}

static enum err prepare_begin(struct control *control, struct restart_change *c)
{
    struct fleet_restart *r = control->fleet_restart;
    char why[SIGHT_WORDS_BYTES] = "";
    if (r->now.is_running)
        return refuse(c, ERR_RESOURCE_IN_USE, "A restart of the fleet is under way");
    sight_forget_old(&r->sight, loop_now_us(control->loop));
    c->next.steps = memory_zalloc(RESTART_STEPS_MAX * sizeof *c->next.steps);
    if (c->next.steps == NULL)
        return ERR_NO_MEMORY;
    if (!sight_is_whole(control, why) ||
        sight_list(control, &r->sight, c->next.steps, &c->next.count, why) != ERR_OK)
        return refuse(c, ERR_SERVICE_UNAVAILABLE, why[0] == '\0' ? "Too many processes" : why);
    c->next.is_running = true;
    c->next.started_us = clock_wall_us();
    return ERR_OK;
}

/* The same list, not running any more. */
static enum err prepare_end(struct control *control, struct restart_change *c)
{
    const struct restart *now = &control->fleet_restart->now;
    if (!now->is_running)
        return refuse(c, ERR_RESOURCE_NOT_FOUND, "No restart of the fleet is under way");
    c->next = *now;
    c->next.is_running = false;
    c->next.steps = memory_alloc((now->count + 1) * sizeof *c->next.steps);
    if (c->next.steps == NULL)
        return ERR_NO_MEMORY;
    memcpy(c->next.steps, now->steps, now->count * sizeof *now->steps);
    return ERR_OK;
}

static enum err prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct restart_change *c = change_of(change);
    TRY(c->is_begin ? prepare_begin(control, c) : prepare_end(control, c));
    return store(&c->next, batch);
}

static enum err apply(struct control *control, struct change *change)
{
    struct restart_change *c = change_of(change);
    take_over(control->fleet_restart, &c->next);
    c->next.steps = NULL;
    log_info(c->is_begin ? "fleet_restart_begins" : "fleet_restart_ends", "processes=%zu",
             control->fleet_restart->now.count);
    if (c->answer != NULL)
        control_restart_show(control, c->answer);
    return ERR_OK;
}

static void on_done(struct control *control, struct change *change, enum err err)
{
    struct restart_change *c = change_of(change);
    if (c->answer == NULL)
        control->fleet_restart->is_ending = false;
    else if (err != ERR_OK && c->answer->code == ERR_OK)
        answer_refuse(c->answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
    if (c->answer != NULL)
        c->done(c->answer, c->data);
    memory_free(c->next.steps);
    memory_free(c);
}

/* false: no memory, nothing is called. */
static bool submit(struct control *control, const struct restart_change *like)
{
    struct restart_change *c = memory_alloc(sizeof *c);
    if (c == NULL)
        return false;
    *c = *like;
    c->change = (struct change){.prepare = prepare, .apply = apply, .done = on_done};
    control_submit(control, &c->change);
    return true;
}

static void submit_asked(struct control *control, const struct restart_change *like)
{
    if (submit(control, like))
        return;
    answer_refuse(like->answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
    like->done(like->answer, like->data);
}

void control_restart_begin(struct control *control, struct answer *answer, answer_cb done, void *data)
{
    submit_asked(control,
                 &(struct restart_change){.is_begin = true, .answer = answer, .done = done, .data = data});
}

void control_restart_stop(struct control *control, struct answer *answer, answer_cb done, void *data)
{
    submit_asked(control, &(struct restart_change){.answer = answer, .done = done, .data = data});
}

/* ---- showing it ---- */

static const char *state_name(const struct fleet_restart *r, const struct restart_step *step,
                              const struct restart_seen *seen)
{
    switch (restart_state(step, seen)) {
    case RESTART_WAITING:
        return r->now.is_running && r->told_boot == step->boot ? "restarting" : "waiting";
    case RESTART_RETURNING:
        return "returning";
    case RESTART_DONE:
        break;
    }
    return "done";
}

void control_restart_show(const struct control *control, struct answer *answer)
{
    const struct fleet_restart *r = control->fleet_restart;
    json_t *steps = json_array();
    for (size_t i = 0; i < r->now.count; i++) {
        const struct restart_step *step = &r->now.steps[i];
        struct restart_seen seen = sight_of(control, &r->sight, step);
        (void)json_array_append_new(
            steps, json_pack("{s:s, s:s, s:s}", "role", step->role, "name", step->name, "state",
                             state_name(r, step, &seen))); /* one row less without memory */
    }
    (void)answer_json(answer, json_pack("{s:b, s:I, s:s, s:o}", "is_running", (int)r->now.is_running,
                                        "started_us", (json_int_t)r->now.started_us, "waits_for", r->why,
                                        "steps", steps)); /* says so itself */
}

/* ---- carrying it out ---- */

/* Whoever is told twice has begun to go already. What he has not heard yet is taken back when the fleet is not whole. */
static void tell(struct control *control, const struct restart_step *step)
{
    struct fleet_restart *r = control->fleet_restart;
    if (r->told_boot != step->boot)
        log_info("process_restarts", "role=%s name=%s", step->role, step->name);
    r->told_boot = step->boot;
    if (strcmp(step->role, "control") == 0)
        control->options.on_restart(control->options.data);
}

static void advance(struct control *control)
{
    struct fleet_restart *r = control->fleet_restart;
    struct restart_seen *seen = memory_alloc((r->now.count + 1) * sizeof *seen);
    if (seen == NULL)
        return; /* the next tick */
    for (size_t i = 0; i < r->now.count; i++)
        seen[i] = sight_of(control, &r->sight, &r->now.steps[i]);
    r->why[0] = '\0';
    bool is_whole = sight_is_whole(control, r->why);
    struct restart_verdict verdict = restart_decide(r->now.steps, seen, r->now.count, is_whole);
    memory_free(seen);
    r->is_order = verdict.is_order;
    if (verdict.is_order)
        tell(control, &r->now.steps[verdict.current]);
    if (verdict.is_finished && !r->is_ending)
        r->is_ending = submit(control, &(struct restart_change){.is_begin = false});
}

static void on_memds_state(enum err err, const struct frame *response, void *data)
{
    struct control *control = data;
    if (err != ERR_OK)
        return;
    struct arena arena;
    arena_init(&arena, SCRATCH_BYTES, SCRATCH_BYTES);
    const Sluice__Controlplane__ProcessState *state =
        proto_unpack(&sluice__controlplane__process_state__descriptor, response->header, &arena);
    if (state != NULL)
        sight_note(&control->fleet_restart->sight, "memds", state->name, state->boot_epoch, state->is_ready,
                   loop_now_us(control->loop));
    arena_deinit(&arena);
}

void control_restart_tick(struct control *control)
{
    struct fleet_restart *r = control->fleet_restart;
    Sluice__Controlplane__ProcessGoal goal = SLUICE__CONTROLPLANE__PROCESS_GOAL__INIT;
    if (r->now.is_running)
        advance(control);
    goal.restart_boot = control_restart_boot(control);
    const struct wire_message message = {.type = CONTROLPLANE_FRAME_PROCESS_GOAL, .header = &goal.base};
    for (size_t i = 0; i < control->publisher_count; i++)
        (void)publisher_ask(control->publishers[i], &message, on_memds_state, control); /* soon again */
}

uint64_t control_restart_boot(const struct control *control)
{
    const struct fleet_restart *r = control->fleet_restart;
    return r->now.is_running && r->is_order ? r->told_boot : 0;
}

void control_restart_on_process(struct control *control, struct wire_call call, const struct frame *frame)
{
    const Sluice__Controlplane__ProcessState *state =
        proto_unpack(&sluice__controlplane__process_state__descriptor, frame->header, &control->scratch);
    if (state == NULL || strcmp(state->role, "router") != 0) {
        wire_refuse(call, ERR_INVALID);
        return;
    }
    sight_note(&control->fleet_restart->sight, state->role, state->name, state->boot_epoch, state->is_ready,
               loop_now_us(control->loop));
    Sluice__Controlplane__ProcessGoal goal = SLUICE__CONTROLPLANE__PROCESS_GOAL__INIT;
    goal.restart_boot = control_restart_boot(control);
    wire_reply(call, &(struct wire_message){.header = &goal.base});
}

/* ---- life ---- */

enum err control_restart_init(struct control *control)
{
    struct fleet_restart *r = memory_zalloc(sizeof *r);
    if (r == NULL)
        return ERR_NO_MEMORY;
    random_secret(&r->sight.own_boot, sizeof r->sight.own_boot);
    control->fleet_restart = r;
    return ERR_OK;
}

void control_restart_deinit(struct control *control)
{
    if (control->fleet_restart != NULL)
        memory_free(control->fleet_restart->now.steps);
    memory_free(control->fleet_restart);
    control->fleet_restart = NULL;
}

#include "controlplane/client/presence.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/proto.h"
#include "base/random.h"
#include "controlplane/client/peer_set.h"
#include "controlplane/proto/controlplane.pb-c.h"
#include "controlplane/proto/frame_type.h"

enum { EACH_US = 500 * 1000, CALL_US = 2 * 1000 * 1000, SCRATCH_BYTES = 1024 };

struct presence {
    struct presence_options options;
    struct loop *loop;
    /* Its own, so that its failures while control is away are not held against anybody's operations. */
    struct peer_set *control;
    struct dependency_metrics dependency;
    uint64_t boot_epoch;
    struct loop_timer timer;
    bool is_calling;
};

static void on_goal(enum err err, const struct frame *response, void *data)
{
    struct presence *p = data;
    p->is_calling = false;
    if (err != ERR_OK)
        return;
    struct arena arena;
    arena_init(&arena, SCRATCH_BYTES, SCRATCH_BYTES);
    const Sluice__Controlplane__ProcessGoal *goal =
        proto_unpack(&sluice__controlplane__process_goal__descriptor, response->header, &arena);
    bool is_turn = goal != NULL && goal->restart_boot == p->boot_epoch;
    arena_deinit(&arena);
    if (is_turn)
        p->options.on_restart(p->options.data);
}

static char *text(const char *constant)
{
    union {
        const char *in;
        char *out;
    } pointer = {.in = constant};
    return pointer.out; /* protobuf-c does not write through it */
}

static void on_timer(struct loop_timer *timer)
{
    struct presence *p = timer->data;
    loop_timer_start(p->loop, timer, loop_now_us(p->loop) + EACH_US);
    if (p->is_calling)
        return;
    Sluice__Controlplane__ProcessState state;
    sluice__controlplane__process_state__init(&state);
    state.role = text(p->options.role);
    state.name = text(p->options.name);
    state.boot_epoch = p->boot_epoch;
    state.is_ready = p->options.is_ready(p->options.data);
    const struct wire_message message = {.type = CONTROLPLANE_FRAME_PROCESS_STATE, .header = &state.base};
    const struct peer_call_options options = {.deadline_us = clock_boot_us() + CALL_US};
    p->is_calling = peer_set_call(p->control, &message, &options, on_goal, p) == ERR_OK;
}

enum err presence_start(struct loop *loop, const struct presence_options *options,
                        struct presence **ret_presence, struct error *error)
{
    struct presence *p = memory_zalloc(sizeof *p);
    if (p == NULL)
        return ERR_NO_MEMORY;
    p->options = *options;
    p->loop = loop;
    p->timer = (struct loop_timer){.fire = on_timer, .data = p};
    random_secret(&p->boot_epoch, sizeof p->boot_epoch);
    const struct peer_set_options control = {.name = "control",
                                             .addresses = options->control,
                                             .identity = options->identity,
                                             .metrics = options->metrics,
                                             .dependency = &p->dependency,
                                             .breaker = &breaker_item_path,
                                             .is_sticky = true};
    enum err err = peer_set_open(loop, &control, &p->control, error);
    if (err != ERR_OK) {
        memory_free(p);
        return err;
    }
    loop_timer_start(loop, &p->timer, loop_now_us(loop) + EACH_US);
    *ret_presence = p;
    return ERR_OK;
}

static void on_closed(void *data)
{
    memory_free(data);
}

void presence_stop(struct presence *p)
{
    if (p == NULL)
        return;
    loop_timer_stop(p->loop, &p->timer);
    peer_set_close(p->control, on_closed, p);
}

/* Which nodes live: looked at some times a second, and whenever one is heard. */
#include "base/clock.h"
#include "controlplane/control/fleet_internal.h"

enum {
    LOOK_US = 200 * 1000,
    STALL_US = 1000 * 1000, /* we did not run ourselves for so long: silence means nothing */
};

static struct node_life_limits limits_of(const struct control *control)
{
    return (struct node_life_limits){.dead_us = control->options.node_timeout_us,
                                     .abandon_us = control->options.node_abandon_us,
                                     .return_us = control->options.node_return_us};
}

static void become(struct control *control, struct node *node, enum node_life life)
{
    bool is_news = strcmp(node_life_name(node->life), node_life_name(life)) != 0;
    metric_increment(&control->options.fleet_metrics->lives_changed);
    if (is_news && life != NODE_SUSPECT && node->life != NODE_SUSPECT)
        log_info("node_life", "node=%s node_id=%u life=%s was=%s", node->name, node->node_id,
                 node_life_name(life), node_life_name(node->life));
    node->life = life;
    node->life_at_us = loop_now_us(control->loop);
    control_wake_repair(control);
}

static void look(struct control *control, struct node *node)
{
    const struct node_life_limits limits = limits_of(control);
    const struct node_signs signs = {
        .heard_at_us = node->heard_at_us,
        .listening_at_us = control->listening_at_us,
        .is_cut_off = node->is_cut_off,
        .is_given_up = node->is_lost,
        .life = node->life,
        .life_at_us = node->life_at_us,
    };
    enum node_life life = node_life_now(&signs, &limits, loop_now_us(control->loop));
    if (life != node->life)
        become(control, node, life);
}

void control_node_heard(struct control *control, struct node *node)
{
    node->heard_at_us = loop_now_us(control->loop);
    node->heard_wall_us = clock_wall_us();
    node->is_cut_off = false;
    look(control, node);
}

static void count_lives(struct control *control)
{
    struct fleet_metrics *m = control->options.fleet_metrics;
    uint64_t alive = 0, dead = 0, draining = 0;
    for (const struct node *node = control->catalog.nodes; node != NULL; node = node->hh.next) {
        bool is_dead = node_life_is_silent(node->life) || node->life == NODE_NEVER_HEARD;
        alive += !is_dead;
        dead += is_dead;
        draining += node->is_draining;
    }
    metric_set(&m->nodes_alive, alive);
    metric_set(&m->nodes_dead, dead);
    metric_set(&m->nodes_draining, draining);
}

static void on_look(struct loop_timer *timer)
{
    struct control *control = timer->data;
    uint64_t now_us = loop_now_us(control->loop);
    if (now_us > control->looked_at_us + STALL_US || control->state != CONTROL_ACTIVE)
        control->listening_at_us = now_us;
    control->looked_at_us = now_us;
    loop_timer_start(control->loop, timer, now_us + LOOK_US);
    if (control->state != CONTROL_ACTIVE)
        return;
    control_note_cut_off(control);
    for (struct node *node = control->catalog.nodes; node != NULL; node = node->hh.next)
        look(control, node);
    count_lives(control);
    fleet_repair_look(control);
}

void control_fleet_start(struct control *control)
{
    control->look = (struct loop_timer){.fire = on_look, .data = control};
    control->listening_at_us = control->looked_at_us = loop_now_us(control->loop);
    loop_timer_start(control->loop, &control->look, control->looked_at_us + LOOK_US);
}

void control_fleet_stop(struct control *control)
{
    loop_timer_stop(control->loop, &control->look);
}

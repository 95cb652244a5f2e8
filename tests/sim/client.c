/* Clients: one operation at a time, retried with the same request id until it is answered or given up. */
#include "tests/sim/sim.h"

enum { TIMEOUT_US = 400 * MS, GIVE_UP_US = 6 * SECOND };

static void timer(struct world *w, uint32_t c, uint64_t after_us)
{
    struct sim_event *event = world_schedule(w, w->now_us + after_us, SIM_CLIENT);
    event->node = c;
    event->life = ++w->clients[c].serial;
}

static enum client_op choose_op(struct world *w)
{
    uint64_t at = world_uniform(w, 0, 99);
    return at < 35 ? OP_READ : at < 55 ? OP_PUT : at < 75 ? OP_PUT_IF : at < 95 ? OP_ADD : OP_DELETE;
}

static void begin(struct world *w, uint32_t c)
{
    struct sim_client *client = &w->clients[c];
    if (w->is_healing || w->history_count == HISTORY_MAX)
        return;
    struct sim_request *q = &client->request;
    uint64_t serial = w->history_count;
    *q = (struct sim_request){.client = c,
                              .serial = serial,
                              .table = (uint32_t)world_uniform(w, 0, TABLES - 1),
                              .key = (uint32_t)world_uniform(w, 0, KEYS - 1),
                              .op = choose_op(w)};
    q->value = q->op == OP_ADD ? (int64_t)world_uniform(w, 1, 3) : (int64_t)serial * 1000;
    /* Half of the conditions rest on what this client believes, half on nothing. */
    q->expected = NO_VALUE;
    for (uint64_t i = w->history_count; q->op == OP_PUT_IF && i > 0 && w->history_count - i < 60; i--) {
        const struct history_op *op = &w->history[i - 1];
        if (op->table != q->table || op->key != q->key || op->response == UINT64_MAX ||
            op->is_condition_failed)
            continue;
        q->expected = op->op == OP_READ || op->op == OP_ADD ? op->result
                      : op->op == OP_DELETE                 ? NO_VALUE
                                                            : op->value;
        break;
    }
    client->is_busy = true;
    client->history = w->history_count;
    client->give_up_us = w->now_us + GIVE_UP_US;
    client->tries = client->unanswered = 0;
    w->history[w->history_count++] = (struct history_op){.table = q->table,
                                                         .key = q->key,
                                                         .op = q->op,
                                                         .value = q->value,
                                                         .expected = q->expected,
                                                         .invoke = w->sequence++,
                                                         .response = UINT64_MAX};
}

static void finish(struct world *w, uint32_t c)
{
    w->clients[c].is_busy = false;
    timer(w, c, world_uniform(w, 5 * MS, 180 * MS));
}

void client_on_timer(struct world *w, uint32_t c)
{
    struct sim_client *client = &w->clients[c];
    if (!client->is_busy)
        begin(w, c);
    if (!client->is_busy)
        return;
    if (w->now_us >= client->give_up_us) {
        w->figures.unknown++;
        finish(w, c);
        return;
    }
    if (client->tries++ > 0 && world_chance(w, 500 * 1000))
        client->node = (uint32_t)world_uniform(w, 1, NODES);
    const struct sim_route *route = &client->routes[client->request.table][client->request.key];
    client->request.group = route->group;
    client->request.epoch = route->epoch;
    client->request.attempt++;
    client->unanswered++;
    network_send_request(w, &client->request, client->node);
    timer(w, c, TIMEOUT_US);
}

/* Newer routes win by the epoch of their range, however late they come. */
static void learn_route(const struct world *w, struct sim_client *client, const struct sim_answer *a)
{
    const struct sim_group_truth *truth = &w->groups[a->route_group];
    for (uint32_t k = truth->first_key; k < truth->end_key; k++) {
        struct sim_route *route = &client->routes[truth->table][k];
        if (truth->epoch > route->epoch)
            *route = (struct sim_route){.group = a->route_group, .epoch = truth->epoch};
    }
}

void client_on_answer(struct world *w, const struct sim_answer *a)
{
    struct sim_client *client = &w->clients[a->request.client];
    if (a->has_route)
        learn_route(w, client, a);
    if (!client->is_busy || client->request.serial != a->request.serial)
        return;
    struct history_op *op = &w->history[client->history];
    client->unanswered--;
    bool is_latest = a->request.attempt == client->request.attempt;
    switch (a->status) {
    case ANSWER_CONDITION_FAILED:
        /* A refusal is final only if no other attempt can still be applied. */
        if (!is_latest || client->unanswered > 0) {
            w->figures.unknown++;
            finish(w, a->request.client);
            break;
        }
        op->is_condition_failed = true;
        __attribute__((fallthrough));
    case ANSWER_OK:
        op->response = w->sequence++;
        op->result = a->value;
        w->figures.acknowledged += op->op != OP_READ;
        w->figures.reads += op->op == OP_READ;
        finish(w, a->request.client);
        break;
    case ANSWER_NOT_LEADER:
    case ANSWER_NOT_APPLIED:
    case ANSWER_UNKNOWN:
    case ANSWER_WRONG_RANGE:
        if (!is_latest)
            break;
        client->node = a->hint_node != 0 ? a->hint_node : (uint32_t)world_uniform(w, 1, NODES);
        timer(w, a->request.client, world_uniform(w, 5 * MS, 60 * MS));
        break;
    }
}

/* What operators ask for about nodes:
 *
 *     GET  /v1/fleet                          nodes, MemDS instances, how many tables are in which state
 *     GET  /v1/fleet/nodes/{node}             one node, with its replicas
 *     POST /v1/fleet/nodes/{node}/drain       it gives away what it has: leads first, then replicas
 *     POST /v1/fleet/nodes/{node}/undrain
 *     POST /v1/fleet/nodes/{node}/remove      forget it: it is drained, or will not be back
 *
 * {node} is a name, or an id where the name went over to another node. */
#include <jansson.h>
#include <stdlib.h>

#include "base/memory.h"
#include "controlplane/control/fleet_internal.h"

enum node_order { ORDER_DRAIN, ORDER_UNDRAIN, ORDER_REMOVE };

struct node_change {
    struct change change;
    enum node_order order;
    char name[NAME_BYTES_MAX + 1];
    uint32_t node_id; /* once it is found */
    struct answer *answer;
    answer_cb done;
    void *data;
};

/* ---- which ---- */

static struct node *find_node(const struct catalog *c, const char *name)
{
    struct node *node = catalog_node_by_name(c, name);
    char *end;
    if (node != NULL)
        return node;
    unsigned long id = strtoul(name, &end, 10);
    return *end == '\0' && id <= UINT32_MAX ? catalog_node(c, (uint32_t)id) : NULL;
}

static enum err refuse_unknown(struct answer *answer, const char *name)
{
    return answer_refuse(answer, ERR_RESOURCE_NOT_FOUND, "No such node: %s", name);
}

/* ---- may it ---- */

static bool counts(const struct node *node, const struct node *except)
{
    return node != except && fleet_can_take(node);
}

/* Zones with a node that can be given replicas, without this one. */
static size_t count_zones(const struct catalog *c, const struct node *without)
{
    size_t zones = 0;
    for (const struct node *node = c->nodes; node != NULL; node = node->hh.next) {
        bool is_first = counts(node, without);
        for (const struct node *other = c->nodes; other != node && is_first; other = other->hh.next)
            is_first = !counts(other, without) || strcmp(other->zone, node->zone) != 0;
        zones += is_first;
    }
    return zones;
}

static enum err check_zones(const struct catalog *c, const struct node *node, struct answer *answer)
{
    size_t zones = count_zones(c, node);
    if (zones >= REPLICAS_PER_PARTITION)
        return ERR_OK;
    return answer_refuse(
        answer, ERR_RESOURCE_IN_USE,
        "Without %s only %zu zones would have a node that can take replicas, and they need %d: "
        "add a node in %s first",
        node->name, zones, REPLICAS_PER_PARTITION, node->zone);
}

static enum err check_drain(const struct catalog *c, const struct node *node, struct answer *answer)
{
    if (node->is_lost)
        return answer_refuse(answer, ERR_RESOURCE_IN_USE,
                             "Node %u is lost: there is nothing to drain; it can be removed", node->node_id);
    return node->is_draining ? ERR_OK : check_zones(c, node, answer);
}

static enum err check_remove(const struct catalog *c, const struct node *node, struct answer *answer)
{
    bool is_there = !node->is_lost && !node_life_is_silent(node->life);
    if (is_there && node->oldest_goal != NULL)
        return answer_refuse(answer, ERR_RESOURCE_IN_USE,
                             "%s is %s and has %u replicas: drain it first, or stop it for good", node->name,
                             node_life_name(node->life), node->replica_count);
    return node->is_removed || (is_there && node->is_draining) ? ERR_OK : check_zones(c, node, answer);
}

/* ---- orders ---- */

static const char *const updates[] = {
    [ORDER_DRAIN] = "UPDATE nodes SET is_draining = true WHERE node_id = $1",
    [ORDER_UNDRAIN] = "UPDATE nodes SET is_draining = false WHERE node_id = $1",
    [ORDER_REMOVE] =
        "UPDATE nodes SET is_removed = true, is_lost = true, is_draining = false WHERE node_id = $1",
};

static enum err prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct node_change *order = (struct node_change *)change;
    const struct node *node = find_node(&control->catalog, order->name);
    if (node == NULL)
        return refuse_unknown(order->answer, order->name);
    if (order->order == ORDER_DRAIN)
        TRY(check_drain(&control->catalog, node, order->answer));
    if (order->order == ORDER_REMOVE)
        TRY(check_remove(&control->catalog, node, order->answer));
    order->node_id = node->node_id;
    sql_begin(batch, updates[order->order]);
    sql_u64(batch, node->node_id);
    return ERR_OK;
}

static enum err apply(struct control *control, struct change *change)
{
    struct node_change *order = (struct node_change *)change;
    struct node *node = catalog_node(&control->catalog, order->node_id);
    node->is_draining = order->order == ORDER_DRAIN;
    if (order->order == ORDER_REMOVE)
        catalog_give_up_node(&control->catalog, node);
    log_info("node_ordered", "node=%s node_id=%u order=%d replicas=%u", node->name, node->node_id,
             (int)order->order, node->replica_count);
    enum err err = answer_json(order->answer, fleet_node_json(node));
    control_tell_nodes(control);
    control_wake_repair(control);
    return err;
}

static void done(struct control *control, struct change *change, enum err err)
{
    struct node_change *order = (struct node_change *)change;
    if (err != ERR_OK && order->answer->code == ERR_OK)
        answer_refuse(order->answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
    order->done(order->answer, order->data);
    memory_free(order);
}

static void submit(struct control *control, enum node_order which, const char *name, struct answer *answer,
                   answer_cb on_done, void *data)
{
    struct node_change *order = memory_zalloc(sizeof *order);
    if (order == NULL) {
        answer_refuse(answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
        on_done(answer, data);
        return;
    }
    order->change = (struct change){.prepare = prepare, .apply = apply, .done = done};
    order->order = which;
    memcpy(order->name, name, strlen(name) + 1);
    order->answer = answer;
    order->done = on_done;
    order->data = data;
    control_submit(control, &order->change);
}

/* ---- paths ---- */

/* "{name}" or "{name}/{action}"; false when the name is empty or too long. */
static bool split(const char *path, char name[NAME_BYTES_MAX + 1], const char **ret_action)
{
    size_t length = strcspn(path, "/");
    if (length == 0 || length > NAME_BYTES_MAX)
        return false;
    memcpy(name, path, length);
    name[length] = '\0';
    *ret_action = path[length] == '/' ? path + length + 1 : "";
    return true;
}

static void show(struct control *control, const char *name, struct answer *answer)
{
    const struct node *node = find_node(&control->catalog, name);
    if (node == NULL)
        (void)refuse_unknown(answer, name); /* the answer says so */
    else
        (void)answer_json(answer, fleet_show_json(node)); /* says so itself */
}

bool control_on_fleet_operator(struct control *control, const char *method, const char *path,
                               struct answer *answer, answer_cb on_done, void *data)
{
    static const char *const actions[] = {
        [ORDER_DRAIN] = "drain", [ORDER_UNDRAIN] = "undrain", [ORDER_REMOVE] = "remove"};
    static const char nodes[] = "/v1/fleet/nodes/";
    char name[NAME_BYTES_MAX + 1];
    const char *action;
    bool is_get = strcmp(method, "GET") == 0;
    if (is_get && strcmp(path, "/v1/fleet") == 0) {
        (void)answer_json(answer, fleet_json(control)); /* says so itself */
        on_done(answer, data);
        return true;
    }
    if (strncmp(path, nodes, strlen(nodes)) != 0 || !split(path + strlen(nodes), name, &action))
        return false;
    if (is_get && action[0] == '\0') {
        show(control, name, answer);
        on_done(answer, data);
        return true;
    }
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(method, "POST") != 0 || strcmp(action, actions[i]) != 0)
            continue;
        submit(control, (enum node_order)i, name, answer, on_done, data);
        return true;
    }
    return false;
}

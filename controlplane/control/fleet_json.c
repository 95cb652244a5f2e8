/* What operators see of nodes, as JSON. */
#include <jansson.h>

#include "controlplane/control/fleet_internal.h"

enum { REPLICA_ROWS_MAX = 1000 };

/* Set aside on the node, or lost with its disk. */
static uint32_t count_quarantined(const struct node *node)
{
    uint32_t count = 0;
    for (const struct replica *r = node->oldest_goal; r != NULL; r = r->newer_goal)
        count += r->goal == GOAL_PRESENT && (node->is_lost || r->role == ROLE_QUARANTINED);
    return count;
}

static uint32_t count_leading(const struct node *node)
{
    uint32_t count = 0;
    for (const struct replica *r = node->oldest_goal; r != NULL; r = r->newer_goal)
        count += r->goal == GOAL_PRESENT && r->role == ROLE_LEADER && !node_life_is_silent(node->life);
    return count;
}

static const char *state_of(const struct node *node)
{
    if (node->is_removed)
        return "removed";
    if (node->is_lost)
        return "lost";
    if (node->is_draining && !node_life_is_silent(node->life))
        return node->replica_count == 0 ? "drained" : "draining";
    return node_life_name(node->life);
}

json_t *fleet_node_json(const struct node *node)
{
    bool is_alive = !node->is_lost && !node_life_is_silent(node->life) && node->life != NODE_NEVER_HEARD;
    struct placement_node place = fleet_weigh_node(node);
    return json_pack("{s:i, s:s, s:s, s:s, s:i, s:i, s:s, s:b, s:b, s:b, s:i, s:i, s:i, s:i, s:I, s:I, s:I}",
                     "node_id", (int)node->node_id, "name", node->name, "zone", node->zone, "host",
                     node->host, "port", (int)node->port, "loops", (int)node->loops, "state", state_of(node),
                     "is_alive", (int)is_alive, "is_lost", (int)node->is_lost, "is_draining",
                     (int)node->is_draining, "replicas", (int)node->replica_count, "quarantined",
                     (int)count_quarantined(node), "wanted_leaders", (int)node->leader_count, "leaders",
                     (int)count_leading(node), "item_bytes", (json_int_t)place.bytes, "milli_units_per_s",
                     (json_int_t)place.milli_per_s, "last_heartbeat_us", (json_int_t)node->heard_wall_us);
}

/* ---- one node ---- */

static const char *state_of_replica(const struct replica *r)
{
    static const char *const roles[] = {
        [ROLE_FOLLOWER] = "follower",       [ROLE_CANDIDATE] = "candidate", [ROLE_LEADER] = "leader",
        [ROLE_QUARANTINED] = "quarantined", [ROLE_REMOVED] = "removed",     [ROLE_NOT_REPORTED] = "silent",
    };
    if (r->goal == GOAL_ABSENT)
        return "being removed";
    if (!r->is_wanted)
        return "not wanted";
    if (r->role == ROLE_QUARANTINED || node_life_is_silent(r->node->life))
        return r->role == ROLE_QUARANTINED ? "quarantined" : "silent";
    if (r->partition->membership_version != 0 && r->membership != REPLICA_VOTER)
        return r->membership == REPLICA_LEARNER ? "being built" : "joining";
    return roles[r->role];
}

static json_t *replica_json(const struct replica *r)
{
    return json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:b, s:b, s:I}", "group_id", (json_int_t)r->key.group_id,
                     "replica_id", (json_int_t)r->key.replica_id, "tenant_id",
                     r->partition->table->tenant->id, "table", r->partition->table->spec.name, "kind",
                     r->kind == REPLICA_LOG ? "log" : "storage", "state", state_of_replica(r),
                     "is_leader_wanted", (int)r->is_leader_wanted, "is_leaving", (int)r->is_leaving,
                     "item_bytes", (json_int_t)r->item_bytes);
}

json_t *fleet_show_json(const struct node *node)
{
    json_t *answer = fleet_node_json(node);
    json_t *rows = json_array();
    size_t count = 0;
    for (const struct replica *r = node->newest_goal; r != NULL; r = r->older_goal) {
        if (count++ < REPLICA_ROWS_MAX)
            (void)json_array_append_new(rows, replica_json(r)); /* one row less without memory */
    }
    (void)json_object_set_new(answer, "replica_list",
                              rows); /* without memory answer is not whole, and says so */
    (void)json_object_set_new(answer, "replica_list_count", json_integer((json_int_t)count)); /* likewise */
    return answer;
}

/* ---- all ---- */

/* The instances that answer routers; one that is behind is being told. */
static json_t *memds_json(const struct control *control)
{
    json_t *all = json_array();
    for (size_t i = 0; i < control->publisher_count; i++) {
        const struct publisher_state state = publisher_look(control->publishers[i]);
        json_t *row =
            json_pack("{s:s, s:i, s:b, s:I}", "host", state.address.host, "port", (int)state.address.port,
                      "is_connected", (int)state.is_connected, "bundle_version", (json_int_t)state.version);
        (void)json_array_append_new(all, row); /* one row less without memory */
    }
    return all;
}

/* As the newest walk over all groups found them. */
static json_t *care_json(const struct control *control)
{
    const struct fleet_metrics *m = control->options.fleet_metrics;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "groups_short",
                     (json_int_t)metric_value(&m->groups_short), "groups_covered",
                     (json_int_t)metric_value(&m->groups_covered), "groups_stuck",
                     (json_int_t)metric_value(&m->groups_stuck), "builds_wanted",
                     (json_int_t)metric_value(&m->builds_wanted), "builds_running",
                     (json_int_t)metric_value(&m->builds_running), "moves_running",
                     (json_int_t)metric_value(&m->moves_running));
}

json_t *fleet_json(const struct control *control)
{
    static const char *const names[] = {"creating", "active", "updating", "deleting", "gone"};
    int counts[sizeof names / sizeof names[0]] = {0};
    json_t *nodes = json_array();
    json_t *tables = json_object();
    for (const struct node *node = control->catalog.nodes; node != NULL; node = node->hh.next)
        (void)json_array_append_new(nodes, fleet_node_json(node)); /* one row less without memory */
    for (const struct table *table = control->catalog.tables; table != NULL; table = table->hh.next)
        counts[table->status]++;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)json_object_set_new(tables, names[i], json_integer(counts[i])); /* likewise */
    return json_pack("{s:o, s:o, s:o, s:o, s:i, s:i, s:I}", "nodes", nodes, "memds", memds_json(control),
                     "tables", tables, "care", care_json(control), "partitions",
                     (int)HASH_COUNT(control->catalog.partitions), "replicas",
                     (int)HASH_COUNT(control->catalog.replicas), "bundle_version",
                     (json_int_t)bundle_store_version(control->bundle));
}

/* What a heartbeat says that has to be stored before anything rests on it: that a node is new, has moved or is back, and
 * that replicas were created. Then the heartbeat is taken like any other (heartbeat.c). */
#include <stdio.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/proto.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/control/node_claim.h"
#include "controlplane/proto/controlplane.pb-c.h"

typedef Sluice__Controlplane__NodeHeartbeat heartbeat; /* protobuf-c's name, shorter */

struct join_change {
    struct change change;
    struct wire_call call;
    struct buffer packed; /* the heartbeat */
    uint32_t node_id;
    bool is_node_stored; /* its row changes */
};

static enum node_claim claim(struct control *control, const heartbeat *heard, struct node **ret_node)
{
    const struct node_claimant claimant = {
        .node_id = heard->node_id,
        .boot_epoch = heard->boot_epoch,
        .name = heard->node_name,
        .zone = heard->zone,
        .host = heard->host,
        .port = heard->port,
        .loops = control_loops(heard->loops),
    };
    uint64_t now_us = loop_now_us(control->loop);
    uint64_t timeout_us = control->options.node_timeout_us;
    return node_claim(&control->catalog, &claimant, now_us > timeout_us ? now_us - timeout_us : 0, ret_node);
}

/* The replica that this report is the first to say is there, or NULL. */
static struct replica *created_by(const struct control *control, const struct node *node,
                                  const Sluice__Controlplane__ReplicaReport *report)
{
    struct replica *replica = catalog_replica(&control->catalog, report->group_id, report->replica_id);
    bool is_news = replica != NULL && node != NULL && replica->node == node && replica->creation_id == 0 &&
                   report->creation_id != 0 && report->creation_id <= INT64_MAX;
    return is_news ? replica : NULL;
}

static bool has_created(const struct control *control, const struct node *node, const heartbeat *heard)
{
    for (size_t i = 0; i < heard->n_replicas; i++) {
        if (created_by(control, node, heard->replicas[i]) != NULL)
            return true;
    }
    return false;
}

/* ---- storing ---- */

static void store_node(const struct join_change *join, const heartbeat *heard, struct sql_batch *batch)
{
    sql_begin(batch, "UPDATE nodes SET is_lost = true WHERE name = $1 AND node_id <> $2 AND NOT is_lost");
    sql_text(batch, heard->node_name);
    sql_u64(batch, join->node_id);
    sql_begin(batch,
              "INSERT INTO nodes (node_id, name, zone, host, port, last_heartbeat_us, loops) "
              "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (node_id) DO UPDATE SET name = EXCLUDED.name, "
              "zone = EXCLUDED.zone, host = EXCLUDED.host, port = EXCLUDED.port, "
              "last_heartbeat_us = EXCLUDED.last_heartbeat_us, loops = EXCLUDED.loops, is_lost = false");
    sql_u64(batch, join->node_id);
    sql_text(batch, heard->node_name);
    sql_text(batch, heard->zone);
    sql_text(batch, heard->host);
    sql_u64(batch, heard->port);
    sql_u64(batch, clock_wall_us());
    sql_u64(batch, control_loops(heard->loops));
}

/* The first creation that was reported counts, for ever. */
static void store_created(const struct control *control, const struct node *node, const heartbeat *heard,
                          struct sql_batch *batch)
{
    for (size_t i = 0; i < heard->n_replicas; i++) {
        const struct replica *replica = created_by(control, node, heard->replicas[i]);
        if (replica == NULL)
            continue;
        if (replica->is_newcomer && replica->is_wanted)
            control_store_wanted(replica->partition, batch);
        sql_begin(batch, "UPDATE replicas SET creation_id = $3 "
                         "WHERE group_id = $1 AND replica_id = $2 AND creation_id = 0");
        sql_u64(batch, heard->replicas[i]->group_id);
        sql_u64(batch, heard->replicas[i]->replica_id);
        sql_u64(batch, heard->replicas[i]->creation_id);
    }
}

static const heartbeat *unpack(const struct join_change *join, struct arena *arena)
{
    return proto_unpack(&sluice__controlplane__node_heartbeat__descriptor, buffer_view(&join->packed), arena);
}

static enum err prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct join_change *join = (struct join_change *)change;
    const heartbeat *heard = unpack(join, &control->scratch);
    if (heard == NULL)
        return ERR_NO_MEMORY;
    struct node *node;
    enum node_claim it_is = claim(control, heard, &node);
    if (it_is == NODE_NAME_IN_USE || it_is == NODE_UNKNOWN)
        return ERR_UNAVAILABLE;
    join->is_node_stored = it_is != NODE_KNOWN;
    join->node_id = node != NULL ? node->node_id : (uint32_t)++control->catalog.counters.node_id;
    store_created(control, node, heard, batch);
    if (join->is_node_stored) {
        store_node(join, heard, batch);
        control_save_counters(control, batch);
    }
    return batch->count == 0 ? ERR_STALE : ERR_OK;
}

/* ---- the catalog after it ---- */

static enum err apply_node(struct control *control, const struct join_change *join, const heartbeat *heard)
{
    struct node *node = catalog_node(&control->catalog, join->node_id);
    if (node == NULL)
        node = catalog_add_node(&control->catalog, join->node_id);
    if (node == NULL)
        return ERR_NO_MEMORY;
    const struct node *before = catalog_node_by_name(&control->catalog, heard->node_name);
    if (before != NULL && before != node)
        log_warn("node_lost", "node=%s node_id=%u replicas=%u successor=%u", before->name, before->node_id,
                 before->replica_count, node->node_id);
    catalog_name_node(&control->catalog, node, heard->node_name);
    (void)snprintf(node->zone, sizeof node->zone, "%s", heard->zone); /* its length was checked */
    (void)snprintf(node->host, sizeof node->host, "%s", heard->host); /* likewise */
    node->port = heard->port;
    node->loops = control_loops(heard->loops);
    node->stored_wall_us = clock_wall_us();
    control->catalog.node_version = ++control->catalog.goal_version;
    log_info("node_joined", "node=%s node_id=%u zone=%s address=%s:%u loops=%u", node->name, node->node_id,
             node->zone, node->host, node->port, node->loops);
    return ERR_OK;
}

static enum err apply(struct control *control, struct change *change)
{
    struct join_change *join = (struct join_change *)change;
    const heartbeat *heard = unpack(join, &control->scratch);
    if (heard == NULL)
        return ERR_NO_MEMORY;
    const struct node *node = catalog_node(&control->catalog, join->node_id);
    for (size_t i = 0; i < heard->n_replicas; i++) {
        struct replica *replica = created_by(control, node, heard->replicas[i]);
        if (replica == NULL)
            continue;
        replica->creation_id = heard->replicas[i]->creation_id;
        if (replica->is_newcomer && replica->is_wanted)
            catalog_change_wanted(&control->catalog, replica->partition);
        else
            catalog_touch_goal(&control->catalog, replica);
    }
    if (join->is_node_stored)
        TRY(apply_node(control, join, heard));
    control_tell_nodes(control);
    return ERR_OK;
}

static void on_done(struct control *control, struct change *change, enum err err)
{
    struct join_change *join = (struct join_change *)change;
    const heartbeat *heard = err == ERR_OK ? unpack(join, &control->scratch) : NULL;
    if (heard == NULL)
        wire_refuse(join->call, err == ERR_OK ? ERR_NO_MEMORY : ERR_UNAVAILABLE);
    else
        control_take_heartbeat(control, join->call, join->node_id, heard);
    arena_reset(&control->scratch);
    buffer_deinit(&join->packed);
    memory_free(join);
}

static void submit(struct control *control, struct wire_call call, struct slice packed)
{
    struct join_change *join = memory_zalloc(sizeof *join);
    if (join == NULL) {
        wire_refuse(call, ERR_NO_MEMORY);
        return;
    }
    join->change = (struct change){.prepare = prepare, .apply = apply, .done = on_done};
    join->call = call;
    buffer_init(&join->packed, FRAME_BODY_BYTES_MAX);
    buffer_append(&join->packed, packed);
    control_submit(control, &join->change);
}

void control_join(struct control *control, struct wire_call call, const heartbeat *heard, struct slice packed)
{
    struct node *node;
    switch (claim(control, heard, &node)) {
    case NODE_NAME_IN_USE:
        log_warn("node_name_in_use", "node=%s node_id=%u", heard->node_name, heard->node_id);
        wire_refuse(call, ERR_UNAVAILABLE);
        return;
    case NODE_UNKNOWN:
        log_warn("node_unknown", "node=%s node_id=%u", heard->node_name, heard->node_id);
        wire_refuse(call, ERR_NOT_FOUND);
        return;
    case NODE_KNOWN:
        if (!has_created(control, node, heard)) {
            control_take_heartbeat(control, call, node->node_id, heard);
            return;
        }
        break;
    case NODE_CHANGED:
    case NODE_NEW:
        break;
    }
    submit(control, call, packed);
}

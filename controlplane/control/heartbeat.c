/* Heartbeats of nodes: what they report goes into the catalog, what they should do goes back. An answer waits until there
 * is something to say (long poll), so that a goal reaches its node at once; a node's newer heartbeat ends the wait of the
 * older one. Goals carry versions; a node names the newest it took up and gets those above. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/proto.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/proto/controlplane.pb-c.h"

enum {
    WAIT_US_MAX = 30000000,
    REPEAT_US = 100000,
    REPLY_BLOCK_BYTES = 64 * 1024,
    REPLY_BYTES_MAX = 64 * 1024 * 1024,
    PORT_MAX = 65535,
    LOOPS_MAX = 64, /* as NODE_LOOPS_MAX in dataplane/node */
};

typedef Sluice__Controlplane__NodeHeartbeat heartbeat; /* protobuf-c's name, shorter */

/* One node's heartbeat that is held back until there is news. */
struct poll_call {
    struct wire_call call;
    struct control *control;
    uint32_t node_id;
    uint64_t goals_version; /* what the node has */
    uint64_t report_version;
    struct loop_timer timer;
    struct poll_call *next;
};

/* ---- answers ---- */

static struct slice copy_schema(const struct table *table, struct arena *arena)
{
    struct buffer schema;
    buffer_init(&schema, BUNDLE_BODY_BYTES_MAX);
    table_spec_append_schema(&table->spec, table->schema_version, &schema);
    struct slice copy = arena_copy(arena, buffer_view(&schema));
    buffer_deinit(&schema);
    return copy;
}

static Sluice__Controlplane__ReplicaGoal *make_goal(const struct replica *replica, struct arena *arena)
{
    Sluice__Controlplane__ReplicaGoal *goal = arena_alloc(arena, sizeof *goal);
    if (goal == NULL)
        return NULL;
    const struct partition *partition = replica->partition;
    sluice__controlplane__replica_goal__init(goal);
    goal->replica_id = replica->key.replica_id;
    goal->group_id = partition->group_id;
    goal->state = replica->goal == GOAL_PRESENT ? SLUICE__CONTROLPLANE__GOAL_STATE__PRESENT
                                                : SLUICE__CONTROLPLANE__GOAL_STATE__ABSENT;
    goal->range_start = proto_bytes(partition->start);
    goal->range_end = proto_bytes(partition->end);
    goal->range_epoch = partition->range_epoch;
    goal->table_arn = partition->table->arn;
    goal->schema_version = partition->table->schema_version;
    goal->schema = proto_bytes(copy_schema(partition->table, arena));
    goal->first_membership_version = 1;
    goal->creation_id = replica->creation_id;
    control_add_split_order(partition, goal);
    control_fill_members(goal, replica, arena);
    return goal;
}

static void add_goals(Sluice__Controlplane__NodeGoals *goals, const struct node *node, uint64_t since,
                      struct arena *arena)
{
    size_t count = 0;
    const struct replica *first = NULL;
    for (const struct replica *r = node->newest_goal; r != NULL && r->goal_version > since;
         r = r->older_goal) {
        first = r;
        count++;
    }
    goals->goals = arena_alloc(arena, (count + 1) * sizeof *goals->goals);
    for (const struct replica *r = first; r != NULL && goals->goals != NULL; r = r->newer_goal) {
        Sluice__Controlplane__ReplicaGoal *goal = make_goal(r, arena);
        if (goal == NULL)
            return;
        goals->goals[goals->n_goals++] = goal;
    }
}

static void add_nodes(const struct control *control, Sluice__Controlplane__NodeGoals *goals,
                      struct arena *arena)
{
    goals->nodes = arena_alloc(arena, (HASH_COUNT(control->catalog.nodes) + 1) * sizeof *goals->nodes);
    for (const struct node *node = control->catalog.nodes; node != NULL && goals->nodes != NULL;
         node = node->hh.next) {
        Sluice__Controlplane__MemberGoal *member = control_make_member(node, 0, 0, arena);
        if (member == NULL)
            return;
        if (node->is_lost)
            member->port = 0; /* another may be at its address */
        goals->nodes[goals->n_nodes++] = member;
    }
}

/* A version that we did not give out says nothing: all goals go. */
static uint64_t goals_since(const struct control *control, uint64_t goals_version)
{
    bool is_ours =
        goals_version >= control->goal_version_first && goals_version <= control->catalog.goal_version;
    return is_ours ? goals_version : 0;
}

static bool has_news(const struct control *control, const struct node *node, uint64_t since)
{
    return since == 0 || control->catalog.node_version > since ||
           (node->newest_goal != NULL && node->newest_goal->goal_version > since);
}

static void answer(struct control *control, struct node *node, const struct poll_call *poll)
{
    struct arena arena;
    arena_init(&arena, REPLY_BLOCK_BYTES, REPLY_BYTES_MAX);
    uint64_t since = goals_since(control, poll->goals_version);
    Sluice__Controlplane__NodeGoals goals;
    sluice__controlplane__node_goals__init(&goals);
    goals.node_id = node->node_id;
    goals.goals_version = control->catalog.goal_version;
    goals.is_full = since == 0;
    goals.report_version = poll->report_version;
    goals.wants_full_report = !node->is_reported;
    if (has_news(control, node, since)) {
        node->told_since = poll->goals_version;
        node->told_version = goals.goals_version;
        add_goals(&goals, node, since, &arena);
        add_nodes(control, &goals, &arena);
    }
    if (arena_has_failed(&arena))
        wire_refuse(poll->call, ERR_NO_MEMORY);
    else
        wire_reply(poll->call, &(struct wire_message){.header = &goals.base});
    arena_deinit(&arena);
}

/* ---- held heartbeats ---- */

static void drop_poll(struct control *control, struct poll_call *poll)
{
    struct poll_call **link = &control->polls;
    while (*link != poll)
        link = &(*link)->next;
    *link = poll->next;
    loop_timer_stop(control->loop, &poll->timer);
    memory_free(poll);
}

static void end_poll(struct control *control, struct poll_call *poll)
{
    struct node *node = catalog_node(&control->catalog, poll->node_id);
    if (node == NULL)
        wire_refuse(poll->call, ERR_UNAVAILABLE);
    else
        answer(control, node, poll);
    drop_poll(control, poll);
}

static void on_waited(struct loop_timer *timer)
{
    struct poll_call *poll = timer->data;
    end_poll(poll->control, poll);
}

static void hold(struct control *control, const struct poll_call *like, uint64_t wait_us)
{
    struct poll_call *poll = memory_alloc(sizeof *poll);
    if (poll == NULL) {
        wire_refuse(like->call, ERR_NO_MEMORY);
        return;
    }
    *poll = *like;
    poll->timer = (struct loop_timer){.fire = on_waited, .data = poll};
    poll->next = control->polls;
    control->polls = poll;
    loop_timer_start(control->loop, &poll->timer, loop_now_us(control->loop) + wait_us);
}

void control_tell_nodes(struct control *control)
{
    for (struct poll_call *poll = control->polls, *next; poll != NULL; poll = next) {
        next = poll->next;
        const struct node *node = catalog_node(&control->catalog, poll->node_id);
        if (node == NULL || has_news(control, node, goals_since(control, poll->goals_version)))
            end_poll(control, poll);
    }
}

void control_note_cut_off(struct control *control)
{
    for (struct poll_call *poll = control->polls, *next; poll != NULL; poll = next) {
        next = poll->next;
        if (wire_call_is_open(poll->call))
            continue;
        struct node *node = catalog_node(&control->catalog, poll->node_id);
        if (node != NULL)
            node->is_cut_off = true;
        drop_poll(control, poll);
    }
}

void control_drop_polls(struct control *control, enum err err)
{
    while (control->polls != NULL) {
        wire_refuse(control->polls->call, err);
        drop_poll(control, control->polls);
    }
}

/* ---- reports ---- */

static void forget_reports(struct node *node)
{
    for (struct replica *r = node->oldest_goal; r != NULL; r = r->newer_goal)
        r->role = ROLE_NOT_REPORTED;
}

/* A full report that leaves out a replica, from a node that knows it should not have it, confirms that it has not. */
static void confirm_absent(struct node *node, uint64_t goals_version)
{
    for (struct replica *r = node->oldest_goal; r != NULL; r = r->newer_goal) {
        if (r->goal == GOAL_ABSENT && r->role == ROLE_NOT_REPORTED && goals_version >= r->goal_version)
            r->role = ROLE_REMOVED;
    }
}

static void take_report(struct control *control, const struct node *node,
                        const Sluice__Controlplane__ReplicaReport *report)
{
    struct replica *replica = catalog_replica(&control->catalog, report->group_id, report->replica_id);
    if (replica == NULL || replica->node != node) {
        log_debug("report_of_unknown_replica", "node=%s group=%llu replica=%llu", node->name,
                  (unsigned long long)report->group_id, (unsigned long long)report->replica_id);
        return;
    }
    if (report->creation_id != 0 && report->creation_id != replica->creation_id) {
        log_warn("another_creation_reported", "node=%s group=%llu replica=%llu", node->name,
                 (unsigned long long)report->group_id, (unsigned long long)report->replica_id);
        replica->role = ROLE_QUARANTINED; /* it has not acted, and must not */
        return;
    }
    replica->role = report->role < ROLE_NOT_REPORTED ? (enum replica_role)report->role : ROLE_QUARANTINED;
    replica->term = report->term;
    replica->schema_version = report->schema_version;
    replica->item_count = report->item_count;
    replica->item_bytes = report->item_bytes;
    control_take_split_report(control, replica, report);
    control_take_membership(control, replica, report);
    if (replica->partition->table->is_unsettled)
        control_wake_reconcile(control);
}

/* A newer one of the same process has been taken, with all that was not acknowledged: this one had to wait for a commit. */
static bool is_overtaken(const struct node *node, const heartbeat *heard)
{
    return node->boot_epoch == heard->boot_epoch && heard->report_version < node->report_version;
}

static void take_reports(struct control *control, struct node *node, const heartbeat *heard)
{
    if (is_overtaken(node, heard)) {
        control_node_heard(control, node);
        return;
    }
    bool was_away = node->boot_epoch == 0 || !fleet_can_take(node);
    if (node->boot_epoch != heard->boot_epoch || heard->is_full)
        forget_reports(node);
    if (node->boot_epoch != heard->boot_epoch)
        node->is_reported = false;
    node->boot_epoch = heard->boot_epoch;
    node->is_reported = node->is_reported || heard->is_full;
    node->report_version = heard->report_version;
    node->goals_taken = goals_since(control, heard->goals_version);
    control_node_heard(control, node);
    for (size_t i = 0; i < heard->n_replicas; i++)
        take_report(control, node, heard->replicas[i]);
    if (heard->is_full)
        confirm_absent(node, heard->goals_version);
    if (was_away || (heard->is_full && control->catalog.unsettled != NULL))
        control_wake_reconcile(control);
}

void control_take_heartbeat(struct control *control, struct wire_call call, uint32_t node_id,
                            const heartbeat *heard)
{
    struct node *node = catalog_node(&control->catalog, node_id);
    if (node == NULL) {
        wire_refuse(call, ERR_UNAVAILABLE);
        return;
    }
    take_reports(control, node, heard);
    for (struct poll_call *poll = control->polls, *next; poll != NULL; poll = next) {
        next = poll->next;
        if (poll->node_id == node->node_id)
            end_poll(control, poll);
    }
    struct poll_call poll = {.call = call,
                             .control = control,
                             .node_id = node_id,
                             .goals_version = heard->goals_version,
                             .report_version = heard->report_version};
    uint64_t wait_us = (uint64_t)heard->wait_ms * 1000;
    bool is_told =
        heard->goals_version == node->told_since && control->catalog.goal_version == node->told_version;
    if (!node->is_reported || has_news(control, node, goals_since(control, heard->goals_version)))
        wait_us = is_told && wait_us > 0 ? REPEAT_US : 0; /* it could not take them up: not at once again */
    if (wait_us == 0)
        answer(control, node, &poll);
    else
        hold(control, &poll, wait_us < WAIT_US_MAX ? wait_us : WAIT_US_MAX);
}

static bool is_sound(const heartbeat *heard)
{
    return heard->node_name[0] != '\0' && strlen(heard->node_name) <= NAME_BYTES_MAX &&
           heard->zone[0] != '\0' && strlen(heard->zone) <= ZONE_BYTES_MAX && heard->host[0] != '\0' &&
           strlen(heard->host) <= HOST_BYTES_MAX && heard->port > 0 && heard->port <= PORT_MAX &&
           heard->loops <= LOOPS_MAX && heard->port + control_loops(heard->loops) - 1 <= PORT_MAX &&
           heard->boot_epoch != 0;
}

void control_on_heartbeat(struct control *control, struct wire_call call, const struct frame *frame)
{
    const heartbeat *heard =
        proto_unpack(&sluice__controlplane__node_heartbeat__descriptor, frame->header, &control->scratch);
    if (heard == NULL || !is_sound(heard))
        wire_refuse(call, ERR_INVALID);
    else
        control_join(control, call, heard, frame->header);
}

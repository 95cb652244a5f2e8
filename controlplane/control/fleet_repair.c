/* Walks over all partitions, a part in each change, and takes the steps that repair.h and balance.h say, many partitions'
 * in one transaction. A walk begins when something was reported that may matter, and every now and then; balance is
 * looked at in those, and only changed by a few steps each time.
 *
 *     reported, a node's life, a tick --> walk: partitions --> steps --> transaction --> catalog --> goals --> ...  */
#include "base/memory.h"
#include "controlplane/control/fleet_internal.h"

enum {
    PARTITIONS_MAX = 1024, /* looked at in one change */
    STEPS_MAX = 512,       /* taken in one change */
    WALK_US = 1000 * 1000, /* a walk with balance begins so often */
    LEADS_MAX = 8,         /* moved for balance in one walk */
    MOVES_MAX = 8,         /* begun in one walk */
    GONE_MAX = 16,         /* nodes forgotten in one change */
};

/* What a walk has counted. */
struct walk_counts {
    uint64_t is_short, is_covered, is_stuck, waits, builds, leaving;
    uint32_t leads;
};

/* A group that a move would gain something for. */
struct candidate {
    uint64_t gain;
    uint64_t group_id;
};

struct repairs {
    struct change change;
    bool is_queued;
    bool is_again;       /* something was reported since the walk began */
    bool is_balancing;   /* this walk looks at balance */
    bool is_walking;     /* it has begun, and not ended */
    uint64_t next_group; /* where it goes on; 0 = at the beginning */
    uint64_t balanced_at_us;
    struct walk_counts counts;
    struct candidate moves[MOVES_MAX]; /* those that gain most, the best first */
    struct fleet_step steps[STEPS_MAX];
    size_t count;
    struct node *gone[GONE_MAX]; /* removed nodes that nothing is left of */
    size_t gone_count;
};

/* One partition's replicas, in the order of the group that the steps speak of. */
struct walker {
    struct control *control;
    struct repairs *repairs;
    struct fleet_view view;
    struct sql_batch *batch;
    struct partition *partition;
    struct repair_group group;
    struct replica *replicas[REPAIR_REPLICAS_MAX];
};

static bool is_mended(const struct partition *partition)
{
    enum table_status status = partition->table->status;
    return (status == TABLE_ACTIVE || status == TABLE_UPDATING || status == TABLE_CREATING) &&
           partition->replica_count > 0;
}

static void count_step(struct fleet_metrics *m, enum repair_kind kind)
{
    struct metric_counter *const counters[] = {
        [REPAIR_ADD_STORAGE] = &m->storage_replicas_wanted,
        [REPAIR_ADD_LOG] = &m->log_replicas_wanted,
        [REPAIR_LEAVE] = &m->moves_begun,
        [REPAIR_UNWANT] = &m->replicas_unwanted,
        [REPAIR_LEAD] = &m->leads_moved,
    };
    if (kind < sizeof counters / sizeof counters[0] && counters[kind] != NULL)
        metric_increment(counters[kind]);
}

/* Keep the step for after the commit, and see the group as it will be. */
static void take(struct walker *w, const struct repair_step *step)
{
    struct repairs *r = w->repairs;
    bool is_add = step->kind == REPAIR_ADD_STORAGE || step->kind == REPAIR_ADD_LOG;
    struct fleet_step *to = &r->steps[r->count++];
    *to = (struct fleet_step){.kind = step->kind, .partition = w->partition};
    if (is_add) {
        to->node = w->view.origins[step->node];
        to->new_id = ++w->control->catalog.counters.replica_id;
        w->replicas[w->group.count] = NULL;
    } else {
        to->replica = w->replicas[step->replica];
    }
    fleet_step_store(to, w->batch);
    count_step(w->control->options.fleet_metrics, step->kind);
    log_debug("repair_step", "group=%llu kind=%d replica=%llu node=%u",
              (unsigned long long)w->partition->group_id, (int)step->kind,
              (unsigned long long)(is_add ? to->new_id : to->replica->key.replica_id),
              is_add ? to->node->node_id : to->replica->node->node_id);
    repair_take(&w->group, &w->view.fleet, step, to->new_id);
    if (step->kind == REPAIR_FORGET)
        w->replicas[step->replica] = w->replicas[w->group.count];
}

static bool is_takable(const struct walker *w, const struct repair_step *step)
{
    bool is_add = step->kind == REPAIR_ADD_STORAGE || step->kind == REPAIR_ADD_LOG;
    return step->kind != REPAIR_NOTHING && (is_add || w->replicas[step->replica] != NULL);
}

static void mend(struct walker *w)
{
    for (size_t i = 0; i < REPAIR_STEPS_MAX; i++) {
        struct repair_step step = repair_next(&w->group, &w->view.fleet);
        if (!is_takable(w, &step))
            return;
        take(w, &step);
    }
}

static void count_needs(struct walker *w)
{
    struct walk_counts *counts = &w->repairs->counts;
    struct repair_need need = repair_look(&w->group, &w->view.fleet);
    counts->is_short += need.is_short;
    counts->is_covered += need.is_covered;
    counts->is_stuck += need.is_stuck;
    counts->waits += need.is_waiting;
    for (size_t i = 0; i < w->partition->replica_count; i++) {
        const struct replica *r = w->partition->replicas[i];
        counts->builds += fleet_is_build(r);
        counts->leaving += r->goal == GOAL_PRESENT && r->is_wanted && (r->is_leaving || r->node->is_draining);
    }
}

static void balance(struct walker *w)
{
    struct repairs *r = w->repairs;
    struct balance_step lead = balance_lead(&w->group, &w->view.fleet);
    if (lead.gain > 0 && r->counts.leads < LEADS_MAX) {
        r->counts.leads++;
        take(w, &lead.step);
        return;
    }
    struct candidate move = {balance_move(&w->group, &w->view.fleet).gain, w->partition->group_id};
    for (size_t i = 0; i < MOVES_MAX && move.gain > 0; i++) {
        if (move.gain <= r->moves[i].gain)
            continue;
        struct candidate lesser = r->moves[i];
        r->moves[i] = move;
        move = lesser;
    }
}

static void view_partition(struct walker *w, struct partition *partition)
{
    w->partition = partition;
    fleet_view_group(partition, &w->group);
    for (size_t i = 0; i < partition->replica_count; i++)
        w->replicas[i] = partition->replicas[i];
}

static void look_at(struct walker *w, struct partition *partition)
{
    if (!is_mended(partition))
        return;
    view_partition(w, partition);
    bool is_settled = balance_is_settled(&w->group, &w->view.fleet);
    if (!is_settled || w->repairs->is_balancing)
        mend(w);
    count_needs(w);
    if (is_settled && w->repairs->is_balancing)
        balance(w);
}

static void forget_nodes(struct walker *w)
{
    struct repairs *r = w->repairs;
    for (size_t i = 0; i < w->view.fleet.count && r->gone_count < GONE_MAX; i++) {
        struct node *node = w->view.origins[i];
        if (!node->is_removed || node->oldest_goal != NULL)
            continue;
        r->gone[r->gone_count++] = node;
        sql_begin(w->batch, "DELETE FROM nodes WHERE node_id = $1 AND is_removed");
        sql_u64(w->batch, node->node_id);
    }
}

static void publish_counts(struct control *control, const struct walk_counts *counts)
{
    struct fleet_metrics *m = control->options.fleet_metrics;
    metric_set(&m->groups_short, counts->is_short);
    metric_set(&m->groups_covered, counts->is_covered);
    metric_set(&m->groups_stuck, counts->is_stuck);
    metric_set(&m->builds_wanted, counts->waits);
    metric_set(&m->builds_running, counts->builds);
    metric_set(&m->moves_running, counts->leaving);
}

/* The next move is decided as if this one were done. */
static void begin_move(struct walker *w, const struct repair_step *step)
{
    struct repair_node *from = &w->view.fleet.nodes[w->group.replicas[step->replica].node];
    struct repair_node *to = &w->view.fleet.nodes[step->node];
    from->place = placement_without(&from->place, w->group.bytes, w->group.milli_per_s);
    to->place = placement_with(&to->place, w->group.bytes, w->group.milli_per_s);
    repair_weigh(&w->view.fleet);
    w->view.moves++;
    take(w, step);
}

/* Those that gain most, as far as they still do, and as long as there are not enough. */
static void begin_moves(struct walker *w)
{
    struct repairs *r = w->repairs;
    for (size_t i = 0; i < MOVES_MAX && r->moves[i].gain > 0; i++) {
        struct partition *partition = catalog_partition(&w->control->catalog, r->moves[i].group_id);
        if (partition == NULL || !is_mended(partition))
            continue;
        if (w->view.moves >= w->control->options.moves_max || r->counts.waits > 0)
            return;
        view_partition(w, partition);
        struct balance_step move = balance_move(&w->group, &w->view.fleet);
        if (move.gain > 0)
            begin_move(w, &move.step);
    }
}

static void end_walk(struct walker *w)
{
    struct repairs *r = w->repairs;
    if (r->is_balancing)
        begin_moves(w);
    forget_nodes(w);
    publish_counts(w->control, &r->counts);
    r->is_walking = false;
}

static void begin_walk(struct control *control, struct repairs *r)
{
    uint64_t now_us = loop_now_us(control->loop);
    r->is_balancing = now_us >= r->balanced_at_us + WALK_US;
    if (r->is_balancing)
        r->balanced_at_us = now_us;
    r->is_again = false;
    r->is_walking = true;
    r->next_group = 0;
    r->counts = (struct walk_counts){0};
    memset(r->moves, 0, sizeof r->moves);
}

static void walk(struct walker *w)
{
    struct repairs *r = w->repairs;
    struct catalog *c = &w->control->catalog;
    struct partition *partition = r->next_group == 0 ? NULL : catalog_partition(c, r->next_group);
    if (partition == NULL)
        partition = c->partitions; /* the one to go on with went away: better twice than never */
    for (size_t i = 0; partition != NULL; i++, partition = partition->hh.next) {
        if (i == PARTITIONS_MAX || r->count + REPAIR_STEPS_MAX + MOVES_MAX > STEPS_MAX) {
            r->next_group = partition->group_id;
            return;
        }
        look_at(w, partition);
    }
    end_walk(w);
}

static enum err prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct repairs *r = (struct repairs *)change;
    struct walker w = {.control = control, .repairs = r, .batch = batch};
    r->count = 0;
    r->gone_count = 0;
    if (!r->is_walking)
        begin_walk(control, r);
    TRY(fleet_view_init(&w.view, control));
    walk(&w);
    fleet_view_deinit(&w.view);
    if (r->count > 0)
        control_save_counters(control, batch);
    return batch->count == 0 ? ERR_STALE : ERR_OK;
}

static enum err apply(struct control *control, struct change *change)
{
    struct repairs *r = (struct repairs *)change;
    for (size_t i = 0; i < r->count; i++)
        TRY(fleet_step_apply(control, &r->steps[i]));
    for (size_t i = 0; i < r->gone_count; i++)
        catalog_remove_node(&control->catalog, r->gone[i]);
    control_tell_nodes(control);
    return ERR_OK;
}

static void go_on(struct control *control)
{
    struct repairs *r = control->repairs;
    if (r->is_queued || control->state != CONTROL_ACTIVE)
        return;
    r->is_queued = true;
    control_submit(control, &r->change);
}

static void done(struct control *control, struct change *change, enum err err)
{
    struct repairs *r = (struct repairs *)change;
    r->is_queued = false;
    if (err != ERR_OK) {
        r->is_walking = false;
        return; /* the next look begins again */
    }
    if (r->is_walking || r->is_again || r->count > 0)
        go_on(control);
}

enum err fleet_repair_init(struct control *control)
{
    struct repairs *r = memory_zalloc(sizeof *r);
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->change = (struct change){.prepare = prepare, .apply = apply, .done = done};
    control->repairs = r;
    return ERR_OK;
}

void fleet_repair_deinit(struct control *control)
{
    memory_free(control->repairs);
    control->repairs = NULL;
}

void control_wake_repair(struct control *control)
{
    control->repairs->is_again = true;
    go_on(control);
}

void fleet_repair_look(struct control *control)
{
    if (loop_now_us(control->loop) >= control->repairs->balanced_at_us + WALK_US)
        control_wake_repair(control);
}

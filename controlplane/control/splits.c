/* Who is to be split, and when what was split may go (docs/decisions/0016). One transaction for all that is possible now; each step
 * depends only on what is stored and reported, so that it may be taken again by whoever is control next.
 *
 *     a leader's wish, or UpdateTable wants more partitions --> two group ids, stored --> goals of its replicas
 *     a child is reported (births.c) --> the partition is split
 *     in both children every storage voter has an entry of its own --> goals ABSENT --> removed --> no row any more
 *
 * An order stands only while it is wished for: its key, or that it is wanted for units, are not stored. Its ids are, so that
 * a split that was proposed on an earlier control's word is known. */
#include "base/memory.h"
#include "base/proto.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/proto/controlplane.pb-c.h"

enum {
    STEPS_MAX = 64,
    UPDATING_US_MAX = 120 * 1000 * 1000, /* then the table is ACTIVE with the partitions that it has */
};

enum step_kind { STEP_ORDER, STEP_RETIRE, STEP_FORGET };

struct step {
    enum step_kind kind;
    uint64_t group_id;
    uint64_t left_group, right_group; /* ORDER */
};

/* One at a time, as changes are. */
struct splits {
    struct change change;
    struct step steps[STEPS_MAX];
    size_t count;
    bool is_queued;
    bool has_wishes; /* a partition's, without ids */
};

/* ---- ids ---- */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Children live on their parent's loops, on each node that has it: ids are congruent modulo this (docs/decisions/0010). 0: too
 * large a number. */
static uint64_t loops_of(const struct partition *partition)
{
    uint64_t common = 1;
    for (size_t i = 0; i < partition->replica_count && common <= UINT32_MAX; i++) {
        uint64_t loops = control_loops(partition->replicas[i]->node->loops);
        common = common / common_divisor(common, loops) * loops;
    }
    return common <= UINT32_MAX ? common : 0;
}

static uint64_t next_id(struct control *control, uint64_t like, uint64_t modulus)
{
    uint64_t *last = &control->catalog.counters.group_id;
    uint64_t id = *last + 1;
    id += (like % modulus + modulus - id % modulus) % modulus;
    *last = id;
    return id;
}

/* ---- what to do ---- */

static bool is_wanted(const struct partition *p)
{
    return p->split.is_wanted_for_units || p->split.reason != 0;
}

static bool is_ordered(const struct partition *p)
{
    return p->split.left_group != 0 && is_wanted(p);
}

static void touch_goals(struct control *control, const struct partition *p)
{
    for (size_t i = 0; i < p->replica_count; i++)
        catalog_touch_goal(&control->catalog, p->replicas[i]);
}

static bool step_order(struct control *control, const struct partition *p, struct step *step,
                       struct sql_batch *batch)
{
    uint64_t modulus = loops_of(p);
    if (!is_wanted(p) || p->split.left_group != 0 || p->replica_count == 0 || modulus == 0)
        return false;
    *step = (struct step){.kind = STEP_ORDER, .group_id = p->group_id};
    step->left_group = next_id(control, p->group_id, modulus);
    step->right_group = next_id(control, p->group_id, modulus);
    sql_begin(batch,
              "UPDATE partitions SET split_left_group = $2, split_right_group = $3 WHERE group_id = $1");
    sql_u64(batch, p->group_id);
    sql_u64(batch, step->left_group);
    sql_u64(batch, step->right_group);
    return true;
}

/* One that is gone was split itself, and is through. */
static bool is_settled(const struct control *control, uint64_t group_id)
{
    const struct partition *p = catalog_partition(&control->catalog, group_id);
    bool is_it = p == NULL;
    for (size_t i = 0; p != NULL && i < p->replica_count; i++)
        is_it |= p->replicas[i]->role == ROLE_LEADER && p->replicas[i]->is_settled;
    return is_it;
}

static bool is_present(const struct partition *p)
{
    for (size_t i = 0; i < p->replica_count; i++)
        if (p->replicas[i]->goal == GOAL_PRESENT)
            return true;
    return false;
}

static bool is_removed(const struct partition *p)
{
    for (size_t i = 0; i < p->replica_count; i++)
        if (!replica_is_gone(p->replicas[i]))
            return false;
    return true;
}

static bool step_end(struct control *control, const struct partition *p, struct step *step,
                     struct sql_batch *batch)
{
    if (is_present(p)) {
        if (!is_settled(control, p->split.left_group) || !is_settled(control, p->split.right_group))
            return false;
        *step = (struct step){.kind = STEP_RETIRE, .group_id = p->group_id};
        sql_begin(batch, "UPDATE replicas SET goal = 1 WHERE group_id = $1");
        sql_u64(batch, p->group_id);
        return true;
    }
    if (!is_removed(p) || p->table->status == TABLE_GONE)
        return false;
    *step = (struct step){.kind = STEP_FORGET, .group_id = p->group_id};
    sql_begin(batch, "DELETE FROM replicas WHERE group_id = $1");
    sql_u64(batch, p->group_id);
    sql_begin(batch, "DELETE FROM partitions WHERE group_id = $1");
    sql_u64(batch, p->group_id);
    return true;
}

/* ---- more partitions for more throughput ---- */

static uint64_t size_of(const struct partition *p)
{
    const struct replica *authority = partition_authority(p);
    return authority == NULL ? 0 : authority->item_bytes;
}

/* Of those that can be split and are not yet asked to: first one that has ids, then the largest, then the one that was split
 * least. */
static struct partition *next_to_split(const struct table *table)
{
    struct partition *best = NULL;
    for (size_t i = 0; i < table->partition_count; i++) {
        struct partition *p = table->partitions[i];
        if (p->is_split || p->split.is_wanted_for_units)
            continue;
        bool has_ids = p->split.left_group != 0;
        bool best_has_ids = best != NULL && best->split.left_group != 0;
        if (best == NULL || (has_ids && !best_has_ids) ||
            (has_ids == best_has_ids && (size_of(p) > size_of(best) || (size_of(p) == size_of(best) &&
                                                                        p->range_epoch < best->range_epoch))))
            best = p;
    }
    return best;
}

static void set_wanted(struct control *control, struct partition *p, bool is_wanted_for_units)
{
    if (p->split.is_wanted_for_units == is_wanted_for_units)
        return;
    p->split.is_wanted_for_units = is_wanted_for_units;
    if (p->split.left_group != 0)
        touch_goals(control, p);
}

bool control_has_partitions(const struct control *control, const struct table *table)
{
    return table_live_count(table) >= table_spec_partition_count(&table->spec) ||
           loop_now_us(control->loop) >= table->updating_at_us + UPDATING_US_MAX;
}

/* As many splits at a time as are missing, or as there are partitions. */
static void want_for_units(struct control *control, struct table *table)
{
    if (table->updating_at_us == 0)
        table->updating_at_us = loop_now_us(control->loop); /* another control began this */
    bool has_enough = table->status != TABLE_UPDATING || control_has_partitions(control, table);
    size_t coming = 0;
    for (size_t i = 0; i < table->partition_count; i++) {
        struct partition *p = table->partitions[i];
        if (has_enough && !p->is_split)
            set_wanted(control, p, false);
        coming += !p->is_split && p->split.is_wanted_for_units;
    }
    size_t live = table_live_count(table);
    struct partition *p;
    while (!has_enough && live + coming < table_spec_partition_count(&table->spec) &&
           (p = next_to_split(table)) != NULL) {
        set_wanted(control, p, true);
        coming++;
    }
}

static void want_all(struct control *control)
{
    struct table *table = control->catalog.unsettled;
    struct table *end = table;
    while (table != NULL) {
        if (table->status == TABLE_UPDATING)
            want_for_units(control, table);
        table = table->next_unsettled == end ? NULL : table->next_unsettled;
    }
}

/* ---- the change ---- */

static struct splits *splits_of(struct change *change)
{
    return (struct splits *)change;
}

static enum err prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct splits *x = splits_of(change);
    x->count = 0;
    want_all(control);
    for (const struct partition *p = control->catalog.partitions; p != NULL && x->count < STEPS_MAX;
         p = p->hh.next) {
        struct step *step = &x->steps[x->count];
        bool is_step = p->is_split ? step_end(control, p, step, batch) : step_order(control, p, step, batch);
        x->count += is_step;
    }
    x->has_wishes = x->count == STEPS_MAX;
    control_tell_nodes(control); /* what was wanted, or not any more, of those that had their ids */
    if (x->count == 0)
        return ERR_STALE;
    control_save_counters(control, batch);
    return ERR_OK;
}

static void apply_step(struct control *control, const struct step *step)
{
    struct partition *p = catalog_partition(&control->catalog, step->group_id);
    switch (step->kind) {
    case STEP_ORDER:
        p->split.left_group = step->left_group;
        p->split.right_group = step->right_group;
        touch_goals(control, p);
        break;
    case STEP_RETIRE:
        for (size_t i = 0; i < p->replica_count; i++)
            catalog_set_absent(&control->catalog, p->replicas[i]);
        break;
    case STEP_FORGET:
        while (p->replica_count > 0)
            catalog_remove_replica(&control->catalog, p->replicas[0]);
        catalog_remove_partition(&control->catalog, p);
        break;
    }
}

static enum err apply(struct control *control, struct change *change)
{
    const struct splits *x = splits_of(change);
    for (size_t i = 0; i < x->count; i++)
        apply_step(control, &x->steps[i]);
    control_tell_nodes(control);
    return ERR_OK;
}

static void done(struct control *control, struct change *change, enum err err)
{
    struct splits *x = splits_of(change);
    x->is_queued = false;
    x->has_wishes |= err != ERR_OK;
    if (err == ERR_OK && x->count == STEPS_MAX)
        control_wake_splits(control);
    x->count = 0;
}

void control_wake_splits(struct control *control)
{
    struct splits *x = control->splits;
    bool has_work = x->has_wishes || control->catalog.split_count > 0 || control->catalog.unsettled != NULL;
    if (x->is_queued || control->state != CONTROL_ACTIVE || !has_work)
        return;
    x->is_queued = true;
    control_submit(control, &x->change);
}

enum err control_splits_init(struct control *control)
{
    control->splits = memory_zalloc(sizeof *control->splits);
    if (control->splits == NULL)
        return ERR_NO_MEMORY;
    control->splits->change = (struct change){.prepare = prepare, .apply = apply, .done = done};
    return ERR_OK;
}

void control_splits_deinit(struct control *control)
{
    memory_free(control->splits);
    control->splits = NULL;
}

/* ---- goals and reports ---- */

void control_add_split_order(const struct partition *partition, Sluice__Controlplane__ReplicaGoal *goal)
{
    const struct partition_split *split = &partition->split;
    goal->split_left_group = split->left_group;
    goal->split_right_group = split->right_group;
    goal->is_split_wanted = split->is_wanted_for_units && !partition->is_split;
    if (is_ordered(partition) && !partition->is_split && split->reason != 0)
        goal->split_key = proto_bytes(buffer_view(&split->key));
}

static void take_wish(struct control *control, struct partition *p,
                      const Sluice__Controlplane__ReplicaReport *report)
{
    struct partition_split *split = &p->split;
    struct slice key = proto_slice(report->wanted_split_key);
    bool is_sound = slice_compare(key, p->start) > 0 && key.length <= KEY_BYTES_MAX &&
                    (p->end.length == 0 || slice_compare(key, p->end) < 0);
    uint32_t reason = is_sound ? report->wanted_split_reason : 0;
    if (reason == split->reason && (reason == 0 || slice_equal(key, buffer_view(&split->key))))
        return;
    buffer_clear(&split->key);
    buffer_append(&split->key, reason == 0 ? SLICE_EMPTY : key);
    split->reason = buffer_has_failed(&split->key) ? 0 : reason;
    if (split->left_group != 0)
        touch_goals(control, p);
    control->splits->has_wishes = true;
    control_wake_splits(control);
}

void control_take_split_report(struct control *control, struct replica *replica,
                               const Sluice__Controlplane__ReplicaReport *report)
{
    replica->is_settled = report->is_settled;
    if (replica->role == ROLE_LEADER && !replica->partition->is_split &&
        partition_authority(replica->partition) == replica)
        take_wish(control, replica->partition, report);
    if (replica->partition->is_split || replica->is_settled)
        control_wake_splits(control);
}

/* Splits: what the node's shell and autoadmin do around the cores (docs/decisions/0014). */
#include "tests/sim/sim.h"

enum { BIRTH_US = 30 * MS, COUNT_US = 400 * MS, CONSUMED_US = 40 * SECOND };

/* ---- Groups of a table ---- */

uint32_t group_slot(const struct world *w, uint64_t group_id)
{
    for (uint32_t g = 0; g < w->group_count; g++)
        if (w->groups[g].group_id == group_id)
            return g;
    UNREACHABLE("a group that nobody made");
}

uint32_t split_pick(struct world *w, uint32_t table)
{
    uint32_t found[GROUPS];
    uint32_t count = 0;
    for (uint32_t g = 0; g < w->group_count; g++)
        if (w->groups[g].table == table && w->groups[g].is_born && !w->groups[g].is_finished)
            found[count++] = g;
    return count == 1 ? found[0] : found[world_uniform(w, 0, count - 1)];
}

static struct sim_replica *replica_on(struct world *w, uint32_t node, uint32_t g)
{
    return &w->nodes[node].replicas[g];
}

/* ---- The leader ---- */

static struct partition_size count_below(const struct sim_replica *r, uint32_t key)
{
    struct partition_size size = {0};
    for (uint32_t k = r->first_key; k < key; k++) {
        if (r->items->rows[k].length == 0)
            continue;
        size.item_count++;
        size.item_bytes += row_bytes(buffer_view(&r->items->rows[k]));
    }
    return size;
}

bool split_begin(struct world *w, struct sim_replica *leader)
{
    uint32_t table = w->groups[leader->group_no].table;
    if (leader->kind != MEMBER_STORAGE || leader->end_key - leader->first_key < 2 ||
        w->splits[table] == SPLITS_MAX || w->group_count + 2 > GROUPS)
        return false;
    uint32_t key = (uint32_t)world_uniform(w, leader->first_key + 1, leader->end_key - 1);
    uint8_t bytes[16];
    enum err err = partition_split_watch(leader->partition, slice_make(bytes, key_bytes(table, key, bytes)));
    if (err != ERR_OK)
        return false;
    leader->counted = count_below(leader, key);
    struct sim_event *event = world_schedule(w, w->now_us + world_uniform(w, 0, COUNT_US), SIM_SPLIT);
    event->node = leader->node_no;
    event->group = leader->group_no;
    event->life = w->nodes[leader->node_no].life;
    faults_before_split(w, leader);
    return true;
}

/* Two slots for the children; given out for good only if the entry is in the log. */
static void slots_prepare(struct world *w, const struct sim_replica *parent, uint64_t ret_ids[2])
{
    for (uint32_t side = 0; side < 2; side++) {
        struct sim_group_truth *truth = &w->groups[w->group_count + side];
        *truth = (struct sim_group_truth){.group_id = 100 + w->group_count + side,
                                          .table = w->groups[parent->group_no].table,
                                          .epoch = w->groups[parent->group_no].epoch + 1,
                                          .parent = parent->group_no + 1};
        ret_ids[side] = truth->group_id;
    }
}

static void slots_keep(struct world *w, const struct sim_replica *parent, uint64_t index)
{
    const struct sim_entry *e = replica_entry(parent, index);
    struct split_entry entry;
    enum err err = split_entry_decode(slice_make(e->body + 1, e->bytes - 1), &entry);
    ASSERT(err == ERR_OK);
    struct sim_group_truth *children = &w->groups[w->group_count];
    children[0].first_key = parent->first_key;
    children[0].end_key = children[1].first_key = (uint32_t)key_number(entry.key);
    children[1].end_key = parent->end_key;
    w->group_count += 2;
    world_trace(w, "group %u: replica %llu proposes to split at key %u into %u and %u, entry %llu",
                parent->group_no, (unsigned long long)parent->replica_id, children[1].first_key,
                w->group_count - 2, w->group_count - 1, (unsigned long long)index);
}

void split_propose(struct world *w, struct sim_node *n, uint32_t g)
{
    struct sim_replica *r = &n->replicas[g];
    if (w->is_healing || !replica_is_live(r) || w->group_count + 2 > GROUPS)
        return;
    uint64_t ids[2];
    struct buffer body;
    struct group_update update;
    buffer_init(&body, 1024);
    buffer_append_u8(&body, ENTRY_SPLIT);
    slots_prepare(w, r, ids);
    enum err err =
        r->kind == MEMBER_STORAGE
            ? partition_split_encode(r->partition, w->groups[w->group_count].epoch, ids, r->counted, &body)
            : ERR_UNAVAILABLE;
    if (err == ERR_INVALID)
        check_fail(w, "split count", "group %u: what was counted cannot be", g);
    if (err == ERR_OK) {
        /* Its followers commit, and may go on, before its own disk has the entry. */
        if (world_chance(w, 150 * 1000))
            n->disk.hang_us = world_uniform(w, w->lease_us / 2, 3 * w->lease_us);
        faults_lone_split(w, r);
        replica_step(w, r, (struct group_event){.kind = GROUP_EVENT_PROPOSE, .body = buffer_view(&body)},
                     &update);
        err = update.err;
    }
    buffer_deinit(&body);
    if (err != ERR_OK)
        return;
    slots_keep(w, r, update.index);
    if (world_chance(w, 500 * 1000))
        operator_meddle(w, r);
    if (replica_is_live(r))
        faults_on_split(w, r);
}

/* ---- Everywhere ---- */

void split_committed(struct world *w, uint32_t g, uint64_t index, const struct sim_entry *e)
{
    struct sim_group_truth *parent = &w->groups[g];
    struct split_entry entry;
    enum err err = split_entry_decode(slice_make(e->body + 1, e->bytes - 1), &entry);
    ASSERT(err == ERR_OK);
    parent->split_index = index;
    parent->consumed_us =
        w->now_us + world_uniform(w, 0, world_chance(w, 300 * 1000) ? 200 * MS : CONSUMED_US);
    w->splits[parent->table]++;
    w->figures.splits++;
    for (uint32_t side = 0; side < 2; side++) {
        parent->children[side] = group_slot(w, entry.group_ids[side]);
        struct sim_group_truth *child = &w->groups[parent->children[side]];
        child->is_born = true;
        child->committed_index = index;
        child->next_replica_id = parent->next_replica_id;
    }
}

/* In the batch that carries the parent's applied index. */
static void write_child(struct world *w, struct sim_replica *parent, uint32_t side)
{
    struct sim_replica *child = replica_on(w, parent->node_no, w->groups[parent->group_no].children[side]);
    if (child->replica_id != 0 || child->is_unborn || child->tombstone >= parent->replica_id)
        return;
    uint64_t index;
    struct split_entry entry;
    (void)partition_split(parent->partition, &index, &entry);
    if (child->durable.applied_index >= index)
        return; /* found in the store after a restart */
    const struct sim_entry *e = replica_entry(parent, index);
    if (e == NULL) {
        check_fail(w, "split in the log", "group %u replica %llu on node %u is split, and does not know how",
                   parent->group_no, (unsigned long long)parent->replica_id, parent->node_no);
        return;
    }
    meta_init(&child->meta);
    child->is_unborn = true;
    child->meta.size = partition_child_size(parent->partition, (enum partition_side)side);
    child->meta.applied_index = child->meta.checkpoint_index = index;
    child->meta.applied_term = e->term;
    partition_encode_child(parent->partition, (enum partition_side)side, &child->meta.checkpoint);
    check_birth(w, parent, side);
}

void split_applied(struct world *w, struct sim_replica *r)
{
    for (uint32_t side = 0; side < 2 && r->kind == MEMBER_STORAGE; side++)
        write_child(w, r, side);
    struct sim_event *event = world_schedule(w, w->now_us + world_uniform(w, 100, BIRTH_US), SIM_BIRTH);
    event->node = r->node_no;
    event->group = r->group_no;
    event->life = w->nodes[r->node_no].life;
}

static void forget_unborn(struct sim_replica *child)
{
    if (child->is_unborn)
        meta_deinit(&child->meta);
    child->is_unborn = false;
}

void split_forget(struct world *w, const struct sim_replica *parent)
{
    const struct sim_group_truth *truth = &w->groups[parent->group_no];
    for (uint32_t side = 0; side < 2 && truth->split_index != 0; side++)
        forget_unborn(replica_on(w, parent->node_no, truth->children[side]));
}

/* Its rows are in the store, durably: now the log may know of it. */
static void bear(struct world *w, struct sim_replica *parent, uint32_t g)
{
    struct sim_node *n = &w->nodes[parent->node_no];
    struct sim_replica *child = &n->replicas[g];
    const struct membership *m = group_membership(parent->group);
    uint64_t index = group_status(parent->group).split_index;
    uint64_t term;
    if (child->replica_id != 0 || child->is_removing || child->tombstone >= parent->replica_id ||
        membership_find(m, parent->replica_id) == NULL || !group_entry_term(parent->group, index, &term))
        return;
    forget_unborn(child);
    replica_open(w, n, g, parent->replica_id, parent->kind);
    child->promised_replica = child->promised_index = 0;
    uint8_t kind_byte = (uint8_t)parent->kind;
    struct group_update update;
    enum err err = group_bootstrap_split(child->group, index, term, m, &update);
    ASSERT(err == ERR_OK);
    replica_append(w, child, SEGMENT_GROUP_CREATED, 0, 0, slice_make(&kind_byte, 1));
    replica_append(w, child, SEGMENT_LOG_START, index + 1, term, SLICE_EMPTY);
    replica_append(w, child, SEGMENT_HARD_STATE, 0, term, update.persist.hard_state);
    const struct sim_persist done = {.group = g, .replica_id = child->replica_id, .kind = PERSIST_GROUP};
    disk_flush(w, n, &done);
    child->entries_first = index + 1;
    w->figures.births++;
    world_trace(w, "node %u group %u replica %llu: born of group %u", n->id, g,
                (unsigned long long)child->replica_id, parent->group_no);
    replica_start(w, child);
    if (replica_is_live(child))
        replica_step(w, child,
                     (struct group_event){.kind = GROUP_EVENT_INHERIT,
                                          .replica_id = group_status(parent->group).leader_replica},
                     &update);
}

void split_birth(struct world *w, struct sim_node *n, uint32_t g)
{
    struct sim_replica *parent = &n->replicas[g];
    if (!replica_is_live(parent) || !group_is_split(parent->group))
        return;
    if (parent->kind == MEMBER_STORAGE) {
        if (!partition_is_split(parent->partition))
            return;
        store_checkpoint(parent);
        store_flush(w, n, w->groups[g].table);
    }
    for (uint32_t side = 0; side < 2 && !w->has_failed; side++)
        bear(w, parent, w->groups[g].children[side]);
}

/* A crash in the middle of its first batch: the creation is in the log, the hard state is not. It has never said a word,
 * and is born again. */
void split_recover(struct world *w, struct sim_node *n)
{
    for (uint32_t g = 0; g < w->group_count; g++) {
        struct sim_replica *r = &n->replicas[g];
        uint32_t parent = w->groups[g].parent;
        if (parent == 0 || !replica_is_live(r) || r->replica_id != n->replicas[parent - 1].replica_id ||
            group_status(r->group).term != 0)
            continue;
        replica_close(r);
        r->replica_id = 0;
    }
}

/* ---- Who may be where ---- */

static bool overlap(const struct sim_group_truth *a, const struct sim_group_truth *b)
{
    return a->table == b->table && a->first_key < b->end_key && b->first_key < a->end_key;
}

bool split_is_waiting(const struct world *w, const struct sim_node *n, uint32_t g)
{
    uint32_t parent = w->groups[g].parent;
    return parent != 0 && n->replicas[g].replica_id == 0 && replica_is_live(&n->replicas[parent - 1]) &&
           n->replicas[g].tombstone < n->replicas[parent - 1].replica_id;
}

bool split_is_range_free(const struct world *w, const struct sim_node *n, uint32_t g)
{
    for (uint32_t other = 0; other < w->group_count; other++) {
        const struct sim_replica *r = &n->replicas[other];
        if (other == g || !overlap(&w->groups[g], &w->groups[other]))
            continue;
        bool is_closed = replica_is_live(r) && group_is_split(r->group) &&
                         group_status(r->group).applied_index >= group_status(r->group).split_index;
        if (r->is_removing || r->is_unborn || (r->replica_id != 0 && !is_closed))
            return false;
    }
    return true;
}

/* ---- The parent's end ---- */

static struct sim_replica *leader_of(struct world *w, uint32_t g)
{
    for (uint32_t id = 1; id <= NODES; id++) {
        struct sim_replica *r = replica_on(w, id, g);
        if (w->nodes[id].is_up && replica_is_live(r) && group_status(r->group).role == GROUP_LEADER)
            return r;
    }
    return NULL;
}

/* By its leader's word, each voter that has rows has acknowledged an entry of its own: nobody waits for the parent. */
static bool is_settled(struct world *w, uint32_t g, uint64_t split_index)
{
    const struct sim_replica *leader = leader_of(w, g);
    if (w->groups[g].is_finished || leader == NULL)
        return w->groups[g].is_finished;
    const struct membership *m = group_membership(leader->group);
    struct group_status status = group_status(leader->group);
    for (uint32_t i = 0; i < m->count; i++)
        if (m->members[i].kind == MEMBER_STORAGE && m->members[i].role == MEMBER_VOTER &&
            group_match_index(leader->group, m->members[i].replica_id) <= split_index)
            return false;
    return m->index <= status.commit_index && status.commit_index >= status.noop_index;
}

static bool may_finish(struct world *w, const struct sim_group_truth *parent)
{
    return is_settled(w, parent->children[0], parent->split_index) &&
           is_settled(w, parent->children[1], parent->split_index);
}

static void retire(struct world *w, uint32_t g)
{
    for (uint32_t id = 1; id <= NODES && !w->has_failed; id++) {
        struct sim_replica *r = replica_on(w, id, g);
        if (!w->nodes[id].is_up || r->replica_id == 0 || (!w->is_healing && world_chance(w, 600 * 1000)))
            continue;
        w->figures.retired++;
        replica_remove(w, r);
    }
}

void split_retire(struct world *w)
{
    for (uint32_t g = 0; g < w->group_count; g++) {
        struct sim_group_truth *truth = &w->groups[g];
        if (truth->split_index == 0)
            continue;
        if (!truth->is_finished && (w->is_healing || w->now_us >= truth->consumed_us))
            truth->is_finished = may_finish(w, truth);
        if (truth->is_finished)
            retire(w, g);
    }
}

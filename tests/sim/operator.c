/* The hand of autoadmin: replaces what is broken, and moves replicas and leaderships about for the fun of it. It
 * sees everything, but acts through the leader's compare-and-set only. */
#include "tests/sim/sim.h"

enum { PATIENCE_US = 3 * SECOND };

static struct sim_replica *leader_of(struct world *w, uint32_t g)
{
    for (uint32_t id = 1; id <= NODES; id++) {
        struct sim_replica *r = &w->nodes[id].replicas[g];
        if (w->nodes[id].is_up && w->nodes[id].stalled_until_us <= w->now_us && replica_is_live(r) &&
            group_status(r->group).role == GROUP_LEADER)
            return r;
    }
    return NULL;
}

static enum err change(struct world *w, struct sim_replica *leader, struct membership_change c)
{
    struct group_update update;
    replica_step(w, leader, (struct group_event){.kind = GROUP_EVENT_CHANGE, .change = &c}, &update);
    if (update.err == ERR_OK) {
        w->figures.membership_changes++;
        world_trace(w, "group %u: %s replica %llu", leader->group_no,
                    c.kind == MEMBERSHIP_ADD_LEARNER ? "adds learner"
                    : c.kind == MEMBERSHIP_PROMOTE   ? "promotes"
                                                     : "removes",
                    (unsigned long long)c.member.replica_id);
    }
    return update.err;
}

static enum err remove_member(struct world *w, struct sim_replica *leader, uint64_t replica_id)
{
    return change(w, leader,
                  (struct membership_change){.kind = MEMBERSHIP_REMOVE,
                                             .expected_version = group_membership(leader->group)->version,
                                             .member = {.replica_id = replica_id}});
}

static enum err promote(struct world *w, struct sim_replica *leader, uint64_t replica_id)
{
    return change(w, leader,
                  (struct membership_change){.kind = MEMBERSHIP_PROMOTE,
                                             .expected_version = group_membership(leader->group)->version,
                                             .member = {.replica_id = replica_id}});
}

/* A newcomer on a node that has no replica of the group. */
static void add_learner(struct world *w, struct sim_replica *leader, struct sim_node *n,
                        enum member_kind kind)
{
    if (!n->is_up || n->replicas[leader->group_no].replica_id != 0 ||
        n->replicas[leader->group_no].is_removing)
        return;
    if (!split_is_range_free(w, n, leader->group_no)) {
        w->figures.held_back++;
        return;
    }
    struct member member = {
        .replica_id = w->groups[leader->group_no].next_replica_id++, .node_id = n->id, .kind = kind};
    enum err err =
        change(w, leader,
               (struct membership_change){.kind = MEMBERSHIP_ADD_LEARNER,
                                          .expected_version = group_membership(leader->group)->version,
                                          .member = member});
    if (err == ERR_OK && !w->has_failed)
        replica_create(w, n, leader->group_no, member.replica_id, kind, false);
}

static bool is_committed_leader(const struct sim_replica *leader)
{
    struct group_status status = group_status(leader->group);
    return group_membership(leader->group)->index <= status.commit_index &&
           status.commit_index >= status.noop_index;
}

/* A log replica may become a voter when its log reaches back to what every voter has. */
static bool may_promote(struct world *w, struct sim_replica *leader, const struct member *learner)
{
    struct sim_replica *r = &w->nodes[learner->node_id].replicas[leader->group_no];
    if (learner->kind != MEMBER_LOG)
        return true;
    if (!replica_is_live(r) || r->replica_id != learner->replica_id)
        return false;
    uint64_t first = group_status(r->group).first_index;
    const struct membership *m = group_membership(leader->group);
    for (uint32_t i = 0; i < m->count; i++)
        if (m->members[i].kind == MEMBER_STORAGE &&
            group_match_index(leader->group, m->members[i].replica_id) + 1 < first)
            return false;
    return true;
}

/* It may be that the parent here never comes to its split; and autoadmin may lose patience early, too. */
static bool is_overdue(struct world *w, uint32_t g)
{
    if (w->is_healing)
        return w->now_us > RUN_US + PATIENCE_US;
    return w->groups[w->groups[g].parent - 1].is_finished || world_chance(w, 600 * 1000);
}

/* Repairs of one group; true when something was done. */
static bool repair(struct world *w, struct sim_replica *leader)
{
    const struct membership *m = group_membership(leader->group);
    uint32_t g = leader->group_no;
    for (uint32_t i = 0; i < m->count; i++) {
        struct sim_node *n = &w->nodes[m->members[i].node_id];
        struct sim_replica *r = &n->replicas[g];
        bool is_gone = r->replica_id != m->members[i].replica_id || r->is_quarantined;
        if (n->is_up && is_gone && split_is_waiting(w, n, g) && !is_overdue(w, g))
            continue;
        if (n->is_up && is_gone && m->members[i].replica_id != leader->replica_id)
            return remove_member(w, leader, m->members[i].replica_id) == ERR_OK;
    }
    for (uint32_t id = 1; id <= NODES; id++) {
        struct sim_replica *r = &w->nodes[id].replicas[g];
        if (w->nodes[id].is_up && r->replica_id != 0 && r != leader &&
            membership_find(m, r->replica_id) == NULL) {
            replica_remove(w, r);
            return true;
        }
    }
    return false;
}

static uint32_t storage_voters(const struct membership *m)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->count; i++)
        count += m->members[i].role == MEMBER_VOTER && m->members[i].kind == MEMBER_STORAGE;
    return count;
}

/* Rather where it is refused, as the parent is still there. */
static struct sim_node *any_place(struct world *w, const struct sim_replica *leader)
{
    bool is_child = w->groups[leader->group_no].parent != 0;
    for (uint32_t id = 1; id <= NODES && is_child; id++)
        if (!split_is_range_free(w, &w->nodes[id], leader->group_no) && world_chance(w, 900 * 1000)) {
            faults_reconnect(w); /* so that the parent gets on, too */
            return &w->nodes[id];
        }
    return &w->nodes[world_uniform(w, 1, NODES)];
}

static bool grow(struct world *w, struct sim_replica *leader)
{
    const struct membership *m = group_membership(leader->group);
    for (uint32_t i = 0; i < m->count; i++)
        if (m->members[i].role == MEMBER_LEARNER && may_promote(w, leader, &m->members[i]))
            return (!w->is_hasty || storage_voters(m) < 3) &&
                   promote(w, leader, m->members[i].replica_id) == ERR_OK;
    if (storage_voters(m) >= 3 || m->count > membership_voter_count(m))
        return false;
    add_learner(w, leader, any_place(w, leader), MEMBER_STORAGE);
    return true;
}

/* One voter more or one less, to keep things moving. */
static void shuffle(struct world *w, struct sim_replica *leader)
{
    const struct membership *m = group_membership(leader->group);
    uint32_t voters = membership_voter_count(m);
    if (voters <= 3 || (voters == 4 && world_chance(w, 500 * 1000))) {
        add_learner(w, leader, &w->nodes[world_uniform(w, 1, NODES)],
                    world_chance(w, 300 * 1000) ? MEMBER_LOG : MEMBER_STORAGE);
        return;
    }
    const struct member *chosen = &m->members[world_uniform(w, 0, m->count - 1)];
    if (chosen->replica_id != leader->replica_id && (chosen->kind == MEMBER_LOG || storage_voters(m) > 3))
        remove_member(w, leader, chosen->replica_id);
}

static bool promote_one(struct world *w, struct sim_replica *leader)
{
    const struct membership *m = group_membership(leader->group);
    for (uint32_t i = 0; i < m->count; i++)
        if (m->members[i].role == MEMBER_LEARNER && may_promote(w, leader, &m->members[i]) &&
            promote(w, leader, m->members[i].replica_id) == ERR_OK)
            return true;
    return false;
}

static bool leads(const struct world *w, const struct sim_replica *r)
{
    return !w->has_failed && replica_is_live(r) && group_status(r->group).role == GROUP_LEADER;
}

/* Two changes in a row, or one that a leader has no business to accept yet: it refuses. */
static void hurry(struct world *w, struct sim_replica *leader)
{
    uint32_t learners = 0;
    const struct membership *m = group_membership(leader->group);
    for (uint32_t i = 0; i < m->count; i++)
        learners += m->members[i].role == MEMBER_LEARNER;
    bool is_ripe = learners > 1 || (learners == 1 && world_chance(w, 300 * 1000));
    bool is_done = false;
    for (int i = 0; i < 2 && leads(w, leader); i++) {
        if (is_ripe)
            is_done |= promote_one(w, leader);
        else
            shuffle(w, leader);
    }
    if (is_done && leads(w, leader))
        faults_on_change(w, leader);
}

void operator_hurry(struct world *w, uint32_t g)
{
    struct sim_replica *leader = leader_of(w, g);
    if (leader == NULL || w->is_healing)
        return;
    hurry(w, leader);
    if (leads(w, leader))
        faults_on_change(w, leader);
}

void operator_meddle(struct world *w, struct sim_replica *leader)
{
    if (!promote_one(w, leader) && leads(w, leader))
        shuffle(w, leader);
}

static void transfer(struct world *w, struct sim_replica *leader)
{
    const struct membership *m = group_membership(leader->group);
    uint64_t to = world_chance(w, 500 * 1000) ? 0 : m->members[world_uniform(w, 0, m->count - 1)].replica_id;
    struct group_update update;
    replica_step(w, leader, (struct group_event){.kind = GROUP_EVENT_TRANSFER, .replica_id = to}, &update);
    if (update.err == ERR_OK) {
        w->figures.transfers++;
        faults_on_transfer(w, leader);
    }
}

static void look_after(struct world *w, uint32_t g)
{
    struct sim_replica *leader = leader_of(w, g);
    if (leader == NULL)
        return;
    if (!w->is_healing && w->wants_membership && world_chance(w, w->is_hasty ? 500 * 1000 : 150 * 1000)) {
        hurry(w, leader);
        return;
    }
    if (w->wants_splits && !w->is_healing && world_chance(w, 40 * 1000) && split_begin(w, leader))
        return;
    if (!is_committed_leader(leader))
        return;
    if (!group_is_split(leader->group) && (repair(w, leader) || grow(w, leader)))
        return;
    if (w->is_healing)
        return;
    if (world_chance(w, 120 * 1000))
        transfer(w, leader);
    else if (w->wants_membership && world_chance(w, 400 * 1000))
        shuffle(w, leader);
}

void operator_next(struct world *w)
{
    world_schedule(w, w->now_us + world_uniform(w, 100 * MS, w->wants_membership ? 500 * MS : 900 * MS),
                   SIM_OPERATOR);
    split_retire(w);
    look_after(w, split_pick(w, (uint32_t)world_uniform(w, 0, TABLES - 1)));
    /* What is left to repair in the end is more where there are more groups. */
    for (uint32_t g = TABLES; g < w->group_count && w->is_healing && !w->has_failed; g++)
        if (w->groups[g].is_born && !w->groups[g].is_finished)
            look_after(w, g);
}

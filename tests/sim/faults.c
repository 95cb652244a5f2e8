/* What goes wrong and when. */
#include "tests/sim/sim.h"

static struct sim_node *any_node(struct world *w)
{
    return &w->nodes[world_uniform(w, 1, NODES)];
}

/* The node that leads a group, or any. */
static struct sim_node *leading_node(struct world *w)
{
    uint32_t g = split_pick(w, (uint32_t)world_uniform(w, 0, TABLES - 1));
    struct sim_node *found = NULL;
    uint64_t term = 0;
    for (uint32_t id = 1; id <= NODES; id++) {
        const struct sim_replica *r = &w->nodes[id].replicas[g];
        if (!w->nodes[id].is_up || !replica_is_live(r) || group_status(r->group).role != GROUP_LEADER)
            continue;
        if (group_status(r->group).term >= term) {
            term = group_status(r->group).term;
            found = &w->nodes[id];
        }
    }
    return found == NULL ? any_node(w) : found;
}

static struct sim_node *victim(struct world *w)
{
    return world_chance(w, 600 * 1000) ? leading_node(w) : any_node(w);
}

/* ---- Network ---- */

static void unblock(struct world *w)
{
    for (uint32_t i = 0; i <= NODES; i++)
        for (uint32_t j = 0; j <= NODES; j++)
            w->is_blocked[i][j] = w->is_mute[i][j] = false;
}

void faults_reconnect(struct world *w)
{
    unblock(w);
}

static void isolate(struct world *w, struct sim_node *n, bool is_inward, bool is_outward, bool with_clients)
{
    for (uint32_t other = with_clients ? 0 : 1; other <= NODES; other++) {
        if (other == n->id)
            continue;
        w->is_blocked[other][n->id] |= is_inward;
        w->is_blocked[n->id][other] |= is_outward;
    }
    world_trace(w, "node %u: cut off%s%s", n->id, is_inward ? " inward" : "", is_outward ? " outward" : "");
}

static void split(struct world *w)
{
    uint32_t side = (uint32_t)world_uniform(w, 1, (1U << NODES) - 2);
    for (uint32_t i = 1; i <= NODES; i++)
        for (uint32_t j = 1; j <= NODES; j++)
            if (((side >> (i - 1)) & 1) != ((side >> (j - 1)) & 1))
                w->is_blocked[i][j] = true;
    world_trace(w, "network: split %x", side);
}

static void cut_links(struct world *w)
{
    for (uint64_t left = world_uniform(w, 1, 4); left > 0; left--) {
        uint32_t from = (uint32_t)world_uniform(w, 1, NODES);
        uint32_t to = (uint32_t)world_uniform(w, 1, NODES);
        w->is_blocked[from][to] = from != to;
    }
    world_trace(w, "network: some links cut");
}

static void network_fault(struct world *w)
{
    unblock(w);
    switch (world_uniform(w, 0, 5)) {
    case 0:
        split(w);
        break;
    case 1:
        cut_links(w);
        break;
    case 2:
        isolate(w, victim(w), true, false, world_chance(w, 300 * 1000));
        break;
    case 3:
        isolate(w, victim(w), false, true, false);
        break;
    default:
        /* Clients still reach it: what it serves now must be right. */
        isolate(w, victim(w), true, true, world_chance(w, 100 * 1000));
    }
}

static void network_mood(struct world *w)
{
    w->loss_ppm = (uint32_t)(world_chance(w, 500 * 1000) ? 0 : world_uniform(w, 0, 30 * 1000));
    w->duplicate_ppm = (uint32_t)world_uniform(w, 0, 30 * 1000);
    w->slow_ppm = (uint32_t)(world_chance(w, 500 * 1000) ? 0 : world_uniform(w, 0, 80 * 1000));
    w->slow_us = world_uniform(w, 1 * MS, 400 * MS);
    w->cut_ppm =
        (uint32_t)(world_chance(w, 700 * 1000) ? 30 * 1000 : world_uniform(w, 300 * 1000, 950 * 1000));
}

/* ---- Machines ---- */

static uint64_t downtime(struct world *w)
{
    switch (world_uniform(w, 0, 3)) {
    case 0:
        return world_uniform(w, 10 * MS, 300 * MS);
    case 1:
        return world_uniform(w, 300 * MS, 1500 * MS);
    default:
        return world_uniform(w, 1 * SECOND, 4 * SECOND);
    }
}

void faults_crash(struct world *w, struct sim_node *n, bool is_quick)
{
    uint64_t down_us = is_quick ? world_uniform(w, 1 * MS, 30 * MS) : downtime(w);
    node_crash(w, n, world_chance(w, 400 * 1000), down_us);
}

static void power_cut(struct world *w)
{
    world_trace(w, "power cut");
    for (uint32_t id = 1; id <= NODES; id++)
        node_crash(w, &w->nodes[id], true, world_uniform(w, 10 * MS, SECOND));
}

/* Of what splits have made, some members may never have been born. */
static bool is_complete(const struct world *w, const struct sim_replica *r)
{
    const struct membership *m = group_membership(r->group);
    for (uint32_t i = 0; i < m->count && w->groups[r->group_no].parent != 0; i++)
        if (w->nodes[m->members[i].node_id].replicas[r->group_no].replica_id != m->members[i].replica_id)
            return false;
    return true;
}

static bool is_whole(const struct world *w)
{
    for (uint32_t g = 0; g < w->group_count; g++) {
        uint32_t live = 0;
        if (!w->groups[g].is_born || w->groups[g].is_finished)
            continue;
        for (uint32_t id = 1; id <= NODES; id++) {
            const struct sim_replica *r = &w->nodes[id].replicas[g];
            if (r->is_quarantined || !w->nodes[id].is_up || w->nodes[id].disk.is_damage_pending)
                return false;
            live += replica_is_live(r) && is_complete(w, r) &&
                    group_status(r->group).commit_index + 20 >= w->groups[g].committed_index &&
                    membership_find(group_membership(r->group), r->replica_id) != NULL &&
                    membership_voter_count(group_membership(r->group)) >= 3;
        }
        if (live < 3)
            return false;
    }
    return true;
}

/* Only while every group has its replicas: two damaged disks may well lose data for good. */
static void damage(struct world *w)
{
    struct sim_node *n = any_node(w);
    if (w->is_damage_off || !is_whole(w) || !disk_damage(w, n))
        return;
    node_crash(w, n, world_chance(w, 500 * 1000), world_uniform(w, 10 * MS, SECOND));
}

static void stall(struct world *w, struct sim_node *n)
{
    if (!n->is_up)
        return;
    uint64_t for_us = world_uniform(w, 0, 2) == 0 ? world_uniform(w, 10 * MS, 500 * MS)
                                                  : world_uniform(w, 500 * MS, 4 * SECOND);
    n->stalled_until_us = w->now_us + for_us;
    world_trace(w, "node %u: stalls for %llu ms", n->id, (unsigned long long)(for_us / MS));
}

/* Clients reach a leader that is cut off from the others, and that pauses until they have another one. */
static void gray_failure(struct world *w, struct sim_node *n)
{
    unblock(w);
    isolate(w, n, true, true, false);
    if (n->is_up)
        n->stalled_until_us = w->now_us + w->lease_us + world_uniform(w, 200 * MS, 3 * SECOND);
}

/* What waits for the disk is lost if the node then dies. */
static void slow_disk(struct world *w, struct sim_node *n)
{
    n->disk.slow_until_us = w->now_us + world_uniform(w, 100 * MS, 4 * SECOND);
    if (!n->is_up || world_chance(w, 400 * 1000))
        return;
    struct sim_event *event = world_schedule(w, w->now_us + world_uniform(w, 20 * MS, SECOND), SIM_CRASH);
    event->node = n->id;
    event->life = n->life;
}

/* One follower does not hear the leader and asks the others again and again; then one of those restarts at once. */
static void forgetful_follower(struct world *w)
{
    unblock(w);
    const struct sim_node *leader = leading_node(w);
    const struct sim_replica *r = &leader->replicas[split_pick(w, (uint32_t)world_uniform(w, 0, TABLES - 1))];
    if (!replica_is_live(r) || group_membership(r->group)->count == 0)
        return;
    const struct membership *m = group_membership(r->group);
    uint32_t deaf = m->members[world_uniform(w, 0, m->count - 1)].node_id;
    uint32_t forgetful = m->members[world_uniform(w, 0, m->count - 1)].node_id;
    if (deaf == leader->id || forgetful == leader->id || forgetful == deaf || !w->nodes[forgetful].is_up)
        return;
    w->is_mute[leader->id][deaf] = true;
    uint64_t at_us = w->now_us + w->lease_us + world_uniform(w, 300 * MS, SECOND);
    struct sim_event *event = world_schedule(w, at_us, SIM_CRASH);
    event->node = forgetful;
    event->life = w->nodes[forgetful].life;
    event->group = 1;
}

static void clock_fault(struct world *w, struct sim_node *n)
{
    clock_set_rate(w, n, (int64_t)world_uniform(w, 0, 2 * CLOCK_RATE_PPM) - CLOCK_RATE_PPM);
    n->wall_offset_us = (int64_t)world_uniform(w, 0, 7200 * (uint64_t)SECOND) - 3600 * (int64_t)SECOND;
}

void faults_next(struct world *w)
{
    if (w->is_healing)
        return;
    uint64_t at = world_uniform(w, 0, 99);
    if (at < 10)
        faults_crash(w, victim(w), false);
    else if (at < 22)
        victim(w)->disk.must_crash = true;
    else if (at < 26)
        faults_crash(w, any_node(w), false), faults_crash(w, leading_node(w), false);
    else if (at < 44)
        network_fault(w);
    else if (at < 60)
        unblock(w);
    else if (at < 64)
        network_mood(w);
    else if (at < 68)
        forgetful_follower(w);
    else if (at < 75)
        stall(w, victim(w));
    else if (at < 80)
        gray_failure(w, leading_node(w));
    else if (at < 85)
        clock_fault(w, any_node(w));
    else if (at < 89)
        slow_disk(w, victim(w));
    else if (at < 92)
        victim(w)->disk.must_fail = true;
    else if (at < 98)
        damage(w);
    else
        power_cut(w);
    uint64_t pause =
        w->is_stormy ? world_uniform(w, 20 * MS, 900 * MS) : world_uniform(w, 200 * MS, 3 * SECOND);
    world_schedule(w, w->now_us + pause, SIM_FAULT);
}

void faults_plan(struct world *w)
{
    network_mood(w);
    w->is_stormy = world_chance(w, 350 * 1000);
    w->wants_membership = world_chance(w, 500 * 1000);
    w->is_damage_off = world_chance(w, 300 * 1000);
    if (w->is_split)
        if (!w->is_split)
            w->cut_ppm = 850 * 1000;
    w->is_hasty = w->wants_membership && world_chance(w, 400 * 1000);
    world_schedule(w, w->now_us + world_uniform(w, 2 * SECOND, 4 * SECOND), SIM_FAULT);
    world_schedule(w, w->now_us + SECOND, SIM_OPERATOR);
}

/* The elected leader's first moments are the interesting ones. */
void faults_on_elected(struct world *w, struct sim_replica *r)
{
    if (w->is_healing)
        return;
    if (w->is_hasty && world_chance(w, 500 * 1000))
        world_schedule(w, w->now_us + world_uniform(w, 0, 600), SIM_HASTE)->group = r->group_no;
    if (w->is_split && world_chance(w, 400 * 1000)) {
        unblock(w);
        isolate(w, &w->nodes[r->node_no], true, true, false);
        return;
    }
    if (!(w->is_stormy || w->is_split) || !world_chance(w, w->is_split ? 800 * 1000 : 400 * 1000))
        return;
    if (world_chance(w, 300 * 1000)) {
        /* Its no-op reaches its own disk and no other. */
        unblock(w);
        isolate(w, &w->nodes[r->node_no], true, true, false);
        return;
    }
    uint64_t after_us = w->is_split ? world_uniform(w, 500, 5 * MS) : world_uniform(w, 200, 12 * MS);
    struct sim_event *event = world_schedule(w, w->now_us + after_us, SIM_DOOM);
    event->node = r->node_no;
    event->life = w->nodes[r->node_no].life;
}

void faults_doom(struct world *w, struct sim_node *n)
{
    if (w->is_healing)
        return;
    switch (world_uniform(w, 0, 2)) {
    case 0:
        unblock(w);
        isolate(w, n, true, true, false);
        break;
    case 1:
        stall(w, n);
        break;
    default:
        node_crash(w, n, world_chance(w, 400 * 1000), downtime(w));
    }
}

/* The leader with some of the others on one side, the rest on the other. */
void faults_on_change(struct world *w, struct sim_replica *leader)
{
    if (w->is_healing || !w->is_hasty || !world_chance(w, 300 * 1000))
        return;
    unblock(w);
    uint32_t side = (uint32_t)world_uniform(w, 0, (1U << NODES) - 1) | 1U << (leader->node_no - 1);
    for (uint32_t i = 1; i <= NODES; i++)
        for (uint32_t j = 1; j <= NODES; j++)
            if (((side >> (i - 1)) & 1) != ((side >> (j - 1)) & 1))
                w->is_blocked[i][j] = true;
}

/* A follower hears of the split when others have moved on. */
static void learn_late(struct world *w, const struct sim_replica *leader)
{
    const struct membership *m = group_membership(leader->group);
    uint32_t late = m->members[world_uniform(w, 0, m->count - 1)].node_id;
    unblock(w);
    if (late != leader->node_no)
        isolate(w, &w->nodes[late], true, true, false);
}

/* ... lacking writes from before it as well. */
void faults_before_split(struct world *w, struct sim_replica *leader)
{
    if (world_chance(w, 400 * 1000))
        learn_late(w, leader);
}

/* The entry stays on the leader's own disk, where another one comes over it. */
void faults_lone_split(struct world *w, struct sim_replica *leader)
{
    if (!world_chance(w, 120 * 1000))
        return;
    unblock(w);
    isolate(w, &w->nodes[leader->node_no], true, true, false);
}

/* The moments between a split's proposal and what comes of it. */
void faults_on_split(struct world *w, struct sim_replica *leader)
{
    struct sim_node *n = &w->nodes[leader->node_no];
    switch (world_uniform(w, 0, 7)) {
    case 0:
        n->disk.must_crash = true;
        break;
    case 1:
        unblock(w);
        isolate(w, n, true, true, false);
        break;
    case 2:
        any_node(w)->disk.must_crash = true;
        break;
    case 3: {
        struct sim_event *event = world_schedule(w, w->now_us + world_uniform(w, 200, 40 * MS), SIM_DOOM);
        event->node = n->id;
        event->life = n->life;
        break;
    }
    case 4:
    case 5:
    case 6:
        learn_late(w, leader);
        break;
    default:
        break;
    }
}

/* Cut a leader off the moment it first commits something, before it can say so. */
void faults_on_commit(struct world *w, struct sim_replica *r)
{
    if (w->is_healing || !w->is_split || !world_chance(w, 300 * 1000))
        return;
    unblock(w);
    isolate(w, &w->nodes[r->node_no], true, true, false);
}

void faults_on_transfer(struct world *w, struct sim_replica *r)
{
    if (w->is_healing || !world_chance(w, 300 * 1000))
        return;
    unblock(w);
    isolate(w, &w->nodes[r->node_no], true, false, false);
}

void faults_heal(struct world *w)
{
    world_trace(w, "all is healed");
    w->is_healing = true;
    unblock(w);
    w->loss_ppm = w->duplicate_ppm = w->slow_ppm = 0;
    for (uint32_t id = 1; id <= NODES; id++) {
        w->nodes[id].stalled_until_us = w->now_us;
        w->nodes[id].disk.slow_until_us = w->nodes[id].disk.hang_us = 0;
        w->nodes[id].disk.must_fail = w->nodes[id].disk.must_crash = false;
    }
}

void faults_on_install(struct world *w, struct sim_replica *r)
{
    if (!w->is_healing && world_chance(w, 200 * 1000))
        w->nodes[r->node_no].disk.must_crash = true;
}

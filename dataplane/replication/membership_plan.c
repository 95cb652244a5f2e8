#include "dataplane/replication/membership_plan.h"

static bool has_bit(uint32_t bits, uint32_t at)
{
    return (bits >> at & 1) != 0;
}

static const struct member *find_wanted(const struct membership_view *v, uint64_t replica_id)
{
    for (uint32_t i = 0; i < v->wanted_count; i++)
        if (v->wanted[i].replica_id == replica_id)
            return &v->wanted[i];
    return NULL;
}

static struct membership_step wait(void)
{
    return (struct membership_step){.kind = MEMBERSHIP_STEP_WAIT};
}

static struct membership_step change(const struct membership_view *v, enum membership_change_kind kind,
                                     const struct member *member)
{
    return (struct membership_step){
        .kind = MEMBERSHIP_STEP_CHANGE,
        .change = {.kind = kind, .expected_version = v->current->version, .member = *member}};
}

/* ---- What there is ---- */

/* The wanted one with the lowest id that is not a member and still can become one; NULL: none. */
static const struct member *first_missing(const struct membership_view *v, bool *ret_is_reachable)
{
    const struct member *first = NULL;
    for (uint32_t i = 0; i < v->wanted_count; i++) {
        const struct member *m = &v->wanted[i];
        if (m->replica_id < v->current->replica_id_floor ||
            (first != NULL && m->replica_id > first->replica_id))
            continue;
        first = m;
        *ret_is_reachable = has_bit(v->reachable, i);
    }
    return first;
}

static const struct member *on_node(const struct membership_view *v, uint32_t node_id)
{
    for (uint32_t i = 0; i < v->current->count; i++)
        if (v->current->members[i].node_id == node_id)
            return &v->current->members[i];
    return NULL;
}

/* It was a member once, or others were added before it: another one must be wanted in its place. */
static bool has_impossible(const struct membership_view *v)
{
    for (uint32_t i = 0; i < v->wanted_count; i++)
        if (v->wanted[i].replica_id < v->current->replica_id_floor &&
            membership_find(v->current, v->wanted[i].replica_id) == NULL)
            return true;
    return false;
}

/* Wanted, and not yet a voter. */
static bool has_learner(const struct membership_view *v)
{
    for (uint32_t i = 0; i < v->current->count; i++)
        if (v->current->members[i].role == MEMBER_LEARNER &&
            find_wanted(v, v->current->members[i].replica_id) != NULL)
            return true;
    return false;
}

static const struct member *first_ready(const struct membership_view *v)
{
    for (uint32_t i = 0; i < v->current->count; i++) {
        const struct member *m = &v->current->members[i];
        if (m->role == MEMBER_LEARNER && find_wanted(v, m->replica_id) != NULL && has_bit(v->alive, i) &&
            has_bit(v->caught_up, i))
            return m;
    }
    return NULL;
}

static bool may_remove(const struct membership_view *v, const struct member *leaving)
{
    uint32_t voters = 0, living = 0, living_storage = 0;
    for (uint32_t i = 0; i < v->current->count; i++) {
        const struct member *m = &v->current->members[i];
        if (m->role != MEMBER_VOTER || m == leaving)
            continue;
        voters++;
        living += has_bit(v->alive, i);
        living_storage += has_bit(v->alive, i) && m->kind == MEMBER_STORAGE;
    }
    return voters > 0 && living >= voters / 2 + 1 && living_storage > 0;
}

/* An unwanted voter other than ourselves, dead or alive as asked for, that may go. */
static const struct member *removable(const struct membership_view *v, bool is_alive)
{
    for (uint32_t i = 0; i < v->current->count; i++) {
        const struct member *m = &v->current->members[i];
        if (m->role == MEMBER_VOTER && find_wanted(v, m->replica_id) == NULL && m->replica_id != v->self &&
            has_bit(v->alive, i) == is_alive && may_remove(v, m))
            return m;
    }
    return NULL;
}

static const struct member *unwanted_learner(const struct membership_view *v)
{
    for (uint32_t i = 0; i < v->current->count; i++) {
        const struct member *m = &v->current->members[i];
        if (m->role == MEMBER_LEARNER && find_wanted(v, m->replica_id) == NULL && m->replica_id != v->self)
            return m;
    }
    return NULL;
}

/* ---- What comes next ---- */

static struct membership_step hand_over(const struct membership_view *v)
{
    const struct member *to = NULL;
    for (uint32_t i = 0; i < v->current->count; i++) {
        const struct member *m = &v->current->members[i];
        bool is_able = m->role == MEMBER_VOTER && m->kind == MEMBER_STORAGE && has_bit(v->alive, i) &&
                       find_wanted(v, m->replica_id) != NULL;
        if (is_able && (to == NULL || m->replica_id == v->preferred))
            to = m;
    }
    if (to == NULL)
        return wait();
    return (struct membership_step){.kind = MEMBERSHIP_STEP_TRANSFER, .transfer_to = to->replica_id};
}

/* All that was to be added is there: what is too many goes. */
static struct membership_step shrink(const struct membership_view *v)
{
    const struct member *leaving = removable(v, false);
    if (leaving == NULL)
        leaving = removable(v, true);
    if (leaving != NULL)
        return change(v, MEMBERSHIP_REMOVE, leaving);
    if (find_wanted(v, v->self) == NULL)
        return hand_over(v);
    return v->current->count == v->wanted_count ? (struct membership_step){.kind = MEMBERSHIP_STEP_DONE}
                                                : wait();
}

/* A newcomer is wanted where `old` is: that goes first, if it may. */
static struct membership_step make_room(const struct membership_view *v, const struct member *old)
{
    if (find_wanted(v, old->replica_id) != NULL)
        return wait(); /* two on one node are wanted: that cannot be */
    if (old->replica_id == v->self)
        return hand_over(v);
    return may_remove(v, old) ? change(v, MEMBERSHIP_REMOVE, old) : wait();
}

struct membership_step membership_plan(const struct membership_view *v)
{
    if (v->wanted_count == 0)
        return (struct membership_step){.kind = MEMBERSHIP_STEP_DONE};
    const struct member *learner = unwanted_learner(v);
    if (learner != NULL)
        return change(v, MEMBERSHIP_REMOVE, learner);
    bool is_reachable = false;
    const struct member *missing = first_missing(v, &is_reachable);
    const struct member *in_the_way = missing == NULL ? NULL : on_node(v, missing->node_id);
    if (missing != NULL && in_the_way == NULL && is_reachable && v->current->count < MEMBERS_MAX)
        return change(v, MEMBERSHIP_ADD_LEARNER, missing);
    const struct member *ready = first_ready(v);
    const struct member *dead = ready != NULL ? removable(v, false) : NULL;
    if (dead != NULL)
        return change(v, MEMBERSHIP_REMOVE, dead);
    if (ready != NULL)
        return change(v, MEMBERSHIP_PROMOTE, ready);
    if (has_learner(v))
        return wait();
    if (in_the_way != NULL)
        return make_room(v, in_the_way);
    return missing != NULL || has_impossible(v) ? wait() : shrink(v);
}

/* Three replicas in one process, messages carried by hand: the rules of group.h, one at a time. What many of them do together
 * under faults is the simulator's business (tests/sim). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/replication/group.h"

enum { REPLICAS = 4, QUEUE_MAX = 256, BEGIN_US = 10 * 1000 * 1000, LEASE_US = 1000 * 1000 };

struct replica {
    struct group *group;
    struct support *support;
    struct group_persist_token token; /* of the last persist, not yet reported */
    bool has_token;
    uint64_t commit_index;
    bool is_elected;
    bool is_term_lost;
};

struct cluster {
    struct replica replicas[REPLICAS]; /* replica i + 1 on node i + 1 */
    struct group_message queue[QUEUE_MAX];
    struct group_entry entries[QUEUE_MAX][8]; /* of each queued message */
    uint32_t queued;
    bool is_cut[REPLICAS + 1];
    uint64_t now_us;
    uint8_t write[1];
    uint8_t bodies[64][256]; /* of the log, by index: all replicas' logs agree in these tests */
    size_t body_bytes[64];
    uint64_t terms[64];
};

static void keep(struct cluster *c, const struct group_persist *p)
{
    for (uint32_t i = 0; i < p->entry_count; i++) {
        uint64_t index = p->first_index + i;
        memcpy(c->bodies[index], p->entries[i].body.data, p->entries[i].body.length);
        c->body_bytes[index] = p->entries[i].body.length;
        c->terms[index] = p->entries[i].term;
    }
}

static enum err step(struct cluster *c, uint32_t number, struct group_event event)
{
    struct replica *r = &c->replicas[number - 1];
    struct group_update update;
    event.now_us = c->now_us;
    event.support = r->support;
    group_step(r->group, &event, &update);
    if (update.persist.is_needed) {
        keep(c, &update.persist);
        r->token = update.persist.token;
        r->has_token = true;
    }
    for (uint32_t i = 0; i < update.message_count; i++) {
        struct group_message m = update.messages[i];
        assert_true(m.entry_count <= 8 && c->queued < QUEUE_MAX);
        for (uint32_t e = 0; e < m.entry_count; e++) {
            uint64_t index = m.previous_index + 1 + e;
            c->entries[c->queued][e] =
                (struct group_entry){c->terms[index], slice_make(c->bodies[index], c->body_bytes[index])};
        }
        c->queue[c->queued++] = m;
    }
    r->commit_index = update.commit_index;
    r->is_elected |= update.is_elected;
    r->is_term_lost |= update.is_term_lost;
    return update.err;
}

static void deliver(struct cluster *c)
{
    struct group_message m = c->queue[0];
    struct group_entry entries[8];
    memcpy(entries, c->entries[0], sizeof entries);
    c->queued--;
    memmove(c->queue, c->queue + 1, c->queued * sizeof(c->queue[0]));
    memmove(c->entries, c->entries + 1, c->queued * sizeof(c->entries[0]));
    m.entries = entries;
    if (c->is_cut[m.from_node] || c->is_cut[m.to_node] || c->replicas[m.to_node - 1].group == NULL)
        return;
    (void)step(c, m.to_node, (struct group_event){.kind = GROUP_EVENT_MESSAGE, .message = &m});
}

static void sync_disk(struct cluster *c, uint32_t number)
{
    struct replica *r = &c->replicas[number - 1];
    if (!r->has_token)
        return;
    r->has_token = false;
    (void)step(c, number, (struct group_event){.kind = GROUP_EVENT_PERSISTED, .token = r->token});
}

static void apply(struct cluster *c, uint32_t number)
{
    struct replica *r = &c->replicas[number - 1];
    if (r->group != NULL && r->commit_index > group_status(r->group).applied_index)
        (void)step(c, number, (struct group_event){.kind = GROUP_EVENT_APPLIED, .index = r->commit_index});
}

/* Until nothing is under way: every disk syncs at once. */
static void settle(struct cluster *c)
{
    for (int rounds = 0; rounds < 100; rounds++) {
        while (c->queued > 0)
            deliver(c);
        for (uint32_t i = 1; i <= REPLICAS; i++) {
            if (c->replicas[i - 1].group == NULL)
                continue;
            sync_disk(c, i);
            apply(c, i);
        }
    }
    assert_int_equal(c->queued, 0);
}

static void heartbeats(struct cluster *c)
{
    for (uint32_t from = 1; from <= REPLICAS; from++) {
        for (uint32_t to = 1; to <= REPLICAS; to++) {
            if (from == to || c->is_cut[from] || c->is_cut[to])
                continue;
            struct support_message ask = support_ask(c->replicas[from - 1].support, to, c->now_us);
            struct support_result result;
            assert_int_equal(support_receive(c->replicas[to - 1].support, &ask, c->now_us, &result), ERR_OK);
            struct support_result granted;
            assert_int_equal(
                support_receive(c->replicas[from - 1].support, &result.reply, c->now_us, &granted), ERR_OK);
        }
    }
}

static void tick(struct cluster *c, uint32_t number)
{
    (void)step(c, number, (struct group_event){.kind = GROUP_EVENT_TICK});
}

static void wait(struct cluster *c, uint64_t for_us, uint32_t ticking)
{
    for (uint64_t passed = 0; passed < for_us; passed += 50 * 1000) {
        c->now_us += 50 * 1000;
        heartbeats(c);
        tick(c, ticking);
        settle(c);
    }
}

static void create(struct cluster *c, uint32_t number, enum member_kind kind)
{
    struct replica *r = &c->replicas[number - 1];
    const struct group_options options = {
        .group_id = 7, .replica_id = number, .node_id = number, .kind = kind, .seed = number};
    r->group = group_create(&options);
    assert_non_null(r->group);
}

static int set_up(void **state)
{
    static struct cluster cluster;
    struct cluster *c = &cluster;
    memset(c, 0, sizeof *c);
    c->now_us = BEGIN_US;
    c->write[0] = ENTRY_WRITE;
    const struct member members[] = {
        {.replica_id = 1, .node_id = 1}, {.replica_id = 2, .node_id = 2}, {.replica_id = 3, .node_id = 3}};
    for (uint32_t i = 1; i <= REPLICAS; i++) {
        const struct support_options options = {.node_id = i, .incarnation = 1};
        c->replicas[i - 1].support = support_create(&options, 0);
        if (i > 3)
            continue;
        create(c, i, MEMBER_STORAGE);
        struct group_update update;
        assert_int_equal(group_bootstrap(c->replicas[i - 1].group, members, 3, &update), ERR_OK);
        assert_int_equal(group_start(c->replicas[i - 1].group, 0, 0, c->now_us), ERR_OK);
    }
    *state = c;
    return 0;
}

static int tear_down(void **state)
{
    struct cluster *c = *state;
    for (uint32_t i = 0; i < REPLICAS; i++) {
        group_destroy(c->replicas[i].group);
        support_destroy(c->replicas[i].support);
    }
    return 0;
}

static enum group_role role(const struct cluster *c, uint32_t number)
{
    return group_status(c->replicas[number - 1].group).role;
}

static bool serves(const struct cluster *c, uint32_t number)
{
    return group_can_serve_strong(c->replicas[number - 1].group, c->replicas[number - 1].support, c->now_us);
}

static void elect_first(struct cluster *c)
{
    wait(c, 500 * 1000, 1);
    assert_int_equal(role(c, 1), GROUP_LEADER);
}

static enum err propose(struct cluster *c, uint32_t number)
{
    return step(c, number,
                (struct group_event){.kind = GROUP_EVENT_PROPOSE, .body = slice_make(c->write, 1)});
}

/* ---- Elections ---- */

static void a_leader_is_elected_and_serves_after_its_no_op(void **state)
{
    struct cluster *c = *state;
    elect_first(c);
    assert_true(c->replicas[0].is_elected);
    assert_int_equal(group_status(c->replicas[0].group).noop_index, 1);
    assert_true(serves(c, 1));
    assert_false(serves(c, 2));
    assert_int_equal(group_status(c->replicas[1].group).leader_replica, 1);
}

static void votes_are_asked_for_when_the_own_vote_is_on_disk(void **state)
{
    struct cluster *c = *state;
    tick(c, 1);
    c->now_us += 400 * 1000;
    tick(c, 1);
    while (c->queued > 0)
        deliver(c);
    assert_int_equal(role(c, 1), GROUP_CANDIDATE);
    assert_int_equal(c->queued, 0); /* pre-votes are in, and nothing more is said yet */
    sync_disk(c, 1);
    assert_int_equal(c->queued, 2);
    assert_int_equal(c->queue[0].kind, MESSAGE_VOTE);
}

static void a_vote_leaves_when_it_is_on_disk(void **state)
{
    struct cluster *c = *state;
    const struct group_message ask = {
        .kind = MESSAGE_VOTE, .from_replica = 1, .from_node = 1, .to_replica = 2, .term = 5};
    (void)step(c, 2, (struct group_event){.kind = GROUP_EVENT_MESSAGE, .message = &ask});
    assert_int_equal(c->queued, 0);
    sync_disk(c, 2);
    assert_int_equal(c->queued, 1);
    assert_true(c->queue[0].is_granted);
}

static void one_vote_is_given_in_a_term(void **state)
{
    struct cluster *c = *state;
    const struct group_message first = {
        .kind = MESSAGE_VOTE, .from_replica = 1, .from_node = 1, .to_replica = 2, .term = 5};
    const struct group_message second = {
        .kind = MESSAGE_VOTE, .from_replica = 3, .from_node = 3, .to_replica = 2, .term = 5};
    (void)step(c, 2, (struct group_event){.kind = GROUP_EVENT_MESSAGE, .message = &first});
    (void)step(c, 2, (struct group_event){.kind = GROUP_EVENT_MESSAGE, .message = &second});
    assert_int_equal(c->queued, 1);
    assert_int_equal(c->queue[0].to_replica, 3);
    assert_false(c->queue[0].is_granted);
}

static void nobody_campaigns_while_the_leader_is_heard(void **state)
{
    struct cluster *c = *state;
    elect_first(c);
    uint64_t term = group_status(c->replicas[0].group).term;
    wait(c, 5 * LEASE_US, 2);
    assert_int_equal(group_status(c->replicas[0].group).term, term);
    assert_int_equal(role(c, 2), GROUP_FOLLOWER);
}

static void a_dead_leader_is_replaced_when_its_lease_is_over_and_not_before(void **state)
{
    struct cluster *c = *state;
    elect_first(c);
    wait(c, 200 * 1000, 1);
    c->is_cut[1] = true;
    wait(c, 900 * 1000, 2);
    assert_int_equal(role(c, 2), GROUP_FOLLOWER);
    wait(c, 600 * 1000, 2);
    assert_int_equal(role(c, 2), GROUP_LEADER);
    assert_true(serves(c, 2));
    assert_false(serves(c, 1));
}

static void a_leader_without_a_quorum_steps_down(void **state)
{
    struct cluster *c = *state;
    elect_first(c);
    c->is_cut[2] = c->is_cut[3] = true;
    wait(c, 2 * LEASE_US + 200 * 1000, 1);
    assert_int_not_equal(role(c, 1), GROUP_LEADER);
    assert_true(c->replicas[0].is_term_lost);
}

static void a_restarted_node_does_not_vote_for_a_lease(void **state)
{
    struct cluster *c = *state;
    const struct support_options options = {.node_id = 2, .incarnation = 2};
    support_destroy(c->replicas[1].support);
    c->replicas[1].support = support_create(&options, c->now_us);
    const struct group_message ask = {
        .kind = MESSAGE_VOTE, .from_replica = 1, .from_node = 1, .to_replica = 2, .term = 5};
    (void)step(c, 2, (struct group_event){.kind = GROUP_EVENT_MESSAGE, .message = &ask});
    assert_int_equal(c->queued, 1);
    assert_false(c->queue[0].is_granted);
    c->queued = 0;
    c->now_us += LEASE_US + 100 * 1000;
    (void)step(c, 2, (struct group_event){.kind = GROUP_EVENT_MESSAGE, .message = &ask});
    sync_disk(c, 2);
    assert_true(c->queue[0].is_granted);
}

/* ---- Log ---- */

static void an_entry_commits_when_a_quorum_has_it_on_disk(void **state)
{
    struct cluster *c = *state;
    elect_first(c);
    assert_int_equal(propose(c, 1), ERR_OK);
    while (c->queued > 0)
        deliver(c);
    sync_disk(c, 1);
    assert_int_equal(c->replicas[0].commit_index, 1); /* its own disk is not enough */
    sync_disk(c, 2);
    while (c->queued > 0)
        deliver(c);
    assert_int_equal(c->replicas[0].commit_index, 2);
}

static void proposals_are_refused_by_followers_and_before_the_no_op(void **state)
{
    struct cluster *c = *state;
    assert_int_equal(propose(c, 2), ERR_NOT_LEADER);
    elect_first(c);
    assert_int_equal(propose(c, 2), ERR_NOT_LEADER);
    uint8_t body[1] = {ENTRY_NOOP};
    assert_int_equal(
        step(c, 1, (struct group_event){.kind = GROUP_EVENT_PROPOSE, .body = slice_make(body, 1)}),
        ERR_INVALID);
}

static void proposals_are_bounded(void **state)
{
    struct cluster *c = *state;
    elect_first(c);
    c->is_cut[2] = c->is_cut[3] = true;
    struct replica *r = &c->replicas[0];
    struct group_event event = {.kind = GROUP_EVENT_PROPOSE,
                                .body = slice_make(c->write, 1),
                                .is_more = true,
                                .now_us = c->now_us,
                                .support = r->support};
    struct group_update update = {0};
    for (int i = 0; i < GROUP_TAIL_ENTRIES_MAX && update.err == ERR_OK; i++)
        group_step(r->group, &event, &update);
    assert_int_equal(update.err, ERR_BUSY);
}

static void an_idle_group_is_silent(void **state)
{
    struct cluster *c = *state;
    elect_first(c);
    wait(c, LEASE_US, 1);
    for (int i = 0; i < 100; i++) {
        c->now_us += 50 * 1000;
        heartbeats(c);
        for (uint32_t number = 1; number <= 3; number++)
            tick(c, number);
        assert_int_equal(c->queued, 0);
    }
}

static enum group_rest rest(const struct cluster *c, uint32_t number, uint32_t *ret_node)
{
    return group_rest(c->replicas[number - 1].group, c->replicas[number - 1].support, c->now_us, ret_node);
}

static void an_idle_group_rests_until_a_promise_ends(void **state)
{
    struct cluster *c = *state;
    uint32_t node = 0;
    assert_int_equal(rest(c, 2, &node), GROUP_RESTS_NOT); /* nobody leads yet */
    elect_first(c);
    heartbeats(c);
    assert_int_equal(rest(c, 2, &node), GROUP_RESTS_FOLLOWING);
    assert_int_equal(node, 1);
    assert_int_equal(group_wake_us(c->replicas[1].group, c->replicas[1].support, c->now_us),
                     support_promised_until(c->replicas[1].support, 1));
    assert_int_equal(rest(c, 1, &node), GROUP_RESTS_LEADING);
    assert_int_equal(propose(c, 1), ERR_OK);
    assert_int_equal(rest(c, 1, &node), GROUP_RESTS_NOT); /* it waits for acknowledgements */
    settle(c);
    c->now_us += LEASE_US + 1;
    assert_int_equal(rest(c, 2, &node), GROUP_RESTS_NOT);
    assert_int_equal(rest(c, 1, &node), GROUP_RESTS_NOT);
}

/* Its last tick was long ago: only what it is told of the time since keeps it from stepping down at the first doubt. */
static void a_leader_at_rest_is_told_until_when_it_had_its_lease(void **state)
{
    struct cluster *c = *state;
    for (int is_told = 0; is_told < 2; is_told++) {
        tear_down(state);
        set_up(state);
        elect_first(c);
        for (int i = 0; i < 50; i++) { /* ten seconds without a tick */
            c->now_us += 200 * 1000;
            heartbeats(c);
        }
        uint64_t held_us = c->now_us;
        c->now_us += LEASE_US; /* nobody supports it any more */
        (void)step(c, 1, (struct group_event){.kind = GROUP_EVENT_TICK, .held_us = is_told ? held_us : 0});
        assert_int_equal(role(c, 1), is_told ? GROUP_LEADER : GROUP_FOLLOWER);
    }
}

static void messages_for_another_replica_id_are_refused(void **state)
{
    struct cluster *c = *state;
    const struct group_message ask = {
        .kind = MESSAGE_VOTE, .from_replica = 1, .from_node = 1, .to_replica = 9, .term = 5};
    assert_int_equal(step(c, 2, (struct group_event){.kind = GROUP_EVENT_MESSAGE, .message = &ask}),
                     ERR_INVALID);
}

/* A leader of term 7 that has said what follows entry 1, and then says otherwise. */
static void a_leader_that_contradicts_itself_is_refused(void **state)
{
    struct cluster *c = *state;
    elect_first(c);
    const struct group_entry first[] = {{2, slice_make(c->write, 1)}, {2, slice_make(c->write, 1)}};
    const struct group_entry other[] = {{3, slice_make(c->write, 1)}};
    struct group_message append = {.kind = MESSAGE_APPEND,
                                   .from_replica = 3,
                                   .from_node = 3,
                                   .to_replica = 2,
                                   .term = 7,
                                   .incarnation = 1,
                                   .previous_index = 1,
                                   .previous_term = 1,
                                   .entries = first,
                                   .entry_count = 2};
    assert_int_equal(step(c, 2, (struct group_event){.kind = GROUP_EVENT_MESSAGE, .message = &append}),
                     ERR_OK);
    assert_int_equal(group_status(c->replicas[1].group).last_index, 3);
    append.entries = other;
    append.entry_count = 1;
    append.commit_index = 3;
    assert_int_equal(step(c, 2, (struct group_event){.kind = GROUP_EVENT_MESSAGE, .message = &append}),
                     ERR_INVALID);
    assert_int_equal(group_status(c->replicas[1].group).last_index, 3);
    assert_int_equal(group_status(c->replicas[1].group).commit_index, 1);
}

/* ---- Membership and transfer ---- */

static enum err change(struct cluster *c, enum membership_change_kind kind, uint64_t version, uint32_t number,
                       enum member_kind member)
{
    const struct membership_change wanted = {
        .kind = kind,
        .expected_version = version,
        .member = {.replica_id = number, .node_id = number, .kind = member}};
    return step(c, 1, (struct group_event){.kind = GROUP_EVENT_CHANGE, .change = &wanted});
}

static void a_newcomer_learns_and_is_promoted(void **state)
{
    struct cluster *c = *state;
    elect_first(c);
    create(c, 4, MEMBER_STORAGE);
    assert_int_equal(group_start(c->replicas[3].group, 0, 0, c->now_us), ERR_OK);
    assert_int_equal(change(c, MEMBERSHIP_ADD_LEARNER, 7, 4, MEMBER_STORAGE), ERR_STALE);
    assert_int_equal(change(c, MEMBERSHIP_ADD_LEARNER, 1, 4, MEMBER_STORAGE), ERR_OK);
    assert_int_equal(change(c, MEMBERSHIP_PROMOTE, 2, 4, MEMBER_STORAGE), ERR_BUSY); /* one at a time */
    settle(c);
    assert_int_equal(group_status(c->replicas[3].group).leader_replica, 1);
    assert_int_equal(change(c, MEMBERSHIP_PROMOTE, 2, 4, MEMBER_STORAGE), ERR_OK);
    settle(c);
    assert_int_equal(membership_voter_count(group_membership(c->replicas[1].group)), 4);
    assert_int_equal(change(c, MEMBERSHIP_REMOVE, 3, 1, MEMBER_STORAGE), ERR_BUSY); /* itself */
    assert_int_equal(change(c, MEMBERSHIP_REMOVE, 3, 2, MEMBER_STORAGE), ERR_OK);
    settle(c);
    assert_int_equal(change(c, MEMBERSHIP_ADD_LEARNER, 4, 2, MEMBER_STORAGE),
                     ERR_INVALID); /* that id is gone for good */
}

static void a_leadership_is_handed_over_without_waiting_for_the_lease(void **state)
{
    struct cluster *c = *state;
    elect_first(c);
    assert_int_equal(step(c, 1, (struct group_event){.kind = GROUP_EVENT_TRANSFER, .replica_id = 3}), ERR_OK);
    assert_false(serves(c, 1)); /* from here on, whatever becomes of it */
    settle(c);
    assert_int_equal(role(c, 3), GROUP_LEADER);
    heartbeats(c);
    assert_true(serves(c, 3));
}

/* Votes and entries have connections of their own, so the last entries may come after the word to take over. */
static void whoever_takes_over_is_not_held_back_by_what_came_late(void **state)
{
    struct cluster *c = *state;
    elect_first(c);
    uint64_t last = group_status(c->replicas[2].group).last_index;
    const struct group_message late = {.kind = MESSAGE_APPEND,
                                       .from_replica = 1,
                                       .to_replica = 3,
                                       .from_node = 1,
                                       .to_node = 3,
                                       .term = 1,
                                       .previous_index = last,
                                       .previous_term = 1,
                                       .commit_index = last,
                                       .sequence = 1000,
                                       .incarnation = 1};
    assert_int_equal(step(c, 1, (struct group_event){.kind = GROUP_EVENT_TRANSFER, .replica_id = 3}), ERR_OK);
    deliver(c);
    assert_int_equal(role(c, 3), GROUP_PRE_CANDIDATE);
    assert_int_equal(step(c, 3, (struct group_event){.kind = GROUP_EVENT_MESSAGE, .message = &late}),
                     ERR_STALE);
    assert_int_equal(role(c, 3), GROUP_PRE_CANDIDATE);
    settle(c);
    assert_int_equal(role(c, 3), GROUP_LEADER);
}

static void what_was_restored_goes_on_where_it_was(void **state)
{
    struct cluster *c = *state;
    elect_first(c);
    assert_int_equal(propose(c, 1), ERR_OK);
    settle(c);
    const struct group_options options = {.group_id = 7, .replica_id = 2, .node_id = 2, .seed = 9};
    struct group *g = group_create(&options);
    struct group_update update;
    const struct member members[] = {
        {.replica_id = 1, .node_id = 1}, {.replica_id = 2, .node_id = 2}, {.replica_id = 3, .node_id = 3}};
    assert_int_equal(group_bootstrap(g, members, 3, &update), ERR_OK);
    uint8_t body[GROUP_HARD_STATE_BYTES_MAX];
    memcpy(body, update.persist.hard_state.data, update.persist.hard_state.length);
    body[1] = 1; /* term */
    struct group *back = group_create(&options);
    assert_int_equal(group_restore_hard_state(back, slice_make(body, update.persist.hard_state.length)),
                     ERR_OK);
    for (uint64_t i = 1; i <= 2; i++)
        assert_int_equal(
            group_restore_entry(back, i, c->terms[i], slice_make(c->bodies[i], c->body_bytes[i])), ERR_OK);
    assert_int_equal(group_restore_entry(back, 3, 1, SLICE_EMPTY), ERR_CORRUPT);
    assert_int_equal(group_start(back, 2, 1, c->now_us), ERR_OK);
    assert_int_equal(group_status(back).last_index, 2);
    assert_int_equal(group_status(back).term, 1);
    group_destroy(back);
    back = group_create(&options);
    assert_int_equal(group_restore_hard_state(back, slice_make(body, update.persist.hard_state.length)),
                     ERR_OK);
    assert_int_equal(group_start(back, 2, 1, c->now_us), ERR_CORRUPT); /* the store is ahead of the log */
    group_destroy(back);
    back = group_create(&options);
    assert_int_equal(group_restore_hard_state(back, slice_make(body, update.persist.hard_state.length)),
                     ERR_OK);
    assert_int_equal(group_restore_entry(back, 9, 1, slice_make(c->write, 1)), ERR_OK);
    assert_int_equal(group_start(back, 0, 0, c->now_us), ERR_CORRUPT); /* entries 1 to 8 are missing */
    group_destroy(back);
    group_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_leader_is_elected_and_serves_after_its_no_op, set_up, tear_down),
        cmocka_unit_test_setup_teardown(votes_are_asked_for_when_the_own_vote_is_on_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_vote_leaves_when_it_is_on_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_vote_is_given_in_a_term, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_campaigns_while_the_leader_is_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_leader_is_replaced_when_its_lease_is_over_and_not_before,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_leader_without_a_quorum_steps_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_restarted_node_does_not_vote_for_a_lease, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_entry_commits_when_a_quorum_has_it_on_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(proposals_are_refused_by_followers_and_before_the_no_op, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(proposals_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_idle_group_is_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_idle_group_rests_until_a_promise_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_leader_at_rest_is_told_until_when_it_had_its_lease, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(messages_for_another_replica_id_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_leader_that_contradicts_itself_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_newcomer_learns_and_is_promoted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_leadership_is_handed_over_without_waiting_for_the_lease, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(whoever_takes_over_is_not_held_back_by_what_came_late, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_restored_goes_on_where_it_was, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Messages between nodes. The first byte chooses: one of the decoders alone, or a replica of a group of three that is
 * told anything by anybody. */
#include "dataplane/replication/group.h"
#include "tests/fuzz/fuzz.h"

enum { ENTRIES_MAX = 16, PERSISTS_MAX = 64, STEPS_MAX = 200 };

/* One byte as a number: small ones, or the largest that there are. */
static uint64_t take_number(struct slice *input)
{
    uint8_t value = fuzz_byte(input);
    return value < 250 ? value : UINT64_MAX - (255U - value);
}

/* ---- decoders ---- */

static void check_message(struct slice bytes)
{
    struct group_message message;
    struct buffer again = fuzz_buffer();
    if (message_decode(bytes, &message) == ERR_OK) {
        message_encode(&message, &again);
        ASSERT(slice_equal(buffer_view(&again), bytes));
    }
    buffer_deinit(&again);
}

static void check_entries(struct slice bytes)
{
    struct group_entry entries[ENTRIES_MAX];
    struct buffer again = fuzz_buffer();
    uint32_t count = fuzz_byte(&bytes) % ENTRIES_MAX;
    if (append_entries_decode(bytes, count, entries) == ERR_OK) {
        for (uint32_t i = 0; i < count; i++)
            append_entry_encode(&entries[i], &again);
        ASSERT(slice_equal(buffer_view(&again), bytes));
    }
    buffer_deinit(&again);
}

static void check_membership(struct slice bytes)
{
    struct membership m, changed;
    struct buffer again = fuzz_buffer();
    if (membership_decode(bytes, &m) == ERR_OK) {
        membership_encode(&m, &again);
        ASSERT(slice_equal(buffer_view(&again), bytes));
        ASSERT(membership_quorum(&m) * 2 > membership_voter_count(&m));
        struct membership_change change = {.kind = MEMBERSHIP_REMOVE,
                                           .expected_version = m.version,
                                           .member.replica_id = m.members[0].replica_id};
        if (membership_apply(&m, &change, &changed) == ERR_OK)
            ASSERT(membership_is_removed(&changed, m.members[0].replica_id));
    }
    buffer_deinit(&again);
}

static void check_heartbeat(struct slice bytes)
{
    struct support_message message;
    uint8_t again[SUPPORT_MESSAGE_BYTES];
    if (support_message_decode(bytes, &message) != ERR_OK)
        return;
    support_message_encode(&message, again);
    ASSERT(slice_equal(slice_make(again, sizeof again), bytes));
}

static void check_restore(struct slice bytes)
{
    struct group *g = group_create(&(struct group_options){.group_id = 1, .replica_id = 11, .node_id = 1});
    ASSERT(g != NULL);
    enum err err = ERR_OK;
    while (err == ERR_OK && bytes.length > 0) {
        uint8_t what = fuzz_byte(&bytes);
        uint64_t index = take_number(&bytes), term = take_number(&bytes);
        struct slice body = fuzz_bytes(&bytes, fuzz_byte(&bytes));
        if (what % 5 == 0)
            err = group_restore_hard_state(g, body);
        else if (what % 5 == 1)
            err = group_restore_entry(g, index, term, body);
        else if (what % 5 == 2)
            err = group_restore_truncate_suffix(g, index);
        else if (what % 5 == 3)
            err = group_restore_log_start(g, index, term);
        else
            err = group_restore_snapshot(g, index, term, body);
        ASSERT(err == ERR_OK || err == ERR_CORRUPT);
    }
    if (err == ERR_OK)
        err = group_start(g, 3, 1, 1);
    ASSERT(err == ERR_OK || err == ERR_CORRUPT);
    group_destroy(g);
}

/* ---- a replica among strangers ---- */

struct stranger {
    struct group *group;
    struct support *support;
    uint64_t now_us;
    uint64_t commit_index;                           /* as the last update told it: may be applied */
    struct group_persist_token tokens[PERSISTS_MAX]; /* not yet durable, oldest first */
    unsigned token_count;
};

/* The update keeps what the header promises; what it wants durable is remembered. */
static void take(struct stranger *s, const struct group_update *update)
{
    struct group_status status = group_status(s->group);
    ASSERT(update->message_count <= GROUP_MESSAGES_MAX);
    ASSERT(status.commit_index <= status.last_index || status.last_index == 0);
    ASSERT(status.applied_index <= status.commit_index);
    s->commit_index = update->commit_index;
    if (!update->persist.is_needed)
        return;
    if (s->token_count < PERSISTS_MAX)
        s->tokens[s->token_count++] = update->persist.token;
}

static void step(struct stranger *s, struct group_event event)
{
    struct group_update update;
    event.now_us = s->now_us;
    event.support = s->support;
    group_step(s->group, &event, &update);
    take(s, &update);
}

static void step_persisted(struct stranger *s)
{
    if (s->token_count == 0)
        return;
    struct group_persist_token token = s->tokens[0];
    memmove(s->tokens, s->tokens + 1, --s->token_count * sizeof s->tokens[0]);
    step(s, (struct group_event){.kind = GROUP_EVENT_PERSISTED, .token = token});
}

/* One that is spelt out in a few bytes, so that it often is to the point. */
static struct group_message read_short_message(struct slice *input)
{
    uint8_t kind = fuzz_byte(input), from = fuzz_byte(input), flags = fuzz_byte(input);
    struct group_message m = {.kind = (enum message_kind)(MESSAGE_PRE_VOTE + kind % MESSAGE_REMOVED),
                              .from_replica = 11U + from % 4,
                              .to_replica = 11,
                              .from_node = 1U + from % 4,
                              .is_granted = (flags & 1) != 0,
                              .hears_leader = (flags & 2) != 0,
                              .incarnation = 1};
    uint64_t *const fields[] = {
        &m.term,          &m.last_index,    &m.last_term,         &m.relinquished_term, &m.previous_index,
        &m.previous_term, &m.commit_index,  &m.sequence,          &m.match_index,       &m.hint_index,
        &m.hint_term,     &m.support_epoch, &m.membership_version};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        *fields[i] = take_number(input);
    return m;
}

static void step_message(struct stranger *s, struct slice *input, bool is_short)
{
    struct group_entry entries[ENTRIES_MAX];
    struct group_message message;
    if (is_short)
        message = read_short_message(input);
    else if (message_decode(fuzz_bytes(input, fuzz_byte(input)), &message) != ERR_OK)
        return;
    struct buffer fields = fuzz_buffer(), payload = fuzz_buffer();
    message.entry_count = fuzz_byte(input) % ENTRIES_MAX;
    message.entries = entries;
    for (uint32_t i = 0; i < message.entry_count; i++) {
        uint64_t term = take_number(input);
        struct group_entry entry = {term, fuzz_bytes(input, fuzz_byte(input))};
        append_entry_encode(&entry, &payload);
    }
    message_encode(&message, &fields);
    /* As a node does it: what does not decode is not given to the core. */
    if (message_decode(buffer_view(&fields), &message) == ERR_OK &&
        append_entries_decode(buffer_view(&payload), message.entry_count, entries) == ERR_OK) {
        message.entries = entries;
        step(s, (struct group_event){.kind = GROUP_EVENT_MESSAGE, .message = &message});
    }
    buffer_deinit(&fields);
    buffer_deinit(&payload);
}

static void step_heartbeat(struct stranger *s, struct slice *input)
{
    uint8_t node = fuzz_byte(input), is_grant = fuzz_byte(input);
    struct support_message message = {.is_grant = is_grant % 2 == 1,
                                      .from_node = 2U + node % 2,
                                      .to_node = 1,
                                      .asker_incarnation = 1,
                                      .sent_us = s->now_us,
                                      .epoch = fuzz_byte(input),
                                      .lease_us = 1000000};
    struct support_result result;
    enum err err = support_receive(s->support, &message, s->now_us, &result);
    ASSERT(err == ERR_OK || err == ERR_STALE || err == ERR_INVALID);
    step(s, (struct group_event){.kind = GROUP_EVENT_TICK});
}

static void step_change(struct stranger *s, struct slice *input)
{
    uint8_t what = fuzz_byte(input), id = fuzz_byte(input);
    struct membership_change change = {.kind = (enum membership_change_kind)(what % 3),
                                       .expected_version = group_membership(s->group)->version,
                                       .member = {.replica_id = 11U + id % 8, .node_id = 1U + id % 8}};
    step(s, (struct group_event){.kind = GROUP_EVENT_CHANGE, .change = &change});
}

static void step_any(struct stranger *s, struct slice *input)
{
    static const uint8_t WRITE[] = {ENTRY_WRITE, 'w'};
    uint8_t what = fuzz_byte(input);
    switch (what % 10) {
    case 0:
        s->now_us += 10000U * fuzz_byte(input);
        step(s, (struct group_event){.kind = GROUP_EVENT_TICK});
        break;
    case 1:
        step_persisted(s);
        break;
    case 2:
        step(s, (struct group_event){.kind = GROUP_EVENT_APPLIED, .index = s->commit_index});
        break;
    case 3:
        step(s, (struct group_event){.kind = GROUP_EVENT_PROPOSE, .body = slice_make(WRITE, sizeof WRITE)});
        break;
    case 4:
        step_heartbeat(s, input);
        break;
    case 5:
        step_change(s, input);
        break;
    case 6:
        step(s, (struct group_event){.kind = GROUP_EVENT_TRANSFER, .replica_id = fuzz_byte(input) % 16});
        break;
    case 7:
        step_message(s, input, false);
        break;
    default:
        step_message(s, input, true);
        break;
    }
}

static void check_replica(struct slice input)
{
    const struct member members[] = {
        {.replica_id = 11, .node_id = 1}, {.replica_id = 12, .node_id = 2}, {.replica_id = 13, .node_id = 3}};
    struct stranger s = {.now_us = 10000000};
    struct group_update update;
    s.group = group_create(&(struct group_options){.group_id = 1, .replica_id = 11, .node_id = 1, .seed = 1});
    s.support = support_create(&(struct support_options){.node_id = 1, .incarnation = 1}, 1);
    ASSERT(s.group != NULL && s.support != NULL);
    ASSERT(group_bootstrap(s.group, members, 3, &update) == ERR_OK);
    ASSERT(group_start(s.group, 0, 0, s.now_us) == ERR_OK);
    for (int i = 0; i < STEPS_MAX && input.length > 0; i++) {
        step_any(&s, &input);
        if (s.token_count == PERSISTS_MAX)
            step_persisted(&s);
    }
    group_destroy(s.group);
    support_destroy(s.support);
}

void fuzz_input(struct slice input)
{
    static void (*const CHECKS[])(struct slice) = {check_replica,    check_message,   check_entries,
                                                   check_membership, check_heartbeat, check_restore};
    uint8_t choice = fuzz_byte(&input);
    CHECKS[choice % (sizeof CHECKS / sizeof CHECKS[0])](input);
}

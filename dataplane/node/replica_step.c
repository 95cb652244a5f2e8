/* Around the replication core: events go in with a fresh clock, actions come out as appends to the log,
 * messages to peers, and work for the apply step. Nothing here decides anything. */
#include "base/assert.h"
#include "base/clock.h"
#include "dataplane/node/node_internal.h"
#include "dataplane/proto/frame_type.h"

enum {
    APPEND_BYTES_MAX = 1024 * 1024, /* of entries in one message */
    LOG_READS_MAX = 8,              /* at a time, of entries that are not in memory any more */
    PERSIST_RECORDS_MAX = GROUP_TAIL_ENTRIES_MAX + 2,
};

/* ---- to the log ---- */

struct persisting {
    struct replica *replica;
    struct group_persist_token token;
};

static void on_persisted(void *cookie, enum err err)
{
    struct persisting *persisting = cookie;
    struct replica *r = persisting->replica;
    struct shard *s = r->shard;
    struct group_event event = {.kind = GROUP_EVENT_PERSISTED, .token = persisting->token};
    memory_free(persisting);
    shard_append_ends(s);
    if (err != ERR_OK) {
        node_fail(s->node, "log", err);
        return;
    }
    if (r->state == REPLICA_CREATING && !s->is_closing)
        r->split.parent_group != 0 ? split_child_durable(r) : replica_created(r);
    struct group_update update;
    if (r->state == REPLICA_ACTIVE)
        (void)replica_step(r, &event, &update); /* an error only says that the term has moved on */
}

/* The entries' bytes stay in memory from here on: for messages, for applying, for the overlay. */
static enum err keep_entries(struct replica *r, const struct group_persist *persist)
{
    if (persist->truncate_from != 0)
        entry_cache_truncate(&r->entries, persist->truncate_from);
    for (uint32_t i = 0; i < persist->entry_count; i++)
        TRY(entry_cache_put(&r->entries, persist->first_index + i, persist->entries[i].term,
                            persist->entries[i].body));
    return ERR_OK;
}

static size_t make_records(struct replica *r, const struct group_persist *persist,
                           struct segment_record *records)
{
    size_t count = 0;
    if (persist->has_hard_state)
        records[count++] = (struct segment_record){
            .type = SEGMENT_HARD_STATE, .term = persist->hard_state_term, .body = persist->hard_state};
    if (persist->truncate_from != 0)
        records[count++] =
            (struct segment_record){.type = SEGMENT_TRUNCATE_SUFFIX, .index = persist->truncate_from};
    for (uint32_t i = 0; i < persist->entry_count; i++)
        records[count++] = (struct segment_record){.type = SEGMENT_ENTRY,
                                                   .index = persist->first_index + i,
                                                   .term = persist->entries[i].term,
                                                   .body = persist->entries[i].body};
    return count;
}

enum err replica_persist(struct replica *r, const struct group_persist *persist)
{
    struct shard *s = r->shard;
    if (!persist->is_needed)
        return ERR_OK;
    ASSERT(persist->entry_count + 2 <= PERSIST_RECORDS_MAX);
    TRY(keep_entries(r, persist));
    for (uint32_t i = 0; i < persist->entry_count; i++)
        loop_turn_take(s->loop, persist->entries[i].body.length);
    struct persisting *persisting = memory_alloc(sizeof *persisting);
    if (persisting == NULL)
        return ERR_NO_MEMORY;
    *persisting = (struct persisting){r, persist->token};
    struct segment_record records[PERSIST_RECORDS_MAX];
    size_t count = make_records(r, persist, records);
    enum err err = wal_append(r->log, records, count, on_persisted, persisting);
    if (err != ERR_OK) {
        memory_free(persisting);
        return err;
    }
    shard_append_begins(s);
    return ERR_OK;
}

/* ---- to peers ---- */

/* What log replicas and their leaders tell each other beside the core (replica_membership.c). */
static void add_log_bounds(struct replica *r, const struct group_message *message,
                           Sluice__Dataplane__Replication *header)
{
    if (message->kind == MESSAGE_APPEND_RESPONSE && r->kind == MEMBER_LOG)
        header->first_index = group_status(r->group).first_index;
    if (message->kind != MESSAGE_APPEND)
        return;
    const struct member *to = membership_find(group_membership(r->group), message->to_replica);
    if (to != NULL && to->kind == MEMBER_LOG)
        header->kept_index = replica_kept_index(r);
}

static void send_frame(struct replica *r, const struct group_message *message, struct slice payload)
{
    struct shard *s = r->shard;
    buffer_clear(&s->fields);
    message_encode(message, &s->fields);
    if (buffer_has_failed(&s->fields))
        return; /* as if lost; it is sent again */
    Sluice__Dataplane__Replication header = SLUICE__DATAPLANE__REPLICATION__INIT;
    header.group_id = r->group_id;
    header.from_replica = message->from_replica;
    header.to_replica = message->to_replica;
    header.kind = message->kind;
    header.term = message->term;
    header.fields = proto_bytes(buffer_view(&s->fields));
    add_log_bounds(r, message, &header);
    const struct wire_message frame = {
        .type = DATAPLANE_FRAME_REPLICATION,
        .header = &header.base,
        .payload = &payload,
        .payload_count = payload.length > 0,
    };
    enum peer_channel channel =
        message_lane(message->kind) == MESSAGE_LANE_VOTES ? PEER_CHANNEL_BEAT : PEER_CHANNEL_LOG;
    enum err err = peers_send(s->peers, message->to_node, r->group_id, channel, &frame);
    metric_increment(err == ERR_OK ? &s->metrics.replication_sent : &s->metrics.replication_dropped);
}

/* As many of the message's entries as are in memory and fit; 0 when the first is not there. */
static uint32_t attach_cached(struct replica *r, const struct group_message *message, struct buffer *payload)
{
    uint32_t count = 0;
    for (; count < message->entry_count; count++) {
        const struct cached_entry *e = entry_cache_find(&r->entries, message->previous_index + 1 + count);
        if (e == NULL ||
            (count > 0 && payload->length + append_entry_bytes(e->body.length) > APPEND_BYTES_MAX))
            break;
        const struct group_entry entry = {e->term, e->body};
        append_entry_encode(&entry, payload);
    }
    return count;
}

struct log_read {
    struct replica *replica;
    struct group_message message;
};

static void on_log_read(void *cookie, enum err err, const struct segment_record *entries, size_t count)
{
    struct log_read *read = cookie;
    struct replica *r = read->replica;
    struct shard *s = r->shard;
    r->log_reads_in_flight--;
    if (err == ERR_CORRUPT)
        replica_quarantine(r, "log_read_back");
    if (err == ERR_OK && r->state == REPLICA_ACTIVE) {
        buffer_clear(&s->scratch);
        for (size_t i = 0; i < count; i++) {
            const struct group_entry entry = {entries[i].term, entries[i].body};
            append_entry_encode(&entry, &s->scratch);
        }
        read->message.entry_count = (uint32_t)count;
        if (!buffer_has_failed(&s->scratch))
            send_frame(r, &read->message, buffer_view(&s->scratch));
    }
    memory_free(read);
}

/* A follower is far behind: its entries come from disk. What cannot be read now is asked for again. */
static void send_from_log(struct replica *r, const struct group_message *message)
{
    if (r->log_reads_in_flight >= LOG_READS_MAX)
        return;
    struct log_read *read = memory_alloc(sizeof *read);
    if (read == NULL)
        return;
    *read = (struct log_read){r, *message};
    uint64_t first = message->previous_index + 1;
    enum err err = wal_group_read(r->log, first, message->previous_index + message->entry_count,
                                  APPEND_BYTES_MAX, on_log_read, read);
    if (err != ERR_OK)
        memory_free(read);
    else
        r->log_reads_in_flight++;
}

static void send_message(struct replica *r, const struct group_message *message)
{
    struct shard *s = r->shard;
    if (message->kind != MESSAGE_APPEND || message->entry_count == 0) {
        send_frame(r, message, SLICE_EMPTY);
        return;
    }
    buffer_clear(&s->scratch);
    struct group_message bounded = *message;
    bounded.entry_count = attach_cached(r, message, &s->scratch);
    if (bounded.entry_count == 0)
        send_from_log(r, message);
    else if (!buffer_has_failed(&s->scratch))
        send_frame(r, &bounded, buffer_view(&s->scratch));
}

/* ---- the step ---- */

static void arm_wake(struct replica *r, uint64_t wake_us)
{
    struct shard *s = r->shard;
    /* A timer that fires too early only ticks once more: cheaper than moving it with every step. */
    if (!loop_timer_is_started(&r->wake) || wake_us < r->wake.due_us)
        loop_timer_start(s->loop, &r->wake, wake_us);
}

static void act(struct replica *r, const struct group_update *update)
{
    struct shard *s = r->shard;
    if (update->is_term_lost)
        replica_lose_term(r);
    enum err err = replica_persist(r, &update->persist);
    if (err != ERR_OK) {
        node_fail(s->node, "log", err);
        return;
    }
    for (uint32_t i = 0; i < update->message_count; i++)
        send_message(r, &update->messages[i]);
    if (update->commit_index > r->commit_index) {
        r->commit_index = update->commit_index;
        loop_defer(s->loop, &r->work);
    }
    if (update->is_elected) {
        r->wants_lead = true;
        metric_increment(&s->metrics.elections_won);
        loop_defer(s->loop, &r->work);
    }
    if (update->is_elected || update->is_term_lost || update->is_membership_changed ||
        update->is_leader_known_changed)
        replica_report(r);
    if (update->is_membership_changed && r->is_leading)
        publisher_mark(s->publisher, r->group_id);
    for (uint32_t i = 0; i < update->snapshot_count; i++)
        snapshot_send(r, &update->snapshots[i]);
    if (update->is_removed && !replica_remove(r))
        log_warn("replica_not_removed", "group=%llu",
                 (unsigned long long)r->group_id); /* control will ask for it */
}

enum err replica_step(struct replica *r, struct group_event *event, struct group_update *ret_update)
{
    struct node *n = r->shard->node;
    event->support = node_support_lock(n);
    event->now_us = clock_boot_us();
    group_step(r->group, event, ret_update);
    uint32_t rests_on = 0;
    enum group_rest rest = group_rest(r->group, event->support, event->now_us, &rests_on);
    uint64_t wake_us =
        rest == GROUP_RESTS_NOT ? group_wake_us(r->group, event->support, event->now_us) : UINT64_MAX;
    node_support_unlock(n);
    act(r, ret_update);
    if (r->state != REPLICA_ACTIVE)
        return ret_update->err;
    if (!replica_rest(r, rest, rests_on))
        arm_wake(r, rest == GROUP_RESTS_NOT ? wake_us : event->now_us + support_lease_us(n->support) / 2);
    else if (loop_timer_is_started(&r->wake))
        loop_timer_stop(r->shard->loop, &r->wake);
    return ret_update->err;
}

bool replica_can_serve_strong(struct replica *r)
{
    struct node *n = r->shard->node;
    bool can_serve = group_can_serve_strong(r->group, node_support_lock(n), clock_boot_us());
    node_support_unlock(n);
    return can_serve;
}

bool replica_can_serve_eventual(struct replica *r)
{
    struct node *n = r->shard->node;
    bool can_serve = group_can_serve_eventual(r->group, node_support_lock(n), clock_boot_us());
    node_support_unlock(n);
    return can_serve;
}

void replica_tick(struct replica *r)
{
    replica_tick_held(r, replica_held_us(r));
}

void replica_tick_held(struct replica *r, uint64_t held_us)
{
    struct group_event tick = {.kind = GROUP_EVENT_TICK, .held_us = held_us};
    struct group_update update;
    if (r->state == REPLICA_ACTIVE)
        (void)replica_step(r, &tick, &update); /* a tick cannot be refused */
}

/* ---- from peers ---- */

/* The header lives in the arena. */
static enum err decode(struct shard *s, const struct frame *frame,
                       const Sluice__Dataplane__Replication **ret_header, struct group_message *ret_message)
{
    arena_reset(&s->arena);
    const Sluice__Dataplane__Replication *header =
        proto_unpack(&sluice__dataplane__replication__descriptor, frame->header, &s->arena);
    if (header == NULL)
        return arena_has_failed(&s->arena) ? ERR_NO_MEMORY : ERR_INVALID;
    *ret_header = header;
    return message_decode(proto_slice(header->fields), ret_message);
}

void replica_take_frame(struct shard *s, uint32_t from_node, const struct frame *frame)
{
    const Sluice__Dataplane__Replication *header;
    struct group_message message;
    if (decode(s, frame, &header, &message) != ERR_OK || message.entry_count > GROUP_TAIL_ENTRIES_MAX ||
        from_node == 0 || from_node != message.from_node) {
        metric_increment(&s->metrics.messages_malformed);
        return;
    }
    struct group_entry entries[GROUP_TAIL_ENTRIES_MAX];
    if (append_entries_decode(frame->payload, message.entry_count, entries) != ERR_OK) {
        metric_increment(&s->metrics.messages_malformed);
        return;
    }
    message.entries = entries;
    struct replica *r = replica_find(s, header->group_id);
    if (r == NULL ||
        r->state != REPLICA_ACTIVE) { /* not created yet, or gone: the sender repeats what matters */
        if (s->births > 0)
            early_frames_keep(&s->early, header->group_id, from_node, frame);
        return;
    }
    uint64_t first_index = header->first_index, kept_index = header->kept_index;
    struct group_event event = {.kind = GROUP_EVENT_MESSAGE, .message = &message};
    struct group_update update;
    enum err err = replica_step(r, &event, &update);
    if (err == ERR_INVALID)
        metric_increment(&s->metrics.messages_malformed);
    if (err == ERR_OK && r->state == REPLICA_ACTIVE)
        replica_note_log_bounds(r, message.from_replica, first_index, kept_index);
}

void replica_on_frame(struct shard *s, struct wire_call call, const struct frame *frame)
{
    struct wire_identity peer;
    bool is_node = wire_call_peer(call, &peer) && peer.role == WIRE_ROLE_NODE;
    metric_increment(&s->metrics.replication_received);
    replica_take_frame(s, is_node ? peer.node_id : 0, frame);
}

/* ---- routes ---- */

static Sluice__Dataplane__ReplicaAddress *address_of(struct replica *r, const struct member *member,
                                                     struct arena *arena)
{
    Sluice__Dataplane__ReplicaAddress *address = arena_alloc(arena, sizeof *address);
    const struct peer_address *peer = peers_find(r->shard->peers, member->node_id);
    if (address == NULL || peer == NULL)
        return NULL;
    sluice__dataplane__replica_address__init(address);
    address->replica_id = member->replica_id;
    address->node_id = member->node_id;
    address->kind = member->role == MEMBER_LEARNER ? 2 : (uint32_t)member->kind;
    address->port = peer_port(peer, r->group_id);
    address->host = arena_string(arena, slice_from_string(peer->host));
    address->zone = arena_string(arena, slice_from_string(peer->zone));
    return arena_has_failed(arena) ? NULL : address;
}

Sluice__Dataplane__Route *replica_route(struct replica *r, struct arena *arena)
{
    Sluice__Dataplane__Route *route = arena_alloc(arena, sizeof *route);
    const struct membership *membership = group_membership(r->group);
    struct group_status status = group_status(r->group);
    if (route == NULL)
        return NULL;
    sluice__dataplane__route__init(route);
    route->group_id = r->group_id;
    route->range_start = proto_bytes(arena_copy(arena, r->range_start));
    route->range_end = proto_bytes(arena_copy(arena, r->range_end));
    route->range_epoch = r->range_epoch;
    route->membership_version = membership->version;
    route->term = status.term;
    route->leader_replica_id = status.leader_replica;
    route->replicas = arena_alloc(arena, MEMBERS_MAX * sizeof *route->replicas);
    for (uint32_t i = 0; route->replicas != NULL && i < membership->count; i++) {
        Sluice__Dataplane__ReplicaAddress *address = address_of(r, &membership->members[i], arena);
        if (address != NULL)
            route->replicas[route->n_replicas++] = address;
    }
    return arena_has_failed(arena) ? NULL : route;
}

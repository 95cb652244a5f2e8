/* A leader sends what it has applied to a replica that its log cannot repair.
 *
 *     asked for --> in line --(end of a turn: checkpoint, snapshot of the store)--> BEGIN --taken--> CHUNK ... CHUNK --all taken--> END
 *         ^                                                                    |              --taken--> the receiver installs it; the log behind
 *         +------------------- later: it is busy, or away ---------------------+              it is kept until it has acknowledged that
 *
 * Rows are read by the bulk thread, one chunk ahead; the loop only hands them to the connection, as fast as the pace allows and the window
 * has room. Anything that goes wrong on the way ends it: the core asks again (GROUP_SNAPSHOT_RETRY_US), for another snapshot.
 *
 * A log replica's snapshot has no rows: it says where its log begins, so that it need not be sent all that we have. It waits in no line. */
#include "base/clock.h"
#include "dataplane/node/snapshot_internal.h"
#include "dataplane/proto/frame_type.h"

enum {
    CALL_US = 30 * 1000 * 1000,     /* for an answer: the receiver writes */
    INSTALL_US = 120 * 1000 * 1000, /* from the end to the receiver's acknowledgement */
    LOOK_US = 200 * 1000,           /* for that */
    SLICE_US = 50 * 1000,           /* of the bulk thread's reading */
    ROW_NAME_BYTES_MAX = 64 * 1024,
};

/* ---- words ---- */

static void on_answer(enum err err, const struct frame *response, void *data);

static bool call(struct snapshot_out *out, uint16_t type, const ProtobufCMessage *header,
                 struct slice payload)
{
    const struct wire_message message = {
        .type = type, .header = header, .payload = &payload, .payload_count = payload.length > 0};
    enum err err = peers_call(out->shard->peers, out->to.node_id, out->replica->group_id, PEER_CHANNEL_BULK,
                              &message, clock_boot_us() + CALL_US, on_answer, out);
    out->calls += err == ERR_OK;
    return err == ERR_OK;
}

static bool say_begin(struct snapshot_out *out)
{
    struct replica *r = out->replica;
    struct buffer *bytes = &out->shard->fields;
    const struct membership *m = group_membership_committed(r->group);
    buffer_clear(bytes);
    membership_encode(m, bytes);
    if (buffer_has_failed(bytes))
        return false;
    Sluice__Dataplane__SnapshotBegin header = SLUICE__DATAPLANE__SNAPSHOT_BEGIN__INIT;
    header.group_id = r->group_id;
    header.snapshot_id = out->id;
    header.to_replica = out->to.replica_id;
    header.format = SNAPSHOT_FORMAT;
    header.index = out->index;
    header.term = out->term;
    header.membership = proto_bytes(buffer_view(bytes));
    header.membership_index = m->index < out->index ? m->index : out->index;
    header.has_rows = out->store != NULL;
    header.range_start = proto_bytes(r->range_start);
    header.range_end = proto_bytes(r->range_end);
    header.range_epoch = r->range_epoch;
    header.item_count = out->size.item_count;
    header.item_bytes = out->size.item_bytes;
    return call(out, DATAPLANE_FRAME_SNAPSHOT_BEGIN, &header.base, SLICE_EMPTY);
}

static bool say_chunk(struct snapshot_out *out)
{
    Sluice__Dataplane__SnapshotChunk header = SLUICE__DATAPLANE__SNAPSHOT_CHUNK__INIT;
    header.group_id = out->replica->group_id;
    header.snapshot_id = out->id;
    header.number = out->chunk.number;
    header.is_meta = out->is_chunk_meta;
    header.row_count = out->chunk.row_count;
    header.checksum = out->chunk.checksum;
    return call(out, DATAPLANE_FRAME_SNAPSHOT_CHUNK, &header.base, out->chunk.payload);
}

static bool say_end(struct snapshot_out *out)
{
    Sluice__Dataplane__SnapshotEnd header = SLUICE__DATAPLANE__SNAPSHOT_END__INIT;
    header.group_id = out->replica->group_id;
    header.snapshot_id = out->id;
    header.chunk_count = out->totals.chunks;
    header.row_count = out->totals.rows;
    header.byte_count = out->totals.bytes;
    header.checksum = out->totals.checksum;
    return call(out, DATAPLANE_FRAME_SNAPSHOT_END, &header.base, SLICE_EMPTY);
}

/* ---- reading (the bulk thread) ---- */

static void append_row(struct snapshot_out *out, struct slice key, struct slice value)
{
    snapshot_row_append(&out->payload, key, value);
    out->chunk.row_count++;
}

static bool on_item(void *data, struct slice key, struct slice value)
{
    struct snapshot_out *out = data;
    append_row(out, key, value);
    return out->payload.length < SNAPSHOT_CHUNK_BYTES;
}

static enum err read_items(struct snapshot_out *out)
{
    struct buffer next;
    enum store_scan_end scan_end;
    buffer_init(&next, ROW_NAME_BYTES_MAX);
    const struct store_scan scan = {
        .begin = buffer_view(&out->position),
        .end = out->replica->range_end,
        .snapshot = out->store,
        .bytes_max = SNAPSHOT_CHUNK_BYTES,
        .time_us_max = SLICE_US,
    };
    enum err err = store_scan_slice(out->shard->store, &scan, on_item, out, &scan_end, &next);
    buffer_clear(&out->position);
    if (err == ERR_OK && scan_end == STORE_SCAN_MORE)
        buffer_append(&out->position, buffer_view(&next));
    else
        out->is_meta = true; /* from the next chunk on */
    buffer_deinit(&next);
    return err;
}

/* The checkpoint and the request ids: the rest is the receiver's own. */
static enum err on_meta(void *data, struct slice name, struct slice value)
{
    struct snapshot_out *out = data;
    struct slice checkpoint = slice_from_string(NODE_META_CHECKPOINT), ids = slice_from_string(NODE_META_IDS);
    bool is_wanted = slice_equal(name, checkpoint) ||
                     (name.length > ids.length && slice_equal(slice_make(name.data, ids.length), ids));
    if (!is_wanted || slice_compare(name, buffer_view(&out->position)) <= 0)
        return ERR_OK;
    if (out->payload.length >= SNAPSHOT_CHUNK_BYTES)
        return ERR_BUSY; /* enough: the next chunk goes on behind `position` */
    append_row(out, name, value);
    buffer_clear(&out->position);
    buffer_append(&out->position, name);
    return ERR_OK;
}

static enum err read_meta(struct snapshot_out *out)
{
    enum err err =
        store_each_meta(out->shard->store, out->store, out->replica->group_id, SLICE_EMPTY, on_meta, out);
    out->is_read = err == ERR_OK;
    return err == ERR_BUSY ? ERR_OK : err;
}

void snapshot_out_read(struct background_job *job)
{
    struct snapshot_out *out = job->data;
    buffer_clear(&out->payload);
    out->chunk.row_count = 0;
    out->is_chunk_meta = out->is_meta;
    out->read_err = out->is_meta ? read_meta(out) : read_items(out);
    if (out->read_err == ERR_OK && (buffer_has_failed(&out->payload) || buffer_has_failed(&out->position)))
        out->read_err = ERR_NO_MEMORY;
    out->chunk.payload = buffer_view(&out->payload);
    out->chunk.checksum = snapshot_checksum(out->chunk.payload);
}

/* ---- the loop's part ---- */

static void read_next(struct snapshot_out *out)
{
    out->is_reading = true;
    background_run(&out->shard->bulk, &out->job);
}

/* False: not now, or it is over. */
static bool send_ready(struct snapshot_out *out)
{
    struct shard *s = out->shard;
    uint64_t now_us = loop_now_us(s->loop);
    uint64_t wait_us = snapshot_pace_wait(&s->snapshot_pace, now_us);
    if (out->calls >= SNAPSHOT_WINDOW)
        return false; /* an answer goes on */
    if (wait_us != 0) {
        loop_timer_start(s->loop, &out->timer, wait_us);
        return false;
    }
    out->chunk.number = out->totals.chunks;
    if (!say_chunk(out)) {
        snapshot_out_fail(out, "connection");
        return false;
    }
    out->is_ready = false;
    snapshot_totals_add(&out->totals, &out->chunk);
    snapshot_pace_spend(&s->snapshot_pace, out->chunk.payload.length, now_us);
    metric_add(&s->metrics.snapshot_bytes_sent, out->chunk.payload.length);
    return true;
}

static void go_on(struct snapshot_out *out)
{
    if (!snapshot_out_may_go_on(out)) {
        snapshot_out_fail(out, "not_leader");
        return;
    }
    if (out->is_reading || (out->is_ready && !send_ready(out)))
        return;
    if (!out->is_read) {
        read_next(out);
    } else if (out->calls == 0) {
        out->phase = SENDING_END;
        if (!say_end(out))
            snapshot_out_fail(out, "connection");
    }
}

void snapshot_out_on_read(struct background_job *job)
{
    struct snapshot_out *out = job->data;
    out->is_reading = false;
    if (out->phase == SENDING_OVER) {
        snapshot_out_settle(out);
        return;
    }
    if (out->read_err != ERR_OK) {
        struct replica *damaged = out->read_err == ERR_CORRUPT ? out->replica : NULL;
        snapshot_out_fail(out, "not_read");
        if (damaged != NULL)
            replica_quarantine(damaged, "snapshot_read");
        return;
    }
    out->is_ready = out->chunk.row_count > 0;
    go_on(out);
}

static void watch_install(struct snapshot_out *out)
{
    struct shard *s = out->shard;
    if (!snapshot_out_may_go_on(out) || loop_now_us(s->loop) >= out->until_us) {
        snapshot_out_fail(out, "not_installed");
    } else if (group_match_index(out->replica->group, out->to.replica_id) >= out->index) {
        metric_increment(&s->metrics.snapshots_sent);
        snapshot_out_end(out, "installed");
    } else {
        loop_timer_start(s->loop, &out->timer, loop_now_us(s->loop) + LOOK_US);
    }
}

void snapshot_out_on_timer(struct snapshot_out *out)
{
    if (out->phase == SENDING_ROWS)
        go_on(out);
    else if (out->phase == SENDING_INSTALL)
        watch_install(out);
}

static void on_taken(struct snapshot_out *out)
{
    struct shard *s = out->shard;
    switch (out->phase) {
    case SENDING_BEGIN:
        out->phase = SENDING_ROWS;
        out->is_read = out->store == NULL;
        go_on(out);
        break;
    case SENDING_ROWS:
        go_on(out);
        break;
    case SENDING_END:
        out->phase = SENDING_INSTALL;
        snapshot_out_next(s);
        out->until_us = loop_now_us(s->loop) + INSTALL_US;
        watch_install(out);
        break;
    case SENDING_LINE:
    case SENDING_INSTALL:
    case SENDING_OVER:
        break;
    }
}

static const char *status_name(Sluice__Dataplane__SnapshotStatus status)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&sluice__dataplane__snapshot_status__descriptor, (int)status);
    return value == NULL ? "UNKNOWN" : value->name;
}

static void on_refused(struct snapshot_out *out, const char *why, bool is_for_now)
{
    if (out->phase == SENDING_BEGIN && is_for_now)
        snapshot_out_put_back(out, why);
    else
        snapshot_out_fail(out, why);
}

static void on_answer(enum err err, const struct frame *response, void *data)
{
    struct snapshot_out *out = data;
    struct shard *s = out->shard;
    out->calls--;
    if (out->phase == SENDING_OVER) {
        snapshot_out_settle(out);
        return;
    }
    if (err != ERR_OK || s->is_closing) {
        on_refused(out, "connection", true);
        return;
    }
    arena_reset(&s->arena);
    const Sluice__Dataplane__SnapshotReply *reply =
        proto_unpack(&sluice__dataplane__snapshot_reply__descriptor, response->header, &s->arena);
    if (reply == NULL)
        snapshot_out_fail(out, "answer");
    else if (reply->status == SLUICE__DATAPLANE__SNAPSHOT_STATUS__TAKEN)
        on_taken(out);
    else
        on_refused(out, status_name(reply->status),
                   reply->status == SLUICE__DATAPLANE__SNAPSHOT_STATUS__BUSY);
}

/* ---- beginning ---- */

/* The store's rows, request ids and checkpoint as of one entry: what a flush would make durable, seen by a snapshot. */
static bool open_rows(struct snapshot_out *out)
{
    struct replica *r = out->replica;
    if (r->kind != MEMBER_STORAGE || group_is_split(r->group) || r->is_installing || !replica_checkpoint(r))
        return false;
    out->index = partition_applied_index(r->partition);
    out->size = partition_size(r->partition);
    out->store = store_snapshot_open(r->shard->store);
    buffer_append(&out->position, r->range_start);
    return out->store != NULL && !buffer_has_failed(&out->position);
}

/* As far as every living storage voter has the log: it can repair each of them from there. */
static bool find_log_begin(struct snapshot_out *out)
{
    struct replica *r = out->replica;
    uint64_t applied = group_status(r->group).applied_index, kept = replica_kept_index(r);
    out->index = kept < applied ? kept : applied;
    return out->index > 0;
}

/* It may have come up by itself while it waited. */
static bool is_needed(const struct snapshot_out *out)
{
    const struct replica *r = out->replica;
    uint64_t match = group_match_index(r->group, out->to.replica_id);
    return out->to.kind == MEMBER_LOG || match + 1 < group_status(r->group).first_index;
}

/* When it is back and refuses entries again, the core asks again. */
static bool is_away(const struct snapshot_out *out)
{
    struct node *n = out->shard->node;
    uint64_t epoch = support_held_epoch(node_support_lock(n), out->to.node_id, clock_boot_us());
    node_support_unlock(n);
    return epoch == 0;
}

void snapshot_out_begin(struct loop_task *task)
{
    struct snapshot_out *out = task->data;
    if (!snapshot_out_may_go_on(out) || !is_needed(out) || is_away(out)) {
        snapshot_out_end(out, "not_needed_now");
        return;
    }
    bool is_there = out->to.kind == MEMBER_STORAGE ? open_rows(out) : find_log_begin(out);
    if (!is_there || !group_entry_term(out->replica->group, out->index, &out->term))
        snapshot_out_put_back(out, "not_now");
    else if (!say_begin(out))
        snapshot_out_put_back(out, "connection");
}

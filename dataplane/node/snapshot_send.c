/* A leader sends what it has applied to a replica that its log cannot repair.
 *
 *     asked for --(end of turn: checkpoint, snapshot of the store)--> BEGIN --taken--> CHUNK ... CHUNK --all taken--> END
 *         --taken--> the receiver installs it; the log behind it is kept until it has acknowledged that
 *
 * Rows are read by the bulk thread, one chunk ahead; the loop only hands them to the connection, as fast as the pace allows and the window
 * has room. Anything that goes wrong ends it: the core asks again (GROUP_SNAPSHOT_RETRY_US), with another snapshot.
 *
 * A log replica's snapshot has no rows: it says where its log begins, so that it need not be sent all that we have. */
#include "base/clock.h"
#include "base/random.h"
#include "dataplane/node/snapshot_internal.h"
#include "dataplane/proto/frame_type.h"

enum {
    SENDING_MAX = 2,                /* of a loop, at once */
    CALL_US = 30 * 1000 * 1000,     /* for an answer: the receiver writes */
    INSTALL_US = 120 * 1000 * 1000, /* from the end to the receiver's acknowledgement */
    LOOK_US = 200 * 1000,           /* for that */
    SLICE_US = 50 * 1000,           /* of the bulk thread's reading */
    ROW_NAME_BYTES_MAX = 64 * 1024,
};

enum sending_phase {
    SENDING_BEGIN, /* waits for the end of the turn, then for the answer */
    SENDING_ROWS,
    SENDING_END,     /* said, not answered */
    SENDING_INSTALL, /* the receiver has all */
    SENDING_OVER,    /* waits for what is under way */
};

struct snapshot_out {
    struct snapshot_out *next;
    struct background_job job; /* reads a chunk */
    struct loop_task begin;
    struct loop_timer timer;
    struct shard *shard;
    struct replica *replica; /* held: it does not go before us */
    struct member to;
    enum sending_phase phase;
    uint64_t id;
    uint64_t index;
    uint64_t term;
    uint64_t until_us; /* INSTALL */
    struct partition_size size;
    struct store_snapshot *store; /* NULL: no rows */
    struct buffer position;       /* the next item's key, or the name of the last row */
    struct buffer payload;        /* of the chunk that is read, or ready */
    struct snapshot_chunk chunk;
    bool is_chunk_meta;
    bool is_meta; /* all items are read */
    bool is_read; /* everything is */
    bool is_reading;
    bool is_ready; /* a chunk waits to be sent */
    enum err read_err;
    uint32_t calls; /* not answered */
    struct snapshot_totals totals;
};

/* ---- life ---- */

static void settle(struct snapshot_out *out)
{
    struct shard *s = out->shard;
    if (out->phase != SENDING_OVER || out->is_reading || out->calls > 0)
        return;
    struct snapshot_out **at = &s->snapshots_out;
    while (*at != out)
        at = &(*at)->next;
    *at = out->next;
    if (out->store != NULL)
        store_snapshot_close(s->store, out->store);
    out->replica->pool_reads_in_flight--;
    buffer_deinit(&out->position);
    buffer_deinit(&out->payload);
    memory_free(out);
}

/* What is under way comes home; `out` may be gone after this. */
static void end(struct snapshot_out *out, const char *how)
{
    struct shard *s = out->shard;
    if (out->phase != SENDING_OVER && !s->is_closing)
        log_info("snapshot_over", "group=%llu replica=%llu node=%u how=%s index=%llu rows=%llu bytes=%llu",
                 (unsigned long long)out->replica->group_id, (unsigned long long)out->to.replica_id,
                 out->to.node_id, how, (unsigned long long)out->index, (unsigned long long)out->totals.rows,
                 (unsigned long long)out->totals.bytes);
    out->phase = SENDING_OVER;
    loop_undefer(s->loop, &out->begin);
    loop_timer_stop(s->loop, &out->timer);
    settle(out);
}

static void fail(struct snapshot_out *out, const char *why)
{
    metric_increment(&out->shard->metrics.snapshots_broken);
    end(out, why);
}

static bool may_go_on(const struct snapshot_out *out)
{
    const struct replica *r = out->replica;
    return !out->shard->is_closing && r->state == REPLICA_ACTIVE &&
           group_status(r->group).role == GROUP_LEADER &&
           membership_find(group_membership(r->group), out->to.replica_id) != NULL;
}

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

static void in_background(struct background_job *job)
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
        fail(out, "connection");
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
    if (!may_go_on(out)) {
        fail(out, "not_leader");
        return;
    }
    if (out->is_reading || (out->is_ready && !send_ready(out)))
        return;
    if (!out->is_read) {
        read_next(out);
    } else if (out->calls == 0) {
        out->phase = SENDING_END;
        if (!say_end(out))
            fail(out, "connection");
    }
}

static void on_read(struct background_job *job)
{
    struct snapshot_out *out = job->data;
    out->is_reading = false;
    if (out->phase == SENDING_OVER) {
        settle(out);
        return;
    }
    if (out->read_err != ERR_OK) {
        struct replica *damaged = out->read_err == ERR_CORRUPT ? out->replica : NULL;
        fail(out, "not_read");
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
    if (!may_go_on(out) || loop_now_us(s->loop) >= out->until_us) {
        fail(out, "not_installed");
    } else if (group_match_index(out->replica->group, out->to.replica_id) >= out->index) {
        metric_increment(&s->metrics.snapshots_sent);
        end(out, "installed");
    } else {
        loop_timer_start(s->loop, &out->timer, loop_now_us(s->loop) + LOOK_US);
    }
}

static void on_timer(struct loop_timer *timer)
{
    struct snapshot_out *out = timer->data;
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
        out->until_us = loop_now_us(s->loop) + INSTALL_US;
        watch_install(out);
        break;
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

static void on_answer(enum err err, const struct frame *response, void *data)
{
    struct snapshot_out *out = data;
    struct shard *s = out->shard;
    out->calls--;
    if (out->phase == SENDING_OVER) {
        settle(out);
        return;
    }
    if (err != ERR_OK || s->is_closing) {
        fail(out, "connection");
        return;
    }
    arena_reset(&s->arena);
    const Sluice__Dataplane__SnapshotReply *reply =
        proto_unpack(&sluice__dataplane__snapshot_reply__descriptor, response->header, &s->arena);
    if (reply == NULL)
        fail(out, "answer");
    else if (reply->status != SLUICE__DATAPLANE__SNAPSHOT_STATUS__TAKEN)
        fail(out, status_name(reply->status));
    else
        on_taken(out);
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

static void on_begin(struct loop_task *task)
{
    struct snapshot_out *out = task->data;
    if (!may_go_on(out)) {
        fail(out, "not_leader");
        return;
    }
    bool is_there = out->to.kind == MEMBER_STORAGE ? open_rows(out) : find_log_begin(out);
    if (!is_there || !group_entry_term(out->replica->group, out->index, &out->term)) {
        fail(out, "not_now");
        return;
    }
    if (!say_begin(out))
        fail(out, "connection");
}

static struct snapshot_out *find(const struct replica *r, uint64_t to_replica, uint32_t *ret_count)
{
    struct snapshot_out *found = NULL;
    *ret_count = 0;
    for (struct snapshot_out *out = r->shard->snapshots_out; out != NULL; out = out->next) {
        *ret_count += out->store != NULL || out->to.kind == MEMBER_STORAGE;
        if (out->replica == r && out->to.replica_id == to_replica)
            found = out;
    }
    return found;
}

static uint64_t draw_id(void)
{
    uint64_t id;
    random_secret(&id, sizeof id);
    return id | 1;
}

void snapshot_send(struct replica *r, const struct member *to)
{
    struct shard *s = r->shard;
    uint32_t count;
    if (s->is_closing || find(r, to->replica_id, &count) != NULL ||
        (to->kind == MEMBER_STORAGE && count >= SENDING_MAX))
        return;
    struct snapshot_out *out = memory_zalloc(sizeof *out);
    if (out == NULL)
        return;
    *out =
        (struct snapshot_out){.next = s->snapshots_out, .shard = s, .replica = r, .to = *to, .id = draw_id()};
    out->job = (struct background_job){.work = in_background, .done = on_read, .data = out};
    out->begin = (struct loop_task){.run = on_begin, .data = out};
    out->timer = (struct loop_timer){.fire = on_timer, .data = out};
    buffer_init(&out->position, ROW_NAME_BYTES_MAX);
    buffer_init(&out->payload, SNAPSHOT_CHUNK_BYTES_MAX);
    s->snapshots_out = out;
    r->pool_reads_in_flight++;
    metric_increment(&s->metrics.snapshots_begun);
    loop_defer(s->loop, &out->begin);
}

uint64_t snapshot_needs_log_from(const struct replica *r)
{
    uint64_t first = UINT64_MAX;
    for (const struct snapshot_out *out = r->shard->snapshots_out; out != NULL; out = out->next)
        if (out->replica == r && out->index != 0 && out->index + 1 < first)
            first = out->index + 1;
    return first;
}

void snapshot_stop_sending(struct replica *r)
{
    struct snapshot_out *next;
    for (struct snapshot_out *out = r->shard->snapshots_out; out != NULL; out = next) {
        next = out->next;
        if (out->replica == r)
            end(out, "stopped");
    }
}

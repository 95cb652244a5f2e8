/* A replica takes a snapshot from its leader.
 *
 *     BEGIN --> CHUNK: in line --(bulk thread: checksum, rows into files beside the store)--> answered, the next one --> END: totals
 *         --> snapshot_install.c
 *
 * Until the core has agreed to install it, nothing of the replica is touched: a broken connection, a wrong checksum, a sender that says no more,
 * a crash, all leave it as it was, and another snapshot begins from the front. */
#include "base/clock.h"
#include "dataplane/node/snapshot_internal.h"
#include "dataplane/proto/frame_type.h"

enum {
    RECEIVING_MAX = 4,                /* of a loop, at once */
    PATIENCE_US = 20 * 1000 * 1000,   /* with a sender that says nothing */
    PIECES_MAX = 2 * SNAPSHOT_WINDOW, /* in line; a sender that keeps to the window has fewer */
    PIECE_BYTES_MAX = 2 * SNAPSHOT_CHUNK_BYTES_MAX,
    PATH_BYTES = 4096,
};

/* ---- answers ---- */

void snapshot_reply(struct wire_call call, Sluice__Dataplane__SnapshotStatus status)
{
    Sluice__Dataplane__SnapshotReply reply = SLUICE__DATAPLANE__SNAPSHOT_REPLY__INIT;
    reply.status = status;
    wire_reply(call, &(struct wire_message){.header = &reply.base});
}

static void refuse_malformed(struct shard *s, struct wire_call call)
{
    metric_increment(&s->metrics.messages_malformed);
    wire_refuse(call, ERR_INVALID);
}

/* ---- life ---- */

static void forget_pieces(struct snapshot_in *in)
{
    while (in->pieces != NULL) {
        struct snapshot_piece *piece = in->pieces;
        in->pieces = piece->next;
        if (!in->shard->is_closing)
            snapshot_reply(piece->call, SLUICE__DATAPLANE__SNAPSHOT_STATUS__FORGOTTEN);
        memory_free(piece);
    }
    in->pieces_end = &in->pieces;
}

static void destroy(struct snapshot_in *in)
{
    struct shard *s = in->shard;
    struct snapshot_in **at = &s->snapshots_in;
    while (*at != in)
        at = &(*at)->next;
    *at = in->next;
    forget_pieces(in);
    in->replica->pool_reads_in_flight--;
    partition_destroy(in->partition);
    memory_free(in);
}

static void discard_files(struct background_job *job)
{
    struct snapshot_in *in = job->data;
    store_import_destroy(in->import);
    in->import = NULL;
}

static void on_discarded(struct background_job *job)
{
    destroy(job->data);
}

/* Files of gigabytes are removed by the bulk thread, if that still takes work. */
void snapshot_in_settle(struct snapshot_in *in)
{
    if (in->is_working)
        return;
    if (in->import == NULL || in->shard->is_closing) {
        discard_files(&in->job);
        destroy(in);
        return;
    }
    in->is_working = true;
    in->job.work = discard_files;
    in->job.done = on_discarded;
    background_run(&in->shard->bulk, &in->job);
}

void snapshot_in_end(struct snapshot_in *in)
{
    if (in->phase == RECEIVING_OVER)
        return;
    in->phase = RECEIVING_OVER;
    loop_timer_stop(in->shard->loop, &in->patience);
    snapshot_in_settle(in);
}

static void give_up(struct snapshot_in *in, struct metric_counter *counter, const char *why)
{
    metric_increment(counter);
    log_warn("snapshot_given_up", "group=%llu replica=%llu from=%u why=%s index=%llu rows=%llu",
             (unsigned long long)in->replica->group_id, (unsigned long long)in->replica->replica_id,
             in->from_node, why, (unsigned long long)in->index, (unsigned long long)in->totals.rows);
    snapshot_in_end(in);
}

static void on_patience(struct loop_timer *timer)
{
    struct snapshot_in *in = timer->data;
    give_up(in, &in->shard->metrics.snapshots_given_up, "silence");
}

static void be_patient(struct snapshot_in *in)
{
    struct loop *loop = in->shard->loop;
    loop_timer_start(loop, &in->patience, loop_now_us(loop) + PATIENCE_US);
}

/* ---- pieces (the bulk thread) ---- */

static enum err open_import(struct snapshot_in *in)
{
    const struct replica *r = in->replica;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/import-%llu", in->shard->node->options.data_dir,
             (unsigned long long)r->group_id);
    const struct store_import_options options = {
        .directory = path, .group_id = r->group_id, .begin = r->range_start, .end = r->range_end};
    return store_import_create(in->shard->store, &options, &in->import);
}

static enum err on_item(void *data, struct slice key, struct slice value)
{
    return store_import_put(((struct snapshot_in *)data)->import, key, value);
}

static enum err on_meta(void *data, struct slice name, struct slice value)
{
    return store_import_put_meta(((struct snapshot_in *)data)->import, name, value);
}

/* The store's row about itself comes before those of the group. */
static enum err begin_meta(struct snapshot_in *in)
{
    const struct store_applied applied = {
        .replica_id = in->replica->replica_id,
        .index = in->index,
        .term = in->term,
        .item_count = in->size.item_count,
        .item_bytes = in->size.item_bytes,
    };
    in->has_meta = true;
    return in->totals.rows == in->size.item_count ? store_import_put_applied(in->import, &applied)
                                                  : ERR_CORRUPT;
}

static enum err take_chunk(struct snapshot_in *in, const struct snapshot_piece *piece)
{
    if (!in->has_rows)
        return ERR_CORRUPT;
    TRY(snapshot_chunk_check(&in->totals, &piece->chunk));
    if (piece->is_meta && !in->has_meta)
        TRY(begin_meta(in));
    TRY(snapshot_chunk_each(&piece->chunk, piece->is_meta ? on_meta : on_item, in));
    snapshot_totals_add(&in->totals, &piece->chunk);
    return ERR_OK;
}

static enum err take_end(struct snapshot_in *in, const struct snapshot_piece *piece)
{
    if (!snapshot_totals_equal(&in->totals, &piece->totals))
        return ERR_CORRUPT;
    if (!in->has_rows)
        return ERR_OK;
    if (!in->has_meta)
        TRY(begin_meta(in));
    return snapshot_complete_import(in);
}

static void in_background(struct background_job *job)
{
    struct snapshot_in *in = job->data;
    const struct snapshot_piece *piece = in->pieces;
    in->job_err = in->has_rows && in->import == NULL ? open_import(in) : ERR_OK;
    if (in->job_err == ERR_OK)
        in->job_err = piece->is_end ? take_end(in, piece) : take_chunk(in, piece);
}

/* ---- pieces (the loop) ---- */

static void work(struct snapshot_in *in)
{
    if (in->is_working || in->pieces == NULL || in->phase != RECEIVING_ROWS)
        return;
    in->is_working = true;
    background_run(&in->shard->bulk, &in->job);
}

static struct snapshot_piece *pop(struct snapshot_in *in)
{
    struct snapshot_piece *piece = in->pieces;
    in->pieces = piece->next;
    if (in->pieces == NULL)
        in->pieces_end = &in->pieces;
    in->piece_count--;
    in->piece_bytes -= piece->chunk.payload.length;
    return piece;
}

static void fail(struct snapshot_in *in, struct wire_call call, enum err err)
{
    struct shard *s = in->shard;
    bool is_damage = err == ERR_CORRUPT || err == ERR_STALE;
    snapshot_reply(call, is_damage ? SLUICE__DATAPLANE__SNAPSHOT_STATUS__DAMAGED
                                   : SLUICE__DATAPLANE__SNAPSHOT_STATUS__FAILED);
    give_up(in, is_damage ? &s->metrics.snapshots_damaged : &s->metrics.snapshots_given_up, err_name(err));
}

static void on_end(struct snapshot_in *in, struct wire_call call)
{
    struct shard *s = in->shard;
    if (snapshot_install(in)) {
        loop_timer_stop(s->loop, &in->patience);
        snapshot_reply(call, SLUICE__DATAPLANE__SNAPSHOT_STATUS__TAKEN);
        return;
    }
    snapshot_reply(call, SLUICE__DATAPLANE__SNAPSHOT_STATUS__UNWANTED);
    metric_increment(&s->metrics.snapshots_refused);
    snapshot_in_end(in);
}

static void on_piece_done(struct background_job *job)
{
    struct snapshot_in *in = job->data;
    in->is_working = false;
    struct snapshot_piece *piece = pop(in);
    struct wire_call call = piece->call;
    bool is_end = piece->is_end;
    memory_free(piece);
    if (in->phase == RECEIVING_OVER) {
        if (!in->shard->is_closing)
            snapshot_reply(call, SLUICE__DATAPLANE__SNAPSHOT_STATUS__FORGOTTEN);
        snapshot_in_settle(in);
    } else if (in->job_err != ERR_OK) {
        fail(in, call, in->job_err);
    } else if (is_end) {
        on_end(in, call);
    } else {
        snapshot_reply(call, SLUICE__DATAPLANE__SNAPSHOT_STATUS__TAKEN);
        work(in);
    }
}

/* ---- frames ---- */

static struct snapshot_in *find(struct shard *s, uint64_t group_id)
{
    struct snapshot_in *in = s->snapshots_in;
    while (in != NULL && in->replica->group_id != group_id)
        in = in->next;
    return in;
}

/* The one that this frame is about, of the node that began it; else it is answered. */
static struct snapshot_in *find_for(struct shard *s, struct wire_call call, uint64_t group_id,
                                    uint64_t snapshot_id)
{
    struct wire_identity peer;
    struct snapshot_in *in = find(s, group_id);
    if (in != NULL && in->id == snapshot_id && in->phase == RECEIVING_ROWS && wire_call_peer(call, &peer) &&
        peer.node_id == in->from_node)
        return in;
    snapshot_reply(call, SLUICE__DATAPLANE__SNAPSHOT_STATUS__FORGOTTEN);
    return NULL;
}

static void add_piece(struct snapshot_in *in, struct wire_call call, const struct snapshot_piece *from)
{
    struct slice payload = from->chunk.payload;
    struct snapshot_piece *piece = NULL;
    if (in->piece_count < PIECES_MAX && in->piece_bytes + payload.length <= PIECE_BYTES_MAX)
        piece = memory_alloc(sizeof *piece + payload.length);
    if (piece == NULL) {
        fail(in, call, ERR_NO_MEMORY);
        return;
    }
    *piece = *from;
    piece->next = NULL;
    piece->call = call;
    if (payload.length > 0)
        memcpy(piece->payload, payload.data, payload.length);
    piece->chunk.payload = slice_make(piece->payload, payload.length);
    *in->pieces_end = piece;
    in->pieces_end = &piece->next;
    in->piece_count++;
    in->piece_bytes += payload.length;
    be_patient(in);
    work(in);
}

static void on_chunk(struct shard *s, struct wire_call call, const struct frame *frame)
{
    const Sluice__Dataplane__SnapshotChunk *header =
        proto_unpack(&sluice__dataplane__snapshot_chunk__descriptor, frame->header, &s->arena);
    if (header == NULL || frame->payload.length > SNAPSHOT_CHUNK_BYTES_MAX) {
        refuse_malformed(s, call);
        return;
    }
    struct snapshot_in *in = find_for(s, call, header->group_id, header->snapshot_id);
    const struct snapshot_piece piece = {.is_meta = header->is_meta,
                                         .chunk = {.number = header->number,
                                                   .row_count = header->row_count,
                                                   .checksum = header->checksum,
                                                   .payload = frame->payload}};
    if (in != NULL)
        add_piece(in, call, &piece);
}

static void on_end_frame(struct shard *s, struct wire_call call, const struct frame *frame)
{
    const Sluice__Dataplane__SnapshotEnd *header =
        proto_unpack(&sluice__dataplane__snapshot_end__descriptor, frame->header, &s->arena);
    if (header == NULL || frame->payload.length > 0) {
        refuse_malformed(s, call);
        return;
    }
    struct snapshot_in *in = find_for(s, call, header->group_id, header->snapshot_id);
    const struct snapshot_piece piece = {.is_end = true,
                                         .totals = {.chunks = header->chunk_count,
                                                    .rows = header->row_count,
                                                    .bytes = header->byte_count,
                                                    .checksum = header->checksum}};
    if (in != NULL)
        add_piece(in, call, &piece);
}

/* ---- beginning ---- */

static bool is_well_formed(const Sluice__Dataplane__SnapshotBegin *header)
{
    struct membership membership;
    return header->snapshot_id != 0 && header->format == SNAPSHOT_FORMAT && header->index > 0 &&
           header->index <= UINT64_MAX / 2 && header->term > 0 && header->term <= TERM_MAX &&
           header->membership_index <= header->index && header->membership.len <= MEMBERSHIP_BYTES_MAX &&
           membership_decode(proto_slice(header->membership), &membership) == ERR_OK;
}

/* The core is asked when all is there; what it would certainly refuse need not come. */
static bool is_wanted(const struct replica *r, const Sluice__Dataplane__SnapshotBegin *header)
{
    struct group_status status = group_status(r->group);
    return r->state == REPLICA_ACTIVE && r->replica_id == header->to_replica && !r->is_installing &&
           (r->kind == MEMBER_STORAGE) == header->has_rows && status.role != GROUP_LEADER &&
           header->index > status.commit_index && header->range_epoch == r->range_epoch &&
           slice_equal(proto_slice(header->range_start), r->range_start) &&
           slice_equal(proto_slice(header->range_end), r->range_end);
}

static bool has_room(const struct shard *s)
{
    uint32_t count = 0;
    for (const struct snapshot_in *in = s->snapshots_in; in != NULL; in = in->next)
        count += in->has_rows;
    return count < RECEIVING_MAX;
}

static bool begin(struct replica *r, const Sluice__Dataplane__SnapshotBegin *header, uint32_t from_node)
{
    struct shard *s = r->shard;
    struct snapshot_in *in = memory_zalloc(sizeof *in);
    if (in == NULL)
        return false;
    in->shard = s;
    in->replica = r;
    in->from_node = from_node;
    in->id = header->snapshot_id;
    in->index = header->index;
    in->term = header->term;
    in->membership_index = header->membership_index;
    in->membership_bytes = header->membership.len;
    memcpy(in->membership, header->membership.data, header->membership.len);
    in->has_rows = header->has_rows;
    in->size = (struct partition_size){header->item_count, header->item_bytes};
    in->pieces_end = &in->pieces;
    in->job = (struct background_job){.work = in_background, .done = on_piece_done, .data = in};
    in->patience = (struct loop_timer){.fire = on_patience, .data = in};
    in->next = s->snapshots_in;
    s->snapshots_in = in;
    r->pool_reads_in_flight++;
    be_patient(in);
    return true;
}

static void on_begin(struct shard *s, struct wire_call call, const struct frame *frame, uint32_t from_node)
{
    const Sluice__Dataplane__SnapshotBegin *header =
        proto_unpack(&sluice__dataplane__snapshot_begin__descriptor, frame->header, &s->arena);
    if (header == NULL || frame->payload.length > 0 || !is_well_formed(header)) {
        refuse_malformed(s, call);
        return;
    }
    struct replica *r = replica_find(s, header->group_id);
    Sluice__Dataplane__SnapshotStatus status = SLUICE__DATAPLANE__SNAPSHOT_STATUS__TAKEN;
    if (r == NULL || !is_wanted(r, header))
        status = SLUICE__DATAPLANE__SNAPSHOT_STATUS__UNWANTED;
    else if (find(s, header->group_id) != NULL || (header->has_rows && !has_room(s)) ||
             !begin(r, header, from_node))
        status = SLUICE__DATAPLANE__SNAPSHOT_STATUS__BUSY; /* also while an earlier one has not ended yet */
    if (status != SLUICE__DATAPLANE__SNAPSHOT_STATUS__TAKEN)
        metric_increment(&s->metrics.snapshots_refused);
    snapshot_reply(call, status);
}

void snapshot_on_frame(struct shard *s, struct wire_call call, const struct frame *frame)
{
    struct wire_identity peer;
    arena_reset(&s->arena);
    if (!wire_call_peer(call, &peer) || peer.role != WIRE_ROLE_NODE ||
        peers_find(s->peers, peer.node_id) == NULL)
        refuse_malformed(s, call);
    else if (frame->type == DATAPLANE_FRAME_SNAPSHOT_BEGIN)
        on_begin(s, call, frame, peer.node_id);
    else if (frame->type == DATAPLANE_FRAME_SNAPSHOT_CHUNK)
        on_chunk(s, call, frame);
    else
        on_end_frame(s, call, frame);
}

void snapshot_stop(struct replica *r)
{
    struct snapshot_in *in = find(r->shard, r->group_id);
    snapshot_stop_sending(r);
    if (in != NULL && in->phase == RECEIVING_ROWS)
        snapshot_in_end(in); /* else it sees for itself, when what is under way is back */
}

void snapshot_close_all(struct shard *s)
{
    struct snapshot_in *next;
    for (struct snapshot_in *in = s->snapshots_in; in != NULL; in = next) {
        next = in->next;
        snapshot_in_end(in);
    }
}

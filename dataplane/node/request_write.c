/* Writes of one item at the leader: find the row, evaluate, propose, wait for the entry.
 *
 * The row is read from memory on the loop; where it is not there, the pool brings it into the cache and the
 * request starts over, so that it is always evaluated against what is applied at that moment. */
#include "dataplane/node/request_write.h"

#include "base/clock.h"
#include "dataplane/item/envelope.h"
#include "dataplane/item/key.h"

enum {
    POOL_ROUNDS_MAX = 5,
    PENDING_MAX = GROUP_TAIL_ENTRIES_MAX,
    LOOP_WORK_BYTES_MAX = 1024 * 1024, /* of conditions and updates (write_work_bytes): 2 ms at worst */
    TURN_US = 2 * 1000,                /* of one turn of the loop, for these and ranges; then: */
    LATE_WORK_BYTES_MAX = 64 * 1024,   /* 0.13 ms at worst */
    SLOW_US = 50,                      /* an evaluation that counts against the turn's time */
};

/* A request that waits for its row; its bytes are its own. */
struct pool_fetch {
    uv_work_t work;
    struct shard *shard;
    struct replica *replica;
    struct incoming in;
    enum err err;
    struct slice key; /* into bytes */
    uint8_t bytes[];
};

void request_reply_write(struct wire_call call, Sluice__Dataplane__Status status,
                         const struct write_answer *answer, Sluice__Dataplane__Route *route, uint64_t index)
{
    union {
        const char *in;
        char *out;
    } text = {answer != NULL && answer->error_text != NULL ? answer->error_text : ""};
    Sluice__Dataplane__WriteResponse response;
    sluice__dataplane__write_response__init(&response);
    response.status = status;
    response.route = route;
    response.index = index;
    response.error_text = text.out;
    struct slice attributes = SLICE_EMPTY;
    if (answer != NULL) {
        attributes = answer->has_attributes ? answer->attributes : SLICE_EMPTY;
        response.has_attributes = answer->has_attributes;
        response.write_units_milli = answer->write_units_milli;
    }
    response.attributes_bytes = (uint32_t)attributes.length;
    const struct wire_message message = {
        .header = &response.base,
        .payload = &attributes,
        .payload_count = attributes.length > 0,
    };
    wire_reply(call, &message);
}

void request_send_back(struct shard *s, struct wire_call call, Sluice__Dataplane__Status status,
                       struct replica *r)
{
    metric_increment(&s->metrics.writes_not_applied);
    request_reply_write(call, status, NULL, r == NULL ? NULL : replica_route(r, &s->arena), 0);
}

void request_answer_repeat(struct replica *r, struct write_wait *wait)
{
    const struct request_id_record *record =
        request_ids_find(partition_request_ids(r->partition), wait->request_id);
    if (record == NULL) { /* forgotten already: 30 s have passed */
        request_send_back(r->shard, wait->call, SLUICE__DATAPLANE__STATUS__UNKNOWN, NULL);
        return;
    }
    if (record->is_answer_forgotten) { /* it is applied, but what it returned is not known any more */
        request_send_back(r->shard, wait->call, SLUICE__DATAPLANE__STATUS__INTERNAL, NULL);
        return;
    }
    const struct write_answer answer = {
        .status = WRITE_STATUS_OK,
        .has_attributes = record->has_answer,
        .attributes = record->answer,
        .write_units_milli = record->write_units_milli,
    };
    request_reply_write(wait->call, SLUICE__DATAPLANE__STATUS__OK, &answer, NULL, record->index);
    metric_increment(&r->shard->metrics.writes_repeated);
}

/* ---- decoding ---- */

static bool to_request(const Sluice__Dataplane__WriteRequest *header, struct slice payload,
                       struct write_request *ret_request)
{
    struct reader r;
    reader_init(&r, payload);
    struct write_request request = {
        .return_old_on_condition_failure = header->return_old_on_condition_failure,
        .key = proto_slice(header->key),
        .item = reader_bytes(&r, header->item_bytes),
        .condition = reader_bytes(&r, header->condition_bytes),
        .update = reader_bytes(&r, header->update_bytes),
    };
    if (!reader_is_done(&r) || header->request_id.len != REQUEST_ID_BYTES ||
        header->kind > SLUICE__DATAPLANE__WRITE_KIND__UPDATE ||
        header->return_values > SLUICE__DATAPLANE__RETURN_VALUES__RETURN_UPDATED_NEW ||
        request.key.length == 0 || request.key.length > KEY_BYTES_MAX)
        return false;
    request.kind = (enum write_kind)header->kind;
    request.return_values = (enum return_values)header->return_values;
    memcpy(request.request_id, header->request_id.data, REQUEST_ID_BYTES);
    *ret_request = request;
    return request.kind == WRITE_DELETE || item_check(request.item) == ERR_OK;
}

const Sluice__Dataplane__WriteRequest *request_decode_write(const struct incoming *in, struct arena *arena,
                                                            struct write_request *ret_request)
{
    const Sluice__Dataplane__WriteRequest *header =
        proto_unpack(&sluice__dataplane__write_request__descriptor, in->header, arena);
    return header != NULL && to_request(header, in->payload, ret_request) ? header : NULL;
}

/* ---- waiting for entries ---- */

static struct write_wait *make_wait(const struct replica *r, const struct incoming *in,
                                    const struct write_request *request, const struct write_answer *answer)
{
    size_t text_bytes = answer->error_text == NULL ? 0 : strlen(answer->error_text) + 1;
    struct write_wait *wait = memory_alloc(sizeof *wait + answer->attributes.length + text_bytes);
    if (wait == NULL)
        return NULL;
    *wait = (struct write_wait){.call = in->call, .arrived_us = in->arrived_us, .answer = *answer};
    if (answer->attributes.length > 0)
        memcpy(wait->bytes, answer->attributes.data, answer->attributes.length);
    wait->answer.attributes = slice_make(wait->bytes, answer->attributes.length);
    loop_turn_take(r->shard->loop, answer->attributes.length);
    if (text_bytes > 0)
        wait->answer.error_text =
            memcpy(wait->bytes + answer->attributes.length, answer->error_text, text_bytes);
    memcpy(wait->request_id, request->request_id, REQUEST_ID_BYTES);
    return wait;
}

static void add_wait(struct replica *r, struct write_wait *wait, uint64_t index)
{
    wait->index = index;
    *r->waits_end = wait;
    r->waits_end = &wait->next;
}

/* ---- deciding ---- */

static Sluice__Dataplane__Status status_of(enum err err)
{
    switch ((int)err) {
    case ERR_NOT_LEADER:
        return SLUICE__DATAPLANE__STATUS__NOT_LEADER;
    case ERR_BUSY:
    case ERR_NO_MEMORY:
        return SLUICE__DATAPLANE__STATUS__OVERLOADED;
    default:
        return SLUICE__DATAPLANE__STATUS__NOT_APPLIED;
    }
}

static void propose(struct replica *r, const struct incoming *in, const struct write_request *request,
                    const struct write_answer *answer, struct slice body)
{
    struct shard *s = r->shard;
    struct write_wait *wait = make_wait(r, in, request, answer);
    if (wait == NULL) {
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
        return;
    }
    struct group_event event = {.kind = GROUP_EVENT_PROPOSE, .body = body, .is_more = true};
    struct group_update update;
    enum err err = replica_step(r, &event, &update);
    if (err != ERR_OK) {
        memory_free(wait);
        request_send_back(s, in->call, status_of(err), r);
        return;
    }
    wait->is_proposed = true;
    add_wait(r, wait, update.index);
    replica_charge_write(r, request->key, (struct capacity){answer->write_units_milli});
    const struct cached_entry *entry = entry_cache_find(&r->entries, update.index);
    if (entry == NULL ||
        partition_proposed(r->partition, update.index, slice_from(entry->body, 1)) != ERR_OK) {
        /* A write that later ones would not see: this lead must end. */
        node_fail(s->node, "memory", ERR_NO_MEMORY);
        return;
    }
    r->has_unflushed_proposals = true;
    loop_defer(s->loop, &r->work);
}

static void on_verdict(struct replica *r, const struct incoming *in, const struct write_request *request,
                       enum write_verdict verdict, const struct write_answer *answer, struct slice body)
{
    struct shard *s = r->shard;
    if (verdict == WRITE_VERDICT_ELSEWHERE) {
        request_compute(r, in, answer);
        return;
    }
    if (verdict == WRITE_VERDICT_PROPOSE) {
        propose(r, in, request, answer, body);
        return;
    }
    struct write_wait *wait = make_wait(r, in, request, answer);
    if (wait == NULL) {
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
        return;
    }
    wait->is_repeat = verdict == WRITE_VERDICT_REPEAT;
    add_wait(r, wait, answer->after_index);
    if (!wait->is_repeat) /* the first attempt was charged */
        replica_charge_write(r, request->key, (struct capacity){answer->write_units_milli});
    loop_defer(s->loop, &r->work); /* answered there, in turn */
}

/* Usual writes take a microsecond or two, and however many there are they do not count. */
static void spend(struct shard *s, const struct write_request *request, uint64_t began_us)
{
    if (request->condition.length == 0 && request->update.length == 0)
        return;
    uint64_t took_us = clock_boot_us() - began_us;
    if (took_us >= SLOW_US)
        shard_turn_spend(s, took_us);
}

static void evaluate(struct replica *r, const struct incoming *in, struct write_request *request,
                     const struct partition_row *row)
{
    struct shard *s = r->shard;
    struct buffer *body = &s->scratch;
    buffer_clear(body);
    buffer_append_u8(body, ENTRY_WRITE);
    const struct partition_times now = {.wall_us = clock_wall_us(), .boot_us = clock_boot_us()};
    enum write_verdict verdict;
    struct write_answer answer;
    request->work_bytes_max = shard_turn_spent_us(s) < TURN_US ? LOOP_WORK_BYTES_MAX : LATE_WORK_BYTES_MAX;
    enum err err = partition_evaluate(r->partition, request, row, now, &s->arena, body, &verdict, &answer);
    spend(s, request, now.boot_us);
    if (err != ERR_OK) {
        log_warn("write_not_evaluated", "group=%llu error=%s", (unsigned long long)r->group_id,
                 err_name(err));
        request_send_back(s, in->call,
                          err == ERR_NO_MEMORY ? SLUICE__DATAPLANE__STATUS__OVERLOADED
                                               : SLUICE__DATAPLANE__STATUS__INTERNAL,
                          NULL);
        return;
    }
    /* The step encodes messages in the scratch buffer: the body moves out of its way. */
    struct slice moved = arena_copy(&s->arena, buffer_view(body));
    if (arena_has_failed(&s->arena)) {
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
        return;
    }
    on_verdict(r, in, request, verdict, &answer, moved);
}

/* ---- rows that are not in memory ---- */

static void in_pool(uv_work_t *work)
{
    struct pool_fetch *fetch = work->data;
    enum store_lookup lookup;
    struct store_value value;
    fetch->err = store_get(fetch->shard->store, NULL, fetch->key, &lookup, &value);
    if (fetch->err == ERR_OK && lookup == STORE_HIT)
        store_value_release(&value); /* it is in the cache now */
}

static void after_pool(uv_work_t *work, int status)
{
    struct pool_fetch *fetch = work->data;
    struct shard *s = fetch->shard;
    fetch->replica->pool_reads_in_flight--;
    if (!s->is_closing) { /* else whom to answer is gone */
        if (fetch->err == ERR_CORRUPT)
            replica_quarantine(fetch->replica, "store_read");
        request_handle_write(s, &fetch->in);
    }
    memory_free(fetch);
}

static void fetch_row(struct replica *r, const struct incoming *in, struct slice key)
{
    struct shard *s = r->shard;
    struct pool_fetch *fetch =
        memory_zalloc(sizeof *fetch + in->header.length + in->payload.length + key.length);
    if (fetch == NULL || in->pool_rounds >= POOL_ROUNDS_MAX) {
        memory_free(fetch);
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
        return;
    }
    uint8_t *to = fetch->bytes;
    fetch->work.data = fetch;
    fetch->shard = s;
    fetch->replica = r;
    fetch->in = *in;
    fetch->in.pool_rounds++;
    fetch->in.outcome = NULL; /* gone by then */
    fetch->in.header = slice_make(to, in->header.length);
    memcpy(to, in->header.data, in->header.length);
    to += in->header.length;
    fetch->in.payload = slice_make(to, in->payload.length);
    if (in->payload.length > 0)
        memcpy(to, in->payload.data, in->payload.length);
    to += in->payload.length;
    fetch->key = slice_make(to, key.length);
    memcpy(to, key.data, key.length);
    metric_increment(&s->metrics.reads_from_pool);
    r->pool_reads_in_flight++;
    if (uv_queue_work(&s->loop->uv, &fetch->work, in_pool, after_pool) != 0) {
        r->pool_reads_in_flight--;
        memory_free(fetch);
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
    }
}

/* ---- the course of a request ---- */

static bool is_welcome(struct replica *r, const struct incoming *in,
                       const Sluice__Dataplane__WriteRequest *header)
{
    struct shard *s = r->shard;
    if (header->range_epoch != r->range_epoch ||
        !key_is_within(proto_slice(header->key), r->range_start, r->range_end)) {
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__WRONG_RANGE, r);
        return false;
    }
    if (!r->is_leading || !group_can_propose(r->group)) {
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__NOT_LEADER, r);
        return false;
    }
    /* has_batch: the core is ahead of the store, so rows read now would be old. */
    if (r->has_batch || partition_pending_count(r->partition) >= PENDING_MAX) {
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
        return false;
    }
    /* Refusals rest on applied state: without the lease they could be wrong. */
    if (!replica_can_serve_strong(r)) {
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__NOT_LEADER, r);
        return false;
    }
    return true;
}

/* Before the row is looked at: this must be cheaper than to serve. A write that was let in may go on, and one that was applied by
 * an earlier attempt is told so, whatever is left in the bucket. */
static bool is_throttled(struct replica *r, const struct incoming *in, const struct write_request *request)
{
    return in->pool_rounds == 0 && in->outcome_rounds == 0 && !cap_admits(&r->writes, in->arrived_us) &&
           !partition_knows_request(r->partition, request->request_id);
}

static void refuse_throttled(struct shard *s, struct wire_call call)
{
    metric_increment(&s->metrics.writes_throttled);
    request_reply_write(call, SLUICE__DATAPLANE__STATUS__THROTTLED, NULL, NULL, 0);
}

/* A damaged row is this replica's alone: another one answers. */
static bool is_row_sound(struct slice stored)
{
    struct envelope envelope;
    return envelope_decode(stored, &envelope) == ERR_OK && !envelope.is_sealed;
}

static void evaluate_with_row(struct replica *r, const struct incoming *in, struct write_request *request)
{
    if (partition_has_pending(r->partition, request->key)) {
        const struct partition_row none = {.exists = false};
        evaluate(r, in, request, &none);
        return;
    }
    enum store_lookup lookup;
    struct store_value value;
    enum err err = store_get_cached(r->shard->store, request->key, &lookup, &value);
    if (err != ERR_OK) {
        if (err == ERR_CORRUPT)
            replica_quarantine(r, "store_read");
        request_send_back(r->shard, in->call, SLUICE__DATAPLANE__STATUS__NOT_APPLIED, NULL);
        return;
    }
    if (lookup == STORE_INCOMPLETE) {
        fetch_row(r, in, request->key);
        return;
    }
    const struct partition_row row = {
        .exists = lookup == STORE_HIT,
        .envelope = lookup == STORE_HIT ? value.bytes : SLICE_EMPTY,
    };
    if (row.exists && !is_row_sound(row.envelope)) {
        replica_quarantine(r, "row_damaged");
        request_send_back(r->shard, in->call, SLUICE__DATAPLANE__STATUS__NOT_APPLIED, NULL);
    } else {
        evaluate(r, in, request, &row);
    }
    if (lookup == STORE_HIT)
        store_value_release(&value);
}

void request_handle_write(struct shard *s, struct incoming *in)
{
    arena_reset(&s->arena);
    struct write_request request;
    const Sluice__Dataplane__WriteRequest *header = request_decode_write(in, &s->arena, &request);
    if (header == NULL) {
        metric_increment(&s->metrics.messages_malformed);
        wire_refuse(in->call, ERR_INVALID);
        return;
    }
    /* Who asked has given up, asked again and was perhaps refused: a write thought dead must not rise. */
    if (header->deadline_us != 0 && clock_boot_us() - in->arrived_us > header->deadline_us) {
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__NOT_APPLIED, NULL);
        return;
    }
    request.outcome = in->outcome;
    struct replica *r = replica_find(s, header->group_id);
    if (r == NULL || r->state != REPLICA_ACTIVE) {
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__NO_GROUP, NULL);
        return;
    }
    if (!is_welcome(r, in, header))
        return;
    if (is_throttled(r, in, &request))
        refuse_throttled(s, in->call);
    else
        evaluate_with_row(r, in, &request);
}

void request_on_write(struct shard *s, struct wire_call call, const struct frame *frame)
{
    struct incoming in = {
        .call = call,
        .arrived_us = clock_boot_us(),
        .header = frame->header,
        .payload = frame->payload,
    };
    request_handle_write(s, &in);
}

/* Reads of one item. On the loop only from memory; what needs the disk goes to the pool and comes back. */
#include "base/clock.h"
#include "dataplane/item/envelope.h"
#include "dataplane/item/key.h"
#include "dataplane/item/size.h"
#include "dataplane/node/node_internal.h"

struct item_read {
    struct wire_call call;
    struct slice key;
    bool is_strong;
    uint64_t arrived_us;
};

struct pool_read {
    uv_work_t work;
    struct loop_task answer; /* in a turn that has room */
    struct shard *shard;
    struct replica *replica;
    struct item_read asked;
    enum err err;
    enum store_lookup lookup;
    struct store_value value;
    uint8_t key[];
};

void request_reply_read(struct wire_call call, Sluice__Dataplane__Status status,
                        Sluice__Dataplane__Route *route, struct slice item)
{
    Sluice__Dataplane__ReadResponse response;
    sluice__dataplane__read_response__init(&response);
    response.status = status;
    response.route = route;
    response.item_bytes = (uint32_t)item.length;
    const struct wire_message message = {
        .header = &response.base,
        .payload = &item,
        .payload_count = item.length > 0,
    };
    wire_reply(call, &message);
}

static void refuse(struct shard *s, struct wire_call call, Sluice__Dataplane__Status status,
                   struct replica *r)
{
    metric_increment(&s->metrics.reads_refused);
    request_reply_read(call, status, r == NULL ? NULL : replica_route(r, &s->arena), SLICE_EMPTY);
}

/* Nothing is looked at: this must be cheaper than to serve. */
static void refuse_throttled(struct shard *s, struct wire_call call)
{
    metric_increment(&s->metrics.reads_throttled);
    request_reply_read(call, SLUICE__DATAPLANE__STATUS__THROTTLED, NULL, SLICE_EMPTY);
}

static void answer(struct replica *r, const struct item_read *asked, enum store_lookup lookup,
                   struct slice stored)
{
    struct shard *s = r->shard;
    struct wire_call call = asked->call;
    struct envelope envelope = {.is_sealed = false};
    if (lookup == STORE_HIT && (envelope_decode(stored, &envelope) != ERR_OK || envelope.is_sealed)) {
        replica_quarantine(r, "row_damaged");
        refuse(s, call, SLUICE__DATAPLANE__STATUS__NOT_LEADER, r);
        return;
    }
    request_reply_read(
        call, lookup == STORE_HIT ? SLUICE__DATAPLANE__STATUS__OK : SLUICE__DATAPLANE__STATUS__NOT_FOUND,
        NULL, envelope.body);
    uint64_t now_us = clock_boot_us();
    enum read_kind kind = asked->is_strong ? READ_STRONG : READ_EVENTUAL;
    replica_charge_read(r, asked->key, capacity_read_item(envelope.body, kind), now_us);
    metric_record(&s->metrics.read_time, now_us - asked->arrived_us);
}

static void on_store_error(struct replica *r, struct wire_call call, enum err err)
{
    if (err == ERR_CORRUPT)
        replica_quarantine(r, "store_read");
    refuse(r->shard, call, SLUICE__DATAPLANE__STATUS__NOT_LEADER, r);
}

static void in_pool(uv_work_t *work)
{
    struct pool_read *read = work->data;
    read->err = store_get(read->shard->store, NULL, read->asked.key, &read->lookup, &read->value);
}

static void answer_from_pool(struct replica *r, const struct pool_read *read)
{
    struct shard *s = r->shard;
    arena_reset(&s->arena);
    if (r->state != REPLICA_ACTIVE) /* its rows may have been on their way out already */
        refuse(s, read->asked.call, SLUICE__DATAPLANE__STATUS__NO_GROUP, NULL);
    else if (read->err != ERR_OK)
        on_store_error(r, read->asked.call, read->err);
    else
        answer(r, &read->asked, read->lookup, read->value.bytes);
}

static void on_answer(struct loop_task *task)
{
    struct pool_read *read = task->data;
    struct replica *r = read->replica;
    struct shard *s = read->shard;
    r->pool_reads_in_flight--;
    if (!s->is_closing) /* else whom to answer is gone */
        answer_from_pool(r, read);
    if (read->err == ERR_OK && read->lookup == STORE_HIT)
        store_value_release(&read->value);
    memory_free(read);
}

static void after_pool(uv_work_t *work, int status)
{
    struct pool_read *read = work->data;
    read->answer = (struct loop_task){.run = on_answer, .data = read};
    if (loop_turn_has_room(read->shard->loop))
        on_answer(&read->answer);
    else
        loop_defer_for_room(read->shard->loop, &read->answer);
}

/* The state is read after the gates were passed, in the pool even later: a newer state is as right. */
static void read_in_pool(struct replica *r, const struct item_read *asked)
{
    struct shard *s = r->shard;
    struct pool_read *read = memory_zalloc(sizeof *read + asked->key.length);
    if (read == NULL) {
        refuse(s, asked->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
        return;
    }
    read->work.data = read;
    read->shard = s;
    read->replica = r;
    read->asked = *asked;
    read->asked.key = slice_make(read->key, asked->key.length);
    memcpy(read->key, asked->key.data, asked->key.length);
    metric_increment(&s->metrics.reads_from_pool);
    r->pool_reads_in_flight++;
    if (uv_queue_work(&s->loop->uv, &read->work, in_pool, after_pool) != 0) {
        r->pool_reads_in_flight--;
        memory_free(read);
        refuse(s, asked->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
    }
}

bool request_may_serve(struct replica *r, bool is_strong)
{
    /* A batch that the store has not taken yet is applied to the core only: reads wait for it elsewhere. */
    if (is_strong)
        return r->is_leading && !r->has_batch && replica_can_serve_strong(r);
    return replica_can_serve_eventual(r);
}

static void read_item(struct replica *r, const struct item_read *asked)
{
    struct shard *s = r->shard;
    enum store_lookup lookup;
    struct store_value value;
    enum err err = store_get_cached(s->store, asked->key, &lookup, &value);
    if (err != ERR_OK) {
        on_store_error(r, asked->call, err);
        return;
    }
    metric_increment(asked->is_strong ? &s->metrics.reads_strong : &s->metrics.reads_eventual);
    if (lookup == STORE_INCOMPLETE) {
        read_in_pool(r, asked);
        return;
    }
    answer(r, asked, lookup, lookup == STORE_HIT ? value.bytes : SLICE_EMPTY);
    if (lookup == STORE_HIT)
        store_value_release(&value);
}

void request_on_read(struct shard *s, struct wire_call call, const struct frame *frame)
{
    struct item_read asked = {.call = call, .arrived_us = clock_boot_us()};
    arena_reset(&s->arena);
    const Sluice__Dataplane__ReadRequest *request =
        proto_unpack(&sluice__dataplane__read_request__descriptor, frame->header, &s->arena);
    if (request == NULL || request->key.len == 0 || request->key.len > KEY_BYTES_MAX) {
        metric_increment(&s->metrics.messages_malformed);
        wire_refuse(call, ERR_INVALID);
        return;
    }
    asked.key = proto_slice(request->key);
    struct replica *r = replica_find(s, request->group_id);
    if (r == NULL || r->state != REPLICA_ACTIVE) {
        refuse(s, call, SLUICE__DATAPLANE__STATUS__NO_GROUP, NULL);
        return;
    }
    if (request->range_epoch != r->range_epoch || !key_is_within(asked.key, r->range_start, r->range_end)) {
        refuse(s, call, SLUICE__DATAPLANE__STATUS__WRONG_RANGE, r);
        return;
    }
    asked.is_strong = request->consistency == SLUICE__DATAPLANE__READ_CONSISTENCY__STRONG;
    if (!request_may_serve(r, asked.is_strong)) {
        refuse(s, call, SLUICE__DATAPLANE__STATUS__NOT_LEADER, r);
        return;
    }
    if (!cap_admits(&r->reads, asked.arrived_us)) {
        refuse_throttled(s, call);
        return;
    }
    read_item(r, &asked);
}

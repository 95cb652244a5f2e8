/* BatchGetItem, BatchWriteItem: many calls to nodes, some at a time, and one answer. What a node does not do in time
 * goes back to the client as unprocessed, and so does what the answer has no room for. */
#include "api/router/batch_answer.h"
#include "api/router/data_table.h"
#include "api/router/offload.h"
#include "api/router/reading.h"
#include "api/router/throttle.h"
#include "base/clock.h"

enum {
    BATCH_IN_FLIGHT_MAX = 25,
    /* Answers of many large items may all come in one turn of the loop. */
    BATCH_LARGE_READS_MAX = 12,
    BATCH_READ_BYTES_MAX = 1024 * 1024, /* of those beyond, as far as it is known how large items are */
    /* Of items on their way, and the one that crosses it: what nodes have not taken yet is in this router's memory twice. */
    BATCH_WRITE_BYTES_MAX = 1024 * 1024,
    BATCH_STORED_BYTES_MAX =
        16 * 1024 * 1024, /* of the items that a BatchGetItem keeps, as they are stored */
    SCRATCH_BLOCK_BYTES = 64 * 1024,
    SCRATCH_BYTES_MAX = 4 * 1024 * 1024,
};

static void end(struct request *r)
{
    struct batch *b = r->state;
    arena_deinit(&b->scratch);
    batch_parameters_deinit(&b->p);
}

static void fail(struct request *r, enum err code, const char *text)
{
    struct batch *b = r->state;
    buffer_deinit(&b->body);
    end(r);
    answer_error(r, code, text);
}

static bool is_throttled(const struct batch *b, const struct batch_table *table)
{
    for (size_t i = 0; i < b->p.entry_count; i++)
        if (b->p.entries[i]->table == table && b->p.entries[i]->is_throttled)
            return true;
    return false;
}

/* DynamoDB, BatchGetItem: "If none of the items can be processed due to insufficient provisioned throughput on all of the tables
 * in the request, then BatchGetItem returns a ProvisionedThroughputExceededException." */
static void fail_throttled(struct request *r)
{
    struct batch *b = r->state;
    struct slice tables[BATCH_GET_MAX];
    size_t count = 0;
    bool is_write = b->p.operation == BATCH_WRITE;
    for (size_t i = 0; i < b->p.table_count; i++)
        if (is_throttled(b, b->p.tables[i]))
            tables[count++] = b->p.tables[i]->given;
    buffer_deinit(&b->body);
    end(r);
    answer_throttled(r, is_write, tables, count);
}

/* ---- the answer ---- */

static void on_written(struct request *r, enum err err)
{
    struct batch *b = r->state;
    if (err != ERR_OK) {
        fail(r, ERR_INTERNAL, NULL);
        return;
    }
    struct buffer body = b->body;
    end(r);
    answer_json(r, &body);
}

static void answer(struct request *r)
{
    struct batch *b = r->state;
    if (b->refusal != NULL) {
        fail(r, ERR_VALIDATION, b->refusal);
        return;
    }
    if (b->done_count == 0 && b->failure == ERR_THROTTLED && !b->is_full) {
        fail_throttled(r);
        return;
    }
    if (b->done_count == 0) {
        bool is_short = b->failure == ERR_UNAVAILABLE || b->is_full; /* of memory */
        fail(r, is_short ? ERR_SERVICE_UNAVAILABLE : ERR_INTERNAL, NULL);
        return;
    }
    bool is_whole = b->done_count == b->p.entry_count;
    offload_answer(r, b->found_bytes + (is_whole ? 0 : r->body.length), batch_answer_write, on_written);
}

/* ---- what nodes say ---- */

static void go_on(struct request *r);

static void note_done(struct batch *b, struct batch_entry *entry)
{
    entry->is_done = true;
    b->done_count++;
}

static void note_written(struct batch *b, struct batch_entry *entry, int64_t milli)
{
    entry->write_units_milli = milli;
    note_done(b, entry);
}

static void note_failure(struct batch *b, enum err err)
{
    b->is_closing |= err == ERR_CLOSED;
    /* Only when each write is certainly not applied the whole is so, and only when all of them met a cap that is why. */
    if (b->failure == ERR_OK || b->failure == ERR_THROTTLED ||
        (b->failure == ERR_UNAVAILABLE && err != ERR_THROTTLED))
        b->failure = err;
}

static void note_failed_entry(struct batch *b, struct batch_entry *entry, enum err err)
{
    entry->is_throttled = err == ERR_THROTTLED;
    note_failure(b, err);
}

static void note_refusal(struct request *r, const char *text)
{
    struct batch *b = r->state;
    note_failure(b, ERR_INTERNAL);
    b->refusal = arena_string(&r->arena, slice_from_string(text));
}

/* The payload lives during the callback only. False: no room. */
static bool keep(struct request *r, struct batch_entry *entry, struct slice payload)
{
    struct batch *b = r->state;
    if (b->found_bytes + payload.length > BATCH_STORED_BYTES_MAX ||
        !offload_charge(r, OFFLOAD_ANSWER_FACTOR * payload.length))
        return false;
    entry->found = arena_copy(&r->arena, payload);
    b->found_bytes += payload.length;
    if (payload.length > b->found_largest)
        b->found_largest = payload.length;
    return entry->found.data != NULL;
}

static void take_item(struct batch_entry *entry, const Sluice__Dataplane__ReadResponse *response,
                      struct slice payload)
{
    struct batch *b = entry->request->state;
    b->found_largest = b->found_largest == 0 ? 1 : b->found_largest; /* now something is known */
    if (response->status == SLUICE__DATAPLANE__STATUS__NOT_FOUND || keep(entry->request, entry, payload))
        note_done(b, entry);
    else
        b->is_full = true;
}

static void on_read(struct item_call *call, enum err err, const ProtobufCMessage *header,
                    struct slice payload)
{
    struct batch_entry *entry = call->data;
    struct batch *b = entry->request->state;
    b->in_flight--;
    if (err == ERR_OK)
        take_item(entry, (const Sluice__Dataplane__ReadResponse *)header, payload);
    else
        note_failed_entry(b, entry, err);
    go_on(entry->request);
}

static void on_write(struct item_call *call, enum err err, const ProtobufCMessage *header,
                     struct slice payload)
{
    struct batch_entry *entry = call->data;
    struct request *r = entry->request;
    struct batch *b = r->state;
    const Sluice__Dataplane__WriteResponse *response = (const Sluice__Dataplane__WriteResponse *)header;
    b->in_flight--;
    b->in_flight_bytes -= call->payload[0].length;
    if (err != ERR_OK)
        note_failed_entry(b, entry, err);
    else if (response->status == SLUICE__DATAPLANE__STATUS__OK)
        note_written(b, entry, (int64_t)response->write_units_milli);
    else
        note_refusal(r, response->error_text);
    go_on(r);
}

/* ---- calls ---- */

static void begin_read(struct batch_entry *entry)
{
    sluice__dataplane__read_request__init(&entry->call.read);
    entry->call.read.consistency = entry->table->is_consistent
                                       ? SLUICE__DATAPLANE__READ_CONSISTENCY__STRONG
                                       : SLUICE__DATAPLANE__READ_CONSISTENCY__EVENTUAL;
    entry->call.done = on_read;
}

static void begin_write(struct router *router, struct batch_entry *entry)
{
    Sluice__Dataplane__WriteRequest *write = &entry->call.write;
    bool is_put = entry->operation == ITEM_PUT;
    sluice__dataplane__write_request__init(write);
    router_make_request_id(router, entry->request_id);
    write->request_id = (ProtobufCBinaryData){.len = REQUEST_ID_BYTES, .data = entry->request_id};
    write->kind = is_put ? SLUICE__DATAPLANE__WRITE_KIND__PUT : SLUICE__DATAPLANE__WRITE_KIND__DELETE;
    entry->call.payload[0] = is_put ? entry->item : SLICE_EMPTY;
    entry->call.payload_count = 1;
    write->item_bytes = (uint32_t)entry->call.payload[0].length;
    entry->call.is_write = true;
    entry->call.done = on_write;
}

static void begin(struct request *r, struct batch_entry *entry)
{
    struct batch *b = r->state;
    if (b->p.operation == BATCH_GET)
        begin_read(entry);
    else
        begin_write(r->router, entry);
    entry->call.key = buffer_view(&entry->key);
    entry->call.deadline_us = r->deadline_us;
    entry->call.data = entry;
    entry->request = r;
    b->in_flight++;
    b->in_flight_bytes += entry->call.payload[0].length;
    item_client_begin(r->router->items, &entry->call);
}

/* Reads are taken to be as large as the largest that has come so far. */
static bool has_room(const struct batch *b)
{
    if (b->is_full || b->is_closing || b->in_flight >= BATCH_IN_FLIGHT_MAX)
        return false;
    if (b->p.operation == BATCH_WRITE)
        return b->in_flight_bytes < BATCH_WRITE_BYTES_MAX;
    if (b->in_flight < BATCH_LARGE_READS_MAX)
        return true;
    return b->found_largest > 0 && b->in_flight * b->found_largest < BATCH_READ_BYTES_MAX;
}

static void on_room(struct loop_task *task)
{
    struct request *r = task->data;
    struct batch *b = r->state;
    b->is_closing |= r->router->is_closing;
    go_on(r);
}

static void go_on(struct request *r)
{
    struct batch *b = r->state;
    struct loop *loop = r->router->loop;
    while (b->next < b->p.entry_count && has_room(b)) {
        if (!loop_turn_has_room(loop)) {
            loop_defer_for_room(loop, &b->later);
            return;
        }
        begin(r, b->p.entries[b->next++]);
    }
    if (b->in_flight == 0 && !loop_task_is_queued(&b->later))
        answer(r);
}

/* ---- tables and keys ---- */

/* What keys are made of is copied: a worker does not see the catalog. */
static enum err find_tables(struct request *r)
{
    struct batch *b = r->state;
    for (size_t i = 0; i < b->p.table_count; i++) {
        struct batch_table *to = b->p.tables[i];
        const struct catalog_table *table = data_table_find(r, to->given);
        if (table == NULL)
            return ERR_RESOURCE_NOT_FOUND;
        to->space_id = table->space_id;
        to->schema = table->schema;
        to->schema.partition.name = arena_copy(&r->arena, table->schema.partition.name);
        to->schema.sort.name = arena_copy(&r->arena, table->schema.sort.name);
    }
    return arena_has_failed(&r->arena) ? ERR_NO_MEMORY : ERR_OK;
}

/* Perhaps on a worker. */
static void make_keys(struct request *r)
{
    struct batch *b = r->state;
    r->read = ERR_OK;
    for (size_t i = 0; i < b->p.entry_count && r->read == ERR_OK; i++)
        r->read = batch_entry_key(b->p.entries[i], &r->read_error);
    if (r->read == ERR_OK)
        r->read = batch_check_duplicates(&b->p, &r->read_error);
}

static void on_keys(struct request *r, enum err err)
{
    if (err != ERR_OK || r->router->is_closing)
        fail(r, ERR_SERVICE_UNAVAILABLE, NULL);
    else if (r->read != ERR_OK)
        fail(r, r->read, reading_words(r, r->read, &r->read_error));
    else
        go_on(r);
}

static void call_nodes(struct request *r, enum err err)
{
    if (err != ERR_OK) {
        fail(r, err, NULL);
    } else if (offload_is_due(r->body.length)) {
        offload_run(r, r->deadline_us, make_keys, on_keys);
    } else {
        make_keys(r);
        on_keys(r, ERR_OK);
    }
}

static void on_news(enum err err, void *data)
{
    struct request *r = data;
    call_nodes(r, find_tables(r));
}

/* Perhaps on a worker. */
enum err batch_operation_read(struct request *r, struct error *error)
{
    struct batch *b = arena_zalloc(&r->arena, sizeof *b);
    if (b == NULL)
        return ERR_NO_MEMORY;
    r->state = b;
    b->later = (struct loop_task){.run = on_room, .data = r};
    arena_init(&b->scratch, SCRATCH_BLOCK_BYTES, SCRATCH_BYTES_MAX);
    return batch_parameters_read(r, (enum batch_operation)r->operation->kind, &b->p, error);
}

void batch_operation_run(struct request *r)
{
    struct router_metrics *m = &r->router->metrics;
    metric_increment(r->operation->kind == BATCH_GET ? &m->batch_gets : &m->batch_writes);
    if (r->read != ERR_OK) {
        if (r->state != NULL)
            end(r);
        reading_refuse(r);
        return;
    }
    enum err err = find_tables(r);
    if (err != ERR_RESOURCE_NOT_FOUND || data_table_wait(r, on_news) != ERR_OK)
        call_nodes(r, err);
}

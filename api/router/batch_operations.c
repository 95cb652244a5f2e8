/* BatchGetItem, BatchWriteItem: many calls to nodes, some at a time, and one answer. What a node does not do in time
 * goes back to the client as unprocessed, and so does what the answer has no room for. */
#include "api/router/batch_parameters.h"
#include "api/router/data_table.h"
#include "api/router/offload.h"
#include "api/router/reading.h"
#include "base/clock.h"
#include "dataplane/expression/projection.h"

enum {
    BATCH_IN_FLIGHT_MAX = 25,
    /* Answers of many large items may all come in one turn of the loop. */
    BATCH_LARGE_READS_MAX = 12,
    BATCH_READ_BYTES_MAX = 1024 * 1024,       /* of those beyond, as far as it is known how large items are */
    BATCH_TURN_BYTES_MAX = 1024 * 1024,       /* of writes begun in one turn; the next ones in later turns */
    BATCH_ITEMS_BYTES_MAX = 16 * 1024 * 1024, /* of a BatchGetItem's items: as they are stored, and as JSON */
    BATCH_REPLY_BYTES_MAX = 2 * BATCH_ITEMS_BYTES_MAX,
    SCRATCH_BLOCK_BYTES = 64 * 1024,
    SCRATCH_BYTES_MAX = 4 * 1024 * 1024,
};

struct batch {
    struct batch_parameters p;
    size_t next; /* of the entries, to begin */
    size_t in_flight;
    size_t turn_bytes;         /* of writes begun in this turn */
    struct loop_timer in_turn; /* for the others */
    bool waits_for_turn;
    size_t done_count;
    size_t found_bytes; /* of items, as they are stored */
    size_t found_largest;
    bool is_full;         /* no room for another item */
    bool is_closing;      /* the router is */
    enum err failure;     /* why one was not done */
    char *refusal;        /* a node's word on a write that it will never take */
    struct arena scratch; /* for one item */
    struct buffer body;
    size_t json_bytes; /* of all tables' items in it */
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

/* ---- the answer ---- */

static bool has_unprocessed(const struct batch *b, const struct batch_table *table)
{
    for (size_t i = 0; i < b->p.entry_count; i++)
        if (b->p.entries[i]->table == table && !b->p.entries[i]->is_done)
            return true;
    return false;
}

static void write_keys(struct json_writer *w, const struct batch *b, const struct batch_table *table)
{
    json_write_object_begin(w);
    json_write_name(w, "Keys");
    json_write_array_begin(w);
    for (size_t i = 0; i < b->p.entry_count; i++)
        if (b->p.entries[i]->table == table && !b->p.entries[i]->is_done)
            json_write_item(w, b->p.entries[i]->item);
    json_write_array_end(w);
    if (table->is_consistent) {
        json_write_name(w, "ConsistentRead");
        json_write_bool(w, true);
    }
    if (table->projection_text.data != NULL) {
        json_write_name(w, "ProjectionExpression");
        json_write_string(w, table->projection_text);
    }
    if (table->substitutions.has_names) {
        json_write_name(w, "ExpressionAttributeNames");
        json_write_object_begin(w);
        for (size_t i = 0; i < table->substitutions.name_count; i++) {
            json_write_name_slice(w, table->substitutions.names[i].token);
            json_write_string(w, table->substitutions.names[i].content);
        }
        json_write_object_end(w);
    }
    json_write_object_end(w);
}

static void write_writes(struct json_writer *w, const struct batch *b, const struct batch_table *table)
{
    json_write_array_begin(w);
    for (size_t i = 0; i < b->p.entry_count; i++) {
        const struct batch_entry *entry = b->p.entries[i];
        if (entry->table != table || entry->is_done)
            continue;
        json_write_object_begin(w);
        json_write_name(w, entry->operation == ITEM_PUT ? "PutRequest" : "DeleteRequest");
        json_write_object_begin(w);
        json_write_name(w, entry->operation == ITEM_PUT ? "Item" : "Key");
        json_write_item(w, entry->item);
        json_write_object_end(w);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

/* In the form of the request, so that a client can send it as it is. */
static void write_unprocessed(struct json_writer *w, const struct batch *b)
{
    bool is_get = b->p.operation == BATCH_GET;
    json_write_name(w, is_get ? "UnprocessedKeys" : "UnprocessedItems");
    json_write_object_begin(w);
    for (size_t i = 0; i < b->p.table_count; i++) {
        if (!has_unprocessed(b, b->p.tables[i]))
            continue;
        json_write_name_slice(w, b->p.tables[i]->given);
        if (is_get)
            write_keys(w, b, b->p.tables[i]);
        else
            write_writes(w, b, b->p.tables[i]);
    }
    json_write_object_end(w);
}

static enum err project(struct batch *b, const struct batch_table *table, struct slice item,
                        struct slice *ret_item)
{
    *ret_item = item;
    if (table->projection.length == 0)
        return ERR_OK;
    struct program program;
    TRY(program_open(buffer_view(&table->projection), PROGRAM_PROJECTION, &program));
    struct slice projected;
    arena_reset(&b->scratch);
    TRY(projection_apply(&program, item, &b->scratch, &projected));
    *ret_item = projected.data == NULL ? slice_make("", 0) : projected;
    return ERR_OK;
}

/* What has no room is unprocessed after all. */
static enum err write_found(struct json_writer *w, struct batch *b, struct batch_entry *entry)
{
    struct json_writer before = *w;
    size_t length = w->to->length;
    struct slice item;
    TRY(project(b, entry->table, entry->found, &item));
    json_write_item(w, item);
    size_t added = w->to->length - length;
    if (b->json_bytes + added <= BATCH_ITEMS_BYTES_MAX) {
        b->json_bytes += added;
        return ERR_OK;
    }
    buffer_cut(w->to, length);
    *w = before;
    entry->is_done = false;
    return ERR_OK;
}

static enum err write_responses(struct json_writer *w, struct batch *b)
{
    json_write_name(w, "Responses");
    json_write_object_begin(w);
    for (size_t i = 0; i < b->p.table_count; i++) {
        json_write_name_slice(w, b->p.tables[i]->given);
        json_write_array_begin(w);
        for (size_t k = 0; k < b->p.entry_count; k++)
            if (b->p.entries[k]->table == b->p.tables[i] && b->p.entries[k]->found.data != NULL)
                TRY(write_found(w, b, b->p.entries[k]));
        json_write_array_end(w);
    }
    json_write_object_end(w);
    return ERR_OK;
}

static int64_t units_of_entry(const struct batch_entry *entry)
{
    enum read_kind kind = entry->table->is_consistent ? READ_STRONG : READ_EVENTUAL;
    size_t bytes = entry->found.data == NULL ? 0 : item_size_bytes(entry->found);
    return entry->operation == ITEM_GET ? capacity_read(bytes, kind).milli : entry->write_units_milli;
}

static int64_t units_of(const struct batch *b, const struct batch_table *table)
{
    int64_t milli = 0;
    for (size_t i = 0; i < b->p.entry_count; i++)
        if (b->p.entries[i]->table == table && b->p.entries[i]->is_done)
            milli += units_of_entry(b->p.entries[i]);
    return milli;
}

static void write_capacities(struct json_writer *w, const struct batch *b)
{
    if (b->p.capacity == CAPACITY_NONE)
        return;
    json_write_name(w, "ConsumedCapacity");
    json_write_array_begin(w);
    for (size_t i = 0; i < b->p.table_count; i++)
        consumed_capacity_write(w, b->p.capacity, b->p.tables[i]->given, units_of(b, b->p.tables[i]));
    json_write_array_end(w);
}

/* Perhaps on a worker. */
static enum err write_answer(struct request *r)
{
    struct batch *b = r->state;
    struct json_writer w;
    buffer_init(&b->body, BATCH_REPLY_BYTES_MAX);
    json_writer_init(&w, &b->body);
    json_write_object_begin(&w);
    if (b->p.operation == BATCH_GET)
        TRY(write_responses(&w, b));
    write_unprocessed(&w, b);
    write_capacities(&w, b);
    json_write_object_end(&w);
    return ERR_OK;
}

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
    if (b->done_count == 0) {
        bool is_short = b->failure == ERR_UNAVAILABLE || b->is_full; /* of memory */
        fail(r, is_short ? ERR_SERVICE_UNAVAILABLE : ERR_INTERNAL, NULL);
        return;
    }
    bool is_whole = b->done_count == b->p.entry_count;
    offload_answer(r, b->found_bytes + (is_whole ? 0 : r->body.length), write_answer, on_written);
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
    /* Only when each write is certainly not applied the whole is so. */
    if (b->failure == ERR_OK || b->failure == ERR_UNAVAILABLE)
        b->failure = err;
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
    if (b->found_bytes + payload.length > BATCH_ITEMS_BYTES_MAX ||
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
        note_failure(b, err);
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
    if (err != ERR_OK)
        note_failure(b, err);
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
    b->turn_bytes += entry->call.payload[0].length;
    item_client_begin(r->router->items, &entry->call);
}

/* Reads are taken to be as large as the largest that has come so far. */
static bool has_room(const struct batch *b)
{
    if (b->is_full || b->is_closing || b->waits_for_turn || b->in_flight >= BATCH_IN_FLIGHT_MAX)
        return false;
    if (b->p.operation == BATCH_WRITE || b->in_flight < BATCH_LARGE_READS_MAX)
        return true;
    return b->found_largest > 0 && b->in_flight * b->found_largest < BATCH_READ_BYTES_MAX;
}

static void on_next_turn(struct loop_timer *timer)
{
    struct request *r = timer->data;
    struct batch *b = r->state;
    b->waits_for_turn = false;
    b->turn_bytes = 0;
    b->is_closing |= r->router->is_closing;
    go_on(r);
}

static void wait_for_turn(struct request *r)
{
    struct batch *b = r->state;
    b->waits_for_turn = true;
    b->in_turn = (struct loop_timer){.fire = on_next_turn, .data = r};
    loop_timer_start(r->router->loop, &b->in_turn, clock_boot_us());
}

static void go_on(struct request *r)
{
    struct batch *b = r->state;
    while (b->next < b->p.entry_count && has_room(b)) {
        begin(r, b->p.entries[b->next++]);
        if (b->turn_bytes >= BATCH_TURN_BYTES_MAX)
            wait_for_turn(r);
    }
    if (b->in_flight == 0 && !b->waits_for_turn)
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

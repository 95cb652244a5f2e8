/* GetItem, PutItem, UpdateItem, DeleteItem: parameters in, one call to a node, the answer out. */
#include "api/router/item_parameters.h"

#include "api/router/consumed_capacity.h"
#include "api/router/data_table.h"
#include "api/router/offload.h"
#include "api/router/reading.h"
#include "api/router/throttle.h"
#include "base/random.h"
#include "dataplane/expression/projection.h"
#include "dataplane/item/size.h"

struct item_state {
    struct item_parameters parameters;
    struct buffer key;
    uint8_t request_id[REQUEST_ID_BYTES];
    /* The answer. */
    struct slice item; /* data NULL: none */
    int64_t write_units_milli;
    bool has_failed_condition;
    struct buffer body;
};

static void end(struct request *r)
{
    struct item_state *s = r->state;
    item_parameters_deinit(&s->parameters);
    buffer_deinit(&s->key);
}

static void fail(struct request *r, enum err code, const char *text)
{
    end(r);
    answer_error(r, code, text);
}

static void fail_throttled(struct request *r)
{
    const struct item_state *s = r->state;
    struct slice table = s->parameters.table;
    bool is_write = s->parameters.operation != ITEM_GET;
    end(r);
    answer_throttled(r, is_write, &table, 1);
}

/* ---- answers ---- */

static void write_capacity(struct json_writer *w, const struct item_state *s)
{
    const struct item_parameters *p = &s->parameters;
    enum read_kind kind = p->is_consistent ? READ_STRONG : READ_EVENTUAL;
    int64_t milli = s->write_units_milli;
    if (p->capacity == CAPACITY_NONE)
        return;
    if (p->operation == ITEM_GET)
        milli = capacity_read(s->item.data == NULL ? 0 : item_size_bytes(s->item), kind).milli;
    json_write_name(w, "ConsumedCapacity");
    consumed_capacity_write(w, p->capacity, p->table, milli);
}

static enum err project(struct request *r, struct slice *item)
{
    const struct item_state *s = r->state;
    if (s->parameters.projection.length == 0 || item->data == NULL)
        return ERR_OK;
    struct program program;
    TRY(program_open(buffer_view(&s->parameters.projection), PROGRAM_PROJECTION, &program));
    struct slice projected;
    TRY(projection_apply(&program, *item, &r->arena, &projected));
    /* An item of which nothing is left is still there: `"Item": {}`. */
    *item = projected.data == NULL ? slice_make("", 0) : projected;
    return ERR_OK;
}

/* Perhaps on a worker. */
static enum err write_answer(struct request *r)
{
    struct item_state *s = r->state;
    struct slice item = s->item;
    if (s->has_failed_condition) {
        answer_condition_failed_write(&s->body, item);
        return ERR_OK;
    }
    struct json_writer w;
    TRY(project(r, &item));
    buffer_init(&s->body, REPLY_BYTES_MAX);
    json_writer_init(&w, &s->body);
    json_write_object_begin(&w);
    if (item.data != NULL) {
        json_write_name(&w, s->parameters.operation == ITEM_GET ? "Item" : "Attributes");
        json_write_item(&w, item);
    }
    write_capacity(&w, s);
    json_write_object_end(&w);
    return ERR_OK;
}

static void on_written(struct request *r, enum err err)
{
    struct item_state *s = r->state;
    if (err != ERR_OK) {
        fail(r, ERR_INTERNAL, NULL);
        return;
    }
    struct buffer body = s->body;
    bool has_failed_condition = s->has_failed_condition;
    end(r);
    if (has_failed_condition)
        answer_condition_failed(r, &body);
    else
        answer_json(r, &body);
}

/* The payload lives during the callback only: what a worker writes is copied, if there is room for that. */
static void answer_item(struct request *r, struct slice payload)
{
    struct item_state *s = r->state;
    size_t bytes = 0;
    s->item = payload;
    if (offload_is_due(payload.length) && offload_charge(r, OFFLOAD_ANSWER_FACTOR * payload.length)) {
        bytes = payload.length;
        s->item = arena_copy(&r->arena, payload);
        if (s->item.data == NULL) {
            fail(r, ERR_INTERNAL, NULL);
            return;
        }
    }
    offload_answer(r, bytes, write_answer, on_written);
}

static void on_read(struct item_call *call, enum err err, const ProtobufCMessage *header,
                    struct slice payload)
{
    struct request *r = call->data;
    if (err == ERR_THROTTLED) {
        fail_throttled(r);
        return;
    }
    if (err != ERR_OK) {
        fail(r, ERR_INTERNAL, NULL);
        return;
    }
    const Sluice__Dataplane__ReadResponse *response = (const Sluice__Dataplane__ReadResponse *)header;
    answer_item(r, response->status == SLUICE__DATAPLANE__STATUS__NOT_FOUND ? SLICE_EMPTY : payload);
}

static const char *word_refusal(const struct item_state *s, const char *text)
{
    return s->parameters.attribute_updates.is_given ? legacy_update_words(text) : text;
}

static void on_write(struct item_call *call, enum err err, const ProtobufCMessage *header,
                     struct slice payload)
{
    struct request *r = call->data;
    struct item_state *s = r->state;
    if (err == ERR_THROTTLED) {
        fail_throttled(r);
        return;
    }
    if (err != ERR_OK) {
        fail(r, err == ERR_UNAVAILABLE ? ERR_SERVICE_UNAVAILABLE : ERR_INTERNAL, NULL);
        return;
    }
    const Sluice__Dataplane__WriteResponse *response = (const Sluice__Dataplane__WriteResponse *)header;
    if (response->status == SLUICE__DATAPLANE__STATUS__INVALID) {
        fail(r, ERR_VALIDATION, word_refusal(s, response->error_text));
        return;
    }
    s->has_failed_condition = response->status == SLUICE__DATAPLANE__STATUS__CONDITION_FAILED;
    s->write_units_milli = response->write_units_milli;
    answer_item(r, response->has_attributes ? payload : SLICE_EMPTY);
}

/* ---- calls ---- */

static void begin_read(struct request *r)
{
    struct item_state *s = r->state;
    sluice__dataplane__read_request__init(&r->call.read);
    r->call.read.consistency = s->parameters.is_consistent ? SLUICE__DATAPLANE__READ_CONSISTENCY__STRONG
                                                           : SLUICE__DATAPLANE__READ_CONSISTENCY__EVENTUAL;
    r->call.done = on_read;
}

void router_make_request_id(struct router *router, uint8_t to[REQUEST_ID_BYTES])
{
    uint64_t high = random_u64(&router->random), low = random_u64(&router->random);
    memcpy(to, &high, 8);
    memcpy(to + 8, &low, 8);
}

static void begin_write(struct request *r)
{
    static const Sluice__Dataplane__WriteKind kinds[] = {
        [ITEM_PUT] = SLUICE__DATAPLANE__WRITE_KIND__PUT,
        [ITEM_UPDATE] = SLUICE__DATAPLANE__WRITE_KIND__UPDATE,
        [ITEM_DELETE] = SLUICE__DATAPLANE__WRITE_KIND__DELETE,
    };
    struct item_state *s = r->state;
    struct item_parameters *p = &s->parameters;
    Sluice__Dataplane__WriteRequest *write = &r->call.write;
    sluice__dataplane__write_request__init(write);
    router_make_request_id(r->router, s->request_id);
    write->request_id = (ProtobufCBinaryData){.len = REQUEST_ID_BYTES, .data = s->request_id};
    write->kind = kinds[p->operation];
    write->return_values = (Sluice__Dataplane__ReturnValues)p->values;
    write->return_old_on_condition_failure = p->returns_old_on_failure;
    struct slice item = p->operation == ITEM_DELETE ? SLICE_EMPTY : p->item;
    r->call.payload[0] = item;
    r->call.payload[1] = buffer_view(&p->condition);
    r->call.payload[2] = buffer_view(&p->update);
    r->call.payload_count = ITEM_PAYLOAD_PARTS_MAX;
    write->item_bytes = (uint32_t)item.length;
    write->condition_bytes = (uint32_t)p->condition.length;
    write->update_bytes = (uint32_t)p->update.length;
    r->call.is_write = true;
    r->call.done = on_write;
}

static void call_node(struct request *r, const struct catalog_table *table)
{
    struct item_state *s = r->state;
    struct error error = {.code = ERR_OK};
    enum err err = item_parameters_key(&s->parameters, table, &s->key, &error);
    if (err != ERR_OK) {
        fail(r, err, err == ERR_VALIDATION ? error.text : NULL);
        return;
    }
    if (s->parameters.operation == ITEM_GET)
        begin_read(r);
    else
        begin_write(r);
    r->call.key = buffer_view(&s->key);
    r->call.deadline_us = r->deadline_us;
    r->call.data = r;
    item_client_begin(r->router->items, &r->call);
}

/* ---- the table ---- */

static void on_news(enum err err, void *data)
{
    struct request *r = data;
    const struct item_state *s = r->state;
    const struct catalog_table *table = data_table_find(r, s->parameters.table);
    if (table != NULL)
        call_node(r, table);
    else
        fail(r, ERR_RESOURCE_NOT_FOUND, NULL);
}

/* Perhaps on a worker. */
enum err item_operation_read(struct request *r, struct error *error)
{
    struct item_state *s = arena_zalloc(&r->arena, sizeof *s);
    if (s == NULL)
        return ERR_NO_MEMORY;
    r->state = s;
    buffer_init(&s->key, KEY_BYTES_MAX);
    return item_parameters_read(r, (enum item_operation)r->operation->kind, &s->parameters, error);
}

static void count(struct router_metrics *m, enum item_operation operation)
{
    struct metric_counter *const counters[] = {
        [ITEM_GET] = &m->gets,
        [ITEM_PUT] = &m->puts,
        [ITEM_UPDATE] = &m->updates,
        [ITEM_DELETE] = &m->deletes,
    };
    metric_increment(counters[operation]);
}

void item_operation_run(struct request *r)
{
    struct item_state *s = r->state;
    count(&r->router->metrics, (enum item_operation)r->operation->kind);
    if (r->read != ERR_OK) {
        if (s != NULL)
            end(r);
        reading_refuse(r);
        return;
    }
    const struct catalog_table *table = data_table_find(r, s->parameters.table);
    if (table != NULL)
        call_node(r, table);
    else if (data_table_wait(r, on_news) != ERR_OK)
        fail(r, ERR_RESOURCE_NOT_FOUND, NULL);
}

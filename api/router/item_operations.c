/* GetItem, PutItem, UpdateItem, DeleteItem: parameters in, one call to a node, the answer out. */
#include "api/router/item_parameters.h"

#include "api/router/consumed_capacity.h"
#include "api/router/data_table.h"
#include "api/router/reading.h"
#include "base/clock.h"
#include "base/random.h"
#include "dataplane/expression/projection.h"
#include "dataplane/item/size.h"

struct item_state {
    struct item_parameters parameters;
    struct buffer key;
    struct slice table_as_given; /* for ConsumedCapacity */
    uint8_t request_id[REQUEST_ID_BYTES];
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

/* ---- answers ---- */

static void write_capacity(struct json_writer *w, const struct item_state *s, int64_t milli)
{
    const struct item_parameters *p = &s->parameters;
    if (p->capacity == CAPACITY_NONE)
        return;
    json_write_name(w, "ConsumedCapacity");
    consumed_capacity_write(w, p->capacity, p->table, milli);
}

static void answer_item(struct request *r, const char *name, struct slice item, int64_t milli)
{
    struct item_state *s = r->state;
    struct buffer body;
    struct json_writer w;
    buffer_init(&body, REPLY_BYTES_MAX);
    json_writer_init(&w, &body);
    json_write_object_begin(&w);
    if (item.data != NULL) {
        json_write_name(&w, name);
        json_write_item(&w, item);
    }
    write_capacity(&w, s, milli);
    json_write_object_end(&w);
    end(r);
    answer_json(r, &body);
}

static enum err project(struct request *r, struct slice item, struct slice *ret_item)
{
    struct item_state *s = r->state;
    *ret_item = item;
    if (s->parameters.projection.length == 0)
        return ERR_OK;
    struct program program;
    TRY(program_open(buffer_view(&s->parameters.projection), PROGRAM_PROJECTION, &program));
    struct slice projected;
    TRY(projection_apply(&program, item, &r->arena, &projected));
    /* An item of which nothing is left is still there: `"Item": {}`. */
    *ret_item = projected.data == NULL ? slice_make("", 0) : projected;
    return ERR_OK;
}

static void on_read(struct item_call *call, enum err err, const ProtobufCMessage *header,
                    struct slice payload)
{
    struct request *r = call->data;
    struct item_state *s = r->state;
    if (err != ERR_OK) {
        fail(r, ERR_INTERNAL, NULL);
        return;
    }
    const Sluice__Dataplane__ReadResponse *response = (const Sluice__Dataplane__ReadResponse *)header;
    enum read_kind kind = s->parameters.is_consistent ? READ_STRONG : READ_EVENTUAL;
    if (response->status == SLUICE__DATAPLANE__STATUS__NOT_FOUND) {
        answer_item(r, "Item", SLICE_EMPTY, capacity_read(0, kind).milli);
        return;
    }
    struct slice item;
    if (project(r, payload, &item) != ERR_OK) {
        fail(r, ERR_INTERNAL, NULL);
        return;
    }
    answer_item(r, "Item", item, capacity_read(item_size_bytes(payload), kind).milli);
}

static const char *word_refusal(const struct item_state *s, const char *text)
{
    return s->parameters.attribute_updates.is_given ? legacy_update_words(text) : text;
}

static void on_write(struct item_call *call, enum err err, const ProtobufCMessage *header,
                     struct slice payload)
{
    struct request *r = call->data;
    if (err != ERR_OK) {
        fail(r, err == ERR_UNAVAILABLE ? ERR_SERVICE_UNAVAILABLE : ERR_INTERNAL, NULL);
        return;
    }
    const Sluice__Dataplane__WriteResponse *response = (const Sluice__Dataplane__WriteResponse *)header;
    struct slice attributes = response->has_attributes ? payload : SLICE_EMPTY;
    switch ((int)response->status) {
    case SLUICE__DATAPLANE__STATUS__CONDITION_FAILED:
        end(r);
        answer_condition_failed(r, attributes);
        break;
    case SLUICE__DATAPLANE__STATUS__INVALID:
        fail(r, ERR_VALIDATION, word_refusal(r->state, response->error_text));
        break;
    default:
        answer_item(r, "Attributes", attributes, response->write_units_milli);
        break;
    }
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
    r->call.deadline_us = clock_boot_us() + r->router->options.request_us;
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

static void run(struct request *r, enum item_operation operation)
{
    struct item_state *s = arena_zalloc(&r->arena, sizeof *s);
    if (s == NULL) {
        answer_error(r, ERR_INTERNAL, NULL);
        return;
    }
    r->state = s;
    buffer_init(&s->key, KEY_BYTES_MAX);
    struct error error = {.code = ERR_OK};
    enum err err = item_parameters_read(r, operation, &s->parameters, &error);
    if (err != ERR_OK) {
        fail(r, err, reading_words(r, err, &error));
        return;
    }
    const struct catalog_table *table = data_table_find(r, s->parameters.table);
    if (table != NULL) {
        call_node(r, table);
        return;
    }
    if (data_table_wait(r, on_news) != ERR_OK)
        fail(r, ERR_RESOURCE_NOT_FOUND, NULL);
}

void operation_get_item(struct request *r)
{
    metric_increment(&r->router->metrics.gets);
    run(r, ITEM_GET);
}

void operation_put_item(struct request *r)
{
    metric_increment(&r->router->metrics.puts);
    run(r, ITEM_PUT);
}

void operation_update_item(struct request *r)
{
    metric_increment(&r->router->metrics.updates);
    run(r, ITEM_UPDATE);
}

void operation_delete_item(struct request *r)
{
    metric_increment(&r->router->metrics.deletes);
    run(r, ITEM_DELETE);
}

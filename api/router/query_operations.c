/* Query and Scan: a walk over a range of keys, group by group, until a page is full.
 *
 *     parameters -> range -> call a group --> items as JSON --> page full, or nothing left --> answer
 *                              ^                    |
 *                              +---- the rest ------+
 *
 * A page is full with Limit evaluated items, or 1 MB of them. One call asks for a part of that, so that neither a
 * node's loop nor ours is held for long by one answer. */
#include "api/router/consumed_capacity.h"
#include "api/router/data_table.h"
#include "api/router/offload.h"
#include "api/router/range_parameters.h"
#include "api/router/reading.h"
#include "dataplane/expression/projection.h"
#include "dataplane/item/size.h"

enum {
    PAGE_BYTES_MAX = 1024 * 1024, /* DynamoDB: "a single Query ... up to 1 MB of data", before filters */
    CALL_BYTES_MAX = 256 * 1024,  /* of evaluated items in one call */
    CALL_ITEMS_MAX = 8 * 1024,    /* items of a few bytes take their time, too */
    SCRATCH_BYTES_MAX = 4 * 1024 * 1024, /* one projected item */
};

struct range_state {
    struct range_parameters parameters;
    struct key_schema schema; /* names in the request's arena */
    struct query_range range; /* what is left */
    struct buffer key;        /* for the route */
    struct program projection;
    bool has_projection;
    struct arena scratch; /* of one item */
    struct buffer body;
    struct json_writer writer;
    uint64_t written_bytes; /* of items that are in it */
    struct buffer kept;     /* items for a worker to write, as nodes sent them */
    struct buffer last_key;
    bool has_more;
    uint64_t matched_count;
    uint64_t evaluated_count;
    uint64_t evaluated_bytes;
};

static void end(struct request *r)
{
    struct range_state *s = r->state;
    range_parameters_deinit(&s->parameters);
    query_range_deinit(&s->range);
    buffer_deinit(&s->key);
    buffer_deinit(&s->last_key);
    buffer_deinit(&s->kept);
    arena_deinit(&s->scratch);
}

static void drop(struct request *r)
{
    struct range_state *s = r->state;
    buffer_deinit(&s->body);
    end(r);
}

static void fail(struct request *r, enum err code, const char *text)
{
    drop(r);
    answer_error(r, code, text);
}

/* ---- the answer ---- */

static bool counts_only(const struct range_state *s)
{
    return s->parameters.select == SELECT_COUNT;
}

static void begin_body(struct range_state *s)
{
    json_writer_init(&s->writer, &s->body);
    json_write_object_begin(&s->writer);
    if (counts_only(s))
        return;
    json_write_name(&s->writer, "Items");
    json_write_array_begin(&s->writer);
}

static enum err write_item(struct range_state *s, struct slice item)
{
    struct slice shown = item;
    if (s->has_projection) {
        arena_reset(&s->scratch);
        TRY(projection_apply(&s->projection, item, &s->scratch, &shown));
    }
    json_write_item(&s->writer, shown);
    return ERR_OK;
}

static enum err write_items(struct range_state *s, struct slice payload)
{
    struct reader at;
    reader_init(&at, payload);
    while (reader_left(&at) > 0)
        TRY(write_item(s, reader_prefixed(&at)));
    return reader_has_failed(&at) ? ERR_CORRUPT : ERR_OK;
}

static enum err write_last_key(struct request *r)
{
    struct range_state *s = r->state;
    struct item_builder *builder = &r->scratch->builder;
    item_builder_clear(builder);
    TRY(key_decode(&s->schema, buffer_view(&s->last_key), builder));
    json_write_name(&s->writer, "LastEvaluatedKey");
    json_write_item(&s->writer, item_builder_view(builder));
    return ERR_OK;
}

static enum err write_kept(struct range_state *s)
{
    TRY(write_items(s, buffer_view(&s->kept)));
    buffer_clear(&s->kept);
    return ERR_OK;
}

/* Perhaps on a worker: what is kept, and the end. */
static enum err write_end(struct request *r)
{
    struct range_state *s = r->state;
    struct json_writer *w = &s->writer;
    enum read_kind kind = s->parameters.is_consistent ? READ_STRONG : READ_EVENTUAL;
    TRY(write_kept(s));
    if (!counts_only(s))
        json_write_array_end(w);
    json_write_name(w, "Count");
    json_write_int(w, (int64_t)s->matched_count);
    json_write_name(w, "ScannedCount");
    json_write_int(w, (int64_t)s->evaluated_count);
    if (s->has_more)
        TRY(write_last_key(r));
    if (s->parameters.capacity != CAPACITY_NONE) {
        json_write_name(w, "ConsumedCapacity");
        consumed_capacity_write(w, s->parameters.capacity, s->parameters.table,
                                capacity_read(s->evaluated_bytes, kind).milli);
    }
    json_write_object_end(w);
    return ERR_OK;
}

static void on_written(struct request *r, enum err err)
{
    struct range_state *s = r->state;
    if (err != ERR_OK) {
        fail(r, ERR_INTERNAL, NULL);
        return;
    }
    struct buffer body = s->body;
    end(r);
    answer_json(r, &body);
}

static void finish(struct request *r, bool has_more)
{
    struct range_state *s = r->state;
    s->has_more = has_more;
    offload_answer(r, s->kept.length, write_end, on_written);
}

/* The first items of a page are written as they come, and so is a small page. What is beyond is kept for a worker, if
 * there is room for that. */
static enum err take_items(struct request *r, struct slice payload)
{
    struct range_state *s = r->state;
    bool is_small = s->kept.length == 0 && !offload_is_due(s->written_bytes + payload.length);
    if (!is_small && offload_charge(r, OFFLOAD_ANSWER_FACTOR * payload.length)) {
        buffer_append(&s->kept, payload);
        return buffer_has_failed(&s->kept) ? ERR_NO_MEMORY : ERR_OK;
    }
    s->written_bytes += payload.length;
    TRY(write_kept(s));
    return write_items(s, payload);
}

/* ---- calls ---- */

static uint64_t items_left(const struct range_state *s)
{
    const struct range_integer *limit = &s->parameters.limit;
    return limit->is_given ? (uint64_t)limit->value - s->evaluated_count : UINT32_MAX;
}

static bool is_page_full(const struct range_state *s)
{
    return items_left(s) == 0 || s->evaluated_bytes >= PAGE_BYTES_MAX;
}

static void on_range(struct item_call *call, enum err err, const ProtobufCMessage *header,
                     struct slice payload);

static uint32_t least_of(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

static void call_group(struct request *r)
{
    struct range_state *s = r->state;
    struct item_call *call = &r->call;
    Sluice__Dataplane__RangeRequest *range = &call->range;
    uint64_t deadline_us = call->deadline_us;
    buffer_clear(&s->key);
    query_range_first_key(&s->range, !s->parameters.is_forward, &s->key);
    if (buffer_has_failed(&s->key)) {
        fail(r, ERR_INTERNAL, NULL);
        return;
    }
    memset(call, 0, sizeof *call);
    sluice__dataplane__range_request__init(range);
    range->begin = proto_bytes(buffer_view(&s->range.begin));
    range->end = proto_bytes(buffer_view(&s->range.end));
    range->is_reverse = !s->parameters.is_forward;
    range->counts_only = counts_only(s);
    range->is_narrow = s->parameters.is_query;
    range->consistency = s->parameters.is_consistent ? SLUICE__DATAPLANE__READ_CONSISTENCY__STRONG
                                                     : SLUICE__DATAPLANE__READ_CONSISTENCY__EVENTUAL;
    range->items_max = least_of(items_left(s), CALL_ITEMS_MAX);
    range->bytes_max = least_of(PAGE_BYTES_MAX - s->evaluated_bytes, CALL_BYTES_MAX);
    range->filter_bytes = (uint32_t)s->parameters.filter.length;
    call->payload[0] = buffer_view(&s->parameters.filter);
    call->payload_count = 1;
    call->is_range = true;
    call->key = buffer_view(&s->key);
    call->deadline_us = deadline_us;
    call->done = on_range;
    call->data = r;
    item_client_begin(r->router->items, call);
}

static enum err take(struct request *r, const Sluice__Dataplane__RangeResponse *response,
                     struct slice payload)
{
    struct range_state *s = r->state;
    bool is_reverse = !s->parameters.is_forward;
    if (response->evaluated_count > items_left(s))
        return ERR_CORRUPT;
    s->matched_count += response->matched_count;
    s->evaluated_count += response->evaluated_count;
    s->evaluated_bytes += response->evaluated_bytes;
    if (response->last_key.len > 0) {
        buffer_clear(&s->last_key);
        buffer_append(&s->last_key, proto_slice(response->last_key));
    }
    if (!response->is_end)
        query_range_go_on_at(&s->range, proto_slice(response->rest), is_reverse);
    if (buffer_has_failed(&s->last_key) || buffer_has_failed(&s->range.begin) ||
        buffer_has_failed(&s->range.end))
        return ERR_CORRUPT;
    return take_items(r, payload);
}

static void on_range(struct item_call *call, enum err err, const ProtobufCMessage *header,
                     struct slice payload)
{
    struct request *r = call->data;
    struct range_state *s = r->state;
    const Sluice__Dataplane__RangeResponse *response = (const Sluice__Dataplane__RangeResponse *)header;
    if (err == ERR_TIMEOUT && s->evaluated_count > 0) {
        finish(r, true); /* what there is so far is a page, too */
        return;
    }
    if (err != ERR_OK || response->status != SLUICE__DATAPLANE__STATUS__OK ||
        take(r, response, payload) != ERR_OK) {
        fail(r, ERR_INTERNAL, NULL);
        return;
    }
    if (is_page_full(s))
        finish(r, true);
    else if (response->is_end)
        finish(r, false);
    else if (http_request_is_cancelled(r->http))
        fail(r, ERR_INTERNAL, NULL); /* nobody waits for it */
    else
        call_group(r);
}

/* ---- the beginning ---- */

static enum err open_projection(struct range_state *s)
{
    s->has_projection = s->parameters.projection.length > 0;
    if (!s->has_projection)
        return ERR_OK;
    return program_open(buffer_view(&s->parameters.projection), PROGRAM_PROJECTION, &s->projection);
}

static void begin(struct request *r, const struct catalog_table *table)
{
    struct range_state *s = r->state;
    struct error error = {.code = ERR_OK};
    s->schema = table->schema; /* the table may change while we walk */
    s->schema.partition.name = arena_copy(&r->arena, table->schema.partition.name);
    s->schema.sort.name = arena_copy(&r->arena, table->schema.sort.name);
    enum err err = range_parameters_range(&s->parameters, &s->schema, table->space_id, &s->range, &error);
    if (err == ERR_OK)
        err = open_projection(s);
    if (err != ERR_OK || arena_has_failed(&r->arena)) {
        fail(r, err == ERR_OK ? ERR_INTERNAL : err, err == ERR_VALIDATION ? error.text : NULL);
        return;
    }
    begin_body(s);
    r->call.deadline_us = r->deadline_us;
    call_group(r);
}

static void on_news(enum err err, void *data)
{
    struct request *r = data;
    const struct range_state *s = r->state;
    const struct catalog_table *table = data_table_find(r, s->parameters.table);
    if (table != NULL)
        begin(r, table);
    else
        fail(r, ERR_RESOURCE_NOT_FOUND, NULL);
}

/* Perhaps on a worker. */
enum err range_operation_read(struct request *r, struct error *error)
{
    struct range_state *s = arena_zalloc(&r->arena, sizeof *s);
    if (s == NULL)
        return ERR_NO_MEMORY;
    r->state = s;
    query_range_init(&s->range);
    buffer_init(&s->key, RANGE_KEY_BYTES_MAX);
    buffer_init(&s->last_key, KEY_BYTES_MAX);
    buffer_init(&s->body, REPLY_BYTES_MAX);
    buffer_init(&s->kept, REPLY_BYTES_MAX);
    arena_init(&s->scratch, REQUEST_ARENA_BLOCK, SCRATCH_BYTES_MAX);
    return range_parameters_read(r, r->operation->kind, &s->parameters, error);
}

void range_operation_run(struct request *r)
{
    struct range_state *s = r->state;
    struct router_metrics *m = &r->router->metrics;
    metric_increment(r->operation->kind ? &m->queries : &m->scans);
    if (r->read != ERR_OK) {
        if (s != NULL)
            drop(r);
        reading_refuse(r);
        return;
    }
    const struct catalog_table *table = data_table_find(r, s->parameters.table);
    if (table != NULL)
        begin(r, table);
    else if (data_table_wait(r, on_news) != ERR_OK)
        fail(r, ERR_RESOURCE_NOT_FOUND, NULL);
}

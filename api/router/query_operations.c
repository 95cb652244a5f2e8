/* Query and Scan: a walk over a range of keys, group by group, until a page is full.
 *
 *     parameters -> range -> call a group --> items as JSON --> page full, or nothing left --> answer
 *                              ^                    |
 *                              +---- the rest ------+
 *
 * A page is full with Limit evaluated items, or 1 MB of them. One call asks for a part of that, so that neither a
 * node's loop nor ours is held for long by one answer. A page whose items are much longer as JSON ends before the call
 * that would make it too long. */
#include "api/router/consumed_capacity.h"
#include "api/router/data_table.h"
#include "api/router/offload.h"
#include "api/router/page_line.h"
#include "api/router/range_parameters.h"
#include "api/router/reading.h"
#include "api/router/throttle.h"
#include "dataplane/expression/projection.h"
#include "dataplane/item/size.h"

enum {
    PAGE_BYTES_MAX = 1024 * 1024, /* DynamoDB: "a single Query ... up to 1 MB of data", before filters */
    CALL_BYTES_MAX = 256 * 1024,  /* of evaluated items in one call */
    CALL_ITEMS_MAX = 8 * 1024,    /* items of a few bytes take their time, too */
    SCRATCH_BYTES_MAX = 4 * 1024 * 1024,    /* one projected item */
    PAGE_JSON_BYTES_MAX = 16 * 1024 * 1024, /* but for what the first call with items brought */
    /* Also enough for an item that crosses PAGE_JSON_BYTES_MAX. */
    CALL_JSON_BYTES_MAX = CALL_BYTES_MAX / 2 * JSON_BYTES_OF_TWO_MAX + ITEM_JSON_BYTES_MAX,
    PAGE_REPLY_BYTES_MAX = CALL_JSON_BYTES_MAX + 1024 * 1024,
    PAGE_STORED_BYTES_MAX = 17 * 1024 * 1024,
};

/* What a page tells about itself. */
struct page_counts {
    uint64_t matched;
    uint64_t evaluated;
    uint64_t evaluated_bytes;
};

/* What one call brought. */
struct page_part {
    struct page_part *next; /* of those kept */
    struct slice items;     /* as the node sent them */
    struct page_counts before;
    struct slice last_key_before;
};

struct range_state {
    struct page_place place;
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
    struct page_part *kept; /* for a worker to write */
    struct page_part *kept_last;
    size_t kept_bytes;
    struct buffer last_key;
    struct page_counts counts;
    bool has_more;
    bool is_cut; /* before a part that would make it too long */
};

static void end(struct request *r)
{
    struct range_state *s = r->state;
    page_line_leave(&r->router->page_line, &s->place);
    range_parameters_deinit(&s->parameters);
    query_range_deinit(&s->range);
    buffer_deinit(&s->key);
    buffer_deinit(&s->last_key);
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

static void fail_throttled(struct request *r)
{
    const struct range_state *s = r->state;
    struct slice table = s->parameters.table;
    drop(r);
    answer_throttled(r, false, &table, 1);
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

/* The first items have room always. */
static bool is_too_long(const struct range_state *s, const struct page_part *part)
{
    return part->before.matched > 0 && s->body.length > PAGE_JSON_BYTES_MAX;
}

static enum err write_items(struct range_state *s, const struct page_part *part)
{
    struct reader at;
    reader_init(&at, part->items);
    while (reader_left(&at) > 0 && !is_too_long(s, part))
        TRY(write_item(s, reader_prefixed(&at)));
    return reader_has_failed(&at) ? ERR_CORRUPT : ERR_OK;
}

/* Or end the page before it: how much of a part was evaluated up to one of its items is not known. */
static enum err write_part(struct range_state *s, const struct page_part *part)
{
    struct json_writer writer = s->writer;
    size_t length = s->body.length;
    TRY(write_items(s, part));
    if (!is_too_long(s, part))
        return ERR_OK;
    buffer_cut(&s->body, length);
    s->writer = writer;
    s->counts = part->before;
    buffer_clear(&s->last_key);
    buffer_append(&s->last_key, part->last_key_before);
    s->has_more = s->is_cut = true;
    return buffer_has_failed(&s->last_key) ? ERR_NO_MEMORY : ERR_OK;
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
    const struct page_part *part = s->kept;
    s->kept = s->kept_last = NULL;
    s->kept_bytes = 0;
    for (; part != NULL && !s->is_cut; part = part->next)
        TRY(write_part(s, part));
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
    json_write_int(w, (int64_t)s->counts.matched);
    json_write_name(w, "ScannedCount");
    json_write_int(w, (int64_t)s->counts.evaluated);
    if (s->has_more)
        TRY(write_last_key(r));
    if (s->parameters.capacity != CAPACITY_NONE) {
        json_write_name(w, "ConsumedCapacity");
        consumed_capacity_write(w, s->parameters.capacity, s->parameters.table,
                                capacity_read(s->counts.evaluated_bytes, kind).milli);
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
    offload_answer(r, s->kept_bytes, write_end, on_written);
}

/* The node's answer is gone when a worker gets to it. */
static enum err keep(struct request *r, const struct page_part *part)
{
    struct range_state *s = r->state;
    struct page_part *kept = arena_alloc(&r->arena, sizeof *kept);
    if (kept == NULL || s->kept_bytes + part->items.length > PAGE_STORED_BYTES_MAX)
        return ERR_NO_MEMORY;
    *kept = *part;
    kept->items = arena_copy(&r->arena, part->items);
    if (s->kept == NULL)
        s->kept = kept;
    else
        s->kept_last->next = kept;
    s->kept_last = kept;
    s->kept_bytes += kept->items.length;
    return arena_has_failed(&r->arena) ? ERR_NO_MEMORY : ERR_OK;
}

/* The first items of a page are written as they come, and so is a small page. What is beyond is kept for a worker, if
 * there is room for that. */
static enum err take_items(struct request *r, const struct page_part *part)
{
    struct range_state *s = r->state;
    size_t bytes = part->items.length;
    bool is_small = s->kept == NULL && !offload_is_due(s->written_bytes + bytes);
    if (!is_small && offload_charge(r, OFFLOAD_ANSWER_FACTOR * bytes))
        return keep(r, part);
    s->written_bytes += bytes;
    TRY(write_kept(s));
    return s->is_cut ? ERR_OK : write_part(s, part);
}

/* ---- calls ---- */

static uint64_t items_left(const struct range_state *s)
{
    const struct range_integer *limit = &s->parameters.limit;
    return limit->is_given ? (uint64_t)limit->value - s->counts.evaluated : UINT32_MAX;
}

static bool is_page_full(const struct range_state *s)
{
    return s->is_cut || items_left(s) == 0 || s->counts.evaluated_bytes >= PAGE_BYTES_MAX;
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
    range->bytes_max = least_of(PAGE_BYTES_MAX - s->counts.evaluated_bytes, CALL_BYTES_MAX);
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

static void on_place(struct page_place *place, enum err err)
{
    struct request *r = place->data;
    const struct range_state *s = r->state;
    if (err == ERR_TIMEOUT && s->counts.evaluated > 0)
        finish(r, true); /* what there is so far is a page, too */
    else if (err != ERR_OK || http_request_is_cancelled(r->http))
        fail(r, ERR_INTERNAL, NULL); /* perhaps nobody waits for it */
    else
        call_group(r);
}

/* Most pages of a Query, and those with a Limit, are short, and are had with one call. All others take turns. */
static void walk_on(struct request *r)
{
    struct range_state *s = r->state;
    bool is_short = s->counts.evaluated == 0 && (s->parameters.is_query || s->parameters.limit.is_given);
    s->place.go = on_place;
    s->place.data = r;
    s->place.deadline_us = r->deadline_us;
    if (is_short || s->place.is_held)
        on_place(&s->place, ERR_OK);
    else
        page_line_take(&r->router->page_line, &s->place);
}

static enum err take(struct request *r, const Sluice__Dataplane__RangeResponse *response,
                     struct slice payload)
{
    struct range_state *s = r->state;
    bool is_reverse = !s->parameters.is_forward;
    if (response->evaluated_count > items_left(s))
        return ERR_CORRUPT;
    struct page_part part = {.items = payload, .before = s->counts};
    if (payload.length > 0)
        part.last_key_before = arena_copy(&r->arena, buffer_view(&s->last_key));
    s->counts.matched += response->matched_count;
    s->counts.evaluated += response->evaluated_count;
    s->counts.evaluated_bytes += response->evaluated_bytes;
    if (response->last_key.len > 0) {
        buffer_clear(&s->last_key);
        buffer_append(&s->last_key, proto_slice(response->last_key));
    }
    if (!response->is_end)
        query_range_go_on_at(&s->range, proto_slice(response->rest), is_reverse);
    if (buffer_has_failed(&s->last_key) || buffer_has_failed(&s->range.begin) ||
        buffer_has_failed(&s->range.end) || arena_has_failed(&r->arena))
        return ERR_CORRUPT;
    return payload.length == 0 ? ERR_OK : take_items(r, &part);
}

static void on_range(struct item_call *call, enum err err, const ProtobufCMessage *header,
                     struct slice payload)
{
    struct request *r = call->data;
    struct range_state *s = r->state;
    const Sluice__Dataplane__RangeResponse *response = (const Sluice__Dataplane__RangeResponse *)header;
    if ((err == ERR_TIMEOUT || err == ERR_THROTTLED) && s->counts.evaluated > 0) {
        finish(r, true); /* what there is so far is a page, too */
        return;
    }
    if (err == ERR_THROTTLED) {
        fail_throttled(r);
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
    else
        walk_on(r);
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
    walk_on(r);
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
    buffer_init(&s->body, PAGE_REPLY_BYTES_MAX);
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

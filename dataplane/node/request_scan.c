/* Reads of a range of one group's rows: several slices of the store make one answer.
 *
 *     gates -> the first slice, from memory, on the loop --> answer
 *                  | the disk is needed, there is more, or this turn had enough of this
 *                  v
 *     in line -> gates again -> slices of a snapshot, in the background --> answer
 *
 * Who reads much must not make others wait who read or write one row: so the background has threads of low priority
 * (base/background.h), and a loop gives ranges a part of each turn only.
 *
 * What is read in the background is of the moment at which the gates were passed; what is read on the loop is that or
 * newer, which is as right. An answer may be short: whoever asked goes on behind it. */
#include "base/clock.h"
#include "dataplane/item/key.h"
#include "dataplane/item/size.h"
#include "dataplane/node/node_internal.h"
#include "dataplane/node/range_page.h"

enum {
    /* Of one turn of the loop, for all ranges. Queries are mostly short: in the background they would stand back for nothing. */
    TURN_QUERIES_US = 6 * 1000,
    TURN_SCANS_US = 2 * 1000,
    LOOP_WORK_BYTES_MAX =
        1024 * 1024, /* of filters on the loop (program_work_bytes), in one slice and on one row */
    CLOCKED_WORK_BYTES = 16 * 1024, /* of a filter on one row: after more than that the clock is looked at */
    LOOP_FILTER_BYTES_MAX = 64 * 1024, /* of a filter that the loop opens, at up to 9 ns each */
    SLICE_BYTES = 64 * 1024,
    BACKGROUND_US = 100 * 1000,
    WAITING_MAX = 256,
};

struct range_read {
    struct background_job job;
    struct range_read *next; /* in line for the background */
    struct shard *shard;
    struct replica *replica;
    struct wire_call call;
    uint64_t arrived_us;
    uint64_t deadline_us; /* boot clock; who asked waits no longer */
    uint64_t range_epoch;
    bool is_strong;
    bool is_reverse;
    bool is_narrow;
    bool is_cut;       /* the group's range ends before the asked one */
    bool is_exhausted; /* all of [begin, end) has been read */
    bool needs_disk;
    struct store_snapshot *snapshot; /* NULL on the loop */
    struct buffer begin;             /* what is left of the range */
    struct buffer end;
    struct buffer rest;
    struct buffer row; /* that was put back, as a bound of what is left */
    bool is_put_back;
    uint64_t until_us; /* costly rows end a slice then */
    struct range_page page;
    bool is_filter_open; /* or there is none */
    size_t filter_bytes;
    uint8_t filter[];
};

/* ---- answers ---- */

static void refuse(struct shard *s, struct wire_call call, Sluice__Dataplane__Status status,
                   struct replica *r)
{
    Sluice__Dataplane__RangeResponse response;
    sluice__dataplane__range_response__init(&response);
    metric_increment(&s->metrics.reads_refused);
    response.status = status;
    response.route = r == NULL ? NULL : replica_route(r, &s->arena);
    wire_reply(call, &(struct wire_message){.header = &response.base});
}

/* Nothing is looked at: this must be cheaper than to serve. */
static void refuse_throttled(struct shard *s, struct wire_call call)
{
    Sluice__Dataplane__RangeResponse response;
    sluice__dataplane__range_response__init(&response);
    metric_increment(&s->metrics.reads_throttled);
    response.status = SLUICE__DATAPLANE__STATUS__THROTTLED;
    wire_reply(call, &(struct wire_message){.header = &response.base});
}

/* Where the rest begins, or ends: in what is left here, else where this group's range meets the next one's. */
static struct slice rest_of(const struct range_read *read)
{
    if (!read->is_exhausted)
        return buffer_view(read->is_reverse ? &read->end : &read->begin);
    return read->is_reverse ? read->replica->range_start : read->replica->range_end;
}

static void answer(struct range_read *read)
{
    struct shard *s = read->shard;
    struct range_page *page = &read->page;
    Sluice__Dataplane__RangeResponse response;
    sluice__dataplane__range_response__init(&response);
    response.status = SLUICE__DATAPLANE__STATUS__OK;
    response.matched_count = page->matched_count;
    response.evaluated_count = page->evaluated_count;
    response.evaluated_bytes = page->evaluated_bytes;
    response.is_end = read->is_exhausted && !read->is_cut;
    if (!response.is_end)
        response.rest = proto_bytes(rest_of(read));
    response.last_key = proto_bytes(buffer_view(&page->last_key));
    const struct slice items = buffer_view(&page->items);
    const struct wire_message message = {
        .header = &response.base,
        .payload = &items,
        .payload_count = items.length > 0,
    };
    wire_reply(read->call, &message);
    uint64_t now_us = clock_boot_us();
    enum read_kind kind = read->is_strong ? READ_STRONG : READ_EVENTUAL;
    replica_charge_read(read->replica, buffer_view(&page->last_key),
                        capacity_read(page->evaluated_bytes, kind), now_us);
    metric_add(&s->metrics.range_rows, page->evaluated_count);
    metric_record(&s->metrics.range_time, now_us - read->arrived_us);
}

static void fail(struct range_read *read, enum err err)
{
    struct replica *r = read->replica;
    if (err == ERR_INVALID) { /* the filter */
        metric_increment(&read->shard->metrics.messages_malformed);
        wire_refuse(read->call, ERR_INVALID);
        return;
    }
    if (err == ERR_NO_MEMORY) {
        refuse(read->shard, read->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
        return;
    }
    if (err == ERR_CORRUPT)
        replica_quarantine(r, "range_read");
    refuse(read->shard, read->call, SLUICE__DATAPLANE__STATUS__NOT_LEADER, r);
}

static void destroy(struct range_read *read)
{
    if (read == NULL)
        return;
    if (read->snapshot != NULL)
        store_snapshot_close(read->shard->store, read->snapshot);
    buffer_deinit(&read->begin);
    buffer_deinit(&read->end);
    buffer_deinit(&read->rest);
    buffer_deinit(&read->row);
    range_page_deinit(&read->page);
    memory_free(read);
}

/* ---- slices ---- */

static enum err open_filter(struct range_read *read)
{
    if (read->is_filter_open)
        return ERR_OK;
    TRY(program_open(slice_make(read->filter, read->filter_bytes), PROGRAM_CONDITION, &read->page.filter));
    read->is_filter_open = true;
    return ERR_OK;
}

/* Bytes that the filter looks at, in a row or in all rows of a slice. */
static uint64_t work_on(const struct range_read *read, size_t bytes)
{
    return read->page.has_filter ? program_work_bytes(&read->page.filter, bytes) : 0;
}

/* A large row that the loop has come upon: the background begins with it. */
static void put_back(struct range_read *read, struct slice key)
{
    read->is_put_back = true;
    buffer_clear(&read->row);
    buffer_append(&read->row, key);
    if (read->is_reverse) /* `end` is exclusive */
        buffer_append_u8(&read->row, 0);
}

/* How much a filter's work on rows of a few bytes is, with large values of its own, nothing but the clock tells. */
static bool on_row(void *data, struct slice key, struct slice stored)
{
    struct range_read *read = data;
    uint64_t work_bytes = work_on(read, stored.length);
    if (read->snapshot == NULL && work_bytes > LOOP_WORK_BYTES_MAX) {
        put_back(read, key);
        return false;
    }
    return range_page_add(&read->page, key, stored) &&
           (work_bytes <= CLOCKED_WORK_BYTES || clock_boot_us() < read->until_us);
}

static enum err read_slice(struct range_read *read, bool is_cached_only)
{
    const struct store_scan scan = {
        .begin = buffer_view(&read->begin),
        .end = buffer_view(&read->end),
        .snapshot = read->snapshot,
        .is_reverse = read->is_reverse,
        .is_cached_only = is_cached_only,
        .keeps_blocks = read->is_narrow,
    };
    enum store_scan_end end;
    TRY(store_scan_slice(read->shard->store, &scan, on_row, read, &end, &read->rest));
    TRY(read->page.err);
    read->is_exhausted = end == STORE_SCAN_DONE;
    read->needs_disk = end == STORE_SCAN_INCOMPLETE;
    struct buffer *left = read->is_reverse ? &read->end : &read->begin;
    struct buffer *next = read->is_put_back ? &read->row : &read->rest;
    struct buffer was = *left;
    *left = *next;
    *next = was;
    read->is_put_back = false;
    return buffer_has_failed(left) ? ERR_NO_MEMORY : ERR_OK;
}

static bool is_done(const struct range_read *read)
{
    return read->is_exhausted || read->page.is_full;
}

/* ---- in the background ---- */

static void begin_in_background(struct shard *s);

static void in_background(struct background_job *job)
{
    struct range_read *read = job->data;
    read->until_us = clock_boot_us() + BACKGROUND_US;
    read->page.err = open_filter(read);
    while (read->page.err == ERR_OK && !is_done(read)) {
        read->page.err = read_slice(read, false);
        if (clock_boot_us() >= read->until_us)
            break;
    }
}

static void answer_from_background(struct range_read *read)
{
    struct replica *r = read->replica;
    struct shard *s = read->shard;
    arena_reset(&s->arena);
    if (r->state != REPLICA_ACTIVE) /* its rows may have been on their way out already */
        refuse(s, read->call, SLUICE__DATAPLANE__STATUS__NO_GROUP, NULL);
    else if (r->range_epoch != read->range_epoch)
        refuse(s, read->call, SLUICE__DATAPLANE__STATUS__WRONG_RANGE, r);
    else if (read->page.err != ERR_OK)
        fail(read, read->page.err);
    else
        answer(read);
}

static void leave(struct range_read *read)
{
    read->replica->pool_reads_in_flight--;
    destroy(read);
}

static struct range_read *next_in_line(struct shard *s)
{
    struct range_line *line = &s->ranges;
    struct range_read *read = line->first;
    if (read == NULL)
        return NULL;
    line->first = read->next;
    line->waiting--;
    metric_set(&s->metrics.ranges_waiting, line->waiting);
    return read;
}

static void after_background(struct background_job *job)
{
    struct range_read *read = job->data;
    struct shard *s = read->shard;
    s->ranges.in_background--;
    if (!s->is_closing) /* else whom to answer is gone */
        answer_from_background(read);
    leave(read);
    begin_in_background(s);
}

/* The snapshot is taken now: what was true when the request came may not be any more. */
static bool enter_background(struct range_read *read)
{
    struct shard *s = read->shard;
    struct replica *r = read->replica;
    arena_reset(&s->arena);
    if (r->state != REPLICA_ACTIVE || r->range_epoch != read->range_epoch ||
        !request_may_serve(r, read->is_strong)) {
        refuse(s, read->call, SLUICE__DATAPLANE__STATUS__NOT_LEADER, r->state == REPLICA_ACTIVE ? r : NULL);
        return false;
    }
    if (clock_boot_us() >= read->deadline_us || !wire_call_is_open(read->call)) {
        refuse(s, read->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
        return false;
    }
    read->snapshot = store_snapshot_open(s->store);
    if (read->snapshot == NULL) {
        refuse(s, read->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
        return false;
    }
    read->job = (struct background_job){.work = in_background, .done = after_background, .data = read};
    background_run(&s->background, &read->job);
    s->ranges.in_background++;
    return true;
}

static void begin_in_background(struct shard *s)
{
    struct range_read *read;
    while (s->ranges.in_background < RANGES_IN_BACKGROUND && (read = next_in_line(s)) != NULL)
        if (s->is_closing || !enter_background(read))
            leave(read);
}

static void get_in_line(struct range_read *read)
{
    struct shard *s = read->shard;
    struct range_line *line = &s->ranges;
    if (line->waiting >= WAITING_MAX) {
        refuse(s, read->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
        destroy(read);
        return;
    }
    metric_increment(&s->metrics.ranges_in_background);
    read->replica->pool_reads_in_flight++;
    if (line->first == NULL)
        line->first = read;
    else
        line->last->next = read;
    line->last = read;
    line->waiting++;
    metric_set(&s->metrics.ranges_waiting, line->waiting);
    begin_in_background(s);
}

/* ---- on the loop ---- */

/* What is left of a turn for such a read. */
static uint64_t turn_left_us(const struct range_read *read)
{
    uint64_t us = read->is_narrow ? TURN_QUERIES_US : TURN_SCANS_US;
    uint64_t spent_us = shard_turn_spent_us(read->shard);
    return spent_us < us ? us - spent_us : 0;
}

static enum err read_on_loop(struct range_read *read)
{
    uint64_t began_us = clock_boot_us();
    read->until_us = began_us + turn_left_us(read);
    enum err err = read_slice(read, true);
    shard_turn_spend(read->shard, clock_boot_us() - began_us);
    return err;
}

static bool is_for_loop(const struct range_read *read)
{
    return read->is_filter_open && work_on(read, SLICE_BYTES) <= LOOP_WORK_BYTES_MAX &&
           turn_left_us(read) > 0;
}

static void run(struct range_read *read)
{
    enum err err = ERR_OK;
    if (!is_done(read) && is_for_loop(read))
        err = read_on_loop(read);
    if (err == ERR_OK && !is_done(read)) {
        get_in_line(read);
        return;
    }
    if (err != ERR_OK)
        fail(read, err);
    else
        answer(read);
    destroy(read);
}

static bool is_sound(const Sluice__Dataplane__RangeRequest *request, struct slice filter)
{
    return request->filter_bytes == filter.length && request->items_max > 0 && request->bytes_max > 0 &&
           request->begin.len <= KEY_BYTES_MAX + 1 && request->end.len <= KEY_BYTES_MAX + 1 &&
           (request->is_reverse ? request->end.len : request->begin.len) > 0;
}

/* Whether the walk would begin in the replica's range. Backward, nothing may lie between its end and the asked one. */
static bool begins_within(const struct replica *r, const Sluice__Dataplane__RangeRequest *request)
{
    struct slice end = proto_slice(request->end);
    if (!request->is_reverse)
        return key_is_within(proto_slice(request->begin), r->range_start, r->range_end);
    return slice_compare(end, r->range_start) > 0 &&
           (r->range_end.length == 0 || slice_compare(end, r->range_end) <= 0);
}

static void set_bounds(struct range_read *read, const Sluice__Dataplane__RangeRequest *request)
{
    const struct replica *r = read->replica;
    struct slice begin = proto_slice(request->begin), end = proto_slice(request->end);
    if (request->is_reverse) {
        read->is_cut = slice_compare(begin, r->range_start) < 0;
        begin = read->is_cut ? r->range_start : begin;
    } else {
        read->is_cut = r->range_end.length > 0 && (end.length == 0 || slice_compare(end, r->range_end) > 0);
        end = read->is_cut ? r->range_end : end;
    }
    buffer_append(&read->begin, begin);
    buffer_append(&read->end, end);
    /* RocksDB takes no bounds that cross. */
    read->is_exhausted = end.length > 0 && slice_compare(begin, end) >= 0;
}

/* NULL: no memory, or the filter is none; ret_err says which. */
static struct range_read *create(struct replica *r, const Sluice__Dataplane__RangeRequest *request,
                                 struct slice filter, enum err *ret_err)
{
    struct range_read *read = memory_zalloc(sizeof *read + filter.length);
    *ret_err = ERR_NO_MEMORY;
    if (read == NULL)
        return NULL;
    read->shard = r->shard;
    read->replica = r;
    read->range_epoch = r->range_epoch;
    read->is_strong = request->consistency == SLUICE__DATAPLANE__READ_CONSISTENCY__STRONG;
    read->is_reverse = request->is_reverse;
    read->is_narrow = request->is_narrow;
    buffer_init(&read->begin, KEY_BYTES_MAX + 1);
    buffer_init(&read->end, KEY_BYTES_MAX + 1);
    buffer_init(&read->rest, KEY_BYTES_MAX + 1);
    buffer_init(&read->row, KEY_BYTES_MAX + 1);
    range_page_init(&read->page);
    set_bounds(read, request);
    read->page.items_max = request->items_max;
    read->page.bytes_max = request->bytes_max;
    read->page.counts_only = request->counts_only;
    read->page.has_filter = filter.length > 0;
    read->is_filter_open = filter.length == 0;
    read->filter_bytes = filter.length;
    if (filter.length > 0)
        memcpy(read->filter, filter.data, filter.length);
    if (!buffer_has_failed(&read->begin) && !buffer_has_failed(&read->end))
        *ret_err = filter.length > LOOP_FILTER_BYTES_MAX ? ERR_OK : open_filter(read);
    if (*ret_err == ERR_OK)
        return read;
    destroy(read);
    return NULL;
}

void request_on_range(struct shard *s, struct wire_call call, const struct frame *frame)
{
    uint64_t arrived_us = clock_boot_us();
    arena_reset(&s->arena);
    const Sluice__Dataplane__RangeRequest *request =
        proto_unpack(&sluice__dataplane__range_request__descriptor, frame->header, &s->arena);
    if (request == NULL || !is_sound(request, frame->payload)) {
        metric_increment(&s->metrics.messages_malformed);
        wire_refuse(call, ERR_INVALID);
        return;
    }
    struct replica *r = replica_find(s, request->group_id);
    if (r == NULL || r->state != REPLICA_ACTIVE) {
        refuse(s, call, SLUICE__DATAPLANE__STATUS__NO_GROUP, NULL);
        return;
    }
    if (request->range_epoch != r->range_epoch || !begins_within(r, request)) {
        refuse(s, call, SLUICE__DATAPLANE__STATUS__WRONG_RANGE, r);
        return;
    }
    bool is_strong = request->consistency == SLUICE__DATAPLANE__READ_CONSISTENCY__STRONG;
    if (!request_may_serve(r, is_strong)) {
        refuse(s, call, SLUICE__DATAPLANE__STATUS__NOT_LEADER, r);
        return;
    }
    if (!cap_admits(&r->reads, arrived_us)) {
        refuse_throttled(s, call);
        return;
    }
    metric_increment(is_strong ? &s->metrics.ranges_strong : &s->metrics.ranges_eventual);
    enum err err;
    struct range_read *read = create(r, request, frame->payload, &err);
    if (read == NULL && err == ERR_INVALID) {
        metric_increment(&s->metrics.messages_malformed);
        wire_refuse(call, ERR_INVALID);
    } else if (read == NULL) {
        refuse(s, call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
    } else {
        read->call = call;
        read->arrived_us = arrived_us;
        read->deadline_us = arrived_us + (request->deadline_us == 0 ? UINT32_MAX : request->deadline_us);
        run(read);
    }
}

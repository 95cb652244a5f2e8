/* What a leader decides about one write. Everything is computed into an evaluation first; the entry is
 * encoded last, so that a failure half way leaves nothing behind. */
#include <string.h>

#include "base/assert.h"
#include "dataplane/expression/update.h"
#include "dataplane/item/envelope.h"
#include "dataplane/item/size.h"
#include "dataplane/partition/partition_internal.h"

struct evaluation {
    const struct write_request *request;
    struct arena *arena;
    bool has_old;
    struct slice old_item;
    uint64_t pending_index; /* of the write that old_item comes from; 0: it is applied */
    struct row_version version;
    struct write_outcome outcome;
};

static enum err open_image(struct slice image, struct evaluation *e)
{
    struct envelope envelope;
    TRY(envelope_decode(image, &envelope));
    if (envelope.is_sealed)
        return ERR_CORRUPT; /* nothing seals yet: such a row is not ours */
    e->old_item = envelope.body;
    e->version.write_time_us = envelope.write_time_us;
    return ERR_OK;
}

/* The row as this write finds it: the key's newest pending write, else what is applied. */
static enum err find_current(const struct partition *p, const struct partition_row *row, struct evaluation *e)
{
    const struct pending_write *pending = pending_find(p, e->request->key);
    if (pending != NULL) {
        e->pending_index = pending->index;
        e->has_old = (pending->entry.flags & WRITE_ENTRY_DELETE) == 0;
        return e->has_old ? open_image(pending->entry.image, e) : ERR_OK;
    }
    e->has_old = row->exists;
    return e->has_old ? open_image(row->envelope, e) : ERR_OK;
}

static bool is_same_version(struct row_version a, struct row_version b)
{
    return a.term_boot_us == b.term_boot_us && a.write_time_us == b.write_time_us;
}

/* Computed before, on this very row; or now; or not here. */
static enum err find_outcome(struct evaluation *e, bool *ret_is_elsewhere)
{
    const struct write_request *request = e->request;
    const struct write_outcome *before = request->outcome;
    *ret_is_elsewhere = false;
    if (before != NULL && is_same_version(before->version, e->version)) {
        e->outcome = *before;
        return ERR_OK;
    }
    if (request->work_bytes_max > 0 &&
        write_work_bytes(request, e->old_item.length) > request->work_bytes_max) {
        *ret_is_elsewhere = true;
        return ERR_OK;
    }
    return write_compute(request, e->has_old, e->old_item, e->arena, &e->outcome);
}

static enum err view_touched(struct evaluation *e, struct slice item, struct slice *ret_touched)
{
    struct program update;
    TRY(program_open(e->request->update, PROGRAM_UPDATE, &update));
    return update_view_touched(&update, item, e->arena, ret_touched);
}

/* DynamoDB, ReturnValues: the touched paths for UPDATED_*, all attributes for ALL_*. */
static enum err compute_attributes(struct evaluation *e, struct write_answer *answer)
{
    enum return_values wanted = e->request->return_values;
    bool is_new = wanted == RETURN_ALL_NEW || wanted == RETURN_UPDATED_NEW;
    bool exists = is_new ? e->outcome.has_new : e->has_old;
    if (wanted == RETURN_NONE || !exists)
        return ERR_OK;
    struct slice item = is_new ? e->outcome.new_item : e->old_item;
    if (wanted == RETURN_UPDATED_OLD || wanted == RETURN_UPDATED_NEW) {
        if (e->request->update.length == 0)
            return ERR_OK;
        struct slice touched;
        TRY(view_touched(e, item, &touched));
        item = touched;
    }
    answer->has_attributes = item.length > 0;
    answer->attributes = arena_copy(e->arena, item);
    return arena_has_failed(e->arena) ? ERR_NO_MEMORY : ERR_OK;
}

static uint32_t units_milli(const struct evaluation *e, size_t attempted_bytes)
{
    size_t old_bytes = e->outcome.old_bytes;
    size_t bytes = old_bytes > attempted_bytes ? old_bytes : attempted_bytes;
    return (uint32_t)capacity_write(bytes, WRITE_COST_PLAIN).milli;
}

static enum err refuse(struct evaluation *e, enum write_status status, struct write_answer *answer)
{
    answer->status = status;
    answer->after_index = e->pending_index;
    answer->write_units_milli = units_milli(e, e->request->kind == WRITE_PUT ? e->outcome.new_bytes : 0);
    if (status == WRITE_STATUS_CONDITION_FAILED && e->request->return_old_on_condition_failure &&
        e->has_old) {
        answer->has_attributes = true;
        answer->attributes = arena_copy(e->arena, e->old_item);
    }
    return arena_has_failed(e->arena) ? ERR_NO_MEMORY : ERR_OK;
}

/* Never backwards, so that times order the writes of an item whatever the wall clock does. */
static uint64_t next_commit_time(const struct partition *p, uint64_t wall_us)
{
    return wall_us > p->proposed_commit_time_us ? wall_us : p->proposed_commit_time_us + 1;
}

static uint64_t id_clock(const struct partition *p, uint64_t boot_us)
{
    ASSERT(boot_us >= p->lead_boot_us);
    return p->lead_id_clock_us + (boot_us - p->lead_boot_us);
}

static enum err encode_image(const struct evaluation *e, uint64_t commit_time_us, struct slice *ret_image)
{
    struct buffer image;
    buffer_init(&image, ENVELOPE_BYTES_MAX + e->outcome.new_item.length);
    uint8_t *room = arena_alloc(e->arena, ENVELOPE_BYTES_MAX + e->outcome.new_item.length);
    if (room == NULL)
        return ERR_NO_MEMORY;
    const struct envelope envelope = {.write_time_us = commit_time_us, .body = e->outcome.new_item};
    envelope_encode(&envelope, &image);
    bool has_failed = buffer_has_failed(&image);
    if (!has_failed)
        memcpy(room, image.data, image.length);
    *ret_image = slice_make(room, has_failed ? 0 : image.length);
    buffer_deinit(&image);
    return has_failed ? ERR_NO_MEMORY : ERR_OK;
}

static enum err encode_entry(const struct partition *p, const struct evaluation *e,
                             struct partition_times now, const struct write_answer *answer, struct buffer *to)
{
    struct write_entry entry = {
        .flags = (uint8_t)((e->outcome.has_new ? 0 : WRITE_ENTRY_DELETE) |
                           (e->has_old ? WRITE_ENTRY_REPLACES : 0) |
                           (answer->has_attributes ? WRITE_ENTRY_HAS_ANSWER : 0)),
        .commit_time_us = next_commit_time(p, now.wall_us),
        .id_clock_us = id_clock(p, now.boot_us),
        .item_bytes_before = (uint32_t)e->outcome.old_bytes,
        .item_bytes_after = (uint32_t)e->outcome.new_bytes,
        .key = e->request->key,
        .answer = answer->attributes,
    };
    memcpy(entry.request_id, e->request->request_id, REQUEST_ID_BYTES);
    if (e->outcome.has_new)
        TRY(encode_image(e, entry.commit_time_us, &entry.image));
    struct buffer capacity;
    buffer_init(&capacity, 1024);
    const struct capacity_vector vector = {.table = {answer->write_units_milli}};
    capacity_vector_encode(&vector, &capacity);
    entry.capacity = buffer_view(&capacity);
    bool has_failed = buffer_has_failed(&capacity);
    if (!has_failed)
        write_entry_encode(&entry, to);
    buffer_deinit(&capacity);
    return has_failed || buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

static struct pending_write *pending_of_request(const struct partition *p, const uint8_t *request_id)
{
    struct pending_write *pending;
    HASH_FIND(hh, p->by_request, request_id, REQUEST_ID_BYTES, pending);
    return pending;
}

bool partition_knows_request(const struct partition *p, const uint8_t request_id[REQUEST_ID_BYTES])
{
    return request_ids_find(p->ids, request_id) != NULL || pending_of_request(p, request_id) != NULL;
}

/* The same id again: an earlier attempt is applied, or is on its way. */
static bool repeat(struct partition *p, const struct write_request *request, struct arena *arena,
                   struct write_answer *answer)
{
    const struct request_id_record *record = request_ids_find(p->ids, request->request_id);
    if (record != NULL) {
        answer->write_units_milli = record->write_units_milli;
        answer->has_attributes = record->has_answer;
        answer->attributes = arena_copy(arena, record->answer);
        return true;
    }
    const struct pending_write *pending = pending_of_request(p, request->request_id);
    if (pending != NULL)
        answer->after_index = pending->index; /* evaluate again when that is applied: the id is known then */
    return pending != NULL;
}

enum err partition_evaluate(struct partition *p, const struct write_request *request,
                            const struct partition_row *row, struct partition_times now, struct arena *arena,
                            struct buffer *entry, enum write_verdict *ret_verdict,
                            struct write_answer *ret_answer)
{
    struct write_answer answer = {.status = WRITE_STATUS_OK};
    if (repeat(p, request, arena, &answer)) {
        *ret_verdict = WRITE_VERDICT_REPEAT;
        *ret_answer = answer;
        return arena_has_failed(arena) ? ERR_NO_MEMORY : ERR_OK;
    }
    struct evaluation e = {.request = request, .arena = arena, .version.term_boot_us = p->lead_boot_us};
    bool is_elsewhere;
    TRY(find_current(p, row, &e));
    TRY(find_outcome(&e, &is_elsewhere));
    enum write_verdict verdict = WRITE_VERDICT_PROPOSE;
    if (is_elsewhere) {
        answer.has_attributes = e.has_old;
        answer.attributes = e.old_item;
        answer.version = e.version;
        verdict = WRITE_VERDICT_ELSEWHERE;
    } else if (!e.outcome.is_met || e.outcome.error_text != NULL) {
        answer.error_text = e.outcome.error_text;
        verdict = WRITE_VERDICT_REFUSE;
        TRY(refuse(&e, e.outcome.is_met ? WRITE_STATUS_INVALID : WRITE_STATUS_CONDITION_FAILED, &answer));
    } else {
        TRY(compute_attributes(&e, &answer));
        answer.write_units_milli = units_milli(&e, e.outcome.new_bytes);
        TRY(encode_entry(p, &e, now, &answer, entry));
    }
    *ret_verdict = verdict;
    *ret_answer = answer;
    return ERR_OK;
}

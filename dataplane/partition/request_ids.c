#include "dataplane/partition/request_ids.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/reader.h"

/* uthash keeps insertion order, which is log order: the first is the oldest. */
struct remembered {
    struct request_id_record record;
    UT_hash_handle hh;
    uint8_t *answer; /* NULL: none, or forgotten */
};

struct chunk {
    struct chunk *next;
    uint64_t name;
};

struct request_ids {
    struct remembered *first;
    uint64_t last_index;        /* of the entries taken so far */
    struct remembered *unsaved; /* from here on in no chunk; NULL: all are in one */
    size_t unsaved_count;
    struct chunk *chunks; /* oldest first */
    struct chunk **chunks_end;
    struct remembered *answers_from; /* before it all answers are forgotten; NULL: begin at the first */
    size_t answer_bytes;
};

/* Routers make ids of random bytes: four of them are as good as any function of all. */
static unsigned hash(const uint8_t request_id[REQUEST_ID_BYTES])
{
    unsigned value;
    memcpy(&value, request_id, sizeof value);
    return value;
}

struct request_ids *request_ids_create(void)
{
    struct request_ids *ids = memory_zalloc(sizeof *ids);
    if (ids != NULL)
        ids->chunks_end = &ids->chunks;
    return ids;
}

static void forget_answer(struct request_ids *ids, struct remembered *r)
{
    ids->answer_bytes -= r->record.answer.length;
    memory_free(r->answer);
    r->answer = NULL;
    r->record.answer = SLICE_EMPTY;
    r->record.is_answer_forgotten |= r->record.has_answer;
    r->record.has_answer = false;
}

static void forget(struct request_ids *ids, struct remembered *r)
{
    if (ids->answers_from == r)
        ids->answers_from = NULL; /* it was the first: so is its successor now */
    if (ids->unsaved == r) {
        ids->unsaved = r->hh.next;
        ids->unsaved_count--;
    }
    forget_answer(ids, r);
    HASH_DEL(ids->first, r);
    memory_free(r);
}

static void drop_chunk(struct request_ids *ids)
{
    struct chunk *chunk = ids->chunks;
    ids->chunks = chunk->next;
    if (ids->chunks == NULL)
        ids->chunks_end = &ids->chunks;
    memory_free(chunk);
}

void request_ids_destroy(struct request_ids *ids)
{
    if (ids == NULL)
        return;
    while (ids->first != NULL)
        forget(ids, ids->first);
    while (ids->chunks != NULL)
        drop_chunk(ids);
    memory_free(ids);
}

static void forget_older(struct request_ids *ids, uint64_t id_clock_us)
{
    while (ids->first != NULL && ids->first->record.id_clock_us + REQUEST_ID_LIFE_US < id_clock_us)
        forget(ids, ids->first);
}

static void forget_answers_beyond_limit(struct request_ids *ids)
{
    struct remembered *r = ids->answers_from == NULL ? ids->first : ids->answers_from;
    for (; ids->answer_bytes > REQUEST_ID_ANSWER_BYTES_MAX; r = r->hh.next) {
        forget_answer(ids, r);
        ids->answers_from = r->hh.next;
    }
}

static struct remembered *copy(const struct request_id_record *record)
{
    struct remembered *r = memory_zalloc(sizeof *r);
    uint8_t *answer = record->answer.length == 0 ? NULL : memory_alloc(record->answer.length);
    if (r == NULL || (answer == NULL && record->answer.length > 0)) {
        memory_free(answer);
        memory_free(r);
        return NULL;
    }
    if (answer != NULL)
        memcpy(answer, record->answer.data, record->answer.length);
    r->record = *record;
    r->record.answer = slice_make(answer, record->answer.length);
    r->answer = answer;
    return r;
}

enum err request_ids_add(struct request_ids *ids, const struct request_id_record *record)
{
    if (record->index <= ids->last_index)
        return ERR_OK;
    forget_older(ids, record->id_clock_us);
    if (request_ids_find(ids, record->request_id) != NULL)
        return ERR_OK;
    struct remembered *r = copy(record);
    if (r == NULL)
        return ERR_NO_MEMORY;
    HASH_ADD_BYHASHVALUE(hh, ids->first, record.request_id, REQUEST_ID_BYTES, hash(r->record.request_id), r);
    if (HASH_ADD_FAILED(r)) {
        memory_free(r->answer);
        memory_free(r);
        return ERR_NO_MEMORY;
    }
    ids->last_index = record->index;
    ids->unsaved = ids->unsaved == NULL ? r : ids->unsaved;
    ids->unsaved_count++;
    ids->answer_bytes += r->record.answer.length;
    forget_answers_beyond_limit(ids);
    return ERR_OK;
}

const struct request_id_record *request_ids_find(const struct request_ids *ids,
                                                 const uint8_t request_id[REQUEST_ID_BYTES])
{
    struct remembered *r;
    HASH_FIND_BYHASHVALUE(hh, ids->first, request_id, REQUEST_ID_BYTES, hash(request_id), r);
    return r == NULL ? NULL : &r->record;
}

uint64_t request_ids_count(const struct request_ids *ids)
{
    return HASH_COUNT(ids->first);
}

enum { ANSWER_NONE = 0, ANSWER_FOLLOWS = 1, ANSWER_FORGOTTEN = 2 };

static void encode_one(const struct remembered *r, struct buffer *to)
{
    buffer_append(to, slice_make(r->record.request_id, REQUEST_ID_BYTES));
    buffer_append_varint(to, r->record.index);
    buffer_append_varint(to, r->record.id_clock_us);
    buffer_append_varint(to, r->record.write_units_milli);
    buffer_append_u8(to, r->record.has_answer            ? ANSWER_FOLLOWS
                         : r->record.is_answer_forgotten ? ANSWER_FORGOTTEN
                                                         : ANSWER_NONE);
    if (r->record.has_answer)
        buffer_append_prefixed(to, r->record.answer);
}

void request_ids_encode(const struct request_ids *ids, struct buffer *to)
{
    buffer_append_varint(to, request_ids_count(ids));
    for (const struct remembered *r = ids->first; r != NULL; r = r->hh.next)
        encode_one(r, to);
}

static enum err decode_one(struct request_ids *ids, struct reader *reader)
{
    struct request_id_record record = {0};
    struct slice id = reader_bytes(reader, REQUEST_ID_BYTES);
    record.index = reader_varint(reader);
    record.id_clock_us = reader_varint(reader);
    record.write_units_milli = (uint32_t)reader_varint(reader);
    uint8_t answer = reader_u8(reader);
    record.has_answer = answer == ANSWER_FOLLOWS;
    record.is_answer_forgotten = answer == ANSWER_FORGOTTEN;
    if (record.has_answer)
        record.answer = reader_prefixed(reader);
    if (reader_has_failed(reader) || answer > ANSWER_FORGOTTEN)
        return ERR_CORRUPT;
    memcpy(record.request_id, id.data, REQUEST_ID_BYTES);
    return request_ids_add(ids, &record);
}

enum err request_ids_decode(struct request_ids *ids, struct slice bytes)
{
    struct reader reader;
    reader_init(&reader, bytes);
    uint64_t count = reader_varint(&reader);
    for (uint64_t i = 0; i < count && !reader_has_failed(&reader); i++)
        TRY(decode_one(ids, &reader));
    return reader_is_done(&reader) ? ERR_OK : ERR_CORRUPT;
}

/* ---- chunks ---- */

size_t request_ids_unsaved_count(const struct request_ids *ids)
{
    return ids->unsaved_count;
}

static enum err add_chunk(struct request_ids *ids, uint64_t name)
{
    struct chunk *chunk = memory_zalloc(sizeof *chunk);
    if (chunk == NULL)
        return ERR_NO_MEMORY;
    chunk->name = name;
    *ids->chunks_end = chunk;
    ids->chunks_end = &chunk->next;
    return ERR_OK;
}

enum err request_ids_save(struct request_ids *ids, size_t max, struct buffer *to, uint64_t *ret_name)
{
    ASSERT(ids->unsaved_count > 0 && max > 0);
    size_t count = ids->unsaved_count < max ? ids->unsaved_count : max;
    struct remembered *r = ids->unsaved;
    uint64_t name = 0;
    buffer_append_varint(to, count);
    for (size_t i = 0; i < count; i++, r = r->hh.next) {
        encode_one(r, to);
        name = r->record.index;
    }
    if (buffer_has_failed(to))
        return ERR_NO_MEMORY;
    TRY(add_chunk(ids, name));
    ids->unsaved = r;
    ids->unsaved_count -= count;
    *ret_name = name;
    return ERR_OK;
}

bool request_ids_next_expired(struct request_ids *ids, uint64_t *ret_name)
{
    if (ids->chunks == NULL || ids->first == NULL || ids->first->record.index <= ids->chunks->name)
        return false;
    *ret_name = ids->chunks->name;
    drop_chunk(ids);
    return true;
}

enum err request_ids_load(struct request_ids *ids, uint64_t name, struct slice bytes)
{
    bool were_all_saved = ids->unsaved_count == 0;
    TRY(request_ids_decode(ids, bytes));
    if (were_all_saved) {
        ids->unsaved = NULL;
        ids->unsaved_count = 0;
    }
    return add_chunk(ids, name);
}

#include "dataplane/partition/request_ids.h"

#include "base/hash.h"
#include "base/reader.h"

/* One allocation each, the answer behind the record. uthash keeps insertion order, which is log order: the
 * first is the oldest. */
struct remembered {
    struct request_id_record record;
    UT_hash_handle hh;
    uint8_t answer[];
};

struct request_ids {
    struct remembered *first;
};

struct request_ids *request_ids_create(void)
{
    return memory_zalloc(sizeof(struct request_ids));
}

static void forget(struct request_ids *ids, struct remembered *r)
{
    HASH_DEL(ids->first, r);
    memory_free(r);
}

void request_ids_destroy(struct request_ids *ids)
{
    if (ids == NULL)
        return;
    while (ids->first != NULL)
        forget(ids, ids->first);
    memory_free(ids);
}

static void forget_older(struct request_ids *ids, uint64_t id_clock_us)
{
    while (ids->first != NULL && ids->first->record.id_clock_us + REQUEST_ID_LIFE_US < id_clock_us)
        forget(ids, ids->first);
}

enum err request_ids_add(struct request_ids *ids, const struct request_id_record *record)
{
    forget_older(ids, record->id_clock_us);
    if (request_ids_find(ids, record->request_id) != NULL)
        return ERR_OK;
    struct remembered *r = memory_alloc(sizeof *r + record->answer.length);
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->record = *record;
    if (record->answer.length > 0)
        memcpy(r->answer, record->answer.data, record->answer.length);
    r->record.answer = slice_make(r->answer, record->answer.length);
    HASH_ADD(hh, ids->first, record.request_id, REQUEST_ID_BYTES, r);
    if (HASH_ADD_FAILED(r)) {
        memory_free(r);
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

const struct request_id_record *request_ids_find(const struct request_ids *ids,
                                                 const uint8_t request_id[REQUEST_ID_BYTES])
{
    struct remembered *r;
    HASH_FIND(hh, ids->first, request_id, REQUEST_ID_BYTES, r);
    return r == NULL ? NULL : &r->record;
}

uint64_t request_ids_count(const struct request_ids *ids)
{
    return HASH_COUNT(ids->first);
}

void request_ids_encode(const struct request_ids *ids, struct buffer *to)
{
    buffer_append_varint(to, request_ids_count(ids));
    for (const struct remembered *r = ids->first; r != NULL; r = r->hh.next) {
        buffer_append(to, slice_make(r->record.request_id, REQUEST_ID_BYTES));
        buffer_append_varint(to, r->record.index);
        buffer_append_varint(to, r->record.id_clock_us);
        buffer_append_varint(to, r->record.write_units_milli);
        buffer_append_u8(to, r->record.has_answer);
        if (r->record.has_answer)
            buffer_append_prefixed(to, r->record.answer);
    }
}

static enum err decode_one(struct request_ids *ids, struct reader *reader)
{
    struct request_id_record record = {0};
    struct slice id = reader_bytes(reader, REQUEST_ID_BYTES);
    record.index = reader_varint(reader);
    record.id_clock_us = reader_varint(reader);
    record.write_units_milli = (uint32_t)reader_varint(reader);
    record.has_answer = reader_u8(reader) != 0;
    if (record.has_answer)
        record.answer = reader_prefixed(reader);
    if (reader_has_failed(reader))
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

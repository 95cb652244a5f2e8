#include "dataplane/partition/request_ids.h"

#include "base/assert.h"
#include "base/memory.h"
#include "base/reader.h"

/* Records lie in blocks in the order of the log, the oldest first, and are numbered as they come. A hash table, open
 * addressing with linear probing and at most half full, finds the number of an id: four bytes a slot, so that making it
 * larger is quick. */
enum {
    BLOCK_RECORDS = 256,
    SLOTS_MIN = 64,
    FREE_MAX = 8, /* in one add: after a pause all of them are old at once */
};
static const uint64_t NUMBERS =
    1ull << 31; /* told apart in a slot, which holds the number modulo this, plus 1 */

struct remembered {
    struct request_id_record record;
    uint8_t *answer; /* NULL: none, or forgotten */
};

struct chunk {
    struct chunk *next;
    uint64_t name;
};

struct request_ids {
    struct remembered **blocks;
    size_t block_count;
    size_t block_capacity;
    uint64_t first;       /* number of the oldest that is here, forgotten or not; its block is the first */
    uint64_t end;         /* of the next to come */
    uint64_t id_clock_us; /* of the newest */
    uint32_t *slots;
    size_t slot_count;     /* a power of two, or 0 */
    uint64_t last_index;   /* of the entries taken so far */
    uint64_t unsaved_from; /* number: from here on in no chunk */
    uint64_t answers_from; /* number: before it all answers are forgotten */
    size_t answer_bytes;
    struct chunk *chunks; /* oldest first */
    struct chunk **chunks_end;
};

static struct remembered *at(const struct request_ids *ids, uint64_t number)
{
    uint64_t place = number - ids->first / BLOCK_RECORDS * BLOCK_RECORDS;
    return &ids->blocks[place / BLOCK_RECORDS][place % BLOCK_RECORDS];
}

/* ---- the table ---- */

/* Routers make ids of random bytes: four of them are as good as any function of all. */
static size_t home(const struct request_ids *ids, const uint8_t request_id[REQUEST_ID_BYTES])
{
    uint32_t value;
    memcpy(&value, request_id, sizeof value);
    return value & (ids->slot_count - 1);
}

static size_t following(const struct request_ids *ids, size_t slot)
{
    return (slot + 1) & (ids->slot_count - 1);
}

static uint32_t slot_value(uint64_t number)
{
    return (uint32_t)(number % NUMBERS) + 1;
}

static struct remembered *in_slot(const struct request_ids *ids, size_t slot)
{
    uint64_t ahead = (ids->slots[slot] - 1 - ids->first) % NUMBERS;
    return at(ids, ids->first + ahead);
}

static void slot_insert(struct request_ids *ids, uint64_t number)
{
    size_t slot = home(ids, at(ids, number)->record.request_id);
    while (ids->slots[slot] != 0)
        slot = following(ids, slot);
    ids->slots[slot] = slot_value(number);
}

/* Whoever stands behind and may move up does: a search ends at the first empty slot. */
static void slot_remove(struct request_ids *ids, uint64_t number)
{
    size_t mask = ids->slot_count - 1;
    size_t gap = home(ids, at(ids, number)->record.request_id);
    while (ids->slots[gap] != slot_value(number))
        gap = following(ids, gap);
    for (size_t slot = following(ids, gap); ids->slots[slot] != 0; slot = following(ids, slot)) {
        size_t wanted = home(ids, in_slot(ids, slot)->record.request_id);
        if (((slot - wanted) & mask) < ((slot - gap) & mask))
            continue;
        ids->slots[gap] = ids->slots[slot];
        gap = slot;
    }
    ids->slots[gap] = 0;
}

static enum err resize(struct request_ids *ids, size_t slot_count)
{
    uint32_t *slots = memory_zalloc(slot_count * sizeof *slots);
    if (slots == NULL)
        return ERR_NO_MEMORY;
    memory_free(ids->slots);
    ids->slots = slots;
    ids->slot_count = slot_count;
    for (uint64_t number = ids->first; number != ids->end; number++)
        slot_insert(ids, number);
    return ERR_OK;
}

/* ---- the records ---- */

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

static void free_first(struct request_ids *ids)
{
    forget_answer(ids, at(ids, ids->first));
    slot_remove(ids, ids->first);
    if (++ids->first % BLOCK_RECORDS != 0)
        return;
    memory_free(ids->blocks[0]);
    ids->block_count--;
    memmove(ids->blocks, ids->blocks + 1, ids->block_count * sizeof(struct remembered *));
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
    for (uint64_t number = ids->first; number != ids->end; number++)
        memory_free(at(ids, number)->answer);
    for (size_t i = 0; i < ids->block_count; i++)
        memory_free(ids->blocks[i]);
    memory_free(ids->blocks);
    memory_free(ids->slots);
    while (ids->chunks != NULL)
        drop_chunk(ids);
    memory_free(ids);
}

/* What is older than 30 s is forgotten at that moment, whenever its memory is freed. */
static bool is_forgotten(const struct request_ids *ids, const struct remembered *r)
{
    return r->record.id_clock_us + REQUEST_ID_LIFE_US < ids->id_clock_us;
}

static uint64_t first_remembered(const struct request_ids *ids)
{
    uint64_t number = ids->first;
    while (number != ids->end && is_forgotten(ids, at(ids, number)))
        number++;
    return number;
}

static void free_forgotten(struct request_ids *ids)
{
    for (int i = 0; i < FREE_MAX && ids->first != ids->end && is_forgotten(ids, at(ids, ids->first)); i++)
        free_first(ids);
    if (ids->slot_count > SLOTS_MIN && (ids->end - ids->first) * 16 < ids->slot_count)
        (void)resize(ids, ids->slot_count / 2); /* without memory it stays as it is */
}

static void forget_answers_beyond_limit(struct request_ids *ids)
{
    if (ids->answers_from < ids->first)
        ids->answers_from = ids->first;
    for (; ids->answer_bytes > REQUEST_ID_ANSWER_BYTES_MAX; ids->answers_from++)
        forget_answer(ids, at(ids, ids->answers_from));
}

static enum err reserve_block(struct request_ids *ids)
{
    uint64_t place = ids->end - ids->first / BLOCK_RECORDS * BLOCK_RECORDS;
    if (place / BLOCK_RECORDS < ids->block_count)
        return ERR_OK;
    if (ids->block_count == ids->block_capacity) {
        size_t capacity = ids->block_capacity == 0 ? 4 : 2 * ids->block_capacity;
        struct remembered **blocks = memory_resize(ids->blocks, capacity * sizeof *blocks);
        if (blocks == NULL)
            return ERR_NO_MEMORY;
        ids->blocks = blocks;
        ids->block_capacity = capacity;
    }
    struct remembered *block = memory_alloc(BLOCK_RECORDS * sizeof *block);
    if (block == NULL)
        return ERR_NO_MEMORY;
    ids->blocks[ids->block_count++] = block;
    return ERR_OK;
}

/* Room for one more, in blocks and table. */
static enum err reserve(struct request_ids *ids)
{
    TRY(reserve_block(ids));
    if (2 * (ids->end - ids->first + 1) <= ids->slot_count)
        return ERR_OK;
    return resize(ids, ids->slot_count == 0 ? SLOTS_MIN : 2 * ids->slot_count);
}

enum err request_ids_add(struct request_ids *ids, const struct request_id_record *record)
{
    if (record->index <= ids->last_index)
        return ERR_OK;
    if (record->id_clock_us > ids->id_clock_us)
        ids->id_clock_us = record->id_clock_us;
    free_forgotten(ids);
    if (request_ids_find(ids, record->request_id) != NULL)
        return ERR_OK;
    TRY(reserve(ids));
    uint8_t *answer = record->answer.length == 0 ? NULL : memory_alloc(record->answer.length);
    if (answer == NULL && record->answer.length > 0)
        return ERR_NO_MEMORY;
    if (answer != NULL)
        memcpy(answer, record->answer.data, record->answer.length);
    uint64_t number = ids->end++;
    struct remembered *r = at(ids, number);
    *r = (struct remembered){.record = *record, .answer = answer};
    r->record.answer = slice_make(answer, record->answer.length);
    slot_insert(ids, number);
    ids->last_index = record->index;
    ids->answer_bytes += record->answer.length;
    forget_answers_beyond_limit(ids);
    return ERR_OK;
}

const struct request_id_record *request_ids_find(const struct request_ids *ids,
                                                 const uint8_t request_id[REQUEST_ID_BYTES])
{
    if (ids->slot_count == 0)
        return NULL;
    for (size_t slot = home(ids, request_id); ids->slots[slot] != 0; slot = following(ids, slot)) {
        const struct remembered *r = in_slot(ids, slot);
        if (memcmp(r->record.request_id, request_id, REQUEST_ID_BYTES) == 0 && !is_forgotten(ids, r))
            return &r->record;
    }
    return NULL;
}

uint64_t request_ids_count(const struct request_ids *ids)
{
    return ids->end - first_remembered(ids);
}

/* ---- bytes ---- */

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
    uint64_t first = first_remembered(ids);
    buffer_append_varint(to, ids->end - first);
    for (uint64_t number = first; number != ids->end; number++)
        encode_one(at(ids, number), to);
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

static uint64_t first_unsaved(const struct request_ids *ids)
{
    return ids->unsaved_from < ids->first ? ids->first : ids->unsaved_from;
}

size_t request_ids_unsaved_count(const struct request_ids *ids)
{
    return ids->end - first_unsaved(ids);
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
    uint64_t from = first_unsaved(ids);
    uint64_t count = ids->end - from < max ? ids->end - from : max;
    ASSERT(count > 0);
    buffer_append_varint(to, count);
    for (uint64_t number = from; number != from + count; number++)
        encode_one(at(ids, number), to);
    if (buffer_has_failed(to))
        return ERR_NO_MEMORY;
    uint64_t name = at(ids, from + count - 1)->record.index;
    TRY(add_chunk(ids, name));
    ids->unsaved_from = from + count;
    *ret_name = name;
    return ERR_OK;
}

bool request_ids_next_expired(struct request_ids *ids, uint64_t *ret_name)
{
    if (ids->chunks == NULL || ids->first == ids->end ||
        at(ids, ids->first)->record.index <= ids->chunks->name)
        return false;
    *ret_name = ids->chunks->name;
    drop_chunk(ids);
    return true;
}

enum err request_ids_load(struct request_ids *ids, uint64_t name, struct slice bytes)
{
    bool were_all_saved = request_ids_unsaved_count(ids) == 0;
    TRY(request_ids_decode(ids, bytes));
    if (were_all_saved)
        ids->unsaved_from = ids->end;
    return add_chunk(ids, name);
}

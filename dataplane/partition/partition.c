#include "dataplane/partition/partition.h"

#include "base/assert.h"
#include "base/reader.h"
#include "dataplane/item/size.h"
#include "dataplane/partition/partition_internal.h"

enum {
    SCHEMA_BYTES_MAX = 1 << 20,
    CHECKPOINT_VERSION = 2,
    CHECKPOINT_VERSION_SPLIT = 3, /* of a group that was split; others stay as older releases read them */
};

struct partition *partition_create(uint64_t applied_index)
{
    struct partition *p = memory_zalloc(sizeof *p);
    if (p == NULL)
        return NULL;
    p->applied_index = applied_index;
    p->replayed_index = applied_index;
    buffer_init(&p->schema, SCHEMA_BYTES_MAX);
    buffer_init(&p->split, SPLIT_BYTES_MAX);
    buffer_init(&p->watched_key, SPLIT_BYTES_MAX);
    p->ids = request_ids_create();
    if (p->ids == NULL) {
        partition_destroy(p);
        return NULL;
    }
    return p;
}

void partition_destroy(struct partition *p)
{
    if (p == NULL)
        return;
    partition_drop_pending(p);
    request_ids_destroy(p->ids);
    buffer_deinit(&p->schema);
    buffer_deinit(&p->split);
    buffer_deinit(&p->watched_key);
    memory_free(p);
}

/* ---- pending writes ---- */

const struct pending_write *pending_find(const struct partition *p, struct slice key)
{
    struct pending_write *w;
    HASH_FIND(key_handle, p->by_key, key.data, key.length, w);
    return w;
}

static void pending_hide(struct partition *p, struct pending_write *w)
{
    if (!w->is_newest)
        return;
    HASH_DELETE(key_handle, p->by_key, w);
    w->is_newest = false;
}

static void pending_remove(struct partition *p, struct pending_write *w)
{
    pending_hide(p, w);
    HASH_DELETE(hh, p->by_request, w);
    memory_free(w);
}

enum err partition_proposed(struct partition *p, uint64_t index, struct slice payload)
{
    ASSERT(index > p->applied_index);
    struct pending_write *w = memory_zalloc(sizeof *w);
    if (w == NULL)
        return ERR_NO_MEMORY;
    w->index = index;
    enum err err = write_entry_decode(payload, &w->entry);
    ASSERT(err == ERR_OK); /* evaluate encoded it */
    HASH_ADD(hh, p->by_request, entry.request_id, REQUEST_ID_BYTES, w);
    if (HASH_ADD_FAILED(w)) {
        memory_free(w);
        return ERR_NO_MEMORY;
    }
    struct pending_write *older;
    HASH_FIND(key_handle, p->by_key, w->entry.key.data, w->entry.key.length, older);
    if (older != NULL)
        pending_hide(p, older);
    HASH_ADD_KEYPTR(key_handle, p->by_key, w->entry.key.data, w->entry.key.length, w);
    if (w->key_handle.tbl == NULL) {
        HASH_DELETE(hh, p->by_request, w);
        memory_free(w);
        return ERR_NO_MEMORY;
    }
    w->is_newest = true;
    if (w->entry.commit_time_us > p->proposed_commit_time_us)
        p->proposed_commit_time_us = w->entry.commit_time_us;
    return ERR_OK;
}

bool partition_has_pending(const struct partition *p, struct slice key)
{
    return pending_find(p, key) != NULL;
}

void partition_drop_pending(struct partition *p)
{
    while (p->by_request != NULL)
        pending_remove(p, p->by_request);
}

uint64_t partition_pending_count(const struct partition *p)
{
    return HASH_COUNT(p->by_request);
}

void partition_lead(struct partition *p, uint64_t boot_us)
{
    ASSERT(p->by_request == NULL);
    p->lead_boot_us = boot_us;
    p->lead_id_clock_us = p->id_clock_us;
    p->proposed_commit_time_us = p->commit_time_us;
}

/* ---- applying ---- */

static enum err remember(struct partition *p, uint64_t index, const struct write_entry *entry)
{
    struct capacity_vector capacity;
    TRY(capacity_vector_decode(entry->capacity, &capacity));
    struct request_id_record record = {
        .index = index,
        .id_clock_us = entry->id_clock_us,
        .write_units_milli = (uint32_t)capacity.table.milli,
        .has_answer = (entry->flags & WRITE_ENTRY_HAS_ANSWER) != 0,
        .answer = entry->answer,
    };
    memcpy(record.request_id, entry->request_id, REQUEST_ID_BYTES);
    return request_ids_add(p->ids, &record);
}

/* The size after this entry. Nothing can go that never came: then somebody has written what no leader wrote. */
static enum err resize(const struct write_entry *entry, struct partition_size *size)
{
    if ((entry->flags & WRITE_ENTRY_REPLACES) != 0) {
        if (size->item_count == 0 || size->item_bytes < entry->item_bytes_before)
            return ERR_CORRUPT;
        size->item_count--;
        size->item_bytes -= entry->item_bytes_before;
    }
    if ((entry->flags & WRITE_ENTRY_DELETE) == 0) {
        size->item_count++;
        size->item_bytes += entry->item_bytes_after;
    }
    return ERR_OK;
}

static enum err apply_write(struct partition *p, uint64_t index, struct slice payload,
                            struct partition_effect *ret_effect)
{
    struct write_entry entry;
    TRY(write_entry_decode(payload, &entry));
    struct partition_size size = p->size;
    if (index > p->applied_index)
        TRY(resize(&entry, &size));
    TRY(remember(p, index, &entry));
    p->size = size;
    if (index > p->applied_index)
        watch_apply(p, &entry);
    if (entry.commit_time_us > p->commit_time_us)
        p->commit_time_us = entry.commit_time_us;
    if (entry.id_clock_us > p->id_clock_us)
        p->id_clock_us = entry.id_clock_us;
    bool is_delete = (entry.flags & WRITE_ENTRY_DELETE) != 0;
    ret_effect->kind = is_delete ? PARTITION_EFFECT_DELETE : PARTITION_EFFECT_PUT;
    ret_effect->key = entry.key;
    ret_effect->envelope = entry.image;
    /* The flags precede the id in the payload: a view that lives as long as the payload does. */
    ret_effect->request_id = slice_make(payload.data + 2, REQUEST_ID_BYTES);

    struct pending_write *w;
    HASH_FIND(hh, p->by_request, entry.request_id, REQUEST_ID_BYTES, w);
    if (w != NULL) {
        ASSERT(w->index == index);
        pending_remove(p, w);
    }
    return ERR_OK;
}

static enum err apply_schema(struct partition *p, struct slice payload, struct partition_effect *ret_effect)
{
    struct schema_entry entry;
    TRY(schema_entry_decode(payload, &entry));
    if (entry.version <= p->schema_version)
        return ERR_OK; /* two leaders may both have proposed it: the first counts */
    if (!buffer_reserve(&p->schema, entry.schema.length)) {
        p->schema.has_failed = false;
        return ERR_NO_MEMORY;
    }
    buffer_clear(&p->schema);
    buffer_append(&p->schema, entry.schema);
    p->schema_version = entry.version;
    ret_effect->kind = PARTITION_EFFECT_SCHEMA;
    return ERR_OK;
}

enum err partition_apply(struct partition *p, uint64_t index, enum partition_entry_kind kind,
                         struct slice payload, struct partition_effect *ret_effect)
{
    ASSERT(index <= p->replayed_index + 1);
    if (p->split_index != 0 && index > p->split_index && kind != PARTITION_ENTRY_NONE)
        return ERR_CORRUPT;
    struct partition_effect effect = {.kind = PARTITION_EFFECT_NONE};
    if (index > p->replayed_index) {
        switch (kind) {
        case PARTITION_ENTRY_NONE:
            break;
        case PARTITION_ENTRY_WRITE:
            TRY(apply_write(p, index, payload, &effect));
            break;
        case PARTITION_ENTRY_SCHEMA:
            TRY(apply_schema(p, payload, &effect));
            break;
        case PARTITION_ENTRY_SPLIT:
            TRY(apply_split(p, index, payload, &effect));
            break;
        }
        p->replayed_index = index;
    }
    if (index <= p->applied_index)
        effect = (struct partition_effect){.kind = PARTITION_EFFECT_NONE};
    else
        p->applied_index = index;
    *ret_effect = effect;
    return ERR_OK;
}

uint64_t partition_applied_index(const struct partition *p)
{
    return p->applied_index;
}

struct partition_size partition_size(const struct partition *p)
{
    return p->size;
}

uint64_t partition_schema_version(const struct partition *p)
{
    return p->schema_version;
}

struct slice partition_schema(const struct partition *p)
{
    return buffer_view(&p->schema);
}

struct request_ids *partition_request_ids(const struct partition *p)
{
    return p->ids;
}

/* ---- checkpoints ---- */

static void encode_head(const struct partition *p, bool is_split, uint64_t index, struct partition_size size,
                        struct buffer *to)
{
    ASSERT(p->replayed_index == p->applied_index);
    buffer_append_u8(to, is_split ? CHECKPOINT_VERSION_SPLIT : CHECKPOINT_VERSION);
    buffer_append_u64(to, index);
    buffer_append_u64(to, p->commit_time_us);
    buffer_append_u64(to, p->id_clock_us);
    buffer_append_u64(to, size.item_count);
    buffer_append_u64(to, size.item_bytes);
    buffer_append_u64(to, p->schema_version);
    buffer_append_prefixed(to, buffer_view(&p->schema));
    if (!is_split)
        return;
    buffer_append_u64(to, p->split_index);
    buffer_append_prefixed(to, buffer_view(&p->split));
}

void partition_checkpoint_encode(const struct partition *p, struct buffer *to)
{
    encode_head(p, p->split_index != 0, p->applied_index, p->size, to);
    request_ids_encode(p->ids, to);
}

/* The ids of both: one does not tell its key. */
void partition_encode_child(const struct partition *p, enum partition_side side, struct buffer *to)
{
    ASSERT(p->split_index != 0);
    encode_head(p, false, p->split_index, partition_child_size(p, side), to);
    request_ids_encode(p->ids, to);
}

void partition_checkpoint_encode_own(const struct partition *p, struct buffer *to)
{
    ASSERT(request_ids_unsaved_count(p->ids) == 0);
    encode_head(p, p->split_index != 0, p->applied_index, p->size, to);
    buffer_append_varint(to, 0);
}

enum err partition_checkpoint_decode(struct partition *p, struct slice bytes)
{
    struct reader r;
    reader_init(&r, bytes);
    uint8_t version = reader_u8(&r);
    uint64_t applied_index = reader_u64(&r);
    uint64_t commit_time_us = reader_u64(&r);
    uint64_t id_clock_us = reader_u64(&r);
    struct partition_size size = {.item_count = reader_u64(&r)};
    size.item_bytes = reader_u64(&r);
    uint64_t schema_version = reader_u64(&r);
    struct slice schema = reader_prefixed(&r);
    bool is_split = version == CHECKPOINT_VERSION_SPLIT;
    uint64_t split_index = is_split ? reader_u64(&r) : 0;
    struct slice split = is_split ? reader_prefixed(&r) : SLICE_EMPTY;
    struct split_entry entry;
    if (reader_has_failed(&r) || (version != CHECKPOINT_VERSION && !is_split) ||
        (is_split && (split_index == 0 || split_entry_decode(split, &entry) != ERR_OK)))
        return ERR_CORRUPT;
    buffer_append(&p->schema, schema);
    buffer_append(&p->split, split);
    if (buffer_has_failed(&p->schema) || buffer_has_failed(&p->split))
        return ERR_NO_MEMORY;
    p->split_index = split_index;
    TRY(request_ids_decode(p->ids, reader_rest(&r)));
    p->applied_index = p->replayed_index = applied_index;
    p->commit_time_us = commit_time_us;
    p->id_clock_us = id_clock_us;
    p->size = size;
    p->schema_version = schema_version;
    return ERR_OK;
}

void partition_set_stored(struct partition *p, uint64_t applied_index, struct partition_size size)
{
    if (applied_index <= p->applied_index)
        return;
    p->applied_index = applied_index;
    p->size = size;
}

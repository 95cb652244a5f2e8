#include "dataplane/partition/entry.h"

#include "base/reader.h"
#include "dataplane/item/item.h"

enum {
    WRITE_VERSION = 2,
    SCHEMA_VERSION = 1,
    SPLIT_VERSION = 1,
    FLAGS_KNOWN = WRITE_ENTRY_DELETE | WRITE_ENTRY_HAS_OLD | WRITE_ENTRY_HAS_ANSWER | WRITE_ENTRY_REPLACES,
};

void write_entry_encode(const struct write_entry *entry, struct buffer *to)
{
    buffer_append_u8(to, WRITE_VERSION);
    buffer_append_u8(to, entry->flags);
    buffer_append(to, slice_make(entry->request_id, REQUEST_ID_BYTES));
    buffer_append_u64(to, entry->commit_time_us);
    buffer_append_u64(to, entry->id_clock_us);
    buffer_append_prefixed(to, entry->capacity);
    if ((entry->flags & WRITE_ENTRY_REPLACES) != 0)
        buffer_append_varint(to, entry->item_bytes_before);
    if ((entry->flags & WRITE_ENTRY_DELETE) == 0)
        buffer_append_varint(to, entry->item_bytes_after);
    buffer_append_prefixed(to, entry->key);
    if ((entry->flags & WRITE_ENTRY_DELETE) == 0)
        buffer_append_prefixed(to, entry->image);
    if ((entry->flags & WRITE_ENTRY_HAS_OLD) != 0)
        buffer_append_prefixed(to, entry->old_image);
    if ((entry->flags & WRITE_ENTRY_HAS_ANSWER) != 0)
        buffer_append_prefixed(to, entry->answer);
}

static uint32_t read_item_bytes(struct reader *r)
{
    uint64_t bytes = reader_varint(r);
    if (bytes > ITEM_BYTES_MAX) {
        r->has_failed = true;
        return 0;
    }
    return (uint32_t)bytes;
}

enum err write_entry_decode(struct slice bytes, struct write_entry *ret_entry)
{
    struct reader r;
    reader_init(&r, bytes);
    uint8_t version = reader_u8(&r);
    struct write_entry entry = {.flags = reader_u8(&r)};
    if (reader_has_failed(&r) || version != WRITE_VERSION || (entry.flags & ~FLAGS_KNOWN) != 0)
        return ERR_CORRUPT;
    struct slice id = reader_bytes(&r, REQUEST_ID_BYTES);
    entry.commit_time_us = reader_u64(&r);
    entry.id_clock_us = reader_u64(&r);
    entry.capacity = reader_prefixed(&r);
    if ((entry.flags & WRITE_ENTRY_REPLACES) != 0)
        entry.item_bytes_before = read_item_bytes(&r);
    if ((entry.flags & WRITE_ENTRY_DELETE) == 0)
        entry.item_bytes_after = read_item_bytes(&r);
    entry.key = reader_prefixed(&r);
    if ((entry.flags & WRITE_ENTRY_DELETE) == 0)
        entry.image = reader_prefixed(&r);
    if ((entry.flags & WRITE_ENTRY_HAS_OLD) != 0)
        entry.old_image = reader_prefixed(&r);
    if ((entry.flags & WRITE_ENTRY_HAS_ANSWER) != 0)
        entry.answer = reader_prefixed(&r);
    if (!reader_is_done(&r) || entry.key.length == 0)
        return ERR_CORRUPT;
    memcpy(entry.request_id, id.data, REQUEST_ID_BYTES);
    *ret_entry = entry;
    return ERR_OK;
}

void schema_entry_encode(const struct schema_entry *entry, struct buffer *to)
{
    buffer_append_u8(to, SCHEMA_VERSION);
    buffer_append_u64(to, entry->version);
    buffer_append_prefixed(to, entry->schema);
}

enum err schema_entry_decode(struct slice bytes, struct schema_entry *ret_entry)
{
    struct reader r;
    reader_init(&r, bytes);
    uint8_t version = reader_u8(&r);
    struct schema_entry entry = {.version = reader_u64(&r)};
    entry.schema = reader_prefixed(&r);
    if (!reader_is_done(&r) || version != SCHEMA_VERSION)
        return ERR_CORRUPT;
    *ret_entry = entry;
    return ERR_OK;
}

void split_entry_encode(const struct split_entry *entry, struct buffer *to)
{
    buffer_append_u8(to, SPLIT_VERSION);
    buffer_append_u64(to, entry->range_epoch);
    buffer_append_u64(to, entry->group_ids[0]);
    buffer_append_u64(to, entry->group_ids[1]);
    buffer_append_u64(to, entry->item_count_left);
    buffer_append_u64(to, entry->item_bytes_left);
    buffer_append_prefixed(to, entry->key);
}

enum err split_entry_decode(struct slice bytes, struct split_entry *ret_entry)
{
    struct reader r;
    reader_init(&r, bytes);
    uint8_t version = reader_u8(&r);
    struct split_entry entry = {.range_epoch = reader_u64(&r)};
    entry.group_ids[0] = reader_u64(&r);
    entry.group_ids[1] = reader_u64(&r);
    entry.item_count_left = reader_u64(&r);
    entry.item_bytes_left = reader_u64(&r);
    entry.key = reader_prefixed(&r);
    if (!reader_is_done(&r) || version != SPLIT_VERSION || entry.key.length == 0 || entry.group_ids[0] == 0 ||
        entry.group_ids[1] == 0 || entry.group_ids[0] == entry.group_ids[1])
        return ERR_CORRUPT;
    *ret_entry = entry;
    return ERR_OK;
}

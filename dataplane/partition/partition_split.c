/* The end of a group: how a leader knows what lies on each side, what every replica applies, what the children begin with. */
#include "base/assert.h"
#include "dataplane/partition/partition_internal.h"

/* ---- the leader's count ---- */

static bool is_watched(const struct partition *p, struct slice key)
{
    return p->watched_key.length > 0 && slice_compare(key, buffer_view(&p->watched_key)) < 0;
}

static void difference_add(const struct write_entry *entry, int64_t *count, int64_t *bytes)
{
    if ((entry->flags & WRITE_ENTRY_REPLACES) != 0)
        --*count, *bytes -= entry->item_bytes_before;
    if ((entry->flags & WRITE_ENTRY_DELETE) == 0)
        ++*count, *bytes += entry->item_bytes_after;
}

void watch_apply(struct partition *p, const struct write_entry *entry)
{
    if (is_watched(p, entry->key))
        difference_add(entry, &p->watched_count, &p->watched_bytes);
}

enum err partition_split_watch(struct partition *p, struct slice key)
{
    ASSERT(key.length > 0 && p->replayed_index == p->applied_index);
    if (p->split_index != 0)
        return ERR_CLOSED;
    if (!buffer_reserve(&p->watched_key, key.length)) {
        p->watched_key.has_failed = false;
        return ERR_NO_MEMORY;
    }
    buffer_clear(&p->watched_key);
    buffer_append(&p->watched_key, key);
    p->watched_count = p->watched_bytes = 0;
    return ERR_OK;
}

void partition_split_unwatch(struct partition *p)
{
    buffer_clear(&p->watched_key);
}

enum err partition_split_encode(const struct partition *p, uint64_t range_epoch, const uint64_t group_ids[2],
                                struct partition_size counted, struct buffer *to)
{
    if (p->watched_key.length == 0)
        return ERR_UNAVAILABLE;
    int64_t count = p->watched_count;
    int64_t bytes = p->watched_bytes;
    /* What is proposed comes before the split, whatever becomes of both. */
    for (const struct pending_write *w = p->by_request; w != NULL; w = w->hh.next)
        if (is_watched(p, w->entry.key))
            difference_add(&w->entry, &count, &bytes);
    count += (int64_t)counted.item_count;
    bytes += (int64_t)counted.item_bytes;
    if (count < 0 || bytes < 0 || (count == 0 && bytes != 0))
        return ERR_INVALID;
    const struct split_entry entry = {
        .range_epoch = range_epoch,
        .group_ids = {group_ids[0], group_ids[1]},
        .item_count_left = (uint64_t)count,
        .item_bytes_left = (uint64_t)bytes,
        .key = buffer_view(&p->watched_key),
    };
    split_entry_encode(&entry, to);
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

/* ---- any replica ---- */

enum err apply_split(struct partition *p, uint64_t index, struct slice payload,
                     struct partition_effect *ret_effect)
{
    struct split_entry entry;
    TRY(split_entry_decode(payload, &entry));
    /* In a replay the size is one of later already, or the same: nothing is written behind a split. */
    if (index > p->applied_index &&
        (entry.item_count_left > p->size.item_count || entry.item_bytes_left > p->size.item_bytes))
        return ERR_CORRUPT;
    if (!buffer_reserve(&p->split, payload.length)) {
        p->split.has_failed = false;
        return ERR_NO_MEMORY;
    }
    buffer_append(&p->split, payload);
    p->split_index = index;
    partition_split_unwatch(p);
    ret_effect->kind = PARTITION_EFFECT_SPLIT;
    return ERR_OK;
}

bool partition_is_split(const struct partition *p)
{
    return p->split_index != 0;
}

bool partition_split(const struct partition *p, uint64_t *ret_index, struct split_entry *ret_entry)
{
    if (p->split_index == 0)
        return false;
    enum err err = split_entry_decode(buffer_view(&p->split), ret_entry);
    ASSERT(err == ERR_OK); /* it was applied */
    *ret_index = p->split_index;
    return true;
}

struct partition_size partition_child_size(const struct partition *p, enum partition_side side)
{
    uint64_t index;
    struct split_entry entry;
    bool is_split = partition_split(p, &index, &entry);
    ASSERT(is_split);
    const struct partition_size left = {entry.item_count_left, entry.item_bytes_left};
    const struct partition_size right = {p->size.item_count - left.item_count,
                                         p->size.item_bytes - left.item_bytes};
    return side == PARTITION_LEFT ? left : right;
}

#include "dataplane/replication/message.h"

#include "base/reader.h"

enum { MESSAGE_FORMAT = 1 };

enum { FLAG_GRANTED = 1, FLAG_HEARS_LEADER = 2, FLAGS_KNOWN = 3 };

enum message_lane message_lane(enum message_kind kind)
{
    return kind == MESSAGE_APPEND || kind == MESSAGE_APPEND_RESPONSE ? MESSAGE_LANE_LOG : MESSAGE_LANE_VOTES;
}

/* One layout for all kinds: varints, of which most are a zero byte where a kind does not use them. */
void message_encode(const struct group_message *message, struct buffer *to)
{
    buffer_append_u8(to, MESSAGE_FORMAT);
    buffer_append_u8(to, (uint8_t)message->kind);
    buffer_append_u8(to, (uint8_t)((message->is_granted ? FLAG_GRANTED : 0) |
                                   (message->hears_leader ? FLAG_HEARS_LEADER : 0)));
    buffer_append_varint(to, message->from_replica);
    buffer_append_varint(to, message->to_replica);
    buffer_append_varint(to, message->from_node);
    buffer_append_varint(to, message->term);
    buffer_append_varint(to, message->last_index);
    buffer_append_varint(to, message->last_term);
    buffer_append_varint(to, message->relinquished_term);
    buffer_append_varint(to, message->previous_index);
    buffer_append_varint(to, message->previous_term);
    buffer_append_varint(to, message->commit_index);
    buffer_append_varint(to, message->sequence);
    buffer_append_varint(to, message->match_index);
    buffer_append_varint(to, message->hint_index);
    buffer_append_varint(to, message->hint_term);
    buffer_append_varint(to, message->support_epoch);
    buffer_append_varint(to, message->membership_version);
    buffer_append_varint(to, message->incarnation);
    buffer_append_varint(to, message->entry_count);
}

enum err message_decode(struct slice fields, struct group_message *ret_message)
{
    struct reader r;
    reader_init(&r, fields);
    uint8_t format = reader_u8(&r);
    uint8_t kind = reader_u8(&r);
    uint8_t flags = reader_u8(&r);
    if (reader_has_failed(&r) || format != MESSAGE_FORMAT || kind < MESSAGE_PRE_VOTE ||
        kind > MESSAGE_REMOVED || (flags & ~FLAGS_KNOWN) != 0)
        return ERR_CORRUPT;
    struct group_message m = {.kind = (enum message_kind)kind,
                              .is_granted = (flags & FLAG_GRANTED) != 0,
                              .hears_leader = (flags & FLAG_HEARS_LEADER) != 0};
    m.from_replica = reader_varint(&r);
    m.to_replica = reader_varint(&r);
    uint64_t from_node = reader_varint(&r);
    m.term = reader_varint(&r);
    m.last_index = reader_varint(&r);
    m.last_term = reader_varint(&r);
    m.relinquished_term = reader_varint(&r);
    m.previous_index = reader_varint(&r);
    m.previous_term = reader_varint(&r);
    m.commit_index = reader_varint(&r);
    m.sequence = reader_varint(&r);
    m.match_index = reader_varint(&r);
    m.hint_index = reader_varint(&r);
    m.hint_term = reader_varint(&r);
    m.support_epoch = reader_varint(&r);
    m.membership_version = reader_varint(&r);
    m.incarnation = reader_varint(&r);
    uint64_t entry_count = reader_varint(&r);
    if (!reader_is_done(&r) || from_node > UINT32_MAX || entry_count > UINT32_MAX)
        return ERR_CORRUPT;
    if (m.term > TERM_MAX || m.relinquished_term > TERM_MAX)
        return ERR_CORRUPT;
    m.from_node = (uint32_t)from_node;
    m.entry_count = (uint32_t)entry_count;
    *ret_message = m;
    return ERR_OK;
}

void append_entry_encode(const struct group_entry *entry, struct buffer *to)
{
    buffer_append_u64(to, entry->term);
    buffer_append_u32(to, (uint32_t)entry->body.length);
    buffer_append(to, entry->body);
}

enum err append_entries_decode(struct slice payload, uint32_t count, struct group_entry *entries)
{
    struct reader r;
    reader_init(&r, payload);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].term = reader_u64(&r);
        entries[i].body = reader_bytes(&r, reader_u32(&r));
        if (reader_has_failed(&r) || entries[i].body.length == 0)
            return ERR_CORRUPT;
    }
    return reader_is_done(&r) ? ERR_OK : ERR_CORRUPT;
}

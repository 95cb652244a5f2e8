#include "dataplane/node/snapshot_stream.h"

#include "base/crc32c.h"
#include "base/reader.h"

enum { SECOND_US = 1000 * 1000 };

void snapshot_row_append(struct buffer *payload, struct slice key, struct slice value)
{
    buffer_append_prefixed(payload, key);
    buffer_append_prefixed(payload, value);
}

uint32_t snapshot_checksum(struct slice payload)
{
    return crc32c(0, payload);
}

void snapshot_totals_add(struct snapshot_totals *totals, const struct snapshot_chunk *chunk)
{
    totals->chunks++;
    totals->rows += chunk->row_count;
    totals->bytes += chunk->payload.length;
    totals->checksum = crc32c(totals->checksum, chunk->payload);
}

bool snapshot_totals_equal(const struct snapshot_totals *a, const struct snapshot_totals *b)
{
    return a->chunks == b->chunks && a->rows == b->rows && a->bytes == b->bytes && a->checksum == b->checksum;
}

enum err snapshot_chunk_check(const struct snapshot_totals *so_far, const struct snapshot_chunk *chunk)
{
    if (chunk->number != so_far->chunks)
        return ERR_STALE;
    return snapshot_checksum(chunk->payload) == chunk->checksum ? ERR_OK : ERR_CORRUPT;
}

enum err snapshot_chunk_each(const struct snapshot_chunk *chunk,
                             enum err (*each)(void *data, struct slice key, struct slice value), void *data)
{
    struct reader reader;
    reader_init(&reader, chunk->payload);
    for (uint32_t i = 0; i < chunk->row_count; i++) {
        struct slice key = reader_prefixed(&reader);
        struct slice value = reader_prefixed(&reader);
        if (reader_has_failed(&reader))
            return ERR_CORRUPT;
        TRY(each(data, key, value));
    }
    return reader_is_done(&reader) ? ERR_OK : ERR_CORRUPT;
}

uint64_t snapshot_pace_wait(const struct snapshot_pace *pace, uint64_t now_us)
{
    return pace->free_us > now_us ? pace->free_us : 0;
}

void snapshot_pace_spend(struct snapshot_pace *pace, uint64_t bytes, uint64_t now_us)
{
    uint64_t from_us = pace->free_us > now_us ? pace->free_us : now_us;
    pace->free_us = from_us + bytes * SECOND_US / pace->bytes_per_s;
}

#include "dataplane/log/segment.h"

#include "base/assert.h"
#include "base/crc32c.h"

/* Record header, little-endian; docs/formats/wal.md has the same table. The header's checksum covers the
 * header from HEADER_CRC + 4 on, so that group and length can be believed when the body cannot. */
enum {
    AT_MAGIC = 0,
    AT_HEADER_CRC = 4,
    AT_GENERATION = 8,
    AT_BODY_BYTES = 16,
    AT_BODY_CRC = 20,
    AT_SYNCED_OFFSET = 24,
    AT_TYPE = 28,
    AT_RESERVED = 29, /* three bytes, zero */
    AT_GROUP = 32,
    AT_REPLICA = 40,
    AT_INDEX = 48,
    AT_TERM = 56,
};

static const uint8_t magic[4] = {'S', 'w', 'l', 1};

struct header {
    uint32_t body_bytes;
    uint32_t body_crc;
    uint32_t synced_offset;
    struct segment_record record; /* body: where it would be, unchecked */
    uint32_t record_bytes;
};

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void put_u64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t get_u64(const uint8_t *at)
{
    return get_u32(at) | (uint64_t)get_u32(at + 4) << 32;
}

static uint32_t place_seed(uint64_t generation, uint32_t offset)
{
    uint8_t place[12];
    put_u64(place, generation);
    put_u32(place + 8, offset);
    return crc32c(0, slice_make(place, sizeof place));
}

static uint32_t header_crc(const uint8_t *at, uint32_t seed)
{
    return crc32c(seed, slice_make(at + AT_GENERATION, SEGMENT_RECORD_HEADER_BYTES - AT_GENERATION));
}

static size_t padded(size_t body_bytes)
{
    return segment_record_bytes(body_bytes) - SEGMENT_RECORD_HEADER_BYTES;
}

static uint32_t body_crc(const uint8_t *at, size_t body_bytes, uint32_t seed)
{
    return crc32c(seed, slice_make(at + SEGMENT_RECORD_HEADER_BYTES, padded(body_bytes)));
}

void segment_record_layout(uint8_t *to, const struct segment_record *record)
{
    size_t body_bytes = record->body.length;
    ASSERT(body_bytes <= SEGMENT_BODY_BYTES_MAX);
    memset(to, 0, SEGMENT_RECORD_HEADER_BYTES);
    memcpy(to + AT_MAGIC, magic, sizeof magic);
    put_u32(to + AT_BODY_BYTES, (uint32_t)body_bytes);
    to[AT_TYPE] = (uint8_t)record->type;
    put_u64(to + AT_GROUP, record->group_id);
    put_u64(to + AT_REPLICA, record->replica_id);
    put_u64(to + AT_INDEX, record->index);
    put_u64(to + AT_TERM, record->term);
    if (body_bytes > 0)
        memcpy(to + SEGMENT_RECORD_HEADER_BYTES, record->body.data, body_bytes);
    memset(to + SEGMENT_RECORD_HEADER_BYTES + body_bytes, 0, padded(body_bytes) - body_bytes);
}

size_t segment_record_bytes_at(const uint8_t *at)
{
    return segment_record_bytes(get_u32(at + AT_BODY_BYTES));
}

struct segment_record segment_record_view(const uint8_t *at)
{
    return (struct segment_record){
        .type = at[AT_TYPE],
        .group_id = get_u64(at + AT_GROUP),
        .replica_id = get_u64(at + AT_REPLICA),
        .index = get_u64(at + AT_INDEX),
        .term = get_u64(at + AT_TERM),
        .body = slice_make(at + SEGMENT_RECORD_HEADER_BYTES, get_u32(at + AT_BODY_BYTES)),
    };
}

void segment_record_seal(uint8_t *at, uint64_t generation, uint32_t offset, uint32_t synced_offset)
{
    ASSERT(synced_offset <= offset && offset % SEGMENT_RECORD_ALIGNMENT == 0);
    uint32_t seed = place_seed(generation, offset);
    put_u64(at + AT_GENERATION, generation);
    put_u32(at + AT_SYNCED_OFFSET, synced_offset);
    put_u32(at + AT_BODY_CRC, body_crc(at, get_u32(at + AT_BODY_BYTES), seed));
    put_u32(at + AT_HEADER_CRC, header_crc(at, seed));
}

size_t segment_record_encode(uint8_t *to, uint64_t generation, uint32_t offset, uint32_t synced_offset,
                             const struct segment_record *record)
{
    segment_record_layout(to, record);
    segment_record_seal(to, generation, offset, synced_offset);
    return segment_record_bytes(record->body.length);
}

void segment_start_encode(uint8_t to[32], const struct segment_start *start)
{
    memset(to, 0, SEGMENT_START_BYTES - SEGMENT_RECORD_HEADER_BYTES);
    put_u64(to, start->previous_generation);
    put_u64(to + 8, start->oldest_generation);
    put_u32(to + 16, start->previous_synced_offset);
    put_u32(to + 20, start->segment_bytes);
    put_u32(to + 24, start->is_recovery ? 1 : 0);
}

enum err segment_start_decode(struct slice body, struct segment_start *ret_start)
{
    if (body.length != SEGMENT_START_BYTES - SEGMENT_RECORD_HEADER_BYTES)
        return ERR_CORRUPT;
    *ret_start = (struct segment_start){
        .previous_generation = get_u64(body.data),
        .oldest_generation = get_u64(body.data + 8),
        .previous_synced_offset = get_u32(body.data + 16),
        .segment_bytes = get_u32(body.data + 20),
        .is_recovery = get_u32(body.data + 24) != 0,
    };
    return ERR_OK;
}

/* The header at the beginning of `bytes`, which stand at `offset`, if it is one of this generation and whole,
 * and its record fits into `bytes`. */
static bool read_header(struct slice bytes, uint64_t generation, uint32_t offset, struct header *ret_header)
{
    const uint8_t *at = bytes.data;
    if (bytes.length < SEGMENT_RECORD_HEADER_BYTES || memcmp(at + AT_MAGIC, magic, sizeof magic) != 0 ||
        get_u64(at + AT_GENERATION) != generation)
        return false;
    if (get_u32(at + AT_HEADER_CRC) != header_crc(at, place_seed(generation, offset)))
        return false;
    struct header h = {
        .body_bytes = get_u32(at + AT_BODY_BYTES),
        .body_crc = get_u32(at + AT_BODY_CRC),
        .synced_offset = get_u32(at + AT_SYNCED_OFFSET),
        .record = segment_record_view(at),
    };
    if (h.body_bytes > SEGMENT_BODY_BYTES_MAX || h.synced_offset > offset)
        return false;
    size_t record_bytes = segment_record_bytes(h.body_bytes);
    if (record_bytes > bytes.length)
        return false;
    h.record_bytes = (uint32_t)record_bytes;
    *ret_header = h;
    return true;
}

static bool body_is_whole(struct slice bytes, uint64_t generation, uint32_t offset, const struct header *h)
{
    return h->body_crc == body_crc(bytes.data, h->body_bytes, place_seed(generation, offset));
}

enum err segment_record_decode(struct slice bytes, uint64_t generation, uint32_t offset,
                               struct segment_record *ret_record)
{
    struct header h;
    if (!read_header(bytes, generation, offset, &h) || !body_is_whole(bytes, generation, offset, &h))
        return ERR_CORRUPT;
    *ret_record = h.record;
    return ERR_OK;
}

static bool header_at(const struct segment_scan *scan, uint32_t at, struct header *ret_header)
{
    return read_header(slice_from(scan->bytes, at), scan->generation, at, ret_header);
}

static bool body_is_whole_at(const struct segment_scan *scan, uint32_t at, const struct header *h)
{
    return body_is_whole(slice_from(scan->bytes, at), scan->generation, at, h);
}

void segment_scan_init(struct segment_scan *scan, struct slice bytes, uint64_t generation,
                       uint32_t synced_offset)
{
    *scan = (struct segment_scan){.bytes = bytes, .generation = generation, .synced_offset = synced_offset};
}

/* The first offset >= from at which a whole record stands; the segment's length if there is none. */
static uint32_t find_record(const struct segment_scan *scan, uint32_t from, struct header *ret_header)
{
    for (uint32_t at = from; (size_t)at + SEGMENT_RECORD_HEADER_BYTES <= scan->bytes.length;
         at += SEGMENT_RECORD_ALIGNMENT)
        if (header_at(scan, at, ret_header) && body_is_whole_at(scan, at, ret_header))
            return at;
    return (uint32_t)scan->bytes.length;
}

/* Something at scan->offset is not whole: what do the records behind it prove, and are there any? Once is
 * enough, as it looks to the very end. */
static void look_ahead(struct segment_scan *scan)
{
    struct header h;
    scan->has_looked_ahead = true;
    for (uint32_t at = find_record(scan, scan->offset, &h); at < scan->bytes.length;
         at = find_record(scan, at + h.record_bytes, &h)) {
        scan->last_whole_offset = at;
        if (h.synced_offset > scan->synced_offset)
            scan->synced_offset = h.synced_offset;
    }
}

/* Has a batch been begun at the end: a header of our generation, even if it is not whole, or a record? */
static bool has_trace_of_batch(const struct segment_scan *scan)
{
    if (scan->last_whole_offset > scan->offset)
        return true;
    if ((size_t)scan->offset + SEGMENT_RECORD_HEADER_BYTES > scan->bytes.length)
        return false;
    return get_u64(scan->bytes.data + scan->offset + AT_GENERATION) == scan->generation;
}

/* h: the header of the lost record, or NULL if that is not whole either. Then what is lost reaches to the
 * next whole record, but not beyond what is proven: behind that, only an unbroken sequence counts. */
static enum segment_step report_damage(struct segment_scan *scan, const struct header *h)
{
    scan->damage = (struct segment_damage){.begin = scan->offset, .is_group_known = h != NULL};
    if (h != NULL) {
        scan->damage.end = scan->offset + h->record_bytes;
        scan->damage.type = h->record.type;
        scan->damage.group_id = h->record.group_id;
        scan->damage.replica_id = h->record.replica_id;
        scan->damage.index = h->record.index;
    } else {
        struct header next;
        scan->damage.end = find_record(scan, scan->offset + SEGMENT_RECORD_ALIGNMENT, &next);
        if (scan->damage.end >= scan->bytes.length || scan->damage.end > scan->synced_offset)
            scan->damage.end = scan->synced_offset;
    }
    scan->record_offset = scan->offset;
    scan->offset = scan->damage.end;
    return SEGMENT_STEP_DAMAGE;
}

enum segment_step segment_scan_next(struct segment_scan *scan, struct segment_record *ret_record)
{
    struct header h;
    bool has_header = header_at(scan, scan->offset, &h);
    if (has_header && body_is_whole_at(scan, scan->offset, &h)) {
        if (h.synced_offset > scan->synced_offset)
            scan->synced_offset = h.synced_offset;
        scan->record_offset = scan->offset;
        scan->offset += h.record_bytes;
        *ret_record = h.record;
        return SEGMENT_STEP_RECORD;
    }
    if (!scan->has_looked_ahead)
        look_ahead(scan);
    if (scan->offset < scan->synced_offset)
        return report_damage(scan, has_header ? &h : NULL);
    scan->is_torn = has_trace_of_batch(scan);
    return SEGMENT_STEP_END;
}

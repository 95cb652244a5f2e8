#include "base/reader.h"

struct slice reader_bytes(struct reader *r, size_t length)
{
    if (reader_left(r) < length) {
        r->has_failed = true;
        return SLICE_EMPTY;
    }
    struct slice bytes = slice_make(r->next, length);
    r->next += length;
    return bytes;
}

static uint64_t little_endian(struct reader *r, size_t bytes)
{
    struct slice s = reader_bytes(r, bytes);
    uint64_t value = 0;
    for (size_t i = s.length; i > 0; i--)
        value = value << 8 | s.data[i - 1];
    return value;
}

static uint64_t big_endian(struct reader *r, size_t bytes)
{
    struct slice s = reader_bytes(r, bytes);
    uint64_t value = 0;
    for (size_t i = 0; i < s.length; i++)
        value = value << 8 | s.data[i];
    return value;
}

uint8_t reader_u8(struct reader *r)
{
    return (uint8_t)little_endian(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
    return (uint16_t)little_endian(r, 2);
}

uint32_t reader_u32(struct reader *r)
{
    return (uint32_t)little_endian(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
    return little_endian(r, 8);
}

uint16_t reader_u16_be(struct reader *r)
{
    return (uint16_t)big_endian(r, 2);
}

uint32_t reader_u32_be(struct reader *r)
{
    return (uint32_t)big_endian(r, 4);
}

uint64_t reader_u64_be(struct reader *r)
{
    return big_endian(r, 8);
}

uint64_t reader_varint(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = reader_u8(r);
        uint64_t bits = byte & 0x7F;
        if (shift == 63 && bits > 1)
            break;
        value |= bits << shift;
        if ((byte & 0x80) == 0) {
            if (byte == 0 && shift > 0)
                break;
            return r->has_failed ? 0 : value;
        }
    }
    r->has_failed = true;
    return 0;
}

struct slice reader_prefixed(struct reader *r)
{
    uint64_t length = reader_varint(r);
    if (length > reader_left(r)) {
        r->has_failed = true;
        return SLICE_EMPTY;
    }
    return reader_bytes(r, (size_t)length);
}

struct slice reader_rest(struct reader *r)
{
    return reader_bytes(r, reader_left(r));
}

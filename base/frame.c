#include "base/frame.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/reader.h"

enum {
    CRC_OFFSET = 4,
    CHECKED_OFFSET = 8, /* the checksum covers from here to the end */
    READ_BYTES = 64 * 1024,
    SPACE_BYTES_MIN = 16 * 1024, /* with less room than this behind the data, make some */
    KEPT_BYTES_MAX = 256 * 1024, /* a larger buffer is given back when it is empty */
};

static void put(uint8_t *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static bool are_flags_known(uint8_t flags)
{
    return (flags & ~FRAME_FLAGS_ALL) == 0 && flags != FRAME_FLAGS_ALL;
}

size_t frame_begin(struct buffer *to)
{
    size_t start = to->length;
    (void)buffer_extend(to, FRAME_PREFIX_BYTES); /* sticky: frame_end looks */
    return start;
}

enum err frame_end(struct buffer *to, size_t start, const struct frame *frame, size_t header_bytes)
{
    ASSERT(are_flags_known(frame->flags));
    if (buffer_has_failed(to))
        return ERR_NO_MEMORY;
    size_t body_bytes = to->length - start - FRAME_PREFIX_BYTES;
    ASSERT(header_bytes <= body_bytes);
    if (body_bytes > FRAME_BODY_BYTES_MAX) {
        to->length = start;
        return ERR_LIMIT;
    }
    uint8_t *prefix = to->data + start;
    put(prefix, body_bytes, 4);
    put(prefix + 8, frame->type, 2);
    prefix[10] = FRAME_VERSION;
    prefix[11] = frame->flags;
    put(prefix + 12, header_bytes, 4);
    put(prefix + 16, frame->call_id, 8);
    put(prefix + CRC_OFFSET,
        crc32c(0, slice_make(prefix + CHECKED_OFFSET, FRAME_PREFIX_BYTES - CHECKED_OFFSET + body_bytes)), 4);
    return ERR_OK;
}

enum err frame_append(struct buffer *to, const struct frame *frame)
{
    if (frame->header.length > FRAME_BODY_BYTES_MAX ||
        frame->payload.length > FRAME_BODY_BYTES_MAX - frame->header.length)
        return ERR_LIMIT;
    size_t start = frame_begin(to);
    buffer_append(to, frame->header);
    buffer_append(to, frame->payload);
    return frame_end(to, start, frame, frame->header.length);
}

void frame_decoder_init(struct frame_decoder *d, size_t body_bytes_max)
{
    ASSERT(body_bytes_max <= FRAME_BODY_BYTES_MAX);
    *d = (struct frame_decoder){.body_bytes_max = body_bytes_max};
}

void frame_decoder_deinit(struct frame_decoder *d)
{
    memory_free(d->data);
    frame_decoder_init(d, d->body_bytes_max);
}

static size_t waiting_bytes(const struct frame_decoder *d)
{
    return d->end - d->begin;
}

static struct slice waiting(const struct frame_decoder *d)
{
    return d->data == NULL ? SLICE_EMPTY : slice_make(d->data + d->begin, waiting_bytes(d));
}

/* What the first frame needs, as far as its length has arrived and is believable. */
static size_t wanted_bytes(const struct frame_decoder *d)
{
    struct reader r;
    reader_init(&r, waiting(d));
    uint32_t body_bytes = reader_u32(&r);
    return body_bytes > d->body_bytes_max ? FRAME_PREFIX_BYTES : FRAME_PREFIX_BYTES + (size_t)body_bytes;
}

static void move_to_front(struct frame_decoder *d)
{
    if (d->begin == 0)
        return;
    memmove(d->data, d->data + d->begin, waiting_bytes(d));
    d->end -= d->begin;
    d->begin = 0;
}

/* Doubles, so that a peer has to send half of what it makes us hold. */
static bool grow(struct frame_decoder *d)
{
    size_t capacity = d->capacity == 0 ? READ_BYTES : 2 * d->capacity;
    uint8_t *data = memory_resize(d->data, capacity);
    if (data == NULL)
        return false;
    d->data = data;
    d->capacity = capacity;
    return true;
}

uint8_t *frame_decoder_space(struct frame_decoder *d, size_t *ret_space)
{
    if (waiting_bytes(d) == 0) {
        d->begin = d->end = 0;
        if (d->capacity > KEPT_BYTES_MAX)
            frame_decoder_deinit(d);
    }
    if (d->capacity - d->end < SPACE_BYTES_MIN)
        move_to_front(d);
    bool is_full = d->capacity - d->end < SPACE_BYTES_MIN && wanted_bytes(d) > d->capacity;
    if ((d->capacity == d->end || is_full) && !grow(d))
        return NULL;
    *ret_space = d->capacity - d->end;
    return d->data + d->end;
}

void frame_decoder_fill(struct frame_decoder *d, size_t bytes)
{
    ASSERT(bytes <= d->capacity - d->end);
    d->end += bytes;
}

bool frame_decoder_peek(const struct frame_decoder *d, uint8_t *ret_flags, size_t *ret_body_bytes)
{
    struct reader r;
    reader_init(&r, waiting(d));
    uint32_t body_bytes = reader_u32(&r);
    reader_bytes(&r, 4 + 2 + 1); /* checksum, type, version */
    uint8_t flags = reader_u8(&r);
    if (reader_has_failed(&r))
        return false;
    *ret_flags = flags;
    *ret_body_bytes = body_bytes;
    return true;
}

enum err frame_decoder_next(struct frame_decoder *d, struct frame *ret_frame)
{
    struct reader r;
    reader_init(&r, waiting(d));
    uint32_t body_bytes = reader_u32(&r);
    if (reader_has_failed(&r))
        return ERR_TRUNCATED;
    if (body_bytes > d->body_bytes_max)
        return ERR_LIMIT;
    size_t frame_bytes = FRAME_PREFIX_BYTES + (size_t)body_bytes;
    if (waiting_bytes(d) < frame_bytes)
        return ERR_TRUNCATED;
    uint32_t checksum = reader_u32(&r);
    struct slice checked = slice_make(r.next, frame_bytes - CHECKED_OFFSET);
    if (crc32c(0, checked) != checksum)
        return ERR_CORRUPT;
    struct frame frame = {.type = reader_u16(&r)};
    uint8_t version = reader_u8(&r);
    frame.flags = reader_u8(&r);
    uint32_t header_bytes = reader_u32(&r);
    frame.call_id = reader_u64(&r);
    if (version != FRAME_VERSION || !are_flags_known(frame.flags))
        return ERR_INVALID;
    if (header_bytes > body_bytes)
        return ERR_CORRUPT;
    frame.header = reader_bytes(&r, header_bytes);
    frame.payload = reader_bytes(&r, body_bytes - header_bytes);
    d->begin += frame_bytes;
    *ret_frame = frame;
    return ERR_OK;
}

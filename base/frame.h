/* Frames: how every message between our services is cut out of a byte stream (docs/formats/frame.md).
 *
 *     u32 body_bytes | u32 crc32c | u16 type | u8 version | u8 flags | u32 header_bytes | u64 call_id
 *     header (a protobuf message) | payload (raw bytes)
 *
 * Little endian; 24 bytes of prefix, then body_bytes of header and payload. The checksum covers everything
 * behind itself, and no field but body_bytes is believed before it matches. Pure: no socket, no clock. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    FRAME_PREFIX_BYTES = 24,
    FRAME_VERSION = 1,
    FRAME_BODY_BYTES_MAX = 32 * 1024 * 1024,
    /* Types below this are the wire's own (base/wire.h); services number theirs from here. */
    FRAME_TYPE_FIRST = 16,
};

enum frame_flags {
    FRAME_RESPONSE = 1, /* answers the call of the same call_id */
    FRAME_ONE_WAY = 2,  /* nobody waits for an answer; call_id is 0 */
    FRAME_FLAGS_ALL = FRAME_RESPONSE | FRAME_ONE_WAY,
};

/* header and payload are views into the decoder's bytes: valid until its next call. */
struct frame {
    uint16_t type;
    uint8_t flags; /* of enum frame_flags, never both */
    uint64_t call_id;
    struct slice header;
    struct slice payload;
};

/* Append one whole frame. Fails stickily, as every append (over the buffer's cap, or no memory).
 * ERR_LIMIT  header and payload exceed FRAME_BODY_BYTES_MAX; nothing was appended
 * ERR_NO_MEMORY  the buffer is over its cap or there is no memory; the buffer has failed */
enum err frame_append(struct buffer *to, const struct frame *frame) MUST_CHECK;

/* The same in two steps, for a body that is encoded in place: `frame_begin` leaves room for the prefix and
 * returns the offset where the frame starts; append the header bytes, then the payload; `frame_end` fills
 * in the prefix. frame->payload and frame->header are not looked at.
 * ERR_LIMIT, ERR_NO_MEMORY  as above; after ERR_LIMIT the buffer is cut back to `start` */
size_t frame_begin(struct buffer *to);
enum err frame_end(struct buffer *to, size_t start, const struct frame *frame,
                   size_t header_bytes) MUST_CHECK;

/* An incremental decoder over a stream that arrives in pieces of any size.
 *
 *     uint8_t *to = frame_decoder_space(&d, &space);      read at most `space` bytes into `to`
 *     frame_decoder_fill(&d, bytes_read);
 *     while ((err = frame_decoder_next(&d, &frame)) == ERR_OK) ... use frame ...
 *     ERR_TRUNCATED: read more.  Anything else: close the connection.
 *
 * Keeps one buffer of about 64 KiB that grows for a larger frame and shrinks after it. */
struct frame_decoder {
    /* Leave alone. */
    uint8_t *data;
    size_t capacity;
    size_t begin; /* first byte not yet consumed */
    size_t end;   /* behind the last byte read */
    size_t body_bytes_max;
};

/* Takes no memory yet. body_bytes_max: refuse larger frames; at most FRAME_BODY_BYTES_MAX. */
void frame_decoder_init(struct frame_decoder *d, size_t body_bytes_max);
void frame_decoder_deinit(struct frame_decoder *d);
/* Room for the next read; NULL when there is no memory. Ends the life of earlier frames' views. */
uint8_t *frame_decoder_space(struct frame_decoder *d, size_t *ret_space);
void frame_decoder_fill(struct frame_decoder *d, size_t bytes);
/* What is known of the next frame, which need not be here in full, nor be right. False: not even that. */
bool frame_decoder_peek(const struct frame_decoder *d, uint8_t *ret_flags, size_t *ret_body_bytes);
/* The next whole frame, in place. After an error other than ERR_TRUNCATED the stream is beyond repair.
 * ERR_TRUNCATED  it has not arrived in full
 * ERR_LIMIT      body_bytes is over the limit
 * ERR_CORRUPT    wrong checksum, or header_bytes > body_bytes
 * ERR_INVALID    a version or flags that we do not know (the checksum is right) */
enum err frame_decoder_next(struct frame_decoder *d, struct frame *ret_frame) MUST_CHECK;

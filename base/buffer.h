/* Owned bytes that grow up to a cap, and the writer's half of our encodings.
 *
 * Appending is sticky: after the first failure (cap reached or no memory) nothing more is written and
 * `buffer_has_failed` says so; an encoder reads like the format it encodes and checks once, at the end.
 * Fixed-width integers are little-endian, except `_be`, which sort bytewise. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

struct buffer {
    uint8_t *data;
    size_t length;
    /* Leave alone. */
    size_t capacity;
    size_t length_max;
    bool has_failed;
};

/* Takes no memory yet. length_max: what it may grow to. */
void buffer_init(struct buffer *b, size_t length_max);
void buffer_deinit(struct buffer *b);
/* Empty it, keeping the memory. */
void buffer_clear(struct buffer *b);
/* Cut back to `length` (at most the present one), as if what is behind it had never been tried; clears a
 * failure. */
void buffer_cut(struct buffer *b, size_t length);
/* Room for `bytes` more, without writing; false when that is over the cap or there is no memory. */
bool buffer_reserve(struct buffer *b, size_t bytes);
/* Lengthen by `bytes` that the caller fills in; NULL when it failed. Valid until the next append. */
uint8_t *buffer_extend(struct buffer *b, size_t bytes);
/* Give the bytes away: the buffer is empty afterwards, the caller frees with memory_free. */
uint8_t *buffer_detach(struct buffer *b, size_t *ret_length);

void buffer_append(struct buffer *b, struct slice bytes);
void buffer_append_string(struct buffer *b, const char *text);
void buffer_append_format(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_append_u8(struct buffer *b, uint8_t value);
void buffer_append_u16(struct buffer *b, uint16_t value);
void buffer_append_u32(struct buffer *b, uint32_t value);
void buffer_append_u64(struct buffer *b, uint64_t value);
void buffer_append_u16_be(struct buffer *b, uint16_t value);
void buffer_append_u32_be(struct buffer *b, uint32_t value);
void buffer_append_u64_be(struct buffer *b, uint64_t value);
/* LEB128, at most 10 bytes. */
void buffer_append_varint(struct buffer *b, uint64_t value);
/* varint length, then the bytes. */
void buffer_append_prefixed(struct buffer *b, struct slice bytes);

static inline struct slice buffer_view(const struct buffer *b)
{
    return slice_make(b->data, b->length);
}

static inline bool buffer_has_failed(const struct buffer *b)
{
    return b->has_failed;
}

/* A cursor over borrowed bytes, the reader's half of our encodings (base/buffer.h writes them).
 *
 * Errors are sticky: after reading past the end every read gives 0 or the empty slice and
 * `reader_has_failed` is true, so that a decoder reads like the format it decodes and checks once. */
#pragma once

#include "base/slice.h"

struct reader {
    const uint8_t *next;
    const uint8_t *end;
    bool has_failed;
};

static inline void reader_init(struct reader *r, struct slice bytes)
{
    /* An empty slice may have no pointer, and to move one that is NULL is undefined, be it by 0. */
    const uint8_t *start = bytes.data == NULL ? (const uint8_t *)"" : bytes.data;
    *r = (struct reader){start, start + bytes.length, false};
}

static inline size_t reader_left(const struct reader *r)
{
    return r->has_failed ? 0 : (size_t)(r->end - r->next);
}

static inline bool reader_has_failed(const struct reader *r)
{
    return r->has_failed;
}

/* All consumed and nothing wrong. */
static inline bool reader_is_done(const struct reader *r)
{
    return !r->has_failed && r->next == r->end;
}

uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
uint16_t reader_u16_be(struct reader *r);
uint32_t reader_u32_be(struct reader *r);
uint64_t reader_u64_be(struct reader *r);
/* Fails on more than 10 bytes, on overflow and on a form longer than needed. */
uint64_t reader_varint(struct reader *r);
/* A view into the reader's bytes. */
struct slice reader_bytes(struct reader *r, size_t length);
struct slice reader_prefixed(struct reader *r);
struct slice reader_rest(struct reader *r);

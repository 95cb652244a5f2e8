/* What every fuzz target has, whether libFuzzer drives it (libfuzzer.c) or its corpus is run as a test
 * (replay.c): one function that takes any bytes and returns. What must hold of them is ASSERTed. */
#pragma once

#include "base/assert.h"
#include "base/buffer.h"
#include "base/slice.h"

/* One per program. Keeps nothing from one input to the next. */
void fuzz_input(struct slice input);

enum { FUZZ_BYTES_MAX = 64 << 20 }; /* of buffers: no input comes near it */

/* What is before the first line break, which *rest is then behind; all of it when there is none. */
static inline struct slice fuzz_line(struct slice *rest)
{
    size_t length = 0;
    while (length < rest->length && rest->data[length] != '\n')
        length++;
    struct slice line = slice_make(rest->data, length);
    *rest = slice_from(*rest, length + 1);
    return line;
}

/* The first byte, which *rest is then behind; 0 when there is none. */
static inline uint8_t fuzz_byte(struct slice *rest)
{
    uint8_t value = rest->length > 0 ? rest->data[0] : 0;
    *rest = slice_from(*rest, 1);
    return value;
}

/* At most `length` bytes, which *rest is then behind. */
static inline struct slice fuzz_bytes(struct slice *rest, size_t length)
{
    if (length > rest->length)
        length = rest->length;
    struct slice bytes = slice_make(rest->data, length);
    *rest = slice_from(*rest, length);
    return bytes;
}

static inline struct buffer fuzz_buffer(void)
{
    struct buffer b;
    buffer_init(&b, FUZZ_BYTES_MAX);
    return b;
}

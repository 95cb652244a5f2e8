#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/memory.h"

enum { CAPACITY_FIRST = 64 };

void buffer_init(struct buffer *b, size_t length_max)
{
    *b = (struct buffer){.length_max = length_max};
}

void buffer_deinit(struct buffer *b)
{
    memory_free(b->data);
    *b = (struct buffer){.length_max = b->length_max};
}

void buffer_clear(struct buffer *b)
{
    b->length = 0;
    b->has_failed = false;
}

void buffer_cut(struct buffer *b, size_t length)
{
    ASSERT(length <= b->length);
    b->length = length;
    b->has_failed = false;
}

bool buffer_reserve(struct buffer *b, size_t bytes)
{
    if (b->has_failed)
        return false;
    if (bytes > b->length_max || b->length > b->length_max - bytes) {
        b->has_failed = true;
        return false;
    }
    /* Memory also for 0 bytes: NULL tells a caller of buffer_extend that it failed. */
    if (b->data != NULL && b->capacity - b->length >= bytes)
        return true;
    size_t wanted = b->length + bytes;
    size_t capacity = b->capacity < CAPACITY_FIRST ? CAPACITY_FIRST : b->capacity;
    while (capacity < wanted)
        capacity *= 2;
    uint8_t *data = memory_resize(b->data, capacity);
    if (data == NULL) {
        b->has_failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

uint8_t *buffer_extend(struct buffer *b, size_t bytes)
{
    if (!buffer_reserve(b, bytes))
        return NULL;
    uint8_t *start = b->data + b->length;
    b->length += bytes;
    return start;
}

uint8_t *buffer_detach(struct buffer *b, size_t *ret_length)
{
    uint8_t *data = b->data;
    *ret_length = b->length;
    *b = (struct buffer){.length_max = b->length_max};
    return data;
}

void buffer_append(struct buffer *b, struct slice bytes)
{
    if (bytes.length == 0)
        return;
    uint8_t *to = buffer_extend(b, bytes.length);
    if (to != NULL)
        memcpy(to, bytes.data, bytes.length);
}

void buffer_append_string(struct buffer *b, const char *text)
{
    buffer_append(b, slice_from_string(text));
}

void buffer_append_format(struct buffer *b, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ASSERT(length >= 0);
    /* vsnprintf wants room for its NUL, which is not part of the buffer. */
    if (!buffer_reserve(b, (size_t)length + 1))
        return;
    va_start(arguments, format);
    vsnprintf((char *)b->data + b->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    b->length += (size_t)length;
}

static void append_little_endian(struct buffer *b, uint64_t value, size_t bytes)
{
    uint8_t *to = buffer_extend(b, bytes);
    for (size_t i = 0; to != NULL && i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static void append_big_endian(struct buffer *b, uint64_t value, size_t bytes)
{
    uint8_t *to = buffer_extend(b, bytes);
    for (size_t i = 0; to != NULL && i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

void buffer_append_u8(struct buffer *b, uint8_t value)
{
    append_little_endian(b, value, 1);
}

void buffer_append_u16(struct buffer *b, uint16_t value)
{
    append_little_endian(b, value, 2);
}

void buffer_append_u32(struct buffer *b, uint32_t value)
{
    append_little_endian(b, value, 4);
}

void buffer_append_u64(struct buffer *b, uint64_t value)
{
    append_little_endian(b, value, 8);
}

void buffer_append_u16_be(struct buffer *b, uint16_t value)
{
    append_big_endian(b, value, 2);
}

void buffer_append_u32_be(struct buffer *b, uint32_t value)
{
    append_big_endian(b, value, 4);
}

void buffer_append_u64_be(struct buffer *b, uint64_t value)
{
    append_big_endian(b, value, 8);
}

void buffer_append_varint(struct buffer *b, uint64_t value)
{
    uint8_t bytes[10];
    size_t count = 0;
    do {
        bytes[count++] = (uint8_t)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
        value >>= 7;
    } while (value != 0);
    buffer_append(b, slice_make(bytes, count));
}

void buffer_append_prefixed(struct buffer *b, struct slice bytes)
{
    buffer_append_varint(b, bytes.length);
    buffer_append(b, bytes);
}

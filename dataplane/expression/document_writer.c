#include "dataplane/expression/document_writer.h"

#include "base/assert.h"

enum { OPEN_LENGTH_BYTES = WRITER_OPEN_BYTES - 1 };

static uint8_t *varint_write(uint8_t *to, size_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

static size_t varint_bytes(size_t value)
{
    size_t bytes = 1;
    for (; value >= 0x80; value >>= 7)
        bytes++;
    return bytes;
}

size_t value_encoded_bytes(size_t body_bytes)
{
    return 1 + varint_bytes(body_bytes) + body_bytes;
}

static void require(const struct document_writer *w, size_t bytes)
{
    ASSERT((size_t)(w->end - w->next) >= bytes);
}

void writer_init(struct document_writer *w, uint8_t *memory, size_t bytes)
{
    *w = (struct document_writer){memory, memory + bytes};
}

void writer_put(struct document_writer *w, struct slice bytes)
{
    if (bytes.length == 0)
        return;
    require(w, bytes.length);
    memcpy(w->next, bytes.data, bytes.length);
    w->next += bytes.length;
}

void writer_put_name(struct document_writer *w, struct slice name)
{
    require(w, varint_bytes(name.length));
    w->next = varint_write(w->next, name.length);
    writer_put(w, name);
}

void writer_put_value(struct document_writer *w, struct value_view value)
{
    require(w, 1 + varint_bytes(value.body.length));
    *w->next++ = value.tag;
    w->next = varint_write(w->next, value.body.length);
    writer_put(w, value.body);
}

uint8_t *writer_open(struct document_writer *w, uint8_t tag)
{
    require(w, WRITER_OPEN_BYTES);
    *w->next++ = tag;
    uint8_t *opened = w->next;
    w->next += OPEN_LENGTH_BYTES;
    return opened;
}

void writer_close(struct document_writer *w, uint8_t *opened)
{
    const uint8_t *body = opened + OPEN_LENGTH_BYTES;
    size_t bytes = (size_t)(w->next - body);
    ASSERT(bytes <= UINT32_MAX);
    uint8_t *to = varint_write(opened, bytes);
    memmove(to, body, bytes);
    w->next = to + bytes;
}

#include "dataplane/item/envelope.h"

#include "base/reader.h"

enum { ENVELOPE_FORMAT = 1, ENVELOPE_SEALED = 1 };

void envelope_encode(const struct envelope *e, struct buffer *to)
{
    buffer_append_u8(to, ENVELOPE_FORMAT);
    buffer_append_u8(to, e->is_sealed ? ENVELOPE_SEALED : 0);
    buffer_append_u64(to, e->write_time_us);
    if (e->is_sealed) {
        buffer_append_u64(to, e->key_id);
        buffer_append(to, slice_make(e->nonce, sizeof(e->nonce)));
        buffer_append(to, slice_make(e->tag, sizeof(e->tag)));
    }
    buffer_append(to, e->body);
}

static void decode_bytes(struct reader *r, uint8_t *to, size_t length)
{
    struct slice bytes = reader_bytes(r, length);
    if (bytes.length == length)
        memcpy(to, bytes.data, length);
}

enum err envelope_decode(struct slice bytes, struct envelope *ret_envelope)
{
    struct envelope e;
    struct reader r;
    memset(&e, 0, sizeof(e));
    reader_init(&r, bytes);
    uint8_t format = reader_u8(&r);
    uint8_t flags = reader_u8(&r);
    e.write_time_us = reader_u64(&r);
    e.is_sealed = (flags & ENVELOPE_SEALED) != 0;
    if (e.is_sealed) {
        e.key_id = reader_u64(&r);
        decode_bytes(&r, e.nonce, sizeof(e.nonce));
        decode_bytes(&r, e.tag, sizeof(e.tag));
    }
    e.body = reader_rest(&r);
    if (reader_has_failed(&r) || format != ENVELOPE_FORMAT || (flags & ~ENVELOPE_SEALED) != 0)
        return ERR_CORRUPT;
    *ret_envelope = e;
    return ERR_OK;
}

#include "api/http/encoding.h"

#define ZLIB_CONST /* it only reads what it is given */
#include <zlib.h>

enum {
    WINDOW_BITS = 15,
    GZIP_BITS = WINDOW_BITS + 16, /* zlib's way to say gzip */
    MEMORY_LEVEL = 8,
    PIECE_BYTES = 16 * 1024,
};

/* ---- what a client asks for ---- */

/* "q=0", "q=0.0": not that one. */
static bool is_unwanted(struct slice parameter)
{
    struct slice weight = parameter;
    if (!slice_is_word(slice_trim(slice_split(&weight, '=')), "q"))
        return false;
    weight = slice_trim(weight);
    for (size_t i = 0; i < weight.length; i++)
        if (weight.data[i] != '0' && weight.data[i] != '.')
            return false;
    return weight.length > 0;
}

enum http_encoding http_encoding_wanted(struct slice accept)
{
    enum http_encoding wanted = HTTP_IDENTITY;
    while (accept.length > 0) {
        struct slice parameter = slice_split(&accept, ',');
        struct slice name = slice_trim(slice_split(&parameter, ';'));
        if (is_unwanted(parameter))
            continue;
        if (slice_is_word(name, "gzip"))
            return HTTP_GZIP;
        if (slice_is_word(name, "deflate"))
            wanted = HTTP_DEFLATE;
    }
    return wanted;
}

const char *http_encoding_name(enum http_encoding encoding)
{
    static const char *const names[] = {"identity", "gzip", "deflate"};
    return names[encoding];
}

/* ---- there ---- */

enum err http_encode(enum http_encoding encoding, struct slice bytes, struct buffer *to)
{
    z_stream z = {.next_in = bytes.data, .avail_in = (uInt)bytes.length};
    int bits = encoding == HTTP_GZIP ? GZIP_BITS : WINDOW_BITS;
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, bits, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_NO_MEMORY;
    size_t before = to->length, room = deflateBound(&z, (uLong)bytes.length);
    uint8_t *out = buffer_extend(to, room);
    int status = Z_MEM_ERROR;
    if (out != NULL) {
        z.next_out = out;
        z.avail_out = (uInt)room;
        status = deflate(&z, Z_FINISH);
        buffer_cut(to, before + (size_t)z.total_out);
    }
    deflateEnd(&z);
    return status == Z_STREAM_END ? ERR_OK : ERR_NO_MEMORY;
}

/* ---- and back ---- */

static enum err append(struct buffer *to, const uint8_t *piece, size_t bytes)
{
    if (bytes > to->length_max - to->length)
        return ERR_LIMIT;
    buffer_append(to, slice_make(piece, bytes));
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

static enum err inflate_all(z_stream *z, struct buffer *to)
{
    uint8_t piece[PIECE_BYTES];
    for (;;) {
        z->next_out = piece;
        z->avail_out = sizeof piece;
        int status = inflate(z, Z_NO_FLUSH);
        if (status == Z_MEM_ERROR)
            return ERR_NO_MEMORY;
        if (status != Z_OK && status != Z_STREAM_END)
            return ERR_SERIALIZATION; /* also when it wants more than there is */
        TRY(append(to, piece, sizeof piece - z->avail_out));
        if (status != Z_STREAM_END)
            continue;
        if (z->avail_in == 0)
            return ERR_OK;
        if (inflateReset(z) != Z_OK)
            return ERR_SERIALIZATION;
    }
}

enum err http_decode_gzip(struct slice bytes, struct buffer *to)
{
    z_stream z = {.next_in = bytes.data, .avail_in = (uInt)bytes.length};
    if (inflateInit2(&z, GZIP_BITS) != Z_OK)
        return ERR_NO_MEMORY;
    enum err err = inflate_all(&z, to);
    inflateEnd(&z);
    return err;
}

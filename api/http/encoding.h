/* Bodies as they travel: gzip (RFC 1952) and deflate (RFC 1950), as Accept-Encoding and Content-Encoding name them.
 * Pure functions: any thread may call them. */
#pragma once

#include "base/buffer.h"

enum http_encoding { HTTP_IDENTITY, HTTP_GZIP, HTTP_DEFLATE };

enum {
    /* DynamoDB compresses answers that are longer than this, for those who ask. */
    HTTP_ENCODE_BYTES_MIN = 4 * 1024,
};

/* What a client asks for in Accept-Encoding: gzip before deflate, neither with q=0; else identity. */
enum http_encoding http_encoding_wanted(struct slice accept);
/* As Content-Encoding says it. */
const char *http_encoding_name(enum http_encoding encoding);

/* Append the bytes compressed, fast rather than small (zlib's level 1): about 300 KiB of working memory.
 * ERR_NO_MEMORY */
enum err http_encode(enum http_encoding encoding, struct slice bytes, struct buffer *to) MUST_CHECK;

/* Append what gzip compressed, one member or several. Never more is held than `to` may.
 * ERR_LIMIT          `to` is at its cap, and that was not all
 * ERR_SERIALIZATION  this is not gzip, damaged or cut off
 * ERR_NO_MEMORY */
enum err http_decode_gzip(struct slice bytes, struct buffer *to) MUST_CHECK;

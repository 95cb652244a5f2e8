/* Base64 with the standard alphabet and padding (RFC 4648, section 4). Decoding is strict: padding is
 * required, no white space, and unused bits must be zero, so each text that is taken has exactly one form. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

static inline size_t base64_encoded_length(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

/* At most; less by the padding. */
static inline size_t base64_decoded_length_max(size_t characters)
{
    return characters / 4 * 3;
}

/* base64_encoded_length(bytes.length) characters, without a NUL; `to` has room for them. */
void base64_encode(struct slice bytes, char *to);
void base64_append(struct buffer *to, struct slice bytes);
/* `to` has room for base64_decoded_length_max(text.length); it may be written to on failure.
 * ERR_INVALID: not base64 as above. */
enum err base64_decode(struct slice text, uint8_t *to, size_t *ret_length) MUST_CHECK;

/* Lower-case hexadecimal. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

/* 2 x bytes.length characters and a NUL; `to` has room for them. */
void hex_encode(struct slice bytes, char *to);
void hex_append(struct buffer *to, struct slice bytes);
/* Either case. `to` has room for text.length / 2 bytes. ERR_INVALID: odd length or another character. */
enum err hex_decode(struct slice text, uint8_t *to) MUST_CHECK;

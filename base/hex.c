#include "base/hex.h"

static const char digits[] = "0123456789abcdef";

void hex_encode(struct slice bytes, char *to)
{
    for (size_t i = 0; i < bytes.length; i++) {
        to[2 * i] = digits[bytes.data[i] >> 4];
        to[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    to[2 * bytes.length] = '\0';
}

void hex_append(struct buffer *to, struct slice bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        buffer_append_u8(to, (uint8_t)digits[bytes.data[i] >> 4]);
        buffer_append_u8(to, (uint8_t)digits[bytes.data[i] & 15]);
    }
}

static int digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum err hex_decode(struct slice text, uint8_t *to)
{
    if (text.length % 2 != 0)
        return ERR_INVALID;
    for (size_t i = 0; i < text.length; i += 2) {
        int high = digit_value(text.data[i]);
        int low = digit_value(text.data[i + 1]);
        if (high < 0 || low < 0)
            return ERR_INVALID;
        to[i / 2] = (uint8_t)(high << 4 | low);
    }
    return ERR_OK;
}

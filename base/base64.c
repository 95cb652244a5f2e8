#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { NOT_A_DIGIT = 64 };

/* The alphabet, inverted; filled before main so that no call needs a lock. */
static uint8_t values[256];

__attribute__((constructor)) static void fill_values(void)
{
    memset(values, NOT_A_DIGIT, sizeof values);
    for (uint8_t i = 0; i < 64; i++)
        values[(uint8_t)alphabet[i]] = i;
}

static void encode_group(const uint8_t *from, char *to)
{
    uint32_t bits = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
    to[0] = alphabet[bits >> 18];
    to[1] = alphabet[bits >> 12 & 63];
    to[2] = alphabet[bits >> 6 & 63];
    to[3] = alphabet[bits & 63];
}

void base64_encode(struct slice bytes, char *to)
{
    size_t at = 0;
    for (; bytes.length - at >= 3; at += 3, to += 4)
        encode_group(bytes.data + at, to);
    size_t left = bytes.length - at;
    if (left == 0)
        return;
    uint8_t last[3] = {bytes.data[at], left == 2 ? bytes.data[at + 1] : 0, 0};
    encode_group(last, to);
    to[3] = '=';
    if (left == 1)
        to[2] = '=';
}

void base64_append(struct buffer *to, struct slice bytes)
{
    uint8_t *start = buffer_extend(to, base64_encoded_length(bytes.length));
    if (start != NULL)
        base64_encode(bytes, (char *)start);
}

/* The last group: 2, 3 or 4 digits, padded; the bits that stand for no byte must be zero. */
static enum err decode_last(const uint8_t *text, uint8_t *to, size_t *ret_count)
{
    size_t digits = text[3] != '=' ? 4 : text[2] != '=' ? 3 : 2;
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        uint8_t value = i < digits ? values[text[i]] : 0;
        if (value == NOT_A_DIGIT)
            return ERR_INVALID;
        bits = bits << 6 | value;
    }
    size_t count = digits - 1;
    if ((bits & (UINT32_C(0xFFFFFF) >> (8 * count))) != 0)
        return ERR_INVALID;
    for (size_t i = 0; i < count; i++)
        to[i] = (uint8_t)(bits >> (16 - 8 * i));
    *ret_count = count;
    return ERR_OK;
}

enum err base64_decode(struct slice text, uint8_t *to, size_t *ret_length)
{
    if (text.length % 4 != 0)
        return ERR_INVALID;
    if (text.length == 0) {
        *ret_length = 0;
        return ERR_OK;
    }
    uint8_t *next = to;
    uint8_t wrong = 0;
    size_t last = text.length - 4;
    for (size_t i = 0; i < last; i += 4, next += 3) {
        const uint8_t *c = text.data + i;
        uint8_t v[4] = {values[c[0]], values[c[1]], values[c[2]], values[c[3]]};
        wrong |= v[0] | v[1] | v[2] | v[3];
        next[0] = (uint8_t)(v[0] << 2 | v[1] >> 4);
        next[1] = (uint8_t)(v[1] << 4 | v[2] >> 2);
        next[2] = (uint8_t)(v[2] << 6 | v[3]);
    }
    size_t count;
    if ((wrong & NOT_A_DIGIT) != 0)
        return ERR_INVALID;
    TRY(decode_last(text.data + last, next, &count));
    *ret_length = (size_t)(next - to) + count;
    return ERR_OK;
}

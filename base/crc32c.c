#include "base/crc32c.h"

/* Software: slicing by 8 over tables that the compiler cannot build for us, filled on first use of the
 * library by a constructor, so that no call needs a lock. Hardware: the SSE4.2 instruction. */
static uint32_t tables[8][256];

__attribute__((constructor)) static void fill_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
        tables[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 0xFF];
}

static uint32_t in_software(uint32_t crc, const uint8_t *p, size_t n)
{
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        word ^= crc;
        crc = 0;
        for (int k = 0; k < 8; k++)
            crc ^= tables[7 - k][word >> (8 * k) & 0xFF];
    }
    for (; n > 0; n--, p++)
        crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xFF];
    return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t in_hardware(uint32_t crc, const uint8_t *p, size_t n)
{
    uint64_t wide = crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; n > 0; n--, p++)
        crc = __builtin_ia32_crc32qi(crc, *p);
    return crc;
}
#endif

uint32_t crc32c(uint32_t crc, struct slice bytes)
{
    if (bytes.length == 0)
        return crc;
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        return ~in_hardware(~crc, bytes.data, bytes.length);
#endif
    return ~in_software(~crc, bytes.data, bytes.length);
}

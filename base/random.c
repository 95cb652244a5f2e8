#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/assert.h"

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

void random_init(struct random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->state[i] = splitmix(&seed);
}

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

uint64_t random_u64(struct random *r)
{
    uint64_t *s = r->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t random_below(struct random *r, uint64_t bound)
{
    ASSERT(bound > 0);
    /* The high half of a 128-bit product; the bias is below 2^-40 for every bound that we use. */
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)((wide)random_u64(r) * bound >> 64);
}

bool random_one_in(struct random *r, uint64_t n)
{
    return random_below(r, n) == 0;
}

void random_secret(void *to, size_t bytes)
{
    uint8_t *next = to;
    while (bytes > 0) {
        ssize_t got = getrandom(next, bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        ASSERT(got > 0);
        next += got;
        bytes -= (size_t)got;
    }
}

/* A small, seedable generator (xoshiro256**, seeded by splitmix64) for jitter, tests and the simulator:
 * the same seed gives the same numbers on every machine. Not for secrets: those come from
 * `random_secret`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    /* Leave alone. */
    uint64_t state[4];
};

void random_init(struct random *r, uint64_t seed);
uint64_t random_u64(struct random *r);
/* Uniform in [0, bound); bound > 0. */
uint64_t random_below(struct random *r, uint64_t bound);
/* True once in `n` times on average; n > 0. */
bool random_one_in(struct random *r, uint64_t n);

/* Fill with bytes from the kernel's generator; aborts if there is none, as nothing is safe without. */
void random_secret(void *to, size_t bytes);

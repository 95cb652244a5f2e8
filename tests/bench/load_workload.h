/* What to do next: YCSB's mixes and key distributions, as a pure function of a seed.
 *
 * put: writes. a: half reads, half writes. b: 95 % reads. c: reads. A write replaces the whole item, as YCSB
 * does with writeallfields. Loading: each key in turn, once.
 *
 * zipfian is Gray's method as YCSB has it (theta 0.99), and the ranks are scattered over the keys by a mixing
 * function, so that hot keys are not neighbours. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/random.h"

enum load_mix { LOAD_MIX_PUT, LOAD_MIX_A, LOAD_MIX_B, LOAD_MIX_C };
enum load_distribution { LOAD_UNIFORM, LOAD_ZIPFIAN };

struct load_operation {
    uint64_t key; /* below the workload's count of keys */
    bool is_read;
};

struct load_workload {
    /* Leave alone. */
    struct random random;
    uint64_t keys;
    enum load_distribution distribution;
    unsigned reads_percent;
    double zeta, alpha, eta;
};

/* ERR_CONFIG: no such name. */
enum err load_mix_parse(const char *text, enum load_mix *ret_mix) MUST_CHECK;
enum err load_distribution_parse(const char *text, enum load_distribution *ret_distribution) MUST_CHECK;

/* keys > 0. Takes time in proportion to the keys when zipfian (about 30 ms for a million). */
void load_workload_init(struct load_workload *w, enum load_mix mix, enum load_distribution distribution,
                        uint64_t keys, uint64_t seed);
struct load_operation load_workload_next(struct load_workload *w);

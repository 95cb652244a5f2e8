/* What to do next: YCSB's mixes and key distributions, and ranges and batches, as a pure function of a seed.
 *
 * put: writes. a: half reads, half writes. b: 95 % reads. c: reads. A write replaces the whole item, as YCSB
 * does with writeallfields. Loading: each key in turn, once.
 *
 * batch-write: 25 puts in one request. Loading writes the same items as put does, 25 at a time.
 * query: all 100 items under one partition key. Loading writes them, 25 at a time; `keys` are partition keys.
 * scan: the next page of the table; each connection walks it from end to end, again and again.
 *
 * zipfian is Gray's method as YCSB has it (theta 0.99), and the ranks are scattered over the keys by a mixing
 * function, so that hot keys are not neighbours. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/random.h"

enum { LOAD_BATCH_ITEMS = 25, LOAD_QUERY_ITEMS = 100 };

enum load_mix {
    LOAD_MIX_PUT,
    LOAD_MIX_A,
    LOAD_MIX_B,
    LOAD_MIX_C,
    LOAD_MIX_BATCH_WRITE,
    LOAD_MIX_QUERY,
    LOAD_MIX_SCAN,
};
enum load_distribution { LOAD_UNIFORM, LOAD_ZIPFIAN };
enum load_kind { LOAD_GET, LOAD_PUT, LOAD_BATCH_WRITE, LOAD_BATCH_SORTED, LOAD_QUERY, LOAD_SCAN };

struct load_operation {
    enum load_kind kind;
    uint64_t key;    /* below the workload's count of keys; the first of a batch's */
    uint64_t stride; /* LOAD_BATCH_WRITE: from one key to the next, which goes around */
    uint32_t sort;   /* LOAD_BATCH_SORTED: the first sort key */
};

struct load_workload {
    /* Leave alone. */
    struct random random;
    uint64_t keys;
    enum load_mix mix;
    enum load_distribution distribution;
    double zeta, alpha, eta;
};

/* ERR_CONFIG: no such name. */
enum err load_mix_parse(const char *text, enum load_mix *ret_mix) MUST_CHECK;
enum err load_distribution_parse(const char *text, enum load_distribution *ret_distribution) MUST_CHECK;

/* keys > 0, and no fewer than a batch has items. Takes time in proportion to the keys when zipfian (about 30 ms
 * for a million). */
void load_workload_init(struct load_workload *w, enum load_mix mix, enum load_distribution distribution,
                        uint64_t keys, uint64_t seed);
struct load_operation load_workload_next(struct load_workload *w);
/* Loading: how many operations it takes, and each of them. */
uint64_t load_workload_steps(const struct load_workload *w);
struct load_operation load_workload_step(const struct load_workload *w, uint64_t step);

static inline bool load_kind_is_read(enum load_kind kind)
{
    return kind == LOAD_GET || kind == LOAD_QUERY || kind == LOAD_SCAN;
}
static inline bool load_kind_is_batch(enum load_kind kind)
{
    return kind == LOAD_BATCH_WRITE || kind == LOAD_BATCH_SORTED;
}

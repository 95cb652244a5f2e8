#include "base/histogram.h"

#include "base/assert.h"

enum { SUBS = 1 << HISTOGRAM_SUB_BITS };

#define VALUE_MAX ((UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1)

/* Row r >= 1 holds [32 * 2^(r-1), 64 * 2^(r-1)) in 32 steps of 2^(r-1); row 0 holds 0..31.
 *
 *     value   0 .. 31 | 32 .. 63 | 64 66 .. 126 | 128 132 .. 252 | ...
 *     row        0    |    1     |      2       |       3        | ... */
static unsigned bucket_of(uint64_t value)
{
    if (value < SUBS)
        return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return ((shift + 1) << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift) - SUBS;
}

static uint64_t upper_end(unsigned bucket)
{
    if (bucket < SUBS)
        return bucket;
    unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t lower = (uint64_t)(SUBS + (bucket & (SUBS - 1))) << shift;
    return lower + (UINT64_C(1) << shift) - 1;
}

static void store(uint64_t *to, uint64_t value)
{
    __atomic_store_n(to, value, __ATOMIC_RELAXED);
}

static uint64_t load(const uint64_t *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}

void histogram_record(struct histogram *h, uint64_t value)
{
    histogram_record_many(h, value, 1);
}

void histogram_record_many(struct histogram *h, uint64_t value, uint64_t times)
{
    if (times == 0)
        return;
    if (value > VALUE_MAX)
        value = VALUE_MAX;
    unsigned bucket = bucket_of(value);
    ASSERT_SLOW(bucket < HISTOGRAM_BUCKETS);
    store(&h->buckets[bucket], h->buckets[bucket] + times);
    store(&h->sum, h->sum + value * times);
    store(&h->count, h->count + times);
    if (value > h->max)
        store(&h->max, value);
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t n = load(&from->buckets[i]);
        to->buckets[i] += n;
        count += n;
    }
    to->count += count; /* what the buckets hold: they may be ahead of from->count */
    to->sum += load(&from->sum);
    uint64_t max = load(&from->max);
    if (max > to->max)
        to->max = max;
}

uint64_t histogram_quantile(const struct histogram *h, uint64_t parts, uint64_t whole)
{
    ASSERT(whole > 0 && parts <= whole);
    if (h->count == 0)
        return 0;
    /* The rank, rounded up, so that p50 of one value is that value. */
    uint64_t rank = h->count / whole * parts + (h->count % whole * parts + whole - 1) / whole;
    if (rank == 0)
        rank = 1;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank)
            return upper_end(i) < h->max ? upper_end(i) : h->max;
    }
    return h->max;
}

/* A histogram of whole numbers whose buckets grow with the value (log-linear, as HdrHistogram's): 32 buckets
 * for each power of two, so a quantile is at most 1/32 above the truth. Values below 64 are exact; those of
 * 2^40 and more count as 2^40 - 1. A plain value: zero it, copy it, add them up. 9 KiB.
 *
 * One writer; another thread may read meanwhile and sees a slightly older mix. */
#pragma once

#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 5, HISTOGRAM_VALUE_BITS = 40 };
enum { HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS };

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    /* Leave alone. */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *h, uint64_t value);
/* The same value `times` times. */
void histogram_record_many(struct histogram *h, uint64_t value, uint64_t times);
/* Add what `from` holds; `from` may be written meanwhile. */
void histogram_merge(struct histogram *to, const struct histogram *from);
/* The smallest recorded value (as its bucket's upper end, at most max) that `parts` of `whole` values do not
 * exceed: (h, 99, 100) is p99, (h, 999, 1000) p99.9. 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, uint64_t parts, uint64_t whole);

/* Read or write units, in thousandths: what buckets hold, what clients are told, what the meter bills. A struct of one member, so
 * that it cannot be added to money, bytes or times. */
#pragma once

#include <stdint.h>

struct capacity {
    int64_t milli;
};

static inline struct capacity capacity_add(struct capacity a, struct capacity b)
{
    return (struct capacity){a.milli + b.milli};
}

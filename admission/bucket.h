/* A token bucket: how much a partition may consume, as a rate and one second of it that was left over.
 *
 * What a request costs is known only when it has been served (how large is the item, how many items had to be looked at?). So whoever
 * finds something in the bucket may start, and is charged what it came to, more than there is if need be. The debt is paid
 * before the next one starts, and thus the average is exact, however large single requests are:
 *
 *     over any time    charged <= rate * time + 1 s of the rate + what those cost that were under way at the end
 *     who always asks  gets the rate
 *
 * Integers only: the balance is in millionths of a thousandth, which is what a rate of one thousandth per second earns in
 * a microsecond, so that no step of time, however short, loses a part of what it earned.
 *
 * A value, pure: time is a number. One loop owns it. */
#pragma once

#include <stdbool.h>

#include "admission/capacity.h"

/* A billion units: a balance in the finest steps still fits 63 bits. */
static const int64_t BUCKET_MILLI_PER_S_MAX = 1000ll * 1000 * 1000 * 1000;

struct bucket {
    /* Leave alone. */
    struct capacity per_s;
    int64_t balance_nano; /* below 0: debt */
    uint64_t filled_us;
};

/* It begins full. per_s 0: no limit; less is 0, more than BUCKET_MILLI_PER_S_MAX that. */
void bucket_init(struct bucket *b, struct capacity per_s, uint64_t now_us);
/* Another rate from now on. What is left or owed stays, as far as it fits; to begin a limit is to begin full. */
void bucket_set_rate(struct bucket *b, struct capacity per_s, uint64_t now_us);
static inline struct capacity bucket_rate(const struct bucket *b)
{
    return b->per_s;
}
/* Whether a request may start: something is left. A clock that goes back earns nothing. */
bool bucket_has_any(struct bucket *b, uint64_t now_us);
/* Take what a request that had started has cost; negative costs are none. */
void bucket_charge(struct bucket *b, struct capacity cost, uint64_t now_us);

#include "admission/bucket.h"

enum { US_PER_S = 1000 * 1000 };

/* Far below what any sum of charges comes to while they are let in one by one, and far from overflow. */
static const int64_t DEBT_NANO_MAX = INT64_MAX / 4;

static int64_t depth_nano(const struct bucket *b)
{
    return b->per_s.milli * US_PER_S;
}

static struct capacity bounded(struct capacity per_s)
{
    if (per_s.milli < 0)
        return (struct capacity){0};
    return per_s.milli > BUCKET_MILLI_PER_S_MAX ? (struct capacity){BUCKET_MILLI_PER_S_MAX} : per_s;
}

void bucket_init(struct bucket *b, struct capacity per_s, uint64_t now_us)
{
    *b = (struct bucket){.per_s = bounded(per_s), .filled_us = now_us};
    b->balance_nano = depth_nano(b);
}

static void fill(struct bucket *b, uint64_t now_us)
{
    if (now_us <= b->filled_us)
        return;
    uint64_t passed_us = now_us - b->filled_us;
    uint64_t missing_nano = (uint64_t)(depth_nano(b) - b->balance_nano);
    uint64_t rate = (uint64_t)b->per_s.milli;
    b->filled_us = now_us;
    if (passed_us > missing_nano / rate)
        b->balance_nano = depth_nano(b);
    else
        b->balance_nano += (int64_t)(rate * passed_us);
}

static bool is_unlimited(const struct bucket *b)
{
    return b->per_s.milli == 0;
}

void bucket_set_rate(struct bucket *b, struct capacity per_s, uint64_t now_us)
{
    per_s = bounded(per_s);
    if (per_s.milli == b->per_s.milli)
        return;
    if (is_unlimited(b) || per_s.milli == 0) {
        bucket_init(b, per_s, now_us);
        return;
    }
    fill(b, now_us);
    b->per_s = per_s;
    if (b->balance_nano > depth_nano(b))
        b->balance_nano = depth_nano(b);
}

bool bucket_has_any(struct bucket *b, uint64_t now_us)
{
    if (is_unlimited(b))
        return true;
    fill(b, now_us);
    return b->balance_nano > 0;
}

void bucket_charge(struct bucket *b, struct capacity cost, uint64_t now_us)
{
    if (is_unlimited(b) || cost.milli <= 0)
        return;
    fill(b, now_us);
    int64_t room_nano = b->balance_nano + DEBT_NANO_MAX;
    bool fits = cost.milli <= room_nano / US_PER_S;
    b->balance_nano = fits ? b->balance_nano - cost.milli * US_PER_S : -DEBT_NANO_MAX;
}

#include "base/retry_budget.h"

#include "base/assert.h"

enum { TRY_MILLI = 1000, US_PER_S = 1000 * 1000 };

const struct retry_budget_options retry_budget_usual = {
    .capacity_milli = 100 * TRY_MILLI, .per_call_milli = 100, .per_s_milli = 10 * TRY_MILLI};

static void add(struct retry_budget *b, uint64_t milli)
{
    uint64_t room = b->options.capacity_milli - b->milli;
    b->milli += milli < room ? milli : room;
}

void retry_budget_init(struct retry_budget *b, const struct retry_budget_options *options, uint64_t now_us)
{
    ASSERT(options->per_s_milli <= US_PER_S);
    *b = (struct retry_budget){.options = *options, .milli = options->capacity_milli, .filled_us = now_us};
}

void retry_budget_earn(struct retry_budget *b)
{
    add(b, b->options.per_call_milli);
}

/* The time of a part of a thousandth is kept for the next call. */
static void fill(struct retry_budget *b, uint64_t now_us)
{
    if (b->options.per_s_milli == 0)
        return;
    uint64_t us_per_milli = US_PER_S / b->options.per_s_milli;
    uint64_t milli = (now_us - b->filled_us) / us_per_milli;
    b->filled_us += milli * us_per_milli;
    add(b, milli);
}

bool retry_budget_take(struct retry_budget *b, uint64_t now_us)
{
    fill(b, now_us);
    if (b->milli < TRY_MILLI)
        return false;
    b->milli -= TRY_MILLI;
    return true;
}

void retry_budget_give_back(struct retry_budget *b)
{
    add(b, TRY_MILLI);
}

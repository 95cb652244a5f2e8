#include "base/breaker.h"

const struct breaker_options breaker_item_path = {.failures_max = 50, .open_us = 1000 * 1000};
const struct breaker_options breaker_dependency = {.failures_max = 50, .open_us = 30 * 1000 * 1000};

void breaker_init(struct breaker *b, const struct breaker_options *options)
{
    *b = (struct breaker){.options = *options};
}

bool breaker_allows(const struct breaker *b, uint64_t now_us)
{
    return !b->is_open || now_us >= b->until_us;
}

void breaker_ask(struct breaker *b, uint64_t now_us)
{
    if (b->is_open)
        b->until_us = now_us + b->options.open_us;
}

void breaker_succeeded(struct breaker *b)
{
    b->failures = 0;
    b->is_open = false;
}

bool breaker_failed(struct breaker *b, uint64_t now_us)
{
    if (b->is_open) /* the probe, or a call from before: until_us is set */
        return false;
    if (++b->failures < b->options.failures_max)
        return false;
    b->is_open = true;
    b->until_us = now_us + b->options.open_us;
    return true;
}

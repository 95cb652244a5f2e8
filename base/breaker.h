/* A circuit breaker: stops asking a destination that only fails, and finds out by single calls when it is back.
 *
 *              failures_max failures in a row              open_us later
 *     CLOSED ----------------------------------> OPEN ----------------------> HALF OPEN: one call is let through
 *        ^                                         ^                              |              |
 *        |                                         +-------- it fails ------------+              |
 *        +------------------------------------------------ it succeeds --------------------------+
 *
 * A value, one for each destination; pure. Whoever asks: breaker_allows, breaker_ask when a call goes out, then
 * breaker_succeeded or breaker_failed at its end. A refusal by a destination that is well is a success. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct breaker_options {
    uint32_t failures_max;
    uint64_t open_us;
};

/* For destinations on the path of an item, and for others. */
extern const struct breaker_options breaker_item_path;
extern const struct breaker_options breaker_dependency;

struct breaker {
    /* Leave alone. */
    struct breaker_options options;
    uint32_t failures; /* in a row */
    bool is_open;
    uint64_t until_us; /* while open: no call before */
};

void breaker_init(struct breaker *b, const struct breaker_options *options);
/* May a call go out now? */
bool breaker_allows(const struct breaker *b, uint64_t now_us);
/* One goes out. While half open the next one has to wait for its end, open_us at most. */
void breaker_ask(struct breaker *b, uint64_t now_us);
void breaker_succeeded(struct breaker *b);
/* True when it opens with this failure. */
bool breaker_failed(struct breaker *b, uint64_t now_us);

static inline bool breaker_is_open(const struct breaker *b)
{
    return b->is_open;
}

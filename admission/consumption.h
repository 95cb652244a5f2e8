/* Units consumed per second over the last ten seconds, in a few bytes and without a timer: what was consumed in this stretch
 * of ten seconds, and of the one before so much of it as those seconds reach back into, as if it had been spread evenly there.
 *
 * A value, pure: time is a number. One loop owns it. */
#pragma once

#include "admission/capacity.h"

enum { CONSUMPTION_US = 10 * 1000 * 1000 };

struct consumption {
    /* Leave alone. */
    uint64_t stretch; /* which one: time / CONSUMPTION_US */
    struct capacity now;
    struct capacity before; /* in the stretch before it */
};

/* Zeroed, it has seen nothing. now_us never goes back; if it does, it is taken for the latest that was seen. */
void consumption_add(struct consumption *c, struct capacity cost, uint64_t now_us);
/* Of the last ten seconds, in all. */
struct capacity consumption_total(const struct consumption *c, uint64_t now_us);
/* The same per second. */
struct capacity consumption_per_s(const struct consumption *c, uint64_t now_us);

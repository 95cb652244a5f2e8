#include "admission/consumption.h"

#include <stdbool.h>

enum { MS_PER_STRETCH = CONSUMPTION_US / 1000, S_PER_STRETCH = CONSUMPTION_US / (1000 * 1000) };

/* As it is seen from the stretch of now_us. */
static struct consumption moved_on(const struct consumption *c, uint64_t now_us)
{
    uint64_t stretch = now_us / CONSUMPTION_US;
    if (stretch <= c->stretch)
        return *c;
    return (struct consumption){
        .stretch = stretch,
        .before = stretch == c->stretch + 1 ? c->now : (struct capacity){0},
    };
}

void consumption_add(struct consumption *c, struct capacity cost, uint64_t now_us)
{
    if (now_us / CONSUMPTION_US > c->stretch)
        *c = moved_on(c, now_us);
    c->now = capacity_add(c->now, cost);
}

struct capacity consumption_total(const struct consumption *c, uint64_t now_us)
{
    struct consumption seen = moved_on(c, now_us);
    bool is_late = now_us / CONSUMPTION_US < seen.stretch;
    int64_t left_ms = is_late ? MS_PER_STRETCH : MS_PER_STRETCH - (int64_t)(now_us % CONSUMPTION_US / 1000);
    return (struct capacity){seen.now.milli + seen.before.milli * left_ms / MS_PER_STRETCH};
}

struct capacity consumption_per_s(const struct consumption *c, uint64_t now_us)
{
    return (struct capacity){consumption_total(c, now_us).milli / S_PER_STRETCH};
}

/* A retry budget: how many calls may be made beyond the first of each, so that retries and hedges never multiply the
 * load of a dependency that is in trouble.
 *
 * A bucket of thousandths of a retry: each first call puts a share in, time puts some in (so that a caller that asks
 * rarely can still try twice), each further try takes a whole one. A value, one for each dependency; pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct retry_budget_options {
    uint64_t capacity_milli;
    uint64_t per_call_milli; /* 100: one retry for each ten calls */
    uint64_t per_s_milli;
};

/* A tenth of the calls, ten a second at least, a hundred at once. */
extern const struct retry_budget_options retry_budget_usual;

struct retry_budget {
    /* Leave alone. */
    struct retry_budget_options options;
    uint64_t milli;
    uint64_t filled_us;
};

/* It begins full. */
void retry_budget_init(struct retry_budget *b, const struct retry_budget_options *options, uint64_t now_us);
/* A call is made for the first time. */
void retry_budget_earn(struct retry_budget *b);
/* Take one further try; false: not now. now_us never goes back. */
bool retry_budget_take(struct retry_budget *b, uint64_t now_us);
/* One that was taken did not go out. */
void retry_budget_give_back(struct retry_budget *b);

/* The metrics of the few partitions of a loop that consume most, each under its group's id: who has thousands of partitions
 * wants to see these, and a label for each one would be more than anybody can store.
 *
 * One loop owns it; each second: hottest_begin, hottest_offer for each partition, hottest_end. */
#pragma once

#include "admission/capacity.h"
#include "base/metrics.h"

enum { HOTTEST_COUNT = 5 };

struct hottest_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "dataplane/node/hottest_metrics.def"
#undef METRIC
};

struct hottest_partition {
    uint64_t group_id; /* 0: none */
    struct capacity reads_per_s;
    struct capacity writes_per_s;
};

/* Zeroed: shows nothing until it is initialised. */
struct hottest {
    /* Leave alone. */
    struct metrics *metrics;
    struct hottest_partition best[HOTTEST_COUNT]; /* offered so far, the hottest first */
    uint64_t shown[HOTTEST_COUNT];                /* group ids, 0: nothing */
    struct hottest_metrics sets[HOTTEST_COUNT];
};

/* It lives as long as `metrics`. */
void hottest_init(struct hottest *h, struct metrics *metrics);
void hottest_begin(struct hottest *h);
/* What consumes nothing is not shown. */
void hottest_offer(struct hottest *h, const struct hottest_partition *partition);
void hottest_end(struct hottest *h);

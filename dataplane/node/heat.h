/* Heat: how much of a partition's cap is consumed, by which keys, and whether and where the partition should be split because of that.
 * One for reads and one for writes, as each has a cap of its own.
 *
 *     heat_note (each request) -> consumption; from a tenth of the cap on also a sample of its keys, each as heavy as the others
 *     heat_decide (each second) -> COOL | SPLIT at a key | INDIVISIBLE | MOVING
 *
 * A split is wanted when in the last ten seconds more than 80 % of the cap was consumed, at the key that halves what was observed.
 * It comes between two partition keys where that does well enough, else, if it may, between two items of one.
 * It is not wanted where it would not help:
 *
 *     INDIVISIBLE  one item has two thirds of it or more, or what does not come apart leaves more than three quarters on one side
 *     MOVING       sequential keys: what was in the middle of all that was observed is behind or before all that came last
 *
 * and then the question is asked again after a pause only, which doubles as long as the partition stays hot.
 *
 * A partition that is not hot has a few numbers; the samples (some 20 KB, HEAT_SAMPLE_BYTES_MAX for each at worst) are there while
 * it is. What is wanted stays the same key for a minute, so that there is time to do it.
 *
 * Pure but for memory: time is a number, and the same calls decide the same. One loop owns it. */
#pragma once

#include <stdbool.h>

#include "admission/consumption.h"
#include "base/slice.h"

enum {
    HEAT_PER_CENT = 80,       /* of the cap, over CONSUMPTION_US: from there on a split helps */
    HEAT_STAYS_PER_CENT = 50, /* and down to there a split that is wanted stays so: throttled clients pause */
    HEAT_SAMPLES = 128,       /* that a partition at its cap gives in CONSUMPTION_US */
    HEAT_SAMPLE_BYTES_MAX = 256, /* of a key; items that are equal in these are one */
    HEAT_WANTED_US = 60 * 1000 * 1000,
    HEAT_PAUSE_US_FIRST = 10 * 1000 * 1000,
    HEAT_PAUSE_DOUBLINGS_MAX = 6, /* about eleven minutes */
};

enum heat_verdict { HEAT_COOL, HEAT_SPLIT, HEAT_INDIVISIBLE, HEAT_MOVING };

struct heat_samples;

/* Zeroed, it has seen nothing and is not watched. */
struct heat {
    /* Leave alone. */
    struct consumption consumed;
    bool is_watched;
    struct heat_samples *samples; /* NULL while it is not hot */
};

/* Begin to look at keys: this replica decides about its partition, it leads. */
void heat_watch(struct heat *h);
/* Forget all that is known of keys, and look at none; also the end. What was consumed is still counted. */
void heat_unwatch(struct heat *h);

/* A request has consumed so much.
 * key    of its item; of a range the last one evaluated, or empty: none to sample. Copied, if at all
 * cap    the most that the partition gives per second; 0: there is no cap, and it is never hot
 * Without memory there are no samples, and nothing is wanted. */
void heat_note(struct heat *h, struct slice key, struct capacity cost, struct capacity cap, uint64_t now_us);

/* Decide, about once a second.
 * divides_collections  whether items of one partition key may come apart (a table with local indexes: never)
 * ret_key  of SPLIT: where the right side begins, inclusive; between two keys that were observed, so inside the partition's range.
 *          Its first KEY_PREFIX_BYTES alone where it lies between partition keys. Valid until the next call. */
enum heat_verdict heat_decide(struct heat *h, struct capacity cap, bool divides_collections, uint64_t now_us,
                              struct slice *ret_key);

/* Consumed per second, over the last ten. */
struct capacity heat_per_s(const struct heat *h, uint64_t now_us);

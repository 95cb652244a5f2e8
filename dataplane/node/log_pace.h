/* Whether this node's disk is so slow that others should lead (docs/decisions/0020): a leader acknowledges nothing before its own log
 * has it, so one slow disk makes every write of the groups that it leads slow, while as a follower it costs them nothing.
 *
 *             typical sync >= LOG_PACE_SLOW_US in 3 samples in a row
 *     WELL -----------------------------------------------------------> SLOW
 *       ^                                                                 |
 *       +----- typical sync < half of that in 10 samples in a row --------+
 *
 * A sample is what a second has shown of the log; one without a sync or an append that waits shows nothing. Being slow alone moves
 * no leader: somebody must be much faster, so that a machine that is slow as a whole stays as it is. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    LOG_PACE_SLOW_US = 20 * 1000,
    LOG_PACE_MUCH = 4, /* times as fast is worth a hand-over */
    LOG_PACE_SLOW_SAMPLES = 3,
    LOG_PACE_WELL_SAMPLES = 10,
};

/* Zero it first. */
struct log_pace {
    /* Leave alone. */
    uint64_t syncs; /* as of the last sample */
    uint64_t sync_us;
    uint64_t typical_us; /* of one sync, as last seen; 0: not yet */
    uint32_t slow_samples;
    uint32_t well_samples;
    bool is_slow;
};

/* syncs, sync_us  of the log since its opening: how many, and the time of all together
 * wait_us         for how long the oldest append has waited by now; 0: none waits
 * True when is_slow has changed. */
bool log_pace_sample(struct log_pace *p, uint64_t syncs, uint64_t sync_us, uint64_t wait_us);
/* What others are told: a typical sync, at least LOG_PACE_SLOW_US while it is slow. 0: not known. */
uint64_t log_pace_us(const struct log_pace *p);

/* A node of `slow_us` should not lead where one of `fast_us` could. */
bool log_pace_is_much_slower(uint64_t slow_us, uint64_t fast_us);

/* Another voter of a group. */
struct log_pace_voter {
    uint64_t replica_id;
    uint64_t sync_us; /* of its node; 0: not known */
    bool may_lead;
};
enum { LOG_PACE_VOTERS_MAX = 16 };

/* Who should lead instead of a voter whose node takes own_us for a sync: the fastest, if writes would be much faster then. They
 * wait for the new leader's log and for the fastest others' that make a quorum with it; one that is not known counts for nobody.
 * 0: none. */
uint64_t log_pace_better_leader(uint64_t own_us, const struct log_pace_voter *others, uint32_t count,
                                uint32_t quorum);

#include "dataplane/node/log_pace.h"

#include "base/assert.h"

static void judge(struct log_pace *p)
{
    p->slow_samples = p->typical_us >= LOG_PACE_SLOW_US ? p->slow_samples + 1 : 0;
    p->well_samples = p->typical_us < LOG_PACE_SLOW_US / 2 ? p->well_samples + 1 : 0;
    if (p->slow_samples >= LOG_PACE_SLOW_SAMPLES)
        p->is_slow = true;
    else if (p->well_samples >= LOG_PACE_WELL_SAMPLES)
        p->is_slow = false;
}

bool log_pace_sample(struct log_pace *p, uint64_t syncs, uint64_t sync_us, uint64_t wait_us)
{
    bool was_slow = p->is_slow;
    uint64_t new_syncs = syncs - p->syncs;
    uint64_t seen_us = new_syncs > 0 ? (sync_us - p->sync_us) / new_syncs : 0;
    p->syncs = syncs;
    p->sync_us = sync_us;
    if (wait_us > seen_us)
        seen_us = wait_us;
    if (seen_us == 0)
        return false;
    p->typical_us = seen_us;
    judge(p);
    return p->is_slow != was_slow;
}

uint64_t log_pace_us(const struct log_pace *p)
{
    return p->is_slow && p->typical_us < LOG_PACE_SLOW_US ? LOG_PACE_SLOW_US : p->typical_us;
}

bool log_pace_is_much_slower(uint64_t slow_us, uint64_t fast_us)
{
    return slow_us >= LOG_PACE_SLOW_US && slow_us / LOG_PACE_MUCH >= fast_us;
}

/* How long the `wanted` fastest of all but `leader` take, ourselves among them. */
static uint64_t others_us(uint64_t own_us, const struct log_pace_voter *others, uint32_t count,
                          uint32_t leader, uint32_t wanted)
{
    uint64_t paces[LOG_PACE_VOTERS_MAX + 1];
    uint32_t n = 0;
    for (uint32_t i = 0; i <= count; i++) {
        uint64_t us = i == count ? own_us : others[i].sync_us == 0 ? UINT64_MAX : others[i].sync_us;
        if (i == leader)
            continue;
        uint32_t at = n++;
        for (; at > 0 && paces[at - 1] > us; at--)
            paces[at] = paces[at - 1];
        paces[at] = us;
    }
    ASSERT(wanted <= n);
    return wanted == 0 ? 0 : paces[wanted - 1];
}

uint64_t log_pace_better_leader(uint64_t own_us, const struct log_pace_voter *others, uint32_t count,
                                uint32_t quorum)
{
    uint64_t best = 0, best_us = UINT64_MAX;
    ASSERT(count <= LOG_PACE_VOTERS_MAX && quorum > 0);
    for (uint32_t i = 0; i < count; i++) {
        const struct log_pace_voter *voter = &others[i];
        if (!voter->may_lead || voter->sync_us == 0 || voter->sync_us >= best_us)
            continue;
        uint64_t quorum_us = others_us(own_us, others, count, i, quorum - 1);
        uint64_t write_us = voter->sync_us > quorum_us ? voter->sync_us : quorum_us;
        if (!log_pace_is_much_slower(own_us, write_us))
            continue;
        best = voter->replica_id;
        best_us = voter->sync_us;
    }
    return best;
}

/* The caps of a shard's replicas and the heat that comes of what they give. Requests ask and charge as they come
 * (cap.h); once a second the loop looks at all of it:
 *
 *     cap_charge -> heat -> shard_heat_check -> r->hot_split_key; reports to control; metrics of the hottest partitions
 */
#include "base/clock.h"
#include "dataplane/node/node_internal.h"

enum {
    MILLI_PER_UNIT = 1000,
    REPORT_MILLI_MIN =
        2 * MILLI_PER_UNIT, /* less of a change is not news, unless there was nothing or is nothing now */
    REPORT_SHARE = 4,       /* nor is less than a quarter */
};

/* ---- caps ---- */

static struct capacity per_s(uint64_t goal_units, uint64_t usual_units)
{
    uint64_t most = (uint64_t)BUCKET_MILLI_PER_S_MAX / MILLI_PER_UNIT;
    uint64_t units = goal_units == 0 ? usual_units : goal_units;
    return (struct capacity){(int64_t)(units < most ? units : most) * MILLI_PER_UNIT};
}

void replica_caps_init(struct replica *r)
{
    const struct node_options *options = &r->shard->node->options;
    uint64_t now_us = clock_boot_us();
    cap_init(&r->reads, per_s(0, options->partition_read_units), now_us);
    cap_init(&r->writes, per_s(0, options->partition_write_units), now_us);
}

void replica_caps_take(struct replica *r, const Sluice__Controlplane__ReplicaGoal *goal)
{
    const struct node_options *options = &r->shard->node->options;
    uint64_t now_us = clock_boot_us();
    bucket_set_rate(&r->reads.bucket, per_s(goal->read_units_max, options->partition_read_units), now_us);
    bucket_set_rate(&r->writes.bucket, per_s(goal->write_units_max, options->partition_write_units), now_us);
}

void replica_heat_watch(struct replica *r)
{
    heat_watch(&r->reads.heat);
    heat_watch(&r->writes.heat);
}

void replica_heat_unwatch(struct replica *r)
{
    heat_unwatch(&r->reads.heat);
    heat_unwatch(&r->writes.heat);
    r->hot_split_key = SLICE_EMPTY;
}

void replica_caps_deinit(struct replica *r)
{
    replica_heat_unwatch(r);
}

void replica_charge_read(struct replica *r, struct slice key, struct capacity cost, uint64_t now_us)
{
    metric_add(&r->shard->metrics.consumed_reads, (uint64_t)cost.milli);
    cap_charge(&r->reads, key, cost, now_us);
}

void replica_charge_write(struct replica *r, struct slice key, struct capacity cost)
{
    metric_add(&r->shard->metrics.consumed_writes, (uint64_t)cost.milli);
    cap_charge(&r->writes, key, cost, clock_boot_us());
}

/* ---- each second ---- */

/* Tables have no local indexes yet; one that has will say no here. */
static bool divides_collections(const struct replica *r)
{
    (void)r;
    return true;
}

struct verdicts {
    uint64_t split;
    uint64_t indivisible;
    uint64_t moving;
};

static void count(struct verdicts *verdicts, enum heat_verdict verdict)
{
    verdicts->split += verdict == HEAT_SPLIT;
    verdicts->indivisible += verdict == HEAT_INDIVISIBLE;
    verdicts->moving += verdict == HEAT_MOVING;
}

/* Writes cost more than reads: what halves them goes first. */
static enum heat_verdict decide(struct replica *r, uint64_t now_us, struct slice *ret_key)
{
    struct slice read_key = SLICE_EMPTY;
    enum heat_verdict writes =
        heat_decide(&r->writes.heat, bucket_rate(&r->writes.bucket), divides_collections(r), now_us, ret_key);
    enum heat_verdict reads =
        heat_decide(&r->reads.heat, bucket_rate(&r->reads.bucket), divides_collections(r), now_us, &read_key);
    if (writes == HEAT_SPLIT || reads != HEAT_SPLIT)
        return writes == HEAT_COOL ? reads : writes;
    *ret_key = read_key;
    return HEAT_SPLIT;
}

static void check_split(struct replica *r, struct verdicts *verdicts, uint64_t now_us)
{
    bool was_wanted = r->hot_split_key.length > 0;
    struct slice key = SLICE_EMPTY;
    enum heat_verdict verdict = decide(r, now_us, &key);
    r->hot_split_key = verdict == HEAT_SPLIT ? key : SLICE_EMPTY;
    count(verdicts, verdict);
    bool is_wanted = r->hot_split_key.length > 0;
    if (is_wanted && !was_wanted)
        log_info("split_wanted", "group=%llu reason=heat read_milli_per_s=%lld write_milli_per_s=%lld",
                 (unsigned long long)r->group_id, (long long)heat_per_s(&r->reads.heat, now_us).milli,
                 (long long)heat_per_s(&r->writes.heat, now_us).milli);
    if (is_wanted != was_wanted)
        replica_report(r);
}

static bool is_news(struct capacity told, struct capacity now)
{
    int64_t larger = told.milli > now.milli ? told.milli : now.milli;
    int64_t change = larger - (told.milli < now.milli ? told.milli : now.milli);
    bool is_edge = (told.milli == 0) != (now.milli == 0);
    return is_edge || (change >= REPORT_MILLI_MIN && change > larger / REPORT_SHARE);
}

static void report_consumption(struct replica *r, const struct hottest_partition *given)
{
    if (!is_news(r->reported_reads, given->reads_per_s) && !is_news(r->reported_writes, given->writes_per_s))
        return;
    r->reported_reads = given->reads_per_s;
    r->reported_writes = given->writes_per_s;
    replica_report(r);
}

void shard_heat_check(struct shard *s)
{
    uint64_t now_us = clock_boot_us();
    struct verdicts verdicts = {0};
    hottest_begin(&s->hottest);
    for (struct replica *r = s->replicas; r != NULL; r = r->hh.next) {
        if (r->state != REPLICA_ACTIVE)
            continue;
        const struct hottest_partition given = {
            .group_id = r->group_id,
            .reads_per_s = heat_per_s(&r->reads.heat, now_us),
            .writes_per_s = heat_per_s(&r->writes.heat, now_us),
        };
        check_split(r, &verdicts, now_us);
        report_consumption(r, &given);
        hottest_offer(&s->hottest, &given);
    }
    hottest_end(&s->hottest);
    metric_set(&s->metrics.partitions_to_split, verdicts.split);
    metric_set(&s->metrics.partitions_indivisible, verdicts.indivisible);
    metric_set(&s->metrics.partitions_moving, verdicts.moving);
}

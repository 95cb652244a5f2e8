#include "dataplane/node/hottest.h"

#include <stdio.h>
#include <string.h>

enum { WRITE_WEIGHT = 3 }; /* a partition gives three times as many read units */

static const struct metric_row rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct hottest_metrics, name, kind, unit, sentence)
#include "dataplane/node/hottest_metrics.def"
#undef METRIC
};
static const struct metric_table table = METRIC_TABLE("partition", rows);

void hottest_init(struct hottest *h, struct metrics *metrics)
{
    *h = (struct hottest){.metrics = metrics};
}

void hottest_begin(struct hottest *h)
{
    memset(h->best, 0, sizeof h->best);
}

static int64_t weight_of(const struct hottest_partition *p)
{
    return p->reads_per_s.milli + WRITE_WEIGHT * p->writes_per_s.milli;
}

void hottest_offer(struct hottest *h, const struct hottest_partition *partition)
{
    if (weight_of(partition) <= weight_of(&h->best[HOTTEST_COUNT - 1]))
        return;
    size_t place = HOTTEST_COUNT - 1;
    for (; place > 0 && weight_of(partition) > weight_of(&h->best[place - 1]); place--)
        h->best[place] = h->best[place - 1];
    h->best[place] = *partition;
}

static const struct hottest_partition *find_best(const struct hottest *h, uint64_t group_id)
{
    for (size_t i = 0; i < HOTTEST_COUNT; i++)
        if (h->best[i].group_id == group_id)
            return &h->best[i];
    return NULL;
}

static void drop_cooled(struct hottest *h)
{
    for (size_t i = 0; i < HOTTEST_COUNT; i++) {
        if (h->shown[i] == 0 || find_best(h, h->shown[i]) != NULL)
            continue;
        metrics_remove(h->metrics, &h->sets[i]);
        h->shown[i] = 0;
    }
}

static size_t place_of(const struct hottest *h, uint64_t group_id)
{
    size_t place = 0;
    while (place < HOTTEST_COUNT && h->shown[place] != group_id)
        place++;
    return place;
}

static void show(struct hottest *h, const struct hottest_partition *p)
{
    size_t place = place_of(h, p->group_id);
    bool is_new = place == HOTTEST_COUNT;
    if (is_new)
        place = place_of(h, 0); /* there is one: only the best are shown */
    struct hottest_metrics *set = &h->sets[place];
    metric_set(&set->reads_per_s, (uint64_t)p->reads_per_s.milli);
    metric_set(&set->writes_per_s, (uint64_t)p->writes_per_s.milli);
    if (!is_new)
        return;
    char labels[METRICS_LABELS_BYTES];
    snprintf(labels, sizeof labels, "group=\"%llu\"", (unsigned long long)p->group_id);
    if (metrics_add(h->metrics, &table, labels, set) == ERR_OK) /* else it is tried again in a second */
        h->shown[place] = p->group_id;
}

void hottest_end(struct hottest *h)
{
    drop_cooled(h);
    for (size_t i = 0; i < HOTTEST_COUNT; i++)
        if (h->best[i].group_id != 0)
            show(h, &h->best[i]);
}

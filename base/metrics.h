/* Metrics: tables of counters, gauges and histograms, one set per loop or thread, summed by the reader.
 *
 * A library lists its metrics once, in NAME_metrics.def:
 *
 *     METRIC(frames_received, counter, count, "Frames received, hello frames included.")
 *
 * builds its struct from it
 *
 *     struct wire_metrics {
 *     #define METRIC(name, kind, unit, sentence) struct metric_##kind name;
 *     #include "base/wire_metrics.def"
 *     #undef METRIC
 *     };
 *
 * and its table, in one source file:
 *
 *     static const struct metric_row rows[] = {
 *     #define METRIC(name, kind, unit, sentence) METRIC_ROW(struct wire_metrics, name, kind, unit, sentence)
 *     #include "base/wire_metrics.def"
 *     #undef METRIC
 *     };
 *     const struct metric_table wire_metric_table = METRIC_TABLE("wire", rows);
 *
 * Each set has one writer thread; the admin thread reads while it writes (relaxed atomics, which cost
 * nothing). kind: counter (only grows), gauge (set; sets of one table are added up; a name ending in _max
 * takes the maximum), histogram. unit: count, bytes, us, bool, ... - it becomes the end of the exported name:
 * sluice_wire_frames_received_count_total. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/histogram.h"

struct metric_counter {
    uint64_t value;
};

struct metric_gauge {
    uint64_t value;
};

struct metric_histogram {
    struct histogram values;
};

enum metric_kind { METRIC_counter, METRIC_gauge, METRIC_histogram };

struct metric_row {
    const char *name;
    enum metric_kind kind;
    const char *unit;
    const char *sentence;
    size_t offset; /* in the set */
};

struct metric_table {
    const char *name;
    const struct metric_row *rows;
    size_t count;
};

#define METRIC_ROW(set, name, kind, unit, sentence) \
    {#name, METRIC_##kind, #unit, sentence, offsetof(set, name)},
#define METRIC_TABLE(name, rows)                     \
    {                                                \
        name, rows, sizeof(rows) / sizeof((rows)[0]) \
    }

static inline void metric_add(struct metric_counter *c, uint64_t n)
{
    __atomic_store_n(&c->value, c->value + n, __ATOMIC_RELAXED);
}

static inline void metric_increment(struct metric_counter *c)
{
    metric_add(c, 1);
}

static inline uint64_t metric_read(const struct metric_counter *c)
{
    return __atomic_load_n(&c->value, __ATOMIC_RELAXED);
}

static inline void metric_set(struct metric_gauge *g, uint64_t value)
{
    __atomic_store_n(&g->value, value, __ATOMIC_RELAXED);
}

static inline uint64_t metric_value(const struct metric_gauge *g)
{
    return __atomic_load_n(&g->value, __ATOMIC_RELAXED);
}

static inline void metric_set_max(struct metric_gauge *g, uint64_t value)
{
    if (value > g->value)
        metric_set(g, value);
}

static inline void metric_record(struct metric_histogram *h, uint64_t value)
{
    histogram_record(&h->values, value);
}

/* A counter with more than one writer thread (log, admin). */
static inline void metric_add_shared(struct metric_counter *c, uint64_t n)
{
    __atomic_fetch_add(&c->value, n, __ATOMIC_RELAXED);
}

/* The registry: which sets there are. One per process, made in main and passed down. Thread-safe. */
struct metrics;

/* NULL when there is no memory. */
struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *m);

/* Show `set` (of table's struct) until it is removed. Sets with the same table and labels are summed.
 * labels  NULL or ready-made Prometheus labels, as `loop="0",peer="n2"`; copied
 * ERR_NO_MEMORY, ERR_LIMIT (METRICS_SETS_MAX) */
enum { METRICS_SETS_MAX = 1024, METRICS_LABELS_BYTES = 120 };
enum err metrics_add(struct metrics *m, const struct metric_table *table, const char *labels,
                     const void *set) MUST_CHECK;
/* Forget the set; does nothing when it is not there. Totals fall by what it had counted. */
void metrics_remove(struct metrics *m, const void *set);

/* Everything in Prometheus text format 0.0.4. Histograms are summaries (quantiles 0.5, 0.9, 0.99, 0.999) with
 * _sum, _count and _max. Sticky failure is in the buffer. */
void metrics_write(struct metrics *m, struct buffer *to);

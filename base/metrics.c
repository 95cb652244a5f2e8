#include "base/metrics.h"

#include <pthread.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

struct entry {
    const struct metric_table *table;
    const void *set;
    char labels[METRICS_LABELS_BYTES];
};

/* The lock covers `entries` only: writers of the sets never take it. */
struct metrics {
    pthread_mutex_t lock;
    size_t count;
    struct entry entries[METRICS_SETS_MAX];
};

struct metrics *metrics_create(void)
{
    struct metrics *m = memory_zalloc(sizeof *m);
    if (m != NULL)
        pthread_mutex_init(&m->lock, NULL);
    return m;
}

void metrics_destroy(struct metrics *m)
{
    if (m == NULL)
        return;
    pthread_mutex_destroy(&m->lock);
    memory_free(m);
}

static bool is_before(const struct entry *a, const struct entry *b)
{
    int order = strcmp(a->table->name, b->table->name);
    return order != 0 ? order < 0 : strcmp(a->labels, b->labels) < 0;
}

/* Sorted by table, then labels: the text format wants all lines of one metric together. */
static void insert(struct metrics *m, const struct entry *entry)
{
    size_t at = m->count;
    while (at > 0 && is_before(entry, &m->entries[at - 1])) {
        m->entries[at] = m->entries[at - 1];
        at--;
    }
    m->entries[at] = *entry;
    m->count++;
}

enum err metrics_add(struct metrics *m, const struct metric_table *table, const char *labels, const void *set)
{
    struct entry entry = {.table = table, .set = set};
    if (labels != NULL) {
        size_t length = strlen(labels);
        if (length >= sizeof entry.labels)
            return ERR_LIMIT;
        memcpy(entry.labels, labels, length + 1);
    }
    pthread_mutex_lock(&m->lock);
    enum err err = m->count < METRICS_SETS_MAX ? ERR_OK : ERR_LIMIT;
    if (err == ERR_OK)
        insert(m, &entry);
    pthread_mutex_unlock(&m->lock);
    return err;
}

void metrics_remove(struct metrics *m, const void *set)
{
    pthread_mutex_lock(&m->lock);
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (m->entries[i].set != set)
            m->entries[kept++] = m->entries[i];
    }
    m->count = kept;
    pthread_mutex_unlock(&m->lock);
}

static const void *field(const struct entry *entry, const struct metric_row *row)
{
    return (const uint8_t *)entry->set + row->offset;
}

static bool is_maximum(const struct metric_row *row)
{
    size_t length = strlen(row->name);
    return length >= 4 && strcmp(row->name + length - 4, "_max") == 0;
}

/* Entries [from, to) have the same table and labels. */
static uint64_t total(const struct entry *from, const struct entry *to, const struct metric_row *row)
{
    uint64_t sum = 0;
    for (const struct entry *e = from; e < to; e++) {
        uint64_t value = __atomic_load_n((const uint64_t *)field(e, row), __ATOMIC_RELAXED);
        if (!is_maximum(row))
            sum += value;
        else if (value > sum)
            sum = value;
    }
    return sum;
}

static void write_name(struct buffer *to, const struct metric_table *table, const struct metric_row *row,
                       const char *suffix)
{
    buffer_append_format(to, "sluice_%s_%s_%s%s", table->name, row->name, row->unit, suffix);
}

static void write_value(struct buffer *to, const struct entry *e, const struct metric_row *row,
                        const char *suffix, const char *label, uint64_t value)
{
    write_name(to, e->table, row, suffix);
    const char *comma = e->labels[0] != '\0' && label[0] != '\0' ? "," : "";
    if (e->labels[0] != '\0' || label[0] != '\0')
        buffer_append_format(to, "{%s%s%s}", e->labels, comma, label);
    buffer_append_format(to, " %llu\n", (unsigned long long)value);
}

static void write_histogram(struct buffer *to, const struct entry *from, const struct entry *end,
                            const struct metric_row *row)
{
    static const struct {
        const char *label;
        uint64_t parts;
    } quantiles[] = {{"quantile=\"0.5\"", 500},
                     {"quantile=\"0.9\"", 900},
                     {"quantile=\"0.99\"", 990},
                     {"quantile=\"0.999\"", 999}};
    struct histogram *h = memory_zalloc(sizeof *h);
    if (h == NULL)
        return; /* a scrape without this metric; the next one has it */
    for (const struct entry *e = from; e < end; e++)
        histogram_merge(h, field(e, row));
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        write_value(to, from, row, "", quantiles[i].label, histogram_quantile(h, quantiles[i].parts, 1000));
    write_value(to, from, row, "", "quantile=\"1\"", h->max);
    write_value(to, from, row, "_sum", "", h->sum);
    write_value(to, from, row, "_count", "", h->count);
    memory_free(h);
}

static void write_head(struct buffer *to, const struct metric_table *table, const struct metric_row *row)
{
    static const char *const types[] = {"counter", "gauge", "summary"};
    const char *suffix = row->kind == METRIC_counter ? "_total" : "";
    buffer_append_string(to, "# HELP ");
    write_name(to, table, row, suffix);
    buffer_append_format(to, " %s\n# TYPE ", row->sentence);
    write_name(to, table, row, suffix);
    buffer_append_format(to, " %s\n", types[row->kind]);
}

/* All sets of one table: each metric once, with a line for each distinct label set. */
static void write_table(struct buffer *to, const struct entry *from, const struct entry *end)
{
    for (size_t i = 0; i < from->table->count; i++) {
        const struct metric_row *row = &from->table->rows[i];
        write_head(to, from->table, row);
        for (const struct entry *e = from; e < end;) {
            const struct entry *next = e + 1;
            while (next < end && strcmp(next->labels, e->labels) == 0)
                next++;
            if (row->kind == METRIC_histogram)
                write_histogram(to, e, next, row);
            else
                write_value(to, e, row, row->kind == METRIC_counter ? "_total" : "", "", total(e, next, row));
            e = next;
        }
    }
}

void metrics_write(struct metrics *m, struct buffer *to)
{
    pthread_mutex_lock(&m->lock);
    const struct entry *end = m->entries + m->count;
    for (const struct entry *e = m->entries; e < end;) {
        const struct entry *next = e + 1;
        while (next < end && next->table == e->table)
            next++;
        write_table(to, e, next);
        e = next;
    }
    pthread_mutex_unlock(&m->lock);
}

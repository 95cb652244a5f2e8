#include "tests/bench/load_stats.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

void load_stats_init(struct load_stats *s, uint64_t begin_us, uint64_t end_us, uint64_t slow_us)
{
    *s = (struct load_stats){
        .begin_us = begin_us, .end_us = end_us, .slow_us = slow_us, .last_answer_us = begin_us};
}

static void note_pause(struct load_stats *s, uint64_t now_us, uint64_t wall_us)
{
    if (now_us <= s->last_answer_us)
        return;
    uint64_t pause_us = now_us - s->last_answer_us;
    s->last_answer_us = now_us;
    if (pause_us <= s->pause_us_max)
        return;
    s->pause_us_max = pause_us;
    s->pause_wall_us = wall_us - pause_us;
}

static void note_slow(struct load_stats *s, uint64_t latency_us, uint64_t wall_us)
{
    uint64_t wall_s = wall_us / 1000000;
    struct load_slow_second *last = s->slow_seconds == 0 ? NULL : &s->slow[s->slow_seconds - 1];
    if (last == NULL || (last->wall_s != wall_s && s->slow_seconds < LOAD_SLOW_SECONDS_MAX)) {
        last = &s->slow[s->slow_seconds++];
        *last = (struct load_slow_second){.wall_s = wall_s};
    }
    last->count++;
    if (latency_us > last->latency_us_max)
        last->latency_us_max = latency_us;
}

void load_stats_answer(struct load_stats *s, const struct load_answer *answer)
{
    if (answer->now_us < s->begin_us)
        return;
    note_pause(s, answer->now_us, answer->wall_us);
    if (answer->intended_us < s->begin_us || answer->intended_us >= s->end_us)
        return;
    uint64_t latency_us = answer->now_us - answer->intended_us;
    histogram_record(answer->is_read ? &s->read_us : &s->write_us, latency_us);
    histogram_record(&s->late_us, answer->sent_us - answer->intended_us);
    s->missing += answer->is_missing;
    if (latency_us > s->slow_us)
        note_slow(s, latency_us, answer->wall_us);
}

static void copy_name(char to[LOAD_ERROR_NAME_BYTES], struct slice name)
{
    size_t length = 0;
    for (size_t i = 0; i < name.length && length < LOAD_ERROR_NAME_BYTES - 1; i++) {
        uint8_t c = name.data[i];
        if (isalnum(c) || c == '-' || c == '.')
            to[length++] = (char)c;
    }
    to[length] = '\0';
}

void load_stats_error(struct load_stats *s, struct slice name, uint64_t count)
{
    char clean[LOAD_ERROR_NAME_BYTES];
    copy_name(clean, name);
    s->error_count += count;
    unsigned i = 0;
    while (i < s->error_kinds && strcmp(s->errors[i].name, clean) != 0)
        i++;
    if (i >= LOAD_ERROR_KINDS_MAX - 1) {
        i = LOAD_ERROR_KINDS_MAX - 1;
        memcpy(clean, "others", sizeof "others");
    }
    if (i == s->error_kinds) {
        memcpy(s->errors[i].name, clean, sizeof clean);
        s->error_kinds++;
    }
    s->errors[i].count += count;
}

void load_stats_finish(struct load_stats *s, uint64_t now_us, uint64_t wall_us)
{
    if (now_us < s->end_us)
        s->end_us = now_us; /* stopped early */
    if (s->last_answer_us < s->end_us)
        note_pause(s, now_us, wall_us);
}

uint64_t load_stats_ops(const struct load_stats *s)
{
    return s->read_us.count + s->write_us.count;
}

/* Until the last answer, when that came after the window: a run that ends in a pause is not a fast one. */
static double seconds(const struct load_stats *s)
{
    uint64_t end_us = s->last_answer_us > s->end_us ? s->last_answer_us : s->end_us;
    return end_us > s->begin_us ? (double)(end_us - s->begin_us) / 1e6 : 0;
}

static double rate(const struct load_stats *s)
{
    return seconds(s) > 0 ? (double)load_stats_ops(s) / seconds(s) : 0;
}

static double cpu_us_per_op(const struct load_stats *s)
{
    return load_stats_ops(s) == 0 ? 0 : (double)s->cpu_us / (double)load_stats_ops(s);
}

static void print_latency(const char *name, const struct histogram *h, FILE *to)
{
    if (h->count == 0)
        return;
    fprintf(to,
            "%-6s %10" PRIu64 " ops   us: p50 %" PRIu64 "  p99 %" PRIu64 "  p99.9 %" PRIu64 "  max %" PRIu64
            "\n",
            name, h->count, histogram_quantile(h, 50, 100), histogram_quantile(h, 99, 100),
            histogram_quantile(h, 999, 1000), h->max);
}

void load_stats_print(const struct load_stats *s, FILE *to)
{
    fprintf(to, "%" PRIu64 " operations in %.2f s: %.0f per s; %.1f us CPU of the load generator each\n",
            load_stats_ops(s), seconds(s), rate(s), cpu_us_per_op(s));
    print_latency("reads", &s->read_us, to);
    print_latency("writes", &s->write_us, to);
    fprintf(to, "longest pause %.1f ms; sent late p99 %" PRIu64 " us; reads that found nothing %" PRIu64 "\n",
            (double)s->pause_us_max / 1e3, histogram_quantile(&s->late_us, 99, 100), s->missing);
    for (unsigned i = 0; i < s->error_kinds; i++)
        fprintf(to, "error %s: %" PRIu64 "\n", s->errors[i].name, s->errors[i].count);
    for (unsigned i = 0; i < s->slow_seconds; i++) {
        char text[32] = "?";
        struct tm date;
        time_t wall_s = (time_t)s->slow[i].wall_s;
        if (gmtime_r(&wall_s, &date) != NULL)
            strftime(text, sizeof text, "%H:%M:%S", &date);
        fprintf(to, "slow at %s UTC: %" PRIu64 " operations, up to %.1f ms\n", text, s->slow[i].count,
                (double)s->slow[i].latency_us_max / 1e3);
    }
}

static void print_json_latency(const char *name, const struct histogram *h, FILE *to)
{
    fprintf(to,
            "\"%s\": {\"count\": %" PRIu64 ", \"p50\": %" PRIu64 ", \"p99\": %" PRIu64 ", \"p999\": %" PRIu64
            ", \"max\": %" PRIu64 "}, ",
            name, h->count, histogram_quantile(h, 50, 100), histogram_quantile(h, 99, 100),
            histogram_quantile(h, 999, 1000), h->max);
}

void load_stats_print_json(const struct load_stats *s, FILE *to)
{
    struct histogram all = s->read_us;
    histogram_merge(&all, &s->write_us);
    fprintf(to, "{\"ops\": %" PRIu64 ", \"seconds\": %.3f, \"ops_per_s\": %.1f, \"cpu_us_per_op\": %.2f, ",
            load_stats_ops(s), seconds(s), rate(s), cpu_us_per_op(s));
    print_json_latency("latency_us", &all, to);
    print_json_latency("read_latency_us", &s->read_us, to);
    print_json_latency("write_latency_us", &s->write_us, to);
    print_json_latency("sent_late_us", &s->late_us, to);
    fprintf(to, "\"pause_us_max\": %" PRIu64 ", \"pause_at\": %.3f, \"missing\": %" PRIu64 ", \"errors\": {",
            s->pause_us_max, (double)s->pause_wall_us / 1e6, s->missing);
    for (unsigned i = 0; i < s->error_kinds; i++)
        fprintf(to, "%s\"%s\": %" PRIu64, i == 0 ? "" : ", ", s->errors[i].name, s->errors[i].count);
    fprintf(to, "}, \"error_count\": %" PRIu64 ", \"slow_seconds\": [", s->error_count);
    for (unsigned i = 0; i < s->slow_seconds; i++)
        fprintf(to, "%s{\"at\": %" PRIu64 ", \"count\": %" PRIu64 ", \"latency_us_max\": %" PRIu64 "}",
                i == 0 ? "" : ", ", s->slow[i].wall_s, s->slow[i].count, s->slow[i].latency_us_max);
    fprintf(to, "]}\n");
}

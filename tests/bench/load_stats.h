/* What came of a run: latencies, errors by name, pauses, slow seconds; and its report.
 *
 * Times are the caller's: boot clock for durations, wall clock for what a person looks up in a log. Nothing
 * before begin_us counts. A pause is the time between two successful answers, whoever asked. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/histogram.h"
#include "base/slice.h"

enum { LOAD_ERROR_KINDS_MAX = 24, LOAD_ERROR_NAME_BYTES = 48, LOAD_SLOW_SECONDS_MAX = 200 };

struct load_error_kind {
    char name[LOAD_ERROR_NAME_BYTES];
    uint64_t count;
};

/* A second in which operations took longer than --slow. */
struct load_slow_second {
    uint64_t wall_s;
    uint64_t latency_us_max;
    uint64_t count;
};

struct load_stats {
    uint64_t begin_us, end_us; /* the window */
    uint64_t slow_us;
    struct histogram read_us, write_us; /* from the intended start to the answer; successes */
    struct histogram late_us;           /* from the intended start to the sending */
    uint64_t missing;                   /* reads that found nothing */
    uint64_t pause_us_max, pause_wall_us;
    uint64_t last_answer_us;
    uint64_t error_count;
    struct load_error_kind errors[LOAD_ERROR_KINDS_MAX]; /* the last one takes what has no room */
    unsigned error_kinds;
    struct load_slow_second slow[LOAD_SLOW_SECONDS_MAX];
    unsigned slow_seconds;
    uint64_t cpu_us; /* of the load generator itself */
};

struct load_answer {
    uint64_t intended_us, sent_us, now_us, wall_us;
    bool is_read, is_missing;
};

void load_stats_init(struct load_stats *s, uint64_t begin_us, uint64_t end_us, uint64_t slow_us);
/* A success. Counts when its intended start is in the window. */
void load_stats_answer(struct load_stats *s, const struct load_answer *answer);
/* `count` failures of one kind; only letters, digits, dots and dashes of the name are kept. */
void load_stats_error(struct load_stats *s, struct slice name, uint64_t count);
/* The window is over: the time since the last answer is a pause too. */
void load_stats_finish(struct load_stats *s, uint64_t now_us, uint64_t wall_us);

uint64_t load_stats_ops(const struct load_stats *s);
void load_stats_print(const struct load_stats *s, FILE *to);
void load_stats_print_json(const struct load_stats *s, FILE *to);

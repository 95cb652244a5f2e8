/* The log: one event, one line, typed fields.
 *
 *     2026-02-03T04:05:06.789012Z warn wire_refused peer=127.0.0.1:4711 reason=cluster cluster_id=42
 *
 *     log_warn("wire_refused", "peer=%s reason=cluster cluster_id=%" PRIu64, name, id);
 *
 * Libraries return errors, daemons log them: each failure once, by whoever decides what to do about it. Never
 * log keys, values or credentials. Thread-safe; never blocks on more than a write. Control characters in
 * values come out as '?'.
 *
 * Repeats: each place in the code may log 20 lines in a second; what is over that is dropped, and the next
 * line of that place says how many (`suppressed=N`). Error lines are not exempt. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Each calling place's own count of what it logged; leave alone. */
struct log_site {
    uint64_t window_us;  /* atomic: when the current second began */
    uint32_t count;      /* atomic */
    uint32_t suppressed; /* atomic */
};

/* Send lines to a file (appended, created with mode 0640), or to stderr with NULL, as at the start.
 * ERR_IO: it cannot be opened; the old target stays. */
enum err log_open(const char *path, struct error *error) MUST_CHECK;
/* Open the same path again (after rotation). Called on SIGHUP. */
void log_reopen(void);
/* Flush and go back to stderr. */
void log_close(void);
/* Lines below this level are dropped; LOG_INFO at the start. */
void log_set_level(enum log_level level);
/* ERR_CONFIG: none of debug, info, warn, error. */
enum err log_level_parse(const char *name, enum log_level *ret_level) MUST_CHECK;
/* Lines written and suppressed since the start, for metrics. */
uint64_t log_line_count(void);
uint64_t log_suppressed_count(void);

/* Use the macros. */
void log_write(struct log_site *site, enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool log_is_enabled(enum log_level level);

#define LOG_AT(level, event, ...)                                 \
    do {                                                          \
        static struct log_site log_site_here;                     \
        if (log_is_enabled(level))                                \
            log_write(&log_site_here, level, event, __VA_ARGS__); \
    } while (0)

/* event: a literal in lower_case. Then a printf format (a literal, "" for none) of key=value fields and its
 * arguments. */
#define log_debug(event, ...) LOG_AT(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) LOG_AT(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) LOG_AT(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_ERROR, event, __VA_ARGS__)

/* A daemon's crash: written with plain write(2), no lock, no allocation; for the assert hook and signal
 * handlers. */
void log_crash(const char *text);

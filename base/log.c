#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    LINE_BYTES = 2048, /* longer lines are cut, with "..." */
    PATH_BYTES = 4096,
    LINES_PER_WINDOW = 20,
    WINDOW_US = 1000000,
};

/* The log sink is one of the few things that are global: whatever happens, there is a place to say so. The
 * descriptor is atomic, so that a line and a reopening may meet; a line is one write, which O_APPEND keeps
 * whole. */
static int sink = STDERR_FILENO;
static char sink_path[PATH_BYTES];
static enum log_level level_least = LOG_INFO;
static uint64_t lines;
static uint64_t suppressed_total;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static int open_sink(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

/* The old descriptor's number is reused at once: another thread that is about to write finds the new file. */
static void replace_sink(int fd)
{
    int old = __atomic_load_n(&sink, __ATOMIC_ACQUIRE);
    if (old == STDERR_FILENO) {
        __atomic_store_n(&sink, fd, __ATOMIC_RELEASE);
        return;
    }
    dup3(fd, old, O_CLOEXEC);
    close(fd);
}

enum err log_open(const char *path, struct error *error)
{
    if (path == NULL || path[0] == '\0') {
        log_close();
        return ERR_OK;
    }
    if (strlen(path) >= sizeof sink_path)
        return error_set(error, ERR_IO, "the log file's name is too long");
    int fd = open_sink(path);
    if (fd < 0)
        return error_set(error, ERR_IO, "open log file %s: %s", path, strerror(errno));
    memcpy(sink_path, path, strlen(path) + 1);
    replace_sink(fd);
    return ERR_OK;
}

void log_reopen(void)
{
    if (sink_path[0] == '\0')
        return;
    int fd = open_sink(sink_path);
    if (fd >= 0)
        replace_sink(fd);
    else
        log_error("log_reopen_failed", "path=%s", sink_path);
}

void log_close(void)
{
    int old = __atomic_exchange_n(&sink, STDERR_FILENO, __ATOMIC_ACQ_REL);
    sink_path[0] = '\0';
    if (old != STDERR_FILENO)
        close(old);
}

void log_set_level(enum log_level level)
{
    __atomic_store_n(&level_least, level, __ATOMIC_RELAXED);
}

bool log_is_enabled(enum log_level level)
{
    return level >= __atomic_load_n(&level_least, __ATOMIC_RELAXED);
}

enum err log_level_parse(const char *name, enum log_level *ret_level)
{
    for (unsigned i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return ERR_OK;
        }
    }
    return ERR_CONFIG;
}

uint64_t log_line_count(void)
{
    return __atomic_load_n(&lines, __ATOMIC_RELAXED);
}

uint64_t log_suppressed_count(void)
{
    return __atomic_load_n(&suppressed_total, __ATOMIC_RELAXED);
}

/* False: this place has had its share of this second. Two threads that open a window at once may let a few
 * lines more through, which harms nobody. */
static bool admit(struct log_site *site, uint64_t now_us, uint32_t *ret_suppressed)
{
    uint64_t window_us = __atomic_load_n(&site->window_us, __ATOMIC_RELAXED);
    if (now_us - window_us >= WINDOW_US || now_us < window_us) {
        __atomic_store_n(&site->window_us, now_us, __ATOMIC_RELAXED);
        __atomic_store_n(&site->count, 0, __ATOMIC_RELAXED);
    }
    if (__atomic_fetch_add(&site->count, 1, __ATOMIC_RELAXED) >= LINES_PER_WINDOW) {
        __atomic_fetch_add(&site->suppressed, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&suppressed_total, 1, __ATOMIC_RELAXED);
        return false;
    }
    *ret_suppressed = __atomic_exchange_n(&site->suppressed, 0, __ATOMIC_RELAXED);
    return true;
}

static size_t write_head(char *line, enum log_level level, const char *event, uint64_t now_us)
{
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm t;
    gmtime_r(&seconds, &t);
    size_t length = strftime(line, LINE_BYTES, "%Y-%m-%dT%H:%M:%S", &t);
    length += (size_t)snprintf(line + length, LINE_BYTES - length, ".%06uZ %s %.64s",
                               (unsigned)(now_us % 1000000), level_names[level], event);
    return length;
}

/* What came from outside must not be able to forge a line. */
static void clean(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            text[i] = '?';
    }
}

static void write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; /* a full disk: there is nobody left to tell */
        text += written;
        length -= (size_t)written;
    }
}

__attribute__((format(printf, 3, 0))) static size_t append(char *line, size_t length, const char *format,
                                                           va_list arguments)
{
    size_t space = LINE_BYTES - 8 - length; /* room for the dots and the line's end */
    int wanted = vsnprintf(line + length, space, format, arguments);
    if (wanted < 0)
        return length;
    if ((size_t)wanted < space)
        return length + (size_t)wanted;
    memcpy(line + length + space - 1, "...", 3);
    return length + space + 2;
}

void log_write(struct log_site *site, enum log_level level, const char *event, const char *format, ...)
{
    uint64_t now_us = clock_wall_us();
    uint32_t suppressed = 0;
    if (!admit(site, now_us, &suppressed))
        return;
    char line[LINE_BYTES];
    size_t length = write_head(line, level, event, now_us);
    if (suppressed > 0)
        length += (size_t)snprintf(line + length, LINE_BYTES - length, " suppressed=%u", suppressed);
    if (format[0] != '\0') {
        line[length++] = ' ';
        va_list arguments;
        va_start(arguments, format);
        length = append(line, length, format, arguments);
        va_end(arguments);
    }
    clean(line, length);
    line[length++] = '\n';
    write_all(__atomic_load_n(&sink, __ATOMIC_ACQUIRE), line, length);
    __atomic_fetch_add(&lines, 1, __ATOMIC_RELAXED);
}

void log_crash(const char *text)
{
    int fd = __atomic_load_n(&sink, __ATOMIC_ACQUIRE);
    write_all(fd, text, strlen(text));
    if (fd != STDERR_FILENO)
        write_all(STDERR_FILENO, text, strlen(text));
}

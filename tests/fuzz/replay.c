/* Runs a target over a corpus file: one input a line, # begins a comment, \n \\ and \xNN are escapes.
 * After `-` each file is one input as it is: what libFuzzer left behind of a crash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "tests/fuzz/fuzz.h"

enum { INPUT_US_MAX = 1000 * 1000 };

static int hex_digit(int c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int wrong(const char *file, size_t line, const char *what)
{
    (void)fprintf(stderr, "%s:%zu: %s\n", file, line, what);
    return 1;
}

/* In place. False on an escape that is none. */
static bool unescape(char *text, size_t length, size_t *ret_length)
{
    size_t to = 0;
    for (size_t at = 0; at < length; at++) {
        int value = (uint8_t)text[at];
        if (value == '\\') {
            if (at + 1 < length && text[at + 1] == 'x' && at + 3 < length && hex_digit(text[at + 2]) >= 0 &&
                hex_digit(text[at + 3]) >= 0) {
                value = 16 * hex_digit(text[at + 2]) + hex_digit(text[at + 3]);
                at += 3;
            } else if (at + 1 < length && (text[at + 1] == 'n' || text[at + 1] == '\\')) {
                value = text[++at] == 'n' ? '\n' : '\\';
            } else {
                return false;
            }
        }
        text[to++] = (char)value;
    }
    *ret_length = to;
    return true;
}

/* Of this process: others may keep it waiting. */
static uint64_t processor_us(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* it exists */
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* From memory of exactly its size, so that the sanitizer sees a read beyond it. False: too slow. */
static bool run(const char *bytes, size_t length)
{
    uint8_t *exact = memory_alloc(length == 0 ? 1 : length);
    if (exact == NULL)
        abort();
    if (length > 0)
        memcpy(exact, bytes, length);
    uint64_t begin_us = processor_us();
    fuzz_input(slice_make(exact, length));
    uint64_t took_us = processor_us() - begin_us;
    memory_free(exact);
    return took_us <= INPUT_US_MAX;
}

static int run_lines(const char *name, FILE *file, size_t *count)
{
    char *line = NULL;
    size_t capacity = 0, number = 0;
    ssize_t read;
    int failed = 0;
    while (failed == 0 && (read = getline(&line, &capacity, file)) > 0) {
        size_t length = (size_t)read - (line[read - 1] == '\n');
        number++;
        if (line[0] == '#')
            continue;
        if (!unescape(line, length, &length))
            failed = wrong(name, number, "not an escape");
        else if (!run(line, length))
            failed = wrong(name, number, "took over a second");
        (*count)++;
    }
    free(line);
    return failed;
}

static int run_whole(const char *name, FILE *file)
{
    struct buffer bytes = fuzz_buffer();
    uint8_t chunk[4096];
    size_t read;
    while ((read = fread(chunk, 1, sizeof chunk, file)) > 0)
        buffer_append(&bytes, slice_make(chunk, read));
    bool is_fast = run((const char *)bytes.data, bytes.length);
    buffer_deinit(&bytes);
    return is_fast ? 0 : wrong(name, 1, "took over a second");
}

int main(int argc, char **argv)
{
    bool is_whole = argc > 1 && strcmp(argv[1], "-") == 0;
    size_t count = 0;
    int failed = 0;
    for (int i = is_whole ? 2 : 1; i < argc && failed == 0; i++) {
        FILE *file = fopen(argv[i], "re");
        if (file == NULL)
            return wrong(argv[i], 0, "cannot be opened");
        failed = is_whole ? run_whole(argv[i], file) : run_lines(argv[i], file, &count);
        count += is_whole;
        (void)fclose(file); /* it was only read */
    }
    printf("%zu inputs\n", count);
    return failed != 0 || count == 0;
}

/* How fast the log is here: log_bench [DIRECTORY]. 1 KiB entries, one loop; each number outstanding at a time. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "dataplane/log/wal.h"

enum { BODY_BYTES = 1024, SAMPLES_MAX = 400000, RUN_US = 1000000 };

struct bench {
    uv_loop_t loop;
    struct wal *wal;
    struct wal_port *port;
    struct wal_group *group;
    uint64_t next_index, reported, until_us;
    unsigned outstanding, width;
    bool is_closed;
    uint32_t *latencies;
    size_t samples;
};

struct sent {
    struct bench *bench;
    uint64_t at_us;
};

static void on_append(void *cookie, enum err err);

static void send_one(struct bench *b, struct sent *sent)
{
    static uint8_t body[BODY_BYTES];
    struct segment_record record = {
        .type = SEGMENT_ENTRY, .index = b->next_index, .term = 1, .body = slice_make(body, sizeof body)};
    sent->bench = b;
    sent->at_us = clock_boot_us();
    enum err err = wal_append(b->group, &record, 1, on_append, sent);
    if (err != ERR_OK) {
        fprintf(stderr, "append: %s\n", err_name(err));
        exit(1);
    }
    b->next_index++;
    b->outstanding++;
}

static void on_append(void *cookie, enum err err)
{
    struct sent *sent = cookie;
    struct bench *b = sent->bench;
    uint64_t now_us = clock_boot_us();
    if (err != ERR_OK) {
        fprintf(stderr, "append: %s\n", err_name(err));
        exit(1);
    }
    b->outstanding--;
    b->reported++;
    if (b->samples < SAMPLES_MAX)
        b->latencies[b->samples++] = (uint32_t)(now_us - sent->at_us);
    if (b->reported % 8192 == 0 && wal_group_truncate_prefix(b->group, b->next_index - 4096, 1) != ERR_OK)
        exit(1);
    if (now_us < b->until_us)
        send_one(b, sent);
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static void run_width(struct bench *b, unsigned width)
{
    struct sent *sent = calloc(width, sizeof *sent);
    struct wal_figures before = wal_figures(b->wal);
    uint64_t begin_us = clock_boot_us(), begin_reported = b->reported;
    b->samples = 0;
    b->until_us = begin_us + RUN_US;
    for (unsigned i = 0; i < width; i++)
        send_one(b, &sent[i]);
    while (b->outstanding > 0)
        uv_run(&b->loop, UV_RUN_ONCE);
    double seconds = (double)(clock_boot_us() - begin_us) / 1e6;
    uint64_t count = b->reported - begin_reported;
    struct wal_figures after = wal_figures(b->wal);
    qsort(b->latencies, b->samples, sizeof *b->latencies, compare);
    printf("outstanding %5u: %8.0f records/s, %6.1f per sync, p50 %6u us, p99 %6u us\n", width,
           (double)count / seconds, (double)count / (double)(after.batches - before.batches),
           b->latencies[b->samples / 2], b->latencies[b->samples * 99 / 100]);
    free(sent);
}

static void on_closed(void *data)
{
    ((struct bench *)data)->is_closed = true;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    return remove(path);
}

int main(int argc, char **argv)
{
    static const unsigned widths[] = {1, 8, 64, 256, 1024};
    struct bench b = {.next_index = 1, .latencies = calloc(SAMPLES_MAX, sizeof(uint32_t))};
    struct error error;
    char made[] = "/tmp/log_bench_XXXXXX";
    const char *directory = argc > 1 ? argv[1] : mkdtemp(made);
    struct wal_options options = {.directory = directory};
    uv_loop_init(&b.loop);
    if (wal_open(&b.wal, &options, NULL, &error) != ERR_OK ||
        wal_port_open(&b.port, b.wal, &b.loop) != ERR_OK ||
        wal_group_create(&b.group, b.port, 1, 1) != ERR_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        run_width(&b, widths[i]);
    wal_port_close(b.port, on_closed, &b);
    while (!b.is_closed)
        uv_run(&b.loop, UV_RUN_ONCE);
    wal_close(b.wal);
    uv_loop_close(&b.loop);
    free(b.latencies);
    if (argc == 1)
        nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

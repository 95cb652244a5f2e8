/* Power cut at every system call.
 *
 *   powercut [--cuts N] [--tries N] [--seed N] [--keep]
 *
 * Runs the workload under the fault layer, which records a trace; then, for each of the first N system calls in
 * it, makes a directory as the disk may be when power fails right there, opens log and store on it, replays the
 * log into the store, and compares with what had been promised by then: every acknowledged entry is there, with
 * the right bytes; entry, second row and applied index come together or not at all; nothing is
 * reported as damage; counts are those of the rows; removed replicas stay removed. Prints a line of figures; 1 if anything is violated. */
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/faults/disk_image.h"
#include "tests/faults/workload.h"

/* What the program has promised about one group. */
struct promised {
    uint64_t replica_id; /* of the last creation issued */
    bool is_removal_issued;
    uint64_t removed_replica_id; /* acknowledged */
    uint64_t acked_last;
    uint64_t hard_term;
    uint64_t terms[WORKLOAD_INDEX_MAX];        /* acknowledged at index */
    uint64_t issued_terms[WORKLOAD_INDEX_MAX]; /* highest ever sent */
};

struct found {
    uint64_t replica_id, first_index, last_index, hard_term;
    bool exists;
    uint64_t terms[WORKLOAD_INDEX_MAX];
};

struct cut {
    struct promised promised[WORKLOAD_GROUPS + 1];
    struct found found[WORKLOAD_GROUPS + 1];
    struct store *store;
    struct store_batch *batch;
    uint64_t number, outcomes, violations, damages, acked_checked, replayed;
    struct store_applied applied[WORKLOAD_GROUPS + 1]; /* as the store says */
    struct workload_record row;                        /* while scanning: last row of side a */
    uint64_t rows_seen[WORKLOAD_GROUPS + 1];           /* pairs */
    uint64_t bytes_seen[WORKLOAD_GROUPS + 1];          /* of their values */
};

static void violated(struct cut *cut, const char *what, uint64_t group_id, uint64_t index)
{
    if (cut->violations++ < 20)
        printf("VIOLATED after system call %llu: %s (group %llu, index %llu)\n",
               (unsigned long long)cut->number, what, (unsigned long long)group_id,
               (unsigned long long)index);
}

/* ---- What was promised ---- */

static void take_note(struct cut *cut, const uint8_t *data)
{
    struct workload_record r;
    memcpy(&r, data, sizeof r);
    struct promised *p = &cut->promised[r.group_id];
    switch ((enum workload_note)r.note) {
    case NOTE_ISSUE_ENTRY:
        if (r.index <= p->acked_last)
            p->acked_last = r.index - 1;
        p->issued_terms[r.index] = r.term;
        return;
    case NOTE_ACK_ENTRY:
        p->acked_last = r.index > p->acked_last ? r.index : p->acked_last;
        p->terms[r.index] = r.term;
        return;
    case NOTE_ISSUE_CREATE:
        p->replica_id = r.replica_id;
        p->is_removal_issued = false;
        p->acked_last = 0;
        return;
    case NOTE_ISSUE_REMOVE:
        p->is_removal_issued = true;
        return;
    case NOTE_ACK_REMOVE:
        p->removed_replica_id = r.replica_id;
        return;
    case NOTE_ACK_HARD_STATE:
        p->hard_term = r.term;
        return;
    default:
        abort();
    }
}

/* ---- What is found ---- */

static enum err on_record(void *data, const struct segment_record *record)
{
    struct cut *cut = data;
    uint8_t body[WORKLOAD_BODY_BYTES_MAX];
    if (record->group_id == 0 || record->group_id > WORKLOAD_GROUPS || record->index >= WORKLOAD_INDEX_MAX) {
        violated(cut, "a record of no group of ours", record->group_id, record->index);
        return ERR_OK;
    }
    struct found *f = &cut->found[record->group_id];
    if (record->type == SEGMENT_GROUP_CREATED)
        memset(f->terms, 0, sizeof f->terms);
    if (record->type != SEGMENT_ENTRY)
        return ERR_OK;
    size_t bytes = workload_body(record->group_id, record->index, record->term, body);
    if (!slice_equal(record->body, slice_make(body, bytes)))
        violated(cut, "an entry with other bytes", record->group_id, record->index);
    f->terms[record->index] = record->term;
    if (record->group_id >= WORKLOAD_REPLACING || record->index <= cut->applied[record->group_id].index)
        return ERR_OK;
    if (record->index == cut->applied[record->group_id].index + 1) {
        store_batch_clear(cut->batch);
        workload_apply(cut->batch, record, &cut->applied[record->group_id]);
        if (store_write_waiting(cut->store, cut->batch) != ERR_OK)
            violated(cut, "the store takes no writes", record->group_id, record->index);
        cut->replayed++;
    }
    return ERR_OK;
}

static void on_damage(void *data, const struct wal_damage *damage)
{
    struct cut *cut = data;
    cut->damages++;
    violated(cut, "damage reported", damage->where.group_id, damage->where.begin);
}

static void on_replica(void *data, const struct wal_replica *replica)
{
    struct cut *cut = data;
    struct found *f = &cut->found[replica->group_id];
    f->exists = true;
    f->replica_id = replica->replica_id;
    f->first_index = replica->first_index;
    f->last_index = replica->last_index;
    f->hard_term = replica->hard_state_term;
    if (replica->is_damaged)
        violated(cut, "a replica in quarantine", replica->group_id, 0);
}

/* Rows come in order: (group, index, a), (group, index, b), next index. */
static bool on_row(void *data, struct slice key, struct slice value)
{
    struct cut *cut = data;
    struct workload_record r = {0};
    uint8_t body[WORKLOAD_BODY_BYTES_MAX];
    for (int i = 0; i < 8; i++) {
        r.group_id = r.group_id << 8 | key.data[i];
        r.index = r.index << 8 | key.data[8 + i];
    }
    memcpy(&r.term, value.data, sizeof r.term);
    if (!slice_equal(value, slice_make(body, workload_body(r.group_id, r.index, r.term, body))))
        violated(cut, "a row with other bytes", r.group_id, r.index);
    cut->bytes_seen[r.group_id] += value.length;
    if (key.data[16] == 'a')
        cut->row = r;
    else if (cut->row.group_id != r.group_id || cut->row.index != r.index || cut->row.term != r.term)
        violated(cut, "half an entry applied", r.group_id, r.index);
    else if (r.index != cut->rows_seen[r.group_id] + 1)
        violated(cut, "a gap in the rows", r.group_id, r.index);
    else
        cut->rows_seen[r.group_id]++;
    return true;
}

/* Walk all rows: pairs, without gaps, up to the applied index and not beyond. */
static void check_rows(struct cut *cut)
{
    struct buffer next, begin;
    enum store_scan_end end = STORE_SCAN_MORE;
    buffer_init(&next, 100);
    buffer_init(&begin, 100);
    memset(cut->rows_seen, 0, sizeof cut->rows_seen);
    memset(cut->bytes_seen, 0, sizeof cut->bytes_seen);
    while (end != STORE_SCAN_DONE) {
        struct store_scan scan = {.begin = buffer_view(&begin), .bytes_max = 1 << 20, .time_us_max = 1000000};
        if (store_scan_slice(cut->store, &scan, on_row, cut, &end, &next) != ERR_OK) {
            violated(cut, "the store cannot be read", 0, 0);
            break;
        }
        buffer_clear(&begin);
        buffer_append(&begin, buffer_view(&next));
    }
    for (uint64_t g = 1; g < WORKLOAD_REPLACING; g++) {
        if (cut->rows_seen[g] != cut->applied[g].index)
            violated(cut, "rows do not end at the applied index", g, cut->rows_seen[g]);
        if (2 * cut->rows_seen[g] != cut->applied[g].item_count ||
            cut->bytes_seen[g] != cut->applied[g].item_bytes)
            violated(cut, "the rows are not as many, or not as large, as was counted", g, cut->rows_seen[g]);
    }
    buffer_deinit(&next);
    buffer_deinit(&begin);
}

static void check_group(struct cut *cut, struct wal *wal, uint64_t g)
{
    const struct promised *p = &cut->promised[g];
    const struct found *f = &cut->found[g];
    if (p->removed_replica_id != 0 && !wal_is_removed(wal, g, p->removed_replica_id))
        violated(cut, "a removed replica is forgotten", g, p->removed_replica_id);
    bool may_be_gone = p->is_removal_issued || (p->acked_last == 0 && p->hard_term == 0);
    if (!f->exists || f->replica_id != p->replica_id) {
        if (!may_be_gone)
            violated(cut, "a replica is gone", g, p->replica_id);
        if (f->exists && f->replica_id == p->removed_replica_id)
            violated(cut, "a removed replica is back", g, f->replica_id);
        return;
    }
    if (f->hard_term < p->hard_term)
        violated(cut, "an acknowledged hard state is gone", g, p->hard_term);
    uint64_t stored = g < WORKLOAD_REPLACING ? cut->applied[g].index : 0;
    uint64_t last = f->last_index > stored ? f->last_index : stored;
    if (last < p->acked_last)
        violated(cut, "an acknowledged entry is gone", g, p->acked_last);
    if (g < WORKLOAD_REPLACING && (f->first_index > stored + 1 || stored < p->acked_last))
        violated(cut, "a gap between store and log", g, f->first_index);
    for (uint64_t i = f->first_index; i <= p->acked_last; i++) {
        if (f->terms[i] < p->terms[i] || f->terms[i] > p->issued_terms[i])
            violated(cut, "an acknowledged entry is another one now", g, i);
        cut->acked_checked++;
    }
}

static void open_store(struct cut *cut, const char *path)
{
    struct store_options options = workload_store_options(path);
    struct error error = {0};
    memset(cut->applied, 0, sizeof cut->applied);
    if (store_open(&cut->store, &options, &error) != ERR_OK) {
        violated(cut, error.text, 0, 0);
        cut->store = NULL;
        return;
    }
    for (uint64_t g = 1; g < WORKLOAD_REPLACING; g++) {
        enum err err = store_applied(cut->store, g, &cut->applied[g]);
        if (err != ERR_OK && err != ERR_NOT_FOUND)
            violated(cut, "the applied index cannot be read", g, 0);
    }
    check_rows(cut);
}

static void check_directory(struct cut *cut, const char *directory)
{
    char path[PATH_MAX];
    struct wal *wal;
    struct error error = {0};
    struct wal_recovery recovery = {on_record, on_damage, cut};
    memset(cut->found, 0, sizeof cut->found);
    snprintf(path, sizeof path, "%.200s/store", directory);
    open_store(cut, path);
    if (cut->store == NULL)
        return;
    snprintf(path, sizeof path, "%.200s/wal", directory);
    struct wal_options options = workload_wal_options(path);
    if (wal_open(&wal, &options, &recovery, &error) != ERR_OK) {
        violated(cut, error.text, 0, 0);
    } else {
        wal_recovered_each(wal, on_replica, cut);
        for (uint64_t g = 1; g <= WORKLOAD_GROUPS; g++)
            check_group(cut, wal, g);
        check_rows(cut);
        wal_close(wal);
    }
    store_close(cut->store);
}

/* ---- The run ---- */

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    return remove(path);
}

static void remove_tree(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        abort();
}

static void record_trace(const char *program, const char *directory, const char *trace, unsigned steps)
{
    char layer[PATH_MAX], count[16];
    snprintf(count, sizeof count, "%u", steps);
    const char *slash = strrchr(program, '/');
    snprintf(layer, sizeof layer, "%.*s/libfaultfs.so", slash == NULL ? 1 : (int)(slash - program),
             slash == NULL ? "." : program);
    pid_t child = fork();
    if (child == 0) {
        setenv("LD_PRELOAD", layer, 1);
        setenv("FAULTFS_DIRECTORY", directory, 1);
        setenv("FAULTFS_TRACE", trace, 1);
        execl(program, program, "--workload", directory, count, (char *)NULL);
        _exit(127);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "the workload failed\n");
        exit(1);
    }
}

static struct slice map_trace(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) != 0)
        abort();
    void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        abort();
    close(fd);
    return slice_make(bytes, (size_t)status.st_size);
}

struct options {
    uint64_t cuts, seed, tries; /* tries: outcomes looked at per cut */
    bool keep;
};

/* One directory that the disk may hold now. */
static void check_outcome(struct cut *cut, const struct disk_image *image, const char *path,
                          struct random *random, bool keep)
{
    if (cut->violations > 0 && keep)
        return;
    mkdir(path, 0700);
    disk_image_materialize(image, path, random);
    check_directory(cut, path);
    cut->outcomes++;
    if (cut->violations == 0 || !keep)
        remove_tree(path);
}

static int run(const char *program, const struct options *options, const char *base)
{
    char directory[PATH_MAX], trace_path[PATH_MAX], after[PATH_MAX];
    snprintf(directory, sizeof directory, "%s/run", base);
    snprintf(trace_path, sizeof trace_path, "%s/trace", base);
    snprintf(after, sizeof after, "%s/after", base);
    mkdir(directory, 0700);
    record_trace(program, directory, trace_path, (unsigned)(options->cuts * 2 / 3) + 40);
    struct slice trace = map_trace(trace_path);
    struct disk_image *image = disk_image_create();
    struct cut *cut = calloc(1, sizeof *cut);
    struct random random;
    random_init(&random, options->seed);
    cut->batch = store_batch_create();
    uint64_t begin_us = clock_boot_us(), acked = 0;
    for (size_t at = 0; at < trace.length;) {
        struct trace_header header;
        memcpy(&header, trace.data + at, sizeof header);
        const uint8_t *data = trace.data + at + sizeof header;
        at += sizeof header + header.bytes;
        if (header.op == TRACE_NOTE) {
            struct workload_record r;
            memcpy(&r, data, sizeof r);
            acked += r.note == NOTE_ACK_ENTRY;
            take_note(cut, data);
        } else {
            disk_image_apply(image, &header, data);
            cut->number++;
        }
        struct trace_header next = {.op = 0};
        if (at < trace.length)
            memcpy(&next, trace.data + at, sizeof next);
        if (next.op == TRACE_NOTE)
            continue; /* what is promised before the next call counts for this cut */
        for (uint64_t i = 0; i < options->tries; i++)
            check_outcome(cut, image, after, &random, options->keep);
        if (cut->number == options->cuts || (cut->violations > 0 && options->keep))
            break;
    }
    printf("power cuts %llu, outcomes %llu, acknowledged %llu, acknowledged entries found again %llu, "
           "replayed %llu, "
           "damages %llu, "
           "violations %llu, %.1f s\n",
           (unsigned long long)cut->number, (unsigned long long)cut->outcomes, (unsigned long long)acked,
           (unsigned long long)cut->acked_checked, (unsigned long long)cut->replayed,
           (unsigned long long)cut->damages, (unsigned long long)cut->violations,
           (double)(clock_boot_us() - begin_us) / 1e6);
    bool is_short = cut->number < options->cuts;
    if (is_short)
        printf("the trace is too short: %llu system calls\n", (unsigned long long)cut->number);
    int result = cut->violations > 0 || is_short;
    store_batch_destroy(cut->batch);
    free(cut);
    disk_image_destroy(image);
    return result;
}

int main(int argc, char **argv)
{
    struct options options = {.cuts = 2000, .seed = 1, .tries = 1};
    char program[PATH_MAX];
    if (argc == 4 && strcmp(argv[1], "--workload") == 0)
        return workload_run(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cuts") == 0 && i + 1 < argc)
            options.cuts = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            options.seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--tries") == 0 && i + 1 < argc)
            options.tries = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--keep") == 0)
            options.keep = true;
    }
    if (realpath("/proc/self/exe", program) == NULL)
        return 1;
    char base[] = "/dev/shm/powercut_XXXXXX", other[] = "/tmp/powercut_XXXXXX";
    const char *made = mkdtemp(base);
    if (made == NULL)
        made = mkdtemp(other);
    if (made == NULL)
        return 1;
    int result = run(program, &options, made);
    if (result == 0 || !options.keep)
        remove_tree(made);
    else
        printf("kept: %s\n", made);
    return result;
}

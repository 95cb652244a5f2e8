/* "Fail the n-th call, until it succeeds": the log, opened, appended to, closed and recovered, under each kind of
 * fault at each call. There must be no crash, no hang and no false promise: after the fault, a clean recovery has
 * every acknowledged entry. Run with libfaultfs.so preloaded and FAULTFS_DIRECTORY set (nth_call does so by
 * calling itself). Prints a line per kind. */
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/log/wal.h"
#include "tests/faults/faultfs.h"

enum { ENTRIES = 60, BODY_BYTES = 1500, CALLS_MAX = 5000 };

static const char *const kind_names[FAULTFS_KINDS] = {
    [FAULTFS_EIO] = "EIO of any change",
    [FAULTFS_ENOSPC] = "ENOSPC once",
    [FAULTFS_ENOSPC_FROM] = "ENOSPC for good",
    [FAULTFS_SHORT_WRITE] = "short write",
    [FAULTFS_SYNC] = "failed sync",
    [FAULTFS_READ] = "EIO of a read",
};

/* One run of the scenario in a fresh directory. */
struct scenario {
    char directory[PATH_MAX];
    uv_loop_t loop;
    struct wal *wal;
    struct wal_port *port;
    uint64_t acked_last, reported, sent;
    bool has_refused, is_closed;
    unsigned false_promises;
    uint64_t recovered_last;
    unsigned errors;
};

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    return remove(path);
}

static void on_append(void *cookie, enum err err)
{
    struct scenario *s = cookie;
    s->reported++;
    if (err != ERR_OK) {
        s->has_refused = true;
        s->errors++;
    } else if (s->has_refused) {
        s->false_promises++; /* something before it was refused: a gap */
    } else {
        s->acked_last = s->reported;
    }
}

static void on_closed(void *data)
{
    ((struct scenario *)data)->is_closed = true;
}

static enum err on_record(void *data, const struct segment_record *record)
{
    struct scenario *s = data;
    if (record->type != SEGMENT_ENTRY)
        return ERR_OK;
    bool is_whole = record->body.length == BODY_BYTES && record->body.data[0] == (uint8_t)record->index &&
                    record->body.data[BODY_BYTES - 1] == (uint8_t)record->index;
    if (!is_whole || record->index != s->recovered_last + 1)
        s->false_promises++;
    s->recovered_last = record->index;
    return ERR_OK;
}

static void on_damage(void *data, const struct wal_damage *damage)
{
    ((struct scenario *)data)->false_promises++;
}

static enum err open_log(struct scenario *s)
{
    struct error error;
    struct wal_options options = {.directory = s->directory, .segment_bytes = 64 * 1024};
    struct wal_recovery recovery = {on_record, on_damage, s};
    s->recovered_last = 0;
    enum err err = wal_open(&s->wal, &options, &recovery, &error);
    if (err != ERR_OK)
        return err;
    err = wal_port_open(&s->port, s->wal, &s->loop);
    if (err != ERR_OK)
        wal_close(s->wal);
    return err;
}

static void close_log(struct scenario *s)
{
    s->is_closed = false;
    wal_port_close(s->port, on_closed, s);
    while (!s->is_closed)
        uv_run(&s->loop, UV_RUN_ONCE);
    wal_close(s->wal);
}

/* Append until refused. What is sent is one more than what is reported, at most four. */
static void append_all(struct scenario *s)
{
    struct wal_group *group;
    uint8_t body[BODY_BYTES];
    if (wal_group_create(&group, s->port, 1, 1) != ERR_OK) {
        s->errors++;
        return;
    }
    while (s->sent < ENTRIES && !s->has_refused) {
        memset(body, (int)(s->sent + 1), sizeof body);
        struct segment_record record = {
            .type = SEGMENT_ENTRY, .index = s->sent + 1, .term = 1, .body = slice_make(body, sizeof body)};
        if (wal_append(group, &record, 1, on_append, s) != ERR_OK) {
            s->errors++;
            break;
        }
        s->sent++;
        while (s->sent - s->reported > s->sent % 4)
            uv_run(&s->loop, UV_RUN_ONCE);
    }
    while (s->reported < s->sent)
        uv_run(&s->loop, UV_RUN_ONCE);
}

/* Write, recover, and recover once more; the fault is armed for all of it. */
static void run_faulted(struct scenario *s)
{
    if (open_log(s) != ERR_OK) {
        s->errors++;
        return;
    }
    append_all(s);
    close_log(s);
    for (int i = 0; i < 2; i++) {
        if (open_log(s) != ERR_OK) {
            s->errors++;
            continue;
        }
        if (s->recovered_last < s->acked_last)
            s->false_promises++;
        s->acked_last = s->recovered_last; /* what was recovered is promised, too */
        close_log(s);
    }
}

static unsigned check_clean(struct scenario *s)
{
    faultfs_arm(FAULTFS_NONE, 0);
    if (open_log(s) != ERR_OK)
        return s->false_promises + 1;
    if (s->recovered_last < s->acked_last)
        s->false_promises++;
    close_log(s);
    return s->false_promises;
}

/* Returns false promises; ret_has_fired: there was an n-th call. */
static unsigned run_one(const char *base, enum faultfs_kind kind, uint64_t n, bool *ret_has_fired,
                        unsigned *errors)
{
    struct scenario s = {0};
    snprintf(s.directory, sizeof s.directory, "%.200s/log", base);
    uv_loop_init(&s.loop);
    faultfs_arm(kind, n);
    run_faulted(&s);
    *ret_has_fired = faultfs_has_fired() != 0;
    unsigned false_promises = check_clean(&s);
    *errors += s.errors;
    uv_run(&s.loop, UV_RUN_DEFAULT);
    uv_loop_close(&s.loop);
    if (nftw(s.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        abort();
    if (false_promises > 0)
        printf("VIOLATED: %s at call %llu: %u false promises (acknowledged %llu, recovered %llu)\n",
               kind_names[kind], (unsigned long long)n, false_promises, (unsigned long long)s.acked_last,
               (unsigned long long)s.recovered_last);
    return false_promises;
}

static int run_all(const char *base)
{
    unsigned total = 0;
    for (int kind = FAULTFS_EIO; kind < FAULTFS_KINDS; kind++) {
        unsigned violations = 0, errors = 0;
        bool has_fired = true;
        uint64_t n = 0;
        while (has_fired && n < CALLS_MAX)
            violations += run_one(base, (enum faultfs_kind)kind, ++n, &has_fired, &errors);
        printf("%-20s calls failed in turn %5llu, errors reported %6u, violations %u\n", kind_names[kind],
               (unsigned long long)n - 1, errors, violations);
        total += violations + (has_fired ? 1 : 0);
    }
    return total > 0;
}

int main(int argc, char **argv)
{
    char program[PATH_MAX], base[] = "/dev/shm/nth_call_XXXXXX", other[] = "/tmp/nth_call_XXXXXX";
    if (argc == 2)
        return faultfs_arm == NULL ? 2 : run_all(argv[1]);
    char *made = mkdtemp(base);
    if (made == NULL)
        made = mkdtemp(other);
    if (made == NULL || realpath("/proc/self/exe", program) == NULL)
        return 2;
    pid_t child = fork();
    if (child == 0) {
        char layer[PATH_MAX];
        snprintf(layer, sizeof layer, "%.*s/libfaultfs.so", (int)(strrchr(program, '/') - program), program);
        setenv("LD_PRELOAD", layer, 1);
        setenv("FAULTFS_DIRECTORY", made, 1);
        execl(program, program, made, (char *)NULL);
        _exit(127);
    }
    int status;
    if (waitpid(child, &status, 0) != child)
        return 2;
    rmdir(made);
    if (!WIFEXITED(status))
        printf("VIOLATED: the program died of signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

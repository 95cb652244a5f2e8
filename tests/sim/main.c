/* sim [--seed N] [--seeds N] [--from N] [--jobs N] [--mutant NAME] [--verbose]
 *
 * Runs one seed, or N seeds from --from on (default 1) in --jobs processes. Prints figures, and last a line
 * "sim: N seeds, ... violations 0". Ends with 1 on a violation, and with 2 when most seeds were too tame to count.
 * --mutant is only a name for the report: mutants are programs of their own. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/sim.h"

struct options {
    uint64_t from, seeds;
    uint32_t jobs;
    const char *mutant;
    bool is_single, is_verbose;
};

struct total {
    struct sim_figures figures;
    uint64_t seeds, counting, with_membership, with_splits, violations, first_violation;
    uint64_t hash;
    char checker[48], violation[256];
};

/* A seed counts only if enough happened in it. */
static bool counts(const struct sim_figures *f)
{
    return f->events >= 10000 && f->acknowledged + f->reads >= 200 && f->leader_changes > TABLES &&
           f->dropping_crashes > 0;
}

static void run_seed(uint64_t seed, bool is_verbose, struct total *total)
{
    struct world *w = world_create(seed, is_verbose);
    world_run(w);
    uint64_t *sums = (uint64_t *)&total->figures;
    const uint64_t *values = (const uint64_t *)&w->figures;
    for (size_t i = 0; i < sizeof(w->figures) / sizeof(uint64_t); i++)
        sums[i] += values[i];
    total->seeds++;
    total->counting += counts(&w->figures);
    total->with_membership += w->figures.membership_changes > 0;
    total->with_splits += w->figures.splits > 0;
    total->hash ^= hash_bytes(seed, &w->trace_hash, sizeof w->trace_hash);
    if (w->has_failed) {
        if (total->violations++ == 0 || seed < total->first_violation) {
            total->first_violation = seed;
            memcpy(total->checker, w->checker, sizeof total->checker);
            memcpy(total->violation, w->violation, sizeof total->violation);
        }
    }
    world_destroy(w);
}

static void total_add(struct total *to, const struct total *from)
{
    uint64_t *sums = (uint64_t *)&to->figures;
    const uint64_t *values = (const uint64_t *)&from->figures;
    for (size_t i = 0; i < sizeof(to->figures) / sizeof(uint64_t); i++)
        sums[i] += values[i];
    to->seeds += from->seeds;
    to->counting += from->counting;
    to->with_membership += from->with_membership;
    to->with_splits += from->with_splits;
    to->hash ^= from->hash;
    if (from->violations > 0 && (to->violations == 0 || from->first_violation < to->first_violation)) {
        to->first_violation = from->first_violation;
        memcpy(to->checker, from->checker, sizeof to->checker);
        memcpy(to->violation, from->violation, sizeof to->violation);
    }
    to->violations += from->violations;
}

/* Every jobs-th seed in each process; a mutant's first violation ends it. */
static void run_share(const struct options *o, uint32_t share, struct total *total)
{
    for (uint64_t i = share; i < o->seeds; i += o->jobs) {
        run_seed(o->from + i, o->is_verbose, total);
        if (total->violations > 0 && o->mutant != NULL)
            break;
    }
}

/* A share whose process died is a violation too: an assertion of the core failed. */
static void collect(int pipe_end, pid_t child, struct total *total)
{
    struct total part = {0};
    size_t got = 0;
    while (got < sizeof part) {
        ssize_t n = read(pipe_end, (char *)&part + got, sizeof part - got);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    close(pipe_end);
    int status;
    waitpid(child, &status, 0);
    if (got == sizeof part) {
        total_add(total, &part);
        return;
    }
    if (total->violations++ == 0) {
        snprintf(total->checker, sizeof total->checker, "assertion");
        snprintf(total->violation, sizeof total->violation, "a process ended with status %d", status);
    }
}

static void run_all(const struct options *o, struct total *total)
{
    int ends[64];
    pid_t children[64];
    for (uint32_t share = 0; share < o->jobs; share++) {
        int pair[2];
        if (pipe(pair) != 0)
            abort();
        fflush(stdout);
        children[share] = fork();
        if (children[share] == 0) {
            struct total part = {0};
            run_share(o, share, &part);
            fflush(stdout);
            ssize_t written = write(pair[1], &part, sizeof part);
            _exit(written == sizeof part ? 0 : 1);
        }
        close(pair[1]);
        ends[share] = pair[0];
    }
    for (uint32_t share = 0; share < o->jobs; share++)
        collect(ends[share], children[share], total);
}

static void report(const struct options *o, const struct total *t)
{
    const struct sim_figures *f = &t->figures;
    printf("acknowledged writes %llu, reads %llu, given up %llu\n", (unsigned long long)f->acknowledged,
           (unsigned long long)f->reads, (unsigned long long)f->unknown);
    printf("elections %llu, transfers %llu, membership changes %llu (in %llu seeds), snapshots %llu\n",
           (unsigned long long)f->leader_changes, (unsigned long long)f->transfers,
           (unsigned long long)f->membership_changes, (unsigned long long)t->with_membership,
           (unsigned long long)f->snapshots);
    printf("crashes %llu (%llu dropped unsynced data), damaged disks %llu, quarantines %llu\n",
           (unsigned long long)f->crashes, (unsigned long long)f->dropping_crashes,
           (unsigned long long)f->damages, (unsigned long long)f->quarantines);
    printf("splits %llu (in %llu seeds), children borne %llu, parents retired %llu; waited for a parent: "
           "messages %llu, "
           "newcomers %llu\n",
           (unsigned long long)f->splits, (unsigned long long)t->with_splits, (unsigned long long)f->births,
           (unsigned long long)f->retired, (unsigned long long)f->put_off, (unsigned long long)f->held_back);
    printf("messages lost %llu, duplicated %llu; trace %016llx\n", (unsigned long long)f->lost,
           (unsigned long long)f->duplicated, (unsigned long long)t->hash);
    if (t->violations > 0) {
        printf("violation of '%s': %s\nfirst in seed %llu\n", t->checker, t->violation,
               (unsigned long long)t->first_violation);
        if (o->mutant == NULL)
            printf("reproduce: ./dev sim --seed %llu\n", (unsigned long long)t->first_violation);
    }
    printf("sim: %llu seeds (%llu count), %llu events, %llu acknowledged, %llu elections, %llu crashes, "
           "violations %llu\n",
           (unsigned long long)t->seeds, (unsigned long long)t->counting, (unsigned long long)f->events,
           (unsigned long long)(f->acknowledged + f->reads), (unsigned long long)f->leader_changes,
           (unsigned long long)f->crashes, (unsigned long long)t->violations);
}

static uint64_t number(const char *text)
{
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

static bool parse(int count, char **arguments, struct options *o)
{
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? arguments[i + 1] : NULL;
        if (strcmp(arguments[i], "--verbose") == 0) {
            o->is_verbose = true;
            continue;
        }
        if (value == NULL)
            return false;
        if (strcmp(arguments[i], "--seed") == 0)
            o->from = number(value), o->seeds = 1, o->is_single = true;
        else if (strcmp(arguments[i], "--seeds") == 0)
            o->seeds = number(value);
        else if (strcmp(arguments[i], "--from") == 0)
            o->from = number(value);
        else if (strcmp(arguments[i], "--jobs") == 0)
            o->jobs = (uint32_t)number(value);
        else if (strcmp(arguments[i], "--mutant") == 0)
            o->mutant = value;
        else
            return false;
        i++;
    }
    return o->seeds > 0 && o->jobs > 0 && o->jobs <= 64;
}

int main(int count, char **arguments)
{
    struct options o = {.from = 1, .seeds = 500, .jobs = 1};
    if (!parse(count, arguments, &o)) {
        fprintf(stderr,
                "usage: sim [--seed N | --seeds N] [--from N] [--jobs N] [--mutant NAME] [--verbose]\n");
        return 2;
    }
    struct total total = {0};
    if (o.is_single)
        run_seed(o.from, o.is_verbose, &total);
    else
        run_all(&o, &total);
    report(&o, &total);
    if (total.violations > 0)
        return 1;
    /* Too tame a campaign proves nothing: three quarters must count, a quarter change memberships, a quarter split. */
    bool is_tame = total.counting * 4 < total.seeds * 3 || total.with_membership * 4 < total.seeds ||
                   total.with_splits * 4 < total.seeds;
    return !o.is_single && o.mutant == NULL && is_tame ? 2 : 0;
}

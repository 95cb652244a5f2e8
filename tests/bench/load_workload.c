#include "tests/bench/load_workload.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"

static const double THETA = 0.99;

static const struct mix {
    const char *name;
    unsigned reads_percent;
    enum load_kind read, write;
    enum load_kind load;
} mixes[] = {
    [LOAD_MIX_PUT] = {"put", 0, LOAD_GET, LOAD_PUT, LOAD_PUT},
    [LOAD_MIX_A] = {"a", 50, LOAD_GET, LOAD_PUT, LOAD_PUT},
    [LOAD_MIX_B] = {"b", 95, LOAD_GET, LOAD_PUT, LOAD_PUT},
    [LOAD_MIX_C] = {"c", 100, LOAD_GET, LOAD_PUT, LOAD_PUT},
    [LOAD_MIX_BATCH_WRITE] = {"batch-write", 0, LOAD_GET, LOAD_BATCH_WRITE, LOAD_BATCH_WRITE},
    [LOAD_MIX_QUERY] = {"query", 100, LOAD_QUERY, LOAD_PUT, LOAD_BATCH_SORTED},
    [LOAD_MIX_SCAN] = {"scan", 100, LOAD_SCAN, LOAD_PUT, LOAD_BATCH_WRITE},
};

enum err load_mix_parse(const char *text, enum load_mix *ret_mix)
{
    for (unsigned i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        if (strcmp(text, mixes[i].name) != 0)
            continue;
        *ret_mix = (enum load_mix)i;
        return ERR_OK;
    }
    return ERR_CONFIG;
}

enum err load_distribution_parse(const char *text, enum load_distribution *ret_distribution)
{
    bool is_zipfian = strcmp(text, "zipfian") == 0;
    if (!is_zipfian && strcmp(text, "uniform") != 0)
        return ERR_CONFIG;
    *ret_distribution = is_zipfian ? LOAD_ZIPFIAN : LOAD_UNIFORM;
    return ERR_OK;
}

void load_workload_init(struct load_workload *w, enum load_mix mix, enum load_distribution distribution,
                        uint64_t keys, uint64_t seed)
{
    ASSERT(keys > 0);
    *w = (struct load_workload){.keys = keys, .mix = mix, .distribution = distribution};
    random_init(&w->random, seed);
    if (distribution == LOAD_UNIFORM)
        return;
    for (uint64_t i = 1; i <= keys; i++)
        w->zeta += 1 / pow((double)i, THETA);
    double zeta_2 = 1 + pow(0.5, THETA);
    w->alpha = 1 / (1 - THETA);
    w->eta = keys <= 2 ? 1 : (1 - pow(2.0 / (double)keys, 1 - THETA)) / (1 - zeta_2 / w->zeta);
}

/* Gray et al., "Quickly generating billion-record synthetic databases", 1994. */
static uint64_t zipfian_rank(struct load_workload *w)
{
    double u = (double)(random_u64(&w->random) >> 11) / (double)(UINT64_C(1) << 53);
    double uz = u * w->zeta;
    if (uz < 1)
        return 0;
    if (uz < 1 + pow(0.5, THETA))
        return w->keys > 1 ? 1 : 0;
    uint64_t rank = (uint64_t)((double)w->keys * pow(w->eta * u - w->eta + 1, w->alpha));
    return rank < w->keys ? rank : w->keys - 1;
}

/* splitmix64's finisher. */
static uint64_t scatter(uint64_t rank)
{
    rank = (rank ^ (rank >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    rank = (rank ^ (rank >> 27)) * UINT64_C(0x94d049bb133111eb);
    return rank ^ (rank >> 31);
}

struct load_operation load_workload_next(struct load_workload *w)
{
    const struct mix *mix = &mixes[w->mix];
    struct load_operation next = {.stride = w->keys / LOAD_BATCH_ITEMS};
    next.kind = random_below(&w->random, 100) < mix->reads_percent ? mix->read : mix->write;
    next.key = w->distribution == LOAD_UNIFORM ? random_below(&w->random, w->keys)
                                               : scatter(zipfian_rank(w) + 1) % w->keys;
    return next;
}

enum { BATCHES_PER_QUERY = LOAD_QUERY_ITEMS / LOAD_BATCH_ITEMS };

uint64_t load_workload_steps(const struct load_workload *w)
{
    switch ((int)mixes[w->mix].load) {
    case LOAD_BATCH_WRITE:
        return (w->keys + LOAD_BATCH_ITEMS - 1) / LOAD_BATCH_ITEMS;
    case LOAD_BATCH_SORTED:
        return w->keys * BATCHES_PER_QUERY;
    default:
        return w->keys;
    }
}

struct load_operation load_workload_step(const struct load_workload *w, uint64_t step)
{
    struct load_operation next = {.kind = mixes[w->mix].load, .key = step, .stride = 1};
    if (next.kind == LOAD_BATCH_WRITE)
        next.key = step * LOAD_BATCH_ITEMS;
    if (next.kind == LOAD_BATCH_SORTED) {
        next.key = step / BATCHES_PER_QUERY;
        next.sort = (uint32_t)(step % BATCHES_PER_QUERY) * LOAD_BATCH_ITEMS;
    }
    return next;
}

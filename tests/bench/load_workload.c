#include "tests/bench/load_workload.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"

static const double THETA = 0.99;

enum err load_mix_parse(const char *text, enum load_mix *ret_mix)
{
    static const char *const names[] = {
        [LOAD_MIX_PUT] = "put", [LOAD_MIX_A] = "a", [LOAD_MIX_B] = "b", [LOAD_MIX_C] = "c"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) != 0)
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
    static const unsigned reads_percent[] = {
        [LOAD_MIX_PUT] = 0, [LOAD_MIX_A] = 50, [LOAD_MIX_B] = 95, [LOAD_MIX_C] = 100};
    ASSERT(keys > 0);
    *w = (struct load_workload){
        .keys = keys, .distribution = distribution, .reads_percent = reads_percent[mix]};
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
    struct load_operation next;
    next.is_read = random_below(&w->random, 100) < w->reads_percent;
    next.key = w->distribution == LOAD_UNIFORM ? random_below(&w->random, w->keys)
                                               : scatter(zipfian_rank(w) + 1) % w->keys;
    return next;
}

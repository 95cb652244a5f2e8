#include "dataplane/node/heat.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "dataplane/item/key.h"

enum {
    CONSUMPTION_S = CONSUMPTION_US / (1000 * 1000),
    STRETCH_SAMPLES_MAX = 2 * HEAT_SAMPLES, /* a full bucket and debts come on top of the cap */
    SAMPLES_MAX = 2 * STRETCH_SAMPLES_MAX,
    SAMPLES_MIN = HEAT_SAMPLES / 2,
    STRETCH_BYTES_MAX = STRETCH_SAMPLES_MAX * HEAT_SAMPLE_BYTES_MAX,
};

struct sample {
    uint32_t offset; /* in the stretch's bytes */
    uint32_t length;
};

/* What was observed in ten seconds, in order. */
struct stretch {
    uint64_t number;
    size_t count;
    struct sample samples[STRETCH_SAMPLES_MAX];
    struct buffer bytes;
};

struct heat_samples {
    struct stretch stretches[2]; /* the last one and this one: by the parity of their numbers */
    struct random random;
    int64_t until_next_milli; /* to be consumed before the next sample */
    struct buffer wanted;     /* the key of SPLIT */
    enum heat_verdict verdict;
    uint64_t stands_until_us; /* the verdict, unless it is COOL */
    unsigned refusals;        /* one after the other */
};

/* ---- samples ---- */

static struct heat_samples *create(uint64_t now_us)
{
    struct heat_samples *s = memory_zalloc(sizeof *s);
    if (s == NULL)
        return NULL;
    random_init(&s->random, now_us);
    buffer_init(&s->stretches[0].bytes, STRETCH_BYTES_MAX);
    buffer_init(&s->stretches[1].bytes, STRETCH_BYTES_MAX);
    buffer_init(&s->wanted, HEAT_SAMPLE_BYTES_MAX);
    return s;
}

static void forget(struct heat *h)
{
    if (h->samples == NULL)
        return;
    buffer_deinit(&h->samples->stretches[0].bytes);
    buffer_deinit(&h->samples->stretches[1].bytes);
    buffer_deinit(&h->samples->wanted);
    memory_free(h->samples);
    h->samples = NULL;
}

static void clear(struct stretch *t, uint64_t number)
{
    t->number = number;
    t->count = 0;
    buffer_clear(&t->bytes);
}

static struct stretch *stretch_at(struct heat_samples *s, uint64_t now_us)
{
    uint64_t number = now_us / CONSUMPTION_US;
    struct stretch *t = &s->stretches[number % 2];
    if (t->number != number)
        clear(t, number);
    return t;
}

static void add(struct stretch *t, struct slice key)
{
    if (t->count == STRETCH_SAMPLES_MAX)
        return;
    size_t offset = t->bytes.length;
    buffer_append(&t->bytes, key);
    if (!buffer_has_failed(&t->bytes))
        t->samples[t->count++] = (struct sample){(uint32_t)offset, (uint32_t)key.length};
}

/* One sample for so much consumed, on average: what is consumed in regular turns must not meet a regular step. */
static int64_t next_gap(struct heat_samples *s, struct capacity cap)
{
    int64_t mean_milli = cap.milli * CONSUMPTION_S / HEAT_SAMPLES;
    return 1 + (int64_t)random_below(&s->random, 2 * (uint64_t)mean_milli + 1);
}

static void take_sample(struct heat_samples *s, struct slice key, struct capacity cost, struct capacity cap,
                        uint64_t now_us)
{
    s->until_next_milli -= cost.milli;
    if (s->until_next_milli > 0)
        return;
    struct stretch *t = stretch_at(s, now_us);
    if (key.length > HEAT_SAMPLE_BYTES_MAX)
        key.length = HEAT_SAMPLE_BYTES_MAX;
    for (unsigned i = 0; s->until_next_milli <= 0 && i < STRETCH_SAMPLES_MAX; i++) {
        add(t, key);
        s->until_next_milli += next_gap(s, cap);
    }
    if (s->until_next_milli <= 0) /* one request cost more than a stretch may hold */
        s->until_next_milli = 1;
}

/* ---- noting ---- */

void heat_watch(struct heat *h)
{
    h->is_watched = true;
}

void heat_unwatch(struct heat *h)
{
    h->is_watched = false;
    forget(h);
}

/* A second of the cap in ten. */
static bool is_warm(const struct heat *h, struct capacity cap, uint64_t now_us)
{
    return consumption_total(&h->consumed, now_us).milli > cap.milli;
}

void heat_note(struct heat *h, struct slice key, struct capacity cost, struct capacity cap, uint64_t now_us)
{
    consumption_add(&h->consumed, cost, now_us);
    if (!h->is_watched || cap.milli == 0)
        return;
    if (h->samples == NULL && is_warm(h, cap, now_us))
        h->samples = create(now_us);
    if (h->samples != NULL && key.length > 0)
        take_sample(h->samples, key, cost, cap, now_us);
}

struct capacity heat_per_s(const struct heat *h, uint64_t now_us)
{
    return consumption_per_s(&h->consumed, now_us);
}

/* ---- where ---- */

struct ranked {
    struct slice key;
    size_t order; /* of its arrival */
};

struct ranking {
    size_t count;
    struct ranked at[SAMPLES_MAX]; /* by key */
};

/* Samples [0, index) go to the left. */
struct boundary {
    size_t index;  /* 0: there is none */
    size_t larger; /* side */
};

static int compare_ranked(const void *a, const void *b)
{
    return slice_compare(((const struct ranked *)a)->key, ((const struct ranked *)b)->key);
}

static void rank_stretch(const struct stretch *t, struct ranking *ranking)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct sample *sample = &t->samples[i];
        ranking->at[ranking->count] = (struct ranked){
            .key = slice_make(t->bytes.data + sample->offset, sample->length),
            .order = ranking->count,
        };
        ranking->count++;
    }
}

/* An older stretch than the last one is over. */
static void rank(struct heat_samples *s, uint64_t now_us, struct ranking *ranking)
{
    const struct stretch *newer = stretch_at(s, now_us);
    const struct stretch *older = &s->stretches[(newer->number + 1) % 2];
    ranking->count = 0;
    if (older->number + 1 == newer->number)
        rank_stretch(older, ranking);
    rank_stretch(newer, ranking);
    qsort(ranking->at, ranking->count, sizeof ranking->at[0], compare_ranked);
}

static struct slice collection_of(struct slice key)
{
    return slice_make(key.data, key.length < KEY_PREFIX_BYTES ? key.length : KEY_PREFIX_BYTES);
}

/* Two items that have half each are observed with three fifths and two now and then. */
static bool is_one_item_most(const struct ranking *ranking)
{
    size_t run = 0, longest = 0;
    for (size_t i = 0; i < ranking->count; i++) {
        run = i > 0 && slice_equal(ranking->at[i].key, ranking->at[i - 1].key) ? run + 1 : 1;
        longest = run > longest ? run : longest;
    }
    return 3 * longest >= 2 * ranking->count;
}

/* The one closest to the middle. is_between: between partition keys, else between any two items. */
static struct boundary find_boundary(const struct ranking *ranking, bool is_between)
{
    struct boundary best = {.larger = ranking->count};
    for (size_t i = 1; i < ranking->count; i++) {
        struct slice left = ranking->at[i - 1].key, right = ranking->at[i].key;
        if (is_between) {
            left = collection_of(left);
            right = collection_of(right);
        }
        size_t larger = 2 * i > ranking->count ? i : ranking->count - i;
        if (larger < best.larger && !slice_equal(left, right))
            best = (struct boundary){.index = i, .larger = larger};
    }
    return best;
}

/* Up to two thirds on one side are well enough for partition keys to stay whole, beyond three quarters it is not worth it. */
static enum heat_verdict choose(const struct ranking *ranking, bool divides_collections, size_t *ret_index,
                                struct slice *ret_key)
{
    struct boundary between = find_boundary(ranking, true);
    struct boundary any = find_boundary(ranking, false);
    bool divides =
        divides_collections && 3 * between.larger > 2 * ranking->count && any.larger < between.larger;
    struct boundary best = divides ? any : between;
    if (best.index == 0 || 4 * best.larger > 3 * ranking->count)
        return HEAT_INDIVISIBLE;
    struct slice right = ranking->at[best.index].key;
    struct slice left = ranking->at[best.index - 1].key;
    *ret_index = best.index;
    *ret_key = slice_equal(collection_of(left), collection_of(right)) ? right : collection_of(right);
    return HEAT_SPLIT;
}

/* Of those that came first, and of those that came last, a sixth at least must be on either side; of keys that follow one another
 * none is. */
static bool is_moving(const struct ranking *ranking, size_t index)
{
    size_t half = ranking->count / 2, left_first = 0;
    for (size_t i = 0; i < index; i++)
        left_first += ranking->at[i].order < half;
    size_t left_last = index - left_first, last = ranking->count - half;
    return 6 * left_first < half || 6 * (half - left_first) < half || 6 * left_last < last ||
           6 * (last - left_last) < last;
}

/* ---- whether ---- */

static enum heat_verdict judge(struct heat_samples *s, bool divides_collections, uint64_t now_us)
{
    struct ranking ranking;
    rank(s, now_us, &ranking);
    if (ranking.count < SAMPLES_MIN)
        return HEAT_COOL; /* not known yet */
    if (is_one_item_most(&ranking))
        return HEAT_INDIVISIBLE;
    size_t index;
    struct slice key;
    enum heat_verdict verdict = choose(&ranking, divides_collections, &index, &key);
    if (verdict == HEAT_SPLIT && is_moving(&ranking, index))
        return HEAT_MOVING;
    buffer_clear(&s->wanted);
    if (verdict == HEAT_SPLIT)
        buffer_append(&s->wanted, key);
    return buffer_has_failed(&s->wanted) ? HEAT_COOL : verdict;
}

static uint64_t pause_us(struct heat_samples *s)
{
    unsigned doublings = s->refusals < HEAT_PAUSE_DOUBLINGS_MAX ? s->refusals : HEAT_PAUSE_DOUBLINGS_MAX;
    s->refusals++;
    return (uint64_t)HEAT_PAUSE_US_FIRST << doublings;
}

static void judge_again(struct heat_samples *s, bool divides_collections, uint64_t now_us)
{
    s->verdict = judge(s, divides_collections, now_us);
    if (s->verdict == HEAT_SPLIT) {
        s->refusals = 0;
        s->stands_until_us = now_us + HEAT_WANTED_US;
    } else if (s->verdict != HEAT_COOL) {
        s->stands_until_us = now_us + pause_us(s);
    }
}

enum heat_verdict heat_decide(struct heat *h, struct capacity cap, bool divides_collections, uint64_t now_us,
                              struct slice *ret_key)
{
    struct heat_samples *s = h->samples;
    if (s == NULL)
        return HEAT_COOL;
    int64_t total_milli = consumption_total(&h->consumed, now_us).milli;
    if (cap.milli == 0 || total_milli < cap.milli / 2) {
        forget(h);
        return HEAT_COOL;
    }
    bool is_wanted = s->verdict == HEAT_SPLIT && now_us < s->stands_until_us;
    if (total_milli < cap.milli * CONSUMPTION_S / 100 * (is_wanted ? HEAT_STAYS_PER_CENT : HEAT_PER_CENT))
        return HEAT_COOL;
    if (s->verdict == HEAT_COOL || now_us >= s->stands_until_us)
        judge_again(s, divides_collections, now_us);
    if (s->verdict == HEAT_SPLIT)
        *ret_key = buffer_view(&s->wanted);
    return s->verdict;
}

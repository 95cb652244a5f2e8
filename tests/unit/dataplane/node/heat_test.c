/* Loads of one partition, second by second, and what is decided about them. */
#include "dataplane/node/heat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "dataplane/item/key.h"

enum {
    US_PER_S = 1000 * 1000,
    CAP_UNITS = 1000,
    KEY_BYTES = KEY_PREFIX_BYTES + 16,
    SEEDS = 100,
    START_S = 1003
};

static const struct capacity cap = {CAP_UNITS * 1000};

struct load {
    struct heat heat;
    struct random random;
    uint64_t now_us;
    uint64_t number; /* of requests so far */
    /* The request's place among partition keys, and its sort key. */
    void (*next)(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort);
    uint64_t left; /* requests whose key is below `split` */
    uint64_t right;
    uint8_t split[KEY_BYTES_MAX]; /* the last that was wanted */
    size_t split_length;
};

static void put_u64(uint8_t *to, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        to[i] = (uint8_t)value;
}

static struct slice make_key(uint8_t to[KEY_BYTES], uint64_t hash, uint64_t sort)
{
    put_u64(to, 7);
    put_u64(to + 8, hash);
    put_u64(to + 16, hash); /* the partition key itself */
    put_u64(to + 24, sort);
    return slice_make(to, KEY_BYTES);
}

static void begin(struct load *load, uint64_t seed,
                  void (*next)(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort))
{
    *load = (struct load){.next = next, .now_us = START_S * (uint64_t)US_PER_S};
    random_init(&load->random, seed);
    heat_watch(&load->heat);
}

static void note_side(struct load *load, struct slice key)
{
    if (load->split_length == 0)
        return;
    bool is_left = slice_compare(key, slice_make(load->split, load->split_length)) < 0;
    load->left += is_left;
    load->right += !is_left;
}

static enum heat_verdict decide(struct load *load, bool divides)
{
    struct slice key = SLICE_EMPTY;
    enum heat_verdict verdict = heat_decide(&load->heat, cap, divides, load->now_us, &key);
    if (verdict == HEAT_SPLIT) {
        memcpy(load->split, key.data, key.length);
        load->split_length = key.length;
    }
    return verdict;
}

/* So many units per second; each second what was decided. Ends with the first verdict that is not COOL. */
static enum heat_verdict run(struct load *load, uint64_t per_s, uint64_t seconds, bool divides)
{
    for (uint64_t s = 0; s < seconds; s++) {
        for (uint64_t i = 0; i < per_s; i++) {
            uint64_t hash, sort;
            uint8_t bytes[KEY_BYTES];
            load->next(load, &hash, &sort);
            load->number++;
            struct slice key = make_key(bytes, hash, sort);
            note_side(load, key);
            heat_note(&load->heat, key, (struct capacity){1000}, cap, load->now_us + i * US_PER_S / per_s);
        }
        load->now_us += US_PER_S;
        enum heat_verdict verdict = decide(load, divides);
        if (verdict != HEAT_COOL)
            return verdict;
    }
    return HEAT_COOL;
}

/* ---- loads ---- */

static uint64_t spread(uint64_t key)
{
    return key * 0x9E3779B97F4A7C15ull;
}

static void uniform(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort)
{
    *ret_hash = spread(1 + random_below(&load->random, 1000));
    *ret_sort = 0;
}

/* In turn: what is sampled regularly would always be the same key. */
static void in_turn(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort)
{
    *ret_hash = spread(1 + load->number % 78);
    *ret_sort = 0;
}

/* The first of a hundred has a fifth, the next ones half, a third, a quarter of that. */
static void zipf(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort)
{
    uint64_t sum = 0, at = random_below(&load->random, 518737);
    uint64_t key = 1;
    for (; key < 100 && (sum += 100000 / key) <= at; key++)
        ;
    *ret_hash = spread(key);
    *ret_sort = 0;
}

static void single(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort)
{
    *ret_hash = 5;
    *ret_sort = 5;
}

static void mostly_single(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort)
{
    uniform(load, ret_hash, ret_sort);
    if (random_below(&load->random, 10) < 8)
        *ret_hash = spread(400);
}

static void two(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort)
{
    *ret_hash = random_below(&load->random, 2) == 0 ? 17 : 18;
    *ret_sort = 3;
}

static void one_collection(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort)
{
    *ret_hash = 99;
    *ret_sort = random_below(&load->random, 1000);
}

/* One partition key has 85 %, its sort keys are many. */
static void heavy_collection(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort)
{
    uniform(load, ret_hash, ret_sort);
    if (random_below(&load->random, 100) >= 85)
        return;
    *ret_hash = 0; /* the first of all */
    *ret_sort = random_below(&load->random, 1000);
}

static void ascending(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort)
{
    *ret_hash = 99;
    *ret_sort = load->number;
}

static void descending(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort)
{
    *ret_hash = 99;
    *ret_sort = UINT64_MAX - load->number;
}

/* Clocks of ten devices. */
static void ten_ascending(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort)
{
    *ret_hash = spread(1 + load->number % 10);
    *ret_sort = load->number;
}

/* ---- what is decided ---- */

/* The share of the smaller side, in per cent, of a load that goes on. */
static uint64_t smaller_side(struct load *load)
{
    load->left = load->right = 0;
    run(load, CAP_UNITS, 1, true);
    uint64_t smaller = load->left < load->right ? load->left : load->right;
    return 100 * smaller / (load->left + load->right);
}

static void expect_split(void (*next)(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort),
                         bool divides, size_t key_bytes, uint64_t smaller_min)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct load load;
        begin(&load, seed, next);
        assert_int_equal(run(&load, CAP_UNITS, 12, divides), HEAT_SPLIT);
        assert_true(load.now_us >= (START_S + 7ull) * US_PER_S); /* not before it has been hot for a while */
        assert_int_equal(load.split_length, key_bytes);
        assert_true(smaller_side(&load) >= smaller_min);
        heat_unwatch(&load.heat);
    }
}

static void expect_none(void (*next)(struct load *load, uint64_t *ret_hash, uint64_t *ret_sort), bool divides,
                        enum heat_verdict verdict)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct load load;
        begin(&load, seed, next);
        for (int pauses = 0; pauses < 20; pauses++)
            assert_int_equal(run(&load, CAP_UNITS, 12, divides), verdict);
        heat_unwatch(&load.heat);
    }
}

static void a_uniform_load_is_halved_between_partition_keys(void **state)
{
    expect_split(uniform, true, KEY_PREFIX_BYTES, 32);
    expect_split(uniform, false, KEY_PREFIX_BYTES, 32);
}

static void keys_in_turn_are_halved(void **state)
{
    expect_split(in_turn, true, KEY_PREFIX_BYTES, 32);
}

static void a_skewed_load_is_halved_as_well_as_it_can_be(void **state)
{
    expect_split(zipf, true, KEY_PREFIX_BYTES, 25);
}

static void two_hot_keys_come_apart(void **state)
{
    expect_split(two, false, KEY_PREFIX_BYTES, 40);
}

static void one_hot_key_is_not_split(void **state)
{
    expect_none(single, true, HEAT_INDIVISIBLE);
    expect_none(mostly_single, true, HEAT_INDIVISIBLE);
}

static void one_partition_key_is_split_by_its_sort_keys_only_where_that_is_allowed(void **state)
{
    expect_split(one_collection, true, KEY_BYTES, 32);
    expect_none(one_collection, false, HEAT_INDIVISIBLE);
    expect_split(heavy_collection, true, KEY_BYTES, 32);
    expect_none(heavy_collection, false, HEAT_INDIVISIBLE);
}

static void keys_that_follow_one_another_are_not_split(void **state)
{
    expect_none(ascending, true, HEAT_MOVING);
    expect_none(descending, true, HEAT_MOVING);
}

static void several_sequences_are_split_between_them(void **state)
{
    expect_split(ten_ascending, true, KEY_PREFIX_BYTES, 30);
}

static void less_than_four_fifths_is_not_hot(void **state)
{
    struct load load;
    begin(&load, 1, uniform);
    assert_int_equal(run(&load, CAP_UNITS * 78 / 100, 60, true), HEAT_COOL);
    assert_int_equal(run(&load, CAP_UNITS * 83 / 100, 22, true), HEAT_SPLIT);
    heat_unwatch(&load.heat);
}

static void eight_to_twelve_seconds_at_the_cap_are_needed(void **state)
{
    for (uint64_t phase_ms = 0; phase_ms < 10000; phase_ms += 125) {
        struct load load;
        begin(&load, 1, uniform);
        load.now_us += 1000 * phase_ms;
        assert_int_equal(run(&load, CAP_UNITS, 7, true), HEAT_COOL);
        assert_int_equal(run(&load, CAP_UNITS, 5, true), HEAT_SPLIT);
        heat_unwatch(&load.heat);
    }
}

static void what_is_wanted_stays_for_a_minute(void **state)
{
    struct load load;
    begin(&load, 1, uniform);
    assert_int_equal(run(&load, CAP_UNITS, 12, true), HEAT_SPLIT);
    uint8_t first[KEY_PREFIX_BYTES];
    memcpy(first, load.split, sizeof first);
    for (int s = 1; s < 60; s++) {
        assert_int_equal(run(&load, CAP_UNITS, 1, true), HEAT_SPLIT);
        assert_memory_equal(load.split, first, sizeof first);
    }
    assert_int_equal(run(&load, CAP_UNITS, 1, true), HEAT_SPLIT);
    assert_memory_not_equal(load.split, first, sizeof first);
    heat_unwatch(&load.heat);
}

/* Who is throttled pauses, and the partition gives less: that is no reason to change one's mind. */
static void what_is_wanted_stays_while_half_of_the_cap_is_consumed(void **state)
{
    struct load load;
    begin(&load, 1, uniform);
    assert_int_equal(run(&load, CAP_UNITS, 12, true), HEAT_SPLIT);
    for (int s = 1; s < 60; s++)
        assert_int_equal(run(&load, CAP_UNITS * 55 / 100, 1, true), HEAT_SPLIT);
    assert_int_equal(run(&load, CAP_UNITS * 55 / 100, 1, true), HEAT_COOL);
    heat_unwatch(&load.heat);

    begin(&load, 1, uniform);
    assert_int_equal(run(&load, CAP_UNITS, 12, true), HEAT_SPLIT);
    while (load.now_us < (START_S + 40ull) * US_PER_S)
        (void)run(&load, CAP_UNITS * 45 / 100, 1, true);
    assert_int_equal(run(&load, CAP_UNITS * 45 / 100, 1, true), HEAT_COOL);
    heat_unwatch(&load.heat);
}

/* A refusal stands for 10 s, 20 s, 40 s..., and then what the load has become counts. */
static void a_refusal_is_asked_about_again_after_a_pause_that_doubles(void **state)
{
    struct load load;
    begin(&load, 1, single);
    while (run(&load, CAP_UNITS, 1, true) == HEAT_COOL)
        ;
    load.next = uniform;
    int seconds = 0;
    for (; run(&load, CAP_UNITS, 1, true) == HEAT_INDIVISIBLE; seconds++)
        ;
    /* After 10 s single and uniform halves are observed: perhaps not yet. Then 20 s more. */
    assert_true(seconds == 9 || seconds == 29);
    heat_unwatch(&load.heat);
}

static void a_partition_that_has_cooled_down_is_forgotten(void **state)
{
    struct load load;
    begin(&load, 1, single);
    assert_int_equal(run(&load, CAP_UNITS, 12, true), HEAT_INDIVISIBLE);
    assert_non_null(load.heat.samples);
    load.now_us += 20ull * US_PER_S;
    assert_int_equal(decide(&load, true), HEAT_COOL);
    assert_null(load.heat.samples);
    load.next = uniform; /* and no pause is left of the refusal */
    assert_int_equal(run(&load, CAP_UNITS, 12, true), HEAT_SPLIT);
    heat_unwatch(&load.heat);
}

static void a_cool_partition_keeps_no_samples(void **state)
{
    struct load load;
    begin(&load, 1, uniform);
    assert_int_equal(run(&load, CAP_UNITS / 12, 60, true), HEAT_COOL);
    assert_null(load.heat.samples);
    assert_int_equal(heat_per_s(&load.heat, load.now_us).milli / 1000, CAP_UNITS / 12);
}

static void who_does_not_lead_keeps_no_samples(void **state)
{
    struct load load;
    begin(&load, 1, uniform);
    assert_int_equal(run(&load, CAP_UNITS, 5, true), HEAT_COOL);
    assert_non_null(load.heat.samples);
    heat_unwatch(&load.heat);
    assert_int_equal(run(&load, CAP_UNITS, 30, true), HEAT_COOL);
    assert_null(load.heat.samples);
    assert_int_equal(heat_per_s(&load.heat, load.now_us).milli / 1000, CAP_UNITS);
}

static void without_a_cap_nothing_is_hot(void **state)
{
    struct heat h = {.samples = NULL};
    struct slice key;
    heat_watch(&h);
    for (uint64_t now_us = 0; now_us < 30ull * US_PER_S; now_us += 100)
        heat_note(&h, SLICE_LITERAL("key"), (struct capacity){1000}, (struct capacity){0}, now_us);
    assert_int_equal(heat_decide(&h, (struct capacity){0}, true, 30ull * US_PER_S, &key), HEAT_COOL);
    assert_null(h.samples);
}

/* Ranges that found nothing have no key; long keys are cut; requests cost more than a stretch holds; keys are shorter than any. */
static void odd_requests_do_no_harm(void **state)
{
    struct random random;
    random_init(&random, 1);
    struct heat h = {.samples = NULL};
    heat_watch(&h);
    uint8_t bytes[KEY_BYTES_MAX];
    for (uint64_t i = 0; i < 200000; i++) {
        uint64_t now_us = i * 300;
        for (size_t k = 0; k < KEY_BYTES_MAX; k += 64)
            bytes[k] = (uint8_t)random_below(&random, 256);
        struct slice key =
            slice_make(bytes, random_below(&random, 3) == 0 ? random_below(&random, KEY_BYTES_MAX)
                                                            : random_below(&random, 20));
        struct capacity cost = {random_one_in(&random, 1000) ? 400ll * 1000 * 1000 * 1000 : 1000};
        heat_note(&h, key, cost, cap, now_us);
        struct slice wanted;
        if (i % 1000 == 0 && heat_decide(&h, cap, true, now_us, &wanted) == HEAT_SPLIT)
            assert_in_range(wanted.length, 1, HEAT_SAMPLE_BYTES_MAX);
    }
    heat_unwatch(&h);
}

static void a_range_without_a_key_is_counted_and_not_sampled(void **state)
{
    struct heat h = {.samples = NULL};
    struct slice key;
    heat_watch(&h);
    for (uint64_t i = 0; i < 12000; i++)
        heat_note(&h, SLICE_EMPTY, (struct capacity){1000}, cap, i * 1000);
    assert_int_equal(heat_per_s(&h, 12ull * US_PER_S).milli / 1000, CAP_UNITS);
    assert_int_equal(heat_decide(&h, cap, true, 12ull * US_PER_S, &key), HEAT_COOL);
    heat_unwatch(&h);
}

static void without_memory_nothing_is_wanted(void **state)
{
    for (int64_t failing = 0; failing < 40; failing++) {
        struct load load;
        begin(&load, 1, uniform);
        memory_fail_after(failing);
        enum heat_verdict verdict = run(&load, CAP_UNITS, 12, true);
        memory_fail_after(-1);
        assert_true(verdict == HEAT_COOL || verdict == HEAT_SPLIT);
        heat_unwatch(&load.heat);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uniform_load_is_halved_between_partition_keys),
        cmocka_unit_test(keys_in_turn_are_halved),
        cmocka_unit_test(a_skewed_load_is_halved_as_well_as_it_can_be),
        cmocka_unit_test(two_hot_keys_come_apart),
        cmocka_unit_test(one_hot_key_is_not_split),
        cmocka_unit_test(one_partition_key_is_split_by_its_sort_keys_only_where_that_is_allowed),
        cmocka_unit_test(keys_that_follow_one_another_are_not_split),
        cmocka_unit_test(several_sequences_are_split_between_them),
        cmocka_unit_test(less_than_four_fifths_is_not_hot),
        cmocka_unit_test(eight_to_twelve_seconds_at_the_cap_are_needed),
        cmocka_unit_test(what_is_wanted_stays_for_a_minute),
        cmocka_unit_test(what_is_wanted_stays_while_half_of_the_cap_is_consumed),
        cmocka_unit_test(a_refusal_is_asked_about_again_after_a_pause_that_doubles),
        cmocka_unit_test(a_partition_that_has_cooled_down_is_forgotten),
        cmocka_unit_test(a_cool_partition_keeps_no_samples),
        cmocka_unit_test(who_does_not_lead_keeps_no_samples),
        cmocka_unit_test(without_a_cap_nothing_is_hot),
        cmocka_unit_test(odd_requests_do_no_harm),
        cmocka_unit_test(a_range_without_a_key_is_counted_and_not_sampled),
        cmocka_unit_test(without_memory_nothing_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Nanoseconds that a partition's cap costs a request: let in and charged, of a cool partition and of a hot one whose keys
 * are sampled; refused; and what a read needs for its charge: the units of its item. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "dataplane/item/item_builder.h"
#include "dataplane/item/size.h"
#include "dataplane/node/cap.h"

enum {
    KEYS = 1024,
    KEY_BYTES = 48,
    SMALL_FIELDS = 5,
    LARGE_FIELDS = 20,
    FIELD_BYTES = 170,
    NS_PER_US = 1000
};

static uint8_t keys[KEYS][KEY_BYTES];
static volatile uint64_t sink;

static void print(const char *what, uint64_t began_us, long rounds)
{
    double ns = (double)(clock_boot_us() - began_us) * NS_PER_US / (double)rounds;
    printf("{\"what\": \"%s\", \"ns\": %.1f}\n", what, ns);
}

/* step_us  between two requests of a unit: what the cap allows, or so much more that nothing is ever hot */
static void measure(const char *what, long rounds, int64_t cap_milli, uint64_t step_us)
{
    struct cap c;
    uint64_t admitted = 0, began_us = clock_boot_us();
    cap_init(&c, (struct capacity){cap_milli}, 0);
    heat_watch(&c.heat);
    for (long i = 0; i < rounds; i++) {
        uint64_t now_us = (uint64_t)i * step_us;
        if (!cap_admits(&c, now_us))
            continue;
        cap_charge(&c, slice_make(keys[(i * 7919) % KEYS], KEY_BYTES), (struct capacity){1000}, now_us);
        admitted++;
    }
    sink = admitted;
    print(what, began_us, rounds);
    cap_deinit(&c);
}

static void make_item(struct item_builder *b, char fields)
{
    static const char text[FIELD_BYTES];
    item_builder_begin(b, VALUE_M);
    for (char field = 'a'; field < 'a' + fields; field++) {
        item_builder_name(b, slice_make(&field, 1));
        item_builder_scalar(b, VALUE_S, slice_make(text, sizeof text));
    }
    item_builder_end(b);
}

static bool measure_read(const char *what, long rounds, char fields)
{
    struct item_builder b;
    item_builder_init(&b, ITEM_BYTES_MAX);
    make_item(&b, fields);
    uint64_t began_us = clock_boot_us(), milli = 0;
    for (long i = 0; i < rounds; i++)
        milli += (uint64_t)capacity_read_item(item_builder_view(&b), READ_STRONG).milli;
    sink = milli;
    print(what, began_us, rounds);
    item_builder_deinit(&b);
    return milli == 1000 * (uint64_t)rounds;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 10000000;
    if (rounds <= 0)
        return 2;
    for (size_t i = 0; i < KEYS; i++)
        for (size_t k = 0; k < KEY_BYTES; k++)
            keys[i][k] = (uint8_t)(i >> (8 * (k % 2)));
    measure("admitted, cool", rounds, 1000 * 1000, 20 * 1000);
    measure("admitted, at the cap, sampled", rounds, 1000 * 1000, 1000);
    measure("mostly refused", rounds, 1000 * 1000, 10);
    measure("without a cap", rounds, 0, 1000);
    bool is_right = measure_read("units of an item of 855 bytes", rounds, SMALL_FIELDS) &&
                    measure_read("units of an item of 3,420 bytes", rounds, LARGE_FIELDS);
    return is_right ? 0 : 1;
}

#include "dataplane/node/hottest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

struct fixture {
    struct metrics *metrics;
    struct hottest hottest;
    struct buffer text;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.metrics = metrics_create()};
    assert_non_null(fixture.metrics);
    hottest_init(&fixture.hottest, fixture.metrics);
    buffer_init(&fixture.text, 1 << 20);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    metrics_destroy(f->metrics);
    buffer_deinit(&f->text);
    return 0;
}

static void offer(struct fixture *f, uint64_t group_id, int64_t read_milli, int64_t write_milli)
{
    const struct hottest_partition partition = {group_id, {read_milli}, {write_milli}};
    hottest_offer(&f->hottest, &partition);
}

static bool is_shown(struct fixture *f, const char *line)
{
    buffer_clear(&f->text);
    metrics_write(f->metrics, &f->text);
    buffer_append_u8(&f->text, 0);
    return strstr((const char *)f->text.data, line) != NULL;
}

static unsigned count_shown(struct fixture *f)
{
    unsigned count = 0;
    (void)is_shown(f, "");
    for (const char *at = (const char *)f->text.data; (at = strstr(at, "group=\"")) != NULL; at++)
        count++;
    return count / 2; /* reads and writes */
}

static void partitions_are_shown_under_their_groups(void **state)
{
    struct fixture *f = *state;
    hottest_begin(&f->hottest);
    offer(f, 17, 2500, 0);
    offer(f, 18, 0, 1000);
    offer(f, 19, 0, 0);
    hottest_end(&f->hottest);
    assert_true(is_shown(f, "sluice_partition_reads_per_s_milli{group=\"17\"} 2500\n"));
    assert_true(is_shown(f, "sluice_partition_writes_per_s_milli{group=\"18\"} 1000\n"));
    assert_int_equal(count_shown(f), 2);
}

static void only_the_hottest_are_shown(void **state)
{
    struct fixture *f = *state;
    hottest_begin(&f->hottest);
    for (uint64_t group = 1; group <= 1000; group++)
        offer(f, group, (int64_t)(group * 7919 % 1000 + 1), 0);
    hottest_end(&f->hottest);
    assert_int_equal(count_shown(f), HOTTEST_COUNT);
    for (int64_t milli = 1000; milli > 1000 - HOTTEST_COUNT; milli--) {
        char value[32];
        snprintf(value, sizeof value, "} %lld\n", (long long)milli);
        assert_true(is_shown(f, value));
    }
}

static void a_write_unit_weighs_as_three_read_units(void **state)
{
    struct fixture *f = *state;
    hottest_begin(&f->hottest);
    for (uint64_t group = 1; group <= HOTTEST_COUNT; group++)
        offer(f, group, 2900, 0);
    offer(f, 100, 0, 1000);
    hottest_end(&f->hottest);
    assert_true(is_shown(f, "group=\"100\""));
}

static void who_cools_down_makes_room(void **state)
{
    struct fixture *f = *state;
    for (uint64_t round = 0; round < 50; round++) {
        hottest_begin(&f->hottest);
        for (uint64_t group = round; group < round + HOTTEST_COUNT; group++)
            offer(f, group + 1, (int64_t)(1000 + round), 0);
        hottest_end(&f->hottest);
        assert_int_equal(count_shown(f), HOTTEST_COUNT);
        char label[32];
        snprintf(label, sizeof label, "{group=\"%llu\"} %llu\n", (unsigned long long)round + 1,
                 (unsigned long long)(1000 + round));
        assert_true(is_shown(f, label));
        snprintf(label, sizeof label, "{group=\"%llu\"}", (unsigned long long)round);
        assert_false(is_shown(f, label));
    }
    hottest_begin(&f->hottest);
    hottest_end(&f->hottest);
    assert_int_equal(count_shown(f), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(partitions_are_shown_under_their_groups),
        TEST(only_the_hottest_are_shown),
        TEST(a_write_unit_weighs_as_three_read_units),
        TEST(who_cools_down_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

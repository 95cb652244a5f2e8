#include "base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/loop.h"
#include "base/memory.h"
#include "base/wire.h"

#define EXAMPLE_METRICS                           \
    METRIC(requests, counter, count, "Requests.") \
    METRIC(open, gauge, count, "Open now.")       \
    METRIC(pause_max, gauge, us, "The longest.")  \
    METRIC(latency, histogram, us, "How long.")

struct example {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
    EXAMPLE_METRICS
#undef METRIC
};

static const struct metric_row rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct example, name, kind, unit, sentence)
    EXAMPLE_METRICS
#undef METRIC
};
static const struct metric_table table = METRIC_TABLE("example", rows);

static char *text_of(struct metrics *m, struct buffer *b)
{
    buffer_init(b, 1024 * 1024);
    metrics_write(m, b);
    buffer_append_u8(b, 0);
    assert_false(buffer_has_failed(b));
    return (char *)b->data;
}

static void sets_with_the_same_labels_are_summed(void **state)
{
    struct metrics *m = metrics_create();
    static struct example sets[3];
    for (int i = 0; i < 3; i++) {
        metric_add(&sets[i].requests, 10);
        metric_set(&sets[i].open, 2);
        metric_set_max(&sets[i].pause_max, 100 * (uint64_t)(i + 1));
        metric_record(&sets[i].latency, 50);
        assert_int_equal(metrics_add(m, &table, i < 2 ? NULL : "zone=\"b\"", &sets[i]), ERR_OK);
    }
    metric_set_max(&sets[0].pause_max, 1);
    struct buffer b;
    const char *text = text_of(m, &b);
    assert_non_null(strstr(text, "# HELP sluice_example_requests_count_total Requests.\n"));
    assert_non_null(strstr(text, "# TYPE sluice_example_requests_count_total counter\n"));
    assert_non_null(strstr(text, "\nsluice_example_requests_count_total 20\n"));
    assert_non_null(strstr(text, "\nsluice_example_requests_count_total{zone=\"b\"} 10\n"));
    assert_non_null(strstr(text, "\nsluice_example_open_count 4\n"));
    assert_non_null(strstr(text, "\nsluice_example_pause_max_us 200\n"));
    assert_non_null(strstr(text, "\nsluice_example_latency_us{quantile=\"0.99\"} 50\n"));
    assert_non_null(strstr(text, "\nsluice_example_latency_us{zone=\"b\",quantile=\"0.99\"} 50\n"));
    assert_non_null(strstr(text, "\nsluice_example_latency_us_sum 100\n"));
    assert_non_null(strstr(text, "\nsluice_example_latency_us_count 2\n"));
    buffer_deinit(&b);
    metrics_remove(m, &sets[2]);
    text = text_of(m, &b);
    assert_null(strstr(text, "zone"));
    buffer_deinit(&b);
    metrics_destroy(m);
}

static void each_metric_of_base_has_a_sentence(void **state)
{
    const struct metric_table *const tables[] = {&wire_metric_table, &loop_metric_table};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < tables[t]->count; i++) {
            const struct metric_row *row = &tables[t]->rows[i];
            size_t length = strlen(row->sentence);
            assert_true(length > 10 && row->sentence[length - 1] == '.');
            for (size_t k = 0; k < i; k++)
                assert_string_not_equal(row->name, tables[t]->rows[k].name);
        }
    }
}

static void the_registry_is_bounded(void **state)
{
    struct metrics *m = metrics_create();
    static struct example set;
    for (int i = 0; i < METRICS_SETS_MAX; i++)
        assert_int_equal(metrics_add(m, &table, NULL, &set), ERR_OK);
    assert_int_equal(metrics_add(m, &table, NULL, &set), ERR_LIMIT);
    metrics_remove(m, &set);
    char labels[METRICS_LABELS_BYTES + 1];
    memset(labels, 'x', sizeof labels);
    labels[METRICS_LABELS_BYTES] = '\0';
    assert_int_equal(metrics_add(m, &table, labels, &set), ERR_LIMIT);
    metrics_destroy(m);
    memory_fail_after(0);
    assert_null(metrics_create());
    memory_fail_after(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_with_the_same_labels_are_summed),
        cmocka_unit_test(each_metric_of_base_has_a_sentence),
        cmocka_unit_test(the_registry_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

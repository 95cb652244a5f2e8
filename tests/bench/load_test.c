/* Unit tests of the load generator's pure parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/bench/load_request.h"
#include "tests/bench/load_response.h"
#include "tests/bench/load_stats.h"

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 11\r\n\r\nhello world";

static void an_answer_is_whole_with_its_last_byte(void **state)
{
    struct load_response r;
    load_response_init(&r);
    for (size_t i = 0; i + 1 < sizeof ANSWER - 1; i++) {
        buffer_append_u8(&r.bytes, (uint8_t)ANSWER[i]);
        assert_int_equal(load_response_parse(&r), LOAD_RESPONSE_PARTIAL);
    }
    buffer_append_u8(&r.bytes, 'd');
    assert_int_equal(load_response_parse(&r), LOAD_RESPONSE_WHOLE);
    assert_int_equal(r.status, 200);
    assert_true(slice_equal_string(r.body, "hello world"));
    assert_false(r.is_last);
    load_response_deinit(&r);
}

static void an_exceptions_short_name_is_found(void **state)
{
    struct load_response r;
    load_response_init(&r);
    buffer_append_string(&r.bytes,
                         "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 44\r\n\r\n"
                         "{\"__type\":\"com.amazonaws#LimitExceeded\"}    ");
    assert_int_equal(load_response_parse(&r), LOAD_RESPONSE_WHOLE);
    assert_true(r.is_last);
    assert_true(slice_equal_string(load_response_exception(&r), "LimitExceeded"));
    load_response_deinit(&r);
}

static void what_is_not_an_answer_is_malformed(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 OK\r\ncontent-length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxy",
        "SSH-2.0\r\n\r\n",
        "\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct load_response r;
        load_response_init(&r);
        buffer_append_string(&r.bytes, texts[i]);
        assert_int_equal(load_response_parse(&r), LOAD_RESPONSE_MALFORMED);
        load_response_deinit(&r);
    }
}

static unsigned reads_of_1000(enum load_mix mix)
{
    struct load_workload w;
    unsigned reads = 0;
    load_workload_init(&w, mix, LOAD_UNIFORM, 10, 7);
    for (unsigned i = 0; i < 1000; i++)
        reads += load_kind_is_read(load_workload_next(&w).kind);
    return reads;
}

static void mixes_have_their_share_of_reads(void **state)
{
    assert_int_equal(reads_of_1000(LOAD_MIX_PUT), 0);
    assert_in_range(reads_of_1000(LOAD_MIX_A), 440, 560);
    assert_in_range(reads_of_1000(LOAD_MIX_B), 920, 980);
    assert_int_equal(reads_of_1000(LOAD_MIX_C), 1000);
}

static int compare_counts(const void *a, const void *b)
{
    const unsigned *x = a, *y = b;
    return *x < *y ? 1 : *x > *y ? -1 : 0;
}

/* With theta 0.99 over 1,000 keys, 1 / zeta = 13 % of the draws go to the first and 1 / (2^0.99 zeta) = 6.5 %
 * to the second. */
static void zipfian_keys_are_as_hot_as_promised(void **state)
{
    static unsigned counts[1000];
    struct load_workload w;
    load_workload_init(&w, LOAD_MIX_C, LOAD_ZIPFIAN, 1000, 7);
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t key = load_workload_next(&w).key;
        assert_true(key < 1000);
        counts[key]++;
    }
    qsort(counts, 1000, sizeof counts[0], compare_counts);
    assert_in_range(counts[0], 12000, 15000);
    assert_in_range(counts[1], 5800, 8500);
}

static void one_key_serves_any_distribution(void **state)
{
    struct load_workload w;
    load_workload_init(&w, LOAD_MIX_C, LOAD_ZIPFIAN, 1, 7);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(load_workload_next(&w).key, 0);
}

static void latency_counts_from_the_intended_start(void **state)
{
    static struct load_stats s;
    load_stats_init(&s, 1000, 100000, 50000);
    const struct load_answer early = {.intended_us = 500, .sent_us = 500, .now_us = 1500, .wall_us = 1500};
    const struct load_answer late = {
        .intended_us = 2000, .sent_us = 61000, .now_us = 62000, .wall_us = 1000062000};
    load_stats_answer(&s, &early);
    assert_int_equal(load_stats_ops(&s), 0);
    load_stats_answer(&s, &late);
    assert_int_equal(load_stats_ops(&s), 1);
    assert_int_equal(s.write_us.max, 60000);
    assert_int_equal(s.late_us.max, 59000);
    assert_int_equal(s.pause_us_max, 60500);
    assert_int_equal(s.slow_seconds, 1);
    assert_int_equal(s.slow[0].wall_s, 1000);
}

static void silence_at_the_end_is_a_pause(void **state)
{
    static struct load_stats s;
    load_stats_init(&s, 0, 1000000, 50000);
    load_stats_finish(&s, 1000000, 5000000);
    assert_int_equal(s.pause_us_max, 1000000);
    assert_int_equal(s.pause_wall_us, 4000000);
}

static void errors_are_counted_by_name_and_without_bound(void **state)
{
    static struct load_stats s;
    load_stats_init(&s, 0, 1, 1);
    load_stats_error(&s, SLICE_LITERAL("\"Odd\\Name\""), 2);
    load_stats_error(&s, SLICE_LITERAL("OddName"), 1);
    assert_string_equal(s.errors[0].name, "OddName");
    assert_int_equal(s.errors[0].count, 3);
    for (unsigned i = 0; i < 100; i++) {
        char name[8];
        snprintf(name, sizeof name, "e%u", i);
        load_stats_error(&s, slice_from_string(name), 1);
    }
    assert_int_equal(s.error_kinds, LOAD_ERROR_KINDS_MAX);
    assert_string_equal(s.errors[LOAD_ERROR_KINDS_MAX - 1].name, "others");
    assert_int_equal(s.error_count, 103);
}

static void a_key_of_a_scans_answer_is_found(void **state)
{
    struct load_response r;
    load_response_init(&r);
    buffer_append_string(&r.bytes, "HTTP/1.1 200 OK\r\nContent-Length: 57\r\n\r\n"
                                   "{\"Items\":[],\"Count\":0,\"LastEvaluatedKey\":{\"k\":{\"S\":\"x\"}}}");
    assert_int_equal(load_response_parse(&r), LOAD_RESPONSE_WHOLE);
    assert_true(slice_equal_string(load_response_object(&r, "LastEvaluatedKey"), "{\"k\":{\"S\":\"x\"}}"));
    assert_int_equal(load_response_object(&r, "UnprocessedItems").length, 0);
    load_response_deinit(&r);
}

static void loading_batches_write_each_key_once(void **state)
{
    struct load_workload w;
    static unsigned written[40];
    load_workload_init(&w, LOAD_MIX_BATCH_WRITE, LOAD_UNIFORM, 40, 7);
    assert_int_equal(load_workload_steps(&w), 2);
    for (uint64_t step = 0; step < 2; step++) {
        struct load_operation o = load_workload_step(&w, step);
        for (unsigned i = 0; i < LOAD_BATCH_ITEMS; i++)
            written[(o.key + i * o.stride) % 40]++;
    }
    for (unsigned i = 0; i < 40; i++)
        assert_in_range(written[i], 1, 2); /* the last batch is filled up from the beginning */
}

static void a_batch_has_no_key_twice(void **state)
{
    struct load_workload w;
    load_workload_init(&w, LOAD_MIX_BATCH_WRITE, LOAD_UNIFORM, 40, 7);
    for (unsigned round = 0; round < 100; round++) {
        unsigned written[40] = {0};
        struct load_operation o = load_workload_next(&w);
        for (unsigned i = 0; i < LOAD_BATCH_ITEMS; i++)
            assert_int_equal(written[(o.key + i * o.stride) % 40]++, 0);
    }
}

static void loading_for_queries_fills_each_partition(void **state)
{
    struct load_workload w;
    static unsigned written[3][LOAD_QUERY_ITEMS];
    load_workload_init(&w, LOAD_MIX_QUERY, LOAD_UNIFORM, 3, 7);
    for (uint64_t step = 0; step < load_workload_steps(&w); step++) {
        struct load_operation o = load_workload_step(&w, step);
        for (unsigned i = 0; i < LOAD_BATCH_ITEMS; i++)
            written[o.key][o.sort + i]++;
    }
    for (unsigned i = 0; i < 3 * LOAD_QUERY_ITEMS; i++)
        assert_int_equal(written[i / LOAD_QUERY_ITEMS][i % LOAD_QUERY_ITEMS], 1);
}

struct written_request {
    struct load_requests requests;
    struct buffer out;
};

static const char *write_request(struct written_request *w, const struct load_operation *operation,
                                 const char *cursor)
{
    static const struct load_options options = {.host = "127.0.0.1",
                                                .port = 8000,
                                                .region = "us-east-1",
                                                .table = "t",
                                                .keys = 1000,
                                                .item_bytes = 900};
    const struct load_identity identity = {.access_key_id = "AKIA", .secret = "secret"};
    buffer_init(&w->out, LOAD_REQUEST_BYTES_MAX);
    assert_int_equal(load_requests_init(&w->requests, &options, &identity), ERR_OK);
    assert_int_equal(load_request_write(&w->requests, operation, slice_from_string(cursor),
                                        UINT64_C(1767225600000000), &w->out),
                     ERR_OK);
    buffer_append_u8(&w->out, 0);
    return (const char *)w->out.data;
}

static void release_request(struct written_request *w)
{
    load_requests_deinit(&w->requests);
    buffer_deinit(&w->out);
}

static void a_put_has_the_size_that_was_asked_for(void **state)
{
    struct written_request w;
    const struct load_operation put = {.kind = LOAD_PUT, .key = 42};
    const char *text = write_request(&w, &put, "");
    assert_non_null(strstr(text, "X-Amz-Date: 20260101T000000Z\r\n"));
    assert_non_null(strstr(text, "\"k\":{\"S\":\"user000000000042\"}"));
    assert_in_range(w.requests.body.length, 900, 1020);
    release_request(&w);
}

static void a_batch_has_25_items_of_the_size_that_was_asked_for(void **state)
{
    struct written_request w;
    const struct load_operation batch = {.kind = LOAD_BATCH_SORTED, .key = 42, .sort = 75};
    const char *text = write_request(&w, &batch, "");
    assert_non_null(strstr(text, "X-Amz-Target: DynamoDB_20120810.BatchWriteItem\r\n"));
    assert_non_null(strstr(text, "\"s\":{\"N\":\"99\"}"));
    assert_null(strstr(text, "\"s\":{\"N\":\"100\"}"));
    assert_in_range(w.requests.body.length, 25 * 900, 25 * 1020);
    release_request(&w);
}

static void a_scan_goes_on_behind_its_cursor(void **state)
{
    struct written_request w;
    const struct load_operation scan = {.kind = LOAD_SCAN};
    assert_null(strstr(write_request(&w, &scan, ""), "ExclusiveStartKey"));
    release_request(&w);
    assert_non_null(strstr(write_request(&w, &scan, "{1}"), ",\"ExclusiveStartKey\":{1},"));
    release_request(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_whole_with_its_last_byte),
        cmocka_unit_test(an_exceptions_short_name_is_found),
        cmocka_unit_test(what_is_not_an_answer_is_malformed),
        cmocka_unit_test(mixes_have_their_share_of_reads),
        cmocka_unit_test(zipfian_keys_are_as_hot_as_promised),
        cmocka_unit_test(one_key_serves_any_distribution),
        cmocka_unit_test(latency_counts_from_the_intended_start),
        cmocka_unit_test(silence_at_the_end_is_a_pause),
        cmocka_unit_test(errors_are_counted_by_name_and_without_bound),
        cmocka_unit_test(a_key_of_a_scans_answer_is_found),
        cmocka_unit_test(loading_batches_write_each_key_once),
        cmocka_unit_test(a_batch_has_no_key_twice),
        cmocka_unit_test(loading_for_queries_fills_each_partition),
        cmocka_unit_test(a_put_has_the_size_that_was_asked_for),
        cmocka_unit_test(a_batch_has_25_items_of_the_size_that_was_asked_for),
        cmocka_unit_test(a_scan_goes_on_behind_its_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

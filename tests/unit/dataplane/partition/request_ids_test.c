#include "dataplane/partition/request_ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

enum { ANSWER_BYTES = 1024 * 1024, ANSWERS_KEPT = REQUEST_ID_ANSWER_BYTES_MAX / ANSWER_BYTES };

static uint8_t answer_bytes[ANSWER_BYTES];

static struct request_id_record record(uint8_t number)
{
    struct request_id_record r = {.index = number, .id_clock_us = number, .write_units_milli = 1000};
    memset(r.request_id, number, sizeof r.request_id);
    return r;
}

static void add(struct request_ids *ids, uint8_t number, bool has_answer)
{
    struct request_id_record r = record(number);
    r.has_answer = has_answer;
    r.answer = slice_make(answer_bytes, has_answer ? sizeof answer_bytes : 0);
    assert_int_equal(request_ids_add(ids, &r), ERR_OK);
}

static const struct request_id_record *find(const struct request_ids *ids, uint8_t number)
{
    return request_ids_find(ids, record(number).request_id);
}

static void an_id_keeps_its_first_record(void **state)
{
    struct request_ids *ids = request_ids_create();
    add(ids, 1, true);
    struct request_id_record again = record(1);
    again.index = 99;
    assert_int_equal(request_ids_add(ids, &again), ERR_OK);
    assert_int_equal(find(ids, 1)->index, 1);
    assert_true(find(ids, 1)->has_answer);
    assert_int_equal(request_ids_count(ids), 1);
    request_ids_destroy(ids);
}

static void beyond_their_limit_the_oldest_answers_are_forgotten_and_the_ids_are_not(void **state)
{
    struct request_ids *ids = request_ids_create();
    add(ids, 1, false);
    for (uint8_t i = 2; i < ANSWERS_KEPT + 4; i++)
        add(ids, i, true);
    assert_int_equal(request_ids_count(ids), ANSWERS_KEPT + 3);
    assert_false(find(ids, 1)->is_answer_forgotten);
    assert_true(find(ids, 2)->is_answer_forgotten && find(ids, 3)->is_answer_forgotten);
    assert_false(find(ids, 2)->has_answer);
    assert_int_equal(find(ids, 2)->answer.length, 0);
    assert_true(find(ids, 4)->has_answer);
    assert_int_equal(find(ids, 4)->answer.length, ANSWER_BYTES);
    request_ids_destroy(ids);
}

/* Replicas that went through a checkpoint and those that did not must agree. */
static void a_checkpoint_does_not_change_what_is_forgotten_next(void **state)
{
    struct request_ids *ids = request_ids_create(), *again = request_ids_create();
    struct buffer bytes;
    buffer_init(&bytes, 64 * 1024 * 1024);
    for (uint8_t i = 1; i < ANSWERS_KEPT + 3; i++)
        add(ids, i, true);
    request_ids_encode(ids, &bytes);
    assert_int_equal(request_ids_decode(again, buffer_view(&bytes)), ERR_OK);
    for (uint8_t i = ANSWERS_KEPT + 3; i < ANSWERS_KEPT + 6; i++) {
        add(ids, i, i % 2 == 0);
        add(again, i, i % 2 == 0);
    }
    for (uint8_t i = 1; i < ANSWERS_KEPT + 6; i++) {
        assert_int_equal(find(ids, i)->has_answer, find(again, i)->has_answer);
        assert_int_equal(find(ids, i)->is_answer_forgotten, find(again, i)->is_answer_forgotten);
    }
    buffer_deinit(&bytes);
    request_ids_destroy(ids);
    request_ids_destroy(again);
}

static void forgetting_by_time_after_forgetting_answers_is_well(void **state)
{
    struct request_ids *ids = request_ids_create();
    for (uint8_t i = 1; i < ANSWERS_KEPT + 3; i++)
        add(ids, i, true);
    struct request_id_record late = record(200);
    late.id_clock_us = REQUEST_ID_LIFE_US + 10;
    assert_int_equal(request_ids_add(ids, &late), ERR_OK);
    assert_null(find(ids, 9));
    assert_non_null(find(ids, 10));
    for (uint8_t i = 201; i < 240; i++) {
        struct request_id_record r = record(i);
        r.id_clock_us = 3ull * REQUEST_ID_LIFE_US;
        r.has_answer = true;
        r.answer = slice_make(answer_bytes, sizeof answer_bytes);
        assert_int_equal(request_ids_add(ids, &r), ERR_OK);
    }
    assert_int_equal(request_ids_count(ids), 39);
    assert_true(find(ids, 201)->is_answer_forgotten);
    assert_true(find(ids, 239)->has_answer);
    request_ids_destroy(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_keeps_its_first_record),
        cmocka_unit_test(beyond_their_limit_the_oldest_answers_are_forgotten_and_the_ids_are_not),
        cmocka_unit_test(a_checkpoint_does_not_change_what_is_forgotten_next),
        cmocka_unit_test(forgetting_by_time_after_forgetting_answers_is_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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

static void many_are_found_until_they_are_forgotten(void **state)
{
    enum { MANY = 100 * 1000, PER_US = 300 }; /* 30 s hold 100,000 of them */
    struct request_ids *ids = request_ids_create();
    struct request_id_record r = {0};
    for (uint64_t i = 1; i <= 3 * MANY; i++) {
        r.index = i;
        r.id_clock_us = i * PER_US;
        uint64_t bits = i * 0x9e3779b97f4a7c15u;
        memcpy(r.request_id, &bits, sizeof bits);
        assert_int_equal(request_ids_add(ids, &r), ERR_OK);
        uint64_t old = i > MANY ? i - MANY : 1;
        bits = old * 0x9e3779b97f4a7c15u;
        memcpy(r.request_id, &bits, sizeof bits);
        assert_int_equal(request_ids_find(ids, r.request_id)->index, old);
        bits = (old - 1) * 0x9e3779b97f4a7c15u;
        memcpy(r.request_id, &bits, sizeof bits);
        assert_null(request_ids_find(ids, r.request_id));
    }
    assert_int_equal(request_ids_count(ids), MANY + 1);
    /* A pause, and then a few: all that is old is gone at once. */
    r.index++;
    r.id_clock_us += 2 * REQUEST_ID_LIFE_US;
    assert_int_equal(request_ids_add(ids, &r), ERR_OK);
    assert_int_equal(request_ids_count(ids), 1);
    request_ids_destroy(ids);
}

/* ---- chunks ---- */

enum { CHUNKS = 8 };

struct saved {
    uint64_t names[CHUNKS];
    struct buffer bytes[CHUNKS];
    size_t count;
};

static void save(struct request_ids *ids, size_t max, struct saved *saved)
{
    struct buffer *to = &saved->bytes[saved->count];
    buffer_init(to, 64 << 20);
    assert_int_equal(request_ids_save(ids, max, to, &saved->names[saved->count]), ERR_OK);
    saved->count++;
}

static struct request_ids *load(const struct saved *saved)
{
    struct request_ids *ids = request_ids_create();
    for (size_t i = 0; i < saved->count; i++)
        assert_int_equal(request_ids_load(ids, saved->names[i], buffer_view(&saved->bytes[i])), ERR_OK);
    return ids;
}

static void saved_deinit(struct saved *saved)
{
    for (size_t i = 0; i < saved->count; i++)
        buffer_deinit(&saved->bytes[i]);
}

static void assert_equal(const struct request_ids *a, const struct request_ids *b)
{
    struct buffer as, bs;
    buffer_init(&as, 64 << 20);
    buffer_init(&bs, 64 << 20);
    request_ids_encode(a, &as);
    request_ids_encode(b, &bs);
    assert_true(slice_equal(buffer_view(&as), buffer_view(&bs)));
    buffer_deinit(&as);
    buffer_deinit(&bs);
}

static void chunks_bring_back_what_was_saved(void **state)
{
    struct request_ids *ids = request_ids_create();
    struct saved saved = {0};
    for (uint8_t i = 1; i <= 20; i++)
        add(ids, i, i % 7 == 0);
    assert_int_equal(request_ids_unsaved_count(ids), 20);
    save(ids, 8, &saved);
    save(ids, 8, &saved);
    assert_int_equal(saved.names[0], 8);
    assert_int_equal(saved.names[1], 16);
    assert_int_equal(request_ids_unsaved_count(ids), 4);
    save(ids, 8, &saved);
    assert_int_equal(saved.names[2], 20);
    assert_int_equal(request_ids_unsaved_count(ids), 0);

    struct request_ids *again = load(&saved);
    assert_equal(ids, again);
    assert_int_equal(request_ids_unsaved_count(again), 0);
    /* A replay of entries that are in a chunk, then news. */
    add(again, 19, false);
    assert_int_equal(request_ids_count(again), 20);
    add(again, 21, false);
    assert_int_equal(request_ids_unsaved_count(again), 1);
    for (size_t cut = 0; cut < saved.bytes[0].length; cut++) {
        struct request_ids *broken = request_ids_create();
        assert_int_equal(request_ids_load(broken, 8, slice_make(saved.bytes[0].data, cut)), ERR_CORRUPT);
        request_ids_destroy(broken);
    }
    saved_deinit(&saved);
    request_ids_destroy(again);
    request_ids_destroy(ids);
}

static void a_chunk_goes_when_all_in_it_is_forgotten(void **state)
{
    struct request_ids *ids = request_ids_create();
    struct saved saved = {0};
    uint64_t name;
    for (uint8_t i = 1; i <= 20; i++)
        add(ids, i, false);
    save(ids, 10, &saved);
    save(ids, 10, &saved);
    assert_false(request_ids_next_expired(ids, &name));
    struct request_id_record late = record(30);
    late.id_clock_us = REQUEST_ID_LIFE_US + 10; /* 10 is just not older than that */
    assert_int_equal(request_ids_add(ids, &late), ERR_OK);
    assert_false(request_ids_next_expired(ids, &name));
    late = record(31);
    late.id_clock_us = REQUEST_ID_LIFE_US + 11;
    assert_int_equal(request_ids_add(ids, &late), ERR_OK);
    assert_true(request_ids_next_expired(ids, &name));
    assert_int_equal(name, 10);
    assert_false(request_ids_next_expired(ids, &name));

    /* Loaded while the first is still there: it expires again, and its replay changes nothing. */
    struct request_ids *again = load(&saved);
    assert_int_equal(request_ids_add(again, &late), ERR_OK);
    assert_int_equal(request_ids_count(again), 11);
    late.index++;
    memset(late.request_id, 32, sizeof late.request_id);
    assert_int_equal(request_ids_add(again, &late), ERR_OK); /* what is forgotten goes a few at a time */
    assert_true(request_ids_next_expired(again, &name));
    assert_int_equal(name, 10);
    add(again, 5, false);
    assert_null(find(again, 5));
    saved_deinit(&saved);
    request_ids_destroy(again);
    request_ids_destroy(ids);
}

static void what_is_forgotten_before_it_is_saved_is_saved_nowhere(void **state)
{
    struct request_ids *ids = request_ids_create();
    struct saved saved = {0};
    add(ids, 1, true);
    add(ids, 2, false);
    struct request_id_record late = record(3);
    late.id_clock_us = REQUEST_ID_LIFE_US + 100;
    assert_int_equal(request_ids_add(ids, &late), ERR_OK);
    assert_int_equal(request_ids_unsaved_count(ids), 1);
    save(ids, 8, &saved);
    assert_int_equal(saved.names[0], 3);
    struct request_ids *again = load(&saved);
    assert_equal(ids, again);
    saved_deinit(&saved);
    request_ids_destroy(again);
    request_ids_destroy(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_keeps_its_first_record),
        cmocka_unit_test(beyond_their_limit_the_oldest_answers_are_forgotten_and_the_ids_are_not),
        cmocka_unit_test(a_checkpoint_does_not_change_what_is_forgotten_next),
        cmocka_unit_test(forgetting_by_time_after_forgetting_answers_is_well),
        cmocka_unit_test(many_are_found_until_they_are_forgotten),
        cmocka_unit_test(chunks_bring_back_what_was_saved),
        cmocka_unit_test(a_chunk_goes_when_all_in_it_is_forgotten),
        cmocka_unit_test(what_is_forgotten_before_it_is_saved_is_saved_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The segment codec: what is read back, what is torn, what is damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "dataplane/log/segment.h"

enum { LOG_BYTES = 64 * 1024, GENERATION = 7 };

/* A segment written as the log writes it: batches of records. */
struct image {
    uint8_t *bytes;
    uint32_t end;
    uint32_t batch_start; /* of the batch being written */
    uint32_t record_count;
};

static void image_init(struct image *image)
{
    *image = (struct image){.bytes = calloc(1, LOG_BYTES)};
    uint8_t body[32];
    segment_start_encode(body, &(struct segment_start){.segment_bytes = LOG_BYTES});
    struct segment_record start = {.type = SEGMENT_START, .body = slice_make(body, sizeof body)};
    image->end += (uint32_t)segment_record_encode(image->bytes, GENERATION, 0, 0, &start);
    image->record_count = 1;
}

static uint32_t image_add(struct image *image, uint64_t group_id, uint64_t index, size_t body_bytes)
{
    static uint8_t body[LOG_BYTES];
    memset(body, (int)index, sizeof body);
    struct segment_record record = {.type = SEGMENT_ENTRY,
                                    .group_id = group_id,
                                    .replica_id = 3,
                                    .index = index,
                                    .term = 2,
                                    .body = slice_make(body, body_bytes)};
    uint32_t at = image->end;
    image->end +=
        (uint32_t)segment_record_encode(image->bytes + at, GENERATION, at, image->batch_start, &record);
    image->record_count++;
    return at;
}

static void image_sync(struct image *image)
{
    image->batch_start = image->end;
}

struct outcome {
    uint32_t records;
    uint32_t damages;
    bool is_torn;
    uint32_t end;
    struct segment_damage damage; /* the first */
};

static struct outcome scan_all(const uint8_t *bytes, size_t length, uint64_t generation, uint32_t synced)
{
    struct outcome outcome = {0};
    struct segment_scan scan;
    struct segment_record record;
    segment_scan_init(&scan, slice_make(bytes, length), generation, synced);
    for (;;) {
        enum segment_step step = segment_scan_next(&scan, &record);
        if (step == SEGMENT_STEP_END)
            break;
        if (step == SEGMENT_STEP_RECORD)
            outcome.records++;
        else if (outcome.damages++ == 0)
            outcome.damage = scan.damage;
    }
    outcome.is_torn = scan.is_torn;
    outcome.end = scan.offset;
    return outcome;
}

static void fill(struct image *image, uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    image_init(image);
    image_sync(image);
    for (uint64_t index = 1;; index++) {
        size_t body_bytes = random_below(&random, 700);
        if (image->end + segment_record_bytes(body_bytes) + SEGMENT_SYNCED_BYTES > LOG_BYTES)
            break;
        image_add(image, 1 + index % 3, index, body_bytes);
        if (random_one_in(&random, 4))
            image_sync(image);
    }
    image_sync(image);
}

static void a_record_is_read_back_as_it_was_written(void **state)
{
    struct image image;
    struct segment_record record;
    image_init(&image);
    uint32_t at = image_add(&image, 9, 77, 13);
    assert_int_equal(
        segment_record_decode(slice_make(image.bytes + at, LOG_BYTES - at), GENERATION, at, &record), ERR_OK);
    assert_int_equal(record.type, SEGMENT_ENTRY);
    assert_int_equal(record.group_id, 9);
    assert_int_equal(record.replica_id, 3);
    assert_int_equal(record.index, 77);
    assert_int_equal(record.term, 2);
    assert_int_equal(record.body.length, 13);
    assert_int_equal(record.body.data[12], 77);
    assert_int_equal(image.end % SEGMENT_RECORD_ALIGNMENT, 0);
    free(image.bytes);
}

static void a_record_of_another_generation_or_place_is_none(void **state)
{
    struct image image;
    struct segment_record record;
    image_init(&image);
    uint32_t at = image_add(&image, 9, 77, 13);
    struct slice all = slice_make(image.bytes + at, LOG_BYTES - at);
    assert_int_equal(segment_record_decode(all, GENERATION + 1, at, &record), ERR_CORRUPT);
    memmove(image.bytes + at + 8, image.bytes + at, 200);
    assert_int_equal(segment_record_decode(slice_from(all, 8), GENERATION, at + 8, &record), ERR_CORRUPT);
    assert_int_equal(segment_record_decode(slice_make(image.bytes + at, 63), GENERATION, at, &record),
                     ERR_CORRUPT);
    free(image.bytes);
}

static void start_body_survives_and_a_short_one_is_refused(void **state)
{
    struct segment_start start = {1, 2, 3, 4, true}, got;
    uint8_t body[32];
    segment_start_encode(body, &start);
    assert_int_equal(segment_start_decode(slice_make(body, 32), &got), ERR_OK);
    assert_int_equal(got.previous_generation, 1);
    assert_int_equal(got.oldest_generation, 2);
    assert_int_equal(got.previous_synced_offset, 3);
    assert_int_equal(got.segment_bytes, 4);
    assert_true(got.is_recovery);
    assert_int_equal(segment_start_decode(slice_make(body, 31), &got), ERR_CORRUPT);
}

static void a_whole_segment_has_no_damage_and_no_torn_tail(void **state)
{
    struct image image;
    fill(&image, 1);
    struct outcome outcome = scan_all(image.bytes, LOG_BYTES, GENERATION, 0);
    assert_int_equal(outcome.records, image.record_count);
    assert_int_equal(outcome.damages, 0);
    assert_false(outcome.is_torn);
    assert_int_equal(outcome.end, image.end);
    free(image.bytes);
}

static void what_an_earlier_generation_left_behind_is_not_read(void **state)
{
    struct image image;
    image_init(&image);
    struct segment_record record = {.type = SEGMENT_ENTRY, .group_id = 1, .index = 1};
    for (uint32_t at = image.end; at + 64 < LOG_BYTES;
         at += (uint32_t)segment_record_encode(image.bytes + at, GENERATION - 1, at, 0, &record))
        ;
    struct outcome outcome = scan_all(image.bytes, LOG_BYTES, GENERATION, 0);
    assert_int_equal(outcome.records, 1);
    assert_int_equal(outcome.damages, 0);
    assert_false(outcome.is_torn);
    free(image.bytes);
}

static void a_torn_batch_is_no_damage_even_if_its_later_part_is_on_disk(void **state)
{
    struct image image;
    image_init(&image);
    image_sync(&image);
    image_add(&image, 1, 1, 100);
    image_sync(&image);
    uint32_t lost = image_add(&image, 1, 2, 100);
    image_add(&image, 1, 3, 100);
    memset(image.bytes + lost, 0, 64);
    struct outcome outcome = scan_all(image.bytes, LOG_BYTES, GENERATION, 0);
    assert_int_equal(outcome.records, 2);
    assert_int_equal(outcome.damages, 0);
    assert_true(outcome.is_torn);
    assert_int_equal(outcome.end, lost);
    free(image.bytes);
}

static void a_bad_record_below_a_later_batch_is_damage_of_its_group(void **state)
{
    struct image image;
    image_init(&image);
    uint32_t bad = image_add(&image, 5, 1, 100);
    uint32_t next = image_add(&image, 6, 1, 100);
    image_sync(&image);
    image_add(&image, 6, 2, 100);
    image.bytes[bad + SEGMENT_RECORD_HEADER_BYTES + 50] ^= 1;
    struct outcome outcome = scan_all(image.bytes, LOG_BYTES, GENERATION, 0);
    assert_int_equal(outcome.damages, 1);
    assert_int_equal(outcome.records, 3);
    assert_true(outcome.damage.is_group_known);
    assert_int_equal(outcome.damage.group_id, 5);
    assert_int_equal(outcome.damage.begin, bad);
    assert_int_equal(outcome.damage.end, next);
    image.bytes[bad + 33] ^= 1; /* now the header as well */
    outcome = scan_all(image.bytes, LOG_BYTES, GENERATION, 0);
    assert_int_equal(outcome.damages, 1);
    assert_false(outcome.damage.is_group_known);
    assert_int_equal(outcome.damage.end, next);
    free(image.bytes);
}

static void below_the_offset_that_the_next_segment_names_nothing_may_be_missing(void **state)
{
    struct image image;
    image_init(&image);
    uint32_t last = image_add(&image, 5, 1, 100);
    memset(image.bytes + last, 0, 200);
    assert_int_equal(scan_all(image.bytes, LOG_BYTES, GENERATION, 0).damages, 0);
    assert_int_equal(scan_all(image.bytes, LOG_BYTES, GENERATION, image.end).damages, 1);
    /* Also where the file itself is too short. */
    assert_int_equal(scan_all(image.bytes, last, GENERATION, image.end).damages, 1);
    free(image.bytes);
}

/* Behind damage, the records of the last, torn batch count only as an unbroken sequence. */
static void damage_does_not_let_a_torn_batch_in(void **state)
{
    struct image image;
    image_init(&image);
    uint32_t bad = image_add(&image, 5, 1, 100);
    image_sync(&image);
    uint32_t torn = image_add(&image, 5, 2, 100);
    image_add(&image, 5, 3, 100);
    memset(image.bytes + bad, 0, SEGMENT_RECORD_HEADER_BYTES);
    memset(image.bytes + torn, 0, SEGMENT_RECORD_HEADER_BYTES);
    struct outcome outcome = scan_all(image.bytes, LOG_BYTES, GENERATION, 0);
    assert_int_equal(outcome.damages, 1);
    assert_int_equal(outcome.records, 1);
    assert_int_equal(outcome.end, torn);
    assert_true(outcome.is_torn);
    free(image.bytes);
}

/* The promise of docs/formats/wal.md: whatever is flipped below the last sync mark is found as damage; in
 * the mark itself, which holds nothing, it reads as a torn tail. */
static void every_flipped_byte_of_a_64_kib_log_is_found(void **state)
{
    struct image image;
    fill(&image, 3);
    uint32_t mark_at = image.end;
    struct segment_record mark = {.type = SEGMENT_SYNCED, .index = 1};
    image.end += (uint32_t)segment_record_encode(image.bytes + mark_at, GENERATION, mark_at, mark_at, &mark);
    image.record_count++;
    uint32_t found_damage = 0, found_torn = 0;
    for (uint32_t at = 0; at < image.end; at++) {
        uint8_t was = image.bytes[at];
        image.bytes[at] ^= (uint8_t)(1u << at % 8);
        struct outcome outcome = scan_all(image.bytes, LOG_BYTES, GENERATION, 0);
        assert_true(outcome.records == image.record_count - 1);
        if (at < mark_at) {
            assert_int_equal(outcome.damages, 1);
            assert_true(outcome.damage.begin <= at && at < outcome.damage.end);
            found_damage++;
        } else {
            assert_int_equal(outcome.damages, 0);
            assert_int_equal(outcome.end, mark_at);
            found_torn++;
        }
        image.bytes[at] = was;
    }
    print_message("flipped %u bytes: %u found as damage, %u (the last mark's own) as a torn tail, 0 missed\n",
                  image.end, found_damage, found_torn);
    free(image.bytes);
}

static void random_bytes_are_no_records(void **state)
{
    struct random random;
    random_init(&random, 4);
    uint8_t *bytes = malloc(LOG_BYTES);
    for (size_t at = 0; at < LOG_BYTES; at++)
        bytes[at] = (uint8_t)random_u64(&random);
    struct outcome outcome = scan_all(bytes, LOG_BYTES, GENERATION, 0);
    assert_int_equal(outcome.records + outcome.damages, 0);
    assert_false(outcome.is_torn);
    assert_int_equal(scan_all(bytes, 0, GENERATION, 0).end, 0);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_read_back_as_it_was_written),
        cmocka_unit_test(a_record_of_another_generation_or_place_is_none),
        cmocka_unit_test(start_body_survives_and_a_short_one_is_refused),
        cmocka_unit_test(a_whole_segment_has_no_damage_and_no_torn_tail),
        cmocka_unit_test(what_an_earlier_generation_left_behind_is_not_read),
        cmocka_unit_test(a_torn_batch_is_no_damage_even_if_its_later_part_is_on_disk),
        cmocka_unit_test(a_bad_record_below_a_later_batch_is_damage_of_its_group),
        cmocka_unit_test(below_the_offset_that_the_next_segment_names_nothing_may_be_missing),
        cmocka_unit_test(damage_does_not_let_a_torn_batch_in),
        cmocka_unit_test(every_flipped_byte_of_a_64_kib_log_is_found),
        cmocka_unit_test(random_bytes_are_no_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "dataplane/partition/partition.h"

#include "base/memory.h"
#include "dataplane/expression/program_builder.h"
#include "dataplane/item/envelope.h"
#include "dataplane/item/size.h"
#include "tests/unit/dataplane/expression/document_text.h"

enum { SECOND = 1000 * 1000 };

struct fixture {
    struct arena arena;
    struct partition *p;
    struct buffer entry;
    uint64_t index; /* of the last entry */
    struct partition_times now;
    bool exists; /* the one row, as a store would hold it */
    struct buffer stored;
};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.now = {.wall_us = 1000 * SECOND, .boot_us = 10 * SECOND}};
    arena_init(&f.arena, 4096, 1 << 24);
    buffer_init(&f.entry, 1 << 24);
    buffer_init(&f.stored, 1 << 24);
    f.p = partition_create(0);
    assert_non_null(f.p);
    partition_lead(f.p, f.now.boot_us);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    partition_destroy(f->p);
    buffer_deinit(&f->entry);
    buffer_deinit(&f->stored);
    arena_deinit(&f->arena);
    return 0;
}

static struct write_request put(struct fixture *f, uint8_t id, const char *item)
{
    return (struct write_request){
        .request_id = {id},
        .kind = WRITE_PUT,
        .key = SLICE_LITERAL("key"),
        .item = document_read(item, false, &f->arena),
    };
}

/* attribute_not_exists(name), or attribute_exists(name). */
static struct slice existence(struct fixture *f, enum condition_op op, const char *name)
{
    struct program_builder b;
    struct buffer bytes;
    buffer_init(&bytes, 1 << 16);
    program_builder_init(&b, PROGRAM_CONDITION);
    program_builder_path_name(&b, program_builder_name(&b, slice_from_string(name)));
    uint16_t path = program_builder_path_end(&b);
    buffer_append_u8(&b.code, (uint8_t)op);
    buffer_append_u16(&b.code, path);
    assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
    struct slice program = arena_copy(&f->arena, buffer_view(&bytes));
    buffer_deinit(&bytes);
    program_builder_deinit(&b);
    return program;
}

static enum write_verdict evaluate(struct fixture *f, const struct write_request *request,
                                   struct write_answer *ret_answer)
{
    const struct partition_row row = {f->exists, buffer_view(&f->stored)};
    enum write_verdict verdict;
    buffer_clear(&f->entry);
    assert_int_equal(
        partition_evaluate(f->p, request, &row, f->now, &f->arena, &f->entry, &verdict, ret_answer), ERR_OK);
    return verdict;
}

/* Evaluate and propose; the payload lives in the arena. */
static struct slice propose(struct fixture *f, const struct write_request *request)
{
    struct write_answer answer;
    assert_int_equal(evaluate(f, request, &answer), WRITE_VERDICT_PROPOSE);
    struct slice payload = arena_copy(&f->arena, buffer_view(&f->entry));
    assert_int_equal(partition_proposed(f->p, ++f->index, payload), ERR_OK);
    return payload;
}

static void apply(struct fixture *f, uint64_t index, struct slice payload)
{
    struct partition_effect effect;
    assert_int_equal(partition_apply(f->p, index, PARTITION_ENTRY_WRITE, payload, &effect), ERR_OK);
    if (effect.kind == PARTITION_EFFECT_NONE)
        return;
    f->exists = effect.kind == PARTITION_EFFECT_PUT;
    buffer_clear(&f->stored);
    buffer_append(&f->stored, effect.envelope);
}

static void assert_size(const struct partition *p, uint64_t item_count, uint64_t item_bytes)
{
    assert_int_equal(partition_size(p).item_count, item_count);
    assert_int_equal(partition_size(p).item_bytes, item_bytes);
}

static const char *row(struct fixture *f)
{
    struct envelope envelope;
    if (!f->exists)
        return "none";
    assert_int_equal(envelope_decode(buffer_view(&f->stored), &envelope), ERR_OK);
    return document_write(envelope.body, &f->arena);
}

static void a_put_is_applied_as_it_was_evaluated(void **state)
{
    struct fixture *f = *state;
    struct write_request request = put(f, 1, "{pk:'k', n:1}");
    struct slice payload = propose(f, &request);
    assert_string_equal(row(f), "none");
    apply(f, 1, payload);
    assert_string_equal(row(f), document_write(request.item, &f->arena));
    assert_int_equal(partition_applied_index(f->p), 1);
    assert_int_equal(partition_pending_count(f->p), 0);
}

static void a_condition_sees_the_pending_write_and_its_refusal_waits_for_it(void **state)
{
    struct fixture *f = *state;
    struct write_request first = put(f, 1, "{pk:'k'}");
    struct slice payload = propose(f, &first);
    struct write_request second = put(f, 2, "{pk:'k', n:2}");
    second.condition = existence(f, CONDITION_NOT_EXISTS, "pk");
    second.return_old_on_condition_failure = true;
    struct write_answer answer;
    assert_int_equal(evaluate(f, &second, &answer), WRITE_VERDICT_REFUSE);
    assert_int_equal(answer.status, WRITE_STATUS_CONDITION_FAILED);
    assert_int_equal(answer.after_index, 1);
    assert_true(slice_equal(answer.attributes, first.item));
    apply(f, 1, payload);
    assert_int_equal(evaluate(f, &second, &answer), WRITE_VERDICT_REFUSE);
    assert_int_equal(answer.after_index, 0);
}

/* As the shell does: on a copy of what the verdict showed. */
static struct write_outcome compute(struct fixture *f, const struct write_request *request,
                                    const struct write_answer *decided)
{
    struct write_outcome outcome = {.version = decided->version};
    struct slice old_item = arena_copy(&f->arena, decided->attributes);
    assert_int_equal(write_compute(request, decided->has_attributes, old_item, &f->arena, &outcome), ERR_OK);
    return outcome;
}

static void much_work_is_done_elsewhere_and_its_outcome_counts(void **state)
{
    struct fixture *f = *state;
    struct write_request first = put(f, 1, "{pk:'k', a:1}");
    apply(f, 1, propose(f, &first));
    struct write_request second = put(f, 2, "{pk:'k', n:2}");
    second.condition = existence(f, CONDITION_EXISTS, "a");
    second.return_values = RETURN_ALL_OLD;
    second.work_bytes_max = 1;
    struct write_answer answer;
    assert_int_equal(evaluate(f, &second, &answer), WRITE_VERDICT_ELSEWHERE);
    assert_true(slice_equal(answer.attributes, first.item));
    struct write_outcome outcome = compute(f, &second, &answer);
    second.outcome = &outcome;
    apply(f, 2, propose(f, &second));
    assert_string_equal(row(f), document_write(second.item, &f->arena));
}

static void an_outcome_counts_only_for_the_version_that_it_was_computed_from(void **state)
{
    struct fixture *f = *state;
    struct write_request first = put(f, 1, "{pk:'k', a:1}");
    apply(f, 1, propose(f, &first));
    struct write_request late = put(f, 2, "{pk:'k', n:2}");
    late.condition = existence(f, CONDITION_EXISTS, "a");
    late.work_bytes_max = 1;
    struct write_answer answer;
    assert_int_equal(evaluate(f, &late, &answer), WRITE_VERDICT_ELSEWHERE);
    struct write_outcome outcome = compute(f, &late, &answer);
    late.outcome = &outcome;
    struct write_request between = put(f, 3, "{pk:'k', b:1}"); /* pending: that is another version already */
    struct slice payload = propose(f, &between);
    assert_int_equal(evaluate(f, &late, &answer), WRITE_VERDICT_ELSEWHERE);
    apply(f, 2, payload);
    assert_int_equal(evaluate(f, &late, &answer), WRITE_VERDICT_ELSEWHERE);
    outcome = compute(f, &late, &answer);
    assert_int_equal(evaluate(f, &late, &answer), WRITE_VERDICT_REFUSE);
    assert_int_equal(answer.status, WRITE_STATUS_CONDITION_FAILED);
}

/* What a lost term had proposed may have the same time as another leader's write. */
static void an_outcome_of_an_earlier_term_does_not_count(void **state)
{
    struct fixture *f = *state;
    struct write_request first = put(f, 1, "{pk:'k', a:1}");
    apply(f, 1, propose(f, &first));
    struct write_request second = put(f, 2, "{pk:'k'}");
    second.condition = existence(f, CONDITION_EXISTS, "a");
    second.work_bytes_max = 1;
    struct write_answer answer;
    assert_int_equal(evaluate(f, &second, &answer), WRITE_VERDICT_ELSEWHERE);
    struct write_outcome outcome = compute(f, &second, &answer);
    second.outcome = &outcome;
    f->now.boot_us += SECOND;
    partition_lead(f->p, f->now.boot_us);
    assert_int_equal(evaluate(f, &second, &answer), WRITE_VERDICT_ELSEWHERE);
}

static void a_computed_refusal_is_as_one_that_was_decided_at_once(void **state)
{
    struct fixture *f = *state;
    struct write_request first = put(f, 1, "{pk:'k', a:1}");
    apply(f, 1, propose(f, &first));
    struct write_request second = put(f, 2, "{pk:'k', n:2}");
    second.condition = existence(f, CONDITION_NOT_EXISTS, "a");
    second.return_old_on_condition_failure = true;
    struct write_answer at_once, computed;
    assert_int_equal(evaluate(f, &second, &at_once), WRITE_VERDICT_REFUSE);
    second.work_bytes_max = 1;
    assert_int_equal(evaluate(f, &second, &computed), WRITE_VERDICT_ELSEWHERE);
    struct write_outcome outcome = compute(f, &second, &computed);
    second.outcome = &outcome;
    assert_int_equal(evaluate(f, &second, &computed), WRITE_VERDICT_REFUSE);
    assert_int_equal(computed.status, at_once.status);
    assert_int_equal(computed.write_units_milli, at_once.write_units_milli);
    assert_true(slice_equal(computed.attributes, at_once.attributes));
}

static void a_dropped_pending_write_is_not_seen_any_more(void **state)
{
    struct fixture *f = *state;
    struct write_request first = put(f, 1, "{pk:'k'}");
    (void)propose(f, &first);
    partition_drop_pending(f->p);
    assert_false(partition_has_pending(f->p, first.key));
    struct write_request second = put(f, 2, "{pk:'k'}");
    second.condition = existence(f, CONDITION_NOT_EXISTS, "pk");
    struct write_answer answer;
    assert_int_equal(evaluate(f, &second, &answer), WRITE_VERDICT_PROPOSE);
}

static void the_newest_of_several_pending_writes_counts(void **state)
{
    struct fixture *f = *state;
    struct write_request one = put(f, 1, "{pk:'k', n:1}"), two = put(f, 2, "{pk:'k', n:2}");
    struct slice first = propose(f, &one), second = propose(f, &two);
    struct write_request third = put(f, 3, "{pk:'k', n:3}");
    third.return_values = RETURN_ALL_OLD;
    struct write_answer answer;
    assert_int_equal(evaluate(f, &third, &answer), WRITE_VERDICT_PROPOSE);
    assert_true(slice_equal(answer.attributes, two.item));
    apply(f, 1, first);
    assert_true(partition_has_pending(f->p, one.key));
    apply(f, 2, second);
    assert_false(partition_has_pending(f->p, one.key));
    assert_string_equal(row(f), document_write(two.item, &f->arena));
}

static void a_repeated_request_is_answered_and_not_written_again(void **state)
{
    struct fixture *f = *state;
    struct write_request first = put(f, 1, "{pk:'k', n:1}");
    apply(f, 1, propose(f, &first));
    struct write_request request = put(f, 2, "{pk:'k', n:2}");
    request.return_values = RETURN_ALL_OLD;
    assert_false(partition_knows_request(f->p, request.request_id));
    struct slice payload = propose(f, &request);
    struct write_answer answer;
    assert_true(partition_knows_request(f->p, request.request_id));
    assert_int_equal(evaluate(f, &request, &answer), WRITE_VERDICT_REPEAT);
    assert_int_equal(answer.after_index, 2);
    apply(f, 2, payload);
    assert_true(partition_knows_request(f->p, request.request_id));
    assert_int_equal(evaluate(f, &request, &answer), WRITE_VERDICT_REPEAT);
    assert_int_equal(answer.after_index, 0);
    assert_true(answer.has_attributes);
    assert_true(slice_equal(answer.attributes, first.item));
    assert_int_equal(answer.write_units_milli, 1000);
}

static void an_id_is_kept_30_seconds_whatever_the_wall_clock_does(void **state)
{
    struct fixture *f = *state;
    struct write_request first = put(f, 1, "{pk:'k'}"), second = put(f, 2, "{pk:'k'}"),
                         third = put(f, 3, "{pk:'k'}");
    apply(f, 1, propose(f, &first));
    f->now.wall_us += 3600ull * SECOND;
    f->now.boot_us += 29ull * SECOND;
    apply(f, 2, propose(f, &second));
    assert_non_null(request_ids_find(partition_request_ids(f->p), first.request_id));
    f->now.boot_us += 2ull * SECOND;
    apply(f, 3, propose(f, &third));
    assert_null(request_ids_find(partition_request_ids(f->p), first.request_id));
    assert_non_null(request_ids_find(partition_request_ids(f->p), second.request_id));
}

static void commit_times_never_run_backwards(void **state)
{
    struct fixture *f = *state;
    struct write_request first = put(f, 1, "{pk:'k'}"), second = put(f, 2, "{pk:'k'}");
    struct write_entry a, b;
    assert_int_equal(write_entry_decode(propose(f, &first), &a), ERR_OK);
    f->now.wall_us -= 500 * SECOND;
    assert_int_equal(write_entry_decode(propose(f, &second), &b), ERR_OK);
    assert_true(b.commit_time_us > a.commit_time_us);
}

static void a_delete_of_nothing_costs_a_unit_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct write_request request = {.request_id = {9}, .kind = WRITE_DELETE, .key = SLICE_LITERAL("key")};
    struct write_answer answer;
    assert_int_equal(evaluate(f, &request, &answer), WRITE_VERDICT_PROPOSE);
    assert_int_equal(answer.write_units_milli, 1000);
    apply(f, 1, propose(f, &request));
    assert_string_equal(row(f), "none");
}

/* DynamoDB: a write that its condition refuses costs what it would have cost. */
static void a_refused_write_costs_the_larger_of_what_is_there_and_what_was_sent(void **state)
{
    struct fixture *f = *state;
    static char text[3000];
    memset(text, 'x', sizeof text - 1);
    struct item_builder b;
    item_builder_init(&b, ITEM_ENCODED_BYTES_MAX);
    item_builder_begin(&b, VALUE_M);
    item_builder_name(&b, SLICE_LITERAL("v"));
    item_builder_scalar(&b, VALUE_S, slice_from_string(text));
    item_builder_end(&b);
    struct write_request large = put(f, 1, "{pk:'k'}"), small = put(f, 2, "{pk:'k'}");
    large.item = item_builder_view(&b);
    large.condition = small.condition = existence(f, CONDITION_EXISTS, "none");
    struct write_request update = {.request_id = {3}, .kind = WRITE_UPDATE, .key = large.key};
    struct write_request delete = {.request_id = {4}, .kind = WRITE_DELETE, .key = large.key};
    update.condition = delete.condition = large.condition;
    const struct write_request *const requests[] = {&large, &small, &update, &delete};
    const uint32_t before[] = {3000, 1000, 1000, 1000};
    struct write_answer answer;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(evaluate(f, requests[i], &answer), WRITE_VERDICT_REFUSE);
        assert_int_equal(answer.write_units_milli, before[i]);
    }
    large.condition = SLICE_EMPTY;
    apply(f, 1, propose(f, &large));
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(evaluate(f, requests[i], &answer), WRITE_VERDICT_REFUSE);
        assert_int_equal(answer.write_units_milli, 3000);
    }
    item_builder_deinit(&b);
}

static void an_update_without_a_program_creates_the_key(void **state)
{
    struct fixture *f = *state;
    struct write_request request = put(f, 1, "{pk:'k'}");
    request.kind = WRITE_UPDATE;
    apply(f, 1, propose(f, &request));
    assert_string_equal(row(f), document_write(request.item, &f->arena));
}

static void too_large_an_item_is_refused_in_words(void **state)
{
    struct fixture *f = *state;
    struct item_builder b;
    item_builder_init(&b, ITEM_ENCODED_BYTES_MAX);
    item_builder_begin(&b, VALUE_M);
    item_builder_name(&b, SLICE_LITERAL("pk"));
    uint8_t *room = item_builder_reserve(&b, VALUE_B, ITEM_BYTES_MAX);
    memset(room, 'x', ITEM_BYTES_MAX);
    item_builder_commit(&b, ITEM_BYTES_MAX);
    item_builder_end(&b);
    struct write_request request = put(f, 1, "{pk:'k'}");
    request.item = item_builder_view(&b);
    struct write_answer answer;
    assert_int_equal(evaluate(f, &request, &answer), WRITE_VERDICT_REFUSE);
    assert_int_equal(answer.status, WRITE_STATUS_INVALID);
    assert_string_equal(answer.error_text, "Item size has exceeded the maximum allowed size");
    item_builder_deinit(&b);
}

static void a_checkpoint_brings_back_all_but_the_rows(void **state)
{
    struct fixture *f = *state;
    struct write_request request = put(f, 1, "{pk:'k'}");
    request.return_values = RETURN_ALL_NEW;
    request.kind = WRITE_UPDATE;
    apply(f, 1, propose(f, &request));
    struct buffer schema, checkpoint;
    buffer_init(&schema, 1 << 16);
    buffer_init(&checkpoint, 1 << 20);
    schema_entry_encode(&(struct schema_entry){7, SLICE_LITERAL("schema")}, &schema);
    struct partition_effect effect;
    assert_int_equal(partition_apply(f->p, 2, PARTITION_ENTRY_SCHEMA, buffer_view(&schema), &effect), ERR_OK);
    assert_int_equal(effect.kind, PARTITION_EFFECT_SCHEMA);
    partition_checkpoint_encode(f->p, &checkpoint);

    struct partition *again = partition_create(0);
    assert_int_equal(partition_checkpoint_decode(again, buffer_view(&checkpoint)), ERR_OK);
    assert_int_equal(partition_applied_index(again), 2);
    assert_int_equal(partition_schema_version(again), 7);
    assert_size(again, 1, item_size_bytes(request.item));
    assert_true(slice_equal_string(partition_schema(again), "schema"));
    const struct request_id_record *record =
        request_ids_find(partition_request_ids(again), request.request_id);
    assert_non_null(record);
    assert_true(slice_equal(record->answer, request.item));
    for (size_t cut = 0; cut < checkpoint.length; cut++) {
        struct partition *broken = partition_create(0);
        assert_int_equal(partition_checkpoint_decode(broken, slice_make(checkpoint.data, cut)), ERR_CORRUPT);
        partition_destroy(broken);
    }
    partition_destroy(again);
    buffer_deinit(&schema);
    buffer_deinit(&checkpoint);
}

static void replaying_what_the_store_has_gives_ids_and_no_effect(void **state)
{
    struct fixture *f = *state;
    struct write_request request = put(f, 1, "{pk:'k'}");
    struct slice payload = propose(f, &request);
    struct partition *again = partition_create(0);
    partition_set_stored(again, 1, (struct partition_size){5, 500});
    struct partition_effect effect;
    assert_int_equal(partition_apply(again, 1, PARTITION_ENTRY_WRITE, payload, &effect), ERR_OK);
    assert_int_equal(effect.kind, PARTITION_EFFECT_NONE);
    assert_non_null(request_ids_find(partition_request_ids(again), request.request_id));
    assert_size(again, 5, 500);
    partition_set_stored(again, 1, (struct partition_size){0, 0}); /* not later than what it is at */
    assert_size(again, 5, 500);
    partition_destroy(again);
}

static void the_size_follows_what_is_applied(void **state)
{
    struct fixture *f = *state;
    struct write_request first = put(f, 1, "{pk:'k', text:'long enough'}"), second = put(f, 2, "{pk:'k'}");
    struct write_request gone = {.request_id = {3}, .kind = WRITE_DELETE, .key = SLICE_LITERAL("key")};
    struct write_request missing = {.request_id = {4}, .kind = WRITE_DELETE, .key = SLICE_LITERAL("key")};
    struct slice one = propose(f, &first), two = propose(f, &second); /* the second replaces a pending one */
    assert_size(f->p, 0, 0);
    apply(f, 1, one);
    assert_size(f->p, 1, item_size_bytes(first.item));
    apply(f, 2, two);
    assert_size(f->p, 1, item_size_bytes(second.item));
    apply(f, 3, propose(f, &gone));
    assert_size(f->p, 0, 0);
    apply(f, 4, propose(f, &missing));
    assert_size(f->p, 0, 0);
}

static void an_update_that_changes_the_size_counts_the_new_one(void **state)
{
    struct fixture *f = *state;
    struct write_request first = put(f, 1, "{pk:'k', n:1}"), touch = put(f, 2, "{pk:'k'}");
    touch.kind = WRITE_UPDATE;
    apply(f, 1, propose(f, &first));
    apply(f, 2, propose(f, &touch));
    assert_size(f->p, 1, item_size_bytes(first.item));
}

static void an_entry_that_takes_away_what_is_not_there_is_damage(void **state)
{
    struct fixture *f = *state;
    struct write_request first = put(f, 1, "{pk:'k', n:1}"), second = put(f, 2, "{pk:'k'}");
    (void)propose(f, &first);
    struct slice payload = propose(f, &second);
    struct partition *other = partition_create(0);
    struct partition_effect effect;
    assert_int_equal(partition_apply(other, 1, PARTITION_ENTRY_WRITE, payload, &effect), ERR_CORRUPT);
    assert_int_equal(partition_applied_index(other), 0);
    assert_int_equal(request_ids_count(partition_request_ids(other)), 0);
    partition_destroy(other);
}

static void a_damaged_entry_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct write_request request = put(f, 1, "{pk:'k'}");
    struct slice payload = propose(f, &request);
    struct partition *other = partition_create(0);
    struct partition_effect effect;
    for (size_t cut = 0; cut < payload.length; cut++)
        assert_int_equal(
            partition_apply(other, 1, PARTITION_ENTRY_WRITE, slice_make(payload.data, cut), &effect),
            ERR_CORRUPT);
    assert_int_equal(partition_applied_index(other), 0);
    assert_int_equal(request_ids_count(partition_request_ids(other)), 0);
    partition_destroy(other);
}

static void failing_memory_leaves_the_partition_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct write_request request = put(f, 1, "{pk:'k', n:1}");
    const struct partition_row none = {.exists = false};
    enum write_verdict verdict;
    struct write_answer answer;
    enum err err = ERR_NO_MEMORY;
    for (int64_t successes = 0; err != ERR_OK && successes < 100; successes++) {
        struct buffer entry;
        struct arena arena;
        buffer_init(&entry, 1 << 20);
        arena_init(&arena, 256, 1 << 20);
        memory_fail_after(successes);
        err = partition_evaluate(f->p, &request, &none, f->now, &arena, &entry, &verdict, &answer);
        memory_fail_after(-1);
        assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
        assert_int_equal(partition_pending_count(f->p), 0);
        buffer_deinit(&entry);
        arena_deinit(&arena);
    }
    assert_int_equal(err, ERR_OK);
    struct slice payload = propose(f, &request);
    err = ERR_NO_MEMORY;
    for (int64_t successes = 0; err != ERR_OK && successes < 100; successes++) {
        struct partition *other = partition_create(0);
        struct partition_effect effect;
        memory_fail_after(successes);
        err = partition_apply(other, 1, PARTITION_ENTRY_WRITE, payload, &effect);
        memory_fail_after(-1);
        assert_int_equal(partition_applied_index(other), err == ERR_OK ? 1 : 0);
        partition_destroy(other);
    }
    assert_int_equal(err, ERR_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_put_is_applied_as_it_was_evaluated),
        TEST(a_condition_sees_the_pending_write_and_its_refusal_waits_for_it),
        TEST(much_work_is_done_elsewhere_and_its_outcome_counts),
        TEST(an_outcome_counts_only_for_the_version_that_it_was_computed_from),
        TEST(an_outcome_of_an_earlier_term_does_not_count),
        TEST(a_computed_refusal_is_as_one_that_was_decided_at_once),
        TEST(a_dropped_pending_write_is_not_seen_any_more),
        TEST(the_newest_of_several_pending_writes_counts),
        TEST(a_repeated_request_is_answered_and_not_written_again),
        TEST(an_id_is_kept_30_seconds_whatever_the_wall_clock_does),
        TEST(commit_times_never_run_backwards),
        TEST(a_delete_of_nothing_costs_a_unit_and_changes_nothing),
        TEST(a_refused_write_costs_the_larger_of_what_is_there_and_what_was_sent),
        TEST(an_update_without_a_program_creates_the_key),
        TEST(too_large_an_item_is_refused_in_words),
        TEST(a_checkpoint_brings_back_all_but_the_rows),
        TEST(replaying_what_the_store_has_gives_ids_and_no_effect),
        TEST(the_size_follows_what_is_applied),
        TEST(an_update_that_changes_the_size_counts_the_new_one),
        TEST(an_entry_that_takes_away_what_is_not_there_is_damage),
        TEST(a_damaged_entry_changes_nothing),
        TEST(failing_memory_leaves_the_partition_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "dataplane/expression/program.h"

#include "base/memory.h"
#include "base/random.h"
#include "dataplane/expression/condition.h"
#include "dataplane/expression/program_builder.h"
#include "dataplane/expression/projection.h"
#include "dataplane/expression/update.h"
#include "tests/unit/dataplane/expression/document_text.h"

static const char ITEM[] =
    "{a:1,b:'text',l:[1,[2,'x'],{k:'v'}],m:{n:{o:[true]},p:5},s:<'q','r'>,ns:<1,2>,bin:b'zz'}";

static struct arena arena;
static struct buffer bytes;

static int setup(void **state)
{
    arena_init(&arena, 1 << 16, 1 << 26);
    buffer_init(&bytes, PROGRAM_BYTES_MAX);
    return 0;
}

static int teardown(void **state)
{
    arena_deinit(&arena);
    buffer_deinit(&bytes);
    return 0;
}

static int reset(void **state)
{
    arena_reset(&arena);
    buffer_clear(&bytes);
    return 0;
}

static void op(struct program_builder *b, unsigned number)
{
    buffer_append_u8(&b->code, (uint8_t)number);
}

static void op_path(struct program_builder *b, unsigned number, uint16_t path)
{
    op(b, number);
    buffer_append_u16(&b->code, path);
}

static uint16_t value(struct program_builder *b, const char *text)
{
    return program_builder_value(b, document_read(text, true, &arena));
}

/* Top-level name, then optionally a name inside, then optionally an index. */
static uint16_t path(struct program_builder *b, const char *name, const char *inside, int index)
{
    program_builder_path_name(b, program_builder_name(b, slice_from_string(name)));
    if (inside != NULL)
        program_builder_path_name(b, program_builder_name(b, slice_from_string(inside)));
    if (index >= 0)
        program_builder_path_index(b, (uint32_t)index);
    return program_builder_path_end(b);
}

/* Every instruction of conditions once. */
static void build_condition(struct program_builder *b)
{
    program_builder_init(b, PROGRAM_CONDITION);
    uint16_t a = path(b, "a", NULL, -1), l = path(b, "l", NULL, 1), m = path(b, "m", "n", -1);
    uint16_t one = value(b, "1"), text = value(b, "'ex'"), list = value(b, "[2,'x']");
    for (unsigned number = CONDITION_EQUAL; number < CONDITION_AND; number++) {
        bool is_path = number == CONDITION_EXISTS || number == CONDITION_NOT_EXISTS;
        op(b, number);
        if (is_path) {
            buffer_append_u16(&b->code, m);
            continue;
        }
        program_builder_operand(b, OPERAND_PATH, number == CONDITION_CONTAINS ? l : a);
        if (number == CONDITION_TYPE)
            buffer_append_u8(&b->code, VALUE_N);
        if (number == CONDITION_IN)
            buffer_append_u8(&b->code, 3);
        if (number == CONDITION_TYPE)
            continue;
        program_builder_operand(b, OPERAND_VALUE, number == CONDITION_CONTAINS ? text : one);
        if (number == CONDITION_BETWEEN || number == CONDITION_IN)
            program_builder_operand(b, OPERAND_SIZE_OF_PATH, l);
        if (number == CONDITION_IN)
            program_builder_operand(b, OPERAND_SIZE_OF_VALUE, list);
    }
    op(b, CONDITION_NOT);
    for (unsigned i = 1; i < CONDITION_AND - CONDITION_EQUAL; i++)
        op(b, i % 2 ? CONDITION_AND : CONDITION_OR);
}

/* Every instruction of updates. */
static void build_update(struct program_builder *b)
{
    program_builder_init(b, PROGRAM_UPDATE);
    uint16_t a = path(b, "a", NULL, -1), l = path(b, "l", NULL, 1), m = path(b, "m", "p", -1);
    uint16_t s = path(b, "s", NULL, -1), ns = path(b, "ns", NULL, -1), q = path(b, "l", NULL, 7);
    uint16_t one = value(b, "1"), set = value(b, "<'q','z'>"), numbers = value(b, "<1,3>");
    op_path(b, UPDATE_PUSH_PATH, a);
    op_path(b, UPDATE_PUSH_VALUE, one);
    op(b, UPDATE_PLUS);
    op_path(b, UPDATE_SET, m);
    op_path(b, UPDATE_PUSH_PATH, l);
    op_path(b, UPDATE_PUSH_PATH, q);
    op_path(b, UPDATE_IF_NOT_EXISTS, l);
    op(b, UPDATE_LIST_APPEND);
    op_path(b, UPDATE_SET, l);
    op_path(b, UPDATE_PUSH_VALUE, one);
    op_path(b, UPDATE_PUSH_PATH, a);
    op(b, UPDATE_MINUS);
    op_path(b, UPDATE_SET, q);
    op_path(b, UPDATE_REMOVE, a);
    op_path(b, UPDATE_ADD, s);
    buffer_append_u16(&b->code, set);
    op_path(b, UPDATE_DELETE, ns);
    buffer_append_u16(&b->code, numbers);
}

static void build_projection(struct program_builder *b)
{
    program_builder_init(b, PROGRAM_PROJECTION);
    buffer_append_u16(&b->code, path(b, "m", "n", -1));
    buffer_append_u16(&b->code, path(b, "l", NULL, 2));
    buffer_append_u16(&b->code, path(b, "l", NULL, 0));
}

static struct slice build(enum program_kind kind)
{
    struct program_builder b;
    buffer_clear(&bytes);
    if (kind == PROGRAM_CONDITION)
        build_condition(&b);
    else if (kind == PROGRAM_UPDATE)
        build_update(&b);
    else
        build_projection(&b);
    assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
    program_builder_deinit(&b);
    return arena_copy(&arena, buffer_view(&bytes));
}

static void a_built_program_opens_and_shows_its_parts(void **state)
{
    struct program p;
    assert_int_equal(program_open(build(PROGRAM_CONDITION), PROGRAM_CONDITION, &p), ERR_OK);
    assert_int_equal(p.path_count, 3);
    assert_int_equal(p.value_count, 3);
    assert_int_equal(program_path_length(&p, 1), 2);
    assert_int_equal(program_path_part(&p, 1, 1).index, 1);
    assert_true(slice_equal_string(program_path_part(&p, 2, 1).name, "n"));
    assert_true(slice_equal(program_value(&p, 1), document_read("'ex'", true, &arena)));
}

static void target_paths_come_in_the_order_of_the_code(void **state)
{
    struct program p;
    uint16_t paths[8];
    assert_int_equal(program_open(build(PROGRAM_UPDATE), PROGRAM_UPDATE, &p), ERR_OK);
    assert_int_equal(program_target_paths(&p, paths), 6);
    assert_int_equal(paths[0], 2);
    assert_int_equal(paths[3], 0);
    assert_int_equal(paths[5], 4);
}

static void every_instruction_of_an_update_runs(void **state)
{
    struct program p;
    struct slice item;
    assert_int_equal(program_open(build(PROGRAM_UPDATE), PROGRAM_UPDATE, &p), ERR_OK);
    struct update_request request = {&p, true, document_read(ITEM, false, &arena), SLICE_EMPTY};
    assert_int_equal(update_apply(&request, &arena, &item, NULL), ERR_OK);
    assert_string_equal(document_write(item, &arena),
                        "{b:'text',bin:b'zz',l:[1,[2,'x',2,'x'],{k:'v'},0],m:{n:{o:[true]},p:2},"
                        "ns:<2>,s:<'q','r','z'>}");
}

static void a_cut_or_lengthened_program_is_refused(void **state)
{
    struct program p;
    for (enum program_kind kind = PROGRAM_CONDITION; kind <= PROGRAM_PROJECTION; kind++) {
        struct slice whole = build(kind);
        for (size_t length = 0; length < whole.length; length++)
            assert_int_equal(program_open(slice_make(whole.data, length), kind, &p), ERR_INVALID);
        buffer_append_u8(&bytes, 0);
        assert_int_equal(program_open(buffer_view(&bytes), kind, &p), ERR_INVALID);
    }
}

static void other_kinds_and_versions_are_refused(void **state)
{
    struct program p;
    struct slice whole = build(PROGRAM_UPDATE);
    assert_int_equal(program_open(whole, PROGRAM_CONDITION, &p), ERR_INVALID);
    bytes.data[0]++;
    assert_int_equal(program_open(buffer_view(&bytes), PROGRAM_UPDATE, &p), ERR_INVALID);
}

static void names_that_are_not_text_are_refused(void **state)
{
    struct program_builder b;
    struct program p;
    program_builder_init(&b, PROGRAM_UPDATE);
    uint16_t number = path(&b, "\xff", NULL, -1);
    op_path(&b, UPDATE_REMOVE, number);
    assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
    assert_int_equal(program_open(buffer_view(&bytes), PROGRAM_UPDATE, &p), ERR_INVALID);
    program_builder_deinit(&b);
}

static void code_that_leaves_the_wrong_stack_is_refused(void **state)
{
    static const struct {
        enum program_kind kind;
        uint8_t code[12];
        size_t length;
    } BAD[] = {
        {PROGRAM_CONDITION, {CONDITION_AND}, 1},
        {PROGRAM_CONDITION, {CONDITION_EXISTS, 0, 0, CONDITION_EXISTS, 0, 0}, 6},
        {PROGRAM_CONDITION, {CONDITION_EXISTS, 1, 0}, 3},
        {PROGRAM_CONDITION, {CONDITION_TYPE, OPERAND_PATH, 0, 0, 11}, 5},
        {PROGRAM_CONDITION, {CONDITION_IN, OPERAND_PATH, 0, 0, 0}, 5},
        {PROGRAM_UPDATE, {UPDATE_SET, 0, 0}, 3},
        {PROGRAM_UPDATE, {UPDATE_PUSH_PATH, 0, 0}, 3},
        {PROGRAM_UPDATE, {UPDATE_PUSH_PATH, 0, 0, UPDATE_REMOVE, 0, 0, UPDATE_SET, 0, 0}, 9},
        {PROGRAM_UPDATE, {UPDATE_DELETE, 0, 0, 0, 0}, 5},
        {PROGRAM_PROJECTION, {0}, 1},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct program_builder b;
        struct program p;
        buffer_clear(&bytes);
        program_builder_init(&b, BAD[i].kind);
        (void)path(&b, "a", NULL, -1);
        (void)value(&b, "1");
        buffer_append(&b.code, slice_make(BAD[i].code, BAD[i].length));
        assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
        program_builder_deinit(&b);
        assert_int_equal(program_open(buffer_view(&bytes), BAD[i].kind, &p), ERR_INVALID);
    }
}

static void the_stack_is_bounded(void **state)
{
    for (unsigned count = PROGRAM_STACK_MAX; count <= PROGRAM_STACK_MAX + 1; count++) {
        struct program_builder b;
        struct program p;
        bool result;
        buffer_clear(&bytes);
        program_builder_init(&b, PROGRAM_CONDITION);
        uint16_t a = path(&b, "a", NULL, -1);
        for (unsigned i = 0; i < count; i++)
            op_path(&b, CONDITION_EXISTS, a);
        for (unsigned i = 1; i < count; i++)
            op(&b, CONDITION_AND);
        assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
        program_builder_deinit(&b);
        enum err err = program_open(buffer_view(&bytes), PROGRAM_CONDITION, &p);
        assert_int_equal(err, count <= PROGRAM_STACK_MAX ? ERR_OK : ERR_INVALID);
        if (err == ERR_OK) {
            assert_int_equal(condition_evaluate(&p, document_read(ITEM, false, &arena), &arena, &result),
                             ERR_OK);
            assert_true(result);
        }
    }
}

static void a_builder_over_its_tables_is_refused(void **state)
{
    struct program_builder b;
    program_builder_init(&b, PROGRAM_PROJECTION);
    for (unsigned i = 0; i <= PROGRAM_TABLE_MAX; i++)
        (void)program_builder_name(&b, SLICE_LITERAL("n"));
    assert_int_equal(program_builder_finish(&b, &bytes), ERR_LIMIT);
    program_builder_deinit(&b);
}

static void targets_that_overlap_are_refused_when_applied(void **state)
{
    struct program_builder b;
    struct program p;
    struct slice item;
    program_builder_init(&b, PROGRAM_UPDATE);
    op_path(&b, UPDATE_REMOVE, path(&b, "m", NULL, -1));
    op_path(&b, UPDATE_REMOVE, path(&b, "m", "n", -1));
    assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
    program_builder_deinit(&b);
    assert_int_equal(program_open(buffer_view(&bytes), PROGRAM_UPDATE, &p), ERR_OK);
    struct update_request request = {&p, true, document_read(ITEM, false, &arena), SLICE_EMPTY};
    assert_int_equal(update_apply(&request, &arena, &item, NULL), ERR_INVALID);
}

/* On the heap and not a byte longer, so that the sanitizers see what reads beyond it. */
static struct slice mutated(struct random *r, struct slice original)
{
    uint8_t *data = memory_alloc(original.length);
    memcpy(data, original.data, original.length);
    for (uint64_t i = random_below(r, 4); i-- > 0;)
        data[random_below(r, original.length)] = (uint8_t)random_u64(r);
    return slice_make(data, original.length);
}

static void drop(struct slice s)
{
    memory_free((uint8_t *)(uintptr_t)s.data);
}

static void run(const struct program *p, struct slice item)
{
    bool is_true;
    struct slice result;
    struct update_request request = {p, true, item, SLICE_EMPTY};
    if (p->kind == PROGRAM_CONDITION)
        assert_in_range(condition_evaluate(p, item, &arena, &is_true), ERR_OK, ERR_COUNT);
    else if (p->kind == PROGRAM_PROJECTION)
        assert_in_range(projection_apply(p, item, &arena, &result), ERR_OK, ERR_COUNT);
    else
        assert_in_range(update_apply(&request, &arena, &result, NULL), ERR_OK, ERR_COUNT);
}

/* What the tests show here is that nothing crashes: they are meant to run under the sanitizers. */
static void mutated_programs_and_items_do_no_harm(void **state)
{
    struct random r;
    struct program p;
    uint8_t keep[3][1024];
    uint8_t keep_item[1024];
    size_t length[3], opened = 0;
    for (int kind = 0; kind < 3; kind++) {
        struct slice program = build((enum program_kind)(kind + PROGRAM_CONDITION));
        length[kind] = program.length;
        assert_in_range(program.length, 1, sizeof keep[kind]);
        memcpy(keep[kind], program.data, program.length);
    }
    struct slice item = document_read(ITEM, false, &arena);
    memcpy(keep_item, item.data, item.length);
    item.data = keep_item;
    random_init(&r, 1);
    for (int i = 0; i < 200000; i++) {
        int kind = (int)random_below(&r, 3);
        arena_reset(&arena);
        struct slice program = mutated(&r, slice_make(keep[kind], length[kind]));
        if (program_open(program, (enum program_kind)(kind + PROGRAM_CONDITION), &p) == ERR_OK) {
            struct slice other = mutated(&r, item);
            opened++;
            run(&p, other);
            drop(other);
        }
        drop(program);
    }
    assert_in_range(opened, 30000, 200000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_built_program_opens_and_shows_its_parts, reset),
        cmocka_unit_test_setup(target_paths_come_in_the_order_of_the_code, reset),
        cmocka_unit_test_setup(every_instruction_of_an_update_runs, reset),
        cmocka_unit_test_setup(a_cut_or_lengthened_program_is_refused, reset),
        cmocka_unit_test_setup(other_kinds_and_versions_are_refused, reset),
        cmocka_unit_test_setup(names_that_are_not_text_are_refused, reset),
        cmocka_unit_test_setup(code_that_leaves_the_wrong_stack_is_refused, reset),
        cmocka_unit_test_setup(the_stack_is_bounded, reset),
        cmocka_unit_test_setup(a_builder_over_its_tables_is_refused, reset),
        cmocka_unit_test_setup(targets_that_overlap_are_refused_when_applied, reset),
        cmocka_unit_test_setup(mutated_programs_and_items_do_no_harm, reset),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Random conditions on random items, evaluated twice: as a program, and as a tree by the plainest recursive
 * code that says what DynamoDB's operators mean. */
#include "dataplane/expression/condition.h"

#include "base/random.h"
#include "dataplane/expression/program_builder.h"
#include "tests/unit/dataplane/expression/document_text.h"

/* Few values, so that they meet. */
static const char *const VALUES[] = {"1",       "2",       "-3.5",        "'a'",         "'ab'", "'abc'",
                                     "b'a'",    "b'ab'",   "true",        "false",       "null", "<'a','b'>",
                                     "<1,2>",   "<b'a'>",  "['a',1]",     "[]",          "{}",   "{x:1}",
                                     "{x:'a'}", "[{x:1}]", "{x:{y:'a'}}", "[[1],['a']]", "0",    "''"};
static const char *const NAMES[] = {"x", "y", "z"};

struct tree_operand {
    enum operand_kind kind;
    uint16_t number;
    struct path_step steps[3];
    size_t step_count;
    struct value_view value;
};

struct tree {
    enum condition_op op;
    struct tree_operand operands[4];
    uint8_t operand_count;
    uint8_t tag;
    struct tree *left, *right;
};

static struct arena arena;
static struct random rng;

static int setup(void **state)
{
    arena_init(&arena, 1 << 16, 1 << 26);
    random_init(&rng, 7);
    return 0;
}

static int teardown(void **state)
{
    arena_deinit(&arena);
    return 0;
}

static const char *any_value(void)
{
    return VALUES[random_below(&rng, sizeof VALUES / sizeof *VALUES)];
}

static const char *any_name(void)
{
    return NAMES[random_below(&rng, 3)];
}

static struct slice any_item(void)
{
    struct buffer text;
    buffer_init(&text, 4096);
    buffer_append_string(&text, "{");
    for (int i = 0; i < 3; i++)
        if (!random_one_in(&rng, 4))
            buffer_append_format(&text, "%s:%s,", NAMES[i], any_value());
    buffer_append_string(&text, "}");
    struct slice item = document_read(arena_string(&arena, buffer_view(&text)), false, &arena);
    buffer_deinit(&text);
    return item;
}

/* ---- random programs, with their trees ---- */

static void any_path(struct program_builder *b, struct tree_operand *o)
{
    o->step_count = 1 + random_below(&rng, 3);
    for (size_t i = 0; i < o->step_count; i++) {
        bool is_index = i > 0 && random_one_in(&rng, 2);
        const char *name = any_name();
        uint32_t index = (uint32_t)random_below(&rng, 3);
        o->steps[i] = (struct path_step){is_index, index, slice_from_string(name)};
        if (is_index)
            program_builder_path_index(b, index);
        else
            program_builder_path_name(b, program_builder_name(b, slice_from_string(name)));
    }
    o->number = program_builder_path_end(b);
}

static void any_operand(struct program_builder *b, struct tree_operand *o, bool is_path)
{
    o->kind = is_path ? OPERAND_PATH : (enum operand_kind)(OPERAND_PATH + random_below(&rng, 4));
    if (o->kind == OPERAND_PATH || o->kind == OPERAND_SIZE_OF_PATH) {
        any_path(b, o);
        return;
    }
    struct slice bytes = document_read(any_value(), true, &arena);
    assert_true(value_decode(bytes, &o->value));
    o->number = program_builder_value(b, bytes);
}

static uint8_t operand_count_of(enum condition_op op)
{
    if (op == CONDITION_BETWEEN)
        return 3;
    if (op == CONDITION_IN)
        return 4;
    return op == CONDITION_EXISTS || op == CONDITION_NOT_EXISTS || op == CONDITION_TYPE ? 1 : 2;
}

static void emit_leaf(struct program_builder *b, const struct tree *t)
{
    buffer_append_u8(&b->code, (uint8_t)t->op);
    for (uint8_t i = 0; i < t->operand_count; i++) {
        if (t->op == CONDITION_EXISTS || t->op == CONDITION_NOT_EXISTS)
            buffer_append_u16(&b->code, t->operands[i].number);
        else
            program_builder_operand(b, t->operands[i].kind, t->operands[i].number);
        if (t->op == CONDITION_IN && i == 0)
            buffer_append_u8(&b->code, 3);
    }
    if (t->op == CONDITION_TYPE)
        buffer_append_u8(&b->code, t->tag);
}

static struct tree *any_tree(struct program_builder *b, int depth)
{
    struct tree *t = arena_zalloc(&arena, sizeof *t);
    if (depth > 0 && !random_one_in(&rng, 3)) {
        t->op = (enum condition_op)(CONDITION_AND + random_below(&rng, 3));
        t->left = any_tree(b, depth - 1);
        if (t->op != CONDITION_NOT)
            t->right = any_tree(b, depth - 1);
        buffer_append_u8(&b->code, (uint8_t)t->op);
        return t;
    }
    t->op = (enum condition_op)(CONDITION_EQUAL + random_below(&rng, CONDITION_AND - CONDITION_EQUAL));
    t->operand_count = operand_count_of(t->op);
    t->tag = (uint8_t)(VALUE_S + random_below(&rng, 10));
    for (uint8_t i = 0; i < t->operand_count; i++)
        any_operand(b, &t->operands[i], t->op == CONDITION_EXISTS || t->op == CONDITION_NOT_EXISTS);
    emit_leaf(b, t);
    return t;
}

/* ---- the plain evaluator ---- */

static bool resolve(const struct tree_operand *o, struct slice item, struct value_view *v)
{
    bool is_path = o->kind == OPERAND_PATH || o->kind == OPERAND_SIZE_OF_PATH;
    *v = o->value;
    if (is_path && !item_walk(item, o->steps, o->step_count, v))
        return false;
    if (o->kind == OPERAND_PATH || o->kind == OPERAND_VALUE)
        return true;
    int64_t size = v->tag == VALUE_S || v->tag == VALUE_B ? (int64_t)v->body.length /* ASCII here */
                   : value_is_set(v->tag)                 ? (int64_t)set_count(v->body)
                   : v->tag == VALUE_L                    ? (int64_t)list_count(v->body)
                   : v->tag == VALUE_M                    ? (int64_t)item_count(v->body)
                                                          : -1;
    struct number *n = arena_alloc(&arena, sizeof *n);
    *n = number_from_int64(size);
    *v = (struct value_view){VALUE_N, number_view(n)};
    return size >= 0;
}

static bool ordered(bool has_a, struct value_view a, bool has_b, struct value_view b, enum condition_op op)
{
    if (!has_a || !has_b || a.tag != b.tag || !value_is_scalar_key(a.tag))
        return false;
    int order = slice_compare(a.body, b.body);
    return op == CONDITION_LESS         ? order < 0
           : op == CONDITION_LESS_EQUAL ? order <= 0
           : op == CONDITION_GREATER    ? order > 0
                                        : order >= 0;
}

static bool plain_contains(struct value_view whole, struct value_view part)
{
    struct reader at;
    struct value_view element;
    struct slice member;
    reader_init(&at, whole.body);
    if (whole.tag == VALUE_L) {
        while (list_next(&at, &element))
            if (value_equal(element, part))
                return true;
        return false;
    }
    if (value_is_set(whole.tag)) {
        while (set_next(&at, &member))
            if (value_equal((struct value_view){value_set_member_tag(whole.tag), member}, part))
                return true;
        return false;
    }
    if ((whole.tag != VALUE_S && whole.tag != VALUE_B) || whole.tag != part.tag)
        return false;
    for (size_t i = 0; i + part.body.length <= whole.body.length; i++)
        if (slice_starts_with(slice_make(whole.body.data + i, whole.body.length - i), part.body))
            return true;
    return false;
}

static bool plain_leaf(const struct tree *t, struct slice item)
{
    bool has[4] = {false};
    struct value_view v[4];
    for (uint8_t i = 0; i < t->operand_count; i++)
        has[i] = resolve(&t->operands[i], item, &v[i]);
    bool both = has[0] && has[1];
    if (t->op == CONDITION_EXISTS || t->op == CONDITION_NOT_EXISTS)
        return has[0] == (t->op == CONDITION_EXISTS);
    if (t->op == CONDITION_TYPE)
        return has[0] && v[0].tag == t->tag;
    if (t->op == CONDITION_EQUAL || t->op == CONDITION_NOT_EQUAL)
        return (both && value_equal(v[0], v[1])) == (t->op == CONDITION_EQUAL);
    if (t->op == CONDITION_IN)
        return has[0] && ((has[1] && value_equal(v[0], v[1])) || (has[2] && value_equal(v[0], v[2])) ||
                          (has[3] && value_equal(v[0], v[3])));
    if (t->op == CONDITION_BETWEEN)
        return ordered(has[0], v[0], has[1], v[1], CONDITION_GREATER_EQUAL) &&
               ordered(has[0], v[0], has[2], v[2], CONDITION_LESS_EQUAL);
    if (t->op == CONDITION_CONTAINS)
        return both && plain_contains(v[0], v[1]);
    if (t->op == CONDITION_BEGINS_WITH)
        return both && v[0].tag == v[1].tag && (v[0].tag == VALUE_S || v[0].tag == VALUE_B) &&
               slice_starts_with(v[0].body, v[1].body);
    return ordered(has[0], v[0], has[1], v[1], t->op);
}

static bool plain(const struct tree *t, struct slice item)
{
    if (t->op == CONDITION_NOT)
        return !plain(t->left, item);
    if (t->op == CONDITION_AND)
        return plain(t->left, item) && plain(t->right, item);
    if (t->op == CONDITION_OR)
        return plain(t->left, item) || plain(t->right, item);
    return plain_leaf(t, item);
}

/* ---- */

/* So large that paths are found in one walk and sizes are kept. */
static struct slice enlarge(struct slice item)
{
    enum { PADDING_BYTES = 70000 };
    struct buffer b;
    buffer_init(&b, 1 << 20);
    buffer_append(&b, item);
    buffer_append_prefixed(&b, SLICE_LITERAL("~~")); /* behind all other names */
    buffer_append_u8(&b, VALUE_S);
    buffer_append_varint(&b, PADDING_BYTES);
    memset(buffer_extend(&b, PADDING_BYTES), 'x', PADDING_BYTES);
    struct slice enlarged = arena_copy(&arena, buffer_view(&b));
    buffer_deinit(&b);
    return enlarged;
}

static void programs_agree_with_the_plain_evaluator(void **state)
{
    struct buffer bytes;
    size_t true_count = 0;
    buffer_init(&bytes, PROGRAM_BYTES_MAX);
    for (int i = 0; i < 20000; i++) {
        struct program_builder b;
        struct program p;
        bool result = false;
        arena_reset(&arena);
        buffer_clear(&bytes);
        program_builder_init(&b, PROGRAM_CONDITION);
        struct tree *tree = any_tree(&b, 4);
        assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
        program_builder_deinit(&b);
        assert_int_equal(program_open(buffer_view(&bytes), PROGRAM_CONDITION, &p), ERR_OK);
        struct slice item = random_one_in(&rng, 20) ? SLICE_EMPTY : any_item();
        if (random_one_in(&rng, 4))
            item = enlarge(item);
        assert_int_equal(condition_evaluate(&p, item, &arena, &result), ERR_OK);
        if (result != plain(tree, item))
            fail_msg("case %d differs on %s", i, document_write(item, &arena));
        true_count += result;
    }
    assert_in_range(true_count, 5000, 15000);
    buffer_deinit(&bytes);
}

static void a_damaged_item_is_reported(void **state)
{
    struct buffer bytes;
    struct program_builder b;
    struct program p;
    bool result;
    buffer_init(&bytes, PROGRAM_BYTES_MAX);
    program_builder_init(&b, PROGRAM_CONDITION);
    program_builder_path_name(&b, program_builder_name(&b, SLICE_LITERAL("z")));
    buffer_append_u8(&b.code, CONDITION_EXISTS);
    buffer_append_u16(&b.code, program_builder_path_end(&b));
    assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
    program_builder_deinit(&b);
    assert_int_equal(program_open(buffer_view(&bytes), PROGRAM_CONDITION, &p), ERR_OK);
    assert_int_equal(condition_evaluate(&p,
                                        SLICE_LITERAL("\1a\1\x7f"
                                                      "cut"),
                                        &arena, &result),
                     ERR_CORRUPT);
    buffer_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_agree_with_the_plain_evaluator),
        cmocka_unit_test(a_damaged_item_is_reported),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Random updates on random items, applied twice: by update_apply, and clause by clause to a tree. */
#include "dataplane/expression/update.h"

#include "base/random.h"
#include "dataplane/expression/program_builder.h"
#include "dataplane/expression/projection.h"
#include "tests/unit/dataplane/expression/document_text.h"

enum { CHILDREN_MAX = 16, CLAUSES_MAX = 4, DEPTH_MAX = 4 };

static const char *const ITEMS[] = {
    "{}",
    "{a:{a:1,b:[1,2,3],c:{a:[{b:1},{c:2}]}},b:[{a:1},[4,5,6,7],'x'],c:'s',d:<1,2>}",
    "{a:[[1,2],[3,4],{a:{b:5}}],b:{a:{b:{c:1}}},d:{a:null}}",
    "{b:1,c:[0,1,2,3,4,5]}",
    "{a:{b:{a:[1],b:2,c:3}},c:{},d:[]}",
};
static const char *const VALUES[] = {"7", "'new'", "[]", "{}", "{a:{b:[1]}}", "[[9],{a:8}]", "<'x'>"};
static const char *const NAMES[] = {"a", "b", "c", "d"};

struct node {
    uint8_t tag;
    struct slice body; /* of what is neither M nor L */
    bool is_removed;
    struct slice names[CHILDREN_MAX];
    uint32_t positions[CHILDREN_MAX]; /* in a list: old index, or that of the target appended */
    struct node *children[CHILDREN_MAX];
    size_t count;
    size_t old_count;
};

struct clause {
    enum update_op op; /* SET or REMOVE */
    struct path_step steps[DEPTH_MAX];
    size_t step_count;
    bool copies; /* SET from a path */
    struct path_step source[DEPTH_MAX];
    size_t source_count;
    struct value_view value;
};

static struct arena arena;
static struct random rng;

static int setup(void **state)
{
    arena_init(&arena, 1 << 16, 1 << 26);
    random_init(&rng, 11);
    return 0;
}

static int teardown(void **state)
{
    arena_deinit(&arena);
    return 0;
}

/* ---- the tree ---- */

static struct node *node_new(struct value_view value);

static void node_add(struct node *parent, struct slice name, uint32_t position, struct node *child)
{
    assert_in_range(parent->count, 0, CHILDREN_MAX - 1);
    parent->names[parent->count] = name;
    parent->positions[parent->count] = position;
    parent->children[parent->count++] = child;
}

static struct node *node_new(struct value_view value)
{
    struct node *n = arena_zalloc(&arena, sizeof *n);
    struct reader at;
    struct attribute_view attribute;
    struct value_view element;
    n->tag = value.tag;
    n->body = value.body;
    reader_init(&at, value.body);
    while (value.tag == VALUE_M && item_next(&at, &attribute))
        node_add(n, attribute.name, 0, node_new(attribute.value));
    while (value.tag == VALUE_L && list_next(&at, &element))
        node_add(n, SLICE_EMPTY, (uint32_t)n->count, node_new(element));
    n->old_count = n->count;
    return n;
}

static struct node *node_child(struct node *n, const struct path_step *step)
{
    for (size_t i = 0; i < n->old_count; i++)
        if (step->is_index ? n->positions[i] == step->index : slice_equal(n->names[i], step->name))
            return n->children[i];
    return NULL;
}

/* False: the path is invalid for update. */
static bool node_apply(struct node *root, const struct clause *c)
{
    struct node *parent = root;
    for (size_t i = 0; i < c->step_count; i++) {
        const struct path_step *step = &c->steps[i];
        if (parent == NULL || parent->tag != (step->is_index ? VALUE_L : VALUE_M))
            return false;
        struct node *child = node_child(parent, step);
        if (i + 1 < c->step_count) {
            parent = child;
            continue;
        }
        struct node *fresh = node_new(c->value);
        fresh->is_removed = c->op == UPDATE_REMOVE;
        if (child != NULL)
            *child = *fresh;
        else if (c->op == UPDATE_SET)
            node_add(parent, step->name, step->index, fresh);
    }
    return true;
}

static void node_build(const struct node *n, struct item_builder *b)
{
    bool done[CHILDREN_MAX] = {false};
    if (n->tag != VALUE_M && n->tag != VALUE_L) {
        item_builder_value(b, (struct value_view){n->tag, n->body});
        return;
    }
    item_builder_begin(b, (enum value_tag)n->tag);
    for (size_t i = 0; i < n->count; i++) {
        size_t next = CHILDREN_MAX;
        for (size_t k = 0; k < n->count; k++)
            if (!done[k] && (next == CHILDREN_MAX || n->positions[k] < n->positions[next]))
                next = k;
        done[next] = true;
        if (n->children[next]->is_removed)
            continue;
        if (n->tag == VALUE_M)
            item_builder_name(b, n->names[next]);
        node_build(n->children[next], b);
    }
    item_builder_end(b);
}

/* ---- random clauses ---- */

static size_t any_path(struct path_step steps[DEPTH_MAX])
{
    size_t count = 1 + random_below(&rng, DEPTH_MAX);
    for (size_t i = 0; i < count; i++) {
        bool is_index = i > 0 && random_one_in(&rng, 2);
        const char *name = NAMES[random_below(&rng, 4)];
        steps[i] = (struct path_step){is_index, is_index ? (uint32_t)random_below(&rng, 7) : 0,
                                      is_index ? SLICE_EMPTY : slice_from_string(name)};
    }
    return count;
}

static uint16_t emit_path(struct program_builder *b, const struct path_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (steps[i].is_index)
            program_builder_path_index(b, steps[i].index);
        else
            program_builder_path_name(b, program_builder_name(b, steps[i].name));
    return program_builder_path_end(b);
}

/* Overlap, or conflict: no parser lets that pass. */
static bool collide(const struct clause *a, const struct clause *b)
{
    for (size_t i = 0; i < a->step_count && i < b->step_count; i++) {
        const struct path_step *x = &a->steps[i], *y = &b->steps[i];
        if (x->is_index != y->is_index)
            return true;
        if (x->index != y->index || !slice_equal(x->name, y->name))
            return false;
    }
    return true;
}

static void any_clause(struct clause *c)
{
    *c = (struct clause){.op = random_one_in(&rng, 3) ? UPDATE_REMOVE : UPDATE_SET};
    c->step_count = any_path(c->steps);
    c->copies = random_one_in(&rng, 3);
    c->source_count = any_path(c->source);
    const char *value = VALUES[random_below(&rng, sizeof VALUES / sizeof *VALUES)];
    assert_true(value_decode(document_read(value, true, &arena), &c->value));
}

static size_t any_clauses(struct clause clauses[CLAUSES_MAX])
{
    size_t wanted = 1 + random_below(&rng, CLAUSES_MAX), count = 0;
    for (size_t i = 0; i < wanted; i++) {
        bool collides = false;
        any_clause(&clauses[count]);
        for (size_t k = 0; k < count; k++)
            collides = collides || collide(&clauses[k], &clauses[count]);
        count += !collides;
    }
    return count;
}

static void emit_clause(struct program_builder *b, const struct clause *c)
{
    if (c->op == UPDATE_SET) {
        struct buffer value;
        buffer_init(&value, 1 << 16);
        value_append(c->value, &value);
        buffer_append_u8(&b->code, c->copies ? UPDATE_PUSH_PATH : UPDATE_PUSH_VALUE);
        buffer_append_u16(&b->code, c->copies ? emit_path(b, c->source, c->source_count)
                                              : program_builder_value(b, buffer_view(&value)));
        buffer_deinit(&value);
    }
    buffer_append_u8(&b->code, (uint8_t)c->op);
    buffer_append_u16(&b->code, emit_path(b, c->steps, c->step_count));
}

/* ---- */

/* The expected item as text, or the refusal. */
static const char *plain_update(struct slice item, struct clause *clauses, size_t count)
{
    struct node *root = node_new((struct value_view){VALUE_M, item});
    struct item_builder b;
    for (size_t i = 0; i < count; i++)
        if (clauses[i].op == UPDATE_SET && clauses[i].copies &&
            !item_walk(item, clauses[i].source, clauses[i].source_count, &clauses[i].value))
            return "The provided expression refers to an attribute that does not exist in the item";
    for (size_t i = 0; i < count; i++)
        if (!node_apply(root, &clauses[i]))
            return "The document path provided in the update expression is invalid for update";
    item_builder_init(&b, ITEM_ENCODED_BYTES_MAX);
    node_build(root, &b);
    const char *text = document_write(item_builder_view(&b), &arena);
    text = arena_string(&arena, slice_from_string(text));
    item_builder_deinit(&b);
    return text;
}

static void updates_agree_with_a_tree(void **state)
{
    struct buffer bytes;
    size_t good_count = 0;
    buffer_init(&bytes, PROGRAM_BYTES_MAX);
    for (int i = 0; i < 30000; i++) {
        struct program_builder b;
        struct program p;
        struct clause clauses[CLAUSES_MAX];
        struct slice result;
        struct error error;
        arena_reset(&arena);
        buffer_clear(&bytes);
        const char *text = ITEMS[random_below(&rng, sizeof ITEMS / sizeof *ITEMS)];
        struct slice item = document_read(text, false, &arena);
        size_t count = any_clauses(clauses);
        program_builder_init(&b, PROGRAM_UPDATE);
        for (size_t k = 0; k < count; k++)
            emit_clause(&b, &clauses[k]);
        assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
        program_builder_deinit(&b);
        assert_int_equal(program_open(buffer_view(&bytes), PROGRAM_UPDATE, &p), ERR_OK);
        struct update_request request = {&p, true, item, SLICE_EMPTY};
        enum err err = update_apply(&request, &arena, &result, &error);
        const char *got = err == ERR_OK ? document_write(result, &arena) : error.text;
        if (strcmp(got, plain_update(item, clauses, count)) != 0)
            fail_msg("case %d on %s: %s", i, text, got);
        good_count += err == ERR_OK;
    }
    assert_in_range(good_count, 3000, 30000);
    buffer_deinit(&bytes);
}

static void build_set(struct program_builder *b, const char *name, const char *value)
{
    program_builder_init(b, PROGRAM_UPDATE);
    buffer_append_u8(&b->code, UPDATE_PUSH_VALUE);
    buffer_append_u16(&b->code, program_builder_value(b, document_read(value, true, &arena)));
    program_builder_path_name(b, program_builder_name(b, slice_from_string(name)));
    buffer_append_u8(&b->code, UPDATE_SET);
    buffer_append_u16(&b->code, program_builder_path_end(b));
}

/* Longer than all there is room for: nothing of it is to be written. */
static void a_parent_with_a_long_name_may_be_absent(void **state)
{
    static char name[ATTRIBUTE_NAME_BYTES_MAX];
    struct program_builder b;
    struct program p;
    struct buffer bytes;
    struct slice result;
    struct error error = {.code = ERR_OK};
    buffer_init(&bytes, PROGRAM_BYTES_MAX);
    memset(name, 'x', sizeof name);
    program_builder_init(&b, PROGRAM_UPDATE);
    program_builder_path_name(&b, program_builder_name(&b, slice_make(name, sizeof name)));
    program_builder_path_name(&b, program_builder_name(&b, SLICE_LITERAL("y")));
    buffer_append_u8(&b.code, UPDATE_REMOVE);
    buffer_append_u16(&b.code, program_builder_path_end(&b));
    assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
    program_builder_deinit(&b);
    assert_int_equal(program_open(buffer_view(&bytes), PROGRAM_UPDATE, &p), ERR_OK);
    struct update_request request = {&p, true, document_read(ITEMS[1], false, &arena), SLICE_EMPTY};
    assert_int_equal(update_apply(&request, &arena, &result, &error), ERR_VALIDATION);
    assert_string_equal(error.text,
                        "The document path provided in the update expression is invalid for update");
    buffer_deinit(&bytes);
}

static void a_spent_arena_is_reported(void **state)
{
    struct program_builder b;
    struct program p;
    struct buffer bytes;
    struct slice result;
    enum err err = ERR_NO_MEMORY;
    size_t capacity = 64;
    buffer_init(&bytes, PROGRAM_BYTES_MAX);
    build_set(&b, "x", "1");
    assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
    program_builder_deinit(&b);
    assert_int_equal(program_open(buffer_view(&bytes), PROGRAM_UPDATE, &p), ERR_OK);
    struct update_request request = {&p, true, document_read(ITEMS[1], false, &arena), SLICE_EMPTY};
    for (; err == ERR_NO_MEMORY; capacity += 64) {
        struct arena small;
        arena_init(&small, 64, capacity);
        err = update_apply(&request, &small, &result, NULL);
        arena_deinit(&small);
        assert_in_range(capacity, 0, 1 << 16);
    }
    assert_int_equal(err, ERR_OK);
    struct arena none;
    arena_init(&none, 64, 64);
    assert_int_equal(projection_apply(&p, request.old_item, &none, &result), ERR_NO_MEMORY);
    arena_deinit(&none);
    buffer_deinit(&bytes);
}

static void a_damaged_item_is_reported(void **state)
{
    struct program_builder b;
    struct program p;
    struct buffer bytes;
    struct slice result;
    buffer_init(&bytes, PROGRAM_BYTES_MAX);
    build_set(&b, "x", "1");
    assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
    program_builder_deinit(&b);
    assert_int_equal(program_open(buffer_view(&bytes), PROGRAM_UPDATE, &p), ERR_OK);
    struct slice damaged = SLICE_LITERAL("\1a\1\x7f"
                                         "cut");
    struct update_request request = {&p, true, damaged, SLICE_EMPTY};
    assert_int_equal(update_apply(&request, &arena, &result, NULL), ERR_CORRUPT);
    assert_int_equal(projection_apply(&p, damaged, &arena, &result), ERR_CORRUPT);
    buffer_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_agree_with_a_tree),
        cmocka_unit_test(a_parent_with_a_long_name_may_be_absent),
        cmocka_unit_test(a_spent_arena_is_reported),
        cmocka_unit_test(a_damaged_item_is_reported),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* The table against following each path alone. */
#include "dataplane/expression/path_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "dataplane/expression/program_builder.h"
#include "tests/unit/dataplane/expression/document_text.h"

enum { PADDING_BYTES = 70000 };

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

/* So large that a table is made. */
static struct slice enlarge(struct slice item)
{
    struct buffer b;
    buffer_init(&b, 1 << 20);
    buffer_append(&b, item);
    buffer_append_prefixed(&b, SLICE_LITERAL("~"));
    buffer_append_u8(&b, VALUE_S);
    buffer_append_varint(&b, PADDING_BYTES);
    memset(buffer_extend(&b, PADDING_BYTES), 'x', PADDING_BYTES);
    struct slice enlarged = arena_copy(&arena, buffer_view(&b));
    buffer_deinit(&b);
    return enlarged;
}

/* A condition with so many random paths of up to four parts, of few names and indexes, so that they often lead somewhere, share their
 * beginnings and are equal. */
static struct program any_paths(uint32_t count)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    struct program_builder b;
    struct buffer bytes;
    struct program p;
    buffer_init(&bytes, PROGRAM_BYTES_MAX);
    program_builder_init(&b, PROGRAM_CONDITION);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t length = 1 + random_below(&rng, 4);
        for (uint64_t part = 0; part < length; part++) {
            if (part > 0 && random_one_in(&rng, 2))
                program_builder_path_index(&b, (uint32_t)random_below(&rng, 4));
            else
                program_builder_path_name(
                    &b, program_builder_name(&b, slice_from_string(names[random_below(&rng, 4)])));
        }
        uint16_t path = program_builder_path_end(&b);
        buffer_append_u8(&b.code, CONDITION_EXISTS);
        buffer_append_u16(&b.code, path);
        if (i > 0)
            buffer_append_u8(&b.code, CONDITION_OR);
    }
    assert_int_equal(program_builder_finish(&b, &bytes), ERR_OK);
    program_builder_deinit(&b);
    struct slice kept = arena_copy(&arena, buffer_view(&bytes));
    buffer_deinit(&bytes);
    assert_int_equal(program_open(kept, PROGRAM_CONDITION, &p), ERR_OK);
    return p;
}

static void paths_lead_where_they_lead_one_by_one(void **state)
{
    static const char *const documents[] = {
        "{a:1}",
        "{a:{b:{c:'x', d:[1,2,[3,{a:4}]]}, c:'y'}, b:[{a:1,b:[5,6]}, 'two', ['three',{d:7}]], d:9}",
        "{b:[[0,[1,2,3]],{a:{a:{a:1}}},2,3], c:{a:[1], b:{c:[{d:1}]}}}",
    };
    uint64_t found = 0;
    for (unsigned i = 0; i < 3000; i++) {
        arena_reset(&arena);
        struct slice item = enlarge(document_read(documents[i % 3], false, &arena));
        struct program p = any_paths(1 + (uint32_t)random_below(&rng, 40));
        struct path_table table;
        assert_int_equal(path_table_open(&table, &p, item, &arena), ERR_OK);
        assert_non_null(table.found);
        for (uint32_t path = 0; path < p.path_count; path++) {
            struct value_view one = {0}, other = {0};
            enum path_result result = path_walk(&p, path, item, &one);
            assert_int_equal(path_table_find(&table, path, &other), result);
            assert_true(result != PATH_FOUND || (one.tag == other.tag && one.body.data == other.body.data));
            found += result == PATH_FOUND;
        }
    }
    assert_true(found > 1000);
}

static void a_damaged_item_is_reported(void **state)
{
    arena_reset(&arena);
    struct slice item = enlarge(document_read("{a:1}", false, &arena));
    struct program p = any_paths(40);
    struct path_table table;
    assert_int_equal(path_table_open(&table, &p, slice_make(item.data, item.length - 1), &arena),
                     ERR_CORRUPT);
}

static void without_memory_it_says_so(void **state)
{
    arena_reset(&arena);
    struct slice item = enlarge(document_read("{a:1}", false, &arena));
    struct program p = any_paths(40);
    struct path_table table;
    struct arena small;
    arena_init(&small, 64, 64);
    assert_int_equal(path_table_open(&table, &p, item, &small), ERR_NO_MEMORY);
    arena_deinit(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_where_they_lead_one_by_one),
        cmocka_unit_test(a_damaged_item_is_reported),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

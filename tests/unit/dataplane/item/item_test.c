#include "dataplane/item/item.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "dataplane/item/item_builder.h"
#include "dataplane/item/number.h"
#include "dataplane/item/size.h"

static struct item_builder builder;

static int setup(void **state)
{
    item_builder_init(&builder, ITEM_ENCODED_BYTES_MAX);
    return 0;
}

static int teardown(void **state)
{
    item_builder_deinit(&builder);
    return 0;
}

static void name(const char *text)
{
    item_builder_name(&builder, slice_from_string(text));
}

static void add_number(const char *text)
{
    struct number n;
    assert_int_equal(number_parse(slice_from_string(text), &n), NUMBER_OK);
    item_builder_number(&builder, &n);
}

/* {z: "end", a: 12.5, doc: {list: [true, null, {deep: b"\0\1"}]}, tags: {"red", "blue"}, nums: {3, 1, 2}} */
static struct slice build_sample(void)
{
    item_builder_clear(&builder);
    item_builder_begin(&builder, VALUE_M);
    name("z");
    item_builder_scalar(&builder, VALUE_S, SLICE_LITERAL("end"));
    name("a");
    add_number("12.5");
    name("doc");
    item_builder_begin(&builder, VALUE_M);
    name("list");
    item_builder_begin(&builder, VALUE_L);
    item_builder_bool(&builder, true);
    item_builder_scalar(&builder, VALUE_NULL, SLICE_EMPTY);
    item_builder_begin(&builder, VALUE_M);
    name("deep");
    item_builder_scalar(&builder, VALUE_B, SLICE_LITERAL("\0\1"));
    item_builder_end(&builder);
    item_builder_end(&builder);
    item_builder_end(&builder);
    name("tags");
    item_builder_begin(&builder, VALUE_SS);
    item_builder_member(&builder, SLICE_LITERAL("red"));
    item_builder_member(&builder, SLICE_LITERAL("blue"));
    assert_int_equal(item_builder_end(&builder), 0);
    name("nums");
    item_builder_begin(&builder, VALUE_NS);
    for (int i = 0; i < 3; i++) {
        struct number n = number_from_int64((i + 2) % 3 + 1);
        item_builder_member(&builder, number_view(&n));
    }
    item_builder_end(&builder);
    item_builder_end(&builder);
    assert_false(item_builder_has_failed(&builder));
    return item_builder_view(&builder);
}

static void builder_sorts_names_and_members(void **state)
{
    struct slice item = build_sample();
    struct reader at;
    struct attribute_view attribute;
    static const char *const NAMES[] = {"a", "doc", "nums", "tags", "z"};
    assert_int_equal(item_check(item), ERR_OK);
    item_iterate(item, &at);
    for (int i = 0; i < 5; i++) {
        assert_true(item_next(&at, &attribute));
        assert_true(slice_equal_string(attribute.name, NAMES[i]));
    }
    assert_false(item_next(&at, &attribute));
    assert_true(reader_is_done(&at));
    assert_int_equal(item_count(item), 5);
}

static void order_of_attributes_does_not_show_in_the_bytes(void **state)
{
    uint8_t first[4096];
    size_t first_length = 0;
    for (unsigned seed = 0; seed < 40; seed++) {
        struct random r;
        unsigned order[60];
        random_init(&r, seed);
        for (unsigned i = 0; i < 60; i++) {
            unsigned at = (unsigned)random_below(&r, i + 1);
            order[i] = order[at];
            order[at] = i;
        }
        item_builder_clear(&builder);
        item_builder_begin(&builder, VALUE_M);
        for (unsigned i = 0; i < 60; i++) {
            char text[24] = "a-common-prefix-00";
            text[16] = (char)('0' + order[i] / 10);
            text[17] = (char)('0' + order[i] % 10);
            name(text);
            struct number n = number_from_int64(order[i]);
            item_builder_number(&builder, &n);
        }
        item_builder_end(&builder);
        struct slice item = item_builder_view(&builder);
        assert_int_equal(item_check(item), ERR_OK);
        if (seed == 0) {
            assert_true(item.length < sizeof(first));
            memcpy(first, item.data, first_length = item.length);
        }
        assert_true(slice_equal(item, slice_make(first, first_length)));
    }
}

static void last_of_equal_names_wins_and_equal_members_are_dropped(void **state)
{
    struct value_view value;
    item_builder_clear(&builder);
    item_builder_begin(&builder, VALUE_M);
    for (int i = 0; i < 50; i++) {
        name("same");
        item_builder_bool(&builder, i == 49);
        name("x");
        item_builder_begin(&builder, VALUE_BS);
        item_builder_member(&builder, SLICE_LITERAL("m"));
        item_builder_member(&builder, SLICE_LITERAL("m"));
        assert_int_equal(item_builder_count(&builder), 2);
        assert_int_equal(item_builder_end(&builder), 1);
    }
    assert_int_equal(item_builder_end(&builder), 98);
    struct slice item = item_builder_view(&builder);
    assert_int_equal(item_check(item), ERR_OK);
    assert_int_equal(item_count(item), 2);
    assert_true(item_find(item, SLICE_LITERAL("same"), &value));
    assert_int_equal(value.body.data[0], 1);
}

static void large_containers_get_longer_lengths(void **state)
{
    static uint8_t text[300000];
    struct value_view value;
    memset(text, 'x', sizeof(text));
    item_builder_clear(&builder);
    item_builder_begin(&builder, VALUE_M);
    name("m");
    item_builder_begin(&builder, VALUE_M);
    name("b");
    item_builder_scalar(&builder, VALUE_S, slice_make(text, sizeof(text)));
    name("a");
    item_builder_scalar(&builder, VALUE_S, slice_make(text, 200));
    item_builder_end(&builder);
    item_builder_end(&builder);
    struct slice item = item_builder_view(&builder);
    assert_int_equal(item_check(item), ERR_OK);
    struct path_step path[] = {{.name = SLICE_LITERAL("m")}, {.name = SLICE_LITERAL("b")}};
    assert_true(item_walk(item, path, 2, &value));
    assert_int_equal(value.body.length, sizeof(text));
}

static void paths_walk_through_maps_and_lists(void **state)
{
    struct slice item = build_sample();
    struct value_view value;
    struct path_step path[] = {{.name = SLICE_LITERAL("doc")},
                               {.name = SLICE_LITERAL("list")},
                               {.is_index = true, .index = 2},
                               {.name = SLICE_LITERAL("deep")}};
    assert_true(item_walk(item, path, 4, &value));
    assert_int_equal(value.tag, VALUE_B);
    assert_true(slice_equal(value.body, SLICE_LITERAL("\0\1")));
    assert_true(item_walk(item, path, 2, &value));
    assert_int_equal(list_count(value.body), 3);
    path[2].index = 3;
    assert_false(item_walk(item, path, 3, &value));
    path[1].is_index = true;
    assert_false(item_walk(item, path, 2, &value));
}

static void sets_know_their_members(void **state)
{
    struct slice item = build_sample();
    struct value_view tags, nums;
    assert_true(item_find(item, SLICE_LITERAL("tags"), &tags));
    assert_true(item_find(item, SLICE_LITERAL("nums"), &nums));
    assert_int_equal(set_count(tags.body), 2);
    assert_true(set_contains(tags.body, SLICE_LITERAL("blue")));
    assert_false(set_contains(tags.body, SLICE_LITERAL("green")));
    assert_false(set_contains(tags.body, SLICE_LITERAL("zebra")));
    struct number two = number_from_int64(2), four = number_from_int64(4);
    assert_true(set_contains(nums.body, number_view(&two)));
    assert_false(set_contains(nums.body, number_view(&four)));
    assert_true(set_contains_all(tags.body, tags.body));
    assert_true(set_contains_all(tags.body, SLICE_LITERAL("\3red")));
    assert_true(set_contains_all(tags.body, SLICE_EMPTY));
    assert_false(set_contains_all(SLICE_LITERAL("\3red"), tags.body));
}

static void only_like_scalars_compare(void **state)
{
    struct value_view a = {VALUE_S, SLICE_LITERAL("a")}, b = {VALUE_S, SLICE_LITERAL("b")};
    struct value_view binary = {VALUE_B, SLICE_LITERAL("b")}, yes = {VALUE_BOOL, SLICE_LITERAL("\1")};
    int order = 9;
    assert_true(value_compare(a, b, &order));
    assert_true(order < 0);
    assert_false(value_compare(b, binary, &order));
    assert_false(value_compare(yes, yes, &order));
    assert_true(value_equal(yes, yes));
    assert_false(value_equal(b, binary));
}

static void tags_have_names(void **state)
{
    for (uint8_t tag = VALUE_S; tag <= VALUE_BOOL; tag++)
        assert_int_equal(value_tag_from_name(slice_from_string(value_tag_name(tag))), tag);
    assert_int_equal(value_tag_from_name(SLICE_LITERAL("X")), 0);
    assert_string_equal(value_tag_name(99), "?");
    assert_int_equal(value_set_member_tag(VALUE_NS), VALUE_N);
}

static void build_nested(unsigned levels)
{
    item_builder_clear(&builder);
    item_builder_begin(&builder, VALUE_M);
    name("a");
    for (unsigned i = 1; i < levels; i++)
        item_builder_begin(&builder, VALUE_L);
    item_builder_bool(&builder, true);
    for (unsigned i = 1; i < levels; i++)
        item_builder_end(&builder);
    item_builder_end(&builder);
}

static void nesting_ends_at_32_levels(void **state)
{
    build_nested(32);
    assert_int_equal(item_check(item_builder_view(&builder)), ERR_OK);
    build_nested(33);
    assert_true(item_builder_has_failed(&builder));
    assert_true(item_builder_is_too_deep(&builder));

    /* Copied containers bring their levels along. */
    struct item_builder other;
    struct value_view value;
    build_nested(32);
    assert_true(item_find(item_builder_view(&builder), SLICE_LITERAL("a"), &value));
    item_builder_init(&other, ITEM_ENCODED_BYTES_MAX);
    item_builder_begin(&other, VALUE_M);
    item_builder_attribute(&other, SLICE_LITERAL("b"), value);
    item_builder_end(&other);
    assert_int_equal(item_check(item_builder_view(&other)), ERR_OK);
    item_builder_clear(&other);
    item_builder_begin(&other, VALUE_M);
    item_builder_name(&other, SLICE_LITERAL("b"));
    item_builder_begin(&other, VALUE_L);
    item_builder_value(&other, value);
    assert_true(item_builder_is_too_deep(&other));
    item_builder_deinit(&other);
}

static void builder_refuses_beyond_its_cap_and_without_memory(void **state)
{
    struct item_builder small;
    item_builder_init(&small, 20);
    item_builder_begin(&small, VALUE_M);
    item_builder_name(&small, SLICE_LITERAL("n"));
    item_builder_scalar(&small, VALUE_S, SLICE_LITERAL("more than fits into twenty bytes"));
    item_builder_end(&small);
    assert_true(item_builder_has_failed(&small));
    assert_true(item_builder_is_over(&small));
    item_builder_deinit(&small);

    for (int64_t n = 0;; n++) {
        item_builder_init(&small, 1000);
        memory_fail_after(n);
        item_builder_begin(&small, VALUE_M);
        for (char c = 'z'; c >= 'a'; c--) {
            item_builder_name(&small, slice_make(&c, 1));
            item_builder_scalar(&small, VALUE_S, SLICE_LITERAL("0123456789"));
        }
        item_builder_end(&small);
        memory_fail_after(-1);
        bool is_done = !item_builder_has_failed(&small);
        assert_true(is_done || !item_builder_is_over(&small));
        item_builder_deinit(&small);
        if (is_done)
            break;
    }
}

static void check_refuses_what_is_not_canonical(void **state)
{
    assert_int_equal(item_check(SLICE_EMPTY), ERR_OK);
    assert_int_equal(item_check(SLICE_LITERAL("\1a\12\1\1")), ERR_OK);            /* a: true */
    assert_int_equal(item_check(SLICE_LITERAL("\1a\12\1\2")), ERR_CORRUPT);       /* BOOL 2 */
    assert_int_equal(item_check(SLICE_LITERAL("\1b\11\0\1a\11\0")), ERR_CORRUPT); /* not sorted */
    assert_int_equal(item_check(SLICE_LITERAL("\1a\11\0\1a\11\0")), ERR_CORRUPT); /* twice */
    assert_int_equal(item_check(SLICE_LITERAL("\0\11\0")), ERR_CORRUPT);          /* no name */
    assert_int_equal(item_check(SLICE_LITERAL("\1a\1\1\xFF")), ERR_CORRUPT);      /* not UTF-8 */
    assert_int_equal(item_check(SLICE_LITERAL("\1a\3\1\xFF")), ERR_OK);           /* binary may be */
    assert_int_equal(item_check(SLICE_LITERAL("\1a\2\1\0")), ERR_CORRUPT);        /* no number */
    assert_int_equal(item_check(SLICE_LITERAL("\1a\4\0")), ERR_CORRUPT);          /* empty set */
    assert_int_equal(item_check(SLICE_LITERAL("\1a\4\4\1y\1x")), ERR_CORRUPT);    /* members not sorted */
    assert_int_equal(item_check(SLICE_LITERAL("\1a\7\0")), ERR_OK);               /* empty map */
    assert_int_equal(item_check(SLICE_LITERAL("\1a\13\0")), ERR_CORRUPT);         /* no such tag */
    assert_int_equal(item_check(SLICE_LITERAL("\1a\11\200\0")), ERR_CORRUPT); /* length in a longer form */
    assert_int_equal(item_check(SLICE_LITERAL("\1a\1\5abc")), ERR_CORRUPT);   /* short */
    assert_int_equal(value_check(SLICE_LITERAL("\1\1x")), ERR_OK);
    assert_int_equal(value_check(SLICE_LITERAL("\1\1xy")), ERR_CORRUPT);
}

static void utf8_is_checked_strictly(void **state)
{
    assert_true(utf8_is_valid(
        SLICE_LITERAL("plain ascii, longer than a word; \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80")));
    static const char *const WRONG[] = {"\x80",
                                        "\xC0\xAF",
                                        "\xC1\xBF",
                                        "\xE0\x80\x80",
                                        "\xED\xA0\x80",
                                        "\xF0\x80\x80\x80",
                                        "\xF4\x90\x80\x80",
                                        "\xF5\x80\x80\x80",
                                        "\xE2\x82",
                                        "\xFF",
                                        "12345678\xC3"};
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++)
        assert_false(utf8_is_valid(slice_from_string(WRONG[i])));
}

static void random_bytes_never_lead_outside(void **state)
{
    uint8_t bytes[512];
    struct random r;
    struct slice sample = build_sample();
    struct value_view value;
    struct path_step path[] = {
        {.name = SLICE_LITERAL("doc")}, {.name = SLICE_LITERAL("list")}, {.is_index = true}};
    assert_true(sample.length < sizeof(bytes));
    random_init(&r, 42);
    for (int i = 0; i < 10000; i++) {
        size_t length = sample.length;
        memcpy(bytes, sample.data, length);
        for (uint64_t n = random_below(&r, 4); n-- > 0;)
            bytes[random_below(&r, length)] = (uint8_t)random_u64(&r);
        if (random_one_in(&r, 4))
            length = random_below(&r, length);
        /* Exactly sized, so that the sanitizer sees the first byte too far. */
        uint8_t *exact = memory_alloc(length == 0 ? 1 : length);
        memcpy(exact, bytes, length);
        struct slice item = slice_make(exact, length);
        bool is_canonical = item_check(item) == ERR_OK;
        (void)item_walk(item, path, 3, &value);
        (void)item_size_bytes(item);
        if (is_canonical) {
            /* Canonical means: built anew, it is the same. */
            struct reader at;
            struct attribute_view attribute;
            struct item_builder again;
            item_builder_init(&again, ITEM_ENCODED_BYTES_MAX);
            item_builder_begin(&again, VALUE_M);
            item_iterate(item, &at);
            while (item_next(&at, &attribute))
                item_builder_attribute(&again, attribute.name, attribute.value);
            item_builder_end(&again);
            assert_true(slice_equal(item_builder_view(&again), item));
            item_builder_deinit(&again);
        }
        memory_free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builder_sorts_names_and_members),
        cmocka_unit_test(order_of_attributes_does_not_show_in_the_bytes),
        cmocka_unit_test(last_of_equal_names_wins_and_equal_members_are_dropped),
        cmocka_unit_test(large_containers_get_longer_lengths),
        cmocka_unit_test(paths_walk_through_maps_and_lists),
        cmocka_unit_test(sets_know_their_members),
        cmocka_unit_test(only_like_scalars_compare),
        cmocka_unit_test(tags_have_names),
        cmocka_unit_test(nesting_ends_at_32_levels),
        cmocka_unit_test(builder_refuses_beyond_its_cap_and_without_memory),
        cmocka_unit_test(check_refuses_what_is_not_canonical),
        cmocka_unit_test(utf8_is_checked_strictly),
        cmocka_unit_test(random_bytes_never_lead_outside),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

#include "controlplane/memds/digest_tree.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"

enum { ENTRIES = 5000 };

struct world {
    struct digest_tree *tree;
    struct digest_entry entries[ENTRIES];
};

static int set_up(void **state)
{
    struct world *w = memory_zalloc(sizeof *w);
    w->tree = digest_tree_create();
    *state = w;
    return w->tree == NULL;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    digest_tree_destroy(w->tree);
    memory_free(w);
    return 0;
}

static void fill(struct world *w, uint64_t salt)
{
    for (uint64_t id = 0; id < ENTRIES; id++)
        digest_tree_set(w->tree, &w->entries[id], id, id * 0x9E3779B97F4A7C15U + salt);
}

static void digest_follows_from_the_set_not_from_its_history(void **state)
{
    struct world *w = *state;
    fill(w, 1);
    uint64_t before = digest_tree_digest(w->tree, 0);
    struct random random;
    random_init(&random, 1);
    for (int i = 0; i < ENTRIES; i++) {
        struct digest_entry *entry = &w->entries[random_below(&random, ENTRIES)];
        digest_tree_remove(w->tree, entry);
        digest_tree_remove(w->tree, entry); /* is out already */
    }
    assert_int_not_equal(digest_tree_digest(w->tree, 0), before);
    fill(w, 2);
    assert_int_not_equal(digest_tree_digest(w->tree, 0), before);
    fill(w, 1);
    assert_int_equal(digest_tree_digest(w->tree, 0), before);
    assert_int_equal(digest_tree_count(w->tree, 0), ENTRIES);
}

static void part_is_the_sum_of_its_parts(void **state)
{
    struct world *w = *state;
    fill(w, 1);
    for (uint32_t part = 0; part < DIGEST_LEAF_FIRST; part++) {
        uint64_t digest = 0;
        size_t count = 0;
        for (uint32_t i = 0; i < DIGEST_FANOUT; i++) {
            digest ^= digest_tree_digest(w->tree, digest_part_child(part) + i);
            count += digest_tree_count(w->tree, digest_part_child(part) + i);
        }
        assert_int_equal(digest_tree_digest(w->tree, part), digest);
        assert_int_equal(digest_tree_count(w->tree, part), count);
    }
    assert_int_equal(digest_part_child(DIGEST_LEAF_FIRST - 1) + DIGEST_FANOUT, DIGEST_PART_COUNT);
}

struct seen {
    const struct world *world;
    uint8_t times[ENTRIES];
};

static void see(const struct digest_entry *entry, void *data)
{
    struct seen *seen = data;
    seen->times[entry - seen->world->entries]++;
}

static void each_entry_is_in_one_part_of_each_level(void **state)
{
    struct world *w = *state;
    fill(w, 1);
    uint32_t first = 0;
    uint32_t count = 1;
    for (int level = 0; level <= DIGEST_LEVELS; level++) {
        struct seen seen = {.world = w};
        for (uint32_t part = first; part < first + count; part++)
            digest_tree_walk(w->tree, part, see, &seen);
        for (size_t i = 0; i < ENTRIES; i++)
            assert_int_equal(seen.times[i], 1);
        first = digest_part_child(first);
        count *= DIGEST_FANOUT;
    }
    assert_int_equal(first - count / DIGEST_FANOUT, DIGEST_LEAF_FIRST);
}

static void positions_are_those_of_the_format(void **state)
{
    struct world *w = *state;
    /* docs/formats/exchange.md: XXH3 of the id's eight bytes, lowest first; its upper 16 bits. */
    digest_tree_set(w->tree, &w->entries[0], 1, 0xABCD);
    uint32_t leaf = DIGEST_LEAF_FIRST;
    while (digest_tree_digest(w->tree, leaf) == 0)
        leaf++;
    assert_int_equal(leaf - DIGEST_LEAF_FIRST, 0x2FBC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(digest_follows_from_the_set_not_from_its_history, set_up, tear_down),
        cmocka_unit_test_setup_teardown(part_is_the_sum_of_its_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_entry_is_in_one_part_of_each_level, set_up, tear_down),
        cmocka_unit_test_setup_teardown(positions_are_those_of_the_format, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

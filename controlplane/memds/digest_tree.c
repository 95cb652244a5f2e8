#include "controlplane/memds/digest_tree.h"

#include <xxhash.h>

#include "base/assert.h"
#include "base/memory.h"

enum { LEAF_COUNT = DIGEST_PART_COUNT - DIGEST_LEAF_FIRST, POSITION_BITS = 16 };

STATIC_ASSERT(LEAF_COUNT == 1 << POSITION_BITS, "a position names a leaf");

struct digest_tree {
    uint64_t digests[DIGEST_PART_COUNT];
    uint32_t counts[DIGEST_PART_COUNT];
    struct digest_entry *leaves[LEAF_COUNT];
};

struct digest_tree *digest_tree_create(void)
{
    return memory_zalloc(sizeof(struct digest_tree));
}

void digest_tree_destroy(struct digest_tree *tree)
{
    memory_free(tree);
}

/* The hash is over the id's bytes, lowest first, as copies on machines of another byte order compare too. */
static uint32_t leaf_of(uint64_t id)
{
    uint8_t bytes[sizeof id];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(id >> 8 * i);
    return DIGEST_LEAF_FIRST + (uint32_t)(XXH3_64bits(bytes, sizeof bytes) >> (64 - POSITION_BITS));
}

/* Change the digests from the leaf up to the root. */
static void turn(struct digest_tree *tree, uint32_t leaf, uint64_t digest, int count)
{
    for (uint32_t part = leaf;; part = (part - 1) / DIGEST_FANOUT) {
        tree->digests[part] ^= digest;
        tree->counts[part] += (uint32_t)count;
        if (part == 0)
            return;
    }
}

void digest_tree_set(struct digest_tree *tree, struct digest_entry *entry, uint64_t id, uint64_t digest)
{
    uint32_t leaf = leaf_of(id);
    if (entry->link != NULL) {
        ASSERT(entry->id == id);
        turn(tree, leaf, entry->digest ^ digest, 0);
        entry->digest = digest;
        return;
    }
    struct digest_entry **first = &tree->leaves[leaf - DIGEST_LEAF_FIRST];
    *entry = (struct digest_entry){.next = *first, .link = first, .id = id, .digest = digest};
    if (entry->next != NULL)
        entry->next->link = &entry->next;
    *first = entry;
    turn(tree, leaf, digest, 1);
}

void digest_tree_remove(struct digest_tree *tree, struct digest_entry *entry)
{
    if (entry->link == NULL)
        return;
    turn(tree, leaf_of(entry->id), entry->digest, -1);
    *entry->link = entry->next;
    if (entry->next != NULL)
        entry->next->link = entry->link;
    entry->link = NULL;
}

uint64_t digest_tree_digest(const struct digest_tree *tree, uint32_t part)
{
    return tree->digests[part];
}

size_t digest_tree_count(const struct digest_tree *tree, uint32_t part)
{
    return tree->counts[part];
}

void digest_tree_walk(const struct digest_tree *tree, uint32_t part, digest_visit_cb visit, void *data)
{
    uint32_t first = part;
    uint32_t last = part;
    while (!digest_part_is_leaf(first)) {
        first = digest_part_child(first);
        last = digest_part_child(last) + DIGEST_FANOUT - 1;
    }
    size_t left = tree->counts[part];
    for (uint32_t leaf = first; leaf <= last && left > 0; leaf++) {
        const struct digest_entry *entry = tree->leaves[leaf - DIGEST_LEAF_FIRST];
        for (; entry != NULL; entry = entry->next, left--)
            visit(entry, data);
    }
}

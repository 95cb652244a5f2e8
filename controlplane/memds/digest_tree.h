/* Digests of a set, by parts, so that two copies of it find where they differ without sending it.
 *
 *     level 0                       0                      everything
 *     level 1          1            2     ...    16        a sixteenth of the positions each
 *     level 2      17 .. 32      33 .. 48                  part p is made of the parts 16p+1 .. 16p+16
 *     ...
 *     level 4      65,536 smallest parts, each with a list of its entries
 *
 * An entry has an id, whose hash is its position, and a digest of its own; the digest of a part is the exclusive or of its
 * entries' digests. So it depends on the set alone, never on the order in which the set came about, and a change costs
 * five words. Equal digests of different sets are a matter of chance (one in 2^64), not of malice: copies that compare
 * themselves trust each other. Pure; entries are embedded in what the owner keeps. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DIGEST_FANOUT = 16,
    DIGEST_LEVELS = 4, /* below the root */
    DIGEST_LEAF_FIRST = 1 + 16 + 256 + 4096,
    DIGEST_PART_COUNT = DIGEST_LEAF_FIRST + 65536,
};

struct digest_tree;

/* Zero it first. */
struct digest_entry {
    /* Leave alone. */
    struct digest_entry *next;
    struct digest_entry **link; /* NULL: in no tree */
    uint64_t id;
    uint64_t digest;
};

/* About 1.3 MB; NULL when there is no memory. */
struct digest_tree *digest_tree_create(void);
/* Entries belong to others. */
void digest_tree_destroy(struct digest_tree *tree);

/* Put the entry in, or give it another digest; an entry keeps its id while it is in. */
void digest_tree_set(struct digest_tree *tree, struct digest_entry *entry, uint64_t id, uint64_t digest);
/* Does nothing when it is not in. */
void digest_tree_remove(struct digest_tree *tree, struct digest_entry *entry);

/* part < DIGEST_PART_COUNT in all of these. */
uint64_t digest_tree_digest(const struct digest_tree *tree, uint32_t part);
size_t digest_tree_count(const struct digest_tree *tree, uint32_t part);
/* Each entry of the part, in no order that means anything. */
typedef void (*digest_visit_cb)(const struct digest_entry *entry, void *data);
void digest_tree_walk(const struct digest_tree *tree, uint32_t part, digest_visit_cb visit, void *data);

/* The first of the part's sixteen; the part is no leaf. */
static inline uint32_t digest_part_child(uint32_t part)
{
    return DIGEST_FANOUT * part + 1;
}
static inline bool digest_part_is_leaf(uint32_t part)
{
    return part >= DIGEST_LEAF_FIRST;
}

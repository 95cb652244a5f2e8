/* A bounded arena: allocate many small things, free them all at once.
 *
 * Grows in blocks up to `capacity_bytes`; when that is spent it returns NULL and remembers it
 * (`arena_has_failed`), so that one place, at the end, turns that into a refusal. Memory is aligned to 16
 * bytes and not zeroed (`arena_zalloc` zeroes). In debug builds memory is poisoned on reset. Not
 * thread-safe: an arena belongs to one request on one thread at a time. */
#pragma once

#include "base/slice.h"

struct arena_block;

struct arena {
    /* Leave alone. */
    struct arena_block *blocks; /* newest first */
    uint8_t *next;
    uint8_t *end;
    size_t used_bytes; /* sum of the blocks' sizes */
    size_t capacity_bytes;
    size_t block_bytes;
    bool has_failed;
};

/* Takes no memory yet. block_bytes: size of the first and of ordinary blocks; larger wishes get their own. */
void arena_init(struct arena *a, size_t block_bytes, size_t capacity_bytes);
void arena_deinit(struct arena *a);
/* Free all but the first block; the arena is as after init. */
void arena_reset(struct arena *a);

/* NULL when the capacity is spent or malloc fails. bytes 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t bytes);
void *arena_zalloc(struct arena *a, size_t bytes);
/* A copy that lives as long as the arena; data NULL when it is spent (and length 0). */
struct slice arena_copy(struct arena *a, struct slice bytes);
/* A NUL-terminated copy, or NULL. */
char *arena_string(struct arena *a, struct slice bytes);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline bool arena_has_failed(const struct arena *a)
{
    return a->has_failed;
}

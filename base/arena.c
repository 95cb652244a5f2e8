#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/memory.h"

enum { ALIGNMENT = 16, POISON = 0xDB };

struct arena_block {
    struct arena_block *older;
    size_t size; /* of `bytes` */
    _Alignas(ALIGNMENT) uint8_t bytes[];
};

void arena_init(struct arena *a, size_t block_bytes, size_t capacity_bytes)
{
    ASSERT(block_bytes > 0 && block_bytes <= capacity_bytes);
    *a = (struct arena){.block_bytes = block_bytes, .capacity_bytes = capacity_bytes};
}

static void free_until(struct arena *a, struct arena_block *keep)
{
    while (a->blocks != keep) {
        struct arena_block *block = a->blocks;
        a->blocks = block->older;
        a->used_bytes -= block->size;
        memory_free(block);
    }
}

void arena_deinit(struct arena *a)
{
    free_until(a, NULL);
    a->next = a->end = NULL;
}

void arena_reset(struct arena *a)
{
    struct arena_block *first = a->blocks;
    while (first != NULL && first->older != NULL)
        first = first->older;
    /* An oversized first block would keep its memory for ever. */
    if (first != NULL && first->size > a->block_bytes)
        first = NULL;
    free_until(a, first);
    a->has_failed = false;
    a->next = first == NULL ? NULL : first->bytes;
    a->end = first == NULL ? NULL : first->bytes + first->size;
#ifdef SLUICE_SLOW_CHECKS
    if (first != NULL)
        memset(first->bytes, POISON, first->size);
#endif
}

static bool grow(struct arena *a, size_t bytes)
{
    size_t size = bytes > a->block_bytes ? bytes : a->block_bytes;
    if (size > a->capacity_bytes - a->used_bytes)
        size = bytes; /* the last block may be smaller than usual */
    if (size > a->capacity_bytes - a->used_bytes)
        return false;
    struct arena_block *block = memory_alloc(sizeof *block + size);
    if (block == NULL)
        return false;
    block->size = size;
    block->older = a->blocks;
    a->blocks = block;
    a->used_bytes += size;
    a->next = block->bytes;
    a->end = block->bytes + size;
    return true;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    if (bytes > a->capacity_bytes) {
        a->has_failed = true;
        return NULL;
    }
    size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded == 0)
        rounded = ALIGNMENT;
    if ((size_t)(a->end - a->next) < rounded && !grow(a, rounded)) {
        a->has_failed = true;
        return NULL;
    }
    void *result = a->next;
    a->next += rounded;
    return result;
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
    void *result = arena_alloc(a, bytes);
    if (result != NULL)
        memset(result, 0, bytes);
    return result;
}

struct slice arena_copy(struct arena *a, struct slice bytes)
{
    uint8_t *copy = arena_alloc(a, bytes.length);
    if (copy == NULL)
        return SLICE_EMPTY;
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    return slice_make(copy, bytes.length);
}

char *arena_string(struct arena *a, struct slice bytes)
{
    char *copy = arena_alloc(a, bytes.length + 1);
    if (copy == NULL)
        return NULL;
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    copy[bytes.length] = '\0';
    return copy;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : arena_alloc(a, (size_t)length + 1);
    if (text == NULL)
        return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

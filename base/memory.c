#include "base/memory.h"

#include <stdlib.h>

static _Thread_local int64_t successes_left = -1;

static int must_fail(void)
{
    if (successes_left < 0)
        return 0;
    return successes_left-- == 0;
}

void *memory_alloc(size_t bytes)
{
    return must_fail() ? NULL : malloc(bytes == 0 ? 1 : bytes);
}

void *memory_zalloc(size_t bytes)
{
    return must_fail() ? NULL : calloc(1, bytes == 0 ? 1 : bytes);
}

void *memory_resize(void *block, size_t bytes)
{
    return must_fail() ? NULL : realloc(block, bytes == 0 ? 1 : bytes);
}

void memory_free(void *block)
{
    free(block);
}

void memory_fail_after(int64_t successes)
{
    successes_left = successes;
}

#include "base/memory.h"

#include <malloc.h>
#include <stdlib.h>

/* A page of a scan is 1 MB and, as JSON, up to 2 MiB of buffer: were that mapped anew each time, a third of a router's time
 * under scans would be page faults. */
enum { LARGE_BYTES = 4 * 1024 * 1024, KEPT_BYTES = 32 * 1024 * 1024 };

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

void memory_keep_little(void)
{
    /* Both also switch off that the thresholds grow; neither fails for such numbers. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

void memory_keep_heap(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, -1); /* never */
}

void memory_fail_after(int64_t successes)
{
    successes_left = successes;
}

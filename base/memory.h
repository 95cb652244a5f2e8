/* All allocation goes through here, so that a test can make the n-th one fail. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* NULL when there is none; not zeroed. */
void *memory_alloc(size_t bytes) __attribute__((malloc));
void *memory_zalloc(size_t bytes) __attribute__((malloc));
/* As realloc: on NULL the old block is still the caller's. */
void *memory_resize(void *block, size_t bytes);
void memory_free(void *block);

/* From now on blocks of 4 MiB and more go back to the kernel when they are freed, and so does what is free at the end of
 * the heap beyond 32 MiB: for processes that take much for a moment. Otherwise malloc keeps more the more it has seen. */
void memory_keep_little(void);

/* The same for blocks, but what is free of the heap stays: for processes that take much again and again, a store its write buffers.
 * Giving 64 MiB of them back to the kernel took a loop 10 ms, and having them again, page by page, more. */
void memory_keep_heap(void);

/* Tests: let `successes` more allocations succeed in this thread, fail the next, then succeed again.
 * A negative number switches it off. */
void memory_fail_after(int64_t successes);

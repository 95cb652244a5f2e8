/* Hash tables: uthash, with our allocator and without its exit() when there is no memory.
 *
 * After HASH_ADD check `HASH_ADD_FAILED(hh)`-style with the element's own handle: on failure uthash leaves
 * `element->hh.tbl` NULL and the table as it was. Iteration follows insertion order. */
#pragma once

#include "base/memory.h"

#define uthash_malloc(bytes) memory_alloc(bytes)
#define uthash_free(block, bytes) memory_free(block)
#define HASH_NONFATAL_OOM 1

#include <uthash.h>

/* True when the last HASH_ADD of this element found no memory. */
#define HASH_ADD_FAILED(element) ((element)->hh.tbl == NULL)

/* What one answer about a range gathers: rows go in one by one, in order, and are evaluated until a limit is met.
 * Pure: no clock, no store. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "dataplane/expression/program.h"

enum { RANGE_PAYLOAD_BYTES_MAX = 8 * 1024 * 1024 };

struct range_page {
    /* Set before the first row. */
    uint32_t items_max;
    uint64_t bytes_max;
    bool counts_only;
    bool has_filter;
    struct program filter;
    /* What came of it. */
    uint32_t evaluated_count;
    uint32_t matched_count;
    uint64_t evaluated_bytes;
    struct buffer items; /* of those that match: varint length, bytes */
    struct buffer last_key;
    struct arena scratch; /* of one row's filter */
    bool is_full;         /* a limit is met: the next row belongs to another answer */
    enum err err;         /* ERR_CORRUPT: damaged row; ERR_NO_MEMORY */
};

/* The limits are for the caller to set. */
void range_page_init(struct range_page *page);
void range_page_deinit(struct range_page *page);

/* Evaluate a stored row (key, and value in its envelope). False: no more rows, because the page is full or has failed. */
bool range_page_add(struct range_page *page, struct slice key, struct slice stored);

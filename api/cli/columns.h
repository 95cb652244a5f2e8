/* Aligned columns of text. Cells are collected first, as widths are known only at the end.
 *
 * Numbers stand right, all else left; the last column is not padded. Bytes that would move a terminal's cursor
 * (names are tenants' business) are written as '?'. */
#pragma once

#include "base/buffer.h"

enum { COLUMNS_MAX = 10, COLUMNS_TEXT_BYTES_MAX = 16 * 1024 * 1024 };

struct columns {
    /* Leave alone. */
    const char *const *titles;
    size_t count;
    struct buffer cells; /* each ends with NUL, row after row */
    size_t cell_count;
    size_t widths[COLUMNS_MAX]; /* in characters */
    bool is_number[COLUMNS_MAX];
};

/* titles  borrowed until deinit, 1 to COLUMNS_MAX of them */
void columns_init(struct columns *c, const char *const *titles, size_t count);
void columns_deinit(struct columns *c);

/* The next cell, from left to right; after the last of a row the next row begins. NULL stands as "-". */
void columns_text(struct columns *c, const char *text);
void columns_number(struct columns *c, long long number);

/* Titles and all whole rows. Without memory for all of them `to` has failed. */
void columns_write(const struct columns *c, struct buffer *to);

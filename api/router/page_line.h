/* Who may walk: long pages of Query and Scan go a few at a time through a router, the others wait in line. Each page takes
 * processors on the way, of nodes, workers and this loop; with as many at once as clients ask for, the single items of all
 * other requests would stand behind them.
 *
 *     page_line_take -> go, at once or later -> ... -> page_line_leave
 *
 * A page that is not done after PLACE_US_MAX waits for somebody, a group without a leader perhaps, and takes no processor: its
 * place goes to the next. One loop owns everything. */
#pragma once

#include "base/error.h"
#include "base/loop.h"

enum { PLACE_US_MAX = 100 * 1000 };

/* Embedded in a page; zero it first. */
struct page_place {
    /* ERR_OK: go on; ERR_TIMEOUT: the deadline is over; ERR_CLOSED: the line is. Never inside page_line_take or _leave,
     * except for a place that is free at once. */
    void (*go)(struct page_place *place, enum err err);
    void *data;
    uint64_t deadline_us; /* boot clock */
    /* Leave alone. */
    struct page_place *next;
    uint64_t since_us;
    bool is_waiting;
    bool is_held;
};

struct page_line {
    struct loop *loop;
    unsigned places_max;
    unsigned held_count;
    struct page_place *waiting; /* first in, first out */
    struct page_place *held;
    struct loop_task task;
    struct loop_timer timer;
};

void page_line_init(struct page_line *line, struct loop *loop, unsigned places_max);
/* Those in line are told ERR_CLOSED. */
void page_line_close(struct page_line *line);

/* Of a place that is not taken. */
void page_line_take(struct page_line *line, struct page_place *place);
/* Out of the line, or give the place back; also of one that was never taken. */
void page_line_leave(struct page_line *line, struct page_place *place);

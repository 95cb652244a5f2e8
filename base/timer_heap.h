/* Timers as plain structs in a pairing heap: no allocation, starting costs O(1), stopping is immediate. Pure;
 * base/loop.h drives one. The simulator may, too. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded; zero it first. Fires once. */
struct loop_timer {
    void (*fire)(struct loop_timer *timer);
    void *data;
    /* Leave alone. */
    uint64_t due_us;
    struct loop_timer *child;    /* the first of those due later */
    struct loop_timer *sibling;  /* the next child of the same parent */
    struct loop_timer *previous; /* the sibling before, the parent of a first child, itself at the root */
};

static inline bool loop_timer_is_started(const struct loop_timer *timer)
{
    return timer->previous != NULL;
}

/* `root`: the timer due first, NULL = none. The timer must not be in a heap. */
void timer_heap_insert(struct loop_timer **root, struct loop_timer *timer);
/* The timer must be in this heap. */
void timer_heap_remove(struct loop_timer **root, struct loop_timer *timer);

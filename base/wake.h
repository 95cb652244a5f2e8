/* From any thread into a loop: run a function there, soon.
 *
 * uv_async_send looks like it, but a loop that wakes up in the middle of it spins until the sender goes on. A sender of low priority
 * loses its processor to the very loop that it wakes, and has it again milliseconds later: turns of 20 ms and more were
 * nothing but that. Here the sender says one word to the kernel, and nobody waits for anybody. */
#pragma once

#include <uv.h>

#include "base/error.h"

/* Embedded; must not move. */
struct wake {
    void (*run)(struct wake *wake); /* on the loop, once or more often after each wake_send */
    void *data;
    /* Leave alone. */
    uv_poll_t poll;
    int fd;
    void (*on_close)(struct wake *wake);
};

/* Keeps the loop alive: wake_ref. ERR_IO: no descriptors left. */
enum err wake_open(struct wake *w, uv_loop_t *loop, void (*run)(struct wake *wake), void *data) MUST_CHECK;
/* Nobody may send during or after this. The memory is used until `on_close` (may be NULL). */
void wake_close(struct wake *w, void (*on_close)(struct wake *wake));
/* Whether the loop lives on for this. */
void wake_ref(struct wake *w, bool is_needed);

/* From any thread; never waits. What was written before it is seen by `run`. */
void wake_send(struct wake *w);

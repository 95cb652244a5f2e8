/* Messages into a loop from any thread: a bounded queue and one wake-up.
 *
 * Many may post, the loop takes everything that is there at once, in order. Messages are embedded in what
 * they carry and belong to the receiver from a successful post on; by our custom they come home to be freed
 * by their owner. */
#pragma once

#include "base/buffer.h"
#include "base/loop.h"
#include "base/wake.h"

struct mailbox_message {
    void (*deliver)(struct mailbox_message *message); /* on the receiving loop */
    /* Leave alone. */
    struct mailbox_message *next;
};

struct mailbox {
    /* Leave alone. */
    struct loop *loop;
    struct wake wake;
    struct mailbox_message *newest; /* atomic: pushed by senders, taken whole by the loop */
    uint64_t waiting;               /* atomic */
    uint64_t capacity;
    void (*on_close)(void *data);
    void *on_close_data;
};

/* capacity: messages waiting at most. The mailbox does not keep the loop alive. ERR_IO: no descriptors left.
 */
enum err mailbox_open(struct mailbox *m, struct loop *loop, size_t capacity) MUST_CHECK;
/* Delivers what waits, then closes; the memory is used until `on_close` (may be NULL). No thread may post
 * during or after this. */
void mailbox_close(struct mailbox *m, void (*on_close)(void *data), void *data);

/* From any thread. ERR_BUSY: full; the message is still the caller's. */
enum err mailbox_post(struct mailbox *m, struct mailbox_message *message) MUST_CHECK;

/* From another thread: run `fill` on the loop to write into a buffer and wait for it, at most timeout_us; for
 * the admin port's looks into a loop. `data` must outlive the loop, as `fill` may run after the time is up.
 * ERR_BUSY  the mailbox is full    ERR_TIMEOUT  the loop did not get to it    ERR_NO_MEMORY */
typedef void (*mailbox_fill_cb)(struct buffer *to, void *data);
enum err mailbox_ask(struct mailbox *m, mailbox_fill_cb fill, void *data, uint64_t timeout_us,
                     struct buffer *ret_text) MUST_CHECK;

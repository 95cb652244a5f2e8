#include "base/wake.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct wake *w = poll->data;
    uint64_t count;
    (void)!read(w->fd, &count, sizeof count); /* how often does not matter; if nobody did, it fails */
    w->run(w);
}

enum err wake_open(struct wake *w, uv_loop_t *loop, void (*run)(struct wake *wake), void *data)
{
    *w = (struct wake){.run = run, .data = data};
    w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->fd < 0)
        return ERR_IO;
    if (uv_poll_init(loop, &w->poll, w->fd) != 0) {
        close(w->fd);
        return ERR_IO;
    }
    w->poll.data = w;
    int status = uv_poll_start(&w->poll, UV_READABLE, on_readable);
    ASSERT(status == 0); /* it only refuses a handle that closes */
    return ERR_OK;
}

static void on_closed(uv_handle_t *poll)
{
    struct wake *w = poll->data;
    if (w->on_close != NULL)
        w->on_close(w);
}

void wake_close(struct wake *w, void (*on_close)(struct wake *wake))
{
    w->on_close = on_close;
    uv_close((uv_handle_t *)&w->poll, on_closed); /* before its descriptor is */
    close(w->fd);
}

void wake_ref(struct wake *w, bool is_needed)
{
    if (is_needed)
        uv_ref((uv_handle_t *)&w->poll);
    else
        uv_unref((uv_handle_t *)&w->poll);
}

void wake_send(struct wake *w)
{
    uint64_t one = 1;
    (void)!write(w->fd, &one,
                 sizeof one); /* fails only when it is full: then the loop has been told already */
}

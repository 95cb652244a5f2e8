#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/wire_internal.h"

enum {
    KEPT_BYTES_MAX = 1024 * 1024, /* a larger buffer is given back when it is empty */
    KEEPALIVE_S = 30,
    ACKNOWLEDGED_WITHIN_MS = 10000,
    SMALL_BYTES = 16 * 1024, /* frames that a turn has room for in any case */
};

static void break_stream(struct wire_stream *s, enum err why)
{
    if (s->is_broken || s->is_closing)
        return;
    s->is_broken = true;
    s->on_broken(s, why);
}

static void on_resume(struct loop_task *task);

enum err wire_stream_init(struct wire_stream *s, struct loop *loop, size_t body_bytes_max,
                          size_t outgoing_bytes_max)
{
    *s = (struct wire_stream){.loop = loop, .outgoing_bytes_max = outgoing_bytes_max};
    if (uv_tcp_init(&loop->uv, &s->tcp) != 0)
        return ERR_IO;
    s->tcp.data = s;
    s->resume = (struct loop_task){.run = on_resume, .data = s};
    frame_decoder_init(&s->decoder, body_bytes_max);
    /* One message may go beyond the limit before that is noticed. */
    buffer_init(&s->collecting, outgoing_bytes_max + FRAME_PREFIX_BYTES + FRAME_BODY_BYTES_MAX);
    buffer_init(&s->writing, s->collecting.length_max);
    return ERR_OK;
}

/* Whether the next frame has to wait for a turn with room for it: a large one, or a request, whose answer may be large. Heartbeats, votes
 * and acknowledgements are neither. */
static bool must_wait(const struct wire_stream *s)
{
    uint8_t flags;
    size_t body_bytes;
    if (loop_turn_has_room(s->loop) || !frame_decoder_peek(&s->decoder, &flags, &body_bytes))
        return false;
    return body_bytes > SMALL_BYTES || (flags & (FRAME_ONE_WAY | FRAME_RESPONSE)) == 0;
}

/* What has arrived waits in the decoder, what comes in the kernel. */
static void hold(struct wire_stream *s)
{
    if (s->is_reading)
        uv_read_stop((uv_stream_t *)&s->tcp);
    s->is_reading = false;
    metric_increment(&s->metrics->held);
    loop_defer_for_room(s->loop, &s->resume);
}

static void decode(struct wire_stream *s)
{
    struct frame frame;
    while (!s->is_paused && !s->is_broken && !s->is_closing) {
        if (must_wait(s)) {
            hold(s);
            return;
        }
        enum err err = frame_decoder_next(&s->decoder, &frame);
        if (err == ERR_TRUNCATED)
            return;
        if (err != ERR_OK) {
            metric_increment(&s->metrics->damaged);
            break_stream(s, ERR_CORRUPT);
            return;
        }
        metric_increment(&s->metrics->frames_received);
        loop_turn_take(s->loop, frame.payload.length); /* its checksum, and what is done with it */
        s->on_frame(s, &frame);
    }
}

static void on_space(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_space)
{
    (void)suggested;
    struct wire_stream *s = handle->data;
    size_t space = 0;
    uint8_t *to = frame_decoder_space(&s->decoder, &space);
    *ret_space = uv_buf_init((char *)to, (unsigned)(to == NULL ? 0 : space));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *space)
{
    (void)space;
    struct wire_stream *s = stream->data;
    if (count < 0) {
        break_stream(s, count == UV_ENOBUFS ? ERR_NO_MEMORY : ERR_CLOSED);
        return;
    }
    metric_add(&s->metrics->bytes_received, (uint64_t)count);
    loop_turn_take(s->loop, (size_t)count);
    frame_decoder_fill(&s->decoder, (size_t)count);
    decode(s);
}

static enum err start_reading(struct wire_stream *s)
{
    if (uv_read_start((uv_stream_t *)&s->tcp, on_space, on_read) != 0)
        return ERR_IO;
    s->is_reading = true;
    return ERR_OK;
}

enum err wire_stream_start(struct wire_stream *s)
{
    int fd;
    unsigned wait_ms = ACKNOWLEDGED_WITHIN_MS;
    if (uv_fileno((uv_handle_t *)&s->tcp, &fd) != 0 || uv_tcp_nodelay(&s->tcp, 1) != 0 ||
        uv_tcp_keepalive(&s->tcp, 1, KEEPALIVE_S) != 0)
        return ERR_IO;
    /* A peer that vanished is noticed after this, not after the kernel's quarter of an hour. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &wait_ms, sizeof wait_ms) != 0)
        return ERR_IO;
    return start_reading(s);
}

void wire_stream_pause(struct wire_stream *s)
{
    if (s->is_paused || s->is_closing)
        return;
    metric_increment(&s->metrics->paused);
    s->is_paused = true;
    s->is_reading = false;
    loop_undefer(s->loop, &s->resume);
    uv_read_stop((uv_stream_t *)&s->tcp);
}

static void on_resume(struct loop_task *task)
{
    struct wire_stream *s = task->data;
    s->is_paused = false;
    decode(s); /* what had arrived before; it may pause or be held again */
    if (s->is_paused || s->is_broken || s->is_closing || s->is_reading || loop_task_is_queued(&s->resume))
        return;
    if (start_reading(s) != ERR_OK)
        break_stream(s, ERR_IO);
}

void wire_stream_resume(struct wire_stream *s)
{
    if (s->is_paused && !s->is_closing)
        loop_defer(s->loop, &s->resume);
}

static void recycle(struct buffer *b)
{
    buffer_clear(b);
    if (b->capacity > KEPT_BYTES_MAX)
        buffer_deinit(b);
}

static void on_rest_written(uv_write_t *write, int status)
{
    struct wire_stream *s = write->data;
    s->is_writing = false;
    recycle(&s->writing);
    if (status < 0) {
        break_stream(s, ERR_CLOSED);
        return;
    }
    wire_stream_flush(s);
    if (s->on_written != NULL && !s->is_broken && !s->is_closing)
        s->on_written(s);
}

/* The socket is full: the rest is written when it has room, from the other buffer. */
static void write_rest(struct wire_stream *s, size_t written)
{
    struct buffer rest = s->collecting;
    s->collecting = s->writing;
    s->writing = rest;
    uv_buf_t bytes = uv_buf_init((char *)rest.data + written, (unsigned)(rest.length - written));
    s->write.data = s;
    s->is_writing = true;
    metric_increment(&s->metrics->writes);
    if (uv_write(&s->write, (uv_stream_t *)&s->tcp, &bytes, 1, on_rest_written) != 0) {
        s->is_writing = false;
        break_stream(s, ERR_CLOSED);
    }
}

void wire_stream_flush(struct wire_stream *s)
{
    if (s->is_writing || s->is_broken || s->is_closing || s->collecting.length == 0)
        return;
    if (buffer_has_failed(&s->collecting)) {
        break_stream(s, ERR_NO_MEMORY);
        return;
    }
    size_t length = s->collecting.length;
    uv_buf_t bytes = uv_buf_init((char *)s->collecting.data, (unsigned)length);
    metric_increment(&s->metrics->writes);
    int written = uv_try_write((uv_stream_t *)&s->tcp, &bytes, 1);
    if (written < 0 && written != UV_EAGAIN) {
        break_stream(s, ERR_CLOSED);
        return;
    }
    metric_add(&s->metrics->bytes_sent, length);
    s->handed += length;
    if (written == (int)length)
        recycle(&s->collecting);
    else
        write_rest(s, written < 0 ? 0 : (size_t)written);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct wire_stream *s = handle->data;
    buffer_deinit(&s->collecting);
    buffer_deinit(&s->writing);
    frame_decoder_deinit(&s->decoder);
    s->on_closed(s);
}

void wire_stream_close(struct wire_stream *s)
{
    if (s->is_closing)
        return;
    s->is_closing = true;
    loop_undefer(s->loop, &s->resume);
    uv_close((uv_handle_t *)&s->tcp, on_handle_closed);
}

/* Shared by the wire's two halves: the hello, encoding a message, and one TCP connection (a stream). */
#pragma once

#include <netinet/in.h>

#include "base/wire.h"

enum {
    WIRE_FRAME_HELLO = 1,   /* one-way; the first frame on both sides */
    WIRE_FRAME_REFUSAL = 2, /* a response whose header is the error's name (base/errors.def) */
    WIRE_FRAME_BLANK = 3,   /* one-way; a call that was taken back before it left */
};

enum {
    WIRE_CALLS_MAX = 4096,
    WIRE_CONNECTIONS_MAX = 1024,
    WIRE_OUTGOING_BYTES_MAX = 64 * 1024 * 1024,
    WIRE_HELLO_TIMEOUT_US = 2000000,
    WIRE_NAME_BYTES = 64,
};

/* Append the hello frame. */
void wire_hello_append(struct buffer *to, const struct wire_identity *identity);
/* ERR_INVALID: no hello, or of a protocol that shares no version with ours. */
enum err wire_hello_decode(const struct frame *frame, struct wire_identity *ret_identity) MUST_CHECK;

/* Append the message as a frame with these flags and this call id. ERR_LIMIT, ERR_NO_MEMORY. */
enum err wire_message_append(struct buffer *to, const struct wire_message *message, uint16_t type,
                             uint8_t flags, uint64_t call_id) MUST_CHECK;
/* Turn the whole frame at `frame` into one that its reader skips. */
void wire_frame_blank(uint8_t *frame);

/* ERR_CONFIG: `host` is no numeric address. */
enum err wire_address(const char *host, uint16_t port, struct sockaddr_storage *ret_address,
                      struct error *error) MUST_CHECK;

/* One connection. The owner embeds it, sets the callbacks, and frees it in on_closed.
 *
 * Outgoing bytes are collected in one buffer and given to the socket by wire_stream_flush; what the socket
 * does not take at once is written from the other buffer while the first goes on collecting. Positions in the
 * stream are counted from the connection's start: what lies before `handed` may have reached the peer. */
struct wire_stream {
    uv_tcp_t tcp;
    struct loop *loop;
    struct wire_metrics *metrics;
    size_t outgoing_bytes_max;
    void (*on_frame)(struct wire_stream *s, const struct frame *frame);
    void (*on_written)(struct wire_stream *s);              /* the kernel took some; may be NULL */
    void (*on_broken)(struct wire_stream *s, enum err why); /* at most once; close it now */
    void (*on_closed)(struct wire_stream *s);
    char name[WIRE_NAME_BYTES]; /* of the peer, for logs */
    /* Leave alone. */
    struct frame_decoder decoder;
    struct buffer collecting;
    struct buffer writing;
    uv_write_t write;
    uint64_t handed;
    struct loop_task resume;
    bool is_writing;
    bool is_reading;
    bool is_paused; /* decode nothing more */
    bool is_broken;
    bool is_closing;
};

/* ERR_IO: no descriptors left. Set callbacks, metrics and name afterwards. */
enum err wire_stream_init(struct wire_stream *s, struct loop *loop, size_t body_bytes_max,
                          size_t outgoing_bytes_max) MUST_CHECK;
/* The socket is connected: set its options and begin to read. ERR_IO. */
enum err wire_stream_start(struct wire_stream *s) MUST_CHECK;
/* Decode nothing more until resumed; what arrives stays in the kernel. Resuming is deferred, so it is safe
 * anywhere. */
void wire_stream_pause(struct wire_stream *s);
void wire_stream_resume(struct wire_stream *s);
/* Give what is collected to the socket. May call on_broken. */
void wire_stream_flush(struct wire_stream *s);
/* Close the socket; on_closed follows in this turn or the next. Again: does nothing. */
void wire_stream_close(struct wire_stream *s);

/* Where the next byte that is collected will be in the stream. */
static inline uint64_t wire_stream_position(const struct wire_stream *s)
{
    return s->handed + s->collecting.length;
}

/* Bytes that the kernel has not taken yet. */
static inline size_t wire_stream_waiting_bytes(const struct wire_stream *s)
{
    return s->collecting.length + s->writing.length;
}

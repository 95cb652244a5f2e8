/* The client's half of the wire: one named peer, one connection that mends itself, many calls at once.
 *
 *           connect            hello            broken
 *   IDLE ------------> CONNECTING -----> READY --------> WAITING --(10 ms .. 1 s, jittered)--> CONNECTING
 *
 * Connects at once and for ever. Calls made while CONNECTING are held until READY; while WAITING they are
 * refused. What an error of a call says about the request:
 *
 *   ERR_UNAVAILABLE      it never left: not connected, or its bytes were never handed to the socket
 *   ERR_UNKNOWN_OUTCOME  it was handed to the socket and the connection broke
 *   ERR_TIMEOUT          it was handed to the socket and no answer came in time; the connection goes on
 *   ERR_CLOSED           the client was closed by us; the outcome is unknown
 *   any other            the peer's own refusal (wire_refuse)
 *
 * One loop owns a client; nothing here is thread-safe. */
#pragma once

#include "base/wire.h"

struct wire_client;

/* A call's end, exactly once, never inside wire_client_call. ERR_OK: `response` is valid during this call
 * only; otherwise it is NULL. */
typedef void (*wire_response_cb)(enum err err, const struct frame *response, void *data);
/* The connection became ready (peer is who answers) or broke (peer is NULL). */
typedef void (*wire_state_cb)(struct wire_client *c, const struct wire_identity *peer, void *data);

struct wire_client_options {
    const char *name; /* for logs: "n2" */
    const char *host; /* numeric address */
    uint16_t port;
    struct wire_identity identity; /* ours */
    uint32_t peer_node_id;         /* refuse another node at this address; 0 = any */
    uint32_t calls_max;            /* in flight; 0 = 4096 */
    size_t outgoing_bytes_max;     /* 0 = 64 MiB */
    size_t body_bytes_max;         /* per frame; 0 = FRAME_BODY_BYTES_MAX */
    uint64_t connect_timeout_us;   /* until the peer's hello; 0 = 2 s */
    struct wire_metrics *metrics;  /* of this loop; NULL = not counted */
    wire_state_cb on_state;        /* may be NULL */
    void *data;                    /* for on_state */
};

/* ERR_CONFIG: not an address. ERR_NO_MEMORY. A peer that does not answer is no error here. */
enum err wire_client_open(struct loop *loop, const struct wire_client_options *options,
                          struct wire_client **ret_client, struct error *error) MUST_CHECK;
/* Ends every call with ERR_CLOSED (before this returns), frees later, then calls on_close (may be NULL).
 * Collected one-way frames are written if the socket takes them at once. */
void wire_client_close(struct wire_client *c, void (*on_close)(void *data), void *data);

bool wire_client_is_ready(const struct wire_client *c);
uint32_t wire_client_calls_in_flight(const struct wire_client *c);

/* Ask. deadline_us on the boot clock. When the result is not ERR_OK, nothing was sent and on_response never runs:
 * ERR_UNAVAILABLE  waiting to reconnect, or closing; or the deadline has passed
 * ERR_BUSY         calls_max in flight, or outgoing_bytes_max collected
 * ERR_LIMIT        larger than a frame may be
 * ERR_NO_MEMORY */
enum err wire_client_call(struct wire_client *c, const struct wire_message *message, uint64_t deadline_us,
                          wire_response_cb on_response, void *data) MUST_CHECK;

/* Tell, without an answer: delivered at most once, in order. Errors as above; while CONNECTING it is refused
 * too (ERR_UNAVAILABLE), as nobody would learn how old it is. */
enum err wire_client_send(struct wire_client *c, const struct wire_message *message) MUST_CHECK;

/* One keep-alive connection, with one request at a time.
 *
 *      +---------> CLOSED ---------> CONNECTING        CLOSED and RESTING last until `until_us`
 *      |             ^  open              | connected
 *      | failure     |                    v
 *      +----------- BUSY <------------- IDLE <---+
 *                    |  send                     | wake
 *                    +-----> RESTING ------------+
 *                     refused (an answer that is an error)
 *
 * It knows sockets and bytes; what to ask and what an answer means is the client's (load_client.h). */
#pragma once

#include <netinet/in.h>

#include "tests/bench/load_response.h"
#include "tests/bench/load_workload.h"

enum load_connection_state { LOAD_CLOSED, LOAD_CONNECTING, LOAD_IDLE, LOAD_BUSY, LOAD_RESTING };

struct load_connection {
    enum load_connection_state state;
    int fd; /* -1 when closed */
    bool is_polled_for_writing;
    uint64_t until_us; /* closed, resting: when to go on. connecting, busy: when it is given up */
    struct buffer out; /* the request */
    size_t sent_bytes; /* of `out` */
    struct load_response response;
    /* The request under way. */
    struct load_operation operation;
    uint64_t step;        /* when loading */
    struct buffer cursor; /* LOAD_SCAN: the key, as JSON, to go on behind; empty: from the beginning */
    uint64_t intended_us, sent_us;
};

void load_connection_init(struct load_connection *c);
/* Closes what is open. */
void load_connection_deinit(struct load_connection *c);

/* Begin to connect, watched by `epoll` with the connection's address as its data. ERR_UNAVAILABLE; then it is
 * closed. */
enum err load_connection_open(struct load_connection *c, int epoll,
                              const struct sockaddr_in *address) MUST_CHECK;
void load_connection_close(struct load_connection *c);
/* The socket became writable while connecting. ERR_UNAVAILABLE: refused. */
enum err load_connection_finish(struct load_connection *c, int epoll) MUST_CHECK;
/* Send what is left of `out`. ERR_CLOSED: the connection broke. */
enum err load_connection_send(struct load_connection *c, int epoll) MUST_CHECK;
/* Take what has come and parse it. ERR_CLOSED. */
enum err load_connection_receive(struct load_connection *c, enum load_response_state *ret_state) MUST_CHECK;

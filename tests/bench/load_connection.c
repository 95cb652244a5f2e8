#include "tests/bench/load_connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load_request.h"

enum { RECEIVE_BYTES = 16 * 1024 };

void load_connection_init(struct load_connection *c)
{
    *c = (struct load_connection){.state = LOAD_CLOSED, .fd = -1};
    buffer_init(&c->out, LOAD_REQUEST_BYTES_MAX);
    buffer_init(&c->cursor, LOAD_CURSOR_BYTES_MAX);
    load_response_init(&c->response);
}

void load_connection_deinit(struct load_connection *c)
{
    load_connection_close(c);
    buffer_deinit(&c->out);
    buffer_deinit(&c->cursor);
    load_response_deinit(&c->response);
}

void load_connection_close(struct load_connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->state = LOAD_CLOSED;
    c->is_polled_for_writing = false;
    load_response_clear(&c->response);
}

enum err load_connection_open(struct load_connection *c, int epoll, const struct sockaddr_in *address)
{
    static const int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return ERR_UNAVAILABLE;
    c->state = LOAD_CONNECTING;
    c->is_polled_for_writing = true;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
        (connect(c->fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EINPROGRESS) &&
        epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) == 0)
        return ERR_OK;
    load_connection_close(c);
    return ERR_UNAVAILABLE;
}

static enum err poll_for_writing(struct load_connection *c, int epoll, bool is_wanted)
{
    if (c->is_polled_for_writing == is_wanted)
        return ERR_OK;
    struct epoll_event event = {.events = is_wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
        return ERR_CLOSED;
    c->is_polled_for_writing = is_wanted;
    return ERR_OK;
}

enum err load_connection_finish(struct load_connection *c, int epoll)
{
    int problem = 0;
    socklen_t bytes = sizeof problem;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &problem, &bytes) != 0 || problem != 0 ||
        poll_for_writing(c, epoll, false) != ERR_OK)
        return ERR_UNAVAILABLE;
    c->state = LOAD_IDLE;
    return ERR_OK;
}

enum err load_connection_send(struct load_connection *c, int epoll)
{
    while (c->sent_bytes < c->out.length) {
        ssize_t n = send(c->fd, c->out.data + c->sent_bytes, c->out.length - c->sent_bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return poll_for_writing(c, epoll, true);
        if (n < 0)
            return ERR_CLOSED;
        c->sent_bytes += (size_t)n;
    }
    return poll_for_writing(c, epoll, false);
}

enum err load_connection_receive(struct load_connection *c, enum load_response_state *ret_state)
{
    struct buffer *bytes = &c->response.bytes;
    size_t before = bytes->length;
    uint8_t *to = buffer_extend(bytes, RECEIVE_BYTES);
    if (to == NULL)
        return ERR_CLOSED; /* longer than any answer */
    ssize_t n = recv(c->fd, to, RECEIVE_BYTES, 0);
    buffer_cut(bytes, before + (n > 0 ? (size_t)n : 0));
    if (n == 0 || (n < 0 && errno != EAGAIN))
        return ERR_CLOSED;
    *ret_state = load_response_parse(&c->response);
    return ERR_OK;
}

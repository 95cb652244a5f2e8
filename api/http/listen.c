#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/http/http_internal.h"

enum { BACKLOG = 1024 };

static enum err read_address(const char *host, uint16_t port, struct sockaddr_storage *ret_address,
                             struct error *error)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memset(ret_address, 0, sizeof(*ret_address));
    if (uv_ip4_addr(host, port, &v4) == 0)
        memcpy(ret_address, &v4, sizeof(v4));
    else if (uv_ip6_addr(host, port, &v6) == 0)
        memcpy(ret_address, &v6, sizeof(v6));
    else
        return error_set(error, ERR_CONFIG, "'%s' is no numeric address", host);
    return ERR_OK;
}

/* Everyone who serves the port must ask for SO_REUSEPORT, the first one too. */
static bool bind_and_listen(int fd, const struct sockaddr_storage *address, uint16_t *ret_port)
{
    int on = 1;
    socklen_t size = address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    struct sockaddr_storage bound;
    socklen_t bound_size = sizeof(bound);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)address, size) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bound_size) != 0)
        return false;
    /* The port is at the same place in both families. */
    struct sockaddr_in port_view;
    memcpy(&port_view, &bound, sizeof(port_view));
    *ret_port = ntohs(port_view.sin_port);
    return true;
}

enum err http_listen(const char *host, uint16_t port, int *ret_fd, uint16_t *ret_port, struct error *error)
{
    struct sockaddr_storage address;
    TRY(read_address(host, port, &address, error));
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind_and_listen(fd, &address, ret_port)) {
        *ret_fd = fd;
        return ERR_OK;
    }
    enum err err = error_set(error, ERR_IO, "listen on %s port %u: %m", host, (unsigned)port);
    if (fd >= 0)
        close(fd);
    return err;
}

#include "base/address.h"

#include <string.h>

enum { PORT_DIGITS_MAX = 5 };

static enum err read_port(const char *text, size_t length, uint16_t *ret_port)
{
    if (length == 0 || length > PORT_DIGITS_MAX)
        return ERR_CONFIG;
    uint32_t port = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return ERR_CONFIG;
        port = 10 * port + (uint32_t)(text[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX)
        return ERR_CONFIG;
    *ret_port = (uint16_t)port;
    return ERR_OK;
}

/* The colon before the port; within brackets colons are part of the host. NULL: there is none. */
static const char *find_colon(const char *text, size_t length)
{
    if (text[0] != '[')
        return memchr(text, ':', length);
    const char *end = memchr(text, ']', length);
    return end != NULL && end + 1 < text + length && end[1] == ':' ? end + 1 : NULL;
}

static enum err read_address(const char *text, size_t length, struct address *ret_address)
{
    const char *colon = find_colon(text, length);
    if (colon == NULL)
        return ERR_CONFIG;
    struct address address;
    TRY(read_port(colon + 1, length - (size_t)(colon - text) - 1, &address.port));
    size_t brackets = text[0] == '[' ? 1 : 0;
    size_t host_length = (size_t)(colon - text) - 2 * brackets;
    if (host_length == 0 || host_length >= sizeof address.host)
        return ERR_CONFIG;
    memcpy(address.host, text + brackets, host_length);
    address.host[host_length] = '\0';
    *ret_address = address;
    return ERR_OK;
}

enum err address_next(const char **list, struct address *ret_address)
{
    *list += strspn(*list, ", ");
    size_t length = strcspn(*list, ", ");
    if (length == 0)
        return ERR_NOT_FOUND;
    TRY(read_address(*list, length, ret_address));
    *list += length;
    return ERR_OK;
}

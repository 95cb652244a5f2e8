#include "dataplane/node/addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint16_t parse_port(const char *text, size_t length)
{
    char digits[6];
    if (length == 0 || length >= sizeof digits)
        return 0;
    memcpy(digits, text, length);
    digits[length] = '\0';
    char *end;
    errno = 0;
    unsigned long port = strtoul(digits, &end, 10);
    return errno != 0 || *end != '\0' || port > UINT16_MAX ? 0 : (uint16_t)port;
}

bool address_next(const char **list, struct address *ret_address)
{
    const char *text = *list;
    if (*text == '\0')
        return false;
    size_t length = strcspn(text, ",");
    *list = text[length] == ',' ? text + length + 1 : text + length;
    struct address address = {.port = 0};
    const char *colon = memchr(text, ':', length);
    size_t host_length = colon == NULL ? 0 : (size_t)(colon - text);
    if (host_length > 0 && host_length < ADDRESS_HOST_BYTES) {
        memcpy(address.host, text, host_length);
        address.port = parse_port(colon + 1, length - host_length - 1);
    }
    *ret_address = address;
    return true;
}

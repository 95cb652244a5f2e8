/* "host:port,host:port" settings, numeric IPv4 hosts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { ADDRESS_HOST_BYTES = 64 };

struct address {
    char host[ADDRESS_HOST_BYTES];
    uint16_t port; /* 0: what stands there is no host:port */
};

/* Split off the next one; false at the end. */
bool address_next(const char **list, struct address *ret_address);

/* Lists of servers as settings have them: "127.0.0.1:8010, [::1]:8010". */
#pragma once

#include <stdint.h>

#include "base/error.h"

enum { ADDRESS_HOST_BYTES = 64 };

struct address {
    char host[ADDRESS_HOST_BYTES]; /* an IPv6 address is without its brackets */
    uint16_t port;                 /* never 0 */
};

/* Split off the next address of `*list`; commas and spaces are between addresses. Hosts are not resolved or
 * looked at: whoever connects refuses what is not numeric.
 *
 * ERR_NOT_FOUND  none is left
 * ERR_CONFIG     what comes next is no host:port; `*list` stays before it */
enum err address_next(const char **list, struct address *ret_address) MUST_CHECK;

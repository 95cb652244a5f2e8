/* CRC-32C (Castagnoli, reflected), as in iSCSI (RFC 3720, B.4): crc32c(0, "123456789") == 0xE3069283. */
#pragma once

#include "base/slice.h"

/* Continue a checksum: start with 0 or with a seed, then pass the last result to add more bytes. */
uint32_t crc32c(uint32_t crc, struct slice bytes);

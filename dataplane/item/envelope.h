/* The stored value: item bytes in an envelope that has room for sealing (docs/formats/envelope.md).
 *
 *     format(1) | flags(1) | write time(8) [| key id(8) | nonce(12) | tag(16)] | body
 *
 * Images are enveloped (and sealed, for tenants with a key) before they enter the log; log, snapshot and
 * store hold the same bytes. The part before the body is the sealing's associated data, its tag as zero. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

enum {
    ENVELOPE_NONCE_BYTES = 12,
    ENVELOPE_TAG_BYTES = 16,
    ENVELOPE_BYTES_MAX = 10 + 8 + ENVELOPE_NONCE_BYTES + ENVELOPE_TAG_BYTES, /* without the body */
};

struct envelope {
    uint64_t write_time_us; /* wall clock of the leader at commit */
    bool is_sealed;         /* then body is ciphertext, and these count: */
    uint64_t key_id;
    uint8_t nonce[ENVELOPE_NONCE_BYTES];
    uint8_t tag[ENVELOPE_TAG_BYTES];
    struct slice body; /* a view */
};

void envelope_encode(const struct envelope *e, struct buffer *to);
/* body is a view into `bytes`.
 * ERR_CORRUPT  too short, or a format or flag that is not known. */
enum err envelope_decode(struct slice bytes, struct envelope *ret_envelope) MUST_CHECK;

#include "base/wire.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/reader.h"
#include "base/wire_internal.h"

/* docs/formats/frame.md: the hello */
enum { HELLO_MAGIC = 0x454C5553, PROTOCOL_VERSION = 1, PROTOCOL_VERSION_LEAST = 1 };

static const struct metric_row rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct wire_metrics, name, kind, unit, sentence)
#include "base/wire_metrics.def"
#undef METRIC
};
const struct metric_table wire_metric_table = METRIC_TABLE("wire", rows);

const char *wire_role_name(enum wire_role role)
{
    static const char *const names[] = {
        [WIRE_ROLE_ROUTER] = "router",   [WIRE_ROLE_NODE] = "node", [WIRE_ROLE_MEMDS] = "memds",
        [WIRE_ROLE_CONTROL] = "control", [WIRE_ROLE_GAC] = "gac",   [WIRE_ROLE_METER] = "meter",
        [WIRE_ROLE_TOOL] = "tool",
    };
    unsigned index = (unsigned)role;
    return index < sizeof names / sizeof names[0] && names[index] != NULL ? names[index] : "unknown";
}

void wire_hello_append(struct buffer *to, const struct wire_identity *identity)
{
    size_t start = frame_begin(to);
    buffer_append_u32(to, HELLO_MAGIC);
    buffer_append_u16(to, PROTOCOL_VERSION);
    buffer_append_u16(to, PROTOCOL_VERSION_LEAST);
    buffer_append_u64(to, identity->cluster_id);
    buffer_append_u32(to, identity->node_id);
    buffer_append_u16(to, (uint16_t)identity->role);
    const struct frame frame = {.type = WIRE_FRAME_HELLO, .flags = FRAME_ONE_WAY};
    /* Sticky: whoever flushes the buffer finds that it has failed. */
    (void)!frame_end(to, start, &frame, 0);
}

enum err wire_hello_decode(const struct frame *frame, struct wire_identity *ret_identity)
{
    if (frame->type != WIRE_FRAME_HELLO || frame->flags != FRAME_ONE_WAY)
        return ERR_INVALID;
    struct reader r;
    reader_init(&r, frame->payload);
    uint32_t magic = reader_u32(&r);
    uint16_t version = reader_u16(&r);
    uint16_t version_least = reader_u16(&r);
    struct wire_identity identity = {.cluster_id = reader_u64(&r)};
    identity.node_id = reader_u32(&r);
    identity.role = (enum wire_role)reader_u16(&r);
    /* Later versions may append fields: what follows is not looked at. */
    if (reader_has_failed(&r) || magic != HELLO_MAGIC)
        return ERR_INVALID;
    if (version < PROTOCOL_VERSION_LEAST || version_least > PROTOCOL_VERSION)
        return ERR_INVALID;
    *ret_identity = identity;
    return ERR_OK;
}

enum err wire_message_append(struct buffer *to, const struct wire_message *message, uint16_t type,
                             uint8_t flags, uint64_t call_id)
{
    size_t payload_bytes = 0;
    for (size_t i = 0; i < message->payload_count; i++)
        payload_bytes += message->payload[i].length;
    /* At once, not by doubling; sticky: frame_end looks. */
    (void)buffer_reserve(to, FRAME_PREFIX_BYTES + payload_bytes);
    size_t start = frame_begin(to);
    if (message->header != NULL)
        proto_append(to, message->header);
    else
        buffer_append(to, message->header_bytes);
    size_t header_bytes = buffer_has_failed(to) ? 0 : to->length - start - FRAME_PREFIX_BYTES;
    for (size_t i = 0; i < message->payload_count; i++)
        buffer_append(to, message->payload[i]);
    const struct frame frame = {.type = type, .flags = flags, .call_id = call_id};
    return frame_end(to, start, &frame, header_bytes);
}

void wire_frame_blank(uint8_t *frame)
{
    struct reader r;
    reader_init(&r, slice_make(frame, 4));
    size_t checked_bytes = FRAME_PREFIX_BYTES - 8 + (size_t)reader_u32(&r);
    memset(frame + 8, 0, 2);
    frame[8] = WIRE_FRAME_BLANK;
    frame[11] = FRAME_ONE_WAY;
    uint32_t checksum = crc32c(0, slice_make(frame + 8, checked_bytes));
    for (int i = 0; i < 4; i++)
        frame[4 + i] = (uint8_t)(checksum >> (8 * i));
}

enum err wire_address(const char *host, uint16_t port, struct sockaddr_storage *ret_address,
                      struct error *error)
{
    union {
        struct sockaddr_storage any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    if (uv_ip4_addr(host, port, &address.v4) != 0 && uv_ip6_addr(host, port, &address.v6) != 0)
        return error_set(error, ERR_CONFIG, "'%.60s' is not a numeric address", host);
    *ret_address = address.any;
    return ERR_OK;
}

/* A stream of frames between our processes, and the protobuf headers in them.
 *
 * Bytes as they come hardly ever pass a checksum. So from a first byte of 128 on the input is a list of frames to be made,
 * a header and a payload each; the bytes of the stream then arrive in pieces of a size that the second byte says. */
#include "base/frame.h"
#include "base/proto.h"
#include "controlplane/proto/controlplane.pb-c.h"
#include "dataplane/proto/dataplane.pb-c.h"
#include "tests/fuzz/fuzz.h"

enum { BODY_BYTES_MAX = 1 << 20 };

static const ProtobufCMessageDescriptor *const HEADERS[] = {
    &sluice__dataplane__route__descriptor,
    &sluice__dataplane__read_request__descriptor,
    &sluice__dataplane__read_response__descriptor,
    &sluice__dataplane__write_request__descriptor,
    &sluice__dataplane__write_response__descriptor,
    &sluice__dataplane__heartbeat__descriptor,
    &sluice__dataplane__replication__descriptor,
    &sluice__controlplane__node_heartbeat__descriptor,
    &sluice__controlplane__node_goals__descriptor,
    &sluice__controlplane__publish_routes__descriptor,
    &sluice__controlplane__publish_routes_reply__descriptor,
    &sluice__controlplane__lookup_routes__descriptor,
    &sluice__controlplane__lookup_routes_reply__descriptor,
    &sluice__controlplane__bundle_update__descriptor,
    &sluice__controlplane__bundle_update_reply__descriptor,
    &sluice__controlplane__fetch_bundle__descriptor,
    &sluice__controlplane__control_request__descriptor,
    &sluice__controlplane__control_reply__descriptor,
    &sluice__controlplane__compare_routes__descriptor,
    &sluice__controlplane__compare_routes_reply__descriptor,
};

/* Fields that no descriptor names are kept by protobuf-c as they came, those with the impossible number 0 too, which it
 * reads when it is spelt in two bytes and not when in one. We never pass them on. */
static void forget_unknown(ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    message->n_unknown_fields = 0;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const uint8_t *at = (const uint8_t *)message + field->offset;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count;
            ProtobufCMessage *const *parts;
            memcpy(&count, (const uint8_t *)message + field->quantifier_offset, sizeof count);
            memcpy(&parts, at, sizeof parts);
            for (size_t k = 0; k < count; k++)
                forget_unknown(parts[k]);
            continue;
        }
        ProtobufCMessage *part;
        memcpy(&part, at, sizeof part);
        if (part != NULL)
            forget_unknown(part);
    }
}

/* Read once more, what was read and packed is the same. */
static void check_header(const ProtobufCMessageDescriptor *descriptor, struct slice bytes)
{
    struct arena arena;
    struct buffer first = fuzz_buffer(), second = fuzz_buffer();
    arena_init(&arena, 1 << 14, BODY_BYTES_MAX * 16);
    ProtobufCMessage *message = proto_unpack(descriptor, bytes, &arena);
    if (message != NULL) {
        forget_unknown(message);
        proto_append(&first, message);
        message = proto_unpack(descriptor, buffer_view(&first), &arena);
        ASSERT(message != NULL);
        proto_append(&second, message);
        ASSERT(slice_equal(buffer_view(&first), buffer_view(&second)));
    }
    arena_deinit(&arena);
    buffer_deinit(&first);
    buffer_deinit(&second);
}

static void check_frame(const struct frame *frame)
{
    struct buffer again = fuzz_buffer();
    ASSERT((frame->flags & ~FRAME_FLAGS_ALL) == 0);
    ASSERT(frame_append(&again, frame) == ERR_OK);
    struct frame_decoder decoder;
    struct frame decoded;
    size_t space;
    frame_decoder_init(&decoder, BODY_BYTES_MAX);
    for (size_t at = 0; at < again.length; at += space) {
        uint8_t *to = frame_decoder_space(&decoder, &space);
        ASSERT(to != NULL);
        space = space < again.length - at ? space : again.length - at;
        memcpy(to, again.data + at, space);
        frame_decoder_fill(&decoder, space);
        if (at + space < again.length)
            ASSERT(frame_decoder_next(&decoder, &decoded) == ERR_TRUNCATED);
    }
    ASSERT(frame_decoder_next(&decoder, &decoded) == ERR_OK);
    ASSERT(slice_equal(decoded.header, frame->header) && slice_equal(decoded.payload, frame->payload));
    ASSERT(decoded.type == frame->type && decoded.flags == frame->flags && decoded.call_id == frame->call_id);
    frame_decoder_deinit(&decoder);
    buffer_deinit(&again);
    check_header(HEADERS[frame->type % (sizeof HEADERS / sizeof HEADERS[0])], frame->header);
}

/* type(1) flags(1) header bytes(1) payload bytes(1) header payload, over and over. */
static void make_stream(struct slice input, struct buffer *stream)
{
    while (input.length > 0) {
        struct frame frame = {.type = fuzz_byte(&input), .call_id = 7};
        frame.flags = fuzz_byte(&input) % FRAME_FLAGS_ALL;
        size_t header_bytes = fuzz_byte(&input);
        size_t payload_bytes = fuzz_byte(&input);
        frame.header = fuzz_bytes(&input, header_bytes);
        frame.payload = fuzz_bytes(&input, payload_bytes);
        ASSERT(frame_append(stream, &frame) == ERR_OK);
    }
}

static void read_stream(struct slice stream, size_t piece)
{
    struct frame_decoder decoder;
    struct frame frame;
    enum err err = ERR_TRUNCATED;
    frame_decoder_init(&decoder, BODY_BYTES_MAX);
    while (err == ERR_TRUNCATED && stream.length > 0) {
        size_t space;
        uint8_t *to = frame_decoder_space(&decoder, &space);
        ASSERT(to != NULL && space > 0);
        struct slice bytes = fuzz_bytes(&stream, piece < space ? piece : space);
        memcpy(to, bytes.data, bytes.length);
        frame_decoder_fill(&decoder, bytes.length);
        while ((err = frame_decoder_next(&decoder, &frame)) == ERR_OK)
            check_frame(&frame);
    }
    ASSERT(err == ERR_TRUNCATED || err == ERR_LIMIT || err == ERR_CORRUPT || err == ERR_INVALID);
    frame_decoder_deinit(&decoder);
}

void fuzz_input(struct slice input)
{
    struct buffer stream = fuzz_buffer();
    uint8_t choice = fuzz_byte(&input);
    size_t piece = fuzz_byte(&input) + 1U;
    if (choice >= 128) {
        make_stream(input, &stream);
        input = buffer_view(&stream);
    }
    read_stream(input, piece * piece);
    check_header(HEADERS[choice % (sizeof HEADERS / sizeof HEADERS[0])], input);
    buffer_deinit(&stream);
}

/* protobuf-c messages on our memory: unpacked into an arena, packed into a buffer or an arena.
 *
 *     struct sluice__dataplane__ReadRequest... *request =
 *         proto_unpack(&sluice__dataplane__read_request__descriptor, frame->header, arena);
 *
 * Unpacked messages own nothing: never call protobuf-c's free_unpacked, reset the arena. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/buffer.h"

/* An allocator whose memory is the arena's and whose free does nothing. */
void proto_arena_allocator(struct arena *arena, ProtobufCAllocator *ret_allocator);

/* The message, in the arena; its strings and bytes are copies there. NULL when the bytes are no such
 * message or the arena is spent (tell them apart by arena_has_failed). Cast to the message's type. */
void *proto_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes, struct arena *arena);
/* As proto_unpack with an error. ERR_INVALID: no such message. ERR_NO_MEMORY: the arena is spent. */
enum err proto_decode(const ProtobufCMessageDescriptor *descriptor, struct slice bytes, struct arena *arena,
                      ProtobufCMessage **ret_message) MUST_CHECK;

/* Append the packed message; sticky like every append. */
void proto_append(struct buffer *to, const ProtobufCMessage *message);
/* Packed into the arena; data NULL when it is spent. */
struct slice proto_pack(const ProtobufCMessage *message, struct arena *arena);

/* Between protobuf's byte strings and ours; views both ways. */
static inline struct slice proto_slice(ProtobufCBinaryData bytes)
{
    return slice_make(bytes.data, bytes.len);
}

/* protobuf-c wants a pointer to non-const, and does not write through it. */
static inline ProtobufCBinaryData proto_bytes(struct slice s)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } pointer = {.in = s.data};
    return (ProtobufCBinaryData){.len = s.length, .data = pointer.out};
}

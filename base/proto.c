#include "base/proto.h"

static void *allocate(void *data, size_t bytes)
{
    return arena_alloc(data, bytes);
}

/* The arena frees all at once. */
static void release(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

void proto_arena_allocator(struct arena *arena, ProtobufCAllocator *ret_allocator)
{
    *ret_allocator = (ProtobufCAllocator){.alloc = allocate, .free = release, .allocator_data = arena};
}

void *proto_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes, struct arena *arena)
{
    ProtobufCAllocator allocator;
    proto_arena_allocator(arena, &allocator);
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.length, bytes.data);
}

enum err proto_decode(const ProtobufCMessageDescriptor *descriptor, struct slice bytes, struct arena *arena,
                      ProtobufCMessage **ret_message)
{
    ProtobufCMessage *message = proto_unpack(descriptor, bytes, arena);
    if (message == NULL)
        return arena_has_failed(arena) ? ERR_NO_MEMORY : ERR_INVALID;
    *ret_message = message;
    return ERR_OK;
}

void proto_append(struct buffer *to, const ProtobufCMessage *message)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);
    if (bytes == 0)
        return;
    uint8_t *start = buffer_extend(to, bytes);
    if (start != NULL)
        protobuf_c_message_pack(message, start);
}

struct slice proto_pack(const ProtobufCMessage *message, struct arena *arena)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *start = arena_alloc(arena, bytes);
    if (start == NULL)
        return SLICE_EMPTY;
    protobuf_c_message_pack(message, start);
    return slice_make(start, bytes);
}

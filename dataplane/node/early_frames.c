#include "dataplane/node/early_frames.h"

#include "base/memory.h"

enum { FRAMES_MAX = 64, FRAME_BYTES_MAX = 16 * 1024 };

struct early_frame {
    struct early_frame *next;
    uint64_t group_id;
    uint32_t from_node;
    uint16_t type;
    size_t header_bytes;
    size_t payload_bytes;
    uint8_t bytes[];
};

void early_frames_keep(struct early_frames *early, uint64_t group_id, uint32_t from_node,
                       const struct frame *frame)
{
    size_t bytes = frame->header.length + frame->payload.length;
    if (early->count == FRAMES_MAX || bytes > FRAME_BYTES_MAX)
        return;
    struct early_frame *kept = memory_alloc(sizeof *kept + bytes);
    if (kept == NULL)
        return;
    *kept = (struct early_frame){.group_id = group_id,
                                 .from_node = from_node,
                                 .type = frame->type,
                                 .header_bytes = frame->header.length,
                                 .payload_bytes = frame->payload.length};
    memcpy(kept->bytes, frame->header.data, frame->header.length);
    if (frame->payload.length > 0)
        memcpy(kept->bytes + frame->header.length, frame->payload.data, frame->payload.length);
    struct early_frame **link = &early->first;
    while (*link != NULL)
        link = &(*link)->next;
    *link = kept;
    early->count++;
}

struct early_frame *early_frames_take(struct early_frames *early, uint64_t group_id)
{
    struct early_frame **link = &early->first;
    while (*link != NULL && (*link)->group_id != group_id)
        link = &(*link)->next;
    struct early_frame *frame = *link;
    if (frame == NULL)
        return NULL;
    *link = frame->next;
    early->count--;
    return frame;
}

struct frame early_frame_view(const struct early_frame *frame)
{
    return (struct frame){.type = frame->type,
                          .flags = FRAME_ONE_WAY,
                          .header = slice_make(frame->bytes, frame->header_bytes),
                          .payload = slice_make(frame->bytes + frame->header_bytes, frame->payload_bytes)};
}

uint32_t early_frame_from(const struct early_frame *frame)
{
    return frame->from_node;
}

void early_frames_clear(struct early_frames *early)
{
    while (early->first != NULL) {
        struct early_frame *frame = early->first;
        early->first = frame->next;
        memory_free(frame);
    }
    early->count = 0;
}

/* Replication frames for groups that a split is just making here: their leader, born elsewhere a moment earlier, asks for votes
 * already, and would ask again only after a pause. Kept while a birth is under way, a few of them, and given to the
 * group when it acts. What is not kept is lost, as on any network. One loop owns them. */
#pragma once

#include "base/frame.h"

struct early_frame;

struct early_frames {
    /* Leave alone; zeroed, it is empty. */
    struct early_frame *first;
    size_t count;
};

/* Copy a frame for a group that is not here yet. */
void early_frames_keep(struct early_frames *early, uint64_t group_id, uint32_t from_node,
                       const struct frame *frame);
/* The oldest one for the group, out of the line; NULL: none. To be freed (memory_free). */
struct early_frame *early_frames_take(struct early_frames *early, uint64_t group_id);
struct frame early_frame_view(const struct early_frame *frame);
uint32_t early_frame_from(const struct early_frame *frame);
void early_frames_clear(struct early_frames *early);

#include "dataplane/client/item_frames.h"

#include "dataplane/proto/frame_type.h"

uint16_t item_frame_type(const struct item_call *call)
{
    if (call->is_range)
        return DATAPLANE_FRAME_RANGE;
    return call->is_write ? DATAPLANE_FRAME_WRITE : DATAPLANE_FRAME_READ;
}

bool item_frame_is_eventual(const struct item_call *call)
{
    Sluice__Dataplane__ReadConsistency consistency =
        call->is_range ? call->range.consistency : call->read.consistency;
    return !call->is_write && consistency == SLUICE__DATAPLANE__READ_CONSISTENCY__EVENTUAL;
}

static const ProtobufCMessage *fill_range(Sluice__Dataplane__RangeRequest *range, const struct route *route,
                                          uint32_t left_us)
{
    range->group_id = route->group_id;
    range->range_epoch = route->range_epoch;
    range->deadline_us = left_us;
    return &range->base;
}

const ProtobufCMessage *item_frame_request(struct item_call *call, const struct route *route,
                                           uint32_t left_us)
{
    if (call->is_range)
        return fill_range(&call->range, route, left_us);
    if (call->is_write) {
        call->write.group_id = route->group_id;
        call->write.range_epoch = route->range_epoch;
        call->write.key = proto_bytes(call->key);
        call->write.deadline_us = left_us;
        return &call->write.base;
    }
    call->read.group_id = route->group_id;
    call->read.range_epoch = route->range_epoch;
    call->read.key = proto_bytes(call->key);
    call->read.deadline_us = left_us;
    return &call->read.base;
}

static const ProtobufCMessageDescriptor *response_of(const struct item_call *call)
{
    if (call->is_range)
        return &sluice__dataplane__range_response__descriptor;
    return call->is_write ? &sluice__dataplane__write_response__descriptor
                          : &sluice__dataplane__read_response__descriptor;
}

const ProtobufCMessage *item_frame_response(const struct item_call *call, struct slice header,
                                            struct arena *arena, struct item_verdict *ret_verdict)
{
    const ProtobufCMessage *message = proto_unpack(response_of(call), header, arena);
    if (message == NULL)
        return NULL;
    const Sluice__Dataplane__RangeResponse *range = (const Sluice__Dataplane__RangeResponse *)message;
    const Sluice__Dataplane__WriteResponse *write = (const Sluice__Dataplane__WriteResponse *)message;
    const Sluice__Dataplane__ReadResponse *read = (const Sluice__Dataplane__ReadResponse *)message;
    if (call->is_range)
        *ret_verdict = (struct item_verdict){range->status, range->route};
    else if (call->is_write)
        *ret_verdict = (struct item_verdict){write->status, write->route};
    else
        *ret_verdict = (struct item_verdict){read->status, read->route};
    return message;
}

/* What differs between the frames of the three kinds of call; item_client.c has what they share. */
#pragma once

#include "dataplane/client/item_client.h"

/* What every answer says. */
struct item_verdict {
    Sluice__Dataplane__Status status;
    const Sluice__Dataplane__Route *route; /* NULL: none */
};

uint16_t item_frame_type(const struct item_call *call);
/* A read that any replica may answer. */
bool item_frame_is_eventual(const struct item_call *call);
/* The call's header, with what an attempt fills in. */
const ProtobufCMessage *item_frame_request(struct item_call *call, const struct route *route,
                                           uint32_t left_us);
/* The answer's header, in the arena; NULL: it does not decode. */
const ProtobufCMessage *item_frame_response(const struct item_call *call, struct slice header,
                                            struct arena *arena, struct item_verdict *ret_verdict);

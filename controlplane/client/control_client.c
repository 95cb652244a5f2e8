#include "controlplane/client/control_client.h"

#include "base/memory.h"
#include "controlplane/proto/controlplane.pb-c.h"
#include "controlplane/proto/frame_type.h"

enum { SCRATCH_BLOCK_BYTES = 4096, SCRATCH_BYTES_MAX = 256 * 1024 };

struct control_call {
    control_call_cb on_result;
    void *data;
};

static void answer(const struct control_call *call, const struct frame *response)
{
    struct arena scratch;
    arena_init(&scratch, SCRATCH_BLOCK_BYTES, SCRATCH_BYTES_MAX);
    const Sluice__Controlplane__ControlReply *reply =
        proto_unpack(&sluice__controlplane__control_reply__descriptor, response->header, &scratch);
    if (reply == NULL) {
        call->on_result(ERR_INVALID, NULL, call->data);
    } else {
        const struct control_result result = {
            .http_status = (int)reply->http_status,
            .exception = reply->exception,
            .message = reply->message,
            .bundle_version = reply->bundle_version,
            .body = response->payload,
        };
        call->on_result(ERR_OK, &result, call->data);
    }
    arena_deinit(&scratch);
}

static void on_response(enum err err, const struct frame *response, void *data)
{
    struct control_call *call = data;
    if (err == ERR_OK)
        answer(call, response);
    else
        call->on_result(err, NULL, call->data);
    memory_free(call);
}

static char *text(const char *constant)
{
    union {
        const char *in;
        char *out;
    } pointer = {.in = constant};
    return pointer.out; /* protobuf-c does not write through it */
}

enum err control_call(struct peer_set *control, const struct control_request *request, uint64_t deadline_us,
                      control_call_cb on_result, void *data)
{
    struct control_call *call = memory_alloc(sizeof *call);
    if (call == NULL)
        return ERR_NO_MEMORY;
    *call = (struct control_call){on_result, data};
    Sluice__Controlplane__ControlRequest header;
    sluice__controlplane__control_request__init(&header);
    header.tenant_id = text(request->tenant_id);
    header.operation = text(request->operation);
    header.principal_arn = text(request->principal_arn);
    header.request_id = text(request->request_id);
    const struct wire_message message = {.type = CONTROLPLANE_FRAME_CONTROL,
                                         .header = &header.base,
                                         .payload = &request->body,
                                         .payload_count = 1};
    const struct peer_call_options options = {.deadline_us = deadline_us};
    enum err err = peer_set_call(control, &message, &options, on_response, call);
    if (err != ERR_OK)
        memory_free(call);
    return err;
}

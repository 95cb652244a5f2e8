/* Operations that routers pass on for tenants: decode the call, find the tenant, answer now or when it is done. */
#include <jansson.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/proto.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/control/describe.h"
#include "controlplane/control/table_update_request.h"
#include "controlplane/control/tag_request.h"
#include "controlplane/proto/controlplane.pb-c.h"

enum { EXCEPTION_BYTES = 128 };

/* From the request to its answer. */
struct operation {
    struct control *control;
    struct wire_call call;
    struct tenant *tenant; /* while the request is read */
    struct answer answer;
};

static void reply(struct wire_call call, const struct answer *answer)
{
    Sluice__Controlplane__ControlReply reply;
    sluice__controlplane__control_reply__init(&reply);
    char exception[EXCEPTION_BYTES] = "";
    char message[ANSWER_MESSAGE_BYTES];
    if (answer->code != ERR_OK)
        answer_exception(answer, exception, sizeof exception);
    (void)snprintf(message, sizeof message, "%s", answer->message);
    reply.http_status = (uint32_t)err_http_status(answer->code);
    reply.exception = exception;
    reply.message = message;
    reply.bundle_version = answer->bundle_version;
    struct slice body = answer->code == ERR_OK ? buffer_view(&answer->body) : SLICE_EMPTY;
    wire_reply(call, &(struct wire_message){.header = &reply.base, .payload = &body, .payload_count = 1});
}

static void on_answer(struct answer *answer, void *data)
{
    struct operation *operation = data;
    reply(operation->call, answer);
    answer_deinit(answer);
    memory_free(operation);
}

static void create_table(struct operation *operation, const struct describe_call *call)
{
    struct table_spec spec;
    if (table_request_create(call->request, &spec, &operation->answer) != ERR_OK)
        on_answer(&operation->answer, operation);
    else
        control_create_table(operation->control, operation->tenant, &spec, &operation->answer, on_answer,
                             operation);
}

static void update_table(struct operation *operation, const struct describe_call *call)
{
    struct table_update update;
    if (table_update_read(call->request, &call->scope, &update, &operation->answer) != ERR_OK)
        on_answer(&operation->answer, operation);
    else
        control_update_table(operation->control, operation->tenant, &update, &operation->answer, on_answer,
                             operation);
}

static void delete_table(struct operation *operation, const struct describe_call *call)
{
    char name[TABLE_NAME_BYTES_MAX + 1];
    if (table_request_name(call->request, &call->scope, name, &operation->answer) != ERR_OK)
        on_answer(&operation->answer, operation);
    else
        control_delete_table(operation->control, operation->tenant, name, &operation->answer, on_answer,
                             operation);
}

static void change_tags(struct operation *operation, const struct describe_call *call,
                        enum tag_operation kind)
{
    struct tag_request request;
    if (tag_request_read(kind, call->request, &call->scope, call->principal_arn, &request,
                         &operation->answer) != ERR_OK)
        on_answer(&operation->answer, operation);
    else
        control_change_tags(operation->control, operation->tenant, &request, &operation->answer, on_answer,
                            operation);
}

static void tag_resource(struct operation *operation, const struct describe_call *call)
{
    change_tags(operation, call, TAG_ADD);
}

static void untag_resource(struct operation *operation, const struct describe_call *call)
{
    change_tags(operation, call, TAG_REMOVE);
}

/* By name: what changes something, and what is answered at once. */
static const struct {
    const char *name;
    void (*change)(struct operation *operation, const struct describe_call *call);
    void (*describe)(const struct describe_call *call, struct answer *answer);
} served[] = {
    {"CreateTable", create_table, NULL},
    {"UpdateTable", update_table, NULL},
    {"DeleteTable", delete_table, NULL},
    {"TagResource", tag_resource, NULL},
    {"UntagResource", untag_resource, NULL},
    {"DescribeTable", NULL, describe_table},
    {"ListTables", NULL, describe_list_tables},
    {"ListTagsOfResource", NULL, describe_list_tags},
    {"DescribeLimits", NULL, describe_limits},
    {"DescribeTimeToLive", NULL, describe_time_to_live},
    {"DescribeContinuousBackups", NULL, describe_continuous_backups},
};

static void dispatch(struct operation *operation, const char *name, const struct describe_call *call)
{
    for (size_t i = 0; i < sizeof served / sizeof served[0]; i++) {
        if (strcmp(name, served[i].name) != 0)
            continue;
        if (served[i].change != NULL) {
            served[i].change(operation, call);
            return;
        }
        served[i].describe(call, &operation->answer);
        on_answer(&operation->answer, operation);
        return;
    }
    answer_refuse(&operation->answer, ERR_UNKNOWN_OPERATION, "%s", err_sentence(ERR_UNKNOWN_OPERATION));
    on_answer(&operation->answer, operation);
}

static void begin(struct operation *operation, const Sluice__Controlplane__ControlRequest *request,
                  struct slice body)
{
    struct answer *answer = &operation->answer;
    struct tenant *tenant = catalog_tenant(&operation->control->catalog, request->tenant_id);
    json_error_t json_error;
    operation->tenant = tenant;
    json_t *json = json_loadb((const char *)body.data, body.length, 0, &json_error);
    if (tenant == NULL)
        answer_refuse(answer, ERR_UNRECOGNIZED_CLIENT, "%s", err_sentence(ERR_UNRECOGNIZED_CLIENT));
    else if (tenant->is_suspended)
        answer_refuse(answer, ERR_ACCESS_DENIED, "This account is suspended");
    else if (!json_is_object(json))
        answer_refuse(answer, ERR_SERIALIZATION, "Unexpected token received from parser");
    if (answer->code == ERR_OK)
        dispatch(operation, request->operation,
                 &(struct describe_call){.tenant = tenant,
                                         .scope = {operation->control->options.region, tenant->id},
                                         .principal_arn = request->principal_arn,
                                         .request = json});
    else
        on_answer(answer, operation);
    json_decref(json);
}

void control_on_request(struct control *control, struct wire_call call, const struct frame *frame)
{
    ProtobufCMessage *message = NULL;
    enum err err = proto_decode(&sluice__controlplane__control_request__descriptor, frame->header,
                                &control->scratch, &message);
    struct operation *operation = err == ERR_OK ? memory_zalloc(sizeof *operation) : NULL;
    if (operation == NULL) {
        wire_refuse(call, err == ERR_OK ? ERR_NO_MEMORY : err);
        return;
    }
    operation->control = control;
    operation->call = call;
    answer_init(&operation->answer);
    begin(operation, (const void *)message, frame->payload);
}

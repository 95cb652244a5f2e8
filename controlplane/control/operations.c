/* Operations that routers pass on for tenants: decode the call, find the tenant, answer now or when it is done. */
#include <jansson.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/proto.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/control/table_description.h"
#include "controlplane/control/table_request.h"
#include "controlplane/proto/controlplane.pb-c.h"

enum { EXCEPTION_BYTES = 128 };

/* From the request to its answer. */
struct operation {
    struct control *control;
    struct wire_call call;
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

static void describe_table(struct control *control, struct tenant *tenant, const json_t *request,
                           struct answer *answer)
{
    char name[TABLE_NAME_BYTES_MAX + 1];
    const struct table_scope scope = {control->options.region, tenant->id};
    if (table_request_name(request, &scope, name, answer) != ERR_OK)
        return;
    const struct table *table = tenant_table(tenant, name);
    if (table == NULL) {
        answer_refuse(answer, ERR_RESOURCE_NOT_FOUND, "Requested resource not found: Table: %s not found",
                      name);
        return;
    }
    (void)answer_json(
        answer, json_pack("{s:o}", "Table", table_description(table, table->status))); /* says so itself */
}

static void list_tables(struct tenant *tenant, const json_t *request, struct answer *answer)
{
    const char *start;
    size_t limit;
    if (table_request_list(request, &start, &limit, answer) != ERR_OK)
        return;
    json_t *names = json_array();
    size_t first = tenant_table_after(tenant, start);
    size_t end = first + limit < tenant->table_count ? first + limit : tenant->table_count;
    for (size_t i = first; i < end; i++)
        (void)json_array_append_new(names,
                                    json_string(tenant->tables[i]->spec.name)); /* no memory: answer_json */
    json_t *body = json_pack("{s:o}", "TableNames", names);
    if (end < tenant->table_count)
        (void)json_object_set_new(body, "LastEvaluatedTableName",
                                  json_string(tenant->tables[end - 1]->spec.name));
    (void)answer_json(answer, body); /* the answer says if it failed */
}

static void create_table(struct operation *operation, struct tenant *tenant, const json_t *request)
{
    struct table_spec spec;
    if (table_request_create(request, &spec, &operation->answer) != ERR_OK)
        on_answer(&operation->answer, operation);
    else
        control_create_table(operation->control, tenant, &spec, &operation->answer, on_answer, operation);
}

static void delete_table(struct operation *operation, struct tenant *tenant, const json_t *request)
{
    char name[TABLE_NAME_BYTES_MAX + 1];
    const struct table_scope scope = {operation->control->options.region, tenant->id};
    if (table_request_name(request, &scope, name, &operation->answer) != ERR_OK)
        on_answer(&operation->answer, operation);
    else
        control_delete_table(operation->control, tenant, name, &operation->answer, on_answer, operation);
}

static void dispatch(struct operation *operation, struct tenant *tenant, const char *name,
                     const json_t *request)
{
    if (strcmp(name, "CreateTable") == 0) {
        create_table(operation, tenant, request);
        return;
    }
    if (strcmp(name, "DeleteTable") == 0) {
        delete_table(operation, tenant, request);
        return;
    }
    if (strcmp(name, "DescribeTable") == 0)
        describe_table(operation->control, tenant, request, &operation->answer);
    else if (strcmp(name, "ListTables") == 0)
        list_tables(tenant, request, &operation->answer);
    else
        answer_refuse(&operation->answer, ERR_UNKNOWN_OPERATION, "%s", err_sentence(ERR_UNKNOWN_OPERATION));
    on_answer(&operation->answer, operation);
}

static void begin(struct operation *operation, const Sluice__Controlplane__ControlRequest *request,
                  struct slice body)
{
    struct answer *answer = &operation->answer;
    struct tenant *tenant = catalog_tenant(&operation->control->catalog, request->tenant_id);
    json_error_t json_error;
    json_t *json = json_loadb((const char *)body.data, body.length, 0, &json_error);
    if (tenant == NULL)
        answer_refuse(answer, ERR_UNRECOGNIZED_CLIENT, "%s", err_sentence(ERR_UNRECOGNIZED_CLIENT));
    else if (tenant->is_suspended)
        answer_refuse(answer, ERR_ACCESS_DENIED, "This account is suspended");
    else if (!json_is_object(json))
        answer_refuse(answer, ERR_SERIALIZATION, "Unexpected token received from parser");
    if (answer->code == ERR_OK)
        dispatch(operation, tenant, request->operation, json);
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

#include "api/cli/operator_call.h"

#include <jansson.h>
#include <stdio.h>

#include "base/assert.h"

static int append(const char *bytes, size_t length, void *data)
{
    buffer_append(data, slice_make(bytes, length));
    return 0;
}

/* The body {"field": "text"}, or {} where text is NULL. */
static enum err set_body(struct operator_call *call, const char *field, const char *text, struct error *error)
{
    json_t *value = text == NULL ? NULL : json_string(text);
    if (text != NULL && value == NULL)
        return error_set(error, ERR_CONFIG, "a name must be UTF-8");
    json_t *body = json_object();
    bool is_good = body != NULL;
    if (value != NULL)
        is_good = json_object_set_new(body, field, value) == 0 && is_good; /* takes value in any case */
    is_good = is_good && json_dump_callback(body, append, &call->body, JSON_COMPACT) == 0;
    json_decref(body);
    if (!is_good || buffer_has_failed(&call->body))
        return error_set(error, ERR_NO_MEMORY, "no memory");
    return ERR_OK;
}

/* An order is a POST; without one it is a question. */
static void set_node_path(struct operator_call *call, const char *node, const char *order)
{
    if (order[0] != '\0')
        call->method = "POST";
    (void)snprintf(call->path, sizeof call->path, "/v1/fleet/nodes/%s%s", node,
                   order); /* a name has 127 at most */
}

static enum err fill(struct operator_call *call, const struct cli_command *command, struct error *error)
{
    const char *argument = command->argument;
    switch (command->verb) {
    case CLI_TENANT_CREATE:
        call->method = "POST";
        (void)snprintf(call->path, sizeof call->path, "/v1/tenants"); /* fits */
        return set_body(call, "name", argument, error);
    case CLI_TENANT_LIST:
        (void)snprintf(call->path, sizeof call->path, "/v1/tenants"); /* fits */
        return ERR_OK;
    case CLI_KEY_CREATE:
        call->method = "POST";
        (void)snprintf(call->path, sizeof call->path, "/v1/tenants/%s/keys", argument); /* 12 digits */
        return set_body(call, "user_name", command->user_name, error);
    case CLI_KEY_REVOKE:
        call->method = "POST";
        (void)snprintf(call->path, sizeof call->path, "/v1/keys/%s/revoke", argument); /* at most 128 */
        return ERR_OK;
    case CLI_FLEET:
    case CLI_FLEET_LIST:
        (void)snprintf(call->path, sizeof call->path, "/v1/fleet"); /* fits */
        return ERR_OK;
    case CLI_FLEET_RESTART:
        call->method = command->is_status ? "GET" : command->is_stop ? "DELETE" : "POST";
        (void)snprintf(call->path, sizeof call->path, "/v1/fleet/restart"); /* fits */
        return ERR_OK;
    case CLI_FLEET_SHOW:
        set_node_path(call, argument, "");
        return ERR_OK;
    case CLI_FLEET_DRAIN:
        set_node_path(call, argument, "/drain");
        return ERR_OK;
    case CLI_FLEET_UNDRAIN:
        set_node_path(call, argument, "/undrain");
        return ERR_OK;
    case CLI_FLEET_REMOVE:
        set_node_path(call, argument, "/remove");
        return ERR_OK;
    case CLI_HELP:
    case CLI_VERSION:
        break;
    }
    UNREACHABLE("a verb that asks control nothing");
}

enum err operator_call_init(struct operator_call *ret_call, const struct cli_command *command,
                            struct error *error)
{
    struct operator_call call = {.method = "GET"};
    buffer_init(&call.body, CLI_BODY_BYTES_MAX);
    enum err err = fill(&call, command, error);
    if (err != ERR_OK)
        buffer_deinit(&call.body);
    else
        *ret_call = call;
    return err;
}

void operator_call_deinit(struct operator_call *call)
{
    buffer_deinit(&call->body);
}

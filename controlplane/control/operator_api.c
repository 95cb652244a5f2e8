/* What operators ask for:
 *
 *     POST /v1/tenants {"name": "..."}       a new tenant
 *     GET  /v1/tenants                       all of them
 *     POST /v1/tenants/{tenant_id}/keys {"user_name": "..."}   a new access key; its secret is shown this once
 *     POST /v1/keys/{access_key_id}/revoke, DELETE /v1/keys/{access_key_id}
 *     POST /v1/groups/{group_id}/leader {"node": "..."}        move a partition's lead to that node
 *     POST, GET, DELETE /v1/fleet/restart    begin a rolling restart, look at the last one, end it
 *     /v1/fleet...                           operator_fleet.c                                                        */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/proto.h"
#include "base/random.h"
#include "controlplane/bundle/seal.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/control/fleet_restart.h"
#include "controlplane/control/lead_move.h"
#include "controlplane/control/operator_http.h"
#include "controlplane/proto/controlplane.pb-c.h"

enum {
    KEY_ID_CHARACTERS = 20,
    SECRET_RANDOM_BYTES = 30,
    SECRET_CHARACTERS = 40,
    USER_NAME_BYTES_MAX = 64,
    PREFIX_BYTES = 4
};

/* One change for all three, as they share their answer. */
struct operator_change {
    struct change change;
    char name[NAME_BYTES_MAX + 1]; /* tenant's or user's */
    char tenant_id[TENANT_ID_BYTES + 1];
    char access_key_id[KEY_ID_CHARACTERS + 1];
    char secret[SECRET_CHARACTERS + 1];
    uint64_t created_us;
    struct staged_object object;
    struct answer *answer;
    answer_cb done;
    void *data;
};

static enum err apply_object(struct control *control, struct operator_change *operator)
{
    operator->answer->bundle_version = operator->object.object.version;
    return control_object_apply(control, &operator->object);
}

/* ---- tenants ---- */

static enum err tenant_prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct operator_change *operator=(struct operator_change *) change;
    if (catalog_tenant_by_name(&control->catalog, operator->name) != NULL)
        return answer_refuse(operator->answer, ERR_RESOURCE_IN_USE,
                             "A tenant of this name exists: %s", operator->name);
    struct tenant draft = {0};
    (void)snprintf(draft.id, sizeof draft.id, "%012llu",
                   (unsigned long long)(++control->catalog.counters.tenant_id % 1000000000000ULL)); /* 12 */
    (void)snprintf(draft.name, sizeof draft.name, "%s", operator->name);             /* as long */
    (void)snprintf(operator->tenant_id, sizeof operator->tenant_id, "%s", draft.id); /* as long */
    operator->created_us = clock_wall_us();
    sql_begin(batch, "INSERT INTO tenants (tenant_id, name, created_us) VALUES ($1, $2, $3)");
    sql_text(batch, draft.id);
    sql_text(batch, draft.name);
    sql_u64(batch, operator->created_us);
    TRY(control_stage_tenant(control, &draft, batch, &operator->object));
    control_save_counters(control, batch);
    return ERR_OK;
}

static enum err tenant_apply(struct control *control, struct change *change)
{
    struct operator_change *operator=(struct operator_change *) change;
    if (catalog_add_tenant(&control->catalog, operator->tenant_id, operator->name, operator->created_us) ==
        NULL)
        return ERR_NO_MEMORY;
    TRY(apply_object(control, operator));
    return answer_json(operator->answer,
                       json_pack("{s:s, s:s, s:I}", "tenant_id", operator->tenant_id, "name", operator->name,
                                 "bundle_version", (json_int_t) operator->answer->bundle_version));
}

/* ---- keys ---- */

static void make_key_id(char ret_id[KEY_ID_CHARACTERS + 1])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t r[KEY_ID_CHARACTERS];
    random_secret(r, sizeof r);
    for (size_t i = 0; i < KEY_ID_CHARACTERS; i++)
        ret_id[i] = i < PREFIX_BYTES ? "AKIA"[i] : alphabet[r[i] % 32];
    ret_id[KEY_ID_CHARACTERS] = '\0';
}

static void make_secret(char ret_secret[SECRET_CHARACTERS + 1])
{
    uint8_t r[SECRET_RANDOM_BYTES];
    random_secret(r, sizeof r);
    base64_encode(slice_make(r, sizeof r), ret_secret);
    ret_secret[SECRET_CHARACTERS] = '\0';
}

static enum err stage_key(struct control *control, struct operator_change *operator, struct slice sealed,
                          bool is_revoked, struct sql_batch *batch)
{
    Sluice__Controlplane__AccessKeyBody body;
    sluice__controlplane__access_key_body__init(&body);
    struct buffer packed;
    body.access_key_id = operator->access_key_id;
    body.tenant_id = operator->tenant_id;
    body.user_name = operator->name;
    body.sealed_secret = proto_bytes(sealed);
    body.is_revoked = is_revoked;
    buffer_init(&packed, BUNDLE_BODY_BYTES_MAX);
    proto_append(&packed, &body.base);
    enum err err = buffer_has_failed(&packed)
                       ? ERR_NO_MEMORY
                       : control_stage_key(control, operator->access_key_id, buffer_view(&packed), batch,
                                           &operator->object);
    buffer_deinit(&packed);
    return err;
}

static enum err insert_key(struct control *control, struct operator_change *operator, struct slice sealed,
                           struct sql_batch *batch)
{
    sql_begin(batch,
              "INSERT INTO access_keys (access_key_id, tenant_id, user_name, sealed_secret, created_us) "
              "VALUES ($1, $2, $3, $4, $5)");
    sql_text(batch, operator->access_key_id);
    sql_text(batch, operator->tenant_id);
    sql_text(batch, operator->name);
    sql_bytes(batch, sealed);
    sql_u64(batch, clock_wall_us());
    TRY(stage_key(control, operator, sealed, false, batch));
    control_save_counters(control, batch);
    return ERR_OK;
}

static enum err key_prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct operator_change *operator=(struct operator_change *) change;
    if (catalog_tenant(&control->catalog, operator->tenant_id) == NULL)
        return answer_refuse(operator->answer, ERR_RESOURCE_NOT_FOUND,
                             "No such tenant: %s", operator->tenant_id);
    make_key_id(operator->access_key_id);
    make_secret(operator->secret);
    struct buffer sealed;
    buffer_init(&sealed, SECRET_BYTES_MAX);
    enum err err = secret_seal(&control->options.key, slice_from_string(operator->access_key_id),
                               slice_from_string(operator->secret), &sealed);
    if (err == ERR_OK)
        err = insert_key(control, operator, buffer_view(&sealed), batch);
    buffer_deinit(&sealed);
    return err;
}

static enum err key_apply(struct control *control, struct change *change)
{
    struct operator_change *operator=(struct operator_change *) change;
    TRY(apply_object(control, operator));
    return answer_json(operator->answer,
                       json_pack("{s:s, s:s, s:s, s:s, s:I}", "access_key_id", operator->access_key_id,
                                 "secret_access_key", operator->secret, "tenant_id", operator->tenant_id,
                                 "user_name", operator->name, "bundle_version",
                                 (json_int_t) operator->answer->bundle_version));
}

/* The key's object has all that its revoked form needs. */
static enum err revoke_prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct operator_change *operator=(struct operator_change *) change;
    struct bundle_object object;
    const Sluice__Controlplane__AccessKeyBody *old = NULL;
    if (bundle_store_get(control->bundle, BUNDLE_ACCESS_KEY, slice_from_string(operator->access_key_id),
                         &object))
        old =
            proto_unpack(&sluice__controlplane__access_key_body__descriptor, object.body, &control->scratch);
    if (old == NULL)
        return answer_refuse(operator->answer, ERR_RESOURCE_NOT_FOUND,
                             "No such access key: %s", operator->access_key_id);
    (void)snprintf(operator->tenant_id, sizeof operator->tenant_id, "%s", old->tenant_id); /* as long */
    (void)snprintf(operator->name, sizeof operator->name, "%s", old->user_name);           /* as long */
    sql_begin(batch, "UPDATE access_keys SET is_revoked = true WHERE access_key_id = $1");
    sql_text(batch, operator->access_key_id);
    enum err err = stage_key(control, operator, proto_slice(old->sealed_secret), true, batch);
    control_save_counters(control, batch);
    arena_reset(&control->scratch);
    return err;
}

static enum err revoke_apply(struct control *control, struct change *change)
{
    struct operator_change *operator=(struct operator_change *) change;
    TRY(apply_object(control, operator));
    return answer_json(operator->answer,
                       json_pack("{s:s, s:b, s:I}", "access_key_id", operator->access_key_id, "is_revoked", 1,
                                 "bundle_version", (json_int_t) operator->answer->bundle_version));
}

static void operator_done(struct control *control, struct change *change, enum err err)
{
    struct operator_change *operator=(struct operator_change *) change;
    if (err != ERR_OK && operator->answer->code == ERR_OK)
        answer_refuse(operator->answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
    operator->done(operator->answer, operator->data);
    staged_object_drop(&operator->object);
    memory_free(operator);
}

/* ---- looking ---- */

static json_t *tenants_json(const struct catalog *catalog)
{
    json_t *list = json_array();
    for (const struct tenant *tenant = catalog->tenants; tenant != NULL; tenant = tenant->hh.next)
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:b, s:i, s:I}", "tenant_id", tenant->id, "name", tenant->name,
                            "is_suspended", (int)tenant->is_suspended, "tables", (int)tenant->table_count,
                            "created_us", (json_int_t)tenant->created_us)); /* one row less without memory */
    return json_pack("{s:o}", "tenants", list);
}

/* ---- requests ---- */

struct operator_request {
    struct control *control;
    json_t *body;
    struct answer *answer;
    answer_cb done;
    void *data;
};

static void answer_now(const struct operator_request *request)
{
    request->done(request->answer, request->data);
}

static void refuse(const struct operator_request *request, enum err code, const char *message)
{
    answer_refuse(request->answer, code, "%s", message);
    answer_now(request);
}

static struct operator_change *change_create(const struct operator_request *request)
{
    struct operator_change *operator= memory_zalloc(sizeof *operator);
    if (operator== NULL) {
        refuse(request, ERR_INTERNAL, err_sentence(ERR_INTERNAL));
        return NULL;
    }
    operator->change.done = operator_done;
    operator->answer = request->answer;
    operator->done = request->done;
    operator->data = request->data;
    return operator;
}

static void create_tenant(const struct operator_request *request)
{
    const char *name = json_string_value(json_object_get(request->body, "name"));
    if (name == NULL || name[0] == '\0' || strlen(name) > NAME_BYTES_MAX) {
        refuse(request, ERR_VALIDATION, "\"name\" must be a string of 1 to 127 bytes");
        return;
    }
    struct operator_change *operator= change_create(request);
    if (operator== NULL)
        return;
    operator->change.prepare = tenant_prepare;
    operator->change.apply = tenant_apply;
    (void)snprintf(operator->name, sizeof operator->name, "%s", name); /* its length was checked */
    control_submit(request->control, &operator->change);
}

static void create_key(const struct operator_request *request, const char *tenant_id)
{
    const char *user_name = json_string_value(json_object_get(request->body, "user_name"));
    if (user_name == NULL)
        user_name = "root";
    if (user_name[0] == '\0' || strlen(user_name) > USER_NAME_BYTES_MAX ||
        strlen(tenant_id) != TENANT_ID_BYTES) {
        refuse(request, ERR_VALIDATION, "a tenant id has 12 digits, \"user_name\" 1 to 64 bytes");
        return;
    }
    struct operator_change *operator= change_create(request);
    if (operator== NULL)
        return;
    operator->change.prepare = key_prepare;
    operator->change.apply = key_apply;
    (void)snprintf(operator->name, sizeof operator->name, "%s", user_name); /* its length was checked */
    memcpy(operator->tenant_id, tenant_id, sizeof operator->tenant_id);
    control_submit(request->control, &operator->change);
}

static void revoke_key(const struct operator_request *request, const char *access_key_id)
{
    struct operator_change *operator= strlen(access_key_id) > KEY_ID_CHARACTERS ? NULL
                                                                                : change_create(request);
    if (strlen(access_key_id) > KEY_ID_CHARACTERS)
        refuse(request, ERR_RESOURCE_NOT_FOUND, "No such access key");
    if (operator== NULL)
        return;
    operator->change.prepare = revoke_prepare;
    operator->change.apply = revoke_apply;
    memcpy(operator->access_key_id, access_key_id, strlen(access_key_id) + 1);
    control_submit(request->control, &operator->change);
}

static void move_lead(const struct operator_request *request, const char *group)
{
    const char *node = json_string_value(json_object_get(request->body, "node"));
    char *end;
    unsigned long long group_id = strtoull(group, &end, 10);
    if (node == NULL || node[0] == '\0' || strlen(node) > NAME_BYTES_MAX || *end != '\0')
        refuse(request, ERR_VALIDATION, "\"node\" must be a node's name, the group a number");
    else
        control_move_lead(request->control, group_id, node, request->answer, request->done, request->data);
}

static void restart_fleet(const struct operator_request *request, const char *method)
{
    if (strcmp(method, "POST") == 0) {
        control_restart_begin(request->control, request->answer, request->done, request->data);
    } else if (strcmp(method, "DELETE") == 0) {
        control_restart_stop(request->control, request->answer, request->done, request->data);
    } else if (strcmp(method, "GET") == 0) {
        control_restart_show(request->control, request->answer);
        answer_now(request);
    } else {
        refuse(request, ERR_UNKNOWN_OPERATION, "No such path, or not with this method");
    }
}

/* The middle of "/v1/tenants/{id}/keys", when `path` has that form. */
static bool match(const char *path, const char *start, const char *end, char *ret_middle, size_t bytes)
{
    size_t length = strlen(path);
    size_t fixed = strlen(start) + strlen(end);
    if (length <= fixed || length - fixed >= bytes || strncmp(path, start, strlen(start)) != 0 ||
        strcmp(path + length - strlen(end), end) != 0)
        return false;
    memcpy(ret_middle, path + strlen(start), length - fixed);
    ret_middle[length - fixed] = '\0';
    return strchr(ret_middle, '/') == NULL;
}

static void route(const struct operator_request *request, const char *method, const char *path)
{
    char id[64];
    bool is_get = strcmp(method, "GET") == 0;
    bool is_post = strcmp(method, "POST") == 0;
    if (is_get && strcmp(path, "/v1/tenants") == 0) {
        (void)answer_json(request->answer, tenants_json(&request->control->catalog)); /* says so itself */
        answer_now(request);
    } else if (strcmp(path, "/v1/fleet/restart") == 0) {
        restart_fleet(request, method);
    } else if (is_post && strcmp(path, "/v1/tenants") == 0) {
        create_tenant(request);
    } else if (is_post && match(path, "/v1/tenants/", "/keys", id, sizeof id)) {
        create_key(request, id);
    } else if ((is_post && match(path, "/v1/keys/", "/revoke", id, sizeof id)) ||
               (strcmp(method, "DELETE") == 0 && match(path, "/v1/keys/", "", id, sizeof id))) {
        revoke_key(request, id);
    } else if (is_post && match(path, "/v1/groups/", "/leader", id, sizeof id)) {
        move_lead(request, id);
    } else if (!control_on_fleet_operator(request->control, method, path, request->answer, request->done,
                                          request->data)) {
        refuse(request, ERR_UNKNOWN_OPERATION, "No such path, or not with this method");
    }
}

void control_on_operator(struct control *control, const char *method, const char *path, struct slice body,
                         struct answer *answer, answer_cb done, void *data)
{
    struct operator_request request = {.control = control, .answer = answer, .done = done, .data = data};
    if (control->state != CONTROL_ACTIVE) {
        refuse(&request, ERR_SERVICE_UNAVAILABLE,
               "This control is not the active one, or PostgreSQL cannot be reached");
        return;
    }
    json_error_t json_error;
    if (body.length > 0)
        request.body = json_loadb((const char *)body.data, body.length, 0, &json_error);
    if (body.length > 0 && !json_is_object(request.body))
        refuse(&request, ERR_SERIALIZATION, "The body must be a JSON object");
    else
        route(&request, method, path);
    json_decref(request.body);
}

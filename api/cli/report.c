#include "api/cli/report.h"

#include <jansson.h>
#include <stdio.h>

#include "api/cli/report_internal.h"
#include "api/cli/restart.h"
#include "base/assert.h"

/* ---- one thing: a line per field ---- */

struct field {
    const char *name; /* in the answer */
    const char *label;
};

static enum err write_fields(const json_t *answer, const struct field *fields, size_t count,
                             struct buffer *to)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = report_text(answer, fields[i].name);
        if (text == NULL)
            return ERR_INVALID;
        buffer_append_format(to, "%-18s %s\n", fields[i].label, text);
    }
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

#define WRITE_FIELDS(answer, fields, to) write_fields(answer, fields, sizeof(fields) / sizeof(fields)[0], to)

static enum err write_new_tenant(const json_t *answer, struct buffer *to)
{
    static const struct field fields[] = {{"tenant_id", "tenant id"}, {"name", "name"}};
    return WRITE_FIELDS(answer, fields, to);
}

static enum err write_new_key(const json_t *answer, struct buffer *to)
{
    static const struct field fields[] = {{"tenant_id", "tenant id"},
                                          {"user_name", "user"},
                                          {"access_key_id", "access key id"},
                                          {"secret_access_key", "secret access key"}};
    TRY(WRITE_FIELDS(answer, fields, to));
    buffer_append_string(to, "Keep the secret now: it cannot be shown again.\n");
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

static enum err write_revoked(const json_t *answer, struct buffer *to)
{
    const char *id = report_text(answer, "access_key_id");
    if (id == NULL)
        return ERR_INVALID;
    buffer_append_format(to, "%s is revoked; routers refuse it within seconds.\n", id);
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

/* ---- lists ---- */

static enum err write_tenants(const json_t *answer, struct buffer *to)
{
    static const char *const titles[] = {"TENANT ID", "NAME", "TABLES", "STATE", "CREATED"};
    const json_t *tenants = json_object_get(answer, "tenants");
    struct columns columns;
    char created[REPORT_TIME_BYTES];
    if (!json_is_array(tenants))
        return ERR_INVALID;
    columns_init(&columns, titles, sizeof titles / sizeof titles[0]);
    for (size_t i = 0; i < json_array_size(tenants); i++) {
        const json_t *tenant = json_array_get(tenants, i);
        columns_text(&columns, report_text(tenant, "tenant_id"));
        columns_text(&columns, report_text(tenant, "name"));
        columns_number(&columns, report_number(tenant, "tables"));
        columns_text(&columns,
                     json_is_true(json_object_get(tenant, "is_suspended")) ? "suspended" : "active");
        columns_text(&columns, report_time(report_number(tenant, "created_us"), created));
    }
    return report_finish(&columns, to);
}

static const char *state_of_memds(const json_t *memds, long long newest)
{
    if (!json_is_true(json_object_get(memds, "is_connected")))
        return "away";
    return report_number(memds, "bundle_version") < newest ? "behind" : "current";
}

/* A control of an older release does not say. */
static enum err write_memds(const json_t *answer, struct buffer *to)
{
    static const char *const titles[] = {"MEMDS", "STATE", "BUNDLE VERSION"};
    const json_t *all = json_object_get(answer, "memds");
    struct columns columns;
    if (!json_is_array(all))
        return ERR_OK;
    buffer_append_u8(to, '\n');
    columns_init(&columns, titles, sizeof titles / sizeof titles[0]);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *memds = json_array_get(all, i);
        const char *host = report_text(memds, "host");
        char address[160];
        (void)snprintf(address, sizeof address, "%s:%lld", host == NULL ? "?" : host,
                       report_number(memds, "port")); /* cut */
        columns_text(&columns, address);
        columns_text(&columns, state_of_memds(memds, report_number(answer, "bundle_version")));
        columns_number(&columns, report_number(memds, "bundle_version"));
    }
    return report_finish(&columns, to);
}

/* "tables: 2 active, 1 creating", states without a table left out. */
static void write_table_counts(json_t *tables, struct buffer *to)
{
    const char *state;
    json_t *count;
    bool is_first = true;
    buffer_append_string(to, "tables          ");
    json_object_foreach(tables, state, count)
    {
        if (json_integer_value(count) == 0)
            continue;
        buffer_append_format(to, "%s%lld %s", is_first ? "" : ", ", json_integer_value(count), state);
        is_first = false;
    }
    buffer_append_string(to, is_first ? "none\n" : "\n");
}

static enum err write_fleet(const json_t *answer, struct buffer *to)
{
    json_t *tables = json_object_get(answer, "tables");
    if (!json_is_object(tables))
        return ERR_INVALID;
    TRY(report_nodes(answer, to));
    TRY(write_memds(answer, to));
    buffer_append_u8(to, '\n');
    write_table_counts(tables, to);
    buffer_append_format(to, "partitions      %lld\n", report_number(answer, "partitions"));
    buffer_append_format(to, "replicas        %lld\n", report_number(answer, "replicas"));
    report_care(answer, to);
    buffer_append_format(to, "bundle version  %lld\n", report_number(answer, "bundle_version"));
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

/* ---- */

static enum err write_answer(enum cli_verb verb, const json_t *answer, struct buffer *to)
{
    switch (verb) {
    case CLI_TENANT_CREATE:
        return write_new_tenant(answer, to);
    case CLI_TENANT_LIST:
        return write_tenants(answer, to);
    case CLI_KEY_CREATE:
        return write_new_key(answer, to);
    case CLI_KEY_REVOKE:
        return write_revoked(answer, to);
    case CLI_FLEET:
        return write_fleet(answer, to);
    case CLI_FLEET_LIST:
        return report_nodes(answer, to);
    case CLI_FLEET_SHOW:
        return report_node(answer, to);
    case CLI_FLEET_DRAIN:
    case CLI_FLEET_UNDRAIN:
    case CLI_FLEET_REMOVE:
        return report_node_order(verb, answer, to);
    case CLI_FLEET_RESTART:
        return restart_report(answer, to);
    case CLI_HELP:
    case CLI_VERSION:
        break;
    }
    UNREACHABLE("a verb that asks control nothing");
}

enum err report_answer(const struct cli_command *command, const struct json_t *answer, struct buffer *to,
                       struct error *error)
{
    enum err err = write_answer(command->verb, answer, to);
    if (err == ERR_INVALID)
        return error_set(error, err, "control's answer is not the expected one; --json shows it");
    if (err != ERR_OK)
        return error_set(error, err, "no memory for the answer");
    return ERR_OK;
}

enum err report_refusal(long status, const struct json_t *answer, struct error *error)
{
    enum err code = status >= 500 ? ERR_UNAVAILABLE : ERR_INVALID;
    const char *message = report_text(answer, "message");
    const char *name = report_text(answer, "error");
    if (message == NULL)
        return error_set(error, code,
                         "HTTP status %ld, and no reason given; is this control's operator port?", status);
    if (status == 401)
        return error_set(error, code, "control does not take this token");
    return error_set(error, code, "%s%s%s%s", message, name == NULL ? "" : " (", name == NULL ? "" : name,
                     name == NULL ? "" : ")");
}

#include "controlplane/control/describe.h"

#include "controlplane/control/table_description.h"
#include "controlplane/control/tag_request.h"

/* The table that the request names; NULL when the answer says why not. */
static const struct table *find_table(const struct describe_call *call, char name[TABLE_NAME_BYTES_MAX + 1],
                                      struct answer *answer)
{
    if (table_request_name(call->request, &call->scope, name, answer) != ERR_OK)
        return NULL;
    const struct table *table = tenant_table(call->tenant, name);
    if (table == NULL)
        answer_refuse(answer, ERR_RESOURCE_NOT_FOUND, "Requested resource not found: Table: %s not found",
                      name);
    return table;
}

void describe_table(const struct describe_call *call, struct answer *answer)
{
    char name[TABLE_NAME_BYTES_MAX + 1];
    const struct table *table = find_table(call, name, answer);
    if (table != NULL)
        (void)answer_json(answer, json_pack("{s:o}", "Table",
                                            table_description(table, table->status))); /* says so itself */
}

void describe_list_tables(const struct describe_call *call, struct answer *answer)
{
    const struct tenant *tenant = call->tenant;
    const char *start;
    size_t limit;
    if (table_request_list(call->request, &start, &limit, answer) != ERR_OK)
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

/* All at once: there are never more than fit on DynamoDB's page. */
void describe_list_tags(const struct describe_call *call, struct answer *answer)
{
    struct tag_request request;
    if (tag_request_read(TAG_LIST, call->request, &call->scope, call->principal_arn, &request, answer) !=
        ERR_OK)
        return;
    const struct table *table = tenant_table(call->tenant, request.name);
    if (table == NULL) {
        answer_refuse(answer, ERR_RESOURCE_NOT_FOUND,
                      "Requested resource not found: ResourcArn: %s not found", request.arn);
        return;
    }
    (void)answer_json(answer, json_pack("{s:o}", "Tags", tags_load(table->spec.tags))); /* says so itself */
}

void describe_limits(const struct describe_call *call, struct answer *answer)
{
    (void)answer_json(answer,
                      json_pack("{s:i, s:i, s:i, s:i}", "AccountMaxReadCapacityUnits", TENANT_READ_UNITS_MAX,
                                "AccountMaxWriteCapacityUnits", TENANT_WRITE_UNITS_MAX,
                                "TableMaxReadCapacityUnits", TABLE_READ_UNITS_MAX,
                                "TableMaxWriteCapacityUnits", TABLE_WRITE_UNITS_MAX)); /* says so itself */
}

void describe_time_to_live(const struct describe_call *call, struct answer *answer)
{
    char name[TABLE_NAME_BYTES_MAX + 1];
    if (find_table(call, name, answer) != NULL)
        (void)answer_json(answer, json_pack("{s:{s:s}}", "TimeToLiveDescription", "TimeToLiveStatus",
                                            "DISABLED")); /* says so itself */
}

/* Operations on backups have an exception of their own for this. */
void describe_continuous_backups(const struct describe_call *call, struct answer *answer)
{
    char name[TABLE_NAME_BYTES_MAX + 1];
    if (table_request_name(call->request, &call->scope, name, answer) != ERR_OK)
        return;
    if (tenant_table(call->tenant, name) == NULL) {
        answer_refuse(answer, ERR_TABLE_NOT_FOUND, "Table not found: %s", name);
        return;
    }
    (void)answer_json(answer,
                      json_pack("{s:{s:s, s:{s:s}}}", "ContinuousBackupsDescription",
                                "ContinuousBackupsStatus", "DISABLED", "PointInTimeRecoveryDescription",
                                "PointInTimeRecoveryStatus", "DISABLED")); /* says so itself */
}

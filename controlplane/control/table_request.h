/* The requests about tables as tenants send them: decoded, and validated in DynamoDB's order and with its words. Pure.
 *
 * Types and the constraints of single members have been checked by the router, against DynamoDB's model (api/model); what
 * the operation itself demands is checked here. A request that no router should have passed on is refused in few words.
 * What needs the catalog comes after and is not here. */
#pragma once

#include <jansson.h>

#include "controlplane/control/answer.h"
#include "controlplane/control/table_spec.h"

/* Decode and validate a CreateTable request. On ERR_OK ret_spec is the caller's (table_spec_deinit); otherwise `answer`
 * says what is wrong.
 * Parameters of features that are not served yet are refused by name: LocalSecondaryIndexes, GlobalSecondaryIndexes,
 * StreamSpecification and SSESpecification when enabled, WarmThroughput, ResourcePolicy, VectorIndexes, GlobalTableSourceArn, GlobalTableSettingsReplicationMode. */
enum err table_request_create(const json_t *request, struct table_spec *ret_spec,
                              struct answer *answer) MUST_CHECK;

/* The table that a request names in TableName, by name or by ARN.
 * ERR_VALIDATION          it names none; the words are in `answer`
 * ERR_RESOURCE_NOT_FOUND  an ARN of another region or tenant (likewise) */
struct table_scope {
    const char *region;
    const char *tenant_id;
};
enum err table_request_name(const json_t *request, const struct table_scope *scope,
                            char ret_name[TABLE_NAME_BYTES_MAX + 1], struct answer *answer) MUST_CHECK;

/* ListTables. ret_start "" = from the first; it lives as long as `request`. */
enum { LIST_TABLES_MAX = 100 };
enum err table_request_list(const json_t *request, const char **ret_start, size_t *ret_limit,
                            struct answer *answer) MUST_CHECK;

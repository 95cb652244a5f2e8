/* UpdateTable as a tenant sends it, and what it makes of a table. Pure.
 *
 * One call makes one kind of change: the throughput (BillingMode, ProvisionedThroughput, OnDemandThroughput), the table
 * class, or the deletion protection. */
#pragma once

#include "controlplane/control/table_request.h"

struct table_update {
    char name[TABLE_NAME_BYTES_MAX + 1];
    bool has_mode;
    bool is_on_demand;
    bool has_units;
    uint64_t read_units;
    uint64_t write_units;
    bool has_maximum;
    uint64_t max_read_units; /* 0 = none; TABLE_UPDATE_KEEP = as it was */
    uint64_t max_write_units;
    enum table_class table_class; /* NOT_GIVEN: no change */
    bool has_protection;
    bool is_deletion_protected;
};

#define TABLE_UPDATE_KEEP UINT64_MAX

/* Decode and validate. Changes that are not served are refused by name: GlobalSecondaryIndexUpdates,
 * StreamSpecification, SSESpecification, ReplicaUpdates, WarmThroughput, and what came after those.
 * ERR_VALIDATION, ERR_LIMIT_EXCEEDED, ERR_RESOURCE_NOT_FOUND (an ARN that is not ours) */
enum err table_update_read(const json_t *request, const struct table_scope *scope,
                           struct table_update *ret_update, struct answer *answer) MUST_CHECK;

/* Change the spec, whose tags stay.
 *
 * now_us  wall clock
 *
 * ERR_STALE           nothing changes, which DynamoDB accepts: the same mode, class or protection again
 * ERR_VALIDATION      it does not fit the table, or its throughput would not change
 * ERR_LIMIT_EXCEEDED  too many decreases today */
enum err table_update_apply(const struct table_update *update, uint64_t now_us, struct table_spec *spec,
                            struct answer *answer) MUST_CHECK;

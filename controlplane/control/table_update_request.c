#include "controlplane/control/table_update_request.h"

#include <inttypes.h>

#include "controlplane/control/table_request_internal.h"

static const char NEITHER_UNITS[] =
    POPV "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
         "PAY_PER_REQUEST";
static const char MAXIMUM_OF_PROVISIONED[] =
    POPV "OnDemandThroughput can only be specified when BillingMode is PAY_PER_REQUEST";

/* ---- the request ---- */

static enum err check_features(const json_t *request, struct answer *answer)
{
    static const char *const features[] = {"StreamSpecification",
                                           "SSESpecification",
                                           "ReplicaUpdates",
                                           "WarmThroughput",
                                           "MultiRegionConsistency",
                                           "GlobalTableWitnessUpdates",
                                           "GlobalTableSettingsReplicationMode",
                                           "VectorIndexUpdates",
                                           NULL};
    if (json_array_size(request_member(request, "GlobalSecondaryIndexUpdates")) > 0)
        return request_refuse_feature(answer, "GlobalSecondaryIndexUpdates");
    return request_refuse_given(request, features, answer);
}

static enum err check_kinds(const struct table_update *update, struct answer *answer)
{
    int kinds = (update->has_mode || update->has_units || update->has_maximum) +
                (update->table_class != TABLE_CLASS_NOT_GIVEN) + update->has_protection;
    if (kinds == 0)
        return answer_refuse(answer, ERR_VALIDATION,
                             "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, "
                             "GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required");
    if (kinds > 1)
        return answer_refuse(answer, ERR_VALIDATION,
                             POPV "Throughput, TableClass and DeletionProtectionEnabled can only be changed "
                                  "one at a time");
    if (update->has_mode && update->is_on_demand && update->has_units)
        return answer_refuse(answer, ERR_VALIDATION, "%s", NEITHER_UNITS);
    if (update->has_mode && !update->is_on_demand && update->has_maximum)
        return answer_refuse(answer, ERR_VALIDATION, "%s", MAXIMUM_OF_PROVISIONED);
    return ERR_OK;
}

static void take(const json_t *request, struct table_update *update)
{
    const json_t *throughput = request_member(request, "ProvisionedThroughput");
    const json_t *maximum = request_member(request, "OnDemandThroughput");
    update->has_mode = request_member(request, "BillingMode") != NULL;
    update->is_on_demand = request_is_text(request, "BillingMode", "PAY_PER_REQUEST");
    update->has_units = throughput != NULL;
    update->read_units = request_units(throughput, "ReadCapacityUnits");
    update->write_units = request_units(throughput, "WriteCapacityUnits");
    update->has_maximum = maximum != NULL;
    update->max_read_units = request_take_maximum(maximum, "MaxReadRequestUnits", TABLE_UPDATE_KEEP);
    update->max_write_units = request_take_maximum(maximum, "MaxWriteRequestUnits", TABLE_UPDATE_KEEP);
    if (request_member(request, "TableClass") != NULL)
        update->table_class = request_is_text(request, "TableClass", "STANDARD")
                                  ? TABLE_CLASS_STANDARD
                                  : TABLE_CLASS_INFREQUENT_ACCESS;
    const json_t *protection = request_member(request, "DeletionProtectionEnabled");
    update->has_protection = protection != NULL;
    update->is_deletion_protected = json_is_true(protection);
}

enum err table_update_read(const json_t *request, const struct table_scope *scope,
                           struct table_update *ret_update, struct answer *answer)
{
    struct table_update update = {0};
    TRY(table_request_name(request, scope, update.name, answer));
    TRY(check_features(request, answer));
    take(request, &update);
    TRY(check_kinds(&update, answer));
    TRY(request_check_throughput(request_member(request, "ProvisionedThroughput"), answer));
    TRY(request_check_maximum(request_member(request, "OnDemandThroughput"), answer));
    TRY(request_check_table_quota(request_member(request, "ProvisionedThroughput"), answer));
    *ret_update = update;
    return ERR_OK;
}

/* ---- the table ---- */

static enum err refuse_no_change(const struct table_update *update, const struct table_spec *spec,
                                 struct answer *answer)
{
    return answer_refuse(
        answer, ERR_VALIDATION,
        "The provisioned throughput for the table will not change. The requested value equals the current "
        "value. Current ReadCapacityUnits provisioned for the table: %" PRIu64
        ". Requested ReadCapacityUnits: %" PRIu64
        ". Current WriteCapacityUnits provisioned for the table: %" PRIu64
        ". Requested WriteCapacityUnits: %" PRIu64
        ". Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
        spec->read_units, update->read_units, spec->write_units, update->write_units);
}

static enum err note_decrease(struct table_history *history, uint64_t now_us, struct answer *answer)
{
    if (table_history_decreases_left(history, now_us) == 0)
        return answer_refuse(
            answer, ERR_LIMIT_EXCEEDED,
            "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. "
            "After the first %d decreases, each subsequent decrease in the same UTC day can be performed at "
            "most once every 3600 seconds. Number of decreases today: %" PRIu32 ".",
            TABLE_DECREASES_MAX, table_history_decreases_today(history, now_us));
    table_history_note_decrease(history, now_us);
    return ERR_OK;
}

static void set_units(const struct table_update *update, uint64_t now_us, struct table_spec *spec)
{
    if (update->read_units > spec->read_units || update->write_units > spec->write_units)
        spec->history.increase_us = now_us;
    spec->read_units = update->read_units;
    spec->write_units = update->write_units;
}

/* A table that is and stays provisioned. */
static enum err change_units(const struct table_update *update, uint64_t now_us, struct table_spec *spec,
                             struct answer *answer)
{
    if (update->has_maximum)
        return answer_refuse(answer, ERR_VALIDATION, "%s", MAXIMUM_OF_PROVISIONED);
    if (!update->has_units)
        return ERR_STALE;
    if (update->read_units == spec->read_units && update->write_units == spec->write_units)
        return refuse_no_change(update, spec, answer);
    if (update->read_units < spec->read_units || update->write_units < spec->write_units)
        TRY(note_decrease(&spec->history, now_us, answer));
    set_units(update, now_us, spec);
    return ERR_OK;
}

static bool set_maximum(uint64_t units, uint64_t *at)
{
    if (units == TABLE_UPDATE_KEEP || units == *at)
        return false;
    *at = units;
    return true;
}

/* A table that is on-demand or becomes so. */
static enum err become_on_demand(const struct table_update *update, uint64_t now_us, struct table_spec *spec,
                                 struct answer *answer)
{
    if (update->has_units)
        return answer_refuse(answer, ERR_VALIDATION, "%s", NEITHER_UNITS);
    bool is_changed = !spec->is_on_demand;
    if (is_changed)
        spec->history.on_demand_us = now_us;
    spec->is_on_demand = true;
    spec->read_units = 0;
    spec->write_units = 0;
    if (update->has_maximum) {
        is_changed |= set_maximum(update->max_read_units, &spec->max_read_units);
        is_changed |= set_maximum(update->max_write_units, &spec->max_write_units);
    }
    return is_changed ? ERR_OK : ERR_STALE;
}

static enum err become_provisioned(const struct table_update *update, uint64_t now_us,
                                   struct table_spec *spec, struct answer *answer)
{
    if (!update->has_units)
        return answer_refuse(answer, ERR_VALIDATION,
                             POPV "ProvisionedThroughput must be specified when BillingMode is PROVISIONED");
    spec->is_on_demand = false;
    spec->max_read_units = 0;
    spec->max_write_units = 0;
    set_units(update, now_us, spec);
    return ERR_OK;
}

static enum err change_throughput(const struct table_update *update, uint64_t now_us, struct table_spec *spec,
                                  struct answer *answer)
{
    bool is_on_demand = update->has_mode ? update->is_on_demand : spec->is_on_demand;
    if (is_on_demand)
        return become_on_demand(update, now_us, spec, answer);
    if (spec->is_on_demand)
        return become_provisioned(update, now_us, spec, answer);
    return change_units(update, now_us, spec, answer);
}

enum err table_update_apply(const struct table_update *update, uint64_t now_us, struct table_spec *spec,
                            struct answer *answer)
{
    if (update->has_protection) {
        if (spec->is_deletion_protected == update->is_deletion_protected)
            return ERR_STALE;
        spec->is_deletion_protected = update->is_deletion_protected;
        return ERR_OK;
    }
    if (update->table_class != TABLE_CLASS_NOT_GIVEN) {
        if (spec->table_class == update->table_class)
            return ERR_STALE;
        spec->table_class = update->table_class;
        spec->history.table_class_us = now_us;
        return ERR_OK;
    }
    return change_throughput(update, now_us, spec, answer);
}

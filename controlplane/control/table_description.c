#include "controlplane/control/table_description.h"

#include "base/clock.h"

static const char *status_name(enum table_status status)
{
    static const char *const names[] = {"CREATING", "ACTIVE", "UPDATING", "DELETING", "DELETING"};
    return names[status];
}

/* Since 1970, to the millisecond. */
static double seconds(uint64_t time_us)
{
    return (double)(time_us / 1000) / 1000.0;
}

static const char *type_name(uint8_t type)
{
    return value_tag_name(type);
}

static json_t *definition(const struct table_key *key)
{
    return json_pack("{s:s, s:s}", "AttributeName", key->name, "AttributeType", type_name(key->type));
}

static json_t *key_element(const struct table_key *key, const char *role)
{
    return json_pack("{s:s, s:s}", "AttributeName", key->name, "KeyType", role);
}

/* DynamoDB lists the definitions by name. */
static json_t *definitions(const struct table_spec *spec)
{
    json_t *list = json_array();
    bool is_sort_first = table_spec_has_sort(spec) && strcmp(spec->sort.name, spec->hash.name) < 0;
    if (is_sort_first)
        (void)json_array_append_new(list, definition(&spec->sort)); /* no memory shows when packed */
    (void)json_array_append_new(list, definition(&spec->hash));     /* likewise */
    if (table_spec_has_sort(spec) && !is_sort_first)
        (void)json_array_append_new(list, definition(&spec->sort)); /* likewise */
    return list;
}

static json_t *key_schema(const struct table_spec *spec)
{
    json_t *list = json_array();
    (void)json_array_append_new(list, key_element(&spec->hash, "HASH")); /* no memory shows when packed */
    if (table_spec_has_sort(spec))
        (void)json_array_append_new(list, key_element(&spec->sort, "RANGE")); /* likewise */
    return list;
}

/* Of the newest leader that was heard of; the others' figures are older. */
static const struct replica *authority(const struct partition *partition)
{
    const struct replica *best = NULL;
    for (size_t i = 0; i < partition->replica_count; i++) {
        const struct replica *replica = partition->replicas[i];
        bool is_leader = replica->role == ROLE_LEADER;
        if (best == NULL || (is_leader && best->role != ROLE_LEADER) ||
            (is_leader == (best->role == ROLE_LEADER) && replica->term > best->term))
            best = replica;
    }
    return best;
}

struct table_size {
    json_int_t item_count;
    json_int_t item_bytes;
};

static struct table_size size_of(const struct table *table)
{
    struct table_size size = {0};
    for (size_t i = 0; i < table->partition_count; i++) {
        const struct replica *replica = authority(table->partitions[i]);
        size.item_count += replica == NULL ? 0 : (json_int_t)replica->item_count;
        size.item_bytes += replica == NULL ? 0 : (json_int_t)replica->item_bytes;
    }
    return size;
}

static json_t *warm_throughput(const struct table *table, enum table_status status)
{
    const struct table_spec *spec = &table->spec;
    uint64_t read_units = spec->is_on_demand ? ON_DEMAND_READ_UNITS : spec->read_units;
    uint64_t write_units = spec->is_on_demand ? ON_DEMAND_WRITE_UNITS : spec->write_units;
    return json_pack("{s:I, s:I, s:s}", "ReadUnitsPerSecond", (json_int_t)read_units, "WriteUnitsPerSecond",
                     (json_int_t)write_units, "Status", status_name(status));
}

static void set_time(json_t *object, const char *name, uint64_t time_us)
{
    if (time_us != 0)
        (void)json_object_set_new(object, name, json_real(seconds(time_us))); /* may be absent */
}

static json_t *throughput(const struct table_spec *spec)
{
    const struct table_history *history = &spec->history;
    json_t *description =
        json_pack("{s:i, s:I, s:I}", "NumberOfDecreasesToday",
                  (int)table_history_decreases_today(history, clock_wall_us()), "ReadCapacityUnits",
                  (json_int_t)spec->read_units, "WriteCapacityUnits", (json_int_t)spec->write_units);
    set_time(description, "LastIncreaseDateTime", history->increase_us);
    set_time(description, "LastDecreaseDateTime", history->decrease_us);
    return description;
}

/* Once a table was on-demand; a new one is so from the moment it is ACTIVE. */
static json_t *billing_mode(const struct table_spec *spec, enum table_status status)
{
    json_t *summary =
        json_pack("{s:s}", "BillingMode", spec->is_on_demand ? "PAY_PER_REQUEST" : "PROVISIONED");
    if (status != TABLE_CREATING)
        set_time(summary, "LastUpdateToPayPerRequestDateTime", spec->history.on_demand_us);
    return summary;
}

static json_int_t maximum(uint64_t units)
{
    return units == 0 ? -1 : (json_int_t)units;
}

static void add_options(json_t *description, const struct table *table, enum table_status status)
{
    static const char *const classes[] = {"", "STANDARD", "STANDARD_INFREQUENT_ACCESS"};
    const struct table_spec *spec = &table->spec;
    if (spec->history.on_demand_us != 0)
        (void)json_object_set_new(description, "BillingModeSummary",
                                  billing_mode(spec, status)); /* may be absent */
    if (spec->max_read_units != 0 || spec->max_write_units != 0)
        (void)json_object_set_new(description, "OnDemandThroughput",
                                  json_pack("{s:I, s:I}", "MaxReadRequestUnits",
                                            maximum(spec->max_read_units), "MaxWriteRequestUnits",
                                            maximum(spec->max_write_units))); /* may be absent */
    if (spec->table_class == TABLE_CLASS_NOT_GIVEN)
        return;
    json_t *summary = json_pack("{s:s}", "TableClass", classes[spec->table_class]);
    set_time(summary, "LastUpdateDateTime", spec->history.table_class_us);
    (void)json_object_set_new(description, "TableClassSummary", summary); /* may be absent */
}

json_t *table_description(const struct table *table, enum table_status status)
{
    const struct table_spec *spec = &table->spec;
    struct table_size size = size_of(table);
    json_t *description = json_pack(
        "{s:o, s:s, s:o, s:s, s:f, s:o, s:I, s:I, s:s, s:s, s:o, s:b}", "AttributeDefinitions",
        definitions(spec), "TableName", spec->name, "KeySchema", key_schema(spec), "TableStatus",
        status_name(status), "CreationDateTime", seconds(table->created_us), "ProvisionedThroughput",
        throughput(spec), "TableSizeBytes", size.item_bytes, "ItemCount", size.item_count, "TableArn",
        table->arn, "TableId", table->table_id, "WarmThroughput", warm_throughput(table, status),
        "DeletionProtectionEnabled", (int)spec->is_deletion_protected);
    if (description != NULL)
        add_options(description, table, status);
    return description;
}

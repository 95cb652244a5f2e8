#include "controlplane/control/table_spec.h"

#include "base/assert.h"
#include "base/memory.h"
#include "dataplane/item/key.h"

#define HOUR_US UINT64_C(3600000000)
#define DAY_US (24 * HOUR_US)

void table_spec_deinit(struct table_spec *spec)
{
    memory_free(spec->tags);
    spec->tags = NULL;
}

uint32_t table_history_decreases_today(const struct table_history *history, uint64_t now_us)
{
    return history->decrease_us / DAY_US == now_us / DAY_US ? history->decrease_count : 0;
}

uint32_t table_history_decreases_left(const struct table_history *history, uint64_t now_us)
{
    if (table_history_decreases_today(history, now_us) == 0)
        return TABLE_DECREASES_MAX;
    uint64_t hours = now_us < history->decrease_us ? 0 : now_us / HOUR_US - history->decrease_us / HOUR_US;
    uint64_t left = history->decreases_left + hours;
    return left < TABLE_DECREASES_MAX ? (uint32_t)left : TABLE_DECREASES_MAX;
}

void table_history_note_decrease(struct table_history *history, uint64_t now_us)
{
    uint32_t left = table_history_decreases_left(history, now_us);
    ASSERT(left > 0);
    history->decrease_count = table_history_decreases_today(history, now_us) + 1;
    history->decreases_left = left - 1;
    history->decrease_us = now_us;
}

uint32_t table_spec_partition_count(const struct table_spec *spec)
{
    if (spec->is_on_demand)
        return ON_DEMAND_PARTITIONS;
    /* Over the common denominator 3000. */
    uint64_t thirds =
        spec->read_units + spec->write_units * (PARTITION_READ_UNITS_MAX / PARTITION_WRITE_UNITS_MAX);
    uint64_t count = (thirds + PARTITION_READ_UNITS_MAX - 1) / PARTITION_READ_UNITS_MAX;
    return count == 0 ? 1 : (uint32_t)count;
}

static struct key_attribute attribute(const struct table_key *key)
{
    return (struct key_attribute){.name = slice_from_string(key->name), .type = key->type};
}

void table_spec_append_schema(const struct table_spec *spec, uint64_t schema_version, struct buffer *to)
{
    struct key_schema schema = {
        .version = schema_version,
        .partition = attribute(&spec->hash),
        .has_sort = table_spec_has_sort(spec),
    };
    if (schema.has_sort)
        schema.sort = attribute(&spec->sort);
    key_schema_encode(&schema, to);
}

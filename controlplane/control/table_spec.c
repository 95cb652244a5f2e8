#include "controlplane/control/table_spec.h"

#include "base/memory.h"
#include "dataplane/item/key.h"

void table_spec_deinit(struct table_spec *spec)
{
    memory_free(spec->tags);
    spec->tags = NULL;
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

/* What a table is, as a tenant asked for it: the valid form of a CreateTable request, and what is stored. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

enum {
    TABLE_NAME_BYTES_MAX = 255,
    KEY_NAME_BYTES_MAX = 255,
    TABLE_READ_UNITS_MAX =
        40000, /* facts of DynamoDB's quotas: per table, and per account for provisioned ones */
    TABLE_WRITE_UNITS_MAX = 40000,
    TENANT_READ_UNITS_MAX = 80000,
    TENANT_WRITE_UNITS_MAX = 80000,
    TENANT_TABLES_MAX = 2500,
    TABLE_TAGS_MAX = 50,
    ON_DEMAND_PARTITIONS = 4,
    PARTITION_READ_UNITS_MAX = 3000,
    PARTITION_WRITE_UNITS_MAX = 1000,
    ON_DEMAND_READ_UNITS = 12000, /* what a new on-demand table sustains: its warm throughput */
    ON_DEMAND_WRITE_UNITS = 4000,
};

struct table_key {
    char name[KEY_NAME_BYTES_MAX + 1];
    uint8_t type; /* VALUE_S, VALUE_N, VALUE_B */
};

enum table_class { TABLE_CLASS_NOT_GIVEN, TABLE_CLASS_STANDARD, TABLE_CLASS_INFREQUENT_ACCESS };

/* A plain value, but for the tags: memory of ours (table_spec_deinit). */
struct table_spec {
    char name[TABLE_NAME_BYTES_MAX + 1];
    struct table_key hash;
    struct table_key sort; /* name "" = none */
    bool is_on_demand;
    uint64_t read_units; /* 0 on demand */
    uint64_t write_units;
    enum table_class table_class;
    bool is_deletion_protected;
    char *tags; /* JSON [{"Key":...,"Value":...}] or NULL */
};

void table_spec_deinit(struct table_spec *spec);
static inline bool table_spec_has_sort(const struct table_spec *spec)
{
    return spec->sort.name[0] != '\0';
}

/* How many partitions a new table gets: ceil(RCU/3000 + WCU/1000), four on demand. */
uint32_t table_spec_partition_count(const struct table_spec *spec);

/* The key schema as nodes and routers know it (dataplane/item/key.h); sticky failure is in the buffer. */
void table_spec_append_schema(const struct table_spec *spec, uint64_t schema_version, struct buffer *to);

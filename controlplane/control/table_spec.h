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
    TABLE_DECREASES_MAX = 4, /* of throughput, at midnight UTC; one more each hour, up to these */
};

struct table_key {
    char name[KEY_NAME_BYTES_MAX + 1];
    uint8_t type; /* VALUE_S, VALUE_N, VALUE_B */
};

enum table_class { TABLE_CLASS_NOT_GIVEN, TABLE_CLASS_STANDARD, TABLE_CLASS_INFREQUENT_ACCESS };

/* What a description tells of the past. Times are microseconds since 1970, 0: never. */
struct table_history {
    uint64_t on_demand_us;   /* made on-demand */
    uint64_t table_class_us; /* its class changed */
    uint64_t increase_us;
    uint64_t decrease_us;
    uint32_t decrease_count; /* on the UTC day of decrease_us */
    uint32_t decreases_left; /* right after decrease_us */
};

/* A plain value, but for the tags: memory of ours (table_spec_deinit). */
struct table_spec {
    char name[TABLE_NAME_BYTES_MAX + 1];
    struct table_key hash;
    struct table_key sort; /* name "" = none */
    bool is_on_demand;
    uint64_t read_units; /* 0 on demand */
    uint64_t write_units;
    uint64_t max_read_units; /* OnDemandThroughput; 0 = no maximum */
    uint64_t max_write_units;
    enum table_class table_class;
    bool is_deletion_protected;
    char *tags; /* JSON [{"Key":...,"Value":...}] or NULL */
    struct table_history history;
};

void table_spec_deinit(struct table_spec *spec);
static inline bool table_spec_has_sort(const struct table_spec *spec)
{
    return spec->sort.name[0] != '\0';
}

/* Decreases of throughput on the UTC day of now_us, and how many more are allowed: four from midnight on, and one more
 * with each full hour, never more than four at once (27 in a day). */
uint32_t table_history_decreases_today(const struct table_history *history, uint64_t now_us);
uint32_t table_history_decreases_left(const struct table_history *history, uint64_t now_us);
/* One more, now; there must be one left. */
void table_history_note_decrease(struct table_history *history, uint64_t now_us);

/* How many partitions a new table gets: ceil(RCU/3000 + WCU/1000), four on demand. */
uint32_t table_spec_partition_count(const struct table_spec *spec);

/* The key schema as nodes and routers know it (dataplane/item/key.h); sticky failure is in the buffer. */
void table_spec_append_schema(const struct table_spec *spec, uint64_t schema_version, struct buffer *to);
